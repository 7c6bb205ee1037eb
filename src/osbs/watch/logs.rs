//! Following one container's log until there is no more of it, whatever happens to connections.
//!
//! The end of a body says nothing: the API server ends it as cleanly when its connection to the node breaks as when the container
//! ends. So a log is at its end only when a connection that was begun *after* the container had ended has ended.

pub(crate) mod decoder;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::StatusCode;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::looks::GIVE_UP_AFTER;
use crate::backoff::Backoff;
use crate::event::{BuildEvent, LogId, Retry, Warning};
use crate::log_lines::Tail;
use crate::osbs::cluster::Cluster;
use crate::osbs::error::ClusterError;
use decoder::{Decoded, Decoder, Special};

/// How long an unfinished line is waited for before it is shown as it is.
const QUIET: Duration = Duration::from_millis(500);
/// A connection that brought nothing for so long is made anew: it may be dead without anybody having said so.
const SILENT: Duration = Duration::from_secs(300);
/// The same when the container has ended: everything it wrote is there.
const SILENT_AT_THE_END: Duration = Duration::from_secs(2);
/// Waits between questions for a log that is not there yet, or not any more.
const WAITS: Backoff = Backoff::doubling(Duration::from_millis(200), Duration::from_secs(5));
/// How long after a log's clean end the news that its container has ended is waited for.
const NEWS_WITHIN: Duration = Duration::from_secs(1);
/// How many of a log's last lines are remembered, for the case that it tells why a build failed.
const REMEMBERED: usize = 20;
/// How often a log is asked for in vain after its container has ended. With the waits in between that takes a minute of the server's
/// time; the time that a slow reader takes does not count.
const LAST_TRIES: u32 = 6;
/// The same where the server says that its pod is not there.
const GONE_TRIES: u32 = 3;
/// How often a log is asked for in vain that may not be read, before it is taken for granted that none may be.
const FORBIDDEN_TRIES: u32 = 3;

/// How far a container is, as its pod or TaskRun says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It has not begun.
    Waiting,
    Running,
    Ended,
    /// Its pod is gone.
    Gone,
}

/// What a log was about, besides what was shown of it.
#[derive(Debug)]
pub(crate) struct Followed {
    pub log: Arc<LogId>,
    /// The pod and the container that wrote it.
    pub container: (String, String),
    /// Its last lines, oldest first.
    pub tail: Vec<String>,
    /// Whether it was read to its end.
    pub is_whole: bool,
}

/// Whether the logs of a run may be read, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct Readable {
    was_read: AtomicBool,
    is_told: AtomicBool,
}

/// One container's log.
pub(crate) struct Follower {
    pub cluster: Arc<Cluster>,
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
    pub specials: mpsc::Sender<Special>,
    /// What is known of the right to read logs.
    pub readable: Arc<Readable>,
}

/// How a connection ended.
enum End {
    /// The body ended.
    Clean,
    /// It brought nothing for too long.
    Silent,
    /// The connection broke or was not made; or the server said that it cannot say.
    Broken(ClusterError),
    /// There is no log yet.
    NotYet(ClusterError),
    /// There is none any more.
    Gone(ClusterError),
    /// Nobody listens any more.
    Unheard,
}

/// Connections in a row that brought nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Vain {
    all: u32,
    /// Those that were begun after the container had ended.
    late: u32,
    /// Whether the one before ended cleanly.
    after_clean: bool,
}

/// What is to be done after a connection.
enum Verdict {
    Again,
    /// That was all there is.
    Whole,
    /// No more of it will come; why, if that is to be told.
    Given(Option<String>),
}

impl Follower {
    /// Follows the log to its end.
    pub(crate) async fn follow(mut self) -> Followed {
        let mut reading = Reading { decoder: Decoder::default(), offset: 0, tail: Tail::of(KEPT) };
        let mut vain = Vain::default();
        let is_whole = loop {
            let stage_before = *self.stage.borrow();
            let offset = reading.offset;
            let end = self.connection(&mut reading).await;
            if reading.offset > offset {
                vain = Vain::default();
            }
            match self.verdict(&end, stage_before, vain) {
                Verdict::Whole => break true,
                Verdict::Given(why) => {
                    if let Some(why) = why {
                        self.cannot_be_read(why).await;
                    }
                    break false;
                }
                Verdict::Again => {}
            }
            vain.all += 1;
            vain.late += u32::from(stage_before >= Stage::Ended);
            vain.after_clean = matches!(end, End::Clean);
            self.pause(&end, vain).await;
        };
        self.finish(reading, is_whole).await
    }

    fn verdict(&self, end: &End, stage_before: Stage, vain: Vain) -> Verdict {
        let has_ended = stage_before >= Stage::Ended;
        let is_last = has_ended && vain.late >= LAST_TRIES;
        match end {
            End::Clean if has_ended => Verdict::Whole,
            End::Unheard => Verdict::Given(None),
            // A pod that was removed after its log had ended takes nothing along.
            End::Gone(_) if stage_before == Stage::Gone && vain.after_clean => Verdict::Given(None),
            End::Gone(error) if stage_before == Stage::Gone => Verdict::Given(Some(error.why())),
            End::Gone(error) if vain.late >= GONE_TRIES || vain.all >= GIVE_UP_AFTER => {
                Verdict::Given(Some(error.why()))
            }
            End::NotYet(error) if is_last => Verdict::Given(Some(error.why())),
            End::Silent if is_last => Verdict::Given(Some("the server brings no more of it".to_owned())),
            End::Broken(error) if error.code() == Some(403) && !self.readable.was_read.load(Ordering::Relaxed) => {
                self.is_forbidden(error, vain)
            }
            End::Broken(error) if is_last || vain.all >= GIVE_UP_AFTER => Verdict::Given(Some(error.why())),
            End::Clean | End::Silent | End::Broken(_) | End::NotYet(_) | End::Gone(_) => Verdict::Again,
        }
    }

