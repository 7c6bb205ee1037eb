//! The only code that writes to a terminal or to stdout.

pub mod sanitize;
