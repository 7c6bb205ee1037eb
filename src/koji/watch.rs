//! Watching a build on a hub: one multiCall a poll for the whole task tree and all its logs.
//!
//! `Watcher` decides what to ask and what the answers mean, without sockets or clock; [`watch`] sends, waits and reads
//! long logs below `topurl`. Watching needs no login: a hub that wants one is given one.
//!
//! Koji's own `watch_tasks` asks three calls a task and round, and `watch_logs` one a log and 16 KiB; this asks once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::api::{self, ContainerResult, OutputFile, TaskInfo};
use super::bulk::Bulk;
use super::call::Call;
use super::fault::{Fault, FaultKind};
use super::logs::{Logs, Piece};
use super::outcome::{self, Ending, HubLinks};
use super::retry::{Attempts, Next, Trouble};
use super::session::{Session, SessionError};
use super::tree::Tree;
use super::xmlrpc::{Value, can_be_sent};
use crate::backoff::Backoff;
use crate::builder::{Interrupt, LogChoice};
use crate::error::{Error, ErrorKind};
use crate::event::{BuildEvent, BuildOutcome, FailureLog, LogId, Retry, TaskState, Warning};

/// What to watch and how.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// Which logs to show.
    pub logs: LogChoice,
    /// The longest wait between two polls (the profile's `poll_interval`, within 1 s to 10 s).
    pub poll_interval: Duration,
    /// Where the hub's pages and files are.
    pub links: HubLinks,
}

/// The shortest and the longest wait between two polls, whatever the profile says.
const POLL_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Why watching ended without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The hub could not be asked.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// There is no such task.
    #[error("No such task id: {0}")]
    NoSuchTask(i64),
}

impl From<WatchError> for Error {
    fn from(error: WatchError) -> Error {
        match error {
            WatchError::Session(error) => error.into(),
            error @ WatchError::NoSuchTask(_) => Error::new(ErrorKind::Server, error)
                .hint("is it the right Koji profile? `config show` tells which is used"),
        }
    }
}

/// Watches a task to its end, or until the user has had enough.
///
/// The last event is sent by the caller, out of the outcome.
///
/// # Errors
/// When the hub stays unreachable, or does not know the task.
pub async fn watch(
    session: &mut Session,
    task: i64,
    options: WatchOptions,
    interrupt: &mut Interrupt,
) -> Result<BuildOutcome, WatchError> {
    let mut watcher = Watcher::new(task, &options);
    let mut bulk = Bulk::new(options.links.clone(), session.files_client(), session.events().clone());
    let mut pace = Pace::new(options.poll_interval);
    let mut trouble = PollTrouble::new(session);
    loop {
        let poll = async {
            match round(session, &mut watcher, &mut bulk).await {
                Ok(active) => trouble.is_over(session).await.map(|()| Some(active)),
                Err(error) => trouble.wait(session, error).await.map(|()| None),
            }
        };
        let active = tokio::select! {
            active = poll => active?,
            () = interrupt.raised() => return Ok(watcher.outcome(&options.links)),
        };
        if watcher.is_done() || session.events().is_closed() {
            return Ok(watcher.outcome(&options.links));
        }
        let Some(active) = active else { continue };
        let delay = if watcher.is_busy() { Duration::ZERO } else { pace.after(active) };
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = bulk.ended(&mut watcher.logs) => {}
            () = interrupt.raised() => return Ok(watcher.outcome(&options.links)),
        }
    }
}

/// One poll. Returns whether anything happened in the build.
async fn round(session: &mut Session, watcher: &mut Watcher, bulk: &mut Bulk) -> Result<bool, WatchError> {
    let mut active = false;
    // What has been read as files meanwhile belongs to this round.
    while let Some(read) = bulk.ended(&mut watcher.logs).now_or_never() {
        active |= read;
    }
    let asked = watcher.ask();
    let calls: Vec<Call> = asked.iter().map(Asked::call).collect();
    let answers = session.multi_call(&calls).await?;
    let mut events = Vec::new();
    let mut odd = None;
    for (asked, answer) in asked.iter().zip(answers) {
        if let Err(error) = watcher.take(asked, answer, &mut events) {
            odd.get_or_insert(error);
        }
    }
    if odd.is_none() {
        watcher.settle(&mut events);
    }
    active |= !events.is_empty();
    // What was learnt is told whatever else went wrong: it is not asked for again.
    for event in events {
        session.events().send(event).await;
    }
    bulk.begin(&mut watcher.logs);
    odd.map_or(Ok(active), Err)
}

