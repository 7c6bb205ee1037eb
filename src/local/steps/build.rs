//! buildah builds the image, with one new layer on top of the parent's.
//!
//! That is what OSBS calls squashed. buildah's own `--squash` is something else (1.28 flattens the parent too) and is never
//! passed: `--layers=false` leaves the parent's layers alone and makes one of all that is new. With `--cache` every
//! instruction keeps a layer, which is for iterating on scratch builds only.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::process::Command;

use crate::arch;
use crate::builder::Interrupt;
use crate::event::{BuildEvent, LogId};
use crate::local::engine::journal::{Journal, StepName};
use crate::local::engine::limits;
use crate::local::engine::store::create_private;
use crate::local::engine::{Engine, EngineError, stream};
use crate::log_lines::Tail;

/// How much of a log is kept for the summary of a failure, in bytes.
const TAIL: usize = 8 * 1024;
/// How many lines of it are shown.
const TAIL_LINES: usize = 20;

/// What buildah is asked to build.
#[derive(Debug, Clone)]
pub(crate) struct BuildCall<'a> {
    /// Koji's name of the architecture.
    pub arch: &'a str,
    /// How `RUN` is kept apart.
    pub isolation: &'a str,
    pub dockerfile: &'a Path,
    /// The folder to build from.
    pub context: &'a Path,
    /// The name that the image gets in the storage.
    pub name: &'a str,
    /// Whether layers are kept for the next build.
    pub cache: bool,
    /// A folder of repository files that `RUN` sees, where they are not copied.
    pub repos: Option<&'a Path>,
    /// Whether `RUN` sees the proxy settings of the environment.
    pub http_proxy: bool,
    /// `NAME=VALUE`, or `NAME` for a value from the environment.
    pub build_args: &'a [String],
    /// A file with more of them, where the engine reads one.
    pub build_arg_file: Option<&'a Path>,
    /// Secrets, as buildah wants them.
    pub secrets: &'a [String],
    /// The time that everything in the image has, in seconds since 1970, for builds that can be repeated bit by bit.
    pub timestamp: Option<i64>,
}

/// The log of a build: as events, and as a file that has every byte.
#[derive(Debug)]
pub(crate) struct BuildLog {
    journal: Journal,
    log: Arc<LogId>,
    path: PathBuf,
    file: File,
    offset: u64,
    tail: Tail,
}

impl BuildLog {
    /// The log of one architecture's build.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) async fn open(journal: &Journal, arch: &str, folder: &Path) -> std::io::Result<BuildLog> {
        let name = format!("{arch}-build.log");
        let path = folder.join(&name);
        let file = create_private(&path)?;
        let log = Arc::new(LogId { task: StepName::Build.id(), volume: None, name: name.as_str().into() });
        let opened = BuildEvent::LogOpened { log: Arc::clone(&log), arch: Some(arch.into()) };
        journal.events().send(opened).await;
        Ok(BuildLog { journal: journal.clone(), log, path, file, offset: 0, tail: Tail::of(TAIL) })
    }

    /// Takes what the engine printed. A full disk must not end a build: the screen has it all the same.
    async fn take(&mut self, bytes: Bytes) {
        let _ = self.file.write_all(&bytes);
        self.tail.take(&bytes);
        let (offset, length) = (self.offset, bytes.len() as u64);
        self.journal.events().send(BuildEvent::LogAppended { log: Arc::clone(&self.log), offset, bytes }).await;
        self.offset += length;
    }

    /// Nothing more comes.
    pub(crate) async fn close(&self) {
        self.journal.events().send(BuildEvent::LogClosed { log: Arc::clone(&self.log) }).await;
    }

    /// Which log it is.
    pub(crate) fn id(&self) -> &LogId {
        &self.log
    }

    /// Where it is kept.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn last_lines(&self) -> Vec<String> {
        self.tail.lines(TAIL_LINES)
    }
}

