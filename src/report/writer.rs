//! The two streams, and the bars that move between what is written to them.
//!
//! Lines about a build are made harmless wherever they go ([`Line`]). What is quoted (logs, a dry run, the configuration) keeps its
//! bytes in files and in pipes, where programs read it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::bars::Bars;
use super::line::Line;
use super::mode::OutputMode;
use super::sanitize;

/// So much log text is collected before it is written between bars, so that they do not flicker.
const BETWEEN_BARS: usize = 256 * 1024;
/// How long log text may wait for that.
const BAR_PERIOD: Duration = Duration::from_millis(50);

/// Writes to standard output and standard error.
pub(super) struct Writer<Out, Err> {
    out: Out,
    err: Err,
    color_out: bool,
    color_err: bool,
    sanitize_out: bool,
    bars: Option<Bars>,
    waiting: Vec<u8>,
    last_write: Instant,
    written: u64,
}

impl<Out: Write, Err: Write> Writer<Out, Err> {
    /// Nothing is drawn before the first event that draws.
    pub(super) fn new(mode: &OutputMode, out: Out, err: Err, bars: Option<Bars>) -> Self {
        Writer {
            out,
            err,
            color_out: mode.color_stdout,
            color_err: mode.color_stderr,
            sanitize_out: mode.sanitize_stdout,
            bars,
            waiting: Vec::new(),
            last_write: Instant::now(),
            written: 0,
        }
    }

    /// A line on standard output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn print(&mut self, line: impl Into<Line>) -> io::Result<()> {
        self.waiting.extend_from_slice(line.into().render(self.color_out).as_bytes());
        self.waiting.push(b'\n');
        self.write()
    }

    /// Lines on standard output that are somebody else's, without a newline at the end of them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn quote(&mut self, text: &str) -> io::Result<()> {
        let clean;
        let text = if self.sanitize_out {
            clean = sanitize::text(text);
            &clean
        } else {
            text
        };
        self.waiting.extend_from_slice(text.as_bytes());
        self.waiting.push(b'\n');
        self.write()
    }

    /// A line on standard error. That nobody reads it, is no reason to stop.
    pub(super) fn say(&mut self, line: impl Into<Line>) -> io::Result<()> {
        self.write()?;
        let line = line.into().render(self.color_err) + "\n";
        let Writer { bars, err, .. } = self;
        // One write, so that other programs' lines do not get into it.
        let _ = between(bars.as_ref(), || err.write_all(line.as_bytes()).and_then(|()| err.flush()));
        Ok(())
    }

    /// Takes lines of logs, as they are to be shown, and writes them soon.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn collect(&mut self, lines: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        lines(&mut self.waiting);
        let may_wait =
            self.bars.is_some() && self.waiting.len() < BETWEEN_BARS && self.last_write.elapsed() < BAR_PERIOD;
        if may_wait { Ok(()) } else { self.write() }
    }

    /// Writes what was collected.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let Writer { bars, out, waiting, .. } = self;
        let written = between(bars.as_ref(), || out.write_all(waiting).and_then(|()| out.flush()));
        self.written = self.written.saturating_add(self.waiting.len() as u64);
        self.waiting.clear();
        self.last_write = Instant::now();
        written
    }

    /// How many bytes went to standard output so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// The bars, where there are any.
    pub(super) fn bars(&mut self) -> Option<&mut Bars> {
        self.bars.as_mut()
    }

    /// Takes the bars away for good.
    pub(super) fn end_bars(&mut self) {
        if let Some(bars) = self.bars.take() {
            bars.clear();
        }
    }
}

/// Writes with the bars out of the way.
fn between<T>(bars: Option<&Bars>, write: impl FnOnce() -> T) -> T {
    match bars {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}
