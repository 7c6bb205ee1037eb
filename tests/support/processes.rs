//! Processes of this machine, as `/proc` shows them: whether something of a test still runs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id.
    pub id: u32,
    /// Its arguments, with blanks between them.
    pub arguments: String,
}

impl Process {
    /// Sends it a signal by its name (`KILL`). It may be gone already.
    pub(crate) fn signal(&self, name: &str) {
        let _ = Command::new("kill").arg(format!("-{name}")).arg(self.id.to_string()).output();
    }

    /// The name of the program, as the kernel has it.
    pub(crate) fn name(&self) -> String {
        fs::read_to_string(format!("/proc/{}/comm", self.id)).unwrap_or_default().trim_end().to_owned()
    }
}

/// Processes that have this text in their arguments; those that have ended and were not waited for have none.
pub(crate) fn mentioning(text: &str) -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let processes = ids.filter(|id| *id != std::process::id()).map(|id| Process { id, arguments: arguments(id) });
    processes.filter(|process| process.arguments.contains(text)).collect()
}

/// Waits until there is a process with just these arguments, and returns it.
pub(crate) fn wait_for(arguments: &str, patience: Duration) -> Process {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(process) = mentioning(arguments).into_iter().find(|process| process.arguments == arguments) {
            return process;
        }
        assert!(Instant::now() < deadline, "no process `{arguments}`");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until no process has this text in its arguments; those that are left when that takes too long come back.
pub(crate) fn left_after(text: &str, patience: Duration) -> Vec<Process> {
    let deadline = Instant::now() + patience;
    loop {
        let left = mentioning(text);
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes that use a file below `folder`, or have it as their root or current folder, or have it in their arguments.
pub(crate) fn of_folder(folder: &Path) -> Vec<Process> {
    let text = folder.to_string_lossy();
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| *id != std::process::id())
        .filter(|id| {
            let is_below =
                |link: &str| fs::read_link(format!("/proc/{id}/{link}")).is_ok_and(|path| path.starts_with(folder));
            is_below("root") || is_below("cwd") || arguments(*id).contains(&*text)
        })
        .map(|id| Process { id, arguments: arguments(id) })
        .collect()
}

fn arguments(id: u32) -> String {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ")
}
