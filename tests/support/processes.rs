//! Processes that this one has started, and those that they have started: whether something of a test still runs.
//!
//! Of what else runs on the machine only the parents are looked at, so that two runs of the tests know nothing of each other. What
//! loses its parent comes to this process, if [`adopt`] was called before.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{getpid, set_child_subreaper};

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

/// From now on what loses its parent below this process becomes its child, and is found.
pub(crate) fn adopt() {
    set_child_subreaper(Some(getpid())).expect("this process takes orphans in");
}

/// The ids of all processes below this one.
fn ours() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (id, parent) in ids.filter_map(|id| Some((id, parent(id)?))) {
        children.entry(parent).or_default().push(id);
    }
    let (mut found, mut next) = (Vec::new(), vec![std::process::id()]);
    while let Some(id) = next.pop() {
        let below = children.remove(&id).unwrap_or_default();
        next.extend(&below);
        found.extend(below);
    }
    found
}

fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before it may hold anything: `ID (NAME) STATE PARENT …`.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Processes of ours that have this text in their arguments; those that have ended and were not waited for have none.
pub(crate) fn mentioning(text: &str) -> Vec<Process> {
    let processes = ours().into_iter().map(|id| Process { id, arguments: arguments(id) });
    processes.filter(|process| process.arguments.contains(text)).collect()
}

/// Waits until there is a process of ours with just these arguments, and returns it.
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

/// Waits until no process of ours has this text in its arguments; those that are left when that takes too long come back.
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

/// Processes of ours that have their root or their current folder below `folder`, or have it in their arguments.
pub(crate) fn of_folder(folder: &Path) -> Vec<Process> {
    let text = folder.to_string_lossy();
    let is_below =
        |id: u32, link: &str| fs::read_link(format!("/proc/{id}/{link}")).is_ok_and(|path| path.starts_with(folder));
    let processes = ours().into_iter().map(|id| Process { id, arguments: arguments(id) });
    processes
        .filter(|Process { id, arguments }| is_below(*id, "root") || is_below(*id, "cwd") || arguments.contains(&*text))
        .collect()
}

fn arguments(id: u32) -> String {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ")
}

#[test]
fn what_loses_its_parent_is_found_and_what_others_run_is_not() {
    adopt();
    let nap = "sleep 47.11";
    let shell = |script: &str| Command::new("sh").args(["-c", script]).stdin(std::process::Stdio::null()).spawn();
    shell(&format!("{nap} & {nap} & exit 0")).expect("a shell").wait().expect("its end");
    let naps = mentioning(nap);
    assert_eq!(naps.len(), 2, "{naps:?}");
    assert!(mentioning("").iter().all(|process| process.id != 1 && process.id != std::process::id()));
    naps.iter().for_each(|nap| nap.signal("KILL"));
    assert_eq!(left_after(nap, Duration::from_secs(20)), []);
}
