//! How the server can be made to fail.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, header};
use serde_json::json;

use super::super::serving::closed;
use super::answers::{failure, status, usual_reason};
use super::state::State;

/// What is done with a request instead of answering it as it should be.
#[derive(Debug, Clone)]
pub(crate) enum Trick {
    /// Answers with this status and message; nothing is done.
    Status(u16, String),
    /// Success, and a proxy's page instead of an answer; nothing is done.
    Page,
    /// Closes the connection without an answer; nothing is done.
    Reset,
    /// Does what is asked, and closes the connection without an answer.
    LoseAnswer,
    /// Waits before anything is done.
    Delay(Duration),
    /// Answers something odd; whether what is asked is done all the same.
    Odd(Odd, bool),
}

/// An answer that no API server gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    /// Success, and nothing.
    Empty,
    /// Success that says that there is nothing.
    NoContent,
    /// The beginning of an object.
    Truncated,
    /// The head of an answer, and a connection that is closed.
    Cut,
    /// Success, and a page.
    Page,
    /// A redirect to a login.
    Redirect,
    /// A refusal by a gateway.
    Forbidden,
    /// A gateway that finds nothing.
    NotFound,
    /// A gateway that reaches nobody.
    BadGateway,
    /// An object of nothing.
    EmptyObject,
    /// No object.
    Null,
    /// Success, and a refusal in it.
    BareStatus,
    /// Another object of the same kind.
    OtherName,
    /// Another object.
    OtherKind,
}

impl Odd {
    /// All of them.
    pub(crate) const ALL: [Odd; 14] = [
        Odd::Empty,
        Odd::NoContent,
        Odd::Truncated,
        Odd::Cut,
        Odd::Page,
        Odd::Redirect,
        Odd::Forbidden,
        Odd::NotFound,
        Odd::BadGateway,
        Odd::EmptyObject,
        Odd::Null,
        Odd::BareStatus,
        Odd::OtherName,
        Odd::OtherKind,
    ];

    /// The answer.
    pub(crate) fn answer(self) -> Response<Body> {
        const PAGE: &str = "<html>Please sign in.</html>";
        let json = "application/json";
        let (code, media_type, body) = match self {
            Odd::Empty => (200, json, String::new()),
            Odd::NoContent => (204, json, String::new()),
            Odd::Truncated => (200, json, r#"{"apiVersion":"tekton.dev/v1","kind":"Pipel"#.to_owned()),
            Odd::Cut => (200, json, r#"{"apiVersion":"tekton.dev/v1","#.to_owned()),
            Odd::Page => (200, "text/html", PAGE.to_owned()),
            Odd::Redirect => (302, "text/html", PAGE.to_owned()),
            Odd::Forbidden => (403, "text/html", PAGE.to_owned()),
            Odd::NotFound => (404, "text/html", PAGE.to_owned()),
            Odd::BadGateway => (502, "text/html", PAGE.to_owned()),
            Odd::EmptyObject => (200, json, "{}".to_owned()),
            Odd::Null => (200, json, "null".to_owned()),
            Odd::BareStatus => (200, json, failure(403, "Forbidden", "no", json!({})).to_string()),
            Odd::OtherName => (200, json, object("PipelineRun", "tekton.dev/v1", "other-run")),
            Odd::OtherKind => (200, json, object("ConfigMap", "v1", "other")),
        };
        let answer = Response::builder().status(code).header(header::CONTENT_TYPE, media_type);
        let answer = if self == Odd::Redirect { answer.header(header::LOCATION, "/login") } else { answer };
        let body = match self {
            Odd::Cut => {
                let pieces = [Ok(body), Err(closed())];
                Body::from_stream(futures_util::stream::iter(pieces))
            }
            _ => Body::from(body),
        };
        answer.body(body).expect("an answer")
    }
}

fn object(kind: &str, version: &str, name: &str) -> String {
    let metadata = json!({"name": name, "namespace": super::NAMESPACE, "resourceVersion": "7"});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": {}}).to_string()
}

impl Trick {
    /// What is answered instead, where something is.
    pub(crate) fn answer(&self) -> Option<Response<Body>> {
        match self {
            Trick::Status(code, message) => Some(status(*code, usual_reason(*code), message, json!({}))),
            Trick::Page => {
                let page = Response::builder().header(header::CONTENT_TYPE, "text/html");
                Some(page.body(Body::from("<html>Please sign in.</html>")).expect("an answer"))
            }
            Trick::Odd(odd, _) => Some(odd.answer()),
            Trick::Reset | Trick::LoseAnswer | Trick::Delay(_) => None,
        }
    }
}

/// A trick in store.
#[derive(Debug, Clone)]
pub(crate) struct Injection {
    /// What method, path and query (`GET /version`) hold.
    pub matching: String,
    /// How many such requests go well first.
    pub spared: usize,
    /// What happens to the next.
    pub trick: Trick,
    /// Whether it happens to all that follow, too.
    pub for_good: bool,
    /// Whether it happened.
    pub met: bool,
}

impl Injection {
    /// One for the next request that holds a text.
    pub(crate) fn new(matching: &str, trick: Trick) -> Injection {
        Injection { matching: matching.to_owned(), spared: 0, trick, for_good: false, met: false }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Injection { matching, spared, trick, .. } = self;
        write!(f, "{trick:?} of `{matching}`, after {spared} more")
    }
}

/// How open streams are disturbed. Counters are compared with what they were when a stream began.
#[derive(Debug, Default)]
pub(crate) struct Misbehaviour {
    /// Counts wishes to end watches uncleanly.
    pub cut_watches: u64,
    /// Counts wishes to tell watches of the current version.
    pub bookmarks: u64,
    /// Counts wishes to end followed logs cleanly.
    pub cut_logs: u64,
    /// After so many more bytes.
    pub cut_logs_after: usize,
    /// Counts wishes that logs being followed bring no more, and do not end either.
    pub mute_logs: u64,
    /// Whether no node gives logs.
    pub nodes_are_down: bool,
}

impl State {
    /// The tricks that were never played.
    pub(crate) fn missed_tricks(&self) -> Vec<String> {
        self.tricks.iter().filter(|injection| !injection.met).map(ToString::to_string).collect()
    }

    /// Takes the trick for a request, if there is one.
    pub(crate) fn trick(&mut self, request: &str) -> Option<Trick> {
        let at = self.tricks.iter().position(|injection| request.contains(&injection.matching))?;
        if self.tricks[at].spared > 0 {
            self.tricks[at].spared -= 1;
            return None;
        }
        if self.tricks[at].for_good {
            self.tricks[at].met = true;
            return Some(self.tricks[at].trick.clone());
        }
        self.tricks.remove(at).map(|injection| injection.trick)
    }
}
