//! A connection to a hub: anonymous, or with a session; calls with numbers, renewal and repetition.
//!
//! Mirrors Koji's `ClientSession` (1.36), and differs on purpose where it goes wrong:
//!
//! * Both `Koji-Session-Callnum` and `Koji-Callnum` are sent, with the same number. Hubs from 1.31 to 1.35.3 read only the
//!   second, later ones prefer the first; with both, a call that is repeated is never carried out twice.
//! * The call number goes on counting after a renewal, because the session id stays the same and the hub remembers.
//! * A login by certificate or Kerberos is made by https, whatever the profile says, and the whole session stays there.
//! * What cannot get better is not repeated (see [`super::retry`]).

use std::time::Duration;

use base64::Engine as _;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::auth::Credentials;
use super::call::{Call, Posted, split_answers};
pub use super::error::SessionError;
use super::fault::{Fault, FaultKind};
use super::retry::{Attempts, Next, RetryPolicy, Trouble};
use super::xmlrpc::{self, Answer, DecodeError, Value};
use crate::address::Address;
use crate::credentials::Secret;
use crate::credentials::negotiate::{self, NegotiateError};
use crate::event::{BuildEvent, EventSender, Retry, Warning};
use crate::http::{self, ClientError, ClientOptions, Failure};

/// How to reach a hub.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// The XML-RPC address.
    pub server: Url,
    /// Trust and time-outs; the client certificate is added by a login that needs it.
    pub client: ClientOptions,
    /// When to repeat.
    pub retry: RetryPolicy,
    /// Longest wait for the answer to a login.
    pub auth_timeout: Duration,
}

/// A single attempt that brought no answer.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// The transport failed.
    Transport { failure: Failure, reason: String },
    /// Not success.
    Status { status: u16, text: String },
    /// Success, but no answer.
    NotXmlRpc { text: String, source: DecodeError },
    /// There is no client to send anything with.
    Client(ClientError),
}

impl AttemptError {
    /// Whether the hub may have carried the call out all the same.
    pub(super) fn may_have_run(&self) -> bool {
        !matches!(
            self,
            AttemptError::Transport { failure: Failure::NotSent | Failure::Certificate, .. } | AttemptError::Client(_)
        )
    }

    fn trouble(&self) -> Option<Trouble> {
        match self {
            AttemptError::Transport { failure: Failure::Certificate, .. } | AttemptError::Client(_) => None,
            AttemptError::Transport { failure: Failure::NotSent, .. } => Some(Trouble::NotSent),
            AttemptError::Transport { failure: Failure::Lost, .. } => Some(Trouble::Lost),
            AttemptError::Status { status, .. } => Some(Trouble::Status(*status)),
            AttemptError::NotXmlRpc { .. } => Some(Trouble::NotXmlRpc),
        }
    }

    fn why(&self) -> String {
        match self {
            AttemptError::Transport { reason, .. } => reason.clone(),
            AttemptError::Status { status, .. } => format!("HTTP status {status}"),
            AttemptError::NotXmlRpc { source, .. } => source.to_string(),
            AttemptError::Client(source) => source.to_string(),
        }
    }
}

/// A call that brought no value.
#[derive(Debug)]
pub(super) struct Failed {
    /// Why, as far as the last attempt tells.
    pub(super) error: SessionError,
    /// Whether the hub may have carried it out all the same, in this or an earlier attempt.
    pub(super) may_have_run: bool,
}

/// A session the hub gave us.
struct LoggedIn {
    credentials: Credentials,
    id: i64,
    key: Secret,
    /// Whether the session travels in headers; hubs before Koji 1.31 take it in the query.
    in_headers: bool,
    next_number: u64,
}

/// A connection to a hub. One writer: calls go one after the other.
pub struct Session {
    settings: HubSettings,
    /// The hub's address, fit for messages.
    server: String,
    /// Where requests go: the profile's address, or the same with https once a login has asked for that.
    address: Url,
    /// Made when it is first needed: reading certificates takes a while.
    client: Option<reqwest::Client>,
    events: EventSender,
    login: Option<LoggedIn>,
    answered: bool,
    in_trouble: bool,
    /// The longest wait for the answer to a call, where it is shorter than the profile's time-out.
    patience: Option<Duration>,
}

