//! What the sub-commands do, one file each: read, plan, execute, in that order.
//!
//! The words that users see are in [`crate::report`] and in errors; the definitions of options in [`crate::cli`].

pub mod build;
pub mod cancel;
pub mod check;
pub mod config_show;
pub mod environment;
mod koji_build;
mod koji_hub;
mod local_build;
mod osbs_build;
mod osbs_cluster;
mod records;
pub mod setup;
pub mod status;
pub mod watch;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::builder::Interrupt;
use crate::checkout::Checkout;
use crate::checkout::remote::RemotePath;
use crate::cli::completion::Sources;
use crate::cli::{Command, ConfigCommand, FollowArgs, Globals};
use crate::config::ConfigWarning;
use crate::config::koji::KojiProfile;
use crate::config::rpkg::{RpkgConfig, RpkgFiles};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{self, BuildEvent, BuildOutcome, EventSender, Outcome, Warning};
use crate::exit_code::ExitCode;
use crate::report::text::{self, FindingLine};
use crate::report::{LogView, OutputMode, Reporter};
use crate::request::findings::{Finding, Severity};

pub use environment::Environment;

/// What every sub-command gets.
pub struct Context {
    /// The tool whose configuration is read (`fedpkg`).
    pub tool: String,
    /// The name the user called us by, for hints that can be typed.
    pub program: String,
    /// The global options.
    pub globals: Globals,
    /// The process's surroundings.
    pub environment: Environment,
    /// How output looks.
    pub mode: OutputMode,
    /// The user's wish to stop.
    pub interrupt: Interrupt,
}

/// Where completion gets candidates from that need the configuration or the rules for remotes.
pub fn sources() -> Sources {
    Sources::of_this_user(configured_namespaces, |url| {
        RemotePath::of(url).and_then(|path| path.namespace().map(str::to_owned))
    })
}

fn configured_namespaces(tool: &str) -> Vec<String> {
    let home = Environment::of_this_process().home;
    let config = RpkgConfig::load(tool, &RpkgFiles::of_tool(tool, home.as_deref())).ok();
    config.and_then(|config| config.distgit_namespaces().ok().flatten()).unwrap_or_default()
}

/// The name that fedpkg's error line gives a sub-command: that of the Python function behind it.
pub fn python_name(command: &Command) -> &'static str {
    match command {
        Command::ContainerBuild(_) => "container_build",
        Command::FlatpakBuild(_) => "flatpak_build",
        Command::ContainerBuildSetup(_) => "container_build_setup",
        Command::Watch(_) => "watch",
        Command::Cancel(_) => "cancel",
        Command::Status => "status",
        Command::Check(_) => "check",
        Command::Config(_) => "config",
    }
}

/// Does what the command line says.
///
/// # Errors
/// Whatever keeps the sub-command from being carried out; a build that failed is no error but an exit code.
pub async fn run(command: &Command, context: &Context) -> Result<ExitCode> {
    match command {
        Command::ContainerBuild(arguments) => build::container(context, arguments).await,
        Command::FlatpakBuild(arguments) => build::flatpak(context, arguments).await,
        Command::ContainerBuildSetup(arguments) => setup::run(context, arguments),
        Command::Watch(arguments) => watch::run(context, arguments).await,
        Command::Cancel(arguments) => cancel::run(context, arguments).await,
        Command::Status => status::run(context).await,
        Command::Check(arguments) => check::run(context, arguments).await,
        Command::Config(ConfigCommand::Show(arguments)) => config_show::run(context, arguments),
    }
}

impl Context {
    /// The folder the user means: `--path`, else the current one.
    ///
    /// # Errors
    /// When the current folder is gone.
    pub fn folder(&self) -> Result<PathBuf> {
        if let Some(path) = &self.globals.path {
            return Ok(path.clone());
        }
        std::env::current_dir()
            .map_err(|source| Error::new(ErrorKind::Io, NoFolder(source)).hint("go to another folder"))
    }

