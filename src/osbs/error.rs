//! Why an answer of the API server is of no use, and what kind of an error that is.

use super::login::{LOGIN_HINT, LoginError, Nobody};
use crate::error::{Error, ErrorKind};

/// Why the server's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No client could be made.
    #[error("cannot set up the connection to {url}")]
    Setup {
        /// The server.
        url: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// Who we are could not be found out or shown.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The connection was not made or broke.
    #[error("Network error at {url}: {why}")]
    Network {
        /// The server.
        url: String,
        /// The innermost reasons.
        why: String,
        /// Whether the request certainly did not arrive.
        not_sent: bool,
    },
    /// The server's certificate was refused, or ours.
    #[error("the TLS connection to {url} was refused: {why}")]
    Certificate {
        /// The server.
        url: String,
        /// The innermost reasons.
        why: String,
    },
    /// The server said no.
    #[error("{what}: server returned error {code}: {message}")]
    Refused {
        /// What was asked, as a verb and a resource (`create pipelineruns`).
        what: String,
        /// The HTTP status.
        code: u16,
        /// What the server says, else the status's own words.
        message: String,
        /// The machine's word for it (`NotFound`, `Conflict`, `Forbidden`).
        reason: String,
        /// Whether it was the API server itself who said so, in a `Status` object, and not somebody on the way to it.
        by_api: bool,
    },
    /// The server lets in nobody without credentials, and we have none.
    #[error("{what}: no credentials for {url} were found ({nobody}), and the server answers {code}: {message}")]
    NoCredentials {
        /// What was asked.
        what: String,
        /// The server.
        url: String,
        /// Where credentials were looked for.
        nobody: Nobody,
        /// The HTTP status.
        code: u16,
        /// What the server says.
        message: String,
    },
    /// The answer is not what the API says it is.
    #[error("{what}: the answer is not understood: {why}")]
    Malformed {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ClusterError {
    /// The HTTP status with which the server said no.
    pub fn code(&self) -> Option<u16> {
        match self {
            ClusterError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same question may be answered later.
    pub fn is_transient(&self) -> bool {
        match self {
            ClusterError::Network { .. } => true,
            ClusterError::Refused { code, .. } => matches!(code, 408 | 429 | 500..=599),
            ClusterError::Login(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether the API server says that nothing is behind a path: in an object, or for a whole group in its own few words.
    pub fn is_nothing_there(&self) -> bool {
        match self {
            ClusterError::Refused { code: 404, by_api, message, .. } => {
                *by_api || message.starts_with("404 page not found")
            }
            _ => false,
        }
    }

    /// Whether the answer is none of the API server's: one that makes no sense, or a refusal by somebody on the way to it.
    pub fn is_odd(&self) -> bool {
        matches!(self, ClusterError::Malformed { .. } | ClusterError::Refused { by_api: false, .. })
    }

    /// Whether it is certain that a request was not carried out: the API server itself refused it, or it was not sent at all.
    pub fn is_certain(&self) -> bool {
        match self {
            ClusterError::Refused { by_api, .. } => *by_api && !self.is_transient(),
            ClusterError::Network { not_sent, .. } => *not_sent,
            ClusterError::Malformed { .. } => false,
            ClusterError::Setup { .. }
            | ClusterError::Login(_)
            | ClusterError::Certificate { .. }
            | ClusterError::NoCredentials { .. } => true,
        }
    }

    /// What went wrong, without what it was that went wrong: for sentences that say so themselves.
    pub fn why(&self) -> String {
        match self {
            ClusterError::Refused { code, message, .. } => format!("server returned error {code}: {message}"),
            ClusterError::Malformed { why, .. } => format!("the answer is not understood: {why}"),
            other => other.to_string(),
        }
    }

    /// What kind of an error it is while there is no build yet, and what to do about it.
    fn kind_and_hint(&self) -> (ErrorKind, Option<&'static str>) {
        match self {
            ClusterError::Login(error) if !error.is_refusal() => {
                (ErrorKind::Network, Some(error.hint().unwrap_or(NETWORK_HINT)))
            }
            ClusterError::Login(error) => (ErrorKind::Authentication, Some(error.hint().unwrap_or(LOGIN_HINT))),
            ClusterError::NoCredentials { .. } | ClusterError::Refused { code: 401, .. } => {
                (ErrorKind::Authentication, Some(LOGIN_HINT))
            }
            ClusterError::Network { .. } => (ErrorKind::Network, Some(NETWORK_HINT)),
            ClusterError::Certificate { .. } => (
                ErrorKind::Network,
                Some("set ca_file in osbs.conf to the certificates that the server's is signed with"),
            ),
            ClusterError::Refused { code: 403, by_api: true, .. } => (ErrorKind::Server, Some(RIGHTS_HINT)),
            ClusterError::Refused { by_api: true, .. } if !self.is_transient() => (ErrorKind::Server, None),
            ClusterError::Refused { code: 404, .. } => (ErrorKind::Server, Some(SERVER_HINT)),
            ClusterError::Refused { by_api: true, .. } => (ErrorKind::Network, None),
            ClusterError::Refused { .. } | ClusterError::Malformed { .. } => (ErrorKind::Network, Some(SERVER_HINT)),
            ClusterError::Setup { source, .. } => match **source {
                kube::Error::Auth(_) | kube::Error::OpensslTls(_) => (ErrorKind::Authentication, Some(LOGIN_HINT)),
                _ => (ErrorKind::Config, None),
            },
        }
    }
}

/// What to do about a right that is missing.
pub(super) const RIGHTS_HINT: &str =
    "ask the cluster's administrators for that right, or check the namespace and who you are (`oc whoami`)";
const NETWORK_HINT: &str = "check openshift_url in osbs.conf, and the network";
const SERVER_HINT: &str = "is openshift_url that of an API server? A proxy may be in between";

impl From<ClusterError> for Error {
    fn from(error: ClusterError) -> Self {
        let (kind, hint) = error.kind_and_hint();
        Error::new(kind, error).hint_if(hint)
    }
}
