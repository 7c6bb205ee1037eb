//! One file over HTTP: attempts, ranges, redirects.
//!
//! What pycurl does for rpkg (`CGILookasideCache.download`) is kept: redirects are followed, no encoding is asked for, and a
//! server that sends less than 1000 bytes a second for a minute is given up. Different on purpose: five attempts in place
//! of one, each going on where the last one was cut; redirects to where nobody protects the file are refused.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::cache::{Complete, Finish, Partial};
use super::error::{FetchProblem, shown};
use super::{Download, FetchStep};
use crate::backoff::Backoff;
use crate::blocking::Work;
use crate::http::{self, Failure};

/// How many redirects are followed.
const REDIRECTS: u32 = 10;
/// The slowest that is waited for, in bytes a second (rpkg's LOW_SPEED_LIMIT for curl).
const SLOWEST: u64 = 1000;
/// How many pieces may wait for the disk.
const AHEAD: usize = 2;
/// The longest that a server may make us wait with `Retry-After`.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// How often something is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) attempts: u32,
    pub(super) first_delay: Duration,
    /// How long a server may be silent or slower than [`SLOWEST`].
    pub(super) silence: Duration,
}

/// A download under way.
pub(super) struct Transfer<'a> {
    pub(super) client: &'a Client,
    pub(super) download: &'a Download,
    pub(super) work: &'a Work,
    pub(super) tell: &'a dyn Fn(FetchStep),
    pub(super) patience: Patience,
}

/// Why an attempt failed.
enum Failed {
    /// Another one would fail too.
    Final(FetchProblem),
    /// Another one may succeed.
    Passing(Passing),
}

struct Passing {
    reason: String,
    /// What the server asks for.
    delay: Option<Duration>,
}

impl Passing {
    fn new(reason: impl Into<String>) -> Passing {
        Passing { reason: reason.into(), delay: None }
    }
}

/// An answer, and what its body is.
enum Answer {
    /// The file from its beginning.
    Whole(Response),
    /// What follows the bytes that are there.
    Rest(Response),
    /// The bytes that are there cannot be followed by anything.
    NoSuchRest,
}

