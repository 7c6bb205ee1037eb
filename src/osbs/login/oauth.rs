//! A token for OpenShift's API, asked from its OAuth server by user and password, Kerberos or client certificate.
//!
//! This is what `oc login` and osbs-client's `Openshift.get_oauth_token` do: one request by the client that OpenShift knows as
//! `openshift-challenging-client`, answered by a redirect whose *fragment* has the token. The redirect is not followed. An
//! authenticating proxy in front of OpenShift is asked in the same way.
//!
//! The endpoint is not guessed where the API server names it, as OpenShift 4 does. Beyond osbs-client, `X-CSRF-Token` is sent,
//! without which OpenShift challenges nobody. Kerberos's mutual authentication is not asked for: TLS says who the server is.
//! Nothing is repeated here, and nothing is stored.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::kerberos::{Kerberos, KerberosError};
use super::token;
use crate::address::Address;
use crate::credentials::Secret;
use crate::http::{self, Failure};

pub(crate) mod error;
#[cfg(test)]
mod tests;

pub(crate) use error::{OAuthError, Offers};

/// The OAuth client that gets its token without a browser. It exists on every OpenShift.
const CLIENT_ID: &str = "openshift-challenging-client";
/// Where an OpenShift 4 API server describes its OAuth server (RFC 8414).
const DISCOVERY: &str = "/.well-known/oauth-authorization-server";
/// Where an OpenShift 3 server, or a proxy, is asked.
const AUTHORIZE: &str = "/oauth/authorize";

/// The longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The most bytes of an answer's body that are looked at.
const MOST_BYTES: usize = 64 * 1024;
/// The most characters of a server's words that are shown.
const MOST_WORDS: usize = 300;

/// A login that is to be made.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// The API server, or the proxy in front of it (`openshift_url`).
    pub api: Url,
    /// The authorization endpoint, where it is known (`oauth_url`); then the API server is not asked for it. Without a path
    /// it is `/oauth/authorize` there.
    pub oauth_url: Option<Url>,
    /// How to log in.
    pub method: Method,
}

/// How to log in.
#[derive(Debug, Clone)]
pub enum Method {
    /// HTTP Basic, sent at once.
    Basic {
        /// The user.
        username: String,
        /// Their password.
        password: Secret,
    },
    /// Negotiate with a Kerberos ticket, sent at once.
    Kerberos(Kerberos),
    /// The client certificate that the HTTP client shows anyway; osbs-client's "identity". Nothing is added.
    Certificate,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::Basic { username, .. } => write!(f, "user {username} with a password"),
            Method::Kerberos(_) => f.write_str("Kerberos"),
            Method::Certificate => f.write_str("a client certificate"),
        }
    }
}

/// A token of the OAuth server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthToken {
    /// The token.
    pub secret: Secret,
    /// How long it is good for, counted from the answer; a day by default. `None` when the server does not say.
    pub expires_in: Option<Duration>,
    /// Who gave it.
    pub endpoint: Url,
}

/// The part of an OAuth server's description that counts.
#[derive(Deserialize)]
struct Description {
    authorization_endpoint: String,
}

/// An OAuth error as a body.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    error_description: Option<String>,
}

impl Challenge {
    /// Asks for a token. `http` must refuse redirects ([`http::Redirects::Refuse`]): the answer is one.
    ///
    /// # Errors
    /// When the server cannot be reached, does not know us, or is none.
    pub async fn token(&self, http: &Client) -> Result<OAuthToken, OAuthError> {
        let endpoint = self.endpoint(http).await?;
        let mut url = endpoint.clone();
        url.query_pairs_mut().append_pair("response_type", "token").append_pair("client_id", CLIENT_ID);
        // Without this header OpenShift takes us for a browser that somebody else may have sent here.
        let request = http.get(url).header("X-CSRF-Token", "1").header(ACCEPT, "application/json");
        let request = self.authenticated(request, &endpoint).await?;
        let response = send(request, &endpoint).await?;
        self.judge(endpoint, response).await
    }

    /// Where to ask: what is configured, what the API server says, or OpenShift 3's place.
    async fn endpoint(&self, http: &Client) -> Result<Url, OAuthError> {
        let endpoint = match &self.oauth_url {
            Some(url) if url.path() == "/" => at_root(url, AUTHORIZE),
            Some(url) => url.clone(),
            None => match self.discovered(http).await? {
                Some(url) => url,
                None => at_root(&self.api, AUTHORIZE),
            },
        };
        let endpoint = Address::from(endpoint).bare();
        if self.api.scheme() == "https" && endpoint.scheme() != "https" {
            return Err(OAuthError::Insecure { api: Address::from(self.api.clone()).bare(), endpoint });
        }
        Ok(endpoint)
    }

