//! Everything that is told, to people and to programs: facts in the past tense, with ids and bytes.
//!
//! All builders give the same events, so a build looks the same wherever it runs. A *task* here is the unit a builder
//! shows its work in: a Koji task, a Tekton TaskRun, or one step of the local workflow. What is told besides a build (notes,
//! findings, a dry run, the error that ends it all) comes the same way: [`crate::report`] has one mouth.
//!
//! The JSON of `--output json` is these types as serde writes them, so names of variants and fields are a promise to scripts; it
//! is described in `fedpkg-container-build-json(5)`.

pub(crate) mod answer;
pub(crate) mod finding;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

pub use answer::{CheckReport, ConfigReport, ConfigValue, DryRun, Fault, Finish, Standing};
pub use finding::{Finding, Severity};

/// Names a task of the build: a Koji task id, a TaskRun name, or the name of a local step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TaskId(pub Arc<str>);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<i64> for TaskId {
    fn from(id: i64) -> Self {
        TaskId(id.to_string().into())
    }
}

impl From<&str> for TaskId {
    fn from(id: &str) -> Self {
        TaskId(id.into())
    }
}

/// Names one log of the build. Two logs are the same when all three parts are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LogId {
    /// The task that writes the log.
    pub task: TaskId,
    /// The storage volume, where the server knows several (Koji: `DEFAULT` and others).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<Arc<str>>,
    /// The log's name: a file name in Koji (`x86_64.log`), a container's name in a pod, a step's name locally.
    pub name: Arc<str>,
}

/// The name of a builder, as `--build-with` takes it (`koji`, `osbs`, `local`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuilderName(pub Cow<'static, str>);

impl BuilderName {
    /// A name that the program knows.
    pub const fn of(name: &'static str) -> BuilderName {
        BuilderName(Cow::Borrowed(name))
    }
}

impl fmt::Display for BuilderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What names a build everywhere: who builds it, on which server, and what that server calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct BuildId {
    /// The builder.
    pub builder: BuilderName,
    /// The server's address; `this machine` for builds on this machine.
    pub server: String,
    /// The server's own id: a Koji task id, a PipelineRun's name.
    pub id: TaskId,
}

/// How builds of one builder are told: what differs between builders where a person reads it. A builder has one, and it travels
/// with the event that begins a build, so that the reporter knows no builder.
#[derive(Debug, PartialEq, Eq)]
pub struct Manner {
    /// What the builder calls what it made (`task`, `build`); `None` where that is not worth a line.
    pub created: Option<&'static str>,
    /// Whether the build goes on without us, so that it can be watched again.
    pub outlives_us: bool,
    /// Whether lines about tasks below the first one begin with the task's id, as Koji's do.
    pub ids_in_lines: bool,
    /// Whether Koji's line of counters follows each task that ends, and tasks that wait for their turn are told.
    pub counters: bool,
    /// Where a fraction of the whole comes from.
    pub progress: ProgressFrom,
    /// Whether logs are labelled by their names alone, whichever task they are of.
    pub logs_by_name: bool,
    /// Whether the lists of the result are told even where they are empty.
    pub whole_result: bool,
}

/// Where the progress of a whole build comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressFrom {
    /// Only tasks that have begun are known.
    Tasks,
    /// The builder counts, also what has not begun ([`BuildEvent::Progress`] of the first task).
    Counted,
    /// The tasks below the first one are steps, all known from the beginning.
    Steps,
}

/// Where a task stands. Koji's names are given where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waiting to be taken (FREE).
    Free,
    /// Given to a host that has not begun (ASSIGNED).
    Assigned,
    /// At work (OPEN).
    Open,
    /// Ended well (CLOSED).
    Closed,
    /// Ended by a cancel (CANCELED).
    Canceled,
    /// Ended badly (FAILED).
    Failed,
}

impl TaskState {
    /// Whether the task will not change any more. (A task can still go *back* from `Open` to `Free`.)
    pub fn is_final(self) -> bool {
        matches!(self, TaskState::Closed | TaskState::Canceled | TaskState::Failed)
    }
}

/// Something that a user should know and that does not end the build.
#[allow(missing_docs, reason = "each variant's line says what its fields are")]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Warning {
    /// The builder itself warned about the build (`user_warnings` of the result).
    User { text: String },
    /// Anything else, in a sentence: of the configuration, of the options.
    General { text: String },
    /// A configured feature cannot work here; `what` names it and `why` the reason.
    Degraded { what: String, why: String },
    /// The session on the server was lost and made anew.
    SessionRenewed { server: String },
    /// Something that the build service would have done and this build did not: `what`, and `why`.
    Omitted { what: String, why: String },
    /// A password is sent in clear text, to a server that is not on this machine.
    Exposed { server: String },
    /// A submit got no answer, and the task it made was found and adopted instead of submitting again.
    Adopted { task: TaskId },
}

