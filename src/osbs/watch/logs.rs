//! Following one container's log until there is no more of it, whatever happens to connections.
//!
//! The end of a body says nothing: the API server ends it as cleanly when its connection to the node breaks as when the container
//! ends. So a log is at its end only when a connection that was begun *after* the container had ended has ended.

pub mod decoder;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::StatusCode;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::event::{BuildEvent, LogId, Retry};
use crate::osbs::cluster::Cluster;
use crate::osbs::error::ClusterError;
use decoder::{Decoded, Decoder, Special};

/// How long an unfinished line is waited for before it is shown as it is.
const QUIET: Duration = Duration::from_millis(500);
/// A connection that brought nothing for so long is made anew: it may be dead without anybody having said so.
const SILENT: Duration = Duration::from_secs(300);
/// Waits between questions for a log that is not there yet, or cannot be had.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long after a log's clean end the news that its container has ended is waited for.
const NEWS_WITHIN: Duration = Duration::from_secs(1);
/// How many of a log's last lines are remembered, for the case that it tells why a build failed.
const REMEMBERED: usize = 20;
/// How often a log is asked for in vain after its container has ended.
const LAST_TRIES: u32 = 5;

/// How far a container is, as its pod or TaskRun says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has not begun.
    Waiting,
    /// It runs.
    Running,
    /// It has ended.
    Ended,
    /// Its pod is gone.
    Gone,
}

/// What a log was about, besides what was shown of it.
#[derive(Debug)]
pub struct Followed {
    /// Which log.
    pub log: Arc<LogId>,
    /// Its last lines, oldest first.
    pub tail: Vec<String>,
}

/// One container's log.
pub struct Follower {
    /// The server.
    pub cluster: Arc<Cluster>,
    /// The pod.
    pub pod: String,
    /// The container in it.
    pub container: String,
    /// Its name in the build.
    pub log: Arc<LogId>,
    /// Whether what it says is shown.
    pub is_shown: bool,
    /// Show only so many lines of what is there at first.
    pub tail: Option<u64>,
    /// How far the container is.
    pub stage: watch::Receiver<Stage>,
    /// Where messages go that are found in the log.
    pub specials: mpsc::UnboundedSender<Special>,
}

/// How a connection ended.
enum End {
    /// The body ended.
    Clean,
    /// The connection broke, went silent, or was not made; or the server said that it cannot say.
    Broken(ClusterError),
    /// There is no log yet.
    NotYet,
    /// There is none any more.
    Gone,
    /// Nobody listens any more.
    Unheard,
}

impl Follower {
    /// Follows the log to its end.
    pub async fn follow(mut self) -> Followed {
        let mut reading = Reading { decoder: Decoder::default(), offset: 0, last: Vec::new() };
        let mut attempt = 0;
        loop {
            let stage_before = *self.stage.borrow();
            let offset = reading.offset;
            let end = self.connection(&mut reading).await;
            if reading.offset > offset {
                attempt = 0;
            }
            let is_over = match &end {
                End::Clean => stage_before >= Stage::Ended,
                End::Gone => stage_before >= Stage::Ended || attempt >= LAST_TRIES,
                End::NotYet => stage_before >= Stage::Ended && attempt >= LAST_TRIES,
                End::Broken(error) => !error.is_transient() || (stage_before == Stage::Gone && attempt >= LAST_TRIES),
                End::Unheard => true,
            };
            if let (End::Broken(error), true) = (&end, is_over) {
                self.cannot_be_read(error).await;
            }
            if is_over {
                break;
            }
            attempt += 1;
            self.pause(&end, attempt).await;
        }
        self.finish(reading).await
    }

    /// Waits before the next connection: not at all, or for news, where the last one ended in the middle.
    async fn pause(&mut self, end: &End, attempt: u32) {
        let delay = WAITS.0.saturating_mul(1 << attempt.min(10)).min(WAITS.1);
        match end {
            End::Clean => {
                let news = self.stage.wait_for(|stage| *stage >= Stage::Ended);
                let _ = timeout(NEWS_WITHIN.min(delay.saturating_mul(2)), news).await;
            }
            End::Broken(error) if attempt > 1 => {
                let operation = format!("reading {}", self.log.name);
                let retry = Retry { operation, attempt, of: None, delay, why: error.why() };
                self.cluster.events().send(BuildEvent::Retrying(retry)).await;
                tokio::time::sleep(delay).await;
            }
            End::Broken(_) => {}
            End::NotYet | End::Gone | End::Unheard => {
                let _ = timeout(delay, self.stage.changed()).await;
            }
        }
    }

