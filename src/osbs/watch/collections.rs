//! Objects as they change: a list, and from its version on a watch, made anew as often as it takes.
//!
//! A watch may end at any time and means nothing by it; the next begins at the version of the last event. A version that the server
//! has forgotten (410, which comes as an event inside a 200) is answered by a list, against which what is known is compared. Whatever
//! goes wrong is tried again with growing waits, as Kubernetes' own clients do it: a server that restarts refuses, forgets and
//! misunderstands what it allowed, knew and understood a minute ago. It is the watcher's affair how long it puts up with that.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use memchr::memchr;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::event::{BuildEvent, Warning};
use crate::osbs::cluster::{Cluster, Expected};
use crate::osbs::error::ClusterError;

/// How long the server keeps a watch open.
const WATCH_SECONDS: u32 = 290;
/// After so long a silence a watch is made anew: the server should have ended it.
const SILENT: Duration = Duration::from_secs(310);
/// After so many watches that brought nothing a list is asked for: they may be of something else.
const IDLE_AT_MOST: u32 = 3;
/// A watch that is open for so long without an error is one.
const OPEN_AFTER: Duration = Duration::from_secs(1);
/// The most bytes of an event.
const LONGEST: usize = 64 << 20;
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
pub(crate) struct Selection {
    /// The resource's plural, for messages.
    pub plural: &'static str,
    /// The kind of the objects.
    pub kind: &'static str,
    /// The collection's path.
    pub path: String,
    /// `fieldSelector=…` or `labelSelector=…`, encoded.
    pub selector: String,
    /// The only object that is wanted, if there is only one.
    pub only: Option<String>,
}

impl Selection {
    /// The object of this name.
    pub(crate) fn by_name(plural: &'static str, kind: &'static str, path: String, name: &str) -> Selection {
        let selector = encoded("fieldSelector", &format!("metadata.name={name}"));
        Selection { plural, kind, path, selector, only: Some(name.to_owned()) }
    }

    /// The objects with a label of this value.
    pub(crate) fn by_label(
        plural: &'static str,
        kind: &'static str,
        path: String,
        (label, value): (&str, &str),
    ) -> Selection {
        let selector = encoded("labelSelector", &format!("{label}={value}"));
        Selection { plural, kind, path, selector, only: None }
    }

    /// The list's path and query.
    pub(crate) fn list(&self) -> String {
        format!("{}?{}", self.path, self.selector)
    }

    /// Asks once for what there is.
    ///
    /// # Errors
    /// When the answer is no, none, or no such list.
    pub(crate) async fn listed(&self, cluster: &Cluster) -> Result<Value, ClusterError> {
        let (what, expected) = (format!("list {}", self.plural), Expected::List { kind: self.kind });
        cluster.ask(&what, http::Method::GET, &self.list(), None, expected).await
    }

    /// Whether an object is one of these, as far as its name says.
    fn is_wanted(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == name)
    }
}