/// What a remote operation was doing when it had to be repeated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retry {
    /// What is being asked, in the protocol's words (`multiCall`, `GET …`).
    pub operation: String,
    /// How many repetitions there have been, this one included.
    pub attempt: u32,
    /// How many there will be at most; `None` when it goes on until it works.
    pub of: Option<u32>,
    /// How long the wait before this repetition is.
    #[serde(serialize_with = "seconds")]
    pub delay: Duration,
    /// The reason, without secrets.
    pub why: String,
}

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// We stopped watching; it goes on.
    Detached,
}

impl Outcome {
    /// What the build did: `it failed`.
    pub fn past_tense(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Detached => "detached",
        }
    }
}

/// What is known at the end of a build.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BuildOutcome {
    /// The builder's own id of the build (Koji task id, PipelineRun name).
    pub id: TaskId,
    /// How it ended.
    pub outcome: Outcome,
    /// Page about the build, if the server has one.
    pub url: Option<String>,
    /// Time from the start of the work to its end as the server saw it, in seconds.
    #[serde(serialize_with = "optional_seconds")]
    pub duration: Option<Duration>,
    /// Pull specs, those by digest first.
    pub repositories: Vec<String>,
    /// Builds in Koji that came out of it: the page of each, and its NVR where known.
    pub builds: Vec<KojiBuild>,
    /// What the builder warned about.
    pub user_warnings: Vec<String>,
    /// Where metadata was uploaded to, below the hub's work folder (scratch builds on OSBS).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<String>,
    /// Why it failed or was cancelled.
    pub failure: Option<Failure>,
}

impl BuildOutcome {
    /// An end of which nothing more is known.
    pub fn of(id: impl Into<TaskId>, outcome: Outcome) -> BuildOutcome {
        BuildOutcome {
            id: id.into(),
            outcome,
            url: None,
            duration: None,
            repositories: Vec::new(),
            builds: Vec::new(),
            user_warnings: Vec::new(),
            metadata: Vec::new(),
            failure: None,
        }
    }
}

/// A build in Koji.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KojiBuild {
    /// The build's id as the result has it.
    pub id: String,
    /// Name-version-release; `None` when the hub does not know the build.
    pub nvr: Option<String>,
    /// Page about the build.
    pub url: String,
}

/// Why a build ended badly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// The server's own words.
    pub reason: String,
    /// The server's fault code, where it has one.
    pub code: Option<i64>,
    /// The task that failed.
    pub task: Option<TaskId>,
    /// The log that most likely holds the reason, with the address of the whole of it.
    pub log: Option<FailureLog>,
}

/// The log that most likely holds the reason of a failure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailureLog {
    /// Which log it is.
    pub log: LogId,
    /// Its last lines, oldest first, as text with what was not UTF-8 replaced.
    pub tail: Vec<String>,
    /// Where the whole log can be read.
    pub url: Option<String>,
}

