//! Reading long logs as files below `topurl`, by HTTP range: no load on the hub, and no base64.
//!
//! A mirror may lag behind the hub, or not have the file at all. Then this says so and the calls do the work.

use std::cell::OnceCell;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, RANGE};

use super::logs::Piece;
use super::outcome::HubLinks;
use crate::event::{BuildEvent, EventSender};
use crate::http::{self, ClientOptions};

/// Where files are read, and whether that works.
pub struct Bulk {
    links: HubLinks,
    options: ClientOptions,
    /// Made when it is first needed; `None` when that did not work.
    client: OnceCell<Option<reqwest::Client>>,
    usable: bool,
}

/// A file could not be read to the end.
#[derive(Debug)]
pub struct BulkError {
    /// How many bytes were read and told before that.
    pub read: u64,
    /// Why.
    pub why: String,
}

impl Bulk {
    /// Reads below the `topurl` of `links`; without one nothing is ever read.
    pub fn new(links: HubLinks, options: ClientOptions) -> Bulk {
        let usable = links.topurl.is_some();
        Bulk { links, options, client: OnceCell::new(), usable }
    }

    /// Whether reading files is worth a try.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// It does not work here; do not try again.
    pub fn give_up(&mut self) {
        self.usable = false;
    }

    /// Reads a piece and tells it. Returns how many bytes there were; fewer than asked for when the file ends early.
    ///
    /// # Errors
    /// When the server has no such file, does not do ranges, or the connection breaks.
    pub async fn read(&self, piece: &Piece, events: &EventSender) -> Result<u64, BulkError> {
        let failed = |read: u64, why: String| BulkError { read, why };
        let client = self.client.get_or_init(|| http::client(&self.options).ok());
        let (Some(client), Some(url)) = (client, self.links.log_file(piece.task, &piece.log)) else {
            return Err(failed(0, "no topurl in the Koji profile".into()));
        };
        let range = format!("bytes={}-{}", piece.offset, piece.offset + piece.size - 1);
        let request = client.get(&url).header(RANGE, range).send().await;
        let mut response = request.map_err(|error| failed(0, format!("{url}: {}", http::chain(&error))))?;
        if response.status() != StatusCode::PARTIAL_CONTENT || !begins_at(&response, piece.offset) {
            return Err(failed(0, format!("{url} answers a range with HTTP status {}", response.status().as_u16())));
        }
        let mut read = 0;
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) if read == 0 => return Err(failed(0, format!("{url} is empty there"))),
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
}

/// Whether the answer's `Content-Range` begins where it was asked to.
fn begins_at(response: &reqwest::Response, offset: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.trim().parse::<u64>().ok());
    first == Some(offset)
}
