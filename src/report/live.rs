//! A build as text while it goes on: task states in the form of Koji's own watcher, logs with labels, bars on a terminal.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::event::{BuildEvent, BuildOutcome, BuilderKind, Outcome, Retry, Stamped, TaskId, TaskState, Warning};

use super::bars::Bars;
use super::logs::ShownLogs;
use super::mode::OutputMode;
use super::progress::BuildProgress;
use super::{Screen, sanitize, summary};

/// So much log text is collected before it is written between bars, so that they do not flicker.
const BETWEEN_BARS: usize = 256 * 1024;
/// How long log text may wait for that.
const BAR_PERIOD: Duration = Duration::from_millis(50);

/// The text reporter.
pub struct Live<Out, Err> {
    mode: OutputMode,
    program: String,
    out: Out,
    err: Err,
    logs: ShownLogs,
    tasks: BTreeMap<TaskId, Task>,
    progress: BuildProgress,
    bars: Option<Bars>,
    waiting: Vec<u8>,
    last_write: Instant,
    last_news: Instant,
    heartbeat: Option<Duration>,
    started: Instant,
    announced: bool,
    /// Who builds: on this machine a build ends with us.
    builder: Option<BuilderKind>,
}

#[derive(Debug)]
struct Task {
    label: String,
    depth: usize,
    state: TaskState,
    host: Option<String>,
}

impl<Out: Write, Err: Write> Live<Out, Err> {
    /// `bars` is where bars are drawn, where the mode has any.
    pub fn new(mode: OutputMode, program: String, heartbeat: Option<Duration>, out: Out, err: Err) -> Self {
        let bars = mode.bars.then(|| Bars::new(mode.utf8));
        Self::with_bars(mode, program, heartbeat, out, err, bars)
    }

    /// As [`Live::new`], with bars drawn somewhere else (a terminal in memory).
    pub fn with_bars(
        mode: OutputMode,
        program: String,
        heartbeat: Option<Duration>,
        out: Out,
        err: Err,
        bars: Option<Bars>,
    ) -> Self {
        let now = Instant::now();
        Live {
            mode,
            program,
            out,
            err,
            logs: ShownLogs::default(),
            tasks: BTreeMap::new(),
            progress: BuildProgress::default(),
            bars,
            waiting: Vec::new(),
            last_write: now,
            last_news: now,
            heartbeat: heartbeat.filter(|period| !period.is_zero()),
            started: now,
            announced: false,
            builder: None,
        }
    }

    fn show(&mut self, event: &BuildEvent) -> io::Result<()> {
        self.last_news = Instant::now();
        if self.progress.event(event) {
            self.redraw();
        }
        match event {
            BuildEvent::LogOpened { log, arch } => self.logs.opened(log, arch.as_deref()),
            BuildEvent::LogAppended { log, bytes, .. } => {
                self.logs.append(log, bytes, &self.mode, &mut self.waiting);
                let wait =
                    self.bars.is_some() && self.waiting.len() < BETWEEN_BARS && self.last_write.elapsed() < BAR_PERIOD;
                if !wait {
                    self.write_waiting()?;
                }
            }
            BuildEvent::LogClosed { log } => {
                self.logs.flush(log, &self.mode, &mut self.waiting);
                self.write_waiting()?;
            }
            BuildEvent::LogRestarted { log, had } => {
                self.logs.flush(log, &self.mode, &mut self.waiting);
                self.say(&format!("{} was started anew after {had} bytes", log.name))?;
            }
            BuildEvent::LogSkipped { .. } | BuildEvent::Progress { .. } => {}
            BuildEvent::Submitted { builder: BuilderKind::Local, .. } => {
                self.builder = Some(BuilderKind::Local);
                self.logs.by_name_only();
                self.progress.are_steps = true;
            }
            BuildEvent::Submitted { builder: BuilderKind::Osbs, id, .. } => {
                self.in_cluster();
                self.info(&format!("Created build: {id}"))?;
            }
            BuildEvent::Submitted { id, url, .. } => {
                let url = url.as_deref().unwrap_or("(no page)");
                self.info(&format!("Created task: {id}\nTask info: {url}"))?;
            }
            BuildEvent::Attached { builder: BuilderKind::Osbs, .. } => self.in_cluster(),
            BuildEvent::Attached { url: Some(url), .. } => self.info(&format!("Task info: {url}"))?,
            BuildEvent::Attached { .. } => {}
            BuildEvent::TaskOpened { task, parent, label, state, host, .. } => {
                self.task_opened(task, parent.as_ref(), label, *state, host.clone())?;
            }
            BuildEvent::TaskStateChanged { task, to, host, reason, .. } => {
                self.task_changed(task, *to, host.clone(), reason.as_deref())?;
            }
            BuildEvent::TaskWaiting { task, reason } => self.task_news(task, "waits", reason)?,
            BuildEvent::TaskRetried { task, attempt, reason } => {
                self.task_news(task, &format!("begins again, attempt {attempt}"), reason)?;
            }
            BuildEvent::Retrying(retry) => self.retrying(retry)?,
            BuildEvent::Reconnected => self.say("the server answers again")?,
            BuildEvent::Warned(warning) => self.warned(warning)?,
            BuildEvent::Finished(outcome) => self.finished(outcome)?,
        }
        Ok(())
    }

