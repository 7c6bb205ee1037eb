//! The first token of an HTTP negotiation, out of the user's Kerberos ticket.

#[cfg(feature = "gssapi")]
mod gssapi;
#[cfg(not(feature = "gssapi"))]
#[path = "negotiate/no_gssapi.rs"]
mod gssapi;

use std::ffi::OsString;

use base64::Engine as _;

pub use gssapi::token;

/// The first argument by which this program is told to be asked for a token by itself, with another credential cache. The
/// Kerberos library takes the cache from the environment, which cannot be changed safely while threads run.
pub const NEGOTIATE: &str = "__negotiate";
/// The variable that names the credential cache.
pub const CACHE_VARIABLE: &str = "KRB5CCNAME";

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NegotiateError {
    /// No usable ticket.
    #[error("no valid Kerberos ticket: {0}")]
    NoTicket(String),
    /// There is a ticket, but no service ticket for the hub.
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

/// What this program does when it is called by [`NEGOTIATE`], with the arguments after it (the host and, if any, the principal):
/// returns the token as text to be printed.
///
/// # Errors
/// As [`token`].
pub fn token_for_parent(arguments: &[OsString]) -> Result<String, NegotiateError> {
    let text = |at: usize| arguments.get(at).map(|argument| argument.to_string_lossy().into_owned());
    let token = token(&text(0).unwrap_or_default(), text(1).as_deref())?;
    Ok(base64::engine::general_purpose::STANDARD.encode(token))
}
