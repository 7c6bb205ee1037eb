//! What the sub-commands do, one file each: read, plan, use a builder, say. No word of koji, osbs or local.
//!
//! Everything that is said is an event ([`crate::event`]). The definitions of options are in [`crate::cli`]; its structures end here.

mod at;
pub(crate) mod build;
pub(crate) mod cancel;
pub(crate) mod check;
pub(crate) mod config_show;
mod prepare;
mod records;
pub(crate) mod setup;
pub(crate) mod status;
pub(crate) mod watch;
mod watching;
mod which;

use std::io;
use std::path::PathBuf;

use crate::builder::{Interrupt, LogChoice, OwnOptions, Setting, Signal};
use crate::checkout::Checkout;
use crate::checkout::remote::RemotePath;
use crate::cli::completion::Sources;
use crate::cli::{Command, ConfigCommand, FollowArgs, Globals};
use crate::config::rpkg::{RpkgConfig, RpkgFiles};
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuildId, BuildOutcome, EventSender, Fault, Finding, Finish, Outcome};
use crate::exit_code::ExitCode;
use crate::report::{OutputMode, text};
use crate::wait::blocking;

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
    /// Where everything is told.
    pub events: EventSender,
    /// The user's wish to stop.
    pub interrupt: Interrupt,
}

/// How a sub-command ended that did what it was asked for. A build that failed is such an end, too.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// The build that it was about.
    pub(crate) build: Option<BuildId>,
    /// How that ended, where it was waited for.
    pub(crate) outcome: Option<BuildOutcome>,
    /// How the process ends.
    pub(crate) code: Option<ExitCode>,
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

/// What a signal kept from happening, in the words of the command.
fn left_undone(command: &Command) -> &'static str {
    match command {
        Command::ContainerBuild(_) | Command::FlatpakBuild(_) => "interrupted: nothing was submitted",
        Command::Cancel(_) => "interrupted: nothing was cancelled",
        _ => "interrupted",
    }
}

/// An error as it is told. `command` is the Python name of the sub-command.
pub fn fault(error: &Error, command: &str) -> Fault {
    Fault {
        exit_code: ExitCode::from(error.kind()) as u8,
        kind: error.kind().word(),
        command: command.to_owned(),
        message: error.to_string(),
        causes: error.causes(),
        hints: error.hints().to_vec(),
        findings: error.findings().to_vec(),
        build: error.build().cloned(),
    }
}

/// The error of a command that a signal ended before anything was begun.
pub fn stopped(signal: Signal, command: &Command) -> Error {
    Error::new(signal.kind(), Stopped(left_undone(command)))
}

/// Does what the command line says, and tells how it ended: the last event. That event comes back, too, for those who find that it
/// could not be shown.
///
/// A signal drops the command where it waits, unless it holds the interrupt off (see [`crate::builder::interrupt`]).
pub async fn run(command: &Command, context: &Context) -> BuildEvent {
    let mut interrupt = context.interrupt.clone();
    let ended = tokio::select! {
        biased;
        signal = interrupt.unheld() => Err(stopped(signal, command)),
        error = output_gone(context) => Err(error),
        ended = dispatch(command, context) => ended,
    };
    let last = match ended {
        Ok(end) => BuildEvent::Finished(Box::new(end.finish())),
        Err(error) => BuildEvent::Failed(Box::new(fault(&error, python_name(command)))),
    };
    context.tell(last.clone()).await;
    last
}

/// Completes when nobody can read any more what we write, and nothing is under way that has to be finished or told all the same.
async fn output_gone(context: &Context) -> Error {
    context.events.closed().await;
    context.interrupt.clone().free().await;
    Error::new(ErrorKind::Io, OutputGone)
}

/// Says that the output could not be written, to those who can still be told, and gives the exit code: a build that exists was not seen to
/// its end then. A reader who has had enough (`| head`) needs to be told nothing when there is no build.
pub fn unwritten(last: &BuildEvent, error: io::Error, mode: &OutputMode) -> u8 {
    let has_left = error.kind() == io::ErrorKind::BrokenPipe;
    let (build, hints) = match last {
        // The end of the build was seen, and whoever was to be told has left.
        BuildEvent::Finished(finish) if has_left && finish.outcome.is_some() => return finish.exit_code,
        BuildEvent::Finished(finish) => (finish.build.clone().filter(|_| finish.outcome.is_none()), Vec::new()),
        BuildEvent::Failed(fault) => (fault.build.clone(), fault.hints.clone()),
        _ => (None, Vec::new()),
    };
    let kind = if build.is_some() { ErrorKind::Unseen } else { ErrorKind::Io };
    let mut told = Error::new(kind, Unwritten(error));
    if let Some(build) = &build {
        told = told.hint(format!("the build is {} on {}", build.id, build.server)).about(build.clone());
    }
    let told = hints.into_iter().fold(told, Error::hint);
    if !has_left || build.is_some() {
        text::error(mode, &fault(&told, "output"));
    }
    ExitCode::from(kind) as u8
}