    /// Who may not read one log may read none: that is told once.
    fn is_forbidden(&self, error: &ClusterError, vain: Vain) -> Verdict {
        if self.readable.is_told.load(Ordering::Relaxed) {
            return Verdict::Given(None);
        }
        if vain.all < FORBIDDEN_TRIES {
            return Verdict::Again;
        }
        self.readable.is_told.store(true, Ordering::Relaxed);
        Verdict::Given(Some(error.why()))
    }

    /// Waits before the next connection: not at all, or for news, where the last one ended in the middle.
    async fn pause(&mut self, end: &End, vain: Vain) {
        let delay = WAITS.after(vain.all);
        match end {
            End::Clean => {
                let news = self.stage.wait_for(|stage| *stage >= Stage::Ended);
                let _ = timeout(NEWS_WITHIN.min(delay.saturating_mul(2)), news).await;
            }
            End::Broken(error) if vain.all > 1 => {
                let operation = format!("reading {}", self.log.name);
                let delay = self.cluster.pace().after(vain.all - 1);
                self.cluster.tell(Retry { operation, attempt: vain.all, of: None, delay, why: error.why() }).await;
                tokio::time::sleep(delay).await;
            }
            End::Silent if vain.late > 1 => tokio::time::sleep(self.cluster.pace().after(vain.late)).await,
            End::Broken(_) | End::Silent => {}
            End::NotYet(_) | End::Gone(_) | End::Unheard => {
                let _ = timeout(delay, self.stage.changed()).await;
            }
        }
    }

    async fn connection(&mut self, reading: &mut Reading) -> End {
        let since = reading.decoder.begin();
        let path = self.path(since.as_deref(), reading.offset);
        let cluster = Arc::clone(&self.cluster);
        // A node sends the head of its answer with the first byte of the log: a container that is silent looks like a dead server.
        let answer = tokio::select! {
            biased;
            answer = cluster.stream_from_silence("get pods/log", &path) => answer,
            () = silence(&mut self.stage) => return End::Silent,
        };
        let (status, body) = match answer {
            Ok(answer) => answer,
            Err(error) => return why_not(error),
        };
        if status == StatusCode::NO_CONTENT {
            let (what, why) = ("get pods/log".to_owned(), "there is no log of it".to_owned());
            return End::NotYet(ClusterError::Malformed { what, why });
        }
        self.readable.was_read.store(true, Ordering::Relaxed);
        let mut body = pin!(body);
        let mut is_quiet = false;
        loop {
            let mut decoded = Decoded::default();
            tokio::select! {
                biased;
                next = body.next() => match next {
                    Some(Ok(bytes)) => {
                        is_quiet = false;
                        reading.decoder.feed(&bytes, &mut decoded);
                    }
                    Some(Err(error)) => return End::Broken(error),
                    None => return End::Clean,
                },
                () = tokio::time::sleep(QUIET), if !is_quiet && reading.decoder.is_holding() => {
                    is_quiet = true;
                    reading.decoder.hand_on_held(&mut decoded);
                }
                // A new connection costs little; a dead one would cost the rest of the log.
                () = silence(&mut self.stage) => return End::Silent,
                () = cluster.events().closed() => return End::Unheard,
            }
            self.hand_on(reading, decoded).await;
            if cluster.events().is_closed() {
                return End::Unheard;
            }
            cluster.answers_again().await;
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
            let _ = self.specials.send(special).await;
        }
        if decoded.text.is_empty() {
            return;
        }
        reading.tail.take(&decoded.text);
        let bytes = Bytes::from(decoded.text);
        let offset = reading.offset;
        reading.offset += bytes.len() as u64;
        if self.is_shown {
            self.cluster.events().send(BuildEvent::LogAppended { log: Arc::clone(&self.log), offset, bytes }).await;
        }
    }

    async fn finish(self, mut reading: Reading, is_whole: bool) -> Followed {
        let mut decoded = Decoded::default();
        reading.decoder.hand_on_held(&mut decoded);
        self.hand_on(&mut reading, decoded).await;
        if self.is_shown {
            self.cluster.events().send(BuildEvent::LogClosed { log: Arc::clone(&self.log) }).await;
        }
        Followed {
            tail: reading.tail.lines(REMEMBERED),
            log: self.log,
            container: (self.pod, self.container),
            is_whole,
        }
    }

    async fn cannot_be_read(&self, why: String) {
        let what = match self.readable.is_told.load(Ordering::Relaxed) {
            true => "reading logs".to_owned(),
            false => format!("reading {} to its end", self.log.name),
        };
        self.cluster.events().send(BuildEvent::Warned(Warning::Degraded { what, why })).await;
    }
}

/// Completes when nothing has come for so long that nothing will.
async fn silence(stage: &mut watch::Receiver<Stage>) {
    // Who tells of stages is there as long as logs are followed.
    let ended = async {
        if stage.wait_for(|stage| *stage >= Stage::Ended).await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SILENT_AT_THE_END).await;
    };
    let _ = timeout(SILENT, ended).await;
}

/// What a refusal means.
fn why_not(error: ClusterError) -> End {
    match &error {
        // "container … is waiting to start: PodInitializing"
        ClusterError::Refused { code: 400, .. } => End::NotYet(error),
        ClusterError::Refused { code: 404, .. } => End::Gone(error),
        _ => End::Broken(error),
    }
}

/// How far a log has been read.
struct Reading {
    decoder: Decoder,
    /// How much of it was handed on.
    offset: u64,
    /// The end of it.
    tail: Tail,
}

/// How much of a log's end is kept to find its last lines in.
const KEPT: usize = 8 * 1024;
