//! The only code that writes to a terminal or to standard output, and the only place with words for people (besides errors
//! and their hints).
//!
//! While a build goes on a [`Reporter`] shows its events, on a thread of its own: a terminal that blocks must not keep the
//! builder from noticing Ctrl-C. Everything else is printed by [`text`].

mod bars;
mod json;
mod live;
mod logs;
pub mod mode;
pub mod progress;
pub mod sanitize;
pub mod summary;
mod terminal;
pub mod text;

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::timeout;

use crate::event::{EventReceiver, Stamped};

pub use logs::LogView;
pub use mode::{Format, OutputMode};

use json::JsonLines;
use live::Live;

/// How often time is looked at: unfinished lines, clocks, heartbeats.
const TICK: Duration = Duration::from_millis(250);

/// A thread that shows a build's events.
pub struct Reporter {
    thread: JoinHandle<io::Result<()>>,
}

/// How a reporter ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// Everything was shown.
    Everything,
    /// Nobody reads standard output any more.
    OutputGone,
}

impl Reporter {
    /// Shows what comes out of `events` until there is no more, on the process's own streams.
    pub fn spawn(mode: OutputMode, view: LogView, program: String, events: EventReceiver) -> Reporter {
        let thread = std::thread::spawn(move || {
            let (out, err) = (io::stdout(), io::stderr());
            match mode.format {
                Format::Text => pump(events, Live::new(mode, program, view.heartbeat, out, err)),
                Format::Json => pump(events, JsonLines::start(io::BufWriter::with_capacity(1 << 16, out))?),
            }
        });
        Reporter { thread }
    }

    /// Waits for everything to be shown.
    pub async fn finish(self) -> Reported {
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        match joined {
            Ok(Ok(Ok(()))) => Reported::Everything,
            Ok(Ok(Err(reason))) => {
                tracing::debug!(%reason, "standard output is gone");
                Reported::OutputGone
            }
            // A panic of the reporter was already told on standard error.
            Ok(Err(_)) | Err(_) => Reported::OutputGone,
        }
    }
}

/// Something that shows events.
trait Screen {
    /// Shows one.
    fn event(&mut self, stamped: &Stamped) -> io::Result<()>;
    /// Does what time asks for.
    fn tick(&mut self) -> io::Result<()>;
    /// Puts everything away.
    fn close(&mut self);
}

/// Shows everything that comes. When that is not possible any more the receiver is dropped, which tells the builder.
fn pump(mut events: EventReceiver, mut screen: impl Screen) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let shown = loop {
        let next = runtime.block_on(async { timeout(TICK, events.recv()).await });
        let shown = match next {
            Ok(Some(stamped)) => screen.event(&stamped),
            Ok(None) => break Ok(()),
            Err(_) => screen.tick(),
        };
        if shown.is_err() {
            break shown;
        }
    };
    drop(events);
    screen.close();
    shown
}
