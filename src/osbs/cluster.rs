//! The API server: asking, being patient, and being let in.
//!
//! Objects are JSON values: of Tekton's types only a few fields are read here, and sites have versions of their own. Every question
//! that changes nothing is repeated when the connection breaks, the server is busy, or an answer makes no sense, which is told; what
//! changes something is the caller's affair, because only the caller knows whether it happened. A token that is refused is renewed
//! once, from where it came. With `--debug` every request and answer is told, and no token ever is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::{Body, Client};
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use super::error::ClusterError;
use super::login::Login;
use crate::backoff::Backoff;
use crate::credentials::Secret;
use crate::event::{BuildEvent, EventSender, Retry, Warning};

/// How long to wait for the head of an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long to wait for the whole of an answer that is no stream.
const BODY_WITHIN: Duration = Duration::from_secs(120);
/// How long to wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// The most bytes of an answer: lists of large runs have a few million.
const MOST_BYTES: usize = 64 << 20;
/// The most bytes of an answer that says no.
const MOST_BYTES_OF_A_NO: usize = 64 << 10;
/// Waits between repetitions: those of Kubernetes' own clients.
const PACE: Backoff = Backoff::doubling(Duration::from_millis(800), Duration::from_secs(30));
/// How much of an answer that makes no sense is shown.
const SHOWN: usize = 200;

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
    pace: Backoff,
    /// The latest attempt in a row that was told: of many questions that go wrong at once, one is told.
    told: AtomicU32,
}

/// How often a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// A few times: nothing has begun yet.
    Some,
    /// For half a minute: it has to be known whether something was done.
    Look,
}

