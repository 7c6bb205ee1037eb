//! What happens, as text: task states in the form of Koji's own watcher, logs with labels, bars on a terminal.

mod answers;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::event::{
    BuildEvent, BuildId, BuildOutcome, Finish, Manner, Outcome, ProgressFrom, Retry, Stamped, Standing, TaskId,
    TaskState, Warning,
};

use super::bars::Bars;
use super::line::{Line, Tone};
use super::logs::ShownLogs;
use super::mode::OutputMode;
use super::progress::BuildProgress;
use super::writer::Writer;
use super::{ReportOptions, Screen, summary};

/// A reason that stands no further above on the same screen is not told again.
const STILL_SEEN: u64 = 1500;

/// The text reporter.
pub(super) struct Live<Out, Err> {
    mode: OutputMode,
    program: String,
    writer: Writer<Out, Err>,
    logs: ShownLogs,
    tasks: BTreeMap<TaskId, Task>,
    progress: BuildProgress,
    last_news: Instant,
    heartbeat: Option<Duration>,
    started: Instant,
    announced: bool,
    /// How the build is to be told; nothing is known of it before there is one.
    manner: Option<&'static Manner>,
    /// What names the build that was submitted, while it was not told: where `-q` is given, it is when nothing else does.
    untold: Option<Line>,
    /// The reason for the first task's failure, and how much had been written when it was told.
    told_reason: Option<(String, u64)>,
    /// That the server does not answer, in words.
    away: Option<String>,
    /// Builds that were submitted from here: a table needs all of them.
    standings: Vec<Standing>,
}

#[derive(Debug)]
struct Task {
    label: String,
    arch: Option<String>,
    depth: usize,
    state: TaskState,
    host: Option<String>,
}

impl<Out: Write, Err: Write> Live<Out, Err> {
    /// Shows on these streams, with bars on standard error where the mode has any.
    pub(super) fn new(mode: OutputMode, options: ReportOptions, out: Out, err: Err) -> Self {
        let bars = mode.bars.then(|| Bars::new(mode.utf8));
        Self::with_bars(mode, options, out, err, bars)
    }

    /// As [`Live::new`], with bars drawn somewhere else (a terminal in memory).
    pub(super) fn with_bars(mode: OutputMode, options: ReportOptions, out: Out, err: Err, bars: Option<Bars>) -> Self {
        let now = Instant::now();
        Live {
            program: options.program,
            writer: Writer::new(&mode, out, err, bars),
            logs: ShownLogs::default(),
            tasks: BTreeMap::new(),
            progress: BuildProgress::default(),
            last_news: now,
            heartbeat: options.heartbeat.filter(|period| !period.is_zero() && !mode.quiet),
            started: now,
            announced: false,
            manner: None,
            untold: None,
            told_reason: None,
            away: None,
            standings: Vec::new(),
            mode,
        }
    }

    fn show(&mut self, event: &BuildEvent) -> io::Result<()> {
        self.last_news = Instant::now();
        if self.progress.event(event) {
            self.redraw();
        }
        match event {
            BuildEvent::LogOpened { .. }
            | BuildEvent::LogAppended { .. }
            | BuildEvent::LogSkipped { .. }
            | BuildEvent::LogRestarted { .. }
            | BuildEvent::LogClosed { .. } => self.log(event),
            BuildEvent::Progress { .. } => Ok(()),
            BuildEvent::Submitted { build, url, manner } => {
                self.begin(manner);
                self.created(build, url.as_deref())
            }
            BuildEvent::Attached { url, manner, .. } => {
                self.begin(manner);
                url.as_ref().map_or(Ok(()), |url| self.info(format!("Task info: {url}")))
            }
            BuildEvent::TaskOpened { task, parent, label, arch, state, host } => {
                let known = Task::new(label, arch.as_deref(), *state, host.clone());
                self.task_opened(task, parent.as_ref(), known)
            }
            BuildEvent::TaskStateChanged { task, to, host, reason, .. } => {
                self.task_changed(task, *to, host.clone(), reason.as_deref())
            }
            BuildEvent::TaskWaiting { task, reason } => self.task_news(task, "waits", reason),
            BuildEvent::TaskRetried { task, attempt, reason } => {
                self.task_news(task, &format!("begins again, attempt {attempt}"), reason)
            }
            BuildEvent::Retrying(retry) => self.retrying(retry),
            BuildEvent::Reconnected => {
                self.away = None;
                self.note("the server answers again")
            }
            BuildEvent::Warned(warning) => self.warned(warning),
            BuildEvent::Noted { text } => self.note(Line::new().text(text)),
            BuildEvent::Waiting { what, since } => {
                self.note(format!("waiting for {what}, {} so far", summary::duration(*since)))
            }
            BuildEvent::Found(_)
            | BuildEvent::Checked(_)
            | BuildEvent::DryRun(_)
            | BuildEvent::Standing(_)
            | BuildEvent::Configured(_)
            | BuildEvent::Setting { .. } => self.answer(event),
            BuildEvent::Finished(finish) => self.finished(finish),
            BuildEvent::Failed(fault) => self.failed(fault),
        }
    }