    fn task_opened(
        &mut self,
        task: &TaskId,
        parent: Option<&TaskId>,
        label: &str,
        state: TaskState,
        host: Option<String>,
    ) -> io::Result<()> {
        if !std::mem::replace(&mut self.announced, true) && !self.is_here() {
            self.print("Watching tasks (this may be safely interrupted)...")?;
        }
        let depth = parent.and_then(|parent| self.tasks.get(parent)).map_or(0, |parent| parent.depth + 1);
        let known = Task { label: sanitize::line(label.as_bytes()).into_owned(), depth, state, host };
        let name = self.name_of(task, &known);
        let line = format!("{:width$}{name}: {}", "", known.standing(), width = 2 * depth);
        self.tasks.insert(task.clone(), known);
        self.count_tasks();
        // A failed task's reason comes right after, in a line of its own; steps that wait for their turn are no news.
        let is_told = state == TaskState::Failed || (state == TaskState::Free && !self.is_on_koji());
        if is_told { Ok(()) } else { self.print(&line) }
    }

    /// The build is a PipelineRun.
    fn in_cluster(&mut self) {
        self.builder = Some(BuilderKind::Osbs);
        self.logs.by_name_only();
        self.progress.are_counted = true;
    }

    /// What a task is called in lines about it. A TaskRun's own name says nothing that the task's does not.
    fn name_of(&self, task: &TaskId, known: &Task) -> String {
        if self.builder == Some(BuilderKind::Osbs) && known.depth > 0 {
            return known.label.clone();
        }
        format!("{task} {}", known.label)
    }

    /// Whether the build is a task on a hub; Koji's own words are for those alone.
    fn is_on_koji(&self) -> bool {
        self.builder.is_none_or(|builder| builder == BuilderKind::Koji)
    }

    /// Whether the build is on this machine.
    fn is_here(&self) -> bool {
        self.builder == Some(BuilderKind::Local)
    }

    fn task_changed(
        &mut self,
        task: &TaskId,
        to: TaskState,
        host: Option<String>,
        reason: Option<&str>,
    ) -> io::Result<()> {
        let Some(known) = self.tasks.get_mut(task) else { return Ok(()) };
        let before = (known.state != to || to != TaskState::Failed).then(|| known.standing());
        known.state = to;
        known.host = host;
        let standing = match (to, reason) {
            (TaskState::Failed, Some(reason)) => format!("FAILED: {}", sanitize::text(reason)),
            _ => known.standing(),
        };
        let news = before.map_or(standing.clone(), |before| format!("{before} -> {standing}"));
        let depth = known.depth;
        let Some(known) = self.tasks.get(task) else { return Ok(()) };
        let line = format!("{:width$}{}: {news}", "", self.name_of(task, known), width = 2 * depth);
        // That a TaskRun has a pod, which waits for its turn, is no news; why it has to wait is told when that is known.
        let is_told = to != TaskState::Assigned || self.is_on_koji();
        if is_told {
            self.print(&line)?;
        }
        self.count_tasks();
        if to.is_final() && self.is_on_koji() { self.print(&self.counters()) } else { Ok(()) }
    }