impl Patience {
    /// How often a question is asked that goes wrong like this.
    fn tries(self, error: &ClusterError) -> u32 {
        match self {
            Patience::Some if error.is_transient() => 4,
            // Who is told the wrong address should know it soon.
            Patience::Some if error.is_odd() && !error.is_nothing_there() => 3,
            Patience::Look if error.is_transient() || error.is_odd() => 6,
            // A server that has just begun refuses everybody for some seconds.
            Patience::Look if error.code() == Some(403) => 3,
            Patience::Some | Patience::Look => 1,
        }
    }
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
        let client = client(&config, token, &url).await?;
        Ok(Cluster {
            config,
            login,
            client: Mutex::new(client),
            renewing: tokio::sync::Mutex::new(0),
            events,
            namespace,
            url,
            pace: PACE,
            told: AtomicU32::new(0),
        })
    }

    /// Asks again after other waits than usual.
    #[must_use]
    pub fn with_pace(mut self, pace: Backoff) -> Cluster {
        self.pace = pace;
        self
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

    /// How long to wait between repetitions.
    pub fn pace(&self) -> Backoff {
        self.pace
    }

    /// Reads what is behind a path; repeated while that makes sense.
    ///
    /// # Errors
    /// When the server says no, or patience is at its end.
    pub async fn get(&self, what: &str, path: &str, patience: Patience) -> Result<Value, ClusterError> {
        self.get_expected(what, path, patience, Expected::Json).await
    }

    /// Reads an object; repeated while that makes sense.
    ///
    /// # Errors
    /// When the server says no, or patience is at its end.
    pub async fn object(
        &self,
        plural: &str,
        path: &str,
        expected: Expected<'_>,
        patience: Patience,
    ) -> Result<Value, ClusterError> {
        self.get_expected(&format!("get {plural}"), path, patience, expected).await
    }

    async fn get_expected(
        &self,
        what: &str,
        path: &str,
        patience: Patience,
        expected: Expected<'_>,
    ) -> Result<Value, ClusterError> {
        let mut attempt = 0;
        loop {
            let error = match self.ask(what, Method::GET, path, None, expected).await {
                Ok(value) => {
                    self.answers_again().await;
                    return Ok(value);
                }
                Err(error) => error,
            };
            attempt += 1;
            let tries = patience.tries(&error);
            if attempt >= tries {
                return Err(error);
            }
            self.wait(what, attempt, Some(tries), &error).await;
        }
    }

    /// Tells of a repetition, and waits for its time.
    pub async fn wait(&self, what: &str, attempt: u32, of: Option<u32>, error: &ClusterError) {
        let delay = self.pace.after(attempt);
        self.tell(Retry { operation: what.to_owned(), attempt, of, delay, why: error.why() }).await;
        tokio::time::sleep(delay).await;
    }

    /// Tells of a repetition, unless another question is in the same trouble already.
    pub async fn tell(&self, retry: Retry) {
        if self.told.fetch_max(retry.attempt, Ordering::Relaxed) < retry.attempt {
            self.events.send(BuildEvent::Retrying(retry)).await;
        }
    }

    /// The server answers as it should: if trouble was told, it is over.
    pub async fn answers_again(&self) {
        if self.told.swap(0, Ordering::Relaxed) > 0 {
            self.events.send(BuildEvent::Reconnected).await;
        }
    }

    /// Asks once, with a body or without. `what` is a verb and a resource.
    ///
    /// # Errors
    /// When the answer is no, none, or not what is expected.
    pub async fn ask(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        expected: Expected<'_>,
    ) -> Result<Value, ClusterError> {
        let media_type = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let response = self.send(ANSWER_WITHIN, what, method, path, body.map(|body| (media_type, body))).await?;
        let malformed = |why: String| ClusterError::Malformed { what: what.to_owned(), why };
        let (bytes, is_whole) = self.body(response.into_body(), MOST_BYTES).await?;
        tracing::debug!("{what}: an answer of {} bytes", bytes.len());
        if !is_whole {
            return Err(malformed(format!("it is larger than {} MiB", MOST_BYTES >> 20)));
        }
        let value = serde_json::from_slice(&bytes).map_err(|error| malformed(not_json(&bytes, &error)))?;
        expected.check(&value).map_err(malformed)?;
        Ok(value)
    }

    /// The body of an answer as it comes; the status is 200 or 204.
    ///
    /// # Errors
    /// When the answer is no, none, or a page for people.
    pub async fn stream(
        &self,
        what: &str,
        path: &str,
    ) -> Result<(StatusCode, impl Stream<Item = Result<Bytes, ClusterError>> + use<'_>), ClusterError> {
        self.stream_within(ANSWER_WITHIN, what, path).await
    }

    /// As [`Cluster::stream`], of something that may be silent for long before it begins: the caller decides how long.
    ///
    /// # Errors
    /// As [`Cluster::stream`].
    pub async fn stream_from_silence(
        &self,
        what: &str,
        path: &str,
    ) -> Result<(StatusCode, impl Stream<Item = Result<Bytes, ClusterError>> + use<'_>), ClusterError> {
        self.stream_within(Duration::from_secs(24 * 3600), what, path).await
    }

    async fn stream_within(
        &self,
        limit: Duration,
        what: &str,
        path: &str,
    ) -> Result<(StatusCode, impl Stream<Item = Result<Bytes, ClusterError>> + use<'_>), ClusterError> {
        let response = self.send(limit, what, Method::GET, path, None).await?;
        let status = response.status();
        let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if media_type.is_some_and(|media_type| media_type.starts_with("text/html")) {
            let (bytes, _) = self.body(response.into_body(), MOST_BYTES_OF_A_NO).await?;
            return Err(ClusterError::Malformed { what: what.to_owned(), why: beginning(&bytes) });
        }
        let body = response.into_body().into_data_stream().map_err(|error| self.network(&error));
        Ok((status, body))
    }

    /// Sends a request; a 401 is answered once with a new token. Answers that say no are errors.
    async fn send(
        &self,
        limit: Duration,
        what: &str,
        method: Method,
        path: &str,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Response<Body>, ClusterError> {
        let generation = *self.renewing.lock().await;
        let answer = self.send_once(limit, what, &method, path, body).await?;
        let answer = self.judge(what, answer).await;
        let is_unknown = matches!(answer, Err(ClusterError::Refused { code: 401, by_api: true, .. }));
        if !is_unknown || !self.login.can_renew() {
            return answer;
        }
        self.renew(generation).await?;
        let answer = self.send_once(limit, what, &method, path, body).await?;
        self.judge(what, answer).await
    }

    async fn send_once(
        &self,
        limit: Duration,
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
        let asked = Instant::now();
        let answer = match timeout(limit, client.send(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.network(&error)),
            Err(_) => Err(self.silent("no answer", limit)),
        };
        let ms = asked.elapsed().as_millis();
        match &answer {
            Ok(response) => tracing::debug!("{method} {path}: {} after {ms} ms", response.status().as_u16()),
            Err(error) => tracing::debug!("{method} {path}: {error}, after {ms} ms"),
        }
        answer
    }

    /// Makes a new client with a new token, unless somebody else has done so since.
    async fn renew(&self, generation: u64) -> Result<(), ClusterError> {
        let mut current = self.renewing.lock().await;
        if *current != generation {
            return Ok(());
        }
        let token = self.login.renewed().await?;
        let client = client(&self.config, token, &self.url).await?;
        *self.client.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = client;
        *current += 1;
        self.events.send(BuildEvent::Warned(Warning::SessionRenewed { server: self.url.to_string() })).await;
        Ok(())
    }

    /// Turns an answer that says no into an error that says why.
    async fn judge(&self, what: &str, response: Response<Body>) -> Result<Response<Body>, ClusterError> {
        let status = response.status();
        if status.is_success() {
            for warning in response.headers().get_all(header::WARNING) {
                tracing::debug!(?warning, what, "the server warned");
            }
            return Ok(response);
        }
        // The status says enough where its body cannot be had.
        let (bytes, _) = self.body(response.into_body(), MOST_BYTES_OF_A_NO).await.unwrap_or_default();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        let message = text("message").or_else(|| Some(beginning(&bytes)).filter(|text| !text.is_empty()));
        let message = message.unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given").to_owned());
        let (what, code) = (what.to_owned(), status.as_u16());
        let by_api = text("kind").as_deref() == Some("Status") && text("status").as_deref() == Some("Failure");
        if let (401 | 403, true, Login::Nobody(nobody)) = (code, by_api, &self.login) {
            let (url, nobody) = (self.url.to_string(), nobody.clone());
            return Err(ClusterError::NoCredentials { what, url, nobody, code, message });
        }
        Err(ClusterError::Refused { what, code, message, reason: text("reason").unwrap_or_default(), by_api })
    }

    /// At most so many bytes of a body, and whether that is all of it.
    async fn body(&self, body: Body, most: usize) -> Result<(Vec<u8>, bool), ClusterError> {
        let mut stream = body.into_data_stream();
        let collected = async {
            let mut bytes = Vec::new();
            while let Some(piece) = stream.next().await {
                let piece = piece.map_err(|error| self.network(&error))?;
                let room = most.saturating_sub(bytes.len());
                bytes.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.len() > room {
                    return Ok((bytes, false));
                }
            }
            Ok((bytes, true))
        };
        timeout(BODY_WITHIN, collected).await.unwrap_or_else(|_| Err(self.silent("no end of an answer", BODY_WITHIN)))
    }

    fn silent(&self, what: &str, limit: Duration) -> ClusterError {
        let why = format!("{what} within {} s", limit.as_secs());
        ClusterError::Network { url: self.url.to_string(), why, not_sent: false }
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

/// What an answer that says yes has to be.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// Anything that is no refusal.
    Json,
    /// The object of this kind and name.
    Object {
        /// Its kind.
        kind: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// The description of this group of the API.
    Group {
        /// Its name.
        name: &'a str,
    },
    /// A list of objects of this kind.
    List {
        /// Their kind.
        kind: &'a str,
    },
}

impl Expected<'_> {
    /// Whether a value is what is expected; if not, what is wrong with it.
    fn check(self, value: &Value) -> Result<(), String> {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let given = text("/kind");
        if given == "Status" && text("/status") == "Failure" {
            return Err(format!("it says yes, and then no: {}", text("/message")));
        }
        match self {
            Expected::Json => Ok(()),
            Expected::Object { kind, name } => {
                let is_it = given == kind && text("/metadata/name") == name;
                if is_it { Ok(()) } else { Err(format!("it is no {kind} {name}: {}", shown(value))) }
            }
            Expected::Group { name } => {
                let is_it = given == "APIGroup" && text("/name") == name;
                if is_it { Ok(()) } else { Err(format!("it is no group {name}: {}", shown(value))) }
            }
            Expected::List { kind } => {
                let items = value.get("items");
                let is_list = given.strip_suffix("List") == Some(kind)
                    && items.is_some_and(|items| items.is_array() || items.is_null())
                    && !text("/metadata/resourceVersion").is_empty();
                if is_list { Ok(()) } else { Err(format!("it is no list of {kind}s: {}", shown(value))) }
            }
        }
    }
}

fn shown(value: &Value) -> String {
    beginning(value.to_string().as_bytes())
}

fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).trim().to_owned()
}

fn not_json(bytes: &[u8], error: &serde_json::Error) -> String {
    if bytes.is_empty() {
        return "it is empty".to_owned();
    }
    let is_json = bytes.first().is_some_and(|first| matches!(first, b'{' | b'['));
    if is_json { error.to_string() } else { beginning(bytes) }
}

/// Makes a client. That may run a program of the kubeconfig's, and read files, so it is done where that may take its time.
async fn client(config: &kube::Config, token: Option<Secret>, url: &Url) -> Result<Client, ClusterError> {
    let mut config = config.clone();
    if let Some(token) = token {
        config.auth_info.token = Some(token.expose().into());
    }
    let runtime = tokio::runtime::Handle::current();
    let made = tokio::task::spawn_blocking(move || {
        let _entered = runtime.enter();
        Client::try_from(config)
    });
    let setup = |source: kube::Error| ClusterError::Setup { url: url.to_string(), source: Box::new(source) };
    match made.await {
        Ok(made) => made.map_err(setup),
        Err(error) => Err(setup(kube::Error::Service(Box::new(error)))),
    }
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
