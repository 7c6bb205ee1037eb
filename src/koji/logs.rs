//! Which logs there are, how far each has been read, and what to ask for next. No sockets, no clock.
//!
//! Every log of every task is read from its exact offset, on all volumes. Sizes come from `listTaskOutput`; pieces are asked
//! for in the same multiCall, also of logs that seem read to the end, so that a line arrives one poll after the hub has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::api::OutputFile;
use super::xmlrpc::can_be_sent;
use crate::arch;
use crate::builder::LogChoice;
use crate::event::{BuildEvent, LogId, TaskId, Warning};
use crate::log_lines;

/// What is asked of a log that seems read to the end.
const PEEK: u64 = 64 * 1024;
/// What one multiCall may bring of all logs together; the hub builds the whole answer in memory, and so do we.
const BUDGET: u64 = 2 * 1024 * 1024;
/// From this backlog on, reading the file below `topurl` is better than calls.
const BULK_FROM: u64 = 512 * 1024;
/// How much of a log is read below `topurl` before the other logs get their turn.
const BULK_MOST: u64 = 16 * 1024 * 1024;
/// Rough length of a line, to guess where the last N begin.
const LINE: u64 = 256;
/// How often in a row a piece of a log is refused before that is told.
const REFUSALS: u32 = 5;
/// How many logs one multiCall reads; the hub's requests stay well below 100 calls.
const LOGS_AT_ONCE: usize = 64;

/// Whether to read a file: Koji's own tools take every file whose name ends in `log`.
fn wants(choice: &LogChoice, name: &str) -> bool {
    name.ends_with("log") && choice.wants([name], arch_of(name))
}

/// The architecture that a log belongs to by its name: koji-containerbuild writes `<arch>.log` for each platform.
pub(crate) fn arch_of(name: &str) -> Option<&str> {
    arch::named(name.rsplit('/').next()?.strip_suffix(".log")?)
}

/// A piece of a log to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The Koji task that writes the log.
    pub task: i64,
    pub log: Arc<LogId>,
    /// Where the piece begins.
    pub offset: u64,
    /// How long it is at most.
    pub size: u64,
}

#[derive(Debug)]
struct Log {
    id: Arc<LogId>,
    offset: u64,
    size: u64,
    shrunk: bool,
    /// While the last lines are looked for (`--tail`), how many.
    tail: Option<u64>,
    closed: bool,
    /// How often in a row the hub refused a piece of it.
    refused: u32,
    /// Whether a piece of it is on its way as a file.
    reading: bool,
    /// Whether the task has no such file at the moment.
    absent: bool,
    /// The size at which the hub had no more to give, though it should have; until it changes there is nothing to ask for.
    stalled: Option<u64>,
}

/// All logs of a build.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    choice: LogChoice,
    tail: Option<u64>,
    logs: BTreeMap<(i64, Arc<str>, Arc<str>), Log>,
    /// Those that cannot be asked for, by task and name.
    unspeakable: BTreeSet<(i64, Arc<str>)>,
    next: usize,
}

impl Logs {
    /// Those of a build of which nothing is known yet.
    pub(crate) fn new(choice: LogChoice) -> Logs {
        Logs { tail: choice.tail, choice, ..Logs::default() }
    }

    /// Whether any log is to be read at all.
    pub(crate) fn wanted(&self) -> bool {
        !self.choice.none
    }

    /// Takes what `listTaskOutput` says of a task: new logs, sizes, logs that became shorter.
    pub(crate) fn listed(&mut self, task: i64, files: &[OutputFile], events: &mut Vec<BuildEvent>) {
        for log in self.of_task(task) {
            log.absent = true;
        }
        for file in files.iter().filter(|file| wants(&self.choice, &file.name)) {
            if !can_be_sent(&file.name) || !can_be_sent(&file.volume) {
                if self.unspeakable.insert((task, Arc::clone(&file.name))) {
                    let why = "its name holds characters that no call can carry";
                    events.push(degraded(&file.name, why));
                }
                continue;
            }
            let key = (task, Arc::clone(&file.volume), Arc::clone(&file.name));
            match self.logs.get_mut(&key) {
                Some(log) => log.resized(file.size, events),
                None => {
                    let log = Log::opened(task, file, self.tail, events);
                    self.logs.insert(key, log);
                }
            }
        }
    }