impl Session {
    /// Prepares an anonymous connection; nothing is sent. Retries and renewals are told to `events`.
    pub fn new(settings: HubSettings, events: EventSender) -> Session {
        Session {
            server: Address::from(settings.server.clone()).bare().to_string(),
            address: settings.server.clone(),
            settings,
            client: None,
            events,
            login: None,
            answered: false,
            in_trouble: false,
            patience: None,
        }
    }

    /// Waits at most so long for each answer from now on. The profile's time-out is twelve hours by default: right for a call
    /// that works that long, and far too long for noticing that a hub has stopped answering.
    pub fn be_patient_for(&mut self, patience: Duration) {
        self.patience = Some(patience);
    }

    /// The hub's address as the profile has it, without user and password: fit for messages, and the hub's name in what is
    /// remembered.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Where retries and warnings are told.
    pub fn events(&self) -> &EventSender {
        &self.events
    }

    /// How the hub's files are read: no session, no certificate, redirects followed.
    pub fn files_client(&self) -> ClientOptions {
        ClientOptions {
            redirects: http::Redirects::Follow,
            certificate: None,
            read_timeout: Some(FILE_SILENCE),
            ..self.settings.client.clone()
        }
    }

    /// Whether there is a session.
    pub fn is_logged_in(&self) -> bool {
        self.login.is_some()
    }

    /// Makes a call and repeats it as long as that makes sense.
    ///
    /// Not for calls that must not run twice by accident: `buildContainer` has [`super::submit`].
    ///
    /// # Errors
    /// The hub's fault, or why there was no answer.
    pub async fn call(&mut self, call: &Call) -> Result<Value, SessionError> {
        self.exchange(&Posted::call(call)?).await
    }

    /// Posts a request and repeats it as long as that makes sense: a call, or a piece of a file.
    pub(super) async fn exchange(&mut self, posted: &Posted) -> Result<Value, SessionError> {
        self.change(posted).await.map_err(|failed| failed.error)
    }

    /// As [`Session::exchange`], for a call that changes something: the error tells whether the hub may have carried it out.
    pub(super) async fn change(&mut self, posted: &Posted) -> Result<Value, Failed> {
        let operation = posted.operation;
        let mut attempts = self.attempts();
        let mut number = self.take_number();
        let (mut fresh_login, mut may_have_run) = (false, false);
        loop {
            let paused = match self.attempt(posted, number).await {
                Ok(Ok(value)) => {
                    self.answered_well().await;
                    return Ok(value);
                }
                Ok(Err(fault)) => match fault.kind() {
                    FaultKind::AuthExpired | FaultKind::Auth if self.login.is_some() && !fresh_login => {
                        fresh_login = true;
                        let mended = self.log_in_again(fault.kind()).await;
                        number = self.take_number();
                        mended
                    }
                    // The answer to the first attempt was lost. What only reads may be asked again as something new.
                    FaultKind::Retry | FaultKind::Sequence if posted.only_reads => {
                        number = self.take_number();
                        self.pause_after_fault(posted, fault, &mut attempts).await
                    }
                    kind => {
                        may_have_run |= kind == FaultKind::Database;
                        self.pause_after_fault(posted, fault, &mut attempts).await
                    }
                },
                Err(error) => {
                    may_have_run |= error.may_have_run();
                    self.pause(operation, error, &mut attempts).await
                }
            };
            paused.map_err(|error| Failed { error, may_have_run })?;
        }
    }

    /// Makes several calls that only read in one request; the answers come in the same order.
    ///
    /// # Errors
    /// As [`Session::call`]; faults of single calls are in the answers.
    pub async fn multi_call(&mut self, calls: &[Call]) -> Result<Vec<Result<Value, Fault>>, SessionError> {
        let mut posted = Posted::call(&Call::multi(calls))?;
        posted.only_reads = true;
        let answer = self.exchange(&posted).await?;
        split_answers(answer, calls.len()).ok_or_else(|| SessionError::Unexpected {
            operation: "multiCall",
            what: format!("not {} answers", calls.len()),
        })
    }