    /// The tool's configuration, its warnings told.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn rpkg_config(&self) -> Result<RpkgConfig> {
        let mut files = RpkgFiles::of_tool(&self.tool, self.environment.home.as_deref());
        if let Some(config) = &self.globals.config {
            files.system.clone_from(config);
        }
        if let Some(config) = &self.globals.user_config {
            files.user = Some(config.clone());
        }
        let config = RpkgConfig::load(&self.tool, &files)?;
        self.config_warnings(config.warnings());
        Ok(config)
    }

    /// The Koji profile that the configuration names.
    ///
    /// # Errors
    /// When none is named, or no file has it.
    pub fn koji_profile(&self, config: &RpkgConfig) -> Result<KojiProfile> {
        self.koji_profile_named(&config.koji_profile_name()?.value)
    }

    /// A Koji profile by its name, its warnings told.
    ///
    /// # Errors
    /// When no file has it, or it is unusable.
    pub fn koji_profile_named(&self, name: &str) -> Result<KojiProfile> {
        let profile = koji_hub::profile(name, &self.environment)?;
        self.config_warnings(profile.warnings());
        Ok(profile)
    }

    /// The checkout the user stands in.
    ///
    /// # Errors
    /// When there is none, or git cannot read it.
    pub fn checkout(&self) -> Result<Checkout> {
        Ok(Checkout::read(&self.folder()?)?)
    }

    fn config_warnings(&self, warnings: &[ConfigWarning]) {
        for warning in warnings {
            self.warn(warning);
        }
    }

    /// Tells something that does not stop us, before there is a build to report on.
    pub fn warn(&self, warning: &dyn std::fmt::Display) {
        text::warning(&self.mode, warning);
    }

    /// Tells something good to know, before there is a build to report on.
    pub fn note(&self, note: &dyn std::fmt::Display) {
        text::note(&self.mode, note);
    }

    /// Tells what a check found.
    pub fn findings(&self, findings: &[Finding]) {
        text::findings(&self.mode, findings.iter().map(finding_line));
    }

    /// Runs `work` with a reporter that shows the events it sends, and ends the reporter before the result is handed on,
    /// so that whatever is said afterwards does not get between bars.
    async fn reporting<T>(&self, logs: LogView, work: impl AsyncFnOnce(EventSender) -> Result<T>) -> Result<T> {
        let (sender, receiver) = event::channel();
        let reporter = Reporter::spawn(self.mode.clone(), logs, self.program.clone(), receiver);
        let result = work(sender).await;
        reporter.finish().await;
        result
    }

    /// The logs that the command line asks for.
    fn log_view(&self, follow: &FollowArgs, arches: &[String]) -> LogView {
        self.mode.logs(LogView {
            none: follow.no_logs,
            names: follow.log.clone(),
            arches: arches.to_vec(),
            heartbeat: Some(follow.heartbeat.unwrap_or(HEARTBEAT)),
        })
    }
}

/// After so long a silence we tell that we are still there, unless the user says otherwise.
const HEARTBEAT: Duration = Duration::from_secs(60);

fn finding_line(finding: &Finding) -> FindingLine<'_> {
    FindingLine {
        severity: match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        id: finding.id,
        file: finding.file.as_deref(),
        line: finding.line,
        message: &finding.message,
        hint: finding.hint.as_deref(),
    }
}

/// Tells that something besides the build did not work.
async fn degraded(events: &EventSender, what: &str, why: &dyn std::fmt::Display) {
    let warning = Warning::Degraded { what: what.to_owned(), why: why.to_string() };
    events.send(BuildEvent::Warned(warning)).await;
}

/// The exit code that a build's end stands for.
fn exit_code(outcome: &BuildOutcome) -> ExitCode {
    match outcome.outcome {
        Outcome::Succeeded => ExitCode::Success,
        Outcome::Failed => ExitCode::Failed,
        Outcome::Cancelled => ExitCode::Cancelled,
        Outcome::Detached => ExitCode::Detached,
    }
}

/// The current folder does not exist any more.
#[derive(Debug, thiserror::Error)]
#[error("Could not get current path, have you deleted it?")]
struct NoFolder(#[source] io::Error);
