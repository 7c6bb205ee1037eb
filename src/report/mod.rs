//! The one mouth: the only code that writes to a terminal, to standard output or standard error, and the only place with words
//! for people (besides errors and their hints).
//!
//! Every command has one [`Reporter`] from its first moment to its last event. It shows what comes on a thread of its own: a
//! terminal that blocks must not keep the builder from noticing Ctrl-C. Text from elsewhere is made harmless where it is written
//! ([`mod@line`], [`json`]), so that nobody who sends an event has to think of it.
//!
//! Only what is printed without a command being carried out (help, a command line that was not understood) is in [`text`].

mod bars;
pub mod json;
mod line;
mod live;
mod logs;
pub mod mode;
pub mod progress;
mod reader;
pub mod sanitize;
pub mod schema;
pub(crate) mod summary;
mod terminal;
pub mod text;
mod writer;

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::event::{EventReceiver, Stamped};

pub use mode::{Format, OutputMode};

use json::JsonLines;
use live::Live;
use reader::Reader;

/// How often time is looked at: unfinished lines, clocks, heartbeats, whether anybody reads.
const TICK: Duration = Duration::from_millis(250);

/// What a reporter is told besides how output looks.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// The name the user called us by, for commands that can be typed.
    pub program: String,
    /// Tell after so long a silence that we are still there; `None` for never. Not where bars are drawn.
    pub heartbeat: Option<Duration>,
}

/// A thread that shows events.
#[derive(Debug)]
pub struct Reporter {
    ended: mpsc::Receiver<io::Result<()>>,
}

/// How a reporter ended.
#[derive(Debug)]
pub enum Reported {
    /// Everything was shown.
    Everything,
    /// Standard output cannot be written any more: nobody reads it, the disk is full.
    Broken(io::Error),
    /// It still tries to write, to a terminal that was stopped for instance.
    Busy,
}

impl Reporter {
    /// Shows what comes out of `events` until the last event, or until there are no more, on the process's own streams.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(mode: OutputMode, options: ReportOptions, events: EventReceiver) -> io::Result<Reporter> {
        let (ending, ended) = mpsc::sync_channel(1);
        std::thread::Builder::new().name("report".to_owned()).spawn(move || {
            let (out, err) = (io::stdout(), io::stderr());
            let reader = Reader::of(&out);
            let shown = match mode.format {
                Format::Text => pump(events, &mut Live::new(mode, options, out, err), &reader),
                Format::Json => {
                    let color = mode.color_stderr;
                    JsonLines::start(io::BufWriter::with_capacity(1 << 16, out), err, color)
                        .and_then(|mut lines| pump(events, &mut lines, &reader))
                }
            };
            let _ = ending.send(shown);
        })?;
        Ok(Reporter { ended })
    }

    /// Waits for everything to be shown, at most for so long.
    pub fn join(self, limit: Option<Duration>) -> Reported {
        let ended = match limit {
            Some(limit) => self.ended.recv_timeout(limit),
            None => self.ended.recv().map_err(RecvTimeoutError::from),
        };
        match ended {
            Ok(Ok(())) => Reported::Everything,
            Ok(Err(error)) => Reported::Broken(error),
            Err(RecvTimeoutError::Timeout) => Reported::Busy,
            // The panic itself was told on standard error.
            Err(RecvTimeoutError::Disconnected) => {
                Reported::Broken(io::Error::other("the thread that tells things is gone"))
            }
        }
    }
}

/// Something that shows events.
trait Screen {
    /// Shows one.
    fn event(&mut self, stamped: &Stamped) -> io::Result<()>;
    /// Does what time asks for. `listened` is for how long there was nothing to show, altogether: the time that writing takes to a slow
    /// reader is none in which something could have come.
    fn tick(&mut self, listened: Duration) -> io::Result<()>;
    /// Puts everything away.
    fn close(&mut self) -> io::Result<()>;
}

/// Shows everything that comes. When that is not possible any more the receiver is dropped, which tells the builder.
fn pump(mut events: EventReceiver, screen: &mut impl Screen, reader: &Reader) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (mut last_tick, mut listened) = (Instant::now(), Duration::ZERO);
    let shown = loop {
        let began = Instant::now();
        let next = runtime.block_on(async { timeout(TICK, events.recv()).await });
        listened += began.elapsed();
        let mut shown = match next {
            Ok(Some(stamped)) if stamped.event.is_last() => break screen.event(&stamped),
            Ok(Some(stamped)) => screen.event(&stamped),
            Ok(None) => break Ok(()),
            Err(_) => Ok(()),
        };
        if last_tick.elapsed() >= TICK {
            last_tick = Instant::now();
            shown = shown.and_then(|()| screen.tick(listened)).and_then(|()| reader.look());
        }
        if shown.is_err() {
            break shown;
        }
    };
    drop(events);
    let closed = screen.close();
    shown.and(closed)
}

#[cfg(test)]
mod tests;
