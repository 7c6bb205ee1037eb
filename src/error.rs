//! The one error type that reaches `main`: a kind, a source with its chain, and hints.
//!
//! Modules have error enums of their own (`thiserror`), with the values in them. They become an [`Error`] where the
//! knowledge of kind and hint is: in a `From` implementation beside the enum. The kind alone decides the exit code.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, as far as the exit code is concerned (see [`crate::exit_code::ExitCode`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The state of the dist-git checkout does not allow a build.
    Checkout,
    /// The options are well-formed, but do not go together or do not say enough.
    Request,
    /// A configuration file is missing, malformed, or lacks a value.
    Config,
    /// The server answered, and the answer was no (an unknown target, a fault).
    Server,
    /// The build was seen to fail.
    BuildFailed,
    /// A local file could not be read or written.
    Io,
    /// The command line was not understood.
    Usage,
    /// The build was cancelled.
    Cancelled,
    /// A check refused the build before it was submitted.
    Refused,
    /// The server refused the login, or no credentials were found.
    Authentication,
    /// The server could not be reached, or the connection was lost for good.
    Network,
    /// Ctrl-C while watching; the build goes on.
    Detached,
    /// A fault of this program.
    Internal,
}

/// An error on its way to the user: what failed (`source` and its chain) and what to do next (`hints`).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Box<dyn StdError + Send + Sync>,
    hints: Vec<String>,
}

/// The result of everything that can reach the user.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps `source`, which is the message; its `source()` chain is shown as causes.
    pub fn new(kind: ErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Error { kind, source: source.into(), hints: Vec::new() }
    }

    /// Adds a line that says what to do next, shown as `hint: …`.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What decides the exit code.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do next, in the order given.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The causes below the message, outermost first, without repetitions of what an outer message already says.
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut said = self.to_string();
        let mut next = self.source.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !said.contains(&text) {
                causes.push(text.clone());
                said = text;
            }
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}
