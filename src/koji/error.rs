//! What goes wrong with a call to a hub, and what of it reaches the user: kinds and hints, each once.
//!
//! The kinds follow one rule. What is ours and cannot be used (a certificate, a ticket, a password) is about
//! *authentication*; a hub that is away, offline or broken, in whatever words, is about the *network*; what a working hub
//! refuses is the *server's* no.

use super::fault::{Fault, FaultKind};
use super::xmlrpc::{DecodeError, EncodeError};
use crate::credentials::negotiate::NegotiateError;
use crate::error::{Error, ErrorKind};
use crate::http::ClientError;

/// Why a call brought no value.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// An argument cannot be sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// No HTTP client could be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The hub could not be reached, or the connection was lost too often.
    #[error("cannot reach the Koji hub {server} ({operation}, {attempts} attempts): {reason}")]
    Unreachable {
        /// The hub, without secrets.
        server: String,
        /// The hub's name of the call.
        operation: &'static str,
        /// The transport's words.
        reason: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The hub's certificate is not trusted here.
    #[error("TLS with the Koji hub {server} failed: {reason}")]
    Certificate {
        /// The hub.
        server: String,
        /// OpenSSL's words.
        reason: String,
    },
    /// The hub does not take our certificate, or wants one.
    #[error("the Koji hub {server} refused {certificate}: {reason}")]
    OwnCertificate {
        /// The hub.
        server: String,
        /// Which certificate, with its file.
        certificate: String,
        /// OpenSSL's words, and when it expired.
        reason: String,
    },
    /// An HTTP status that is not success.
    #[error("the Koji hub {server} answered {operation} with HTTP status {status}: {text}")]
    Status {
        /// The hub.
        server: String,
        /// The hub's name of the call.
        operation: &'static str,
        /// The status.
        status: u16,
        /// Beginning of the body.
        text: String,
    },
    /// HTTP 200 with something else.
    #[error("the answer of {server} to {operation} is not a Koji hub's: {text}")]
    NotXmlRpc {
        /// The address.
        server: String,
        /// The hub's name of the call.
        operation: &'static str,
        /// Beginning of the body.
        text: String,
        /// What the decoder says.
        source: DecodeError,
    },
    /// An answer without end.
    #[error("the Koji hub {server} answered {operation} with too much: {why}")]
    TooLong {
        /// The address.
        server: String,
        /// The hub's name of the call.
        operation: &'static str,
        /// How much is too much.
        why: String,
    },
    /// An XML-RPC value of another shape than the call's.
    #[error("the Koji hub answered {operation} with something unexpected: {what}")]
    Unexpected {
        /// The hub's name of the call.
        operation: &'static str,
        /// What was missing or wrong.
        what: String,
    },
    /// The hub said no.
    #[error("{operation}: {fault}")]
    Fault {
        /// The hub's name of the call.
        operation: &'static str,
        /// The hub's words and code.
        fault: Fault,
    },
    /// The hub refused the login.
    #[error("Could not login to {server}: {reason}")]
    Login {
        /// The hub.
        server: String,
        /// Why.
        reason: String,
    },
    /// Kerberos had no token for us.
    #[error("Could not login to {server}")]
    Negotiate {
        /// The hub.
        server: String,
        /// What GSSAPI says.
        source: NegotiateError,
    },
}

impl SessionError {
    /// Whether the hub says that an earlier attempt, the answer to which was lost, was carried out.
    pub fn says_done(&self) -> bool {
        matches!(self, SessionError::Fault { fault, .. } if fault.kind() == FaultKind::Retry)
    }

    /// Whether another answer may come to the same question a while later. What was repeated in vain already is not meant.
    pub fn may_pass(&self) -> bool {
        match self {
            SessionError::Fault { .. }
            | SessionError::Unexpected { .. }
            | SessionError::NotXmlRpc { .. }
            | SessionError::TooLong { .. } => true,
            SessionError::Status { status, .. } => *status < 500,
            SessionError::Encode(_)
            | SessionError::Client(_)
            | SessionError::Unreachable { .. }
            | SessionError::Certificate { .. }
            | SessionError::OwnCertificate { .. }
            | SessionError::Login { .. }
            | SessionError::Negotiate { .. } => false,
        }
    }