/// Polls in a row that brought no state of the build: faults of a hub that is offline or whose database restarts, pages of a
/// proxy, answers of another shape. The build goes on meanwhile, and so does the watching, as long as the profile repeats
/// calls at all.
struct PollTrouble {
    attempts: Attempts,
    is_told: bool,
}

/// How often an anonymous poll that was forbidden is made again before a login is asked for.
const FORBIDDEN_REPEATS: u32 = 2;

impl PollTrouble {
    fn new(session: &Session) -> PollTrouble {
        PollTrouble { attempts: session.attempts(), is_told: false }
    }

    async fn is_over(&mut self, session: &Session) -> Result<(), WatchError> {
        self.attempts = session.attempts();
        if std::mem::take(&mut self.is_told) {
            session.events().send(BuildEvent::Reconnected).await;
        }
        Ok(())
    }

    async fn wait(&mut self, session: &Session, error: WatchError) -> Result<(), WatchError> {
        let WatchError::Session(cause) = &error else { return Err(error) };
        let wants_login = wants_login(&error) && !session.is_logged_in() && self.attempts.made() >= FORBIDDEN_REPEATS;
        if !cause.may_pass() || wants_login {
            return Err(error);
        }
        let Next::Repeat { delay, attempt, of } = self.attempts.after(Trouble::Odd) else { return Err(error) };
        if !delay.is_zero() {
            self.is_told = true;
            let operation = "watching".to_owned();
            let retry = Retry { operation, attempt, of, delay, why: cause.to_string() };
            session.events().send(BuildEvent::Retrying(retry)).await;
        }
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

/// How long to wait: short after something happened, longer and longer when nothing does.
#[derive(Debug)]
struct Pace {
    waits: Backoff,
    idle: u32,
}

impl Pace {
    fn new(interval: Duration) -> Pace {
        let (shortest, longest) = POLL_RANGE;
        Pace { waits: Backoff::doubling(shortest, interval.clamp(shortest, longest)), idle: 0 }
    }

    fn after(&mut self, active: bool) -> Duration {
        self.idle = if active { 1 } else { self.idle.saturating_add(1) };
        self.waits.after(self.idle)
    }
}

/// One question of a poll.
#[derive(Debug, Clone)]
enum Asked {
    /// The first task's own struct, the first time with its request.
    Root { task: i64, with_request: bool },
    /// All tasks below it.
    Descendents(i64),
    /// What files a task has.
    Files(i64),
    /// A piece of a log.
    Piece(Piece),
    /// The name of a builder.
    Host(i64),
    /// What came out of a task.
    Result(i64),
    /// The NVR of the nth build of the result.
    Build(usize, String),
    /// The end of the log that tells why.
    Tail { task: i64, log: Arc<LogId>, size: u64 },
}

impl Asked {
    fn call(&self) -> Call {
        match self {
            Asked::Root { task, with_request } => api::get_task_info(*task, *with_request),
            Asked::Descendents(task) => api::get_task_descendents(*task),
            Asked::Files(task) => api::list_task_output(*task),
            Asked::Piece(piece) => {
                let volume = piece.log.volume.as_deref().unwrap_or("DEFAULT");
                let offset = i64::try_from(piece.offset).unwrap_or(i64::MAX);
                api::download_task_output(piece.task, &piece.log.name, volume, offset, piece.size)
            }
            Asked::Host(host) => api::get_host(*host),
            Asked::Result(task) => api::get_task_result(*task),
            Asked::Build(_, build) => api::get_build(build),
            Asked::Tail { task, log, size } => outcome::tail_call(*task, log, *size),
        }
    }
}

/// What has been seen of a build, and what to ask next.
struct Watcher {
    tree: Tree,
    logs: Logs,
    ending: Ending,
    links: HubLinks,
    /// Files of the first task, for the choice of the log that tells why it failed.
    files: Vec<OutputFile>,
    stage: Stage,
}

/// How far the end of the build has been looked at. The stages follow each other without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The build goes on, or its logs and result are not read to the end.
    Watching,
    /// The result is there; builds and the end of the telling log are asked for.
    Details,
    /// Nothing more to ask.
    Done,
}

impl Watcher {
    fn new(task: i64, options: &WatchOptions) -> Watcher {
        Watcher {
            tree: Tree::new(task),
            logs: Logs::new(options.logs.clone()),
            ending: Ending::default(),
            links: options.links.clone(),
            files: Vec::new(),
            stage: Stage::Watching,
        }
    }

