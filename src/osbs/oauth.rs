//! A token from OpenShift's OAuth server, by its challenge: what `oc login` does without a browser.
//!
//! The server's address is asked for (`/.well-known/oauth-authorization-server`), because on OpenShift 4 it is another host; where the
//! question is not understood it is `/oauth/authorize` of the API server or of the proxy in front of it, as osbs-client has it.
//! The token comes in the fragment of a redirect that is not followed. Neither it nor the address it is in gets into any message.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use url::Url;

use crate::credentials::Secret;
use crate::credentials::negotiate::{self, CACHE_VARIABLE, NegotiateError};
use crate::http::{self, ClientError, ClientOptions, Redirects};

/// The client that OpenShift knows for challenges.
const CLIENT: &str = "openshift-challenging-client";
/// The OAuth server challenges only whoever sends this header, with any value: browsers cannot.
const CSRF_HEADER: &str = "X-CSRF-Token";
/// Where a server says where its OAuth server is.
const METADATA: &str = "/.well-known/oauth-authorization-server";
/// How long a login may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A login that gets a token.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// The API server.
    pub api: Url,
    /// The authorization endpoint, where it is not to be asked for.
    pub oauth_url: Option<Url>,
    /// How to answer the challenge.
    pub method: Method,
    /// Whether the server's certificate is verified.
    pub verify_ssl: bool,
    /// Certificates that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// A client certificate that goes along with whatever else.
    pub client_cert: Option<PathBuf>,
    /// Its key.
    pub client_key: Option<PathBuf>,
}

/// How to answer the challenge.
#[derive(Debug, Clone)]
pub enum Method {
    /// User and password.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A Kerberos ticket.
    Kerberos {
        /// Whose.
        principal: Option<String>,
        /// The key table to get one with.
        keytab: Option<PathBuf>,
        /// The credential cache it is in.
        ccache: Option<String>,
    },
    /// The client certificate alone.
    Certificate,
}

/// A token, and how long it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct OAuthToken {
    /// The token.
    pub secret: Secret,
    /// How long the server says it holds.
    pub expires_in: Option<Duration>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// No client could be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server could not be asked.
    #[error("Network error at {url}: {why}")]
    Network {
        /// The server.
        url: String,
        /// The innermost reasons.
        why: String,
    },
    /// The API server names an OAuth server that the password must not go to.
    #[error("{api} names {endpoint} for logins, which is not https")]
    Insecure {
        /// The API server.
        api: String,
        /// The address.
        endpoint: String,
    },
    /// There is no ticket.
    #[error(transparent)]
    Negotiate(#[from] NegotiateError),
    /// `kinit` did not give one.
    #[error("kinit returned {code}: {output}")]
    Kinit {
        /// Its exit code, or -1.
        code: i32,
        /// What it said.
        output: String,
    },
    /// The server does not let us in.
    #[error("Please check your credentials. Token was not retrieved successfully: {endpoint} {why}")]
    Refused {
        /// The authorization endpoint.
        endpoint: String,
        /// What it answered.
        why: String,
    },
}

impl OAuthError {
    /// Whether it may work later.
    pub fn is_transient(&self) -> bool {
        matches!(self, OAuthError::Network { .. })
    }
}

