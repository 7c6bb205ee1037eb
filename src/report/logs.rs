//! Log lines as they are shown: each with the label of its log, whole lines only, whatever the chunks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{LogId, TaskId};
use crate::log_lines::LineSplitter;

use super::mode::OutputMode;
use super::sanitize;

/// How long a line may stay unfinished before it is shown as it is.
const PATIENCE: Duration = Duration::from_secs(1);
/// Labels are padded to the widest, but not beyond this.
const WIDEST_LABEL: usize = 16;
/// Colours of labels, as SGR parameters: those that can be read on black and on white. Red is left to failures, yellow to warnings.
const PALETTE: [&str; 5] = ["36", "35", "32", "94", "95"];

/// The logs being shown.
#[derive(Debug, Default)]
pub(super) struct ShownLogs {
    logs: HashMap<Arc<LogId>, Shown>,
    width: usize,
    /// With several tasks, labels name the task too.
    first_task: Option<TaskId>,
    /// Labels never name a task: the logs' names say enough.
    names_only: bool,
    /// For how long there was nothing to show so far.
    listened: Duration,
}

#[derive(Debug)]
struct Shown {
    label: String,
    color: &'static str,
    prefix: Vec<u8>,
    prefix_width: usize,
    splitter: LineSplitter,
    /// What [`ShownLogs::listened`] was when the line was left unfinished.
    partial_since: Option<Duration>,
}

impl ShownLogs {
    /// From now on labels are the logs' names alone.
    pub(super) fn by_name_only(&mut self) {
        self.names_only = true;
    }

    pub(super) fn opened(&mut self, log: &Arc<LogId>, arch: Option<&str>) {
        let stem = log.name.strip_suffix(".log").unwrap_or(&log.name);
        let first = self.first_task.get_or_insert_with(|| log.task.clone());
        let name = arch.unwrap_or(stem);
        let mut label =
            if *first == log.task || self.names_only { name.to_owned() } else { format!("{} {name}", log.task) };
        if let Some(volume) = log.volume.as_deref().filter(|volume| *volume != "DEFAULT") {
            label = format!("{label} ({volume})");
        }
        let label = sanitize::line(label.as_bytes()).into_owned();
        self.width = self.width.max(label.chars().count().min(WIDEST_LABEL));
        let color = PALETTE[self.logs.len() % PALETTE.len()];
        let shown = Shown {
            label,
            color,
            prefix: Vec::new(),
            prefix_width: usize::MAX,
            splitter: LineSplitter::default(),
            partial_since: None,
        };
        self.logs.insert(Arc::clone(log), shown);
    }

    /// Takes bytes of a log and puts its complete lines into `out`.
    pub(super) fn append(&mut self, log: &LogId, bytes: &[u8], mode: &OutputMode, out: &mut Vec<u8>) {
        let (width, listened) = (self.width, self.listened);
        let Some(shown) = self.logs.get_mut(log) else { return };
        shown.align(width, mode);
        let Shown { prefix, splitter, .. } = shown;
        out.reserve(bytes.len() + bytes.len() / 4);
        splitter.feed(bytes, |line| write_line(prefix, line, mode, out));
        shown.partial_since = shown.splitter.has_partial().then_some(listened);
    }

    /// Puts what is unfinished of a log into `out`.
    pub(super) fn flush(&mut self, log: &LogId, mode: &OutputMode, out: &mut Vec<u8>) {
        let width = self.width;
        if let Some(shown) = self.logs.get_mut(log) {
            shown.align(width, mode);
            shown.flush(mode, out);
        }
    }

    /// Puts what has been unfinished for too long into `out`. What counts is the time in which more could have come: a line is not torn
    /// because its beginning took long to be written.
    pub(super) fn flush_stale(&mut self, listened: Duration, mode: &OutputMode, out: &mut Vec<u8>) {
        self.listened = listened;
        let stale =
            |shown: &&mut Shown| shown.partial_since.is_some_and(|since| listened.saturating_sub(since) >= PATIENCE);
        self.logs.values_mut().filter(stale).for_each(|shown| shown.flush(mode, out));
    }
}

impl Shown {
    fn align(&mut self, width: usize, mode: &OutputMode) {
        if self.prefix_width == width {
            return;
        }
        let label = format!("{:width$} | ", self.label);
        self.prefix = if mode.color_stdout {
            format!("\x1b[{}m{label}\x1b[0m", self.color).into_bytes()
        } else {
            label.into_bytes()
        };
        self.prefix_width = width;
    }

    fn flush(&mut self, mode: &OutputMode, out: &mut Vec<u8>) {
        let Shown { prefix, splitter, .. } = self;
        splitter.flush(|line| write_line(prefix, line, mode, out));
        self.partial_since = None;
    }
}

fn write_line(prefix: &[u8], line: &[u8], mode: &OutputMode, out: &mut Vec<u8>) {
    out.extend_from_slice(prefix);
    if mode.sanitize_stdout {
        out.extend_from_slice(sanitize::line(line).as_bytes());
    } else {
        out.extend_from_slice(line);
    }
    out.push(b'\n');
}
