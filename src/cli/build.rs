//! The options of `container-build` and `flatpak-build`, in rpkg's order, and after them those rpkg does not have.
//!
//! Names, arities and meanings are those of pyrpkg's `register_container_build_common` and `register_container_build`.
//! Lists are flattened: `--repo-url a b --repo-url c` is `[a, b, c]`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum, ValueHint};
use serde_json::{Map, Value};

use super::values;
use crate::address::Address;
use crate::builder::OwnOptions;
use crate::credentials::Secret;
use crate::event::BuilderName;
use crate::local;
use crate::local::image::export::Export;
use crate::local::options::GivenOptions;
use crate::osbs;
use crate::osbs::options::{ClusterOptions, OsbsOptions};

const BUILD: &str = "Build options";
const CHECKS: &str = "Check options";
const OSBS: &str = "Options of --build-with osbs";
const LOCAL: &str = "Options of --build-with local";
/// Not a documentation comment, which would take the brackets for a link.
const REPLACEMENT: &str = "Replace a dependency (can be repeated)

SPEC is PKG_MANAGER:NAME:VERSION[:NEW_NAME], for the Cachito request.";
pub(super) const WATCHING: &str = "Watching options";

/// What both kinds of build take.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct BuildArgs {
    /// Build for TARGET, not for the branch's own target
    #[arg(long, value_name = "TARGET", help_heading = BUILD)]
    pub target: Option<String>,

    /// Submit and do not watch
    #[arg(long, help_heading = WATCHING)]
    pub nowait: bool,

    /// Build at a lower priority
    #[arg(long, help_heading = BUILD)]
    pub background: bool,

    /// Set the NVR's release instead of the next free one
    #[arg(long, value_name = "RELEASE", help_heading = BUILD, value_hint = ValueHint::Other)]
    pub build_release: Option<String>,

    /// Leave floating tags alone; needs --build-release
    #[arg(long, help_heading = BUILD)]
    pub isolated: bool,

    /// Build on this build's image, whatever FROM says
    ///
    /// NVR is that of a build of the parent image in Koji.
    #[arg(long, value_name = "NVR", help_heading = BUILD, value_hint = ValueHint::Other)]
    pub koji_parent_build: Option<String>,

    /// Make a build that is not kept: no NVR, no tag
    #[arg(long, help_heading = BUILD)]
    pub scratch: bool,

    /// Build only for these (can be repeated)
    ///
    /// Only for scratch and isolated builds. Others are built for all architectures of the target's build tag.
    #[arg(long, value_name = "ARCH", help_heading = BUILD, num_args = 0.., action = ArgAction::Append)]
    pub arches: Vec<String>,

    /// Add yum repository files (can be repeated)
    #[arg(long = "repo-url", value_name = "URL", help_heading = BUILD, num_args = 1.., action = ArgAction::Append,
          value_hint = ValueHint::Url)]
    pub repo_urls: Vec<String>,

    /// Ask for ODCS composes signed this way
    ///
    /// Must be one of the names that the OSBS server knows; without it the server takes its default. Cannot be used with
    /// --compose-id.
    #[arg(long, value_name = "NAME", help_heading = BUILD, value_hint = ValueHint::Other)]
    pub signing_intent: Option<String>,

    /// Do not ask Greenwave whether gating.yaml is valid
    #[arg(long, help_heading = CHECKS)]
    pub skip_remote_rules_validation: bool,

    /// Refused: builders fail such builds
    ///
    /// Accepted on the command line only to say so: what it did is gone from the builders.
    #[arg(long, help_heading = CHECKS)]
    pub skip_build: bool,

    /// Choose where to build
    ///
    /// koji is a task on a Koji hub, osbs a PipelineRun on OpenShift, local the OSBS workflow on this machine. Without it
    /// the configuration's build_with counts; else osbs where an OSBS instance is configured, else koji.
    #[arg(long, value_name = "koji|osbs|local", help_heading = BUILD, value_parser = values::builder(), hide_possible_values = true)]
    pub build_with: Option<BuilderName>,

    /// Store a JSON object with the build
    #[arg(long, value_name = "JSON", help_heading = BUILD, value_hint = ValueHint::Other, value_parser = values::json_object)]
    pub userdata: Option<Map<String, Value>>,

    /// Build in this Koji channel, not in the usual one
    #[arg(long, value_name = "CHANNEL", help_heading = BUILD, value_hint = ValueHint::Other)]
    pub channel_override: Option<String>,

    /// Tell the builder which branch the commit is on
    #[arg(long, value_name = "BRANCH", help_heading = BUILD)]
    pub git_branch: Option<String>,

    /// Submit in spite of what the checks found
    #[arg(long, help_heading = CHECKS)]
    pub force: bool,

    /// What builds on an OSBS cluster take besides.
    #[command(flatten)]
    pub osbs: OsbsArgs,

    /// What builds on this machine take besides.
    #[command(flatten)]
    pub local: LocalArgs,

    /// How the build is watched.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// What only builds on an OSBS cluster take.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct OsbsArgs {
    /// Which cluster, and who we are there.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Make the PipelineRun of this template
    ///
    /// In place of the configured pipeline_run_path. Variables are those of osbs-client's templates.
    #[arg(long, value_name = "FILE", help_heading = OSBS, value_hint = ValueHint::FilePath)]
    pub pipeline_run: Option<PathBuf>,

    /// Choose what to delete in the cluster at the end
    ///
    /// Without it the PipelineRun of a build that succeeded is deleted where cleanup_used_resources is on; that of a failed one
    /// is kept, with its logs.
    #[arg(long, value_name = "never|success|always", help_heading = OSBS, value_enum, hide_possible_values = true)]
    pub cleanup: Option<Cleanup>,
}

