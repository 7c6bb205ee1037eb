//! Logging in to a hub, and the session that comes of it.

use base64::Engine as _;
use reqwest::header::HeaderMap;
use url::Url;

use super::{Session, SessionError};
use crate::credentials::Secret;
use crate::credentials::negotiate::{self, NegotiateError};
use crate::event::{BuildEvent, Warning};
use crate::http;
use crate::koji::auth::Credentials;
use crate::koji::call::{Call, Posted};
use crate::koji::fault::FaultKind;
use crate::koji::wire::{self, AttemptError, insert};
use crate::koji::xmlrpc::Value;

/// A session the hub gave us.
pub(super) struct LoggedIn {
    pub(super) credentials: Credentials,
    pub(super) id: i64,
    key: Secret,
    /// Whether the session travels in headers; hubs before Koji 1.31 take it in the query.
    in_headers: bool,
    pub(super) next_number: u64,
}

impl LoggedIn {
    /// Adds what the hub knows the session by.
    pub(super) fn identify(&self, number: u64, url: &mut Url, headers: &mut HeaderMap) {
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

impl Session {
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
            Credentials::Password { .. } if http::is_exposed(self.address.url()) => {
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
        self.address = self.address.by_https();
    }

    /// Renews an expired session or makes a new one for a session the hub does not know any more.
    pub(in crate::koji) async fn log_in_again(&mut self, reason: FaultKind) -> Result<(), SessionError> {
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

    /// Asks for a session and keeps what comes back.
    async fn request_login(&mut self, credentials: Credentials, renewal: Renewal) -> Result<(), SessionError> {
        let mut attempts = self.attempts();
        let (url, call) = self.login_call(&credentials, renewal);
        let posted = Posted::call(&call)?;
        let timeout = self.settings.auth_timeout;
        let answer = loop {
            let mut url = url.clone();
            let mut headers = self.login_headers(&credentials, &url).await?;
            if let (Some(login), Renewal::Yes) = (&self.login, renewal) {
                login.identify(login.next_number, &mut url, &mut headers);
            }
            let outcome = match self.client() {
                Ok(client) => wire::post(&client, url, headers, &posted, timeout).await,
                Err(error) => Err(error),
            };
            match outcome {
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
        self.keep(&session, credentials)
    }

    fn keep(&mut self, session: &Value, credentials: Credentials) -> Result<(), SessionError> {
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
                self.address.url().clone(),
                Call::new("login").arg(user.as_str()).arg(password.expose()).named("opts", Value::Nil),
            ),
            Credentials::Certificate { .. } | Credentials::Kerberos { .. } => {
                let proxy_user = credentials.proxy_user().map_or(Value::Nil, Value::from);
                (login_url(self.address.url()), Call::new("sslLogin").named("proxyuser", proxy_user))
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
}

/// Where certificate and Kerberos logins go.
fn login_url(address: &Url) -> Url {
    let mut url = address.clone();
    let path = format!("{}/ssllogin", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}
