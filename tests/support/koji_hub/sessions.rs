//! Logins and what goes with every request of a session (`kojihub.auth.Session`).

use super::Callnum;
use super::args::Args;
use super::state::{SessionRecord, State, now};
use super::xmlrpc::{HubFault, Value, record};

/// Who sends a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// What the web server vouches for: the client certificate's common name, or Kerberos' user.
    pub web_user: Option<WebUser>,
    /// The session's id, where there is one.
    pub session: Option<i64>,
    /// The session's user.
    pub user: Option<i64>,
    /// The number of the call.
    pub number: Option<i64>,
}

/// A user known by the web server.
#[derive(Debug, Clone)]
pub(crate) struct WebUser {
    pub name: String,
    /// 2 for a certificate, 3 for GSSAPI.
    pub authtype: i64,
}

/// What a request says of its session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claim {
    pub id: Option<i64>,
    pub key: String,
    /// `Koji-Session-Callnum`.
    pub session_callnum: Option<i64>,
    /// `Koji-Callnum`, or `callnum` in the query.
    pub callnum: Option<i64>,
}

impl State {
    /// Checks key, age and number. `method` is the request's own, not one within a multiCall.
    pub(crate) fn identify(&self, claim: &Claim, web_user: Option<WebUser>, method: &str) -> Result<Caller, HubFault> {
        let number = match self.options.callnum {
            Callnum::Off => None,
            Callnum::Old => claim.callnum,
            Callnum::Session => claim.session_callnum.or(claim.callnum),
        };
        let Some(id) = claim.id else { return Ok(Caller { web_user, ..Caller::default() }) };
        let invalid = || HubFault::new(1002, "Invalid session or bad credentials");
        let session = self.sessions.get(&id).filter(|session| session.key == claim.key).ok_or_else(invalid)?;
        let is_login = matches!(method, "login" | "sslLogin");
        if session.expired && !is_login {
            return Err(HubFault::new(1007, format!("session \"{id}\" has expired")));
        }
        if let (Some(number), Some(last), false) = (number, session.last_number, is_login) {
            if last > number {
                return Err(HubFault::new(1008, format!("{last} > {number} (session {id})")));
            }
            if last == number {
                let text = format!("unable to retry call {number} (method {method}) for session {id}");
                return Err(HubFault::new(1009, text));
            }
        }
        Ok(Caller { web_user, session: Some(id), user: Some(session.user), number })
    }

    /// Notes that a call with this number has changed something.
    pub(crate) fn commit(&mut self, caller: &Caller) {
        if let (Some(id), Some(number)) = (caller.session, caller.number)
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.last_number = Some(number);
        }
    }

    /// `login(user, password, opts)`.
    pub(crate) fn login(&mut self, caller: &Caller, args: &Args) -> Result<Value, HubFault> {
        let [name, password] = [args.required(0, "user")?, args.required(1, "password")?];
        let known = self.users.iter().find(|user| name.as_str() == Some(&user.name));
        let user = known.filter(|user| password.as_str() == Some(&user.password)).map(|user| user.id);
        let user = user.ok_or_else(|| HubFault::new(1002, "invalid username or password"))?;
        self.give_session(caller, user, 0, args.get(3, "renew").is_true())
    }

    /// `sslLogin(proxyuser, proxyauthtype, renew, exclusive)`.
    pub(crate) fn ssl_login(&mut self, caller: &Caller, args: &Args) -> Result<Value, HubFault> {
        let web_user = caller.web_user.as_ref();
        let web_user = web_user.ok_or_else(|| HubFault::new(1002, "could not verify client: None"))?;
        if args.get(0, "proxyuser").is_true() {
            let text = format!("{} is not authorized to login other users", web_user.name);
            return Err(HubFault::new(1002, text));
        }
        // A Kerberos principal is `USER@REALM`; the realm is the web server's business.
        let name = web_user.name.split('@').next().unwrap_or_default();
        let known = self.users.iter().find(|user| user.name == name).map(|user| user.id);
        let user = known.ok_or_else(|| HubFault::new(1002, format!("Unknown user: {}", web_user.name)))?;
        self.give_session(caller, user, web_user.authtype, args.get(2, "renew").is_true())
    }

    fn give_session(&mut self, caller: &Caller, user: i64, authtype: i64, renew: bool) -> Result<Value, HubFault> {
        let key = format!("1-{:020}", self.next_key);
        self.next_key += 1;
        let id = match (caller.session, renew) {
            (Some(id), true) => {
                let session = self.sessions.get_mut(&id).expect("identified a moment ago");
                (session.key, session.expired) = (key.clone(), false);
                id
            }
            (Some(_), false) => return Err(HubFault::new(1002, "Already logged in")),
            (None, _) => {
                let id = self.next_session;
                self.next_session += 1;
                let expired = false;
                let session =
                    SessionRecord { key: key.clone(), user, authtype, expired, last_number: None, started: now() };
                self.sessions.insert(id, session);
                id
            }
        };
        let session = [("session-id", id.into()), ("session-key", key.into())];
        if self.options.old_sessions {
            return Ok(record(session));
        }
        let [id, key] = session;
        Ok(record([id, key, ("header-auth", true.into())]))
    }

    pub(crate) fn logout(&mut self, caller: &Caller) -> Result<Value, HubFault> {
        let id = caller.session.ok_or_else(|| HubFault::new(1002, "Not logged in"))?;
        self.sessions.remove(&id);
        Ok(Value::Nil)
    }

    pub(crate) fn session_info(&self, caller: &Caller) -> Value {
        let Some(session) = caller.session.and_then(|id| self.sessions.get(&id)) else { return Value::Nil };
        record([
            ("authtype", session.authtype.into()),
            ("callnum", session.last_number.into()),
            ("exclusive", Value::Nil),
            ("expired", session.expired.into()),
            ("master", Value::Nil),
            ("renew_time", Value::Nil),
            ("renew_ts", Value::Nil),
            ("start_time", super::args::time_text(session.started).into()),
            ("start_ts", session.started.into()),
            ("update_time", super::args::time_text(now()).into()),
            ("update_ts", now().into()),
            ("user_id", session.user.into()),
        ])
    }

    pub(crate) fn logged_in_user(&self, caller: &Caller) -> Value {
        let Some(user) = caller.user.and_then(|id| self.user(id)) else { return Value::Nil };
        let session = caller.session.and_then(|id| self.sessions.get(&id));
        record([
            ("id", user.id.into()),
            ("name", user.name.as_str().into()),
            ("status", 0.into()),
            ("usertype", 0.into()),
            ("krb_principals", Value::Array(Vec::new())),
            ("authtype", session.map(|session| session.authtype).into()),
            ("krb_principal", Value::Nil),
        ])
    }
}
