//! Logs of containers, as kubelets give them through the API server.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, header};
use bytes::Bytes;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Shared;
use super::answers::{bad_request, invalid, not_found, status};
use super::server::Query;
use super::state::{Collection, Log, State};

/// How much is sent at a time.
const PIECE: usize = 256 * 1024;

/// `GET …/pods/POD/log`.
pub(super) fn answer(shared: &Arc<Shared>, pods: &Collection, pod: &str, query: &Query) -> Response<Body> {
    match reading(shared, pods, pod, query) {
        Ok(Some(reading)) => {
            let body = stream::unfold(reading, |mut reading| async move {
                Some((Ok::<Bytes, std::io::Error>(reading.more().await?), reading))
            });
            let answer = Response::builder().header(header::CONTENT_TYPE, "text/plain");
            answer.body(Body::from_stream(body)).expect("an answer")
        }
        Ok(None) => Response::builder().status(204).body(Body::empty()).expect("an answer"),
        Err(refusal) => refusal,
    }
}

/// What is to be read; `None` for a pod without a node.
fn reading(
    shared: &Arc<Shared>,
    pods: &Collection,
    pod: &str,
    query: &Query,
) -> Result<Option<Reading>, Response<Body>> {
    let options = Options::of(query, pod)?;
    let changed = shared.changed();
    shared.read(|state| {
        let object = state.get(pods, pod).ok_or_else(|| not_found(pods, pod))?;
        let container = container(object, query.get("container").unwrap_or_default(), pod)?;
        if object["spec"]["nodeName"].is_null() {
            return Ok(None);
        }
        if state.misbehaviour.nodes_are_down {
            let address = format!("https://127.0.0.1:10250/containerLogs/{}/{pod}/{container}", pods.namespace);
            let why = "dial tcp 127.0.0.1:10250: connect: connection refused";
            return Err(status(500, "", &format!("Get \"{address}\": {why}"), Value::Null));
        }
        has_begun(object, &container, pod)?;
        let key = (pod.to_owned(), container);
        let lines = state.logs.get(&key).map_or(0, |log| log.lines.len());
        let next = options.tail.map_or(0, |tail| lines.saturating_sub(tail));
        let (cuts, mutes) = (state.misbehaviour.cut_logs, state.misbehaviour.mute_logs);
        let (shared, pods) = (Arc::clone(shared), pods.clone());
        Ok(Some(Reading { shared, pods, key, left: options.limit, options, next, sent: 0, cuts, mutes, changed }))
    })
}

/// What is wanted of a log.
#[derive(Debug, Clone)]
struct Options {
    follow: bool,
    with_stamps: bool,
    /// Cut to whole seconds, as the API server hands it on.
    since: Option<String>,
    tail: Option<usize>,
    limit: usize,
}

impl Options {
    fn of(query: &Query, pod: &str) -> Result<Options, Response<Body>> {
        let refuse = |field: &str, why: &str| {
            let details = json!({"name": pod, "kind": "PodLogOptions"});
            Err(invalid("PodLogOptions", pod, details, field, why))
        };
        let time = query.get("sinceTime").filter(|text| !text.is_empty());
        let time = time.map(|text| text.parse::<Timestamp>().map_err(|_| unreadable_time(text))).transpose()?;
        let seconds = query.number("sinceSeconds")?;
        let (tail, limit) = (query.number("tailLines")?, query.number("limitBytes")?);
        if let Some(tail) = tail.filter(|tail| *tail < 0) {
            return refuse("tailLines", &format!("Invalid value: {tail}: must be greater than or equal to 0"));
        }
        if let Some(limit) = limit.filter(|limit| *limit < 1) {
            return refuse("limitBytes", &format!("Invalid value: {limit}: must be greater than 0"));
        }
        match (time, seconds) {
            (Some(_), Some(_)) => {
                return refuse("[]", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified");
            }
            (_, Some(seconds)) if seconds < 1 => {
                return refuse("sinceSeconds", &format!("Invalid value: {seconds}: must be greater than 0"));
            }
            _ => {}
        }
        let since = time.or_else(|| seconds.map(|seconds| Timestamp::now() - SignedDuration::from_secs(seconds)));
        Ok(Options {
            follow: query.is("follow"),
            with_stamps: query.is("timestamps"),
            since: since.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string()),
            tail: tail.and_then(|tail| tail.try_into().ok()),
            limit: limit.and_then(|limit| limit.try_into().ok()).unwrap_or(usize::MAX),
        })
    }
}

fn unreadable_time(text: &str) -> Response<Body> {
    let layout = "2006-01-02T15:04:05Z07:00";
    bad_request(&format!("parsing time \"{text}\" as \"{layout}\": cannot parse \"{text}\" as \"2006\""))
}

