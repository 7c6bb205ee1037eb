//! Secrets, and where they are kept between runs.

#[cfg(feature = "gssapi")]
pub mod gssapi;
#[cfg(not(feature = "gssapi"))]
#[path = "no_gssapi.rs"]
pub mod gssapi;
#[cfg(feature = "keyring")]
pub mod keyring;
pub mod secret;

pub use secret::Secret;

/// Why Kerberos has no token for us.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NegotiateError {
    /// No usable ticket.
    #[error("no valid Kerberos ticket: {0}")]
    NoTicket(String),
    /// There is a ticket, but no service ticket for the server.
    #[error("Kerberos gives no ticket for the service {service}: {reason}")]
    NoService {
        /// GSSAPI's name of the service, `HTTP@host`.
        service: String,
        /// The Kerberos library's words.
        reason: String,
    },
    /// The program was built without Kerberos.
    #[error("this build of the program has no Kerberos support (feature gssapi)")]
    Unsupported,
}