    /// A task was begun anew (another builder took it): its logs start over.
    pub(crate) fn task_restarted(&mut self, task: i64, events: &mut Vec<BuildEvent>) {
        for log in self.of_task(task) {
            log.restart(events);
        }
        self.tail = None;
    }

    /// Nothing more will come of a task's logs.
    pub(crate) fn task_ended(&mut self, task: i64, events: &mut Vec<BuildEvent>) {
        for log in self.of_task(task).filter(|log| !log.closed) {
            log.closed = true;
            events.push(BuildEvent::LogClosed { log: Arc::clone(&log.id) });
        }
    }

    /// Whether something is known to be there and can be asked for at once.
    pub(crate) fn behind(&self) -> bool {
        self.logs.values().any(|log| !log.closed && !log.waits() && log.backlog() > 0)
    }

    /// Whether something is known to be there that is on its way already, or was refused a moment ago.
    pub(crate) fn waits(&self) -> bool {
        self.logs.values().any(|log| !log.closed && log.waits() && log.backlog() > 0)
    }

    /// Whether something of this task is known to be there and not read.
    pub(crate) fn task_behind(&self, task: i64) -> bool {
        self.logs.iter().any(|(key, log)| key.0 == task && !log.closed && log.backlog() > 0)
    }

    /// What to ask for in the next multiCall. Takes turns when there are very many logs.
    pub(crate) fn pieces(&mut self) -> Vec<Piece> {
        let open: Vec<(i64, &Log)> =
            self.logs.iter().filter(|(_, log)| log.is_asked_for()).map(|(key, log)| (key.0, log)).collect();
        if open.is_empty() {
            return Vec::new();
        }
        let start = self.next % open.len();
        let count = open.len().min(LOGS_AT_ONCE);
        let mut spare = BUDGET.saturating_sub(PEEK * count as u64);
        let pieces = (0..count)
            .map(|step| {
                let (task, log) = open[(start + step) % open.len()];
                let extra = log.backlog().min(spare);
                spare -= extra;
                Piece { task, log: Arc::clone(&log.id), offset: log.offset, size: PEEK + extra }
            })
            .collect();
        self.next = (start + count) % open.len();
        pieces
    }

    /// Takes the bytes of a piece. Pieces that do not begin where the log has been read to are of no use any more.
    pub(crate) fn arrived(&mut self, piece: &Piece, bytes: Bytes, events: &mut Vec<BuildEvent>) {
        if let Some(log) = self.find(piece).filter(|log| log.offset == piece.offset && !log.shrunk) {
            log.append(bytes, events);
        }
    }

    /// Notes that the hub refused a piece, or answered with something else. The log is asked for again, and other logs do not
    /// mind; when it stays so, that is told once.
    pub(crate) fn refused(&mut self, piece: &Piece, why: &str, events: &mut Vec<BuildEvent>) {
        let Some(log) = self.find(piece) else { return };
        log.refused = log.refused.saturating_add(1);
        if log.refused == REFUSALS {
            events.push(degraded(&log.id.name, why));
        }
    }

    /// The long backlogs, to be read below `topurl`. Until [`Logs::advanced`] they are not asked for by calls.
    pub(crate) fn bulk(&mut self) -> Vec<Piece> {
        let long =
            self.logs.iter_mut().filter(|(_, log)| log.is_asked_for() && !log.shrunk && log.backlog() >= BULK_FROM);
        long.map(|(key, log)| {
            log.reading = true;
            let size = log.backlog().min(BULK_MOST);
            Piece { task: key.0, log: Arc::clone(&log.id), offset: log.offset, size }
        })
        .collect()
    }