/// One fact.
#[allow(missing_docs, reason = "each variant's line says what its fields are")]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BuildEvent {
    /// Something good to know.
    Noted { text: String },
    /// Something takes long: what is waited for, and for how long so far.
    Waiting {
        what: String,
        #[serde(serialize_with = "seconds")]
        since: Duration,
    },
    /// A check found something.
    #[serde(rename = "finding")]
    Found(Finding),
    /// Everything that `check` knows of the checkout.
    #[serde(rename = "check")]
    Checked(Box<CheckReport>),
    /// What a dry run would have done.
    DryRun(Box<DryRun>),
    /// One build in the list of those submitted from here.
    #[serde(rename = "status")]
    Standing(Box<Standing>),
    /// The configuration in force.
    #[serde(rename = "config")]
    Configured(Box<ConfigReport>),
    /// A setting of the checkout: its value, and the file that was changed if it was.
    Setting { name: &'static str, value: String, file: Option<String> },
    /// A build was submitted.
    Submitted {
        #[serde(flatten)]
        build: BuildId,
        url: Option<String>,
        #[serde(skip)]
        manner: &'static Manner,
    },
    /// Watching of a build that exists already began.
    Attached {
        #[serde(flatten)]
        build: BuildId,
        url: Option<String>,
        #[serde(skip)]
        manner: &'static Manner,
    },
    /// A task was seen for the first time. `label` is the field's name of it, e.g. `buildContainer (noarch)`.
    TaskOpened {
        task: TaskId,
        parent: Option<TaskId>,
        label: String,
        arch: Option<String>,
        state: TaskState,
        host: Option<String>,
    },
    /// A task went from one state to another; it may also go back (its builder died).
    TaskStateChanged { task: TaskId, from: TaskState, to: TaskState, host: Option<String>, reason: Option<String> },
    /// A task cannot begin yet, and why: no room in the cluster, an image that cannot be had.
    TaskWaiting { task: TaskId, reason: String },
    /// A task failed and begins again: its nth attempt, the first one being 1, and why the last one failed.
    TaskRetried { task: TaskId, attempt: u64, reason: String },
    /// A log appeared. `arch` is set when it belongs to one architecture.
    LogOpened {
        #[serde(flatten, serialize_with = "of_log")]
        log: Arc<LogId>,
        arch: Option<Arc<str>>,
    },
    /// Bytes of a log, exactly as the server has them, from `offset` on. Chunks of one log come in order, without gaps
    /// but those that `LogSkipped` tells of; they may cut lines and characters anywhere.
    LogAppended {
        #[serde(flatten, serialize_with = "of_log")]
        log: Arc<LogId>,
        offset: u64,
        #[serde(flatten, serialize_with = "content")]
        bytes: Bytes,
    },
    /// Bytes of a log that are not shown (`--tail`); the next chunk begins at `to`.
    LogSkipped {
        #[serde(flatten, serialize_with = "of_log")]
        log: Arc<LogId>,
        to: u64,
    },
    /// The log became shorter than what was read of it: it was started anew and will be read from 0.
    LogRestarted {
        #[serde(flatten, serialize_with = "of_log")]
        log: Arc<LogId>,
        had: u64,
    },
    /// Nothing more will come of the log.
    LogClosed {
        #[serde(flatten, serialize_with = "of_log")]
        log: Arc<LogId>,
    },
    /// Both numbers were observed: `done` of `total` units (`tasks`, `steps`, `bytes`) of the task are finished.
    Progress { task: TaskId, done: u64, total: u64, unit: &'static str },
    /// A remote operation failed and will be repeated.
    Retrying(Retry),
    /// After `Retrying`: the server answers again.
    Reconnected,
    /// Something to know.
    Warned(Warning),
    /// The last event: the command did what it was asked for.
    Finished(Box<Finish>),
    /// The last event: why the command could not do it.
    #[serde(rename = "error")]
    Failed(Box<Fault>),
}

impl BuildEvent {
    /// A warning in a sentence.
    pub fn warning(text: impl fmt::Display) -> BuildEvent {
        BuildEvent::Warned(Warning::General { text: text.to_string() })
    }

    /// A note in a sentence.
    pub fn note(text: impl fmt::Display) -> BuildEvent {
        BuildEvent::Noted { text: text.to_string() }
    }

    /// Whether nothing follows it.
    pub fn is_last(&self) -> bool {
        self.exit_code().is_some()
    }

    /// How the process ends, where this is the last event.
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            BuildEvent::Finished(finish) => Some(finish.exit_code),
            BuildEvent::Failed(fault) => Some(fault.exit_code),
            _ => None,
        }
    }
}

/// An event and when it was noticed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stamped {
    /// Wall-clock time at which the event was made.
    #[serde(rename = "ts")]
    pub at: jiff::Timestamp,
    /// The event.
    #[serde(flatten)]
    pub event: BuildEvent,
}

/// A log that is shown: its name, and its architecture where it has one.
pub type ShownLog = (Arc<str>, Option<Arc<str>>);

/// Whether a log is wanted, by its name and architecture.
type Wanted = Arc<dyn Fn(&str, Option<&str>) -> bool + Send + Sync>;

/// The sending side of a build's events. Log chunks wait for room (back-pressure), so memory does not grow with the log.
#[derive(Clone)]
pub struct EventSender {
    /// Which logs are told; all where it is not said.
    wanted: Option<Wanted>,
    channel: tokio::sync::mpsc::Sender<Stamped>,
    /// Whether anything was told of a build's tasks.
    saw_build: Arc<AtomicBool>,
    /// The names and architectures of the logs that were opened.
    opened: Arc<Mutex<BTreeSet<ShownLog>>>,
    /// How many waits there are within each other.
    waits: Arc<AtomicUsize>,
    /// Whether nothing is told but waits.
    is_quiet: bool,
}

/// A wait, which is over when this is dropped.
pub(crate) struct Wait {
    depth: usize,
    waits: Arc<AtomicUsize>,
}

/// The receiving side of a build's events.
pub type EventReceiver = tokio::sync::mpsc::Receiver<Stamped>;

