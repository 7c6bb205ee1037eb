//! buildah and skopeo as child processes: how they are called, listened to, stopped, and what their errors mean.
//!
//! A child is in a process group of its own, so that Ctrl-C reaches us and not it, and everything it started can be stopped at
//! once. It is begun by this program's own [`guard`], so that it ends when we die ourselves; what it leaves then, the next run
//! removes ([`store`]). Passwords are never arguments: credentials are in files.

pub mod guard;
pub(crate) mod isolation;
pub(crate) mod journal;
pub(crate) mod limits;
mod orphans;
pub(crate) mod platform;
pub(crate) mod registry_files;
pub(crate) mod setup;
pub(crate) mod store;
pub(crate) mod trouble;

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use crate::builder::Interrupt;
use crate::child;
use crate::log_lines::Tail;
use guard::GUARD;
use trouble::EngineTrouble;

/// How long a child may take to end after it was asked to. Its guard makes it end before that.
const GRACE: Duration = guard::GRACE.saturating_add(Duration::from_secs(5));
/// The most bytes of a log that are told at once.
const CHUNK: usize = 64 * 1024;
/// The most bytes of standard error that are kept for an error's text.
const KEPT_STDERR: usize = 16 * 1024;

/// The programs, and where they keep images.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The program `buildah`.
    pub buildah: PathBuf,
    /// The program `skopeo`.
    pub skopeo: PathBuf,
    /// This program, as the guard of its children; `None` for children without one.
    pub guard: Option<PathBuf>,
    /// Where images and working containers are.
    pub storage: Storage,
    /// Folder for the children's temporary files.
    pub temporary: PathBuf,
    /// Settings of registries, where the configuration has any; else the system's.
    pub registries: Option<PathBuf>,
    /// Credentials for registries, where the configuration names them; else what the children find.
    pub authfile: Option<PathBuf>,
}

/// Where images and working containers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Layers and images, which stay.
    pub root: PathBuf,
    /// What need not survive a reboot.
    pub runroot: PathBuf,
    /// The storage driver: `overlay` or `vfs`.
    pub driver: String,
    /// Options of the driver.
    pub options: Vec<String>,
}

/// Why a child did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The program is not there.
    #[error("{program} is needed for builds on this machine, and was not found")]
    NotFound {
        /// The program.
        program: String,
    },
    /// The program could not be started or listened to.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("{what}: {message} ({program}, exit code {code})")]
    Failed {
        /// What it was doing, such as `pushing REF`.
        what: String,
        /// The program.
        program: String,
        /// Its exit code; for a build that of the `RUN` that failed.
        code: i32,
        /// The last line of its standard error.
        message: String,
        /// What is known of the reason.
        trouble: EngineTrouble,
    },
    /// It was ended by a signal that did not come from us.
    #[error("{what}: {program} was killed by signal {signal}")]
    Killed {
        /// What it was doing.
        what: String,
        /// The program.
        program: String,
        /// The signal's number.
        signal: i32,
    },
    /// The user asked us to stop.
    #[error("{what}: interrupted")]
    Interrupted {
        /// What was being done.
        what: String,
    },
    /// What it printed is not what it should have been.
    #[error("{what}: {program} answered something unexpected: {reason}")]
    Unexpected {
        /// What it was asked.
        what: String,
        /// The program.
        program: String,
        /// What is wrong.
        reason: String,
    },
}

impl Engine {
    /// buildah with its storage.
    pub fn buildah(&self) -> Command {
        self.with_storage(self.program(&self.buildah, self.guard.as_deref()))
    }

    /// buildah for what it does in no time: that ends by itself before anybody could miss a guard, which takes time too.
    pub fn quick_buildah(&self) -> Command {
        self.with_storage(self.program(&self.buildah, None))
    }

