//! Logs of containers, as kubelets give them through the API server.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, header};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use super::server::{Query, not_found, status};
use super::state::{Collection, State};
use super::{Answer, Shared};

/// How much is sent at a time.
const PIECE: usize = 256 * 1024;

/// `GET …/pods/POD/log`.
pub fn answer(shared: &Arc<Shared>, pod: &str, query: &Query) -> Answer {
    let pods = Collection::new("", "pods");
    let Some(object) = shared.read(|state| state.get(&pods, pod).cloned()) else { return Ok(not_found(&pods, pod)) };
    let container = query.get("container").unwrap_or_default().to_owned();
    if object["spec"]["nodeName"].is_null() {
        return Ok(Response::builder().status(204).body(Body::empty()).expect("an answer"));
    }
    let has_begun = |list: &Value| {
        let statuses = list.as_array().cloned().unwrap_or_default();
        statuses.iter().any(|known| {
            known["name"] == json!(container)
                && (known["state"].get("running").is_some() || known["state"].get("terminated").is_some())
        })
    };
    if !has_begun(&object["status"]["containerStatuses"]) && !has_begun(&object["status"]["initContainerStatuses"]) {
        let message = format!("container \"{container}\" in pod \"{pod}\" is waiting to start: PodInitializing");
        return Ok(status(400, "BadRequest", &message, json!({})));
    }
    // The API server hands the time on in whole seconds.
    let since = query.get("sinceTime").map(|time| time.get(..19).unwrap_or(time).to_owned());
    let key = (pod.to_owned(), container);
    let reading = Reading {
        shared: Arc::clone(shared),
        key,
        with_stamps: query.is("timestamps"),
        follow: query.is("follow"),
        since,
        next: 0,
        sent: 0,
        cuts: shared.read(|state| state.cut_logs),
        changed: shared.changed(),
    };
    let mut reading = reading;
    if let Some(tail) = query.get("tailLines").and_then(|text| text.parse::<usize>().ok()) {
        reading.next =
            shared.read(|state| state.logs.get(&reading.key).map_or(0, |log| log.lines.len().saturating_sub(tail)));
    }
    let body = stream::unfold(reading, |mut reading| async move {
        Some((Ok::<Bytes, std::io::Error>(reading.more().await?), reading))
    });
    Ok(Response::builder().header(header::CONTENT_TYPE, "text/plain").body(Body::from_stream(body)).expect("an answer"))
}

struct Reading {
    shared: Arc<Shared>,
    key: (String, String),
    with_stamps: bool,
    follow: bool,
    since: Option<String>,
    /// The line to go on at, and how much of it was sent (without its stamp).
    next: usize,
    sent: usize,
    cuts: u64,
    changed: tokio::sync::watch::Receiver<u64>,
}

impl Reading {
    /// The next bytes; `None` at the end.
    async fn more(&mut self) -> Option<Bytes> {
        loop {
            let shared = Arc::clone(&self.shared);
            let (bytes, is_over) = shared.read(|state| self.take(state));
            if !bytes.is_empty() {
                return Some(Bytes::from(bytes));
            }
            if is_over || !self.follow {
                return None;
            }
            let _ = self.changed.changed().await;
        }
    }

    fn take(&mut self, state: &State) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        if state.cut_logs != self.cuts {
            return (bytes, true);
        }
        let Some(log) = state.logs.get(&self.key) else { return (bytes, true) };
        while let Some((stamp, line)) = log.lines.get(self.next) {
            let is_old = self.since.as_ref().is_some_and(|since| stamp[..19] < since[..19.min(since.len())]);
            if !is_old {
                if self.sent == 0 && self.with_stamps && !line.is_empty() {
                    bytes.extend_from_slice(stamp.as_bytes());
                    bytes.push(b' ');
                }
                bytes.extend_from_slice(&line[self.sent..]);
                self.sent = line.len();
            }
            if !line.ends_with(b"\n") && !is_old {
                break;
            }
            self.next += 1;
            self.sent = 0;
            if bytes.len() >= PIECE {
                break;
            }
        }
        let pod_is_there = state.get(&Collection::new("", "pods"), &self.key.0).is_some();
        (bytes, log.ended || !pod_is_there)
    }
}