    /// What the API server says. `None` where it says nothing: OpenShift 3, and proxies that let nobody in without a login.
    async fn discovered(&self, http: &Client) -> Result<Option<Url>, OAuthError> {
        let url = Address::from(at_root(&self.api, DISCOVERY)).bare();
        let response = send(http.get(url.clone()).header(ACCEPT, "application/json"), &url).await?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(unexpected(url, response).await);
        }
        let body = body(response, &url).await?;
        let Some(description) =
            status.is_success().then(|| serde_json::from_slice::<Description>(&body).ok()).flatten()
        else {
            tracing::debug!(%url, status = status.as_u16(), "the OAuth server is not named");
            return Ok(None);
        };
        let endpoint = description.authorization_endpoint;
        match Url::parse(&endpoint) {
            Ok(url) if matches!(url.scheme(), "https" | "http") => Ok(Some(url)),
            _ => Err(OAuthError::Endpoint { api: Address::from(self.api.clone()).bare(), endpoint: words(&endpoint) }),
        }
    }

    async fn authenticated(&self, request: RequestBuilder, endpoint: &Url) -> Result<RequestBuilder, OAuthError> {
        match &self.method {
            Method::Basic { username, password } => Ok(request.basic_auth(username, Some(password.expose()))),
            Method::Certificate => Ok(request),
            Method::Kerberos(kerberos) => {
                let no_ticket = |source| OAuthError::Kerberos { endpoint: endpoint.clone(), source };
                let token = kerberos.negotiate(endpoint.host_str().unwrap_or_default()).await.map_err(no_ticket)?;
                let token = base64::engine::general_purpose::STANDARD.encode(token);
                let mut value = HeaderValue::try_from(format!("Negotiate {token}"))
                    .map_err(|_| no_ticket(KerberosError::Malformed))?;
                value.set_sensitive(true);
                Ok(request.header(AUTHORIZATION, value))
            }
        }
    }

    /// What an answer means.
    async fn judge(&self, endpoint: Url, response: Response) -> Result<OAuthToken, OAuthError> {
        let status = response.status();
        if let Some(location) = response.headers().get(LOCATION).filter(|_| status.is_redirection()) {
            return from_location(endpoint, &String::from_utf8_lossy(location.as_bytes()));
        }
        if status.is_redirection() {
            return Err(OAuthError::NoLocation { endpoint, status: status.as_u16() });
        }
        if status == StatusCode::UNAUTHORIZED {
            let who = self.method.to_string();
            return Err(OAuthError::Refused { endpoint, who, offers: offers(&response) });
        }
        if status.is_success() {
            return Err(OAuthError::Page { endpoint });
        }
        Err(unexpected(endpoint, response).await)
    }
}

/// The token in a redirect. Only the fragment can have one; errors come in the query as well.
fn from_location(endpoint: Url, location: &str) -> Result<OAuthToken, OAuthError> {
    let (address, fragment) = location.split_once('#').unwrap_or((location, ""));
    let query = address.split_once('?').map_or("", |(_, query)| query);
    if let Some(token) = field(fragment, "access_token").filter(|token| !token.is_empty()) {
        let secret = match token::check(&token) {
            Ok(secret) => secret,
            Err(flaw) => return Err(OAuthError::Unusable { endpoint, flaw }),
        };
        let expires_in = field(fragment, "expires_in").and_then(|seconds| seconds.parse().ok());
        // OpenShift counts 0 as for ever.
        let expires_in = expires_in.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        return Ok(OAuthToken { secret, expires_in, endpoint });
    }
    for part in [fragment, query] {
        if let Some(error) = field(part, "error") {
            let description = field(part, "error_description").map(|text| words(&text));
            return Err(OAuthError::Denied { endpoint, error: words(&error), description });
        }
    }
    let host = match endpoint.join(address) {
        Ok(target) => target.origin().ascii_serialization(),
        Err(_) => "an address that is none".to_owned(),
    };
    Err(OAuthError::SentOn { endpoint, host })
}

/// A field of a text in the form of a query.
fn field(form: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn send(request: RequestBuilder, url: &Url) -> Result<Response, OAuthError> {
    request.timeout(ANSWER_WITHIN).send().await.map_err(|error| transport(url, &error))
}

fn transport(url: &Url, error: &reqwest::Error) -> OAuthError {
    let (url, reason) = (url.clone(), http::chain(error));
    match http::classify(error) {
        Failure::Certificate => OAuthError::Tls { url, reason },
        Failure::NotSent | Failure::Lost => OAuthError::Unreachable { url, reason },
    }
}

/// The beginning of a body; more than that is nothing we know.
async fn body(mut response: Response, url: &Url) -> Result<Vec<u8>, OAuthError> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| transport(url, &error))? {
        let room = MOST_BYTES.saturating_sub(bytes.len());
        bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        if bytes.len() == MOST_BYTES {
            break;
        }
    }
    Ok(bytes)
}

/// An answer with a status that says no: OAuth's own way to say so, or something else.
async fn unexpected(url: Url, response: Response) -> OAuthError {
    let status = response.status();
    let body = match body(response, &url).await {
        Ok(body) => body,
        Err(error) => return error,
    };
    if status.is_client_error()
        && let Ok(ErrorBody { error, error_description }) = serde_json::from_slice(&body)
    {
        let description = error_description.map(|text| words(&text));
        return OAuthError::Denied { endpoint: url, error: words(&error), description };
    }
    let text = words(&String::from_utf8_lossy(&body));
    let text = if text.is_empty() { status.canonical_reason().unwrap_or("no reason given").to_owned() } else { text };
    OAuthError::Status { url, status: status.as_u16(), text }
}

/// The names of the schemes in `WWW-Authenticate`, one header each, as OpenShift sends them.
fn offers(response: &Response) -> Offers {
    let values = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let schemes = values.filter_map(|value| value.to_str().ok()?.split_whitespace().next().map(words));
    Offers(schemes.collect())
}

/// Words of a server, fit to be shown: in one line, and not too many.
fn words(text: &str) -> String {
    let clean = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    clean.collect::<Vec<_>>().join(" ").chars().take(MOST_WORDS).collect()
}

/// A path at the same server.
fn at_root(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}
