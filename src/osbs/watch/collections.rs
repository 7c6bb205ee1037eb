//! Objects as they change: a list, and from its version on a watch, made anew as often as it takes.
//!
//! A watch may end at any time and means nothing by it; the next begins at the version of the last event. A version that the server
//! has forgotten (410, which comes as an event inside a 200) is answered by a list, against which what is known is compared.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use memchr::memchr;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::event::BuildEvent;
use crate::osbs::cluster::{Cluster, Patience};
use crate::osbs::error::ClusterError;

/// How long the server keeps a watch open.
const WATCH_SECONDS: u32 = 290;
/// After so long a silence a watch is made anew: the server should have ended it.
const SILENT: Duration = Duration::from_secs(310);
/// How long to wait when watches end without having brought anything.
const IDLE: Duration = Duration::from_millis(250);

/// How often in a row an answer may make no sense before that is the end.
const MALFORMED_AT_MOST: u32 = 3;

/// How much of an answer that makes no sense is shown.
const SHOWN: usize = 100;

/// What happened to an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It looks like this.
    Seen(Value),
    /// The object of this name is there no more.
    Gone(String),
}

/// What to watch.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The resource's plural, for messages.
    pub plural: &'static str,
    /// The collection's path.
    pub path: String,
    /// `fieldSelector=…` or `labelSelector=…`, encoded.
    pub selector: String,
}

impl Selection {
    /// The objects with a field of this value.
    pub fn by_field(plural: &'static str, path: String, field: &str, value: &str) -> Selection {
        Selection { plural, path, selector: encoded("fieldSelector", &format!("{field}={value}")) }
    }

    /// The objects with a label of this value.
    pub fn by_label(plural: &'static str, path: String, label: &str, value: &str) -> Selection {
        Selection { plural, path, selector: encoded("labelSelector", &format!("{label}={value}")) }
    }

    /// The list's path and query.
    pub fn list(&self) -> String {
        format!("{}?{}", self.path, self.selector)
    }
}

