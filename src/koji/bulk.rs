//! Reading long logs as files below `topurl`, by HTTP range: no load on the hub, and no base64.
//!
//! A mirror may lag behind the hub, or not have the file at all. Then this says so and the calls do the work.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, StatusCode};
use tokio::task::{AbortHandle, Id, JoinSet};

use super::logs::{Logs, Piece};
use super::outcome::HubLinks;
use crate::event::{BuildEvent, EventSender};
use crate::http::{self, ClientOptions};

/// How long the beginning of an answer is waited for. Behind a firewall that drops everything it would take half a minute to
/// learn what the calls could have told at once.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);

/// The files that are being read, beside the polls, and whether that works at all.
pub(crate) struct Bulk {
    links: HubLinks,
    options: ClientOptions,
    events: EventSender,
    /// Made when it is first needed.
    client: Option<Client>,
    usable: bool,
    reads: JoinSet<Result<u64, BulkError>>,
    pieces: HashMap<Id, (Piece, AbortHandle)>,
}

/// A file could not be read to the end.
#[derive(Debug, Default)]
pub(crate) struct BulkError {
    /// How many bytes were read and told before that.
    pub read: u64,
    pub why: String,
}

impl Bulk {
    /// Reads below the `topurl` of `links` and tells what there is to `events`; without one nothing is ever read.
    pub(crate) fn new(links: HubLinks, options: ClientOptions, events: EventSender) -> Bulk {
        let usable = links.topurl.is_some();
        Bulk { links, options, events, client: None, usable, reads: JoinSet::new(), pieces: HashMap::new() }
    }

    /// Begins to read what is long, and leaves off what is no longer wanted.
    pub(crate) fn begin(&mut self, logs: &mut Logs) {
        for (piece, handle) in self.pieces.values() {
            if !logs.is_reading(piece) {
                handle.abort();
            }
        }
        if !self.usable {
            return;
        }
        for piece in logs.bulk() {
            match (self.client(), self.links.log_file(piece.task, &piece.log)) {
                (Some(client), Some(url)) => {
                    let read = read(client, url, piece.clone(), self.events.clone());
                    let handle = self.reads.spawn(read);
                    self.pieces.insert(handle.id(), (piece, handle));
                }
                _ => {
                    logs.advanced(&piece, 0);
                    self.usable = false;
                }
            }
        }
    }

    /// Completes when a file was read, or cannot be; never when there is none. Returns whether there was something in it.
    pub(crate) async fn ended(&mut self, logs: &mut Logs) -> bool {
        let Some(ended) = self.reads.join_next_with_id().await else { return std::future::pending().await };
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) => (error.id(), Err(BulkError::default())),
        };
        let Some((piece, _)) = self.pieces.remove(&id) else { return false };
        let count = match result {
            Ok(count) => count,
            Err(BulkError { read, why }) => {
                tracing::debug!(why, read, "reading a log as a file failed");
                // One that was left off says nothing about the others.
                self.usable &= read > 0 || !logs.is_reading(&piece);
                read
            }
        };
        logs.advanced(&piece, count);
        count > 0
    }

    fn client(&mut self) -> Option<Client> {
        if self.client.is_none() {
            self.client = http::client(&self.options).ok();
        }
        self.client.clone()
    }
}

/// Reads a piece and tells it. Returns how many bytes there were; fewer than asked for when the file ends early.
async fn read(client: Client, url: String, piece: Piece, events: EventSender) -> Result<u64, BulkError> {
    let failed = |read: u64, why: String| BulkError { read, why };
    let range = format!("bytes={}-{}", piece.offset, piece.offset + piece.size - 1);
    let request = client.get(&url).header(RANGE, range).send();
    let Ok(request) = tokio::time::timeout(BEGINS_WITHIN, request).await else {
        return Err(failed(0, "no answer".to_owned()));
    };
    let mut response = request.map_err(|error| failed(0, http::chain(&error)))?;
    if response.status() != StatusCode::PARTIAL_CONTENT || !begins_at(&response, piece.offset) {
        return Err(failed(0, format!("a range is answered with HTTP status {}", response.status().as_u16())));
    }
    let mut read = 0;
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) if read == 0 => return Err(failed(0, "it is empty there".to_owned())),
            Ok(None) => return Ok(read),
            Err(error) => return Err(failed(read, http::chain(&error))),
        };
        let room = usize::try_from(piece.size - read).unwrap_or(usize::MAX);
        let bytes = chunk.slice(..chunk.len().min(room));
        if bytes.is_empty() {
            return Ok(read);
        }
        let offset = piece.offset + read;
        read += bytes.len() as u64;
        events.send(BuildEvent::LogAppended { log: piece.log.clone(), offset, bytes }).await;
    }
}

/// Whether the answer's `Content-Range` begins where it was asked to.
fn begins_at(response: &reqwest::Response, offset: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.trim().parse::<u64>().ok());
    first == Some(offset)
}