    /// A line about a task that is no change of its state.
    fn task_news(&mut self, task: &TaskId, what: &str, reason: &str) -> io::Result<()> {
        let Some(known) = self.tasks.get(task) else { return Ok(()) };
        let reason = sanitize::text(reason);
        let line = format!("{:width$}{} {what}: {reason}", "", self.name_of(task, known), width = 2 * known.depth);
        self.print(&line)
    }

    /// Koji's line of counters; what was cancelled counts as done.
    fn counters(&self) -> String {
        let count = |wanted: &[TaskState]| self.tasks.values().filter(|task| wanted.contains(&task.state)).count();
        format!(
            "  {} free  {} open  {} done  {} failed",
            count(&[TaskState::Free]),
            count(&[TaskState::Open, TaskState::Assigned]),
            count(&[TaskState::Closed, TaskState::Canceled]),
            count(&[TaskState::Failed]),
        )
    }

    fn count_tasks(&mut self) {
        // A cluster's pipeline says how many there are, also of those that have not begun.
        if self.builder == Some(BuilderKind::Osbs) {
            return self.redraw();
        }
        // On this machine the build itself is no step of its own.
        let steps = || self.tasks.values().filter(|task| task.depth > 0 || !self.is_here());
        let ended = steps().filter(|task| task.state.is_final()).count();
        self.progress.tasks = (ended, steps().count());
        self.redraw();
    }

    fn retrying(&mut self, retry: &Retry) -> io::Result<()> {
        let of = retry.of.map(|of| format!(" of {of}")).unwrap_or_default();
        let delay = summary::duration(retry.delay);
        let why = sanitize::line(retry.why.as_bytes());
        self.say(&format!("{} failed ({why}); trying again in {delay}, attempt {}{of}", retry.operation, retry.attempt))
    }

    fn warned(&mut self, warning: &Warning) -> io::Result<()> {
        let text = match warning {
            Warning::User { text } => sanitize::text(text),
            Warning::Degraded { what, why } => format!("{what} does not work: {}", sanitize::text(why)),
            Warning::Omitted { what, why } => {
                format!("not done here: {}: {}", sanitize::text(what), sanitize::text(why))
            }
            Warning::Exposed { server } => format!("the password goes to {server} in clear text"),
            Warning::SessionRenewed { server } => format!("the session on {server} had ended and was renewed"),
            Warning::Adopted { task } => format!(
                "the answer to the submission was lost; {task} is what the server made of it, nothing was submitted twice"
            ),
        };
        self.say(&format!("warning: {text}"))
    }

    fn finished(&mut self, outcome: &BuildOutcome) -> io::Result<()> {
        self.write_waiting()?;
        if let Some(bars) = self.bars.take() {
            bars.clear();
        }
        let label = self.tasks.get(&outcome.id).map_or("", |task| task.label.as_str());
        if outcome.outcome != Outcome::Detached {
            let verdict = summary::verdict(label, outcome);
            self.print(&format!("\n{verdict}"))?;
        }
        if outcome.outcome == Outcome::Succeeded && !self.mode.quiet {
            self.out.write_all(summary::result_block(outcome, !self.is_here()).as_bytes())?;
            self.out.flush()?;
        }
        if !self.mode.quiet || outcome.outcome != Outcome::Succeeded {
            self.err.write_all(summary::talk(outcome, self.watch_with()).as_bytes())?;
        }
        self.err.flush()
    }

