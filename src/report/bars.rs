//! What moves at the bottom of a terminal: one line for the build, one for every log that tells how far it is.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::progress::{BuildProgress, Progress};
use super::{sanitize, summary, terminal};

/// Nothing is drawn before a build has lasted so long.
const GRACE: Duration = Duration::from_millis(250);
/// How often the terminal is redrawn at most, per second.
const RATE: u8 = 10;
/// The rows of logs that are shown; the rest is counted.
const MOST_ROWS: usize = 8;
/// Below so many columns only the line of the build is left.
const NARROW: u16 = 40;

pub(super) struct Bars {
    multi: MultiProgress,
    overall: ProgressBar,
    rows: Vec<ProgressBar>,
    columns: Box<dyn Fn() -> u16 + Send>,
    utf8: bool,
    /// When there was something to draw for the first time.
    since: Option<Instant>,
}

impl Bars {
    /// Draws on standard error.
    pub(super) fn new(utf8: bool) -> Bars {
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal::Stderr::default()), RATE);
        Bars::on(target, utf8, Box::new(terminal::columns))
    }

    /// Draws into memory, for tests.
    #[cfg(test)]
    pub(super) fn in_memory(terminal: indicatif::InMemoryTerm, columns: u16, utf8: bool) -> Bars {
        let mut bars = Bars::on(ProgressDrawTarget::term_like(Box::new(terminal)), utf8, Box::new(move || columns));
        bars.since = Instant::now().checked_sub(GRACE);
        bars
    }

    fn on(target: ProgressDrawTarget, utf8: bool, columns: Box<dyn Fn() -> u16 + Send>) -> Bars {
        let multi = MultiProgress::with_draw_target(target);
        let overall = ProgressBar::no_length();
        overall.set_style(style("{spinner} {msg}", utf8));
        let overall = multi.add(overall);
        Bars { multi, overall, rows: Vec::new(), columns, utf8, since: None }
    }

    /// Draws how things stand. `standing` is the state of the task at work, in words.
    pub(super) fn draw(&mut self, progress: &BuildProgress, standing: &str, elapsed: Duration) {
        if self.since.get_or_insert_with(Instant::now).elapsed() < GRACE {
            return;
        }
        let columns = (self.columns)();
        let (ended, tasks) = progress.tasks;
        let what = if progress.are_steps { "steps" } else { "tasks" };
        let tasks = if tasks > 1 { format!("{ended}/{tasks} {what}, ") } else { String::new() };
        // What matters most comes first: what is cut off is at the end.
        let line = format!("{}  {tasks}{}", clock(elapsed), sanitize::line(standing.as_bytes()));
        self.overall.set_message(sanitize::cut(&line, usize::from(columns.saturating_sub(3)), self.utf8).into_owned());
        self.overall.tick();
        let rows: Vec<(&str, &Progress)> = if columns < NARROW { Vec::new() } else { progress.rows().collect() };
        let hidden = rows.len().saturating_sub(MOST_ROWS);
        let wanted = rows.len().min(MOST_ROWS) + usize::from(hidden > 0);
        self.resize(wanted);
        let label_width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0).min(24);
        let bar_width = if rows.iter().all(|(_, progress)| progress.fraction().is_none()) {
            0
        } else if columns >= 100 {
            20
        } else {
            10
        };
        let look = Look { label_width, bar_width, columns: usize::from(columns), utf8: self.utf8 };
        for (bar, (label, progress)) in self.rows.iter().zip(rows.iter().take(MOST_ROWS)) {
            look.show(bar, label, progress);
        }
        if let (true, Some(bar)) = (hidden > 0, self.rows.last()) {
            bar.set_style(style("  {msg}", self.utf8));
            bar.set_message(format!("and {hidden} more"));
        }
    }

    /// Does something with the bars out of the way.
    pub(super) fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.multi.suspend(work)
    }

    /// Takes everything off the terminal.
    pub(super) fn clear(self) {
        let _ = self.multi.clear();
        // Bars that are dropped unfinished would draw themselves once more.
        self.multi.set_draw_target(ProgressDrawTarget::hidden());
    }

    fn resize(&mut self, wanted: usize) {
        while self.rows.len() > wanted {
            if let Some(bar) = self.rows.pop() {
                bar.finish_and_clear();
                self.multi.remove(&bar);
            }
        }
        while self.rows.len() < wanted {
            self.rows.push(self.multi.add(ProgressBar::new(0)));
        }
    }
}

struct Look {
    label_width: usize,
    /// None where no row has a bar.
    bar_width: usize,
    columns: usize,
    utf8: bool,
}

impl Look {
    /// Puts one log's row together: a bar only where both of its numbers were seen, and room for one where other rows have it.
    fn show(&self, bar: &ProgressBar, label: &str, progress: &Progress) {
        let Look { label_width, bar_width, columns, utf8 } = *self;
        let mut text = progress.phase.clone().unwrap_or_default();
        if let Some(detail) = &progress.detail {
            text = format!("{detail}, {text}");
        }
        let text = sanitize::line(text.as_bytes()).into_owned();
        let taken = label_width + 4 + if bar_width > 0 { bar_width + 3 } else { 0 };
        let text = sanitize::cut(&text, columns.saturating_sub(taken), utf8).into_owned();
        let label = sanitize::line(label.as_bytes());
        let label = sanitize::cut(&label, label_width, utf8);
        let label = format!("{label:label_width$}");
        match progress.fraction() {
            Some(fraction) => {
                bar.set_length(1000);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of 1000")]
                bar.set_position((fraction * 1000.0) as u64);
                bar.set_style(style(&format!("  {{prefix}} [{{bar:{bar_width}}}] {{msg}}"), utf8));
            }
            None if bar_width > 0 => {
                bar.set_style(style(&format!("  {{prefix}} {} {{msg}}", " ".repeat(bar_width + 2)), utf8));
            }
            None => bar.set_style(style("  {prefix} {msg}", utf8)),
        }
        bar.set_prefix(label);
        bar.set_message(text);
    }
}

fn style(template: &str, utf8: bool) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    if utf8 {
        style.progress_chars("━╸ ").tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
    } else {
        style.progress_chars("#- ").tick_chars("|/-\\ ")
    }
}

/// `12:41`, `1:02:03`.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if seconds < 3600 { format!("{:02}:{:02}", seconds / 60, seconds % 60) } else { summary::duration(elapsed) }
}