/// When the PipelineRun is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cleanup {
    /// Not at all.
    Never,
    /// When the build succeeded.
    Success,
    /// When it has ended, however that was.
    Always,
}

/// Which cluster, and who we are there.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct ClusterArgs {
    /// Read this osbs.conf
    ///
    /// Else the one that OSBS_CONFIG names, ~/.config/osbs.conf, or /etc/osbs.conf.
    #[arg(long, value_name = "FILE", help_heading = OSBS, value_hint = ValueHint::FilePath)]
    pub osbs_config: Option<PathBuf>,

    /// Use this section of osbs.conf (default_binary)
    #[arg(long, value_name = "NAME", help_heading = OSBS, value_hint = ValueHint::Other)]
    pub instance: Option<String>,

    /// Build on this API server
    #[arg(long, value_name = "URL", help_heading = OSBS, value_hint = ValueHint::Url)]
    pub openshift_url: Option<Address>,

    /// Build in this namespace of the cluster
    #[arg(long, value_name = "NAMESPACE", help_heading = OSBS, value_hint = ValueHint::Other)]
    pub osbs_namespace: Option<String>,

    /// Log in with this token
    ///
    /// Everybody on the machine can read it there: better is --token-file, or `oc login`.
    #[arg(long, value_name = "TOKEN", help_heading = OSBS, value_hint = ValueHint::Other, value_parser = values::secret,
          conflicts_with = "token_file")]
    pub token: Option<Secret>,

    /// Log in with the token in this file
    #[arg(long, value_name = "FILE", help_heading = OSBS, value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
}

impl From<Cleanup> for osbs::options::Cleanup {
    fn from(cleanup: Cleanup) -> Self {
        match cleanup {
            Cleanup::Never => osbs::options::Cleanup::Never,
            Cleanup::Success => osbs::options::Cleanup::Success,
            Cleanup::Always => osbs::options::Cleanup::Always,
        }
    }
}

impl From<&ClusterArgs> for ClusterOptions {
    fn from(arguments: &ClusterArgs) -> Self {
        let ClusterArgs { osbs_config, instance, openshift_url, osbs_namespace, token, token_file } = arguments.clone();
        ClusterOptions { osbs_config, instance, openshift_url, namespace: osbs_namespace, token, token_file }
    }
}

impl ClusterArgs {
    /// For builders, by way of those who know none.
    pub fn own_options(&self) -> OwnOptions {
        let options = OsbsOptions { cluster: self.into(), ..OsbsOptions::default() };
        OwnOptions::default().with(osbs::builder::NAME, options, self.given())
    }

    /// The first of these options that was given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            (self.osbs_config.is_some(), "--osbs-config"),
            (self.instance.is_some(), "--instance"),
            (self.openshift_url.is_some(), "--openshift-url"),
            (self.osbs_namespace.is_some(), "--osbs-namespace"),
            (self.token.is_some(), "--token"),
            (self.token_file.is_some(), "--token-file"),
        ];
        given.into_iter().find_map(|(given, name)| given.then_some(name))
    }
}

impl OsbsArgs {
    /// The first of these options that was given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [(self.pipeline_run.is_some(), "--pipeline-run"), (self.cleanup.is_some(), "--cleanup")];
        self.cluster.given().or_else(|| given.into_iter().find_map(|(given, name)| given.then_some(name)))
    }
}

