//! The whole table of exit codes, in one closed enum.
//!
//! fedpkg's own codes keep their meaning: 0 is success, 1 is failure, 2 is a command line that was not understood. The
//! others refine fedpkg's 1, so that a script can tell what went wrong without reading words.

use crate::error::ErrorKind;

/// How the process ends. The numbers are a promise to scripts and are listed in `--help` and the man page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Submitted with `--nowait`, or the build was seen to succeed.
    Success = 0,
    /// The build failed, or something went wrong that has no code of its own.
    Failed = 1,
    /// The command line was not understood.
    Usage = 2,
    /// The build was cancelled.
    Cancelled = 3,
    /// A check, or the server, refused the build: nothing was submitted.
    Refused = 4,
    /// A credential is missing, unreadable, expired or refused.
    Authentication = 5,
    /// The server is away, offline or broken; no build was created by this command.
    Network = 6,
    /// The build was, or may have been, created, and was not seen to its end.
    Unseen = 7,
    /// A fault of this program.
    Internal = 70,
    /// SIGHUP.
    HungUp = 129,
    /// SIGINT: Ctrl-C. A build that was submitted goes on without us.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl ExitCode {
    /// All codes in numerical order, each with the line that `--help` and the man page show for it.
    pub const TABLE: &'static [(ExitCode, &'static str)] = &[
        (ExitCode::Success, "the build succeeded, or was submitted with --nowait"),
        (ExitCode::Failed, "the build failed, or an error without a code of its own"),
        (ExitCode::Usage, "the command line was not understood"),
        (ExitCode::Cancelled, "the build was cancelled"),
        (ExitCode::Refused, "nothing was submitted: a check or the server refused the build"),
        (ExitCode::Authentication, "credentials are missing, unreadable, expired or refused"),
        (ExitCode::Network, "the server is away, offline or broken; no build was created"),
        (ExitCode::Unseen, "the build was, or may have been, created and was not seen to its end"),
        (ExitCode::Internal, "a fault of this program"),
        (ExitCode::HungUp, "ended by SIGHUP; a build that was submitted goes on"),
        (ExitCode::Interrupted, "ended by Ctrl-C; likewise (a build on this machine is cancelled)"),
        (ExitCode::Terminated, "ended by SIGTERM; likewise"),
    ];
}

impl From<ErrorKind> for ExitCode {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Checkout
            | ErrorKind::Request
            | ErrorKind::Config
            | ErrorKind::Server
            | ErrorKind::BuildFailed
            | ErrorKind::Io => ExitCode::Failed,
            ErrorKind::Usage => ExitCode::Usage,
            ErrorKind::Cancelled => ExitCode::Cancelled,
            ErrorKind::Refused => ExitCode::Refused,
            ErrorKind::Authentication => ExitCode::Authentication,
            ErrorKind::Network => ExitCode::Network,
            ErrorKind::Unseen => ExitCode::Unseen,
            ErrorKind::Interrupted => ExitCode::Interrupted,
            ErrorKind::Terminated => ExitCode::Terminated,
            ErrorKind::HungUp => ExitCode::HungUp,
            ErrorKind::Internal => ExitCode::Internal,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}