async fn dispatch(command: &Command, context: &Context) -> Result<End> {
    match command {
        Command::ContainerBuild(arguments) => build::container(context, arguments).await,
        Command::FlatpakBuild(arguments) => build::flatpak(context, arguments).await,
        Command::ContainerBuildSetup(arguments) => setup::run(context, arguments).await,
        Command::Watch(arguments) => watch::run(context, arguments).await,
        Command::Cancel(arguments) => cancel::run(context, arguments).await,
        Command::Status => status::run(context).await,
        Command::Check(arguments) => check::run(context, arguments).await,
        Command::Config(ConfigCommand::Show(arguments)) => config_show::run(context, arguments).await,
    }
}

impl End {
    fn finish(self) -> Finish {
        let by_outcome = self.outcome.as_ref().map_or(ExitCode::Success, |outcome| exit_code(outcome.outcome));
        Finish { exit_code: self.code.unwrap_or(by_outcome) as u8, build: self.build, outcome: self.outcome }
    }
}

/// The exit code that a build's end stands for. That we only stopped watching has the code of what made us stop.
fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Succeeded => ExitCode::Success,
        Outcome::Failed => ExitCode::Failed,
        Outcome::Cancelled => ExitCode::Cancelled,
        Outcome::Detached => ExitCode::Interrupted,
    }
}

impl Context {
    /// Tells something.
    pub async fn tell(&self, event: BuildEvent) {
        self.events.send(event).await;
    }

    /// Tells something that does not stop us.
    pub async fn warn(&self, text: impl std::fmt::Display) {
        self.tell(BuildEvent::warning(text)).await;
    }

    /// Tells something good to know.
    pub async fn note(&self, text: impl std::fmt::Display) {
        self.tell(BuildEvent::note(text)).await;
    }

    /// Tells what a check found.
    async fn findings(&self, findings: &[Finding]) {
        for finding in findings {
            self.tell(BuildEvent::Found(finding.clone())).await;
        }
    }

    /// The folder the user means: `--path`, else the current one.
    ///
    /// # Errors
    /// When the current folder is gone.
    fn folder(&self) -> Result<PathBuf> {
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
    async fn rpkg_config(&self) -> Result<RpkgConfig> {
        let mut files = RpkgFiles::of_tool(&self.tool, self.environment.home.as_deref());
        if let Some(config) = &self.globals.config {
            files.system.clone_from(config);
            files.is_named = true;
        }
        if let Some(config) = &self.globals.user_config {
            files.user = Some(config.clone());
        }
        let tool = self.tool.clone();
        let config =
            blocking(&self.events, "reading the configuration", move || RpkgConfig::load(&tool, &files)).await??;
        for warning in config.warnings() {
            self.warn(warning).await;
        }
        Ok(config)
    }

    /// The checkout the user stands in.
    ///
    /// # Errors
    /// When there is none, or git cannot read it.
    async fn checkout(&self) -> Result<Checkout> {
        let folder = self.folder()?;
        Ok(blocking(&self.events, "reading the checkout", move || Checkout::read(&folder)).await??)
    }

    /// What builders get.
    fn setting<'a>(&'a self, rpkg: std::result::Result<&'a RpkgConfig, &'a Error>, own: &'a OwnOptions) -> Setting<'a> {
        let globals = &self.globals;
        Setting {
            environment: &self.environment,
            rpkg,
            profile: globals.profile.as_deref(),
            user: globals.user.as_deref(),
            password: globals.password.as_ref(),
            runas: globals.runas.as_deref(),
            own,
            events: &self.events,
        }
    }

    /// The logs that the command line asks for. `-q` wants none, but for programs.
    fn logs(&self, follow: &FollowArgs, arches: &[String], tail: Option<u64>) -> LogChoice {
        let is_quiet = self.globals.quiet && !self.globals.is_json();
        LogChoice { none: follow.no_logs || is_quiet, names: follow.log.clone(), arches: arches.to_vec(), tail }
    }
}

/// A signal came first.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Stopped(&'static str);

/// Nobody reads what we write, or it cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written any more")]
pub(crate) struct OutputGone;

/// The output is lost.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
struct Unwritten(io::Error);

/// The current folder does not exist any more.
#[derive(Debug, thiserror::Error)]
#[error("Could not get current path, have you deleted it?")]
struct NoFolder(#[source] io::Error);