/// How many events may wait for the reporter. With log chunks of at most 1 MiB this bounds memory to a few MiB.
const CHANNEL_CAPACITY: usize = 4;

/// Makes the channel between a builder and the reporter.
pub fn channel() -> (EventSender, EventReceiver) {
    let (sender, receiver) = tokio::sync::mpsc::channel(CHANNEL_CAPACITY);
    let sender = EventSender {
        wanted: None,
        channel: sender,
        saw_build: Arc::default(),
        opened: Arc::default(),
        waits: Arc::default(),
        is_quiet: false,
    };
    (sender, receiver)
}

impl fmt::Debug for EventSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl Wait {
    /// Whether no other wait was begun within this one and goes on.
    pub(crate) fn is_innermost(&self) -> bool {
        self.waits.load(Ordering::Relaxed) == self.depth
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waits.fetch_sub(1, Ordering::Relaxed);
    }
}

impl EventSender {
    /// Sends an event, waiting for room. When the reporter is gone (closed pipe) the event is dropped; the caller is told
    /// by [`EventSender::is_closed`].
    pub async fn send(&self, event: BuildEvent) {
        if self.is_unwanted(&event) {
            return;
        }
        match &event {
            BuildEvent::TaskOpened { .. } => self.saw_build.store(true, Ordering::Relaxed),
            BuildEvent::LogOpened { log, arch } => {
                self.logs().insert((Arc::clone(&log.name), arch.clone()));
            }
            _ => {}
        }
        let _ = self.channel.send(Stamped { at: jiff::Timestamp::now(), event }).await;
    }

    /// Whether anything was seen of a build: what ends the watching afterwards does not end the build.
    pub fn saw_build(&self) -> bool {
        self.saw_build.load(Ordering::Relaxed)
    }

    /// The same channel for a builder that reads all of its logs, and of which only some are to be told.
    #[must_use]
    pub fn telling(&self, wanted: impl Fn(&str, Option<&str>) -> bool + Send + Sync + 'static) -> EventSender {
        EventSender { wanted: Some(Arc::new(wanted)), ..self.clone() }
    }

    /// The same channel for those whose news are of no interest: only what is waited for is told.
    #[must_use]
    pub(crate) fn quiet(&self) -> EventSender {
        EventSender { is_quiet: true, ..self.clone() }
    }

    /// Begins a wait within those that there are.
    pub(crate) fn begin_wait(&self) -> Wait {
        let depth = self.waits.fetch_add(1, Ordering::Relaxed) + 1;
        Wait { depth, waits: Arc::clone(&self.waits) }
    }

    /// A log that is not wanted is never opened, and of one that was not opened nothing is told.
    fn is_unwanted(&self, event: &BuildEvent) -> bool {
        if self.is_quiet {
            return !matches!(event, BuildEvent::Waiting { .. });
        }
        let Some(wanted) = &self.wanted else { return false };
        match event {
            BuildEvent::LogOpened { log, arch } => !wanted(&log.name, arch.as_deref()),
            BuildEvent::LogAppended { log, .. }
            | BuildEvent::LogSkipped { log, .. }
            | BuildEvent::LogRestarted { log, .. }
            | BuildEvent::LogClosed { log } => !self.logs().iter().any(|(name, _)| *name == log.name),
            _ => false,
        }
    }

    /// The names and architectures of the logs that were shown so far.
    pub fn opened_logs(&self) -> Vec<ShownLog> {
        self.logs().iter().cloned().collect()
    }

    fn logs(&self) -> MutexGuard<'_, BTreeSet<ShownLog>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same without waiting for room, for those who end the process.
    pub fn try_send(&self, event: BuildEvent) {
        let _ = self.channel.try_send(Stamped { at: jiff::Timestamp::now(), event });
    }

    /// Completes when nobody listens any more.
    pub async fn closed(&self) {
        self.channel.closed().await;
    }

    /// Whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }
}

/// Which log an event is of: `task`, `log` and, where there is one, `volume`.
fn of_log<S: Serializer>(log: &Arc<LogId>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_map(None)?;
    fields.serialize_entry("task", &log.task)?;
    fields.serialize_entry("log", &log.name)?;
    if let Some(volume) = &log.volume {
        fields.serialize_entry("volume", volume)?;
    }
    fields.end()
}

/// Bytes of a log: `text` where they are UTF-8, else `base64`.
fn content<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_map(Some(1))?;
    match std::str::from_utf8(bytes) {
        Ok(text) => fields.serialize_entry("text", text)?,
        Err(_) => fields.serialize_entry("base64", &base64::engine::general_purpose::STANDARD.encode(bytes))?,
    }
    fields.end()
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn optional_seconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}