/// The build arguments as the engine is given them. A value never becomes a variable of its environment: `PATH` or `LD_PRELOAD` of
/// the image would be the engine's own. A name alone stands for the user's variable, which the engine finds by itself, unless it is
/// one that is set otherwise for the engine.
fn build_args(given: &[String], engine: &Command) -> Vec<String> {
    let is_set_otherwise = |name: &str| engine.as_std().get_envs().any(|(changed, _)| changed == name);
    let of_user = |argument: &String| match std::env::var(argument) {
        Ok(value) if !argument.contains('=') && is_set_otherwise(argument) => format!("{argument}={value}"),
        _ => argument.clone(),
    };
    given.iter().map(of_user).collect()
}

/// Splits build arguments into those that go into a file, where no other process sees them, and those that cannot stand there.
pub(crate) fn in_file(given: &[String]) -> (String, Vec<String>) {
    let fits =
        |argument: &&String| argument.contains('=') && !argument.contains(['\n', '\r']) && !argument.starts_with('#');
    let (fitting, other): (Vec<&String>, Vec<&String>) = given.iter().partition(fits);
    (fitting.iter().map(|argument| format!("{argument}\n")).collect(), other.into_iter().cloned().collect())
}

/// Builds.
///
/// # Errors
/// When buildah does not build it; the exit code is that of the `RUN` that failed, where one did.
pub(crate) async fn build(
    engine: &Engine,
    order: &BuildCall<'_>,
    log: &mut BuildLog,
    interrupt: &mut Interrupt,
) -> Result<(), EngineError> {
    let mut command = engine.buildah();
    command.arg("build").args(["--isolation", order.isolation, "--pull=never", "--file"]).arg(order.dockerfile);
    if order.cache {
        command.arg("--layers=true");
    } else {
        command.args(["--layers=false", "--no-cache"]);
    }
    // Docker's format has ONBUILD, SHELL and HEALTHCHECK, and is what OSBS makes; OCI's has nothing that changes by itself.
    match order.timestamp {
        Some(seconds) => command.args(["--format", "oci", "--timestamp", &seconds.to_string()]),
        None => command.args(["--format", "docker"]),
    };
    command.arg(format!("--http-proxy={}", order.http_proxy));
    command.args(limits::ulimits().iter().flat_map(|limit| ["--ulimit", limit]));
    if order.arch != arch::host() {
        command.args(["--arch", arch::to_go(order.arch)]);
    }
    for argument in build_args(order.build_args, &command) {
        command.args(["--build-arg", &argument]);
    }
    if let Some(file) = order.build_arg_file {
        command.arg("--build-arg-file").arg(file);
    }
    for secret in order.secrets {
        command.args(["--secret", secret]);
    }
    if let Some(repos) = order.repos {
        command.arg("--volume").arg(format!("{}:{}:ro", repos.display(), super::yum_repos::YUM_REPOS_DIR));
    }
    command.args(["--tag", order.name]).arg(order.context);
    let what = format!("building for {}", order.arch);
    let built = stream(&mut command, &what, interrupt, async |bytes| log.take(bytes).await).await;
    log.close().await;
    built
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child;

    #[test]
    fn build_arguments_are_never_the_engines_environment() {
        let given = ["PATH=/opt/x", "LD_PRELOAD=x.so", "VERSION", "TMPDIR=/var/x"].map(str::to_owned);
        let mut command = child::command("buildah");
        command.env("TMPDIR", "/ours");
        assert_eq!(build_args(&given, &command), given);
        command.env("HOME", "/ours");
        let home = std::env::var("HOME").map_or_else(|_| "HOME".to_owned(), |home| format!("HOME={home}"));
        assert_eq!(build_args(&["HOME".to_owned()], &command), [home]);
    }

    #[test]
    fn what_a_line_of_a_file_cannot_hold_is_an_argument() {
        let given = ["A=1", "B", "C=two\nlines", "D=x = y"].map(str::to_owned);
        assert_eq!(in_file(&given), ("A=1\nD=x = y\n".to_owned(), vec!["B".to_owned(), "C=two\nlines".to_owned()]));
    }
}
