//! Stands for Kerberos in a build without the feature `gssapi`: it says so when asked.

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NegotiateError {
    /// No usable ticket; never made here.
    #[error("no valid Kerberos ticket: {0}")]
    NoTicket(String),
    /// No service ticket; never made here.
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

/// Says that there is no Kerberos in this build.
///
/// # Errors
/// Always.
pub fn token(_host: &str, _principal: Option<&str>) -> Result<Vec<u8>, NegotiateError> {
    Err(NegotiateError::Unsupported)
}
