//! The end of a build: its result, its builds, and for a failure the log that most likely tells why. No sockets, no clock.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use super::api::{self, ContainerResult, OutputFile, TaskInfo};
use super::fault::Fault;
use super::logs::arch_of;
use super::xmlrpc::{Value, can_be_sent};
use crate::address;
use crate::event::{BuildOutcome, Failure, FailureLog, KojiBuild, LogId, Outcome, TaskId, TaskState};
use crate::log_lines;

/// How much of the end of the telling log is fetched.
pub const TAIL_BYTES: u64 = 8 * 1024;
/// How many lines of it are kept.
const TAIL_LINES: usize = 20;

/// Where the hub's pages and files are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HubLinks {
    /// Address of the web pages, without a slash at the end.
    pub weburl: Option<String>,
    /// Address of the files, without a slash at the end.
    pub topurl: Option<String>,
}

impl HubLinks {
    /// The page about a task.
    pub fn task(&self, task: i64) -> Option<String> {
        Some(format!("{}/taskinfo?taskID={task}", self.weburl.as_ref()?))
    }

    /// The page about a build.
    pub fn build(&self, build: &str) -> String {
        format!("{}/buildinfo?buildID={build}", self.weburl.as_deref().unwrap_or(""))
    }

    /// A log as a file (Koji's `pathinfo.taskrelpath`, `koji.pathinfo.volumedir`).
    pub fn log_file(&self, task: i64, log: &LogId) -> Option<String> {
        let top = self.topurl.as_ref()?;
        let volume = match log.volume.as_deref() {
            None | Some("DEFAULT") => String::new(),
            Some(volume) => format!("/vol/{}", path(volume)),
        };
        Some(format!("{top}{volume}/work/tasks/{}/{task}/{}", task % 10_000, path(&log.name)))
    }

    /// Where a user reads the whole of a log: the file, else the web page that shows it.
    pub fn log(&self, task: i64, log: &LogId) -> Option<String> {
        self.log_file(task, log).map(|file| address::bare(&file)).or_else(|| {
            let web = self.weburl.as_ref()?;
            let volume = log.volume.as_deref().unwrap_or("DEFAULT");
            Some(format!("{web}/getfile?taskID={task}&name={}&volume={}", path(&log.name), path(volume)))
        })
    }
}

/// Percent-encodes what may not stand in a path; slashes stay.
fn path(text: &str) -> PercentEncode<'_> {
    const IN_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    utf8_percent_encode(text, &IN_PATH)
}

/// Picks the log that most likely tells why a build failed: one of an architecture that the reason names, else the only
/// architecture's, else the builder's own, else the longest.
pub fn telling_log(reason: &str, task: i64, files: &[OutputFile]) -> Option<Arc<LogId>> {
    let logs = || {
        files.iter().filter(|file| {
            file.name.ends_with("log") && can_be_sent(&file.name) && file.size > 0 && &*file.name != "user_warnings.log"
        })
    };
    // Names of tasks cannot hold `_`: `binary-container-build-x86-64`.
    let reason = reason.replace('-', "_");
    let named = logs()
        .filter_map(|file| arch_of(&file.name).filter(|arch| reason.contains(arch)).map(|arch| (arch.len(), file)))
        .max_by_key(|(length, _)| *length)
        .map(|(_, file)| file);
    let by_name = |name: &str| logs().find(|file| &*file.name == name);
    let file = named
        .or_else(|| by_name("osbs-build.log"))
        .or_else(|| by_name("osbs-client.log"))
        .or_else(|| logs().max_by_key(|file| file.size))?;
    Some(Arc::new(LogId {
        task: TaskId::from(task),
        volume: Some(Arc::clone(&file.volume)),
        name: Arc::clone(&file.name),
    }))
}

/// Cuts the end of a log into lines.
pub fn tail_lines(bytes: &[u8], whole: bool) -> Vec<String> {
    let first_line = memchr::memchr(b'\n', bytes).filter(|_| !whole).map_or(0, |at| at + 1);
    log_lines::tail(&bytes[first_line..], TAIL_LINES)
}

/// What is known at the end.
#[derive(Debug, Default)]
pub struct Ending {
    /// What the task put out.
    pub result: ContainerResult,
    /// NVRs of the builds in `result`, in the same order; `None` for those the hub does not know.
    pub nvrs: Vec<Option<String>>,
    /// The log that tells why it failed.
    pub log: Option<FailureLog>,
}

impl Ending {
    /// What there is to say when watching stopped before the hub had answered at all.
    pub fn unseen(root: i64, links: &HubLinks) -> BuildOutcome {
        BuildOutcome { url: links.task(root), ..BuildOutcome::of(root, Outcome::Detached) }
    }