impl Challenge {
    /// Gets a token.
    ///
    /// # Errors
    /// When the server cannot be asked, or does not give one.
    pub async fn token(&self) -> Result<OAuthToken, OAuthError> {
        let client = http::client(&ClientOptions {
            serverca: self.ca_file.clone().filter(|_| self.verify_ssl),
            certificate: None,
            certificate_pair: self.client_cert.clone().zip(self.client_key.clone()),
            insecure: !self.verify_ssl,
            read_timeout: Some(PATIENCE),
            redirects: Redirects::Refuse,
        })?;
        let endpoint = self.endpoint(&client).await?;
        let mut address = endpoint.clone();
        address.query_pairs_mut().append_pair("response_type", "token").append_pair("client_id", CLIENT);
        let mut request = client.get(address).header(CSRF_HEADER, "1");
        if let Some(authorization) = self.authorization(&endpoint).await? {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.send().await.map_err(|error| network(&endpoint, &error))?;
        granted(&endpoint, &response)
    }

    async fn endpoint(&self, client: &reqwest::Client) -> Result<Url, OAuthError> {
        if let Some(url) = &self.oauth_url {
            return Ok(url.clone());
        }
        let at_root = |path: &str| {
            let mut url = self.api.clone();
            url.set_path(path);
            url.set_query(None);
            url
        };
        let metadata = at_root(METADATA);
        let response = client.get(metadata.clone()).send().await.map_err(|error| network(&metadata, &error))?;
        let named = if response.status().is_success() {
            let body = response.bytes().await.map_err(|error| network(&metadata, &error))?;
            let value: Value = serde_json::from_slice(&body).unwrap_or_default();
            value.get("authorization_endpoint").and_then(Value::as_str).and_then(|text| Url::parse(text).ok())
        } else {
            None
        };
        let Some(named) = named else { return Ok(at_root("/oauth/authorize")) };
        if self.api.scheme() == "https" && named.scheme() != "https" {
            return Err(OAuthError::Insecure { api: self.api.to_string(), endpoint: named.to_string() });
        }
        Ok(named)
    }

    async fn authorization(&self, endpoint: &Url) -> Result<Option<HeaderValue>, OAuthError> {
        let engine = base64::engine::general_purpose::STANDARD;
        let value = match &self.method {
            Method::Basic { username, password } => {
                let pair = zeroize::Zeroizing::new(format!("{username}:{}", password.expose()));
                format!("Basic {}", engine.encode(pair.as_bytes()))
            }
            Method::Kerberos { principal, keytab, ccache } => {
                if let (Some(keytab), Some(principal)) = (keytab, principal) {
                    kinit(keytab, principal, ccache.as_deref()).await?;
                }
                let host = endpoint.host_str().unwrap_or_default().to_owned();
                let (principal, ccache) = (principal.clone(), ccache.clone());
                let asked = tokio::task::spawn_blocking(move || match ccache {
                    Some(cache) => negotiate::token_from_cache(&host, principal.as_deref(), &cache),
                    None => negotiate::token(&host, principal.as_deref()),
                });
                let token = asked.await.unwrap_or_else(|panic| Err(NegotiateError::NoTicket(panic.to_string())))?;
                format!("Negotiate {}", engine.encode(token))
            }
            Method::Certificate => return Ok(None),
        };
        let mut header = HeaderValue::from_str(&value).map_err(|_| OAuthError::Refused {
            endpoint: endpoint.to_string(),
            why: "cannot be sent this name and password".to_owned(),
        })?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// Gets a ticket with a key table, unless there is a valid one.
async fn kinit(keytab: &std::path::Path, principal: &str, cache: Option<&str>) -> Result<(), OAuthError> {
    let program = |name: &str| {
        let mut command = tokio::process::Command::new(name);
        command.env("LC_ALL", "C").stdin(Stdio::null());
        if let Some(cache) = cache {
            command.env(CACHE_VARIABLE, cache);
        }
        command
    };
    let has_ticket = program("klist").arg("-s").output().await.is_ok_and(|answer| answer.status.success());
    if has_ticket {
        return Ok(());
    }
    let answer = program("kinit").arg("-k").arg("-t").arg(keytab).arg(principal).output().await;
    let answer = answer.map_err(|error| OAuthError::Kinit { code: -1, output: error.to_string() })?;
    if answer.status.success() {
        return Ok(());
    }
    let said = [answer.stdout, answer.stderr].concat();
    let output = String::from_utf8_lossy(&said).trim().replace('\n', "; ");
    Err(OAuthError::Kinit { code: answer.status.code().unwrap_or(-1), output })
}

/// The token in an answer.
fn granted(endpoint: &Url, response: &Response) -> Result<OAuthToken, OAuthError> {
    let refused = |why: String| OAuthError::Refused { endpoint: endpoint.to_string(), why };
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(location) = location else {
        let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        return Err(refused(match (response.status(), challenge) {
            (StatusCode::UNAUTHORIZED, Some(challenge)) => {
                let scheme = challenge.split_whitespace().next().unwrap_or_default();
                format!("answered 401 and wants {scheme}")
            }
            (status, _) => format!("answered {} without a 'Location' header", status.as_u16()),
        }));
    };
    // A relative one is as good.
    let location = endpoint.join(location).map_err(|_| refused("sent elsewhere, to no address".to_owned()))?;
    let fragment = location.fragment().unwrap_or_default();
    let field = |name: &str| {
        let in_fragment = url::form_urlencoded::parse(fragment.as_bytes());
        in_fragment.chain(location.query_pairs()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    if let Some(token) = field("access_token").filter(|token| !token.is_empty()) {
        let expires_in = field("expires_in").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        return Ok(OAuthToken { secret: Secret::new(token), expires_in });
    }
    Err(refused(match (field("error"), field("error_description")) {
        (Some(error), Some(description)) => format!("answered {error}: {description}"),
        (Some(error), None) => format!("answered {error}"),
        (None, _) => "sent elsewhere, without a token".to_owned(),
    }))
}

fn network(url: &Url, error: &reqwest::Error) -> OAuthError {
    let mut url = url.clone();
    url.set_query(None);
    OAuthError::Network { url: url.to_string(), why: http::chain(error) }
}
