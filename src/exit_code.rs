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
    /// A check refused the build before it was submitted.
    Refused = 4,
    /// The server refused the login, or no credentials were found.
    Authentication = 5,
    /// The server could not be reached, or the connection was lost for good.
    Network = 6,
    /// A fault of this program.
    Internal = 70,
    /// Ctrl-C: the build goes on without us.
    Detached = 130,
}

impl ExitCode {
    /// All codes in numerical order, each with the line that `--help` and the man page show for it.
    pub const TABLE: &'static [(ExitCode, &'static str)] = &[
        (ExitCode::Success, "the build succeeded, or was submitted with --nowait"),
        (ExitCode::Failed, "the build failed, or an error without a code of its own"),
        (ExitCode::Usage, "the command line was not understood"),
        (ExitCode::Cancelled, "the build was cancelled"),
        (ExitCode::Refused, "a check refused the build before it was submitted"),
        (ExitCode::Authentication, "no credentials, or the server refused them"),
        (ExitCode::Network, "the server could not be reached"),
        (ExitCode::Internal, "a fault of this program"),
        (ExitCode::Detached, "interrupted; the build goes on"),
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
            ErrorKind::Detached => ExitCode::Detached,
            ErrorKind::Internal => ExitCode::Internal,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}