fn encoded(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

/// What a collection tells, and whom.
pub struct Observer<T> {
    /// The server.
    pub cluster: Arc<Cluster>,
    /// What to watch.
    pub selection: Selection,
    /// Where changes go.
    pub changes: mpsc::Sender<T>,
    /// Makes one out of a change.
    pub tell: fn(Change) -> T,
}

/// Why a watch ended.
enum End {
    /// Nothing is known by it.
    Ended,
    /// The version that it began at is forgotten.
    Forgotten,
    /// It broke.
    Broken(ClusterError),
    /// Nobody listens any more.
    Unheard,
}

impl<T> Observer<T> {
    /// Tells of all changes from a version on, or from a list on, as long as somebody listens.
    ///
    /// # Errors
    /// When the server refuses for good.
    pub async fn observe(self, mut version: Option<String>) -> Result<(), ClusterError> {
        let mut known = BTreeSet::new();
        let mut failures = 0;
        loop {
            let from = match version.take() {
                Some(version) => version,
                None => match self.list(&mut known).await? {
                    Some(version) => version,
                    None => return Ok(()),
                },
            };
            let mut at = from.clone();
            let end = self.watch(&mut at, &mut known, &mut failures).await;
            let is_idle = at == from;
            version = Some(at);
            match end {
                End::Unheard => return Ok(()),
                End::Forgotten => version = None,
                End::Ended if is_idle => tokio::time::sleep(IDLE).await,
                End::Ended => {}
                End::Broken(error) if may_pass(&error, failures) => {
                    failures += 1;
                    // A first cut is nothing to tell of: watches are cut all the time.
                    if failures > 1 {
                        let what = format!("watching {}", self.selection.plural);
                        self.cluster.wait(&what, failures - 1, &error, Patience::Endless).await;
                    }
                }
                End::Broken(error) => return Err(error),
            }
        }
    }

    /// Tells what there is now. Returns its version; `None` when nobody listens.
    async fn list(&self, known: &mut BTreeSet<String>) -> Result<Option<String>, ClusterError> {
        let what = format!("list {}", self.selection.plural);
        let list = self.cluster.get(&what, &self.selection.list(), Patience::Endless).await?;
        let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
        let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let names: BTreeSet<String> = items.iter().filter_map(name_of).collect();
        let gone: Vec<String> = known.difference(&names).cloned().collect();
        *known = names;
        for change in items.into_iter().map(Change::Seen).chain(gone.into_iter().map(Change::Gone)) {
            if self.changes.send((self.tell)(change)).await.is_err() {
                return Ok(None);
            }
        }
        Ok(Some(version))
    }

    async fn watch(&self, version: &mut String, known: &mut BTreeSet<String>, failures: &mut u32) -> End {
        let what = format!("watch {}", self.selection.plural);
        let path = format!(
            "{}&watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}",
            self.selection.list()
        );
        let body = match self.cluster.stream(&what, &path).await {
            Ok((_, body)) => body,
            Err(error) if error.code() == Some(410) => return End::Forgotten,
            Err(error) => return End::Broken(error),
        };
        let mut body = pin!(body);
        let mut held = Vec::new();
        loop {
            let bytes = tokio::select! {
                () = self.changes.closed() => return End::Unheard,
                next = timeout(SILENT, body.next()) => match next {
                    Ok(Some(Ok(bytes))) => bytes,
                    Ok(Some(Err(error))) => return End::Broken(error),
                    Ok(None) if held.first().is_some_and(|first| *first != b'{') => {
                        return self.malformed(&String::from_utf8_lossy(&held[..held.len().min(SHOWN)]));
                    }
                    Ok(None) | Err(_) => {
                        self.recovered(failures).await;
                        return End::Ended;
                    }
                },
            };
            held.extend_from_slice(&bytes);
            let mut start = 0;
            while let Some(end) = memchr(b'\n', &held[start..]) {
                let line = &held[start..start + end];
                start += end + 1;
                if let Some(end) = self.event(line, version, known).await {
                    return end;
                }
                self.recovered(failures).await;
            }
            held.drain(..start);
        }
    }

    fn malformed(&self, why: &str) -> End {
        let what = format!("watch {}", self.selection.plural);
        End::Broken(ClusterError::Malformed { what, why: why.to_owned() })
    }

    /// The server answers as it should: what went wrong before is over.
    async fn recovered(&self, failures: &mut u32) {
        if std::mem::take(failures) > 1 {
            self.cluster.events().send(BuildEvent::Reconnected).await;
        }
    }

    /// Takes one event. Returns why the watch is over, if it is.
    async fn event(&self, line: &[u8], version: &mut String, known: &mut BTreeSet<String>) -> Option<End> {
        let mut event: Value = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => {
                return Some(self.malformed(&error.to_string()));
            }
        };
        let object = event.get_mut("object").map(Value::take).unwrap_or_default();
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind == "ERROR" {
            let code = object.get("code").and_then(Value::as_u64);
            tracing::debug!(?code, "a watch was ended by the server");
            return Some(if code == Some(410) { End::Forgotten } else { End::Ended });
        }
        if let Some(at) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
            at.clone_into(version);
        }
        let change = match (kind, name_of(&object)) {
            ("ADDED" | "MODIFIED", Some(name)) => {
                known.insert(name);
                Change::Seen(object)
            }
            ("DELETED", Some(name)) => {
                known.remove(&name);
                Change::Gone(name)
            }
            _ => return None,
        };
        self.changes.send((self.tell)(change)).await.is_err().then_some(End::Unheard)
    }
}

/// Whether it makes sense to go on after a failure: a server may be away for long, but not out of its mind.
fn may_pass(error: &ClusterError, failures: u32) -> bool {
    let is_malformed = matches!(error, ClusterError::Malformed { .. });
    error.is_transient() || (is_malformed && failures < MALFORMED_AT_MOST)
}

fn name_of(object: &Value) -> Option<String> {
    object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned)
}