    fn ask(&mut self) -> Vec<Asked> {
        self.tree.begin_round();
        if self.stage == Stage::Details {
            return self.ask_details();
        }
        let root = self.tree.root_id();
        let mut asked =
            vec![Asked::Root { task: root, with_request: self.tree.root().is_none() }, Asked::Descendents(root)];
        asked.extend(self.tree.unnamed_hosts().into_iter().map(Asked::Host));
        asked.extend(self.tree.without_result().into_iter().map(Asked::Result));
        asked.extend(self.tasks_to_list().into_iter().map(Asked::Files));
        asked.extend(self.logs.pieces().into_iter().map(Asked::Piece));
        asked
    }

    /// The tasks whose files are to be listed: those with logs to read; for a failure the first one in any case.
    fn tasks_to_list(&self) -> Vec<i64> {
        let root = self.tree.root_id();
        if !self.logs.wanted() {
            return if self.root_failed() { vec![root] } else { Vec::new() };
        }
        if self.tree.root().is_none() {
            return vec![root];
        }
        self.tree.tasks().filter(|known| !known.drained).map(|known| known.info.id).collect()
    }

    fn ask_details(&self) -> Vec<Asked> {
        let root = self.tree.root_id();
        let builds = self.ending.result.koji_builds.iter().cloned().enumerate().filter(|(_, build)| can_be_sent(build));
        let mut asked: Vec<Asked> = builds.map(|(at, build)| Asked::Build(at, build)).collect();
        if let Some(Err(fault)) = self.tree.root().and_then(|known| known.result.as_ref())
            && self.root_failed()
            && let Some(log) = outcome::telling_log(fault.headline(), root, &self.files)
        {
            let size = self.files.iter().find(|file| file.name == log.name).map_or(0, |file| file.size);
            asked.push(Asked::Tail { task: root, log, size });
        }
        asked
    }

    fn take(
        &mut self,
        asked: &Asked,
        answer: Result<Value, Fault>,
        events: &mut Vec<BuildEvent>,
    ) -> Result<(), WatchError> {
        match (asked, answer) {
            (Asked::Root { task, .. }, answer) => {
                let value = answer.map_err(|fault| SessionError::Fault { operation: "getTaskInfo", fault })?;
                match TaskInfo::from_value(&value)? {
                    Some(info) if info.id == *task => self.seen(info, events),
                    None if self.tree.root().is_none() => return Err(WatchError::NoSuchTask(*task)),
                    // A task that was there a moment ago does not vanish.
                    Some(_) | None => return Err(another_task().into()),
                }
            }
            (Asked::Descendents(_), Ok(value)) => {
                let root = self.tree.root_id();
                let tasks = api::descendents(&value).unwrap_or_else(|error| {
                    tracing::debug!(%error, "the tasks below the first one are not known");
                    Vec::new()
                });
                for info in tasks.into_iter().filter(|info| info.id != root) {
                    self.seen(info, events);
                }
            }
            (Asked::Files(task), Ok(value)) => self.listed(*task, &value, events),
            (Asked::Files(task), Err(fault)) => {
                tracing::debug!(task, %fault, "the files of a task were not listed");
                if let Some(known) = self.tree.get_mut(*task) {
                    known.unlisted += 1;
                }
            }
            (Asked::Piece(piece), answer) => self.arrived(piece, answer, events),
            (Asked::Host(host), answer) => {
                let name = answer.ok().and_then(|value| Some(value.get("name")?.as_str()?.to_owned()));
                self.tree.named(*host, name);
            }
            (Asked::Result(task), answer) => self.result(*task, answer),
            (Asked::Build(at, _), answer) => {
                self.ending.nvrs.resize(self.ending.result.koji_builds.len(), None);
                if let (Some(nvr), Ok(value)) = (self.ending.nvrs.get_mut(*at), answer) {
                    *nvr = outcome::nvr(&value);
                }
            }
            (Asked::Tail { task, log, size }, Ok(value)) => {
                let bytes = api::downloaded(&value).unwrap_or_default();
                self.ending.log = Some(FailureLog {
                    log: LogId::clone(log),
                    tail: outcome::tail_lines(&bytes, *size <= outcome::TAIL_BYTES),
                    url: self.links.log(*task, log),
                });
            }
            // An old hub without a call: the rest of the round is still good.
            (asked, Err(fault)) => tracing::debug!(?asked, %fault, "one call of a poll failed"),
        }
        Ok(())
    }

    fn listed(&mut self, task: i64, value: &Value, events: &mut Vec<BuildEvent>) {
        // What is known of the tasks by now is told before what their logs say.
        self.tree.tell(events);
        let files = api::output_files(value);
        if let Some(known) = self.tree.get_mut(task) {
            (known.listed, known.unlisted) = (true, 0);
        }
        self.logs.listed(task, &files, events);
        if task == self.tree.root_id() {
            self.files = files;
        }
    }

