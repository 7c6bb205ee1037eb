//! What builders tell while they work: facts in the past tense, with ids and bytes, never sentences.
//!
//! The three builders give the same events, so a build looks the same wherever it runs. A *task* here is the unit a builder
//! shows its work in: a Koji task, a Tekton TaskRun, or one step of the local workflow.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

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

/// Which builder does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuilderKind {
    /// A `buildContainer` task on a Koji hub.
    Koji,
    /// A PipelineRun on OpenShift.
    Osbs,
    /// The OSBS workflow on this machine.
    Local,
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

/// One fact about a build.
#[allow(missing_docs, reason = "each variant's line says what its fields are")]
#[derive(Debug, Clone, PartialEq)]
pub enum BuildEvent {
    /// A build was submitted.
    Submitted { builder: BuilderKind, id: TaskId, url: Option<String> },
    /// Watching of a build that exists already began.
    Attached { builder: BuilderKind, id: TaskId, url: Option<String> },
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
    LogOpened { log: Arc<LogId>, arch: Option<Arc<str>> },
    /// Bytes of a log, exactly as the server has them, from `offset` on. Chunks of one log come in order, without gaps
    /// but those that `LogSkipped` tells of; they may cut lines and characters anywhere.
    LogAppended { log: Arc<LogId>, offset: u64, bytes: Bytes },
    /// Bytes of a log that are not shown (`--tail`); the next chunk begins at `to`.
    LogSkipped { log: Arc<LogId>, to: u64 },
    /// The log became shorter than what was read of it: it was started anew and will be read from 0.
    LogRestarted { log: Arc<LogId>, had: u64 },
    /// Nothing more will come of the log.
    LogClosed { log: Arc<LogId> },
    /// Both numbers were observed: `done` of `total` units (`tasks`, `steps`, `bytes`) of the task are finished.
    Progress { task: TaskId, done: u64, total: u64, unit: &'static str },
    /// A remote operation failed and will be repeated.
    Retrying(Retry),
    /// After `Retrying`: the server answers again.
    Reconnected,
    /// Something to know.
    Warned(Warning),
    /// The last event of every build.
    Finished(Box<BuildOutcome>),
}

/// An event and when it was noticed.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamped {
    /// Wall-clock time at which the event was made.
    pub at: jiff::Timestamp,
    /// The event.
    pub event: BuildEvent,
}

/// The sending side of a build's events. Log chunks wait for room (back-pressure), so memory does not grow with the log.
#[derive(Debug, Clone)]
pub struct EventSender(tokio::sync::mpsc::Sender<Stamped>);

/// The receiving side of a build's events.
pub type EventReceiver = tokio::sync::mpsc::Receiver<Stamped>;

/// How many events may wait for the reporter. With log chunks of at most 1 MiB this bounds memory to a few MiB.
const CHANNEL_CAPACITY: usize = 4;

/// Makes the channel between a builder and the reporter.
pub fn channel() -> (EventSender, EventReceiver) {
    let (sender, receiver) = tokio::sync::mpsc::channel(CHANNEL_CAPACITY);
    (EventSender(sender), receiver)
}

impl EventSender {
    /// Sends an event, waiting for room. When the reporter is gone (closed pipe) the event is dropped; the caller is told
    /// by [`EventSender::is_closed`].
    pub async fn send(&self, event: BuildEvent) {
        let _ = self.0.send(Stamped { at: jiff::Timestamp::now(), event }).await;
    }

    /// Completes when nobody listens any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// Whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
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