    /// What to type for watching the build again; a build on this machine cannot be.
    fn watch_with(&self) -> Option<&str> {
        (!self.is_here()).then_some(self.program.as_str())
    }

    /// A line on standard output that `-q` hides.
    fn info(&mut self, line: &str) -> io::Result<()> {
        if self.mode.quiet { Ok(()) } else { self.print(line) }
    }

    /// A line on standard output.
    fn print(&mut self, line: &str) -> io::Result<()> {
        self.waiting.extend_from_slice(line.as_bytes());
        self.waiting.push(b'\n');
        self.write_waiting()
    }

    /// A line on standard error.
    fn say(&mut self, line: &str) -> io::Result<()> {
        self.write_waiting()?;
        let Live { bars, err, .. } = self;
        between_bars(bars.as_ref(), || {
            writeln!(err, "{line}")?;
            err.flush()
        })
    }

    fn write_waiting(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let Live { bars, out, waiting, .. } = self;
        let written = between_bars(bars.as_ref(), || {
            out.write_all(waiting)?;
            out.flush()
        });
        self.waiting.clear();
        self.last_write = Instant::now();
        written
    }

    fn redraw(&mut self) {
        if self.bars.is_none() {
            return;
        }
        let standing = self.standing();
        if let Some(bars) = &mut self.bars {
            bars.draw(&self.progress, &standing, self.started.elapsed());
        }
    }

    /// What the build is at: the state of the task at work; on this machine the steps at work.
    fn standing(&self) -> String {
        if self.is_here() || self.builder == Some(BuilderKind::Osbs) {
            let steps = self.tasks.values().filter(|task| task.depth > 0 && task.state == TaskState::Open);
            let steps: Vec<&str> = steps.map(|task| task.label.as_str()).collect();
            return if steps.is_empty() { "beginning".to_owned() } else { steps.join(", ") };
        }
        let open = self.tasks.values().find(|task| !task.state.is_final());
        open.map_or_else(|| "waiting for the hub".to_owned(), Task::standing)
    }
}

impl<Out: Write, Err: Write> Screen for Live<Out, Err> {
    fn event(&mut self, stamped: &Stamped) -> io::Result<()> {
        self.show(&stamped.event)
    }

    fn tick(&mut self) -> io::Result<()> {
        self.logs.flush_stale(&self.mode, &mut self.waiting);
        self.write_waiting()?;
        self.redraw();
        let silent = self.last_news.elapsed();
        if self.bars.is_none() && self.heartbeat.is_some_and(|period| silent >= period) {
            self.last_news = Instant::now();
            let news: Vec<String> = self
                .progress
                .rows()
                .filter_map(|(label, progress)| Some(format!("{label}: {}", progress.phase.as_ref()?)))
                .collect();
            let news = if news.is_empty() { "no news".to_owned() } else { news.join("; ") };
            self.say(&format!("still watching after {}: {news}", summary::duration(self.started.elapsed())))?;
        }
        Ok(())
    }

    fn close(&mut self) {
        let _ = self.write_waiting();
        if let Some(bars) = self.bars.take() {
            bars.clear();
        }
        let _ = self.out.flush();
        let _ = self.err.flush();
    }
}

/// Writes with the bars out of the way.
fn between_bars<T>(bars: Option<&Bars>, write: impl FnOnce() -> T) -> T {
    match bars {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

impl Task {
    /// The state in Koji's words (`TaskWatcher.display_state`).
    fn standing(&self) -> String {
        match (self.state, &self.host) {
            (TaskState::Open, Some(host)) => format!("open ({host})"),
            (TaskState::Open, None) => "open".to_owned(),
            (TaskState::Assigned, Some(host)) => format!("assigned ({host})"),
            (TaskState::Assigned, None) => "assigned".to_owned(),
            (TaskState::Free, _) => "free".to_owned(),
            (TaskState::Closed, _) => "closed".to_owned(),
            (TaskState::Canceled, _) => "canceled".to_owned(),
            (TaskState::Failed, _) => "FAILED".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
