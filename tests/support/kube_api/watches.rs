//! Watches: changes as JSON lines, from a version on.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, header};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::serving::closed;
use super::Shared;
use super::answers::{failure, status};
use super::resources::api_version;
use super::selectors::Selectors;
use super::server::{Query, Target};
use super::state::{Change, Collection, State};
use super::versions::in_version;

/// A watch without `timeoutSeconds` lasts at least half an hour.
const USUAL_SECONDS: i64 = 1800;
/// The time between two bookmarks.
const BOOKMARKS: Duration = Duration::from_secs(60);
/// The last one comes so long before the end.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// Events come in pieces of this size: the bounds of chunks mean nothing.
const PIECE: usize = 1531;

/// `GET …?watch=true`; `cuts` is the counter when the request came.
pub(super) fn answer(shared: &Arc<Shared>, target: &Target, query: &Query, cuts: u64) -> Response<Body> {
    match Watch::of(shared, target, query, cuts) {
        Ok(watch) => {
            let body = stream::unfold(watch, |mut watch| async move { Some((watch.more().await?, watch)) });
            let answer = Response::builder().header(header::CONTENT_TYPE, "application/json");
            answer.body(Body::from_stream(body)).expect("an answer")
        }
        Err(refusal) => refusal,
    }
}

/// An open watch.
struct Watch {
    shared: Arc<Shared>,
    collection: Collection,
    version: String,
    selectors: Selectors,
    /// Up to this version changes were sent.
    at: u64,
    /// What is to be sent, in pieces.
    pending: VecDeque<Bytes>,
    wants_bookmarks: bool,
    next_bookmark: Instant,
    deadline: Instant,
    /// The counters when it began.
    cuts: u64,
    bookmarks: u64,
    is_over: bool,
    changed: tokio::sync::watch::Receiver<u64>,
}

impl Watch {
    fn of(shared: &Arc<Shared>, target: &Target, query: &Query, cuts: u64) -> Result<Watch, Response<Body>> {
        let from = query.get("resourceVersion").filter(|text| !text.is_empty());
        let from: u64 = from.unwrap_or("0").parse().map_err(|_| {
            let text = from.unwrap_or_default();
            let why = format!("strconv.ParseUint: parsing \"{text}\": invalid syntax");
            status(500, "", &format!("resourceVersion: Invalid value: \"{text}\": {why}"), json!({}))
        })?;
        let seconds = query.number("timeoutSeconds")?.unwrap_or(USUAL_SECONDS);
        let now = Instant::now();
        let deadline = now + Duration::from_secs(seconds.try_into().unwrap_or(0));
        let last_bookmark = Some(deadline - LAST_BOOKMARK).filter(|last| *last > now);
        let mut watch = Watch {
            shared: Arc::clone(shared),
            collection: target.collection.clone(),
            version: target.version.clone(),
            selectors: Selectors::of(query, &target.collection)?,
            at: from,
            pending: VecDeque::new(),
            wants_bookmarks: query.is("allowWatchBookmarks"),
            next_bookmark: last_bookmark.map_or(now + BOOKMARKS, |last| last.min(now + BOOKMARKS)),
            deadline,
            cuts,
            bookmarks: 0,
            is_over: false,
            changed: shared.changed(),
        };
        let wants_all = from == 0 || query.is("sendInitialEvents");
        shared.read(|state| watch.begin(state, wants_all));
        Ok(watch)
    }

    fn begin(&mut self, state: &State, wants_all: bool) {
        self.bookmarks = state.misbehaviour.bookmarks;
        if wants_all {
            let collection = self.collection.clone();
            for object in
                state.of(&collection).filter(|object| self.selectors.select(object)).cloned().collect::<Vec<_>>()
            {
                self.event("ADDED", &object);
            }
            self.at = state.version;
            if self.wants_bookmarks {
                self.bookmark(json!({"annotations": {"k8s.io/initial-events-end": "true"}}));
            }
        } else if self.at < state.forgotten {
            let message = format!("too old resource version: {} ({})", self.at, state.version);
            self.line(&json!({"type": "ERROR", "object": failure(410, "Expired", &message, json!({}))}));
            self.is_over = true;
        }
    }

    fn line(&mut self, line: &Value) {
        let mut bytes = Bytes::from(format!("{line}\n"));
        while !bytes.is_empty() {
            self.pending.push_back(bytes.split_to(bytes.len().min(PIECE)));
        }
    }

    fn event(&mut self, kind: &str, object: &Value) {
        let object = in_version(object, &self.collection.group, &self.version);
        self.line(&json!({"type": kind, "object": object}));
    }

    fn bookmark(&mut self, mut metadata: Value) {
        metadata["resourceVersion"] = json!(self.at.to_string());
        let api = api_version(&self.collection.group, &self.version);
        let object = json!({"apiVersion": api, "kind": self.collection.kind(), "metadata": metadata});
        self.line(&json!({"type": "BOOKMARK", "object": object}));
    }

    /// The next piece; `None` at a clean end.
    async fn more(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(piece) = self.pending.pop_front() {
                return Some(Ok(piece));
            }
            if self.is_over {
                return None;
            }
            let shared = Arc::clone(&self.shared);
            if shared.read(|state| self.look(state)) {
                self.is_over = true;
                // An error at once would take what was sent with it.
                tokio::time::sleep(Duration::from_millis(20)).await;
                return Some(Err(closed()));
            }
            if self.pending.is_empty() {
                self.wait().await;
            }
        }
    }

    /// Collects news; whether the watch is cut.
    fn look(&mut self, state: &State) -> bool {
        let first = state.changes.partition_point(|change| change.version <= self.at);
        for change in &state.changes[first..] {
            if change.collection == self.collection
                && let Some(kind) = self.kind(change)
            {
                self.event(kind, &change.object);
            }
        }
        self.at = self.at.max(state.version);
        if self.wants_bookmarks && state.misbehaviour.bookmarks != self.bookmarks {
            self.bookmarks = state.misbehaviour.bookmarks;
            self.bookmark(json!({}));
        }
        self.pending.is_empty() && state.misbehaviour.cut_watches != self.cuts
    }

    /// An object that begins or ceases to be selected is added or deleted for this watch.
    fn kind(&self, change: &Change) -> Option<&'static str> {
        let was = change.before.as_ref().is_some_and(|before| self.selectors.select(before));
        let is = change.kind != "DELETED" && self.selectors.select(&change.object);
        match (was, is) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    /// Waits for news, a bookmark's time, or the end.
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.changed.changed() => {}
            () = tokio::time::sleep_until(self.next_bookmark), if self.wants_bookmarks => {
                self.bookmark(json!({}));
                let next = self.next_bookmark + BOOKMARKS;
                let last = self.deadline - LAST_BOOKMARK;
                self.next_bookmark = if self.next_bookmark < last { next.min(last) } else { next + BOOKMARKS };
            }
            () = tokio::time::sleep_until(self.deadline) => self.is_over = true,
        }
    }
}
