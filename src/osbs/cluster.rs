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

use super::error::ClusterError;
use super::login::Login;
use crate::credentials::Secret;
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
