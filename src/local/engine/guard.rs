//! A process between this program and an engine, which sees to it that nothing of a build outlives it: not the engine when this
//! program is killed, and not what `RUN` started when the engine has ended.
//!
//! It is this program itself, called with [`GUARD`]. The kernel tells it when its parent dies, and makes it the parent of
//! every process below the engine that loses its own. Engine and guard are in one process group, so that a signal to the group
//! reaches both.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, getpid, getppid, kill_process, set_child_subreaper, set_parent_process_death_signal,
};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::orphans;

/// The first argument by which this program is told to be a guard.
pub const GUARD: &str = "__guard";
/// How long an engine may take to end by itself after it was asked to.
pub const GRACE: Duration = Duration::from_secs(10);

/// Runs a program to its end, and ends what it leaves behind. `arguments` are the parent's process id, the program, and the
/// program's arguments. Returns the program's exit code; when a signal ended the program it ends this process too.
///
/// # Errors
/// When the program cannot be run.
pub fn guard(arguments: &[OsString]) -> io::Result<u8> {
    let [parent, program, rest @ ..] = arguments else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program to guard"));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(watch(parent, program, rest))?;
    orphans::end_children();
    if let Some(signal) = status.signal().and_then(Signal::from_named_raw) {
        let _ = kill_process(getpid(), signal);
    }
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

async fn watch(parent: &OsStr, program: &OsStr, arguments: &[OsString]) -> io::Result<ExitStatus> {
    let mut asked = signal(SignalKind::terminate())?;
    // The kernel sends it to a group that lost its parent while a member was stopped. It is no wish of anybody's.
    let _ignored = signal(SignalKind::hangup())?;
    set_child_subreaper(Some(getpid()))?;
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if !is_alive(parent) {
        return Err(io::Error::other("the program that started this one is gone"));
    }
    let mut child = Command::new(program).args(arguments).spawn()?;
    let mut deadline: Option<Instant> = None;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            _ = asked.recv() => match deadline {
                // A parent that lives has asked the whole group.
                None if is_alive(parent) => deadline = Some(Instant::now() + GRACE),
                None => {
                    tell(&child, Signal::TERM);
                    deadline = Some(Instant::now() + GRACE);
                }
                // Whoever asks twice, or asks and then dies, does not want to wait.
                Some(_) => tell(&child, Signal::KILL),
            },
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                tell(&child, Signal::KILL);
                deadline = Some(Instant::now() + GRACE);
            }
        }
    }
}

fn is_alive(parent: &OsStr) -> bool {
    getppid().is_some_and(|pid| parent.to_str() == Some(pid.as_raw_nonzero().get().to_string().as_str()))
}

fn tell(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
