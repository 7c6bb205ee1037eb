//! The one error type that reaches `main`: a kind, a source with its chain, and hints.
//!
//! Modules have error enums of their own (`thiserror`), with the values in them. They become an [`Error`] where the
//! knowledge of kind and hint is: in a `From` implementation beside the enum. The kind alone decides the exit code.

use std::error::Error as StdError;
use std::fmt;

use crate::event::{BuildId, Finding};

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
    /// A check, or the server, refused the build: nothing was submitted.
    Refused,
    /// A credential, certificate or ticket is missing, unreadable, expired or refused, or nobody is anybody.
    Authentication,
    /// The server is away, offline or broken; no build was created by this command.
    Network,
    /// The build was, or may have been, created, and was not seen to its end.
    Unseen,
    /// Ended by SIGINT (Ctrl-C).
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
    /// Ended by SIGHUP.
    HungUp,
    /// A fault of this program.
    Internal,
}

impl ErrorKind {
    /// The kind as a word for programs.
    pub fn word(self) -> &'static str {
        match self {
            ErrorKind::Checkout => "checkout",
            ErrorKind::Request => "request",
            ErrorKind::Config => "config",
            ErrorKind::Server => "server",
            ErrorKind::BuildFailed => "build_failed",
            ErrorKind::Io => "io",
            ErrorKind::Usage => "usage",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Refused => "refused",
            ErrorKind::Authentication => "authentication",
            ErrorKind::Network => "network",
            ErrorKind::Unseen => "unseen",
            ErrorKind::Interrupted => "interrupted",
            ErrorKind::Terminated => "terminated",
            ErrorKind::HungUp => "hung_up",
            ErrorKind::Internal => "internal",
        }
    }

    /// Whether a signal ended the command.
    pub fn is_signal(self) -> bool {
        matches!(self, ErrorKind::Interrupted | ErrorKind::Terminated | ErrorKind::HungUp)
    }
}

/// An error on its way to the user: what failed (`source` and its chain) and what to do next (`hints`).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Box<dyn StdError + Send + Sync>,
    hints: Vec<String>,
    findings: Vec<Finding>,
    build: Option<BuildId>,
}

/// The result of everything that can reach the user.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps `source`, which is the message; its `source()` chain is shown as causes.
    pub fn new(kind: ErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Error { kind, source: source.into(), hints: Vec::new(), findings: Vec::new(), build: None }
    }

    /// The same with what checks found, which is the reason.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// The same about a build that exists, or may exist.
    #[must_use]
    pub fn about(mut self, build: BuildId) -> Self {
        self.build = Some(build);
        self
    }

    /// The same as another kind of error: what ends a command differently once there is a build.
    #[must_use]
    pub fn as_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same error once more, for another who meets it.
    #[must_use]
    pub fn again(&self) -> Error {
        Error { hints: self.hints.clone(), ..Error::new(self.kind, self.to_string()) }
    }

    /// Adds a line that says what to do next, shown as `hint: …`.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same, where there is one.
    #[must_use]
    pub fn hint_if(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// What decides the exit code.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What checks found, where that is the reason.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The build that it is about, which exists or may exist.
    pub fn build(&self) -> Option<&BuildId> {
        self.build.as_ref()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str, #[source] Option<Box<Said>>);

    fn said(texts: &[&'static str]) -> Option<Box<Said>> {
        let (first, rest) = texts.split_first()?;
        Some(Box::new(Said(first, said(rest))))
    }

    #[test]
    fn a_cause_that_an_outer_message_has_said_already_is_not_said_again() {
        let error =
            Error::new(ErrorKind::Io, Said("cannot read a: no such file", said(&["no such file", "os error 2"])));
        assert_eq!(error.causes(), ["os error 2"]);
    }

    #[test]
    fn whoever_meets_an_error_again_is_told_as_much() {
        let error = Error::new(ErrorKind::Config, Said("no file", None)).hint("make one");
        let again = error.again();
        let told = (again.kind(), again.to_string(), again.hints());
        assert_eq!(told, (ErrorKind::Config, "no file".to_owned(), ["make one".to_owned()].as_slice()));
    }
}