    /// Logs in. A session that exists already is given up.
    ///
    /// # Errors
    /// When the hub refuses, or there are no usable credentials.
    pub async fn log_in(&mut self, credentials: Credentials) -> Result<(), SessionError> {
        match &credentials {
            Credentials::Certificate { path, .. } => {
                self.settings.client.certificate = Some(path.clone());
                self.client = None;
                self.stay_on_https();
            }
            Credentials::Kerberos { .. } => self.stay_on_https(),
            Credentials::Password { .. } if http::is_exposed(&self.address) => {
                let server = self.server.clone();
                self.events.send(BuildEvent::Warned(Warning::Exposed { server })).await;
            }
            Credentials::Password { .. } => {}
        }
        self.login = None;
        self.request_login(credentials, Renewal::No).await
    }

    /// Sends everything by https from now on, as Koji's client does: what comes after the login carries the session's key.
    fn stay_on_https(&mut self) {
        // Only http and https get past the configuration, and between those the change always works.
        let _ = self.address.set_scheme("https");
    }

    /// Ends the session; failing to do so harms nobody and is not told.
    pub async fn log_out(&mut self) {
        if self.login.is_none() {
            return;
        }
        if let Ok(posted) = Posted::call(&Call::new("logout")) {
            let number = self.take_number();
            let _ = tokio::time::timeout(LOGOUT_TIMEOUT, self.attempt(&posted, number)).await;
        }
        self.login = None;
    }

    /// The number for a call that is about to be prepared; `None` without a session. Repetitions keep their number.
    pub(super) fn take_number(&mut self) -> Option<u64> {
        let login = self.login.as_mut()?;
        let number = login.next_number;
        login.next_number += 1;
        Some(number)
    }

    /// The repetitions of one call.
    pub(super) fn attempts(&self) -> Attempts {
        Attempts::new(self.settings.retry, self.answered, self.login.is_some())
    }