    /// What a log says, and what becomes of it.
    fn log(&mut self, event: &BuildEvent) -> io::Result<()> {
        if self.mode.quiet {
            return Ok(());
        }
        let Live { logs, mode, writer, .. } = self;
        match event {
            BuildEvent::LogOpened { log, arch } => logs.opened(log, arch.as_deref()),
            BuildEvent::LogAppended { log, bytes, .. } => {
                writer.collect(|waiting| logs.append(log, bytes, mode, waiting))?;
            }
            BuildEvent::LogClosed { log } => {
                writer.collect(|waiting| logs.flush(log, mode, waiting))?;
                writer.write()?;
            }
            BuildEvent::LogRestarted { log, had } => {
                writer.collect(|waiting| logs.flush(log, mode, waiting))?;
                self.note(format!("{} was started anew after {had} bytes", log.name))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn task_opened(&mut self, task: &TaskId, parent: Option<&TaskId>, known: Task) -> io::Result<()> {
        if !std::mem::replace(&mut self.announced, true) && !self.is_here() {
            self.info("Watching tasks (this may be safely interrupted)...")?;
        }
        let depth = parent.and_then(|parent| self.tasks.get(parent)).map_or(0, |parent| parent.depth + 1);
        let known = Task { depth, ..known };
        let line = self.about(task, &known).add(": ").toned(known.tone(), known.standing());
        // A failed task's reason comes right after, in a line of its own; steps that wait for their turn are no news.
        let is_told = !(known.state == TaskState::Failed || (known.state == TaskState::Free && !self.counts_tasks()));
        self.tasks.insert(task.clone(), known);
        self.count_tasks();
        if is_told { self.info(line) } else { Ok(()) }
    }

    /// There is a build, and it is to be told like this.
    fn begin(&mut self, manner: &'static Manner) {
        self.manner = Some(manner);
        self.started = Instant::now();
        if manner.logs_by_name {
            self.logs.by_name_only();
        }
        self.progress.are_counted = manner.progress == ProgressFrom::Counted;
        self.progress.are_steps = manner.progress == ProgressFrom::Steps;
    }

    fn created(&mut self, build: &BuildId, url: Option<&str>) -> io::Result<()> {
        let Some(noun) = self.manner.and_then(|manner| manner.created) else { return Ok(()) };
        let line = Line::from(format!("Created {noun}: {}", build.id));
        if self.mode.quiet {
            self.untold = Some(line);
            return Ok(());
        }
        self.info(line)?;
        url.map_or(Ok(()), |url| self.info(format!("Task info: {url}")))
    }

    /// The beginning of a line about a task: as far in as it is deep, and what the task is called.
    fn about(&self, task: &TaskId, known: &Task) -> Line {
        Line::new().add("  ".repeat(known.depth)).add(self.name_of(task, known))
    }

    /// What a task is called in lines about it.
    fn name_of(&self, task: &TaskId, known: &Task) -> String {
        let by_label = self.manner.is_some_and(|manner| !manner.ids_in_lines);
        if by_label && known.depth > 0 { known.label.clone() } else { format!("{task} {}", known.label) }
    }

    /// Whether tasks are told as Koji tells them: with counters, and those that wait for their turn.
    fn counts_tasks(&self) -> bool {
        self.manner.is_none_or(|manner| manner.counters)
    }

    /// Whether the build ends with us.
    fn is_here(&self) -> bool {
        self.manner.is_some_and(|manner| !manner.outlives_us)
    }

    /// Whether the builder counts what is done.
    fn is_counted(&self) -> bool {
        self.manner.is_some_and(|manner| manner.progress == ProgressFrom::Counted)
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
        let Some(known) = self.tasks.get(task) else { return Ok(()) };
        let before = before.map(|before| format!("{before} -> ")).unwrap_or_default();
        let mut line = self.about(task, known).add(": ").add(before).toned(known.tone(), known.standing());
        if let (TaskState::Failed, Some(reason)) = (to, reason) {
            line = line.add(": ").text(reason);
            if known.depth == 0 && !self.mode.quiet {
                self.told_reason = Some((reason.to_owned(), self.writer.written()));
            }
        }
        // That a TaskRun has a pod, which waits for its turn, is no news; why it has to wait is told when that is known.
        let is_told = to != TaskState::Assigned || self.counts_tasks();
        if is_told {
            self.info(line)?;
        }
        self.count_tasks();
        if to.is_final() && self.counts_tasks() { self.info(self.counters()) } else { Ok(()) }
    }

    /// A line about a task that is no change of its state.
    fn task_news(&mut self, task: &TaskId, what: &str, reason: &str) -> io::Result<()> {
        let Some(known) = self.tasks.get(task) else { return Ok(()) };
        let line = self.about(task, known).add(" ").add(what).add(": ").text(reason);
        self.info(line)
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
        if self.is_counted() {
            return self.redraw();
        }
        // On this machine the build itself is no step of its own.
        let steps = || self.tasks.values().filter(|task| task.depth > 0 || !self.is_here());
        let ended = steps().filter(|task| task.state.is_final()).count();
        self.progress.tasks = (ended, steps().count());
        self.redraw();
    }

    fn retrying(&mut self, retry: &Retry) -> io::Result<()> {
        let Retry { operation, attempt, of, delay, why } = retry;
        let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
        self.away = Some(format!("no answer, attempt {attempt}{of}"));
        let delay = summary::duration(*delay);
        self.note(format!("{operation} failed ({why}); trying again in {delay}, attempt {attempt}{of}"))
    }

    fn warned(&mut self, warning: &Warning) -> io::Result<()> {
        let line = Line::new().toned(Tone::Warning, "warning:").add(" ");
        self.writer.say(match warning {
            Warning::User { text } | Warning::General { text } => line.text(text),
            Warning::Degraded { what, why } => line.add(what).add(" does not work: ").text(why),
            Warning::Omitted { what, why } => line.add("not done here: ").add(what).add(": ").text(why),
            Warning::Exposed { server } => line.add(format_args!("the password goes to {server} in clear text")),
            Warning::SessionRenewed { server } => {
                line.add(format_args!("the session on {server} had ended and was renewed"))
            }
            Warning::Adopted { task } => line.add(format_args!(
                "the answer to the submission was lost; {task} is what the server made of it, nothing was submitted twice"
            )),
        })
    }

    /// The end of a command that did what it was asked for.
    fn finished(&mut self, finish: &Finish) -> io::Result<()> {
        self.end_what_moves()?;
        match &finish.outcome {
            Some(outcome) => self.outcome(outcome),
            None => self.untold.take().map_or(Ok(()), |line| self.writer.print(line)),
        }
    }

    /// The end of a build.
    fn outcome(&mut self, outcome: &BuildOutcome) -> io::Result<()> {
        let label = self.tasks.get(&outcome.id).map_or("", |task| task.label.as_str());
        if outcome.outcome != Outcome::Detached {
            let verdict = summary::verdict(label, outcome);
            if self.writer.written() > 0 {
                self.writer.print("")?;
            }
            self.writer.print(verdict)?;
        }
        if outcome.outcome == Outcome::Succeeded {
            let by_server = self.manner.is_none_or(|manner| manner.whole_result);
            summary::result_block(outcome, by_server).into_iter().try_for_each(|line| self.writer.print(line))?;
        }
        if !self.mode.quiet || outcome.outcome != Outcome::Succeeded {
            let talk = summary::talk(outcome, self.watch_with(), self.is_reason_seen(outcome));
            talk.into_iter().try_for_each(|line| self.writer.say(line))?;
        }
        Ok(())
    }

    /// Whether the reason of a failure stands on the screen already, a few lines above.
    fn is_reason_seen(&self, outcome: &BuildOutcome) -> bool {
        let (Some((told, at)), Some(failure)) = (&self.told_reason, &outcome.failure) else { return false };
        let since = self.writer.written().saturating_sub(*at).saturating_sub(told.len() as u64);
        self.mode.one_place && told.contains(failure.reason.trim()) && since < STILL_SEEN
    }

    /// Nothing more will be watched.
    fn end_what_moves(&mut self) -> io::Result<()> {
        self.writer.write()?;
        self.writer.end_bars();
        self.tell_standings()
    }

    /// What to type for watching the build again; a build on this machine cannot be.
    fn watch_with(&self) -> Option<&str> {
        (!self.is_here()).then_some(self.program.as_str())
    }

    /// A line on standard output that is no result: `-q` hides it.
    fn info(&mut self, line: impl Into<Line>) -> io::Result<()> {
        if self.mode.quiet { Ok(()) } else { self.writer.print(line) }
    }

    /// A line on standard error that `-q` hides.
    fn note(&mut self, line: impl Into<Line>) -> io::Result<()> {
        if self.mode.quiet { Ok(()) } else { self.writer.say(line) }
    }

    fn redraw(&mut self) {
        let is_build = self.manner.is_some() || !self.tasks.is_empty();
        if !is_build || self.writer.bars().is_none() {
            return;
        }
        let standing = self.away.clone().unwrap_or_else(|| self.standing());
        if let Some(bars) = self.writer.bars() {
            bars.draw(&self.progress, &standing, self.started.elapsed());
        }
    }

    /// After a long silence: what is known.
    fn heartbeat(&self) -> Line {
        let told =
            self.progress.rows().filter_map(|(label, progress)| Some(format!("{label}: {}", progress.phase.as_ref()?)));
        let news: Vec<String> = told.collect();
        let news = if news.is_empty() { format!("no news, {}", self.standing()) } else { news.join("; ") };
        format!("still watching after {}: {news}", summary::duration(self.started.elapsed())).into()
    }

    /// What the build is at: the state of the task at work; on this machine the steps at work.
    fn standing(&self) -> String {
        if self.is_here() || self.is_counted() {
            let steps = self.tasks.values().filter(|task| task.depth > 0 && task.state == TaskState::Open);
            let steps: Vec<&str> = steps.map(|task| task.arch.as_deref().unwrap_or(&task.label)).collect();
            return if steps.is_empty() { "beginning".to_owned() } else { steps.join(", ") };
        }
        let open = self.tasks.values().find(|task| !task.state.is_final());
        open.map_or_else(|| "beginning".to_owned(), Task::standing)
    }
}

impl<Out: Write, Err: Write> Screen for Live<Out, Err> {
    fn event(&mut self, stamped: &Stamped) -> io::Result<()> {
        self.show(&stamped.event)
    }

    fn tick(&mut self, listened: Duration) -> io::Result<()> {
        let Live { logs, mode, writer, .. } = self;
        writer.collect(|waiting| logs.flush_stale(listened, mode, waiting))?;
        writer.write()?;
        self.redraw();
        let silent = self.last_news.elapsed();
        if self.writer.bars().is_none() && self.heartbeat.is_some_and(|period| silent >= period) {
            self.last_news = Instant::now();
            self.writer.say(self.heartbeat())?;
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.end_what_moves()
    }
}

impl Task {
    fn new(label: &str, arch: Option<&str>, state: TaskState, host: Option<String>) -> Task {
        Task { label: label.to_owned(), arch: arch.map(str::to_owned), depth: 0, state, host }
    }

    fn tone(&self) -> Tone {
        if self.state == TaskState::Failed { Tone::Bad } else { Tone::Plain }
    }

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
