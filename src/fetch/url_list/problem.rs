//! What can be wrong with a list of artifacts.

use std::fmt;

use super::{FOLDER, LONGEST};
use crate::address;
use crate::error::{Error, ErrorKind};

/// Why a list cannot be used: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlListError {
    /// One or more, in the order of the lines.
    pub problems: Vec<Problem>,
}

/// Something that is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name.
    pub file: &'static str,
    /// Where in it, from 1; `None` when it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What can be wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// A list that is not understood here.
    #[error("it lists artifacts in a way that only the build service understands")]
    Unsupported,
    /// The file is there and cannot be read.
    #[error("it cannot be read: {reason}")]
    Unreadable {
        /// What the system says.
        reason: String,
    },
    /// The file is longer than [`LONGEST`].
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    /// It is not YAML.
    #[error("it is not valid YAML: {reason}")]
    Syntax {
        /// What the YAML reader says.
        reason: String,
    },
    /// The value is of the wrong kind.
    #[error("{what} is {found}, but must be {expected}")]
    WrongType {
        /// `the file`, `an entry` or a key.
        what: String,
        /// What it is.
        found: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// A key that is not known.
    #[error(
        "unknown key `{key}`; known are url, target, md5, sha1, sha256, source-url, source-md5, source-sha1 and source-sha256"
    )]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A key is there twice.
    #[error("`{key}` is set twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key that must be there is not.
    #[error("`{key}` is missing")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A file without a checksum.
    #[error("`{key}` has no checksum: give {prefix}md5, {prefix}sha1 or {prefix}sha256")]
    NoChecksum {
        /// `url` or `source-url`.
        key: &'static str,
        /// What the names of its checksums begin with.
        prefix: &'static str,
    },
    /// A checksum that cannot be one.
    #[error("`{key}` is {found:?}, but must be {digits} hexadecimal digits in lower case")]
    BadHash {
        /// The key.
        key: String,
        /// What it is.
        found: String,
        /// How many digits it should have.
        digits: usize,
    },
    /// An address that is none.
    #[error("`{key}` is not an http or https address")]
    BadUrl {
        /// `url` or `source-url`.
        key: &'static str,
    },
    /// An address that artifacts may not come from.
    #[error("`{key}` is at {host}, and artifacts may not come from there")]
    Forbidden {
        /// `url` or `source-url`.
        key: &'static str,
        /// Host and path of the address.
        host: String,
    },
    /// An address that no target can be made of.
    #[error("`target` is missing, and the address does not end in a file's name")]
    NoTarget,
    /// A target that is no path beneath the folder.
    #[error("`target` is {target:?}, but must be a path beneath {FOLDER}/, without empty parts, `.` and `..`")]
    BadTarget {
        /// The target.
        target: String,
    },
    /// Two artifacts that cannot both be there.
    #[error("{target:?} and {other:?} of line {first} cannot both be put into {FOLDER}/")]
    Collision {
        /// The target.
        target: String,
        /// The target of the earlier entry.
        other: String,
        /// The line of the earlier entry.
        first: usize,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = address::masked(&self.kind.to_string());
        match self.line {
            Some(line) => write!(f, "{}, line {line}: {kind}", self.file),
            None => write!(f, "{}: {kind}", self.file),
        }
    }
}

impl fmt::Display for UrlListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => only.fmt(f),
            all => {
                write!(f, "{} problems with the lists of artifacts:", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for UrlListError {}

impl From<UrlListError> for Error {
    fn from(error: UrlListError) -> Self {
        let has = |test: fn(&ProblemKind) -> bool| error.problems.iter().any(|problem| test(&problem.kind));
        let unsupported = has(|kind| matches!(kind, ProblemKind::Unsupported));
        let forbidden = has(|kind| matches!(kind, ProblemKind::Forbidden { .. }));
        let mut error = Error::new(ErrorKind::Refused, error);
        if unsupported {
            error = error.hint("build this image on the build service, or list its files in fetch-artifacts-url.yaml");
        }
        if forbidden {
            error = error.hint("artifacts_allowed_domains lists where artifacts may come from");
        }
        error
    }
}
