//! Steps 6 and 7: buildah builds the image, with one new layer on top of the parent's.
//!
//! That is what OSBS calls squashed. buildah's own `--squash` is something else (1.28 flattens the parent too) and is never
//! passed: `--layers=false` leaves the parent's layers alone and makes one of all that is new. With `--cache` every
//! instruction keeps a layer, which is for iterating on scratch builds only.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::engine::{Engine, EngineError, output, stream};
use super::image_config::ImageConfig;
use super::journal::{Journal, StepName};
use super::store::create_private;
use crate::arch;
use crate::builder::Interrupt;
use crate::event::{BuildEvent, LogId};
use crate::log_lines::Tail;

/// How much of a log is kept for the summary of a failure, in bytes.
const TAIL: usize = 8 * 1024;
/// How many lines of it are shown.
const TAIL_LINES: usize = 20;

/// How `RUN` is kept from the rest of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// buildah's word for it.
    pub name: String,
    /// Why it is this one.
    pub why: String,
}

impl Isolation {
    /// What the configuration says, else what this machine can do: a container needs cgroups of version 2 and a runtime, and
    /// must not be in a container itself; a changed root works everywhere.
    pub fn choose(configured: Option<&str>) -> Isolation {
        if let Some(name) = configured {
            return Isolation { name: name.to_owned(), why: "configured".to_owned() };
        }
        let why = if Path::new("/run/.containerenv").exists() || Path::new("/.dockerenv").exists() {
            "this is a container itself"
        } else if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            "no cgroups of version 2 here"
        } else if !["crun", "runc"].iter().any(|runtime| is_in_path(runtime)) {
            "neither crun nor runc is here"
        } else {
            let name = if rustix::process::geteuid().is_root() { "oci" } else { "rootless" };
            return Isolation { name: name.to_owned(), why: "this machine can run containers".to_owned() };
        };
        Isolation { name: "chroot".to_owned(), why: why.to_owned() }
    }

    /// What it does not keep apart.
    pub fn shares(&self) -> Option<&'static str> {
        (self.name == "chroot").then_some("RUN shares network, processes and users with this machine")
    }
}

/// Whether a program is in one of the folders of `PATH`.
pub fn is_in_path(program: &str) -> bool {
    in_path(Path::new(program)).is_some()
}

/// Where in the folders of `PATH` a program is.
pub fn in_path(program: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// What buildah is asked to build.
#[derive(Debug, Clone)]
pub struct Order<'a> {
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

/// An image in the storage.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltImage {
    /// Its id: the digest of its configuration.
    pub id: String,
    /// Its name in the storage.
    pub name: String,
    /// Its configuration.
    pub config: ImageConfig,
    /// The same, as it is written.
    pub raw_config: String,
    /// The sizes of its layers in bytes, uncompressed, lowest first.
    pub layer_sizes: Vec<u64>,
}

/// Builds.
///
/// # Errors
/// When buildah does not build it; the exit code is that of the `RUN` that failed, where one did.
pub async fn build(
    engine: &Engine,
    order: &Order<'_>,
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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    config: String,
    manifest: String,
    #[serde(rename = "FromImageID")]
    from_image_id: String,
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    size: u64,
}

/// Reads what the storage has under a name.
///
/// # Errors
/// When it has nothing, or buildah's answer is not understood.
pub async fn image(engine: &Engine, name: &str) -> Result<BuiltImage, EngineError> {
    let what = format!("reading {name}");
    let answer = output(engine.quick_buildah().args(["inspect", "--type", "image", name]), &what).await?;
    let unexpected = |error: serde_json::Error| EngineError::Unexpected {
        what: what.clone(),
        program: "buildah".to_owned(),
        reason: error.to_string(),
    };
    let inspected: Inspected = serde_json::from_slice(&answer).map_err(unexpected)?;
    let manifest: Manifest = serde_json::from_str(&inspected.manifest).map_err(unexpected)?;
    Ok(BuiltImage {
        id: format!("sha256:{}", inspected.from_image_id.trim_start_matches("sha256:")),
        name: name.to_owned(),
        config: ImageConfig::parse(inspected.config.as_bytes()).map_err(unexpected)?,
        raw_config: inspected.config,
        layer_sizes: manifest.layers.iter().map(|layer| layer.size).collect(),
    })
}

/// How an image's layers stand to its base's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    /// The base's layers, and this many on top.
    OnTop(usize),
    /// The base's layers are not there as they were.
    Rewritten,
}

/// Compares the layers of an image with those of its base.
pub fn layers(image: &ImageConfig, base: Option<&ImageConfig>) -> Layers {
    let below = base.map(|base| base.rootfs.diff_ids.as_slice()).unwrap_or_default();
    match image.rootfs.diff_ids.strip_prefix(below) {
        Some(new) => Layers::OnTop(new.len()),
        None => Layers::Rewritten,
    }
}
