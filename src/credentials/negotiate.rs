//! The first token of an HTTP negotiation, out of the user's Kerberos ticket.

#[cfg(feature = "gssapi")]
mod gssapi;
#[cfg(not(feature = "gssapi"))]
#[path = "negotiate/no_gssapi.rs"]
mod gssapi;

use std::ffi::OsString;
use std::process::{Command, Stdio};

use base64::Engine as _;

pub use gssapi::token;

/// The first argument by which this program is told to be asked for a token by itself, with another credential cache.
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

/// As [`token`], with a credential cache other than the process's own. The Kerberos library takes it from the environment, so it is
/// asked in a process of its own. Blocks.
///
/// # Errors
/// As [`token`].
pub fn token_from_cache(host: &str, principal: Option<&str>, cache: &str) -> Result<Vec<u8>, NegotiateError> {
    let failed = |reason: String| NegotiateError::NoTicket(reason);
    let mut child = Command::new("/proc/self/exe");
    child.arg(NEGOTIATE).arg(host).args(principal).env(CACHE_VARIABLE, cache).stdin(Stdio::null());
    let answer = child.output().map_err(|error| failed(error.to_string()))?;
    if !answer.status.success() {
        return Err(failed(String::from_utf8_lossy(&answer.stderr).trim().to_owned()));
    }
    let engine = base64::engine::general_purpose::STANDARD;
    engine.decode(answer.stdout.trim_ascii()).map_err(|error| failed(error.to_string()))
}

/// What the process of [`token_from_cache`] does: returns the token as text to be printed.
///
/// # Errors
/// As [`token`].
pub fn token_for_parent(arguments: &[OsString]) -> Result<String, NegotiateError> {
    let text = |at: usize| arguments.get(at).map(|argument| argument.to_string_lossy().into_owned());
    let token = token(&text(0).unwrap_or_default(), text(1).as_deref())?;
    Ok(base64::engine::general_purpose::STANDARD.encode(token))
}
