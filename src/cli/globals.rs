//! The global options: rpkg's own, before or after the sub-command, and those of the terminal (`--output`, `--color`).

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, ValueEnum, ValueHint};

use super::values;
use crate::credentials::{PASSWORD_VARIABLE, Secret};

const REPOSITORY: &str = "Repository options";
const LOGIN: &str = "Login options";
const CONFIGURATION: &str = "Configuration options";
const OUTPUT: &str = "Output options";

/// Options that every sub-command takes. Empty texts count as not given, as they do for rpkg.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Globals {
    /// Work in DIR instead of the current folder
    #[arg(global = true, long, value_name = "DIR", help_heading = REPOSITORY, value_hint = ValueHint::DirPath,
          value_parser = OsStringValueParser::new().try_map(values::existing_path))]
    pub path: Option<PathBuf>,

    /// Override the repository's name; the namespace is then rpms unless given
    #[arg(global = true, long, value_name = "NAME", help_heading = REPOSITORY, value_hint = ValueHint::Other)]
    pub name: Option<String>,

    /// Override the repository's namespace; needs --name
    #[arg(global = true, long, value_name = "NS", help_heading = REPOSITORY)]
    pub namespace: Option<String>,

    /// Override the branch, for the default target and for the builder
    ///
    /// The builder looks for the commit on the branch named here and fails when it is not there. To build the branch of
    /// the checkout for another target, use --target.
    #[arg(global = true, long, value_name = "REL", help_heading = REPOSITORY)]
    pub release: Option<String>,

    /// Log in with this user name
    #[arg(global = true, long, value_name = "USER", help_heading = LOGIN, value_hint = ValueHint::Username)]
    pub user: Option<String>,

    /// Koji password; other users can see it, better use the environment
    ///
    /// Everybody on this machine can read the command lines of running programs. Put the password into the environment
    /// variable FEDPKG_CONTAINER_BUILD_PASSWORD instead. Giving one selects password login where the Koji profile leaves
    /// the kind of login open.
    #[arg(global = true, long, value_name = "PASSWORD", help_heading = LOGIN, env = PASSWORD_VARIABLE, hide_env = true,
          hide_env_values = true, value_hint = ValueHint::Other, value_parser = values::secret)]
    pub password: Option<Secret>,

    /// Act as this user (a Koji proxy user); not with a password
    #[arg(global = true, long, value_name = "USER", help_heading = LOGIN, value_hint = ValueHint::Username)]
    pub runas: Option<String>,

    /// Read FILE instead of /etc/rpkg/TOOL.conf
    #[arg(global = true, short = 'C', long, value_name = "FILE", help_heading = CONFIGURATION,
          value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Read FILE instead of ~/.config/rpkg/TOOL.conf
    #[arg(global = true, long, value_name = "FILE", help_heading = CONFIGURATION, value_hint = ValueHint::FilePath)]
    pub user_config: Option<PathBuf>,

    /// Use this Koji profile, not the configured one
    #[arg(global = true, long, value_name = "NAME", help_heading = CONFIGURATION, value_hint = ValueHint::Other)]
    pub profile: Option<String>,

    /// Show what would be submitted, and submit nothing
    #[arg(global = true, long, help_heading = OUTPUT)]
    pub dry_run: bool,

    /// Print results for people, or as JSON Lines
    #[arg(global = true, long, value_name = "text|json", help_heading = OUTPUT, value_enum, default_value_t,
          hide_possible_values = true)]
    pub output: OutputFormat,

    /// Use colours
    ///
    /// auto means on a terminal, unless NO_COLOR or TERM=dumb forbid it.
    #[arg(global = true, long, value_name = "auto|always|never", help_heading = OUTPUT, value_enum, default_value_t,
          hide_possible_values = true)]
    pub color: ColorWhen,

    /// Tell more; twice for even more
    #[arg(global = true, short, long, help_heading = OUTPUT, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Tell what happens on the wire, without secrets
    #[arg(global = true, short, long, help_heading = OUTPUT)]
    pub debug: bool,

    /// Tell only results, warnings and errors
    #[arg(global = true, short, long, help_heading = OUTPUT)]
    pub quiet: bool,
}

/// What standard output gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` or `TERM=dumb` forbid it.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Globals {
    /// Whether programs read what we print.
    pub fn is_json(&self) -> bool {
        self.output == OutputFormat::Json
    }

    /// Drops texts that are empty: rpkg's tests are Python's truth values, for which an empty text is as good as none.
    pub(super) fn drop_empty(&mut self) {
        let Globals { name, namespace, release, user, runas, profile, password, .. } = self;
        for text in [name, namespace, release, user, runas, profile] {
            values::drop_empty(text);
        }
        password.take_if(|password| password.expose().is_empty());
    }
}
