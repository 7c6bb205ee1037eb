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

use crate::arch;
use crate::builder::Interrupt;
use crate::event::{BuildEvent, LogId};
use crate::local::engine::journal::{Journal, StepName};
use crate::local::engine::store::create_private;
use crate::local::engine::{Engine, EngineError, stream};
use crate::log_lines::Tail;

/// How much of a log is kept for the summary of a failure, in bytes.
const TAIL: usize = 8 * 1024;
/// How many lines of it are shown.
const TAIL_LINES: usize = 20;

/// What buildah is asked to build.
#[derive(Debug, Clone)]
pub struct BuildCall<'a> {
    /// Koji's name of the architecture.
    pub arch: &'a str,
    /// How `RUN` is kept apart.
    pub isolation: &'a str,
    /// The Dockerfile.
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
    /// Secrets, as buildah wants them.
    pub secrets: &'a [String],
    /// The time that everything in the image has, in seconds since 1970, for builds that can be repeated bit by bit.
    pub timestamp: Option<i64>,
}

/// The log of a build: as events, and as a file that has every byte.
#[derive(Debug)]
pub struct BuildLog {
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
    pub async fn open(journal: &Journal, arch: &str, folder: &Path) -> std::io::Result<BuildLog> {
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
    pub async fn close(&self) {
        self.journal.events().send(BuildEvent::LogClosed { log: Arc::clone(&self.log) }).await;
    }

    /// Which log it is.
    pub fn id(&self) -> &LogId {
        &self.log
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its last lines.
    pub fn last_lines(&self) -> Vec<String> {
        self.tail.lines(TAIL_LINES)
    }
}

/// Builds.
///
/// # Errors
/// When buildah does not build it; the exit code is that of the `RUN` that failed, where one did.
pub async fn build(
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
    if order.arch != arch::host() {
        command.args(["--arch", arch::to_go(order.arch)]);
    }
    for argument in order.build_args {
        // Arguments of processes are there for everyone to see.
        if let Some((name, value)) = argument.split_once('=') {
            command.args(["--build-arg", name]).env(name, value);
        } else {
            command.args(["--build-arg", argument]);
        }
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
