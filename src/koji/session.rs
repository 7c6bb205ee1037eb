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

use reqwest::header::HeaderMap;

use super::call::{self, Call, Posted, split_answers};
pub use super::error::SessionError;
use super::fault::{Fault, FaultKind};
use super::retry::{Attempts, Next, RetryPolicy, Trouble};
use super::wire::{self, AttemptError};
use super::xmlrpc::{Answer, Value};
use crate::address::Address;
use crate::event::{BuildEvent, EventSender, Retry};
use crate::http::{self, ClientOptions, Failure};
use login::LoggedIn;

mod login;

/// How to reach a hub.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// The XML-RPC address.
    pub server: Address,
    /// Trust and time-outs; the client certificate is added by a login that needs it.
    pub client: ClientOptions,
    /// When to repeat.
    pub retry: RetryPolicy,
    /// Longest wait for the answer to a login.
    pub auth_timeout: Duration,
}

/// A call that brought no value.
#[derive(Debug)]
pub(super) struct Failed {
    /// Why, as far as the last attempt tells.
    pub(super) error: SessionError,
    /// Whether the hub may have carried it out all the same, in this or an earlier attempt.
    pub(super) may_have_run: bool,
}

/// A connection to a hub. One writer: calls go one after the other.
pub struct Session {
    settings: HubSettings,
    /// The hub's address, fit for messages.
    server: String,
    /// Where requests go: the profile's address, or the same with https once a login has asked for that.
    address: Address,
    /// Made when it is first needed: reading certificates takes a while.
    client: Option<reqwest::Client>,
    events: EventSender,
    login: Option<LoggedIn>,
    answered: bool,
    in_trouble: bool,
    /// The longest wait for the answer to a call that is not known to work for long.
    patience: Duration,
}

impl Session {
    /// Prepares an anonymous connection; nothing is sent. Retries and renewals are told to `events`.
    pub fn new(settings: HubSettings, events: EventSender) -> Session {
        Session {
            server: settings.server.bare().to_string(),
            address: settings.server.clone(),
            settings,
            client: None,
            events,
            login: None,
            answered: false,
            in_trouble: false,
            patience: ANSWER_WITHIN,
        }
    }

    /// Waits at most so long for each answer from now on.
    pub fn be_patient_for(&mut self, patience: Duration) {
        self.patience = patience;
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
        posted.detail = call::names(calls);
        let answer = self.exchange(&posted).await?;
        split_answers(answer, calls.len()).ok_or_else(|| SessionError::Unexpected {
            operation: "multiCall",
            what: format!("not {} answers", calls.len()),
        })
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
        let mut url = self.address.url().clone();
        if !posted.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&posted.query);
        }
        let mut headers = HeaderMap::new();
        if let (Some(login), Some(number)) = (&self.login, number) {
            login.identify(number, &mut url, &mut headers);
        }
        let timeout = self.patience + posted.slack;
        wire::post(&self.client()?, url, headers, posted, timeout).await
    }

    /// The client, which is made when it is first needed.
    fn client(&mut self) -> Result<reqwest::Client, AttemptError> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => http::client(&self.settings.client).map_err(AttemptError::Client)?,
        };
        Ok(self.client.insert(client).clone())
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
        self.address.bare().to_string()
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
            AttemptError::TooMuch(why) => SessionError::TooLong { server, operation, why },
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
}

/// How long an answer is waited for. The profile's time-out is twelve hours by default: right for a call that works that long,
/// and far too long for noticing that a hub has stopped answering.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The longest silence while a file is read; after it the rest is read by calls.
const FILE_SILENCE: Duration = Duration::from_secs(30);

/// How long a logout may keep the user waiting.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(5);
