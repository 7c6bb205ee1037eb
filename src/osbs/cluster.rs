//! The API server: asking, being patient, and being let in.
//!
//! Objects are JSON values: of Tekton's types only a few fields are read here, and sites have versions of their own. Every question
//! that changes nothing is repeated when the connection breaks or the server is busy, which is told; what changes something is the
//! caller's affair, because only the caller knows whether it happened. A token that is refused is renewed once, from where it came.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::{Body, Client};
use serde_json::Value;
use url::Url;

use super::login::{Login, LoginError, Nobody};
use crate::credentials::Secret;
use crate::error::{Error, ErrorKind};
use crate::event::{BuildEvent, EventSender, Retry, Warning};

/// How long to wait for the head of an answer. Bodies may take as long as a build.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long to wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// The first and the longest wait between repetitions.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How often a question is repeated before the build has begun.
const PATIENCE: u32 = 5;

/// An API server, and who we are there.
pub struct Cluster {
    config: kube::Config,
    login: Login,
    client: Mutex<Client>,
    /// So that of many who are refused at once only one renews.
    renewing: tokio::sync::Mutex<u64>,
    events: EventSender,
    namespace: String,
    url: Url,
}

/// Why the server's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No client could be made.
    #[error("cannot set up the connection to {url}")]
    Setup {
        /// The server.
        url: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// Who we are could not be found out or shown.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The connection was not made or broke.
    #[error("Network error at {url}: {why}")]
    Network {
        /// The server.
        url: String,
        /// The innermost reasons.
        why: String,
        /// Whether the request certainly did not arrive.
        not_sent: bool,
    },
    /// The server's certificate was refused, or ours.
    #[error("the TLS connection to {url} was refused: {why}")]
    Certificate {
        /// The server.
        url: String,
        /// The innermost reasons.
        why: String,
    },
    /// The server said no.
    #[error("{what}: server returned error {code}: {message}")]
    Refused {
        /// What was asked, as a verb and a resource (`create pipelineruns`).
        what: String,
        /// The HTTP status.
        code: u16,
        /// What the server says, else the status's own words.
        message: String,
        /// The machine's word for it (`NotFound`, `Conflict`, `Forbidden`).
        reason: String,
        /// Whether it was the API server itself who said so, in a `Status` object, and not somebody on the way to it.
        by_api: bool,
    },
    /// The server lets in nobody without credentials, and we have none.
    #[error("{what}: no credentials for {url} were found ({nobody}), and the server answers {code}: {message}")]
    NoCredentials {
        /// What was asked.
        what: String,
        /// The server.
        url: String,
        /// Where credentials were looked for.
        nobody: Nobody,
        /// The HTTP status.
        code: u16,
        /// What the server says.
        message: String,
    },
    /// The answer is not what the API says it is.
    #[error("{what}: the answer is not understood: {why}")]
    Malformed {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ClusterError {
    /// The HTTP status with which the server said no.
    pub fn code(&self) -> Option<u16> {
        match self {
            ClusterError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same question may be answered later.
    pub fn is_transient(&self) -> bool {
        match self {
            ClusterError::Network { .. } => true,
            ClusterError::Refused { code, .. } => matches!(code, 408 | 429 | 500..=599),
            ClusterError::Login(error) => error.is_transient(),
            _ => false,
        }
    }

    /// What went wrong, without what it was that went wrong: for sentences that say so themselves.
    pub fn why(&self) -> String {
        match self {
            ClusterError::Refused { code, message, .. } => format!("server returned error {code}: {message}"),
            ClusterError::Malformed { why, .. } => format!("the answer is not understood: {why}"),
            other => other.to_string(),
        }
    }

    /// What kind of an error it is while there is no build yet, and what to do about it.
    fn kind_and_hint(&self) -> (ErrorKind, Option<&'static str>) {
        match self {
            ClusterError::Login(error) if !error.is_refusal() => {
                (ErrorKind::Network, Some(error.hint().unwrap_or(NETWORK_HINT)))
            }
            ClusterError::Login(error) => (ErrorKind::Authentication, Some(error.hint().unwrap_or(LOGIN_HINT))),
            ClusterError::NoCredentials { .. } | ClusterError::Refused { code: 401, .. } => {
                (ErrorKind::Authentication, Some(LOGIN_HINT))
            }
            ClusterError::Network { .. } => (ErrorKind::Network, Some(NETWORK_HINT)),
            ClusterError::Certificate { .. } => (
                ErrorKind::Network,
                Some("set ca_file in osbs.conf to the certificates that the server's is signed with"),
            ),
            ClusterError::Refused { code: 403, by_api: true, .. } => (ErrorKind::Server, Some(RIGHTS_HINT)),
            ClusterError::Refused { by_api: true, .. } if !self.is_transient() => (ErrorKind::Server, None),
            ClusterError::Refused { code: 404, .. } => (ErrorKind::Server, Some(SERVER_HINT)),
            ClusterError::Refused { by_api: true, .. } => (ErrorKind::Network, None),
            ClusterError::Refused { .. } | ClusterError::Malformed { .. } => (ErrorKind::Network, Some(SERVER_HINT)),
            ClusterError::Setup { source, .. } => match **source {
                kube::Error::Auth(_) | kube::Error::OpensslTls(_) => (ErrorKind::Authentication, Some(LOGIN_HINT)),
                _ => (ErrorKind::Config, None),
            },
        }
    }
}

/// What to do where nobody is let in.
pub(super) const LOGIN_HINT: &str =
    "log in with `oc login`, or set token_file, username and password, or use_kerberos in osbs.conf";
/// What to do about a right that is missing.
pub(super) const RIGHTS_HINT: &str =
    "ask the cluster's administrators for that right, or check the namespace and who you are (`oc whoami`)";
const NETWORK_HINT: &str = "check openshift_url in osbs.conf, and the network";
const SERVER_HINT: &str = "is openshift_url that of an API server? A proxy may be in between";

impl From<ClusterError> for Error {
    fn from(error: ClusterError) -> Self {
        let (kind, hint) = error.kind_and_hint();
        let error = Error::new(kind, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// How often a question is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// A few times: nothing has begun yet.
    Some,
    /// Until it is answered: a build runs.
    Endless,
}

impl Cluster {
    /// Gets ready to ask. Sends nothing but what the login needs.
    ///
    /// # Errors
    /// When there is no token to be had, or certificates cannot be read.
    pub async fn connect(
        mut config: kube::Config,
        url: Url,
        namespace: String,
        login: Login,
        events: EventSender,
    ) -> Result<Cluster, ClusterError> {
        config.connect_timeout = Some(CONNECT_WITHIN);
        // Repeating is told to the user, so it is done here.
        config.default_retry = false;
        config.headers.push((header::USER_AGENT, http::HeaderValue::from_static(crate::http::USER_AGENT)));
        let token = login.token().await?;
        let client = client(&config, token, &url)?;
        Ok(Cluster {
            config,
            login,
            client: Mutex::new(client),
            renewing: tokio::sync::Mutex::new(0),
            events,
            namespace,
            url,
        })
    }

    /// The namespace of the build.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The server.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Where events go.
    pub fn events(&self) -> &EventSender {
        &self.events
    }

    /// Reads an object or a list; repeated while the server cannot be reached.
    ///
    /// # Errors
    /// When the server says no, or patience is at its end.
    pub async fn get(&self, what: &str, path: &str, patience: Patience) -> Result<Value, ClusterError> {
        let mut attempt = 0;
        loop {
            let error = match self.ask(what, Method::GET, path, None).await {
                Ok(value) => {
                    if attempt > 0 {
                        self.events.send(BuildEvent::Reconnected).await;
                    }
                    return Ok(value);
                }
                Err(error) => error,
            };
            attempt += 1;
            if !error.is_transient() || (patience == Patience::Some && attempt >= PATIENCE) {
                return Err(error);
            }
            self.wait(what, attempt, &error, patience).await;
        }
    }

    /// Tells of a repetition, and waits for its time.
    pub async fn wait(&self, what: &str, attempt: u32, error: &ClusterError, patience: Patience) {
        let delay = WAITS.0.saturating_mul(1 << attempt.min(10).saturating_sub(1)).min(WAITS.1);
        let of = (patience == Patience::Some).then_some(PATIENCE);
        let retry = Retry { operation: what.to_owned(), attempt, of, delay, why: error.why() };
        self.events.send(BuildEvent::Retrying(retry)).await;
        tokio::time::sleep(delay).await;
    }

    /// Asks once, with a body or without. `what` is a verb and a resource.
    ///
    /// # Errors
    /// When the answer is no, none, or no JSON.
    pub async fn ask(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClusterError> {
        let media_type = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let response = self.send(what, method, path, body.map(|body| (media_type, body))).await?;
        let bytes = match response.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return Err(self.network(&error)),
        };
        let malformed =
            |error: serde_json::Error| ClusterError::Malformed { what: what.to_owned(), why: error.to_string() };
        serde_json::from_slice(&bytes).map_err(malformed)
    }

    /// The body of an answer as it comes; the status is 200 or 204.
    ///
    /// # Errors
    /// When the answer is no or none.
    pub async fn stream(
        &self,
        what: &str,
        path: &str,
    ) -> Result<(StatusCode, impl Stream<Item = Result<Bytes, ClusterError>> + use<'_>), ClusterError> {
        let response = self.send(what, Method::GET, path, None).await?;
        let status = response.status();
        let body = response.into_body().into_data_stream().map_err(|error| self.network(&error));
        Ok((status, body))
    }

    /// Sends a request; a 401 is answered once with a new token. Answers that say no are errors.
    async fn send(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Response<Body>, ClusterError> {
        let generation = *self.renewing.lock().await;
        let response = self.send_once(what, &method, path, body).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.login.can_renew() {
            return self.judge(what, response).await;
        }
        self.renew(generation).await?;
        let response = self.send_once(what, &method, path, body).await?;
        self.judge(what, response).await
    }

    async fn send_once(
        &self,
        what: &str,
        method: &Method,
        path: &str,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Response<Body>, ClusterError> {
        let client = self.client.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
        let bytes = match body {
            Some((media_type, value)) => {
                request = request.header(header::CONTENT_TYPE, media_type);
                Body::from(value.to_string().into_bytes())
            }
            None => Body::empty(),
        };
        let malformed = |error: http::Error| ClusterError::Malformed { what: what.to_owned(), why: error.to_string() };
        let request = request.body(bytes).map_err(malformed)?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, client.send(request)).await;
        match answer {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.network(&error)),
            Err(_) => Err(ClusterError::Network {
                url: self.url.to_string(),
                why: format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
                not_sent: false,
            }),
        }
    }

    /// Makes a new client with a new token, unless somebody else has done so since.
    async fn renew(&self, generation: u64) -> Result<(), ClusterError> {
        let mut current = self.renewing.lock().await;
        if *current != generation {
            return Ok(());
        }
        let token = self.login.renewed().await?;
        *self.client.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            client(&self.config, token, &self.url)?;
        *current += 1;
        self.events.send(BuildEvent::Warned(Warning::SessionRenewed { server: self.url.to_string() })).await;
        Ok(())
    }

    async fn judge(&self, what: &str, response: Response<Body>) -> Result<Response<Body>, ClusterError> {
        let status = response.status();
        if status.is_success() {
            for warning in response.headers().get_all(header::WARNING) {
                tracing::debug!(?warning, what, "the server warned");
            }
            return Ok(response);
        }
        let bytes = match response.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return Err(self.network(&error)),
        };
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        let plain = || String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).trim().to_owned();
        let message = text("message").or_else(|| Some(plain()).filter(|text| !text.is_empty()));
        let message = message.unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given").to_owned());
        let (what, code) = (what.to_owned(), status.as_u16());
        if let (401 | 403, Login::Nobody(nobody)) = (code, &self.login) {
            let (url, nobody) = (self.url.to_string(), nobody.clone());
            return Err(ClusterError::NoCredentials { what, url, nobody, code, message });
        }
        let by_api = text("kind").as_deref() == Some("Status");
        Err(ClusterError::Refused { what, code, message, reason: text("reason").unwrap_or_default(), by_api })
    }

    fn network(&self, error: &(dyn std::error::Error + 'static)) -> ClusterError {
        let url = self.url.to_string();
        let why = innermost(error);
        if crate::http::is_about_certificates(&why) {
            return ClusterError::Certificate { url, why };
        }
        ClusterError::Network { url, not_sent: was_not_sent(error), why }
    }
}

fn client(config: &kube::Config, token: Option<Secret>, url: &Url) -> Result<Client, ClusterError> {
    let mut config = config.clone();
    if let Some(token) = token {
        config.auth_info.token = Some(token.expose().into());
    }
    Client::try_from(config).map_err(|source| ClusterError::Setup { url: url.to_string(), source: Box::new(source) })
}

/// The causes of an error from the inside, in one line, each said once.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        next = cause.source();
        let text = cause.to_string();
        // What only repeats its cause says nothing.
        if next.is_none_or(|inner| !text.contains(&inner.to_string())) && !parts.contains(&text) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

/// Whether no connection was made.
fn was_not_sent(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        next = cause.source();
    }
    false
}