    /// Puts everything together.
    pub fn outcome(&self, root: &TaskInfo, result: Option<&Result<Value, Fault>>, links: &HubLinks) -> BuildOutcome {
        let outcome = match root.state {
            TaskState::Closed => Outcome::Succeeded,
            TaskState::Canceled => Outcome::Cancelled,
            TaskState::Failed => Outcome::Failed,
            TaskState::Free | TaskState::Assigned | TaskState::Open => Outcome::Detached,
        };
        let fault = result.and_then(|result| result.as_ref().err());
        let failure = fault.filter(|_| outcome != Outcome::Succeeded).map(|fault| Failure {
            reason: fault.headline().to_owned(),
            code: Some(fault.code),
            task: Some(TaskId::from(root.id)),
            log: self.log.clone(),
        });
        let builds = self.result.koji_builds.iter().enumerate().map(|(at, id)| KojiBuild {
            id: id.clone(),
            nvr: self.nvrs.get(at).cloned().flatten(),
            url: links.build(id),
        });
        let mut repositories = self.result.repositories.clone();
        repositories.sort_by_key(|repository| !repository.contains('@'));
        BuildOutcome {
            id: TaskId::from(root.id),
            outcome,
            url: links.task(root.id),
            duration: duration(root),
            repositories,
            builds: builds.collect(),
            user_warnings: self.result.user_warnings.clone(),
            metadata: Vec::new(),
            failure,
        }
    }
}

/// Time from start to end as the hub saw it.
fn duration(task: &TaskInfo) -> Option<Duration> {
    let seconds = task.completion_ts? - task.start_ts.or(task.create_ts)?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Reads the NVR out of the answer to [`api::get_build`].
pub fn nvr(answer: &Value) -> Option<String> {
    answer.get("nvr").and_then(Value::as_str).map(str::to_owned)
}

/// The call that fetches the end of a log.
pub fn tail_call(task: i64, log: &LogId, size: u64) -> super::call::Call {
    let offset = i64::try_from(size.saturating_sub(TAIL_BYTES)).unwrap_or(0);
    api::download_task_output(task, &log.name, log.volume.as_deref().unwrap_or("DEFAULT"), offset, TAIL_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(sizes: &[(&str, u64)]) -> Vec<OutputFile> {
        sizes
            .iter()
            .map(|(name, size)| OutputFile { name: (*name).into(), volume: "DEFAULT".into(), size: *size })
            .collect()
    }

    #[test]
    fn the_log_is_the_one_the_reason_names() {
        let all = files(&[
            ("osbs-client.log", 9),
            ("osbs-build.log", 5),
            ("aarch64.log", 7),
            ("x86_64.log", 7),
            ("x.json", 99),
        ]);
        let cases = [
            ("Error in plugin orchestrate_build: {\"x86_64\": \"dnf failed\"}", &all[..], Some("x86_64.log")),
            ("task binary-container-build-x86-64 failed", &all, Some("x86_64.log")),
            ("Build for NVR already exists", &all, Some("osbs-build.log")),
            ("x86_64", &all[..1], Some("osbs-client.log")),
            ("x86_64", &[], None),
        ];
        for (reason, files, expected) in cases {
            let log = telling_log(reason, 1, files);
            assert_eq!(log.as_ref().map(|log| &*log.name), expected, "{reason}");
        }
    }

    #[test]
    fn links_are_kojis() {
        let links = HubLinks { weburl: Some("https://k/koji".into()), topurl: Some("https://k/files".into()) };
        let log = |volume: &str, name: &str| LogId { task: 1.into(), volume: Some(volume.into()), name: name.into() };
        let cases = [
            (1_230_007, log("DEFAULT", "x86_64.log"), "https://k/files/work/tasks/7/1230007/x86_64.log"),
            (25, log("vol 2", "a/b c.log"), "https://k/files/vol/vol%202/work/tasks/25/25/a/b%20c.log"),
        ];
        for (task, log, expected) in cases {
            assert_eq!(links.log_file(task, &log).as_deref(), Some(expected));
        }
        assert_eq!(links.task(5).as_deref(), Some("https://k/koji/taskinfo?taskID=5"));
    }

    #[test]
    fn a_tail_begins_with_a_whole_line() {
        assert_eq!(tail_lines(b"cut off\nsecond\nthird\n", false), ["second", "third"]);
        assert_eq!(tail_lines(b"first\nsecond", true), ["first", "second"]);
        let many = "x\n".repeat(100);
        assert_eq!(tail_lines(many.as_bytes(), true).len(), TAIL_LINES);
    }
}