    /// Sends one request and reads the answer.
    pub(super) async fn attempt(&mut self, posted: &Posted, number: Option<u64>) -> Result<Answer, AttemptError> {
        let mut url = self.address.clone();
        if !posted.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&posted.query);
        }
        let mut headers = HeaderMap::new();
        if let (Some(login), Some(number)) = (&self.login, number) {
            login.identify(number, &mut url, &mut headers);
        }
        let timeout = self.patience.map(|patience| patience + posted.slack);
        self.post(url, headers, posted, timeout).await
    }

    /// Renews an expired session or makes a new one for a session the hub does not know any more.
    pub(super) async fn log_in_again(&mut self, reason: FaultKind) -> Result<(), SessionError> {
        let Some(login) = &self.login else { return Ok(()) };
        let credentials = login.credentials.clone();
        let renewal = if reason == FaultKind::AuthExpired { Renewal::Yes } else { Renewal::No };
        if renewal == Renewal::No {
            self.login = None;
        }
        self.request_login(credentials, renewal).await?;
        let server = self.server().to_owned();
        self.events.send(BuildEvent::Warned(Warning::SessionRenewed { server })).await;
        Ok(())
    }

    /// Waits before a repetition, or turns the last failure into the error.
    pub(super) async fn pause(
        &mut self,
        operation: &'static str,
        error: AttemptError,
        attempts: &mut Attempts,
    ) -> Result<(), SessionError> {
        let next = error.trouble().map_or(Next::GiveUp, |trouble| attempts.after(trouble));
        let Next::Repeat { delay, attempt, of } = next else {
            return Err(self.final_error(operation, error, attempts.made() + 1));
        };
        let retry = Retry { operation: operation.to_owned(), attempt, of, delay, why: error.why() };
        self.announce(retry).await;
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// Waits where the fault is one that passes, or gives it back.
    pub(super) async fn pause_after_fault(
        &mut self,
        posted: &Posted,
        fault: Fault,
        attempts: &mut Attempts,
    ) -> Result<(), SessionError> {
        let Posted { operation, only_reads, .. } = *posted;
        let next = match fault.kind() {
            FaultKind::Offline | FaultKind::Database => attempts.after(Trouble::Offline),
            FaultKind::Locked => attempts.after(Trouble::Locked),
            FaultKind::Retry | FaultKind::Sequence if only_reads => attempts.after(Trouble::Lost),
            _ => Next::GiveUp,
        };
        let Next::Repeat { delay, attempt, of } = next else {
            return Err(SessionError::Fault { operation, fault });
        };
        self.announce(Retry { operation: operation.to_owned(), attempt, of, delay, why: fault.to_string() }).await;
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// Notes that the hub answered, and tells it if that was in doubt.
    pub(super) async fn answered_well(&mut self) {
        self.answered = true;
        if std::mem::take(&mut self.in_trouble) {
            self.events.send(BuildEvent::Reconnected).await;
        }
    }

    async fn announce(&mut self, retry: Retry) {
        // The first repetition comes at once and mostly mends an idle connection that was closed: not worth a word.
        if retry.delay.is_zero() {
            tracing::debug!(operation = retry.operation, why = retry.why, "repeating at once");
            return;
        }
        self.in_trouble = true;
        self.events.send(BuildEvent::Retrying(retry)).await;
    }

    /// The address that was really asked, fit for messages.
    fn asked(&self) -> String {
        Address::from(self.address.clone()).bare().to_string()
    }

    fn final_error(&self, operation: &'static str, error: AttemptError, attempts: u32) -> SessionError {
        let server = self.asked();
        match error {
            AttemptError::Transport { failure: Failure::Certificate, reason }
                if http::is_about_our_certificate(&reason) =>
            {
                self.refused_certificate(reason)
            }
            AttemptError::Transport { failure: Failure::Certificate, reason } => {
                SessionError::Certificate { server, reason }
            }
            AttemptError::Transport { reason, .. } => SessionError::Unreachable { server, operation, reason, attempts },
            AttemptError::Status { status, text } => SessionError::Status { server, operation, status, text },
            AttemptError::NotXmlRpc { text, source } => SessionError::NotXmlRpc { server, operation, text, source },
            AttemptError::Client(source) => SessionError::Client(source),
        }
    }

    fn refused_certificate(&self, reason: String) -> SessionError {
        let path = self.settings.client.certificate.as_deref();
        let certificate = path.map_or_else(
            || "a connection without a client certificate".to_owned(),
            |path| format!("the client certificate {}", path.display()),
        );
        let reason = match path.and_then(http::expired) {
            Some(when) => format!("{reason}; it expired on {when}"),
            None => reason,
        };
        SessionError::OwnCertificate { server: self.asked(), certificate, reason }
    }

    /// Asks for a session and keeps what comes back.
    async fn request_login(&mut self, credentials: Credentials, renewal: Renewal) -> Result<(), SessionError> {
        let mut attempts = self.attempts();
        let (url, call) = self.login_call(&credentials, renewal);
        let posted = Posted::call(&call)?;
        let answer = loop {
            let mut url = url.clone();
            let mut headers = self.login_headers(&credentials, &url).await?;
            if let (Some(login), Renewal::Yes) = (&self.login, renewal) {
                login.identify(login.next_number, &mut url, &mut headers);
            }
            match self.post(url, headers, &posted, Some(self.settings.auth_timeout)).await {
                Ok(answer) => break answer,
                Err(AttemptError::Status { status: status @ (401 | 403), text }) => {
                    return Err(self.refused(format!("HTTP status {status}: {text}")));
                }
                Err(error) => self.pause(call.method, error, &mut attempts).await?,
            }
        };
        self.answered_well().await;
        let session = match answer {
            Ok(session) => session,
            Err(fault) if matches!(fault.kind(), FaultKind::Offline | FaultKind::Database) => {
                return Err(SessionError::Fault { operation: call.method, fault });
            }
            Err(fault) => return Err(self.refused(fault.to_string())),
        };
        self.keep(session, credentials)
    }

    fn keep(&mut self, session: Value, credentials: Credentials) -> Result<(), SessionError> {
        let id = session.get("session-id").and_then(Value::as_int);
        let key = session.get("session-key").and_then(Value::as_str);
        let (Some(id), Some(key)) = (id, key) else {
            return Err(SessionError::Unexpected { operation: "login", what: "no session-id and session-key".into() });
        };
        // A renewed session keeps its id and the hub its last number: counting starts over only with a new id.
        let next_number = self.login.as_ref().filter(|old| old.id == id).map_or(0, |old| old.next_number);
        let in_headers = session.get("header-auth").and_then(Value::as_bool).unwrap_or(false);
        self.login = Some(LoggedIn { credentials, id, key: Secret::new(key), in_headers, next_number });
        Ok(())
    }

    fn login_call(&self, credentials: &Credentials, renewal: Renewal) -> (Url, Call) {
        let (url, call) = match credentials {
            Credentials::Password { user, password } => (
                self.address.clone(),
                Call::new("login").arg(user.as_str()).arg(password.expose()).named("opts", Value::Nil),
            ),
            Credentials::Certificate { .. } | Credentials::Kerberos { .. } => {
                let proxy_user = credentials.proxy_user().map_or(Value::Nil, Value::from);
                (login_url(&self.address), Call::new("sslLogin").named("proxyuser", proxy_user))
            }
        };
        match renewal {
            Renewal::Yes => (url, call.named("renew", true).named("exclusive", false)),
            Renewal::No => (url, call),
        }
    }

    async fn login_headers(&self, credentials: &Credentials, url: &Url) -> Result<HeaderMap, SessionError> {
        let mut headers = HeaderMap::new();
        if let Credentials::Kerberos { principal, .. } = credentials {
            let host = url.host_str().unwrap_or_default().to_owned();
            let principal = principal.clone();
            let token = tokio::task::spawn_blocking(move || negotiate::token(&host, principal.as_deref()))
                .await
                .unwrap_or_else(|panic| Err(NegotiateError::NoTicket(panic.to_string())))
                .map_err(|source| SessionError::Negotiate { server: self.server().to_owned(), source })?;
            let token = base64::engine::general_purpose::STANDARD.encode(token);
            insert(&mut headers, "authorization", &format!("Negotiate {token}"));
        }
        Ok(headers)
    }

    fn refused(&self, reason: String) -> SessionError {
        SessionError::Login { server: self.server().to_owned(), reason }
    }

    async fn post(
        &mut self,
        url: Url,
        mut headers: HeaderMap,
        posted: &Posted,
        timeout: Option<Duration>,
    ) -> Result<Answer, AttemptError> {
        insert(&mut headers, "content-type", posted.content_type);
        let client = match self.client.take() {
            Some(client) => client,
            None => http::client(&self.settings.client).map_err(AttemptError::Client)?,
        };
        let mut request = self.client.insert(client).post(url).headers(headers).body(posted.body.clone());
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let transport = |error: reqwest::Error| AttemptError::Transport {
            failure: http::classify(&error),
            reason: http::chain(&error),
        };
        let response = request.send().await.map_err(transport)?;
        let status = response.status();
        let body = response
            .bytes()
            .await
            .map_err(|error| AttemptError::Transport { failure: Failure::Lost, reason: http::chain(&error) })?;
        if !status.is_success() {
            return Err(AttemptError::Status { status: status.as_u16(), text: snippet(&body) });
        }
        xmlrpc::decode_answer(&body).map_err(|source| AttemptError::NotXmlRpc { text: snippet(&body), source })
    }
}

impl LoggedIn {
    fn identify(&self, number: u64, url: &mut Url, headers: &mut HeaderMap) {
        if !self.in_headers {
            url.query_pairs_mut()
                .append_pair("session-id", &self.id.to_string())
                .append_pair("session-key", self.key.expose())
                .append_pair("callnum", &number.to_string());
        }
        insert(headers, "koji-session-id", &self.id.to_string());
        insert(headers, "koji-session-key", self.key.expose());
        insert(headers, "koji-session-callnum", &number.to_string());
        insert(headers, "koji-callnum", &number.to_string());
    }
}

/// Whether a login renews the session there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewal {
    Yes,
    No,
}

/// The longest silence while a file is read; after it the rest is read by calls.
const FILE_SILENCE: Duration = Duration::from_secs(30);

/// How long a logout may keep the user waiting.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of a body that is no answer goes into the error.
const SNIPPET_CHARS: usize = 200;

/// Where certificate and Kerberos logins go.
fn login_url(address: &Url) -> Url {
    let mut url = address.clone();
    let path = format!("{}/ssllogin", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(mut value) = HeaderValue::from_str(value) {
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// The beginning of a body in one line, tags of HTML left out.
fn snippet(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(8 * SNIPPET_CHARS)]);
    let mut plain = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            c if !in_tag => plain.push(c),
            _ => {}
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(SNIPPET_CHARS).collect();
    if line.is_empty() { "(nothing)".to_owned() } else { line }
}
