//! What is printed besides events: help, what is wrong with a command line, and errors when the reporter is gone.

use std::io::{self, Write};

use super::mode::OutputMode;
use super::{line, sanitize, summary};
use crate::event::Fault;

/// A page with ANSI styles, on standard output; the styles are left out where they are not wanted.
pub fn page(text: &str) {
    let mut out = anstream::stdout().lock();
    // Nobody reading is no reason to complain about a help text.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What is wrong with a command line, on standard error. It quotes the command line, which may hold anything.
pub fn usage_error(text: &str) {
    let _ = anstream::stderr().lock().write_all(sanitize::styled(text).as_bytes());
}

/// An error, on standard error.
pub fn error(mode: &OutputMode, fault: &Fault) {
    let text = line::joined(&summary::fault(fault), mode.color_stderr);
    let _ = io::stderr().write_all(text.as_bytes());
}