impl Transfer<'_> {
    /// Receives the rest of the file and puts it into the cache.
    pub(super) async fn receive(&self, mut partial: Partial) -> Result<Complete, FetchProblem> {
        let mut validator = None;
        let backoff = Backoff::doubling(self.patience.first_delay, LONGEST_DELAY.max(self.patience.first_delay));
        for attempt in 1.. {
            // An earlier run may have been ended, or a connection cut, right behind the last byte.
            let (back, received) =
                if partial.is_whole() { (partial, Ok(None)) } else { self.attempt(partial, &mut validator).await? };
            let passing = match received {
                Err(passing) => {
                    partial = back;
                    passing
                }
                Ok(modified) => match self.work.run(move |_| back.finish(modified)).await? {
                    Finish::Complete(complete) => return Ok(complete),
                    Finish::Restarted(back) => {
                        partial = back;
                        Passing::new("the parts that were received are not of one file")
                    }
                },
            };
            let Passing { reason, delay: wanted } = passing;
            if attempt >= self.patience.attempts {
                return Err(FetchProblem::GaveUp { attempts: attempt, reason });
            }
            let delay = backoff.after(attempt);
            let pause = wanted.map_or(delay, |wanted| wanted.clamp(delay, backoff.longest));
            (self.tell)(FetchStep::Retrying { attempt, of: self.patience.attempts, delay: pause, reason });
            tokio::time::sleep(pause).await;
        }
        Err(FetchProblem::Stopped)
    }

    /// Makes one request and writes down what comes; the answer's age of the file if everything came.
    async fn attempt(
        &self,
        mut partial: Partial,
        validator: &mut Option<HeaderValue>,
    ) -> Result<(Partial, Result<Option<SystemTime>, Passing>), FetchProblem> {
        let response = match self.ask(partial.size(), validator.as_ref()).await {
            Ok(Answer::Rest(response)) => {
                partial.continues();
                response
            }
            Ok(Answer::Whole(response)) => {
                partial = self.restart(partial).await?;
                response
            }
            Ok(Answer::NoSuchRest) => {
                let partial = self.restart(partial).await?;
                return Ok((partial, Err(Passing::new("the server has no more of the file than was here"))));
            }
            Err(Failed::Passing(passing)) => return Ok((partial, Err(passing))),
            Err(Failed::Final(problem)) => return Err(problem),
        };
        *validator = validator_of(response.headers());
        let modified = last_modified(response.headers());
        let (partial, ended) = self.pour(response, partial).await?;
        Ok((partial, ended.map(|()| modified)))
    }

    async fn restart(&self, mut partial: Partial) -> Result<Partial, FetchProblem> {
        let restart = move |_: &_| partial.restart().map(|()| partial);
        self.work.run(restart).await
    }

    /// Writes the body down on a thread of its own: hashing and the disk are not to hold up the other downloads.
    async fn pour(
        &self,
        mut response: Response,
        mut partial: Partial,
    ) -> Result<(Partial, Result<(), Passing>), FetchProblem> {
        let mut received = partial.size();
        let total = response.content_length().map(|length| received + length);
        let (sender, mut pieces) = mpsc::channel::<Bytes>(AHEAD);
        let announced = response.content_length();
        let writing = self.work.run(move |_| {
            if let Some(length) = announced {
                partial.has_room(length)?;
            }
            while let Some(piece) = pieces.blocking_recv() {
                partial.write(&piece)?;
            }
            Ok::<_, FetchProblem>(partial)
        });
        let mut pace = Pace::start(self.patience.silence);
        let ended = loop {
            (self.tell)(FetchStep::Receiving { received, total });
            let piece = match timeout_at(pace.deadline, response.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => break Ok(()),
                Ok(Err(error)) => break Err(Passing::new(http::chain(&error))),
                Err(_) => break Err(self.too_slow()),
            };
            received += piece.len() as u64;
            pace.count(piece.len());
            // The writer ended before its time: with an error, which it returns.
            if sender.send(piece).await.is_err() {
                break Ok(());
            }
        };
        drop(sender);
        Ok((writing.await?, ended))
    }

    /// Asks for the file from byte `from` on.
    async fn ask(&self, from: u64, validator: Option<&HeaderValue>) -> Result<Answer, Failed> {
        let response = self.follow(from, validator).await?;
        let status = response.status();
        match status {
            StatusCode::OK => self.is_file(&response).map(|()| Answer::Whole(response)),
            StatusCode::PARTIAL_CONTENT => {
                self.is_file(&response)?;
                let fits = begin_of_range(response.headers()) == Some(from);
                Ok(if fits { Answer::Rest(response) } else { Answer::NoSuchRest })
            }
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => Ok(Answer::NoSuchRest),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(try_later(&response)),
            _ if status.is_server_error() => Err(try_later(&response)),
            _ => Err(Failed::Final(FetchProblem::Status { status })),
        }
    }

    /// Follows redirects, each of which has to lead to where the file may come from.
    async fn follow(&self, from: u64, validator: Option<&HeaderValue>) -> Result<Response, Failed> {
        let mut url = self.download.url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.request(&url, from, validator).await?;
            // A client that follows redirects by itself has not asked whether it may.
            self.permit(&url, response.url())?;
            let Some(next) = redirect(&url, &response)? else { return Ok(response) };
            self.permit(&url, &next)?;
            url = next;
        }
        Err(Failed::Final(FetchProblem::TooManyRedirects { limit: REDIRECTS }))
    }

    async fn request(&self, url: &Url, from: u64, validator: Option<&HeaderValue>) -> Result<Response, Failed> {
        let mut request = self.client.get(url.clone()).header(header::ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
            if let Some(validator) = validator {
                request = request.header(header::IF_RANGE, validator);
            }
        }
        match timeout(self.patience.silence, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(match http::classify(&error) {
                Failure::Certificate => Failed::Final(FetchProblem::Certificate { reason: http::chain(&error) }),
                _ if error.is_builder() => Failed::Final(FetchProblem::BadUrl),
                Failure::NotSent | Failure::Lost => Failed::Passing(Passing::new(http::chain(&error))),
            }),
            Err(_) => {
                let reason = format!("the server did not answer within {:?}", self.patience.silence);
                Err(Failed::Passing(Passing::new(reason)))
            }
        }
    }

    fn too_slow(&self) -> Passing {
        let silence = self.patience.silence;
        Passing::new(format!("the server sent less than {SLOWEST} bytes a second for {silence:?}"))
    }

    fn permit(&self, from: &Url, to: &Url) -> Result<(), Failed> {
        let problem = if from == to {
            return Ok(());
        } else if from.scheme() == "https" && to.scheme() != "https" {
            FetchProblem::InsecureRedirect { to: shown(to) }
        } else if !self.download.allowed.admits(to) {
            FetchProblem::ForbiddenRedirect { to: shown(to) }
        } else {
            return Ok(());
        };
        Err(Failed::Final(problem))
    }

    /// Proxies and login pages answer with success and a page, which would only be told by its checksum.
    fn is_file(&self, response: &Response) -> Result<(), Failed> {
        let content_type = text_of(response.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let is_page = kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml");
        let extension = self.download.target.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let wants_page = ["html", "htm", "xhtml"].iter().any(|page| extension.eq_ignore_ascii_case(page));
        if is_page && !wants_page {
            return Err(Failed::Final(FetchProblem::WebPage { status: response.status() }));
        }
        Ok(())
    }
}

/// Where a redirect leads.
fn redirect(from: &Url, response: &Response) -> Result<Option<Url>, Failed> {
    let status = response.status();
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = text_of(response.headers(), &header::LOCATION);
    let to = location.and_then(|location| from.join(location).ok());
    let to = to.filter(|to| matches!(to.scheme(), "http" | "https"));
    to.map(Some).ok_or(Failed::Final(FetchProblem::BadRedirect { status }))
}

fn try_later(response: &Response) -> Failed {
    let seconds = text_of(response.headers(), &header::RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    let reason = format!("the server answered {}", response.status());
    Failed::Passing(Passing { reason, delay: seconds.map(Duration::from_secs) })
}

fn text_of<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What tells a server's file from a later one of the same address. Weak tags do not promise the same bytes.
fn validator_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let tag = headers.get(header::ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    tag.or_else(|| headers.get(header::LAST_MODIFIED)).cloned()
}

fn last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    let text = text_of(headers, &header::LAST_MODIFIED)?;
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    SystemTime::try_from(zoned.timestamp()).ok()
}

/// The first byte of `Content-Range: bytes FIRST-LAST/SIZE`.
fn begin_of_range(headers: &HeaderMap) -> Option<u64> {
    let range = text_of(headers, &header::CONTENT_RANGE)?.trim();
    range.strip_prefix("bytes")?.trim_start().split_once('-')?.0.parse().ok()
}

/// Until when how many bytes have to be here.
struct Pace {
    silence: Duration,
    deadline: Instant,
    missing: u64,
}

impl Pace {
    fn start(silence: Duration) -> Pace {
        Pace { silence, deadline: Instant::now() + silence, missing: SLOWEST * silence.as_secs().max(1) }
    }

    fn count(&mut self, bytes: usize) {
        self.missing = self.missing.saturating_sub(bytes as u64);
        if self.missing == 0 {
            *self = Pace::start(self.silence);
        }
    }
}
