//! Why files could not be fetched, with what helps.

use std::io;
use std::path::PathBuf;

use openssl::error::ErrorStack;
use reqwest::StatusCode;
use url::Url;

use crate::address::Address;
use crate::blocking::Stopped;
use crate::checkout::sources::{Algorithm, Checksum};
use crate::error::{Error, ErrorKind};

/// A file that could not be fetched; the others were stopped.
#[derive(Debug, thiserror::Error)]
#[error("cannot fetch {} from {url}: {problem}", .target.display())]
pub struct ArtifactsError {
    /// Where in the context it was to be.
    pub target: PathBuf,
    /// Where it was to come from, without user, password and query.
    pub url: String,
    /// Why.
    #[source]
    pub problem: FetchProblem,
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchProblem {
    /// Nothing says what the file must hash to.
    #[error("it has no checksum")]
    NoChecksum,
    /// The address is none, or not of the web.
    #[error("this is not an http or https address")]
    BadUrl,
    /// The target is not a path beneath the context.
    #[error("the target has to be a path beneath the build context, without `.` and `..`")]
    BadTarget,
    /// The server said no.
    #[error("the server answered {status}")]
    Status {
        /// Its answer.
        status: StatusCode,
    },
    /// A page for people came in place of the file.
    #[error("the server answered {status} with a web page (text/html) in place of the file")]
    WebPage {
        /// Its answer.
        status: StatusCode,
    },
    /// The file is not the one that is asked for.
    #[error("wrong {} checksum: expected {}, found {found}", .expected.algorithm(), .expected.hash())]
    Mismatch {
        /// What it must hash to.
        expected: Checksum,
        /// What it hashes to.
        found: String,
    },
    /// Every attempt failed.
    #[error("{attempts} attempts failed, the last one because {reason}")]
    GaveUp {
        /// How many there were.
        attempts: u32,
        /// Why the last one failed.
        reason: String,
    },
    /// A certificate was refused.
    #[error("the connection was refused as unsafe: {reason}")]
    Certificate {
        /// What the TLS library says.
        reason: String,
    },
    /// A server redirected to where nobody protects the file.
    #[error("the server redirects from https to {to}, which is not encrypted")]
    InsecureRedirect {
        /// Where to, without user, password and query.
        to: String,
    },
    /// A server redirected out of the domains that are allowed.
    #[error("the server redirects to {to}, and artifacts may not come from there")]
    ForbiddenRedirect {
        /// Where to, without user, password and query.
        to: String,
    },
    /// A redirect that leads nowhere.
    #[error("the server answered {status} without a usable address to go on to")]
    BadRedirect {
        /// Its answer.
        status: StatusCode,
    },
    /// Redirects without an end.
    #[error("the server redirected more than {limit} times")]
    TooManyRedirects {
        /// How many are followed.
        limit: u32,
    },
    /// A symbolic link stands where a file or folder would be written.
    #[error("{} is a symbolic link in the build context, and nothing is written through it", .path.display())]
    SymbolicLink {
        /// The link, relative to the context.
        path: PathBuf,
    },
    /// Something that is not a file or not a folder stands in the way.
    #[error("{} is in the way in the build context: it is not a {wanted}", .path.display())]
    InTheWay {
        /// What stands there, relative to the context.
        path: PathBuf,
        /// `regular file` or `directory`.
        wanted: &'static str,
    },
    /// The system refused to read or write a file.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// What was to be done: `write`, `read`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The disk would be full.
    #[error("{} would leave no room on its disk: {received} bytes were received, and {more} more were to come", .path.display())]
    NoRoom {
        /// The file in the cache.
        path: PathBuf,
        /// What had been received, in bytes; it was removed.
        received: u64,
        /// What was to be written next, in bytes.
        more: u64,
    },
    /// The TLS library does not compute this checksum.
    #[error("{algorithm} cannot be computed on this machine")]
    Digest {
        /// Which.
        algorithm: Algorithm,
        /// What OpenSSL says.
        source: ErrorStack,
    },
    /// The work was stopped, because another download failed.
    #[error("it was stopped")]
    Stopped,
}

impl From<Stopped> for FetchProblem {
    fn from(_: Stopped) -> Self {
        FetchProblem::Stopped
    }
}

impl From<ArtifactsError> for Error {
    fn from(error: ArtifactsError) -> Self {
        let (kind, hint) = (error.problem.kind(), error.problem.hint());
        Error::new(kind, error).hint_if(hint)
    }
}

impl FetchProblem {
    /// Makes a problem out of a system error.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> FetchProblem {
        let path = path.into();
        move |source| FetchProblem::File { action, path, source }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            FetchProblem::NoChecksum
            | FetchProblem::BadTarget
            | FetchProblem::BadUrl
            | FetchProblem::SymbolicLink { .. }
            | FetchProblem::InTheWay { .. } => ErrorKind::Refused,
            FetchProblem::Status { status } if matches!(status.as_u16(), 401 | 403 | 407) => ErrorKind::Authentication,
            FetchProblem::WebPage { .. } => ErrorKind::Network,
            FetchProblem::Status { .. }
            | FetchProblem::Mismatch { .. }
            | FetchProblem::InsecureRedirect { .. }
            | FetchProblem::ForbiddenRedirect { .. }
            | FetchProblem::BadRedirect { .. }
            | FetchProblem::TooManyRedirects { .. } => ErrorKind::Server,
            FetchProblem::GaveUp { .. } | FetchProblem::Certificate { .. } => ErrorKind::Network,
            FetchProblem::File { .. } | FetchProblem::NoRoom { .. } | FetchProblem::Digest { .. } => ErrorKind::Io,
            FetchProblem::Stopped => ErrorKind::Cancelled,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            FetchProblem::Status { status } if matches!(status.as_u16(), 404 | 410) => {
                "was the file uploaded? `fedpkg new-sources FILE…` uploads it; also look at the address"
            }
            FetchProblem::Status { status } if matches!(status.as_u16(), 401 | 403) => {
                "the server wants to know who asks, or does not want to be asked from here"
            }
            FetchProblem::WebPage { .. } => "a proxy or a login page may stand between here and the server",
            FetchProblem::Mismatch { .. } => {
                "the file on the server is not the one that the checksum was made of; nothing of it was kept"
            }
            FetchProblem::GaveUp { .. } => {
                "is the server reachable from here? What was received is kept, and the next run goes on from there"
            }
            FetchProblem::Certificate { .. } => "is the CA of that server in the system's trust store?",
            FetchProblem::ForbiddenRedirect { .. } => "artifacts_allowed_domains lists where artifacts may come from",
            FetchProblem::SymbolicLink { .. } | FetchProblem::InTheWay { .. } => {
                "remove it from the repository, or give the artifact another target"
            }
            FetchProblem::Digest { .. } => "a machine in FIPS mode has no md5: list the file with sha512",
            FetchProblem::NoRoom { .. } => "make room there, or see whether the server sends what it should",
            FetchProblem::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "make room there, and run this again: what was received is kept"
            }
            _ => return None,
        })
    }
}

/// An address without what may be secret in it: user, password, query.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = Address::from(url.clone()).bare();
    let had_query = shown.query().is_some();
    shown.set_query(None);
    shown.set_fragment(None);
    if had_query { format!("{shown}?…") } else { shown.into() }
}
