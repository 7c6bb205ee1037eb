//! Processes that outlived who started them. A `RUN` of a changed root has no process namespace that would end with it: what goes
//! into the background there, or does not listen to signals, goes on when the engine has ended, well or not.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};

/// How long processes may take to die after they were killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether they have.
const PERIOD: Duration = Duration::from_millis(5);
/// The variable by which programs know where to put temporary files: the folder of the build that started them.
const FOLDER_VARIABLE: &[u8] = b"TMPDIR=";

/// Kills all children of this process, and those that come to it when their parents die.
pub(super) fn end_children() {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match wait(WaitOptions::NOHANG) {
            // There is none.
            Err(_) => return,
            Ok(Some(_)) => {}
            Ok(None) if Instant::now() > deadline => return,
            Ok(None) => {
                of_parent(getpid()).for_each(kill);
                std::thread::sleep(PERIOD);
            }
        }
    }
}

/// Kills what a build has left whose folder this was: its engines, and what runs in a root below the folder. Guards, whose first
/// argument is `guard`, come last: they end what their engines leave.
pub(super) async fn end_those_of(folder: &Path, guard: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left: Vec<(Pid, PathBuf)> = processes().filter(|(_, entry)| belongs_to(entry, folder)).collect();
        if left.is_empty() {
            return;
        }
        let late = Instant::now() > deadline;
        left.iter().filter(|(_, entry)| late || !is_guard(entry, guard)).for_each(|(pid, _)| kill(*pid));
        if late {
            return;
        }
        tokio::time::sleep(PERIOD).await;
    }
}

fn kill(pid: Pid) {
    let _ = kill_process(pid, Signal::KILL);
}

/// All processes, each with its folder in `/proc`.
fn processes() -> impl Iterator<Item = (Pid, PathBuf)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?, entry.path())))
}

fn of_parent(parent: Pid) -> impl Iterator<Item = Pid> {
    let parent = parent.as_raw_nonzero().get().to_string();
    processes().filter(move |(_, entry)| parent_of(entry).is_some_and(|id| id == parent)).map(|(pid, _)| pid)
}

/// The second field behind the program's name, which is in brackets and may have blanks and brackets itself.
fn parent_of(entry: &Path) -> Option<String> {
    let bytes = fs::read(entry.join("stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned)
}

/// Zombies have neither a root nor an environment.
fn belongs_to(entry: &Path, folder: &Path) -> bool {
    let rooted = fs::read_link(entry.join("root")).is_ok_and(|root| root.starts_with(folder));
    let environment = fs::read(entry.join("environ")).unwrap_or_default();
    let mut named = environment.split(|byte| *byte == 0).filter_map(|variable| variable.strip_prefix(FOLDER_VARIABLE));
    rooted || named.any(|path| Path::new(std::ffi::OsStr::from_bytes(path)).starts_with(folder))
}

fn is_guard(entry: &Path, guard: &str) -> bool {
    let arguments = fs::read(entry.join("cmdline")).unwrap_or_default();
    arguments.split(|byte| *byte == 0).nth(1) == Some(guard.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn what_has_its_temporary_files_in_the_folder_is_ended_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let start = |name: &str| {
            let mut command = Command::new("sleep");
            let child = command.arg("60").env("TMPDIR", folder.path().join(name)).stdin(Stdio::null()).spawn().unwrap();
            // The kernel lets us go on a moment before the new program's environment can be read.
            while fs::read(format!("/proc/{}/environ", child.id())).unwrap().is_empty() {
                std::thread::yield_now();
            }
            child
        };
        let (mut ours, mut other) = (start("one/tmp"), start("one-more/tmp"));
        let ended = tokio::task::spawn_blocking(move || ours.wait().unwrap());
        end_those_of(&folder.path().join("one"), "__guard").await;
        assert!(!ended.await.unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_parent_is_found_whatever_the_programs_name() {
        let me = processes().find(|(pid, _)| *pid == getpid()).unwrap().1;
        let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get().to_string();
        assert_eq!(parent_of(&me), Some(parent));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("stat"), "12 (a) R (b) S 7 12 12 0").unwrap();
        assert_eq!(parent_of(folder.path()).as_deref(), Some("7"));
    }
}
