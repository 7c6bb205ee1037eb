//! SPNEGO tokens out of the user's Kerberos ticket, through the system's GSSAPI library.
//!
//! Canonicalisation of host names is `krb5.conf`'s business, as it is for Koji's own client (`krb_rdns` and its like in a
//! profile mean nothing any more).

use libgssapi::context::{ClientCtx, CtxFlags};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet};

use super::NegotiateError;

/// Makes the first token of a negotiation with `HTTP@host`. Blocks: the KDC is asked.
///
/// # Errors
/// Without a valid ticket, or when the KDC does not know the service.
pub fn token(host: &str, principal: Option<&str>) -> Result<Vec<u8>, NegotiateError> {
    let no_ticket = |error: libgssapi::error::Error| NegotiateError::NoTicket(tidy(&error));
    let principal = principal
        .map(|principal| Name::new(principal.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)))
        .transpose()
        .map_err(no_ticket)?;
    let mechanisms = OidSet::singleton(GSS_MECH_KRB5).map_err(no_ticket)?;
    let credential =
        Cred::acquire(principal.as_ref(), None, CredUsage::Initiate, Some(&mechanisms)).map_err(no_ticket)?;
    // An expired ticket is still acquired by MIT Kerberos; asking for its lifetime is what tells.
    credential.lifetime().map_err(no_ticket)?;

    let service = format!("HTTP@{host}");
    let no_service =
        |error: libgssapi::error::Error| NegotiateError::NoService { service: service.clone(), reason: tidy(&error) };
    let name = Name::new(service.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE)).map_err(no_service)?;
    let mut context = ClientCtx::new(Some(credential), name, CtxFlags::empty(), Some(GSS_MECH_SPNEGO));
    let token = context.step(None, None).map_err(no_service)?;
    Ok(token.map(|token| token.to_vec()).unwrap_or_default())
}

/// GSSAPI's text in one line, without the sentence that says nothing.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "how errors are handed on")]
fn tidy(error: &libgssapi::error::Error) -> String {
    let text = error.to_string();
    let text = text.replace("Unspecified GSS failure.  Minor code may provide more information", "");
    let text = text.trim();
    text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text).to_owned()
}
