//! Why an OAuth server gives no token, and what to do about it.

use std::fmt;

use url::Url;

use crate::osbs::login::kerberos::KerberosError;
use crate::osbs::login::token::TokenFlaw;

/// Why there is no token. Shows neither tokens nor where a redirect leads, but for the server's name.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The connection was not made or broke.
    #[error("cannot reach {url} for a token: {reason}")]
    Unreachable {
        /// What was asked.
        url: Url,
        /// The transport's words.
        reason: String,
    },
    /// A certificate was refused, by us or by the server.
    #[error("TLS with {url} failed: {reason}")]
    Tls {
        /// What was asked.
        url: Url,
        /// The TLS library's words.
        reason: String,
    },
    /// Credentials would go over the wire for everyone to read.
    #[error("{api} is asked by https, but its OAuth server {endpoint} is not: no credentials are sent there")]
    Insecure {
        /// The API server.
        api: Url,
        /// The endpoint.
        endpoint: Url,
    },
    /// The API server says something that is no endpoint.
    #[error("{api} names an OAuth server that is no web address: {endpoint:?}")]
    Endpoint {
        /// The API server.
        api: Url,
        /// Its words.
        endpoint: String,
    },
    /// Kerberos had nothing to show.
    #[error("no Kerberos login at {endpoint}")]
    Kerberos {
        /// The endpoint.
        endpoint: Url,
        /// Why.
        source: KerberosError,
    },
    /// HTTP 401.
    #[error("{endpoint} refused the login as {who}{offers}")]
    Refused {
        /// The endpoint.
        endpoint: Url,
        /// The user or the method.
        who: String,
        /// What the server takes.
        offers: Offers,
    },
    /// An OAuth error: the server knows us, and says no.
    #[error("{endpoint} gives no token: {error}{}", description.as_ref().map(|words| format!(" ({words})")).unwrap_or_default())]
    Denied {
        /// The endpoint.
        endpoint: Url,
        /// OAuth's word (`access_denied`).
        error: String,
        /// The server's words.
        description: Option<String>,
    },
    /// A page for a person, where the redirect should be.
    #[error("{endpoint} answered with a page instead of a token: a proxy, or a login that needs a browser")]
    Page {
        /// The endpoint.
        endpoint: Url,
    },
    /// A redirect without a token.
    #[error("{endpoint} gives no token but sends on to {host}: a login that needs a browser, or another proxy")]
    SentOn {
        /// The endpoint.
        endpoint: Url,
        /// Scheme, name and port of the server that the redirect names.
        host: String,
    },
    /// A redirect that leads nowhere.
    #[error("[{status}] 'Location' header is missing in response of {endpoint}, cannot retrieve token")]
    NoLocation {
        /// The endpoint.
        endpoint: Url,
        /// The HTTP status.
        status: u16,
    },
    /// The token is none.
    #[error("the token that {endpoint} gives cannot be used: {flaw}")]
    Unusable {
        /// The endpoint.
        endpoint: Url,
        /// What is wrong with it.
        flaw: TokenFlaw,
    },
    /// Another HTTP status.
    #[error("{url} answered with HTTP status {status} instead of a token: {text}")]
    Status {
        /// What was asked.
        url: Url,
        /// The HTTP status.
        status: u16,
        /// The beginning of the body, else the status's own words.
        text: String,
    },
}

impl OAuthError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            OAuthError::Unreachable { .. } => true,
            OAuthError::Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// Whether it is about who we are, rather than about reaching the server.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, OAuthError::Unreachable { .. } | OAuthError::Tls { .. } | OAuthError::Status { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            OAuthError::Refused { .. } => {
                Some("check who the OSBS instance says you are, or get a token with `oc login`")
            }
            OAuthError::Kerberos { source, .. } => Some(source.hint()),
            OAuthError::Page { .. } | OAuthError::SentOn { .. } => {
                Some("get a token with `oc login`, or set `oauth_url` to the proxy's /oauth/authorize")
            }
            OAuthError::Insecure { .. } | OAuthError::Endpoint { .. } => {
                Some("check `openshift_url`; `oauth_url` says where to log in instead")
            }
            OAuthError::NoLocation { .. } | OAuthError::Status { .. } => {
                Some("is `openshift_url` the address of an OpenShift API server?")
            }
            _ => None,
        }
    }
}

/// The ways to log in that a server names when it refuses one (`WWW-Authenticate`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers(pub Vec<String>);

impl fmt::Display for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("; it offers no other way without a browser"),
            schemes => write!(f, "; it takes {}", schemes.join(", ")),
        }
    }
}
