//! The sub-commands besides the builds: setting up, watching, cancelling, checking, showing the configuration.

use clap::{ArgAction, ArgGroup, Args, Subcommand, ValueEnum, ValueHint};

use super::build::{BuildArgs, ClusterArgs, ContainerBuildArgs, FlatpakBuildArgs, FollowArgs, WATCHING};
use super::values::{self, BuildRef};
use crate::builder::OwnOptions;
use crate::event::BuilderName;

/// What is to be done, with its options.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Command {
    /// Build a container image from the checkout
    ContainerBuild(Box<ContainerBuildArgs>),
    /// Build a flatpak from the checkout
    FlatpakBuild(Box<FlatpakBuildArgs>),
    /// Read or change the checkout's settings for container-build
    ContainerBuildSetup(SetupArgs),
    /// Watch a build that was submitted before
    Watch(WatchArgs),
    /// Cancel a build
    Cancel(CancelArgs),
    /// List what was submitted from here, and how it stands
    Status,
    /// Check the checkout for what a builder would refuse
    ///
    /// Takes the options of container-build, so that a command line is checked by changing one word.
    Check(Box<CheckArgs>),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

impl Command {
    /// The options that a build is planned from, where there are any.
    pub fn build_args(&self) -> Option<&BuildArgs> {
        match self {
            Command::ContainerBuild(args) => Some(&args.build),
            Command::FlatpakBuild(args) => Some(&args.build),
            Command::Check(args) => Some(&args.container.build),
            Command::ContainerBuildSetup(_)
            | Command::Watch(_)
            | Command::Cancel(_)
            | Command::Status
            | Command::Config(_) => None,
        }
    }

    pub(super) fn drop_empty(&mut self) {
        let container = match self {
            Command::ContainerBuild(args) => args.as_mut(),
            Command::Check(args) => &mut args.container,
            Command::FlatpakBuild(args) => return args.build.drop_empty(),
            _ => return,
        };
        container.build.drop_empty();
        values::drop_empty(&mut container.operator_csv_modifications_url);
    }
}

/// The options of `container-build-setup`; exactly one is given.
#[derive(Debug, Clone, PartialEq, Args)]
#[group(id = "setting", required = true, multiple = false)]
pub struct SetupArgs {
    /// Print whether the image is rebuilt when its parent changes
    #[arg(long)]
    pub get_autorebuild: bool,

    /// Turn automatic rebuilds on or off
    #[arg(long, value_name = "VALUE", value_enum)]
    pub set_autorebuild: Option<Switch>,
}

/// The two words of Python's choices `('true', 'false')`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    True,
    /// Off.
    False,
}

/// The options of `watch`. Without any build, the last one that was submitted from here is meant.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct WatchArgs {
    /// Koji task id, PipelineRun name, or address of its page
    #[arg(value_name = "ID|URL", value_parser = values::build_ref, conflicts_with = "last")]
    pub build: Option<BuildRef>,

    /// Watch what was submitted last; this is the default
    #[arg(long, help_heading = WATCHING)]
    pub last: bool,

    /// Begin with the last N lines of each log
    #[arg(long, value_name = "N", help_heading = WATCHING, value_hint = ValueHint::Other)]
    pub tail: Option<u64>,

    /// Show only logs of this architecture (can be repeated)
    #[arg(long = "arch", value_name = "ARCH", help_heading = WATCHING, action = ArgAction::Append)]
    pub arch: Vec<String>,

    /// How the build is watched.
    #[command(flatten)]
    pub follow: FollowArgs,

    /// The builder whose build it is
    #[arg(long, value_name = "koji|osbs|local", value_parser = values::builder(), hide_possible_values = true)]
    pub build_with: Option<BuilderName>,

    /// The cluster of a PipelineRun.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl WatchArgs {
    /// What only some builders take, for them, by way of those who know none.
    pub fn own_options(&self) -> OwnOptions {
        self.cluster.own_options()
    }
}

/// The options of `cancel`. The build must be named: nobody wants to cancel by accident.
#[derive(Debug, Clone, PartialEq, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("cancelled").required(true).args(["build", "last"]))]
pub struct CancelArgs {
    /// Koji task id, PipelineRun name, or address of its page
    #[arg(value_name = "ID|URL", value_parser = values::build_ref)]
    pub build: Option<BuildRef>,

    /// Cancel what was submitted last
    #[arg(long)]
    pub last: bool,

    /// The builder whose build it is
    #[arg(long, value_name = "koji|osbs|local", value_parser = values::builder(), hide_possible_values = true)]
    pub build_with: Option<BuilderName>,

    /// The cluster of a PipelineRun.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl CancelArgs {
    /// What only some builders take, for them, by way of those who know none.
    pub fn own_options(&self) -> OwnOptions {
        self.cluster.own_options()
    }
}

/// The options of `check`.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct CheckArgs {
    /// Look at local files only and ask no server
    #[arg(long, help_heading = "Check options")]
    pub offline: bool,

    /// The build to check.
    #[command(flatten)]
    pub container: ContainerBuildArgs,
}

/// What to do with the configuration.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum ConfigCommand {
    /// Show the values in force, and which file and line each is from
    Show(ConfigShowArgs),
}

/// The options of `config show`.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct ConfigShowArgs {
    /// Print JSON, as --output json does
    #[arg(long)]
    pub json: bool,

    /// The builder that builds would go to
    #[arg(long, value_name = "koji|osbs|local", value_parser = values::builder(), hide_possible_values = true)]
    pub build_with: Option<BuilderName>,

    /// The cluster whose settings to show.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl ConfigShowArgs {
    /// What only some builders take, for them, by way of those who know none.
    pub fn own_options(&self) -> OwnOptions {
        self.cluster.own_options()
    }
}