    /// What decides the exit code.
    pub fn kind(&self) -> ErrorKind {
        match self {
            SessionError::Encode(_) => ErrorKind::Usage,
            SessionError::Client(error) if error.is_about_client_certificate() => ErrorKind::Authentication,
            SessionError::Client(_) => ErrorKind::Config,
            SessionError::OwnCertificate { .. } | SessionError::Login { .. } | SessionError::Negotiate { .. } => {
                ErrorKind::Authentication
            }
            SessionError::Status { status: 401, .. } => ErrorKind::Authentication,
            SessionError::Unreachable { .. }
            | SessionError::Certificate { .. }
            | SessionError::Status { .. }
            | SessionError::NotXmlRpc { .. }
            | SessionError::TooLong { .. }
            | SessionError::Unexpected { .. } => ErrorKind::Network,
            SessionError::Fault { fault, .. } => match fault.kind() {
                FaultKind::Offline | FaultKind::Database => ErrorKind::Network,
                FaultKind::Auth | FaultKind::AuthLock | FaultKind::AuthExpired => ErrorKind::Authentication,
                FaultKind::Locked
                | FaultKind::NotAllowed
                | FaultKind::Sequence
                | FaultKind::Retry
                | FaultKind::Parameter
                | FaultKind::Other => ErrorKind::Server,
            },
        }
    }

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            SessionError::Client(error) if error.is_about_client_certificate() => {
                "name a PEM file with a certificate and its unencrypted key as `cert` in the Koji profile; `config show` tells where the path comes from"
            }
            SessionError::Client(_) => "see `config show` for where the path comes from",
            SessionError::Unreachable { .. } => {
                "check the network (VPN?) and `server` in the Koji profile; `config show` tells where it comes from"
            }
            SessionError::Certificate { .. } => {
                "check `serverca` in the Koji profile; a stale ~/.koji/serverca.crt is used when it exists"
            }
            SessionError::OwnCertificate { .. } => {
                "renew it, or name another one as `cert` in the Koji profile; a stale ~/.koji/client.crt is used when it exists"
            }
            SessionError::Status { status: 404, .. }
            | SessionError::NotXmlRpc { .. }
            | SessionError::TooLong { .. } => {
                "is `server` in the Koji profile the hub's address? A proxy may be in between"
            }
            SessionError::Negotiate { source, .. } => negotiate_hint(source),
            SessionError::Encode(_)
            | SessionError::Status { .. }
            | SessionError::Unexpected { .. }
            | SessionError::Fault { .. }
            | SessionError::Login { .. } => return None,
        })
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Error {
        let (kind, hint) = (error.kind(), error.hint());
        Error::new(kind, error).hint_if(hint)
    }
}

fn negotiate_hint(error: &NegotiateError) -> &'static str {
    match error {
        NegotiateError::NoTicket(_) => "get a ticket with `kinit USER@REALM` (Fedora: `fkinit`), then try again",
        NegotiateError::NoService { .. } => "check `server` in the Koji profile and the realm of your ticket (`klist`)",
        NegotiateError::Unsupported => "use a build with Kerberos, or set authtype = ssl in the Koji profile",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: i64, text: &str) -> SessionError {
        SessionError::Fault { operation: "getTaskInfo", fault: Fault { code, text: text.to_owned() } }
    }

    #[test]
    fn one_fact_has_one_kind() {
        let status =
            |status| SessionError::Status { server: String::new(), operation: "login", status, text: String::new() };
        let cases = [
            (fault(1014, "database outage"), ErrorKind::Network),
            (fault(1, "<class 'psycopg2.OperationalError'>: server closed the connection"), ErrorKind::Network),
            (fault(1, "<class 'ValueError'>: x"), ErrorKind::Server),
            (fault(1004, "only admins may create high-priority tasks"), ErrorKind::Server),
            (fault(1002, "Invalid session or bad credentials"), ErrorKind::Authentication),
            (fault(1002, "Content generator access required (x)"), ErrorKind::Server),
            (status(503), ErrorKind::Network),
            (status(404), ErrorKind::Network),
            (status(401), ErrorKind::Authentication),
        ];
        for (error, kind) in cases {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}