    fn arrived(&mut self, piece: &Piece, answer: Result<Value, Fault>, events: &mut Vec<BuildEvent>) {
        let bytes = answer.map_err(|fault| fault.to_string());
        match bytes.and_then(|value| api::downloaded(&value).map_err(|error| error.to_string())) {
            Ok(bytes) => self.logs.arrived(piece, bytes, events),
            Err(why) => {
                tracing::debug!(log = %piece.log.name, why, "a piece of a log was refused");
                self.logs.refused(piece, &why, events);
            }
        }
    }

    fn seen(&mut self, info: TaskInfo, events: &mut Vec<BuildEvent>) {
        let task = info.id;
        if self.tree.seen(info) {
            self.logs.task_restarted(task, events);
        }
    }

    fn result(&mut self, task: i64, answer: Result<Value, Fault>) {
        // `raise_fault=false` gives the task's own fault as a value, so that it cannot be mistaken for the call's.
        let answer = answer.and_then(|value| value.as_fault().map_or(Ok(value), Err));
        if task == self.tree.root_id()
            && let Ok(value) = &answer
        {
            self.ending.result = ContainerResult::from_value(value);
        }
        if let Some(known) = self.tree.get_mut(task) {
            known.result = Some(answer);
        }
    }

    /// Draws conclusions at the end of a round.
    fn settle(&mut self, events: &mut Vec<BuildEvent>) {
        self.tree.tell(events);
        let ended: Vec<i64> = self
            .tree
            .tasks()
            .filter(|known| !known.drained && known.info.state.is_final() && !self.logs.task_behind(known.info.id))
            .map(|known| known.info.id)
            .collect();
        for task in ended {
            if self.is_read_to_the_end(task, events) {
                self.logs.task_ended(task, events);
            }
        }
        self.tree.tell(events);
        self.stage = match self.stage {
            Stage::Watching if self.is_complete() => {
                if self.ending.result.koji_builds.is_empty() && !self.root_failed() {
                    Stage::Done
                } else {
                    Stage::Details
                }
            }
            Stage::Details => Stage::Done,
            stage => stage,
        };
    }

    /// Marks a task as read to the end when its files were listed once more after the round in which it was first seen ended
    /// and listed: the folder that a hub looks into may lag behind the state in its database.
    fn is_read_to_the_end(&mut self, task: i64, events: &mut Vec<BuildEvent>) -> bool {
        let wanted = self.logs.wanted();
        let Some(known) = self.tree.get_mut(task) else { return false };
        if known.unlisted >= UNLISTED {
            let what = format!("listing the files of task {task}");
            let why = "the hub refuses it; the end of its logs may be missing".to_owned();
            events.push(BuildEvent::Warned(Warning::Degraded { what, why }));
        }
        known.drained = !wanted || (known.listed && known.seen_ended) || known.unlisted >= UNLISTED;
        known.seen_ended |= known.listed;
        known.drained
    }

    fn is_complete(&self) -> bool {
        self.tree.is_over()
            && !self.tree.has_untold()
            && self.tree.root().is_some_and(|root| root.result.is_some())
            && self.tree.tasks().all(|known| known.drained || !known.info.state.is_final())
    }

    fn root_failed(&self) -> bool {
        self.tree.root().is_some_and(|root| root.info.state == TaskState::Failed)
    }

    fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether the next poll should follow at once. Not while the end waits for what is on its way or was refused.
    fn is_busy(&self) -> bool {
        let is_unlisted = self.tree.tasks().any(|known| known.unlisted > 0);
        let waits = self.logs.waits() || is_unlisted;
        self.logs.behind() || (!waits && (self.tree.has_untold() || self.tree.is_over()))
    }

    fn outcome(&self, links: &HubLinks) -> BuildOutcome {
        match self.tree.root() {
            Some(root) => self.ending.outcome(&root.info, root.result.as_ref(), links),
            None => Ending::unseen(self.tree.root_id(), links),
        }
    }
}

/// How often in a row the files of an ended task are listed in vain.
const UNLISTED: u32 = 5;

fn another_task() -> SessionError {
    SessionError::Unexpected { operation: "getTaskInfo", what: "another task, or none".to_owned() }
}

/// Whether a hub refuses to be asked without a login.
pub fn wants_login(error: &WatchError) -> bool {
    matches!(error, WatchError::Session(SessionError::Fault { fault, .. })
        if matches!(fault.kind(), FaultKind::Auth | FaultKind::NotAllowed))
}

#[cfg(test)]
mod tests;
