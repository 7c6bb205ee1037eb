//! Faults: a hub's way to say no, with Koji's own codes.

use std::fmt;

/// A fault as the hub sent it. The text is the hub's and not to be trusted on a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Koji's number for it, see [`FaultKind`].
    pub code: i64,
    /// The hub's words; may hold newlines or a whole Python traceback.
    pub text: String,
}

impl std::error::Error for Fault {}

/// The faults a client treats differently from the rest (`koji/__init__.py`, the classes with a `faultCode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// 1001: the file is being written to.
    Locked,
    /// 1002: bad credentials, unknown session, not logged in.
    Auth,
    /// 1004: missing permission, not owner, not logged in. Also 1002 where it is about a content generator: a new session
    /// would not help.
    NotAllowed,
    /// 1006: another exclusive session of this user.
    AuthLock,
    /// 1007: the session expired and can be renewed.
    AuthExpired,
    /// 1008: a call number lower than one that was committed.
    Sequence,
    /// 1009: this very call was executed and committed already.
    Retry,
    /// 1014: the hub is offline, or its database is.
    Offline,
    /// 1: the hub's database failed under the call; the words are those of its Python library.
    Database,
    /// 1019: wrong names or number of arguments.
    Parameter,
    /// Everything else.
    Other,
}

impl Fault {
    /// What kind of fault it is, as far as it matters to a client.
    pub fn kind(&self) -> FaultKind {
        match self.code {
            1 if self.text.contains("psycopg2.") => FaultKind::Database,
            1001 => FaultKind::Locked,
            // The words of Koji's `assert_cg`; they are all that tells it from a session that is gone.
            1002 if self.text.contains("Content generator access required") => FaultKind::NotAllowed,
            1002 => FaultKind::Auth,
            1004 => FaultKind::NotAllowed,
            1006 => FaultKind::AuthLock,
            1007 => FaultKind::AuthExpired,
            1008 => FaultKind::Sequence,
            1009 => FaultKind::Retry,
            1014 => FaultKind::Offline,
            1019 => FaultKind::Parameter,
            _ => FaultKind::Other,
        }
    }

    /// The name Koji gives the code; `None` for codes that Koji's client does not know.
    pub fn class(&self) -> Option<&'static str> {
        Some(match self.code {
            1000 => "GenericError",
            1001 => "LockError",
            1002 => "AuthError",
            1003 => "TagError",
            1004 => "ActionNotAllowed",
            1005 => "BuildError",
            1006 => "AuthLockError",
            1007 => "AuthExpired",
            1008 => "SequenceError",
            1009 => "RetryError",
            1010 => "PreBuildError",
            1011 => "PostBuildError",
            1012 => "BuildrootError",
            1013 => "FunctionDeprecated",
            1014 => "ServerOffline",
            1015 => "LiveCDError",
            1016 => "PluginError",
            1017 => "CallbackError",
            1018 => "ApplianceError",
            1019 => "ParameterError",
            1020 => "ImportError",
            1021 => "ConfigurationError",
            1022 => "LiveMediaError",
            1023 => "GSSAPIAuthError",
            1024 => "NameValidationError",
            2001 => "ContainerError",
            2002 => "ContainerCancelled",
            _ => return None,
        })
    }

    /// The part of the text that says what happened: of a Python traceback only its last line.
    pub fn headline(&self) -> &str {
        let text = self.text.trim();
        if text.starts_with("Traceback (most recent call last)") {
            return text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(text);
        }
        text
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class() {
            Some(class) => write!(f, "{} ({class}, fault {})", self.headline(), self.code),
            None => write!(f, "{} (fault {})", self.headline(), self.code),
        }
    }
}