/// What only builds on this machine take.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct LocalArgs {
    /// Push the image to the configured registry
    #[arg(long, help_heading = LOCAL)]
    pub push: bool,

    /// Write the image to DEST (can be repeated)
    ///
    /// DEST is docker-archive:FILE or oci-archive:FILE, compressed when FILE ends in .gz, or containers-storage:NAME for the
    /// images that podman and buildah show.
    #[arg(long, value_name = "DEST", help_heading = LOCAL, action = ArgAction::Append, value_hint = ValueHint::Other)]
    pub export: Vec<Export>,

    /// Import the image into Koji
    ///
    /// Needs the right to use the configured content generator, and an image that is pushed.
    #[arg(long = "import", help_heading = LOCAL)]
    pub import: bool,

    /// Build the work tree, not the commit; for scratch builds
    #[arg(long, help_heading = LOCAL)]
    pub dirty: bool,

    /// Keep layers for the next build; for scratch builds
    #[arg(long, help_heading = LOCAL)]
    pub cache: bool,

    /// Fail on packages that are not signed with these keys
    ///
    /// KEYID has the last 8 or 16 hexadecimal digits of a key's fingerprint, or all of them. Scratch builds only warn.
    #[arg(long, value_name = "KEYID", help_heading = LOCAL, num_args = 1.., action = ArgAction::Append,
          value_hint = ValueHint::Other)]
    pub signed_by: Vec<String>,

    /// Let the build see the repository of the Koji target
    #[arg(long, help_heading = LOCAL)]
    pub target_repo: bool,

    /// Set a build argument (can be repeated)
    ///
    /// Its value stays in the image's history; without a value it is taken from the environment.
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]", help_heading = LOCAL, action = ArgAction::Append,
          value_hint = ValueHint::Other)]
    pub build_args: Vec<String>,

    /// Hand a secret to RUN --mount=type=secret (can be repeated)
    #[arg(long = "secret", value_name = "id=ID,src=FILE", help_heading = LOCAL, action = ArgAction::Append,
          value_hint = ValueHint::Other)]
    pub secrets: Vec<String>,
}

impl LocalArgs {
    /// The first of these options that was given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            (self.push, "--push"),
            (!self.export.is_empty(), "--export"),
            (self.import, "--import"),
            (self.dirty, "--dirty"),
            (self.cache, "--cache"),
            (!self.signed_by.is_empty(), "--signed-by"),
            (self.target_repo, "--target-repo"),
            (!self.build_args.is_empty(), "--build-arg"),
            (!self.secrets.is_empty(), "--secret"),
        ];
        given.into_iter().find_map(|(given, name)| given.then_some(name))
    }
}

/// How much of a build is shown while it goes on.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct FollowArgs {
    /// Show tasks only, no logs
    #[arg(long, help_heading = WATCHING, conflicts_with = "log")]
    pub no_logs: bool,

    /// Show only the log of this name (can be repeated)
    #[arg(long = "log", value_name = "NAME", help_heading = WATCHING, action = ArgAction::Append)]
    pub log: Vec<String>,

    /// Print a sign of life after so much silence; 0 for none
    ///
    /// Only where standard error is no terminal, so that a CI system does not take a long step for a dead job.
    #[arg(long, value_name = "SECONDS", help_heading = WATCHING, value_hint = ValueHint::Other,
          value_parser = values::seconds)]
    pub heartbeat: Option<Duration>,
}

/// The options of `container-build`.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct ContainerBuildArgs {
    /// What both kinds of build take.
    #[command(flatten)]
    pub build: BuildArgs,

    /// Use these ODCS composes (can be repeated)
    ///
    /// Then no new ones are made. Cannot be used with --signing-intent.
    #[arg(long = "compose-id", value_name = "ID", help_heading = BUILD, num_args = 1.., action = ArgAction::Append,
          value_hint = ValueHint::Other, value_parser = values::python_int)]
    pub compose_ids: Vec<i64>,

    /// Replace a dependency (can be repeated)
    #[arg(long = "replace-dependency", value_name = "SPEC", help_heading = BUILD, num_args = 1..,
          action = ArgAction::Append, value_hint = ValueHint::Other, long_help = REPLACEMENT)]
    pub dependency_replacements: Vec<String>,

    /// Apply CSV changes to an operator bundle
    #[arg(long, value_name = "URL", help_heading = BUILD, value_hint = ValueHint::Url)]
    pub operator_csv_modifications_url: Option<String>,
}

/// The options of `flatpak-build`: what both kinds of build take, as rpkg has it.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct FlatpakBuildArgs {
    /// What both kinds of build take.
    #[command(flatten)]
    pub build: BuildArgs,
}

impl BuildArgs {
    /// What only some builders take, for them, by way of those who know none.
    pub fn own_options(&self) -> OwnOptions {
        let on_osbs = OsbsOptions {
            cluster: (&self.osbs.cluster).into(),
            pipeline_run: self.osbs.pipeline_run.clone(),
            cleanup: self.osbs.cleanup.map(Into::into),
        };
        let LocalArgs { push, export, import, dirty, cache, signed_by, target_repo, build_args, secrets } =
            self.local.clone();
        let here =
            GivenOptions { push, exports: export, import, dirty, cache, signed_by, target_repo, build_args, secrets };
        OwnOptions::default().with(osbs::builder::NAME, on_osbs, self.osbs.given()).with(
            local::builder::NAME,
            here,
            self.local.given(),
        )
    }

    /// Drops texts that are empty (see [`super::Globals`]). List elements stay: rpkg sends an empty repository URL.
    pub(super) fn drop_empty(&mut self) {
        let BuildArgs {
            target, build_release, koji_parent_build, signing_intent, channel_override, git_branch, ..
        } = self;
        for text in [target, build_release, koji_parent_build, signing_intent, channel_override, git_branch] {
            values::drop_empty(text);
        }
    }
}
