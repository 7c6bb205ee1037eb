//! Stands for Kerberos in a build without the feature `gssapi`: it says so when asked.

use super::NegotiateError;

/// Says that there is no Kerberos in this build.
///
/// # Errors
/// Always.
pub fn token(_host: &str, _principal: Option<&str>) -> Result<Vec<u8>, NegotiateError> {
    Err(NegotiateError::Unsupported)
}