/// The container that is meant: where none is named, the only one.
fn container(pod: &Value, wanted: &str, name: &str) -> Result<String, Response<Body>> {
    let named = |key: &str| -> Vec<String> {
        let list = pod["spec"][key].as_array().into_iter().flatten();
        list.filter_map(|container| container["name"].as_str().map(str::to_owned)).collect()
    };
    let containers = named("containers");
    if wanted.is_empty() {
        return match containers.as_slice() {
            [only] => Ok(only.clone()),
            several => {
                let choices = several.join(" ");
                let why = format!("a container name must be specified for pod {name}, choose one of: [{choices}]");
                Err(bad_request(&why))
            }
        };
    }
    if containers.iter().chain(&named("initContainers")).any(|known| known == wanted) {
        return Ok(wanted.to_owned());
    }
    Err(bad_request(&format!("container {wanted} is not valid for pod {name}")))
}

/// A container that waits has no log.
fn has_begun(pod: &Value, container: &str, name: &str) -> Result<(), Response<Body>> {
    let statuses = ["containerStatuses", "initContainerStatuses"].map(|key| pod["status"][key].as_array());
    let status = statuses.into_iter().flatten().flatten().find(|status| status["name"] == json!(container));
    let state = status.map(|status| &status["state"]);
    if state.is_some_and(|state| !state["running"].is_null() || !state["terminated"].is_null()) {
        return Ok(());
    }
    let why = match state.and_then(|state| state["waiting"]["reason"].as_str()) {
        Some("ErrImagePull") => "image can't be pulled",
        Some("ImagePullBackOff") => "trying and failing to pull image",
        Some(reason) => reason,
        None => "PodInitializing",
    };
    Err(bad_request(&format!("container \"{container}\" in pod \"{name}\" is waiting to start: {why}")))
}

/// A log that is being sent.
struct Reading {
    shared: Arc<Shared>,
    pods: Collection,
    /// Pod and container.
    key: (String, String),
    options: Options,
    /// The line to go on at, and how much of it was sent (without its stamp).
    next: usize,
    sent: usize,
    /// Bytes until the end, where that is near.
    left: usize,
    /// The counter when it began.
    cuts: u64,
    mutes: u64,
    changed: tokio::sync::watch::Receiver<u64>,
}

impl Reading {
    /// The next bytes; `None` at the end.
    async fn more(&mut self) -> Option<Bytes> {
        loop {
            let shared = Arc::clone(&self.shared);
            let (mut bytes, is_over) = shared.read(|state| self.take(state));
            bytes.truncate(self.left);
            self.left -= bytes.len();
            if !bytes.is_empty() {
                return Some(Bytes::from(bytes));
            }
            if is_over || self.left == 0 || !self.options.follow {
                return None;
            }
            let _ = self.changed.changed().await;
        }
    }

    /// What was written since, and whether that is all there will be.
    fn take(&mut self, state: &State) -> (Vec<u8>, bool) {
        if self.options.follow && state.misbehaviour.cut_logs != self.cuts {
            self.cuts = state.misbehaviour.cut_logs;
            self.left = self.left.min(state.misbehaviour.cut_logs_after);
        }
        let mut bytes = Vec::new();
        if self.options.follow && state.misbehaviour.mute_logs != self.mutes {
            return (bytes, false);
        }
        if self.left == 0 {
            return (bytes, true);
        }
        let Some(log) = state.logs.get(&self.key) else { return (bytes, true) };
        while bytes.len() < PIECE && self.line(&log.lines, &mut bytes) {}
        let pod_is_there = state.get(&self.pods, &self.key.0).is_some();
        (bytes, log.ended || !pod_is_there)
    }

    /// Takes a line, or what there is of it; whether it was a whole one.
    fn line(&mut self, lines: &[(String, Vec<u8>)], bytes: &mut Vec<u8>) -> bool {
        let Some((stamp, line)) = lines.get(self.next) else { return false };
        if self.options.since.as_ref().is_some_and(|since| &stamp[..since.len()] < since.as_str()) {
            self.next += 1;
            return true;
        }
        if self.sent == 0 && self.options.with_stamps {
            bytes.extend_from_slice(stamp.as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(&line[self.sent..]);
        self.sent = line.len();
        let is_whole = line.ends_with(b"\n");
        if is_whole {
            self.next += 1;
            self.sent = 0;
        }
        is_whole
    }
}

impl Log {
    /// Adds what a container writes; the last line may be unfinished.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) {
        let stamp = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string();
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            let (line, rest) = bytes.split_at(end);
            match self.lines.last_mut() {
                Some((_, last)) if !last.ends_with(b"\n") => last.extend_from_slice(line),
                _ => self.lines.push((stamp.clone(), line.to_vec())),
            }
            bytes = rest;
        }
    }
}
