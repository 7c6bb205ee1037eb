//! How the server can be made to fail.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, header};
use serde_json::json;

use super::answers::{status, usual_reason};
use super::state::State;

/// What is done with a request instead of answering it as it should be.
#[derive(Debug, Clone)]
pub enum Trick {
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
}

impl Trick {
    /// What is answered instead, where something is.
    pub fn answer(&self) -> Option<Response<Body>> {
        match self {
            Trick::Status(code, message) => Some(status(*code, usual_reason(*code), message, json!({}))),
            Trick::Page => {
                let page = Response::builder().header(header::CONTENT_TYPE, "text/html");
                Some(page.body(Body::from("<html>Please sign in.</html>")).expect("an answer"))
            }
            Trick::Reset | Trick::LoseAnswer | Trick::Delay(_) => None,
        }
    }
}

/// A trick in store.
#[derive(Debug, Clone)]
pub struct Injection {
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
    pub fn new(matching: &str, trick: Trick) -> Injection {
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
pub struct Misbehaviour {
    /// Counts wishes to end watches uncleanly.
    pub cut_watches: u64,
    /// Counts wishes to tell watches of the current version.
    pub bookmarks: u64,
    /// Counts wishes to end followed logs cleanly.
    pub cut_logs: u64,
    /// After so many more bytes.
    pub cut_logs_after: usize,
    /// Whether no node gives logs.
    pub nodes_are_down: bool,
}

impl State {
    /// The tricks that were never played.
    pub fn missed_tricks(&self) -> Vec<String> {
        self.tricks.iter().filter(|injection| !injection.met).map(ToString::to_string).collect()
    }

    /// Takes the trick for a request, if there is one.
    pub fn trick(&mut self, request: &str) -> Option<Trick> {
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