    fn with_storage(&self, mut command: Command) -> Command {
        let Storage { root, runroot, driver, options } = &self.storage;
        command.arg("--root").arg(root).arg("--runroot").arg(runroot).arg("--storage-driver").arg(driver);
        for option in options {
            command.args(["--storage-opt", option]);
        }
        self.registries_option(&mut command);
        command
    }

    /// skopeo.
    pub fn skopeo(&self) -> Command {
        let mut command = self.program(&self.skopeo, self.guard.as_deref());
        self.registries_option(&mut command);
        command
    }

    /// The variable that names such a file is not heeded by all of their sub-commands; the option is.
    fn registries_option(&self, command: &mut Command) {
        if let Some(registries) = &self.registries {
            command.arg("--registries-conf").arg(registries);
        }
    }

    fn program(&self, program: &Path, guard: Option<&Path>) -> Command {
        let mut command = match guard {
            Some(guard) => {
                let mut command = child::command(guard);
                command.arg(GUARD).arg(std::process::id().to_string()).arg(program);
                command
            }
            None => child::command(program),
        };
        command.process_group(0).stdin(Stdio::null()).env("TMPDIR", &self.temporary);
        for name in ["BUILDAH_ISOLATION", "BUILDAH_LAYERS", "BUILDAH_FORMAT", "STORAGE_DRIVER", "STORAGE_OPTS"] {
            command.env_remove(name);
        }
        if let Some(authfile) = &self.authfile {
            command.env("REGISTRY_AUTH_FILE", authfile);
        }
        command
    }
}

/// Runs a child and takes what it prints on standard output. `what` is for errors.
///
/// # Errors
/// When it cannot be run, or does not end well.
pub async fn output(command: &mut Command, what: &str) -> Result<Vec<u8>, EngineError> {
    let program = name_of(command);
    let cannot = |source| cannot_run(&program, source);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(cannot)?;
    let mut group = Group::of(&child);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let read_out = async {
        match stdout {
            Some(mut stdout) => stdout.read_to_end(&mut out).await.map(drop),
            None => Ok(()),
        }
    };
    let read_err = async {
        match stderr {
            Some(mut stderr) => stderr.read_to_end(&mut err).await.map(drop),
            None => Ok(()),
        }
    };
    tokio::try_join!(read_out, read_err).map_err(cannot)?;
    let status = child.wait().await.map_err(cannot)?;
    group.ended();
    judge(status, &program, what, || trouble::of_call(&err))?;
    Ok(out)
}

