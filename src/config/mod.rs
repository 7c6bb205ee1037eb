//! Configuration files: Python's ConfigParser dialect, the rpkg configuration, Koji profiles.
//!
//! Everything here only reads files, and every value knows the file and line it came from. What is odd but usable becomes
//! a [`ConfigWarning`], as data; what cannot be used becomes a [`ConfigError`].

pub mod ini;