fn encoded(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

/// What a collection tells, and whom.
pub(crate) struct Observer<T> {
    pub cluster: Arc<Cluster>,
    pub selection: Selection,
    pub changes: mpsc::Sender<T>,
    /// Makes one out of a change.
    pub tell: fn(Change) -> T,
    /// Is told whether changes are seen when they happen, as far as is known.
    pub sees: watch::Sender<bool>,
}

/// Why a watch ended.
enum End {
    /// Nothing is known by it.
    Ended,
    /// The version that it began at is forgotten.
    Forgotten,
    Broken(ClusterError),
    /// Nobody listens any more.
    Unheard,
}

/// What went wrong in a row with one kind of question.
#[derive(Debug, Default)]
struct Row {
    failures: u32,
    /// Whether the question was ever answered: what was allowed once will be allowed again.
    was_answered: bool,
    is_told: bool,
}

impl Row {
    fn answered(&mut self) {
        self.failures = 0;
        self.was_answered = true;
    }
}

/// What is known between two questions.
#[derive(Debug, Default)]
struct Course {
    known: BTreeSet<String>,
    lists: Row,
    watches: Row,
    /// Watches in a row that brought nothing.
    idle: u32,
    /// Versions in a row that were forgotten.
    forgotten: u32,
}

impl<T> Observer<T> {
    /// Tells of all changes from a version on, or from a list on, as long as somebody listens.
    pub(crate) async fn observe(self, mut version: Option<String>) {
        let mut course = Course::default();
        loop {
            let from = match version.take() {
                Some(version) => version,
                None => match self.list(&mut course).await {
                    Ok(Some(version)) => version,
                    Ok(None) => return,
                    Err(error) => {
                        self.failed("list", &mut course.lists, &error).await;
                        continue;
                    }
                },
            };
            let mut at = from.clone();
            let end = self.watch(&mut at, &mut course).await;
            let is_idle = at == from;
            match end {
                End::Unheard => return,
                End::Forgotten => {
                    course.forgotten += 1;
                    if course.forgotten > 1 {
                        sleep(self.cluster.pace().after(course.forgotten - 1)).await;
                    }
                }
                End::Ended if is_idle => {
                    course.idle += 1;
                    sleep(self.cluster.pace().after(course.idle)).await;
                    version = Some(at).filter(|_| course.idle % IDLE_AT_MOST > 0);
                }
                End::Ended => version = Some(at),
                End::Broken(error) => {
                    // After a cut nothing is missing; whoever answers something else may have lost what came before, too.
                    version = Some(at).filter(|_| matches!(error, ClusterError::Network { .. }));
                    self.failed("watch", &mut course.watches, &error).await;
                }
            }
            if !is_idle {
                (course.idle, course.forgotten) = (0, 0);
            }
        }
    }

    /// Tells of a failure, and waits for as long as it takes.
    async fn failed(&self, verb: &str, row: &mut Row, error: &ClusterError) {
        row.failures += 1;
        // Watches are cut all the time.
        if row.failures == 1 && verb == "watch" && matches!(error, ClusterError::Network { .. }) {
            return;
        }
        self.sees.send_replace(false);
        if error.code() == Some(403) && !row.was_answered {
            if !std::mem::replace(&mut row.is_told, true) {
                let what = format!("{verb}ing {}", self.selection.plural);
                let warning = Warning::Degraded { what, why: error.why() };
                self.cluster.events().send(BuildEvent::Warned(warning)).await;
            }
            return sleep(self.cluster.pace().after(row.failures)).await;
        }
        self.cluster.wait(&format!("{verb} {}", self.selection.plural), row.failures, None, error).await;
    }

    /// Tells what there is now. Returns its version; `None` when nobody listens.
    async fn list(&self, course: &mut Course) -> Result<Option<String>, ClusterError> {
        let mut list = self.selection.listed(&self.cluster).await?;
        course.lists.answered();
        let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
        let items = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let is_wanted = |item: &Value| name_of(item).is_some_and(|name| self.selection.is_wanted(&name));
        let items: Vec<Value> = items.into_iter().filter(is_wanted).collect();
        let names: BTreeSet<String> = items.iter().filter_map(name_of).collect();
        if self.selection.only.is_some() && names.is_empty() {
            // That the only one is gone is said by nothing but itself.
            self.sees.send_replace(false);
            return Ok(Some(version));
        }
        let gone: Vec<String> = course.known.difference(&names).cloned().collect();
        course.known = names;
        for change in items.into_iter().map(Change::Seen).chain(gone.into_iter().map(Change::Gone)) {
            if self.changes.send((self.tell)(change)).await.is_err() {
                return Ok(None);
            }
        }
        Ok(Some(version))
    }

    async fn watch(&self, version: &mut String, course: &mut Course) -> End {
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
        // Who has nothing to tell yet sees all the same.
        let mut is_open = false;
        loop {
            let bytes = tokio::select! {
                () = self.changes.closed() => return End::Unheard,
                next = timeout(if is_open { SILENT } else { OPEN_AFTER }, body.next()) => match next {
                    Ok(Some(Ok(bytes))) => bytes,
                    Ok(Some(Err(error))) => return End::Broken(error),
                    Ok(None) if !held.is_empty() => return self.malformed(&beginning(&held)),
                    Ok(None) => return End::Ended,
                    Err(_) if !is_open => {
                        is_open = true;
                        self.answered(course).await;
                        continue;
                    }
                    Err(_) => return End::Ended,
                },
            };
            held.extend_from_slice(&bytes);
            let mut start = 0;
            while let Some(end) = memchr(b'\n', &held[start..]) {
                let line = &held[start..start + end];
                start += end + 1;
                if let Some(end) = self.event(line, version, &mut course.known).await {
                    return end;
                }
                is_open = true;
                self.answered(course).await;
            }
            held.drain(..start);
            if held.len() > LONGEST {
                return self.malformed(&format!("an event is larger than {} MiB", LONGEST >> 20));
            }
        }
    }

    fn malformed(&self, why: &str) -> End {
        let what = format!("watch {}", self.selection.plural);
        End::Broken(ClusterError::Malformed { what, why: why.to_owned() })
    }

    /// The server answers as it should: what went wrong before is over.
    async fn answered(&self, course: &mut Course) {
        course.watches.answered();
        self.sees.send_replace(true);
        self.cluster.answers_again().await;
    }

    /// Takes one event. Returns why the watch is over, if it is.
    async fn event(&self, line: &[u8], version: &mut String, known: &mut BTreeSet<String>) -> Option<End> {
        let Ok(mut event) = serde_json::from_slice::<Value>(line) else {
            return Some(self.malformed(&beginning(line)));
        };
        let object = event.get_mut("object").map(Value::take).unwrap_or_default();
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind == "ERROR" {
            return Some(self.ended_by(&object));
        }
        if object.get("kind").and_then(Value::as_str) != Some(self.selection.kind) {
            return Some(self.malformed(&format!("no event of a {}: {}", self.selection.kind, beginning(line))));
        }
        if let Some(at) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
            at.clone_into(version);
        }
        let change = match (kind, name_of(&object).filter(|name| self.selection.is_wanted(name))) {
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

    /// What the object of an event means that says that the watch is over.
    fn ended_by(&self, status: &Value) -> End {
        let text = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let code = status.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
        if code == 410 {
            return End::Forgotten;
        }
        let what = format!("watch {}", self.selection.plural);
        let (message, reason) = (text("message"), text("reason"));
        End::Broken(ClusterError::Refused { what, code, message, reason, by_api: true })
    }
}

fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).trim().to_owned()
}

fn name_of(object: &Value) -> Option<String> {
    object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned)
}