/// Runs a child and hands on what it prints, standard output and standard error through one pipe, as it comes. When the
/// interrupt is raised the child is asked to end, and after a while made to.
///
/// # Errors
/// When it cannot be run, does not end well, or was interrupted.
pub async fn stream(
    command: &mut Command,
    what: &str,
    interrupt: &mut Interrupt,
    mut take: impl AsyncFnMut(Bytes),
) -> Result<(), EngineError> {
    let program = name_of(command);
    let cannot = |source| cannot_run(&program, source);
    let (reader, writer) = io::pipe().map_err(cannot)?;
    let mut child = command.stdout(writer.try_clone().map_err(cannot)?).stderr(writer).spawn().map_err(cannot)?;
    // The command still holds ends of the pipe, which would never close.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut group = Group::of(&child);
    let mut reader = pipe::Receiver::from_owned_fd(reader.into()).map_err(cannot)?;
    let mut tail = Tail::of(KEPT_STDERR);
    let mut deadline: Option<tokio::time::Instant> = None;
    let mut exited: Option<ExitStatus> = None;
    loop {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        tokio::select! {
            read = reader.read_buf(&mut buffer) => {
                if read.map_err(cannot)? == 0 {
                    break;
                }
                let bytes = buffer.freeze();
                tail.take(&bytes);
                take(bytes).await;
            }
            status = child.wait(), if exited.is_none() => {
                exited = Some(status.map_err(cannot)?);
                // What a killed engine leaves behind would hold the pipe open and go on working.
                group.kill();
            }
            () = interrupt.raised(), if deadline.is_none() => {
                group.terminate();
                deadline = Some(tokio::time::Instant::now() + GRACE);
            }
            () = sleep_until(deadline), if deadline.is_some() && exited.is_none() => {
                group.kill();
                deadline = Some(tokio::time::Instant::now() + GRACE);
            }
        }
    }
    let status = match exited {
        Some(status) => status,
        None => child.wait().await.map_err(cannot)?,
    };
    group.ended();
    if deadline.is_some() {
        return Err(EngineError::Interrupted { what: what.to_owned() });
    }
    judge(status, &program, what, || trouble::of_build(tail.bytes()))
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn cannot_run(program: &str, source: io::Error) -> EngineError {
    EngineError::Run { program: program.to_owned(), source }
}

/// The program's name for messages: the guard's is of no interest.
fn name_of(command: &Command) -> String {
    let command = command.as_std();
    let mut arguments = command.get_args();
    let program = match arguments.next() {
        Some(first) if first == GUARD => arguments.nth(1).unwrap_or(first),
        _ => command.get_program(),
    };
    Path::new(program).file_name().unwrap_or(OsStr::new("?")).to_string_lossy().into_owned()
}

/// `why` reads what the child said of its end.
fn judge(
    status: ExitStatus,
    program: &str,
    what: &str,
    why: impl FnOnce() -> (String, EngineTrouble),
) -> Result<(), EngineError> {
    if status.success() {
        return Ok(());
    }
    let (what, program) = (what.to_owned(), program.to_owned());
    let Some(code) = status.code() else {
        return Err(EngineError::Killed { what, program, signal: status.signal().unwrap_or_default() });
    };
    let (message, trouble) = why();
    Err(EngineError::Failed { what, program, code, message, trouble })
}

/// A child's process group. When it is dropped before the child has ended, the group is asked to end.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Group {
        Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// A group that is gone cannot be told anything, and need not.
    fn send(&self, signal: Signal) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, signal);
        }
    }

    fn terminate(&self) {
        self.send(Signal::TERM);
    }

    fn kill(&self) {
        self.send(Signal::KILL);
    }

    fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.terminate();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::builder::{Interrupt, Signal};

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).process_group(0);
        command
    }

    #[tokio::test]
    async fn errors_say_what_failed_with_the_childs_own_words() {
        assert_eq!(output(&mut sh("echo hi"), "greeting").await.unwrap(), b"hi\n");
        let error = output(&mut sh("echo x; echo 'Error: no such thing' >&2; exit 125"), "looking").await.unwrap_err();
        assert_eq!(error.to_string(), "looking: no such thing (sh, exit code 125)");
        let error = output(&mut sh("kill -9 $$"), "dying").await.unwrap_err();
        assert_eq!(error.to_string(), "dying: sh was killed by signal 9");
        let error = output(&mut Command::new("/nowhere/buildah"), "x").await.unwrap_err();
        assert_eq!(error.to_string(), "cannot run buildah");
    }

    #[tokio::test]
    async fn an_interrupt_ends_the_whole_group() {
        let mut interrupt = Interrupt::new();
        let raise = interrupt.clone();
        let mut seen = Vec::new();
        let error = stream(&mut sh("echo begun; sleep 60 & sleep 60"), "sleeping", &mut interrupt, async |bytes| {
            seen.extend_from_slice(&bytes);
            raise.raise(Signal::Interrupt);
        })
        .await
        .unwrap_err();
        assert!(matches!(error, EngineError::Interrupted { .. }), "{error}");
        assert_eq!(seen, b"begun\n");
    }

    #[tokio::test]
    async fn what_a_killed_child_left_behind_does_not_keep_us_waiting() {
        let mut interrupt = Interrupt::new();
        let error =
            stream(&mut sh("sleep 60 & kill -9 $$"), "sleeping", &mut interrupt, async |_| {}).await.unwrap_err();
        assert!(matches!(error, EngineError::Killed { signal: 9, .. }), "{error}");
    }
}