    /// Whether a piece is still wanted that is read below `topurl`.
    pub(crate) fn is_reading(&self, piece: &Piece) -> bool {
        self.logs.values().any(|log| log.id == piece.log && log.reading && log.offset == piece.offset)
    }

    /// Notes that `count` bytes of a log were read below `topurl` and told.
    pub(crate) fn advanced(&mut self, piece: &Piece, count: u64) {
        if let Some(log) = self.find(piece).filter(|log| log.reading && log.offset == piece.offset) {
            log.offset += count;
            log.reading = false;
        }
    }

    fn of_task(&mut self, task: i64) -> impl Iterator<Item = &mut Log> {
        self.logs.iter_mut().filter(move |(key, _)| key.0 == task).map(|(_, log)| log)
    }

    fn find(&mut self, piece: &Piece) -> Option<&mut Log> {
        self.logs.values_mut().find(|log| log.id == piece.log)
    }
}

impl Log {
    fn opened(task: i64, file: &OutputFile, tail: Option<u64>, events: &mut Vec<BuildEvent>) -> Log {
        let id = Arc::new(LogId {
            task: TaskId::from(task),
            volume: Some(Arc::clone(&file.volume)),
            name: Arc::clone(&file.name),
        });
        events.push(BuildEvent::LogOpened { log: Arc::clone(&id), arch: arch_of(&file.name).map(Arc::from) });
        let offset = tail.map_or(0, |lines| file.size.saturating_sub(lines.saturating_mul(LINE).min(BUDGET / 2)));
        Log {
            id,
            offset,
            size: file.size,
            shrunk: false,
            tail,
            closed: false,
            refused: 0,
            reading: false,
            absent: false,
            stalled: None,
        }
    }

    /// What is known to be there, not read, and not given up.
    fn backlog(&self) -> u64 {
        let is_lost = self.absent || self.refused >= REFUSALS || self.stalled == Some(self.size);
        if is_lost { 0 } else { self.size.saturating_sub(self.offset) }
    }

    /// Whether asking at once for what is not read would be of no use.
    fn waits(&self) -> bool {
        self.reading || self.refused > 0
    }

    fn is_asked_for(&self) -> bool {
        !self.closed && !self.reading && !self.absent
    }

    /// A log that is shorter than what was read of it was started anew, if it still is at the next look: an upload that is
    /// repeated also cuts the file, for a moment.
    fn resized(&mut self, size: u64, events: &mut Vec<BuildEvent>) {
        self.absent = false;
        let shrunk = size < self.offset;
        if shrunk && self.shrunk {
            self.size = size;
            return self.restart(events);
        }
        self.shrunk = shrunk;
        self.size = size;
    }

    fn restart(&mut self, events: &mut Vec<BuildEvent>) {
        if self.offset > 0 {
            events.push(BuildEvent::LogRestarted { log: Arc::clone(&self.id), had: self.offset });
        }
        (self.offset, self.shrunk, self.tail) = (0, false, None);
        (self.reading, self.refused, self.stalled) = (false, 0, None);
    }

    fn append(&mut self, mut bytes: Bytes, events: &mut Vec<BuildEvent>) {
        self.refused = 0;
        if bytes.is_empty() {
            self.stalled = Some(self.size);
            return;
        }
        if let Some(lines) = self.tail.take() {
            let skip = log_lines::tail_start(&bytes, usize::try_from(lines).unwrap_or(usize::MAX));
            self.offset += skip as u64;
            bytes = bytes.slice(skip..);
            if self.offset > 0 {
                events.push(BuildEvent::LogSkipped { log: Arc::clone(&self.id), to: self.offset });
            }
        }
        if bytes.is_empty() {
            return;
        }
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        self.size = self.size.max(self.offset);
        events.push(BuildEvent::LogAppended { log: Arc::clone(&self.id), offset, bytes });
    }
}

/// Tells that a log cannot be had.
fn degraded(name: &str, why: &str) -> BuildEvent {
    BuildEvent::Warned(Warning::Degraded { what: format!("reading the log {name:?}"), why: why.to_owned() })
}

#[cfg(test)]
mod tests;