    async fn connection(&self, reading: &mut Reading) -> End {
        let since = reading.decoder.begin();
        let path = self.path(since.as_deref(), reading.offset);
        let (status, body) = match self.cluster.stream("get pods/log", &path).await {
            Ok(answer) => answer,
            Err(error) => return why_not(error),
        };
        if status == StatusCode::NO_CONTENT {
            return End::NotYet;
        }
        let mut body = pin!(body);
        let mut last_bytes = Instant::now();
        loop {
            let patience = if reading.decoder.is_holding() { QUIET } else { SILENT };
            match timeout(patience, body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    last_bytes = Instant::now();
                    let mut decoded = Decoded::default();
                    reading.decoder.feed(&bytes, &mut decoded);
                    self.hand_on(reading, decoded).await;
                }
                Ok(Some(Err(error))) => return End::Broken(error),
                Ok(None) => return End::Clean,
                Err(_) if reading.decoder.is_holding() => {
                    let mut decoded = Decoded::default();
                    reading.decoder.hand_on_held(&mut decoded);
                    self.hand_on(reading, decoded).await;
                }
                // A new connection costs little; a dead one would cost the rest of the log.
                Err(_) if last_bytes.elapsed() >= SILENT => return End::Clean,
                Err(_) => {}
            }
            if self.cluster.events().is_closed() {
                return End::Unheard;
            }
        }
    }

    fn path(&self, since: Option<&str>, offset: u64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("container", &self.container).append_pair("follow", "true").append_pair("timestamps", "true");
        if let Some(since) = since {
            query.append_pair("sinceTime", since);
        }
        if let Some(tail) = self.tail.filter(|_| offset == 0) {
            query.append_pair("tailLines", &tail.to_string());
        }
        format!("/api/v1/namespaces/{}/pods/{}/log?{}", self.cluster.namespace(), self.pod, query.finish())
    }

    async fn hand_on(&self, reading: &mut Reading, decoded: Decoded) {
        for special in decoded.specials {
            let _ = self.specials.send(special);
        }
        if decoded.text.is_empty() {
            return;
        }
        reading.remember(&decoded.text);
        let bytes = Bytes::from(decoded.text);
        let offset = reading.offset;
        reading.offset += bytes.len() as u64;
        if self.is_shown {
            self.cluster.events().send(BuildEvent::LogAppended { log: Arc::clone(&self.log), offset, bytes }).await;
        }
    }

    async fn finish(self, mut reading: Reading) -> Followed {
        let mut decoded = Decoded::default();
        reading.decoder.hand_on_held(&mut decoded);
        self.hand_on(&mut reading, decoded).await;
        if self.is_shown {
            self.cluster.events().send(BuildEvent::LogClosed { log: Arc::clone(&self.log) }).await;
        }
        Followed { tail: reading.tail(), log: self.log }
    }

    async fn cannot_be_read(&self, error: &ClusterError) {
        let what = format!("reading {}", self.log.name);
        let warning = crate::event::Warning::Degraded { what, why: error.why() };
        self.cluster.events().send(BuildEvent::Warned(warning)).await;
    }
}

/// What a refusal means.
fn why_not(error: ClusterError) -> End {
    match &error {
        // "container … is waiting to start: PodInitializing"
        ClusterError::Refused { code: 400, .. } => End::NotYet,
        ClusterError::Refused { code: 404, .. } => End::Gone,
        _ => End::Broken(error),
    }
}

/// How far a log has been read.
struct Reading {
    decoder: Decoder,
    /// How much of it was handed on.
    offset: u64,
    /// The end of it, as bytes.
    last: Vec<u8>,
}

/// How much of a log's end is kept to find its last lines in.
const KEPT: usize = 8 * 1024;

impl Reading {
    fn remember(&mut self, text: &[u8]) {
        let text = &text[text.len().saturating_sub(KEPT)..];
        let surplus = (self.last.len() + text.len()).saturating_sub(KEPT);
        self.last.drain(..surplus.min(self.last.len()));
        self.last.extend_from_slice(text);
    }

    fn tail(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.last);
        let lines: Vec<&str> = text.lines().collect();
        // The first may be the rest of a line.
        let whole = if self.last.len() == KEPT { lines.get(1..).unwrap_or_default() } else { &lines };
        whole[whole.len().saturating_sub(REMEMBERED)..].iter().map(|line| (*line).to_owned()).collect()
    }
}
