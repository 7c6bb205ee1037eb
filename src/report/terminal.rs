//! The terminal that bars are drawn on: standard error, the cursor left at the beginning of the last line.
//!
//! Bars fill their lines to the end, and a terminal shows `^C` where the cursor is. At the end of a full line that would
//! begin a new one, and the bars could not be taken away again.

use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use indicatif::TermLike;

/// What a terminal is taken for that does not tell its size: columns and rows.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// Standard error as a terminal; collects what is drawn and writes it at once.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    waiting: Mutex<Vec<u8>>,
}

/// How many columns bars may use.
pub(super) fn columns() -> u16 {
    size().0
}

fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => USUAL_SIZE,
    }
}

impl Stderr {
    fn collect(&self, bytes: &[u8]) -> io::Result<()> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(())
    }

    /// A cursor movement; by nothing is none at all.
    fn control(&self, count: usize, command: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.collect(format!("\x1b[{count}{command}").as_bytes()) }
    }
}

impl TermLike for Stderr {
    fn width(&self) -> u16 {
        columns()
    }

    fn height(&self) -> u16 {
        size().1
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.control(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.control(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.control(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.control(count, 'D')
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.collect(line.as_bytes())?;
        self.collect(b"\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.collect(text.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.collect(b"\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut err = io::stderr().lock();
        err.write_all(&waiting)?;
        if !waiting.is_empty() {
            err.write_all(b"\r")?;
        }
        err.flush()
    }
}
