//! A web server with files, as the lookaside cache is one: it counts who asks for what, and misbehaves where that is wanted.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hyper::body::Incoming;
use tokio::sync::{Barrier, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::faults;
use super::koji_hub::tls;
use super::serving::{self, Answer, Port, closed};

/// What every file says of its age.
pub(crate) const LAST_MODIFIED: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
/// The same in seconds since 1970.
pub(crate) const LAST_MODIFIED_SECONDS: u64 = 1_445_412_480;

/// How much is sent at a time.
const PIECE: u64 = 64 * 1024;

/// What the server does with one request instead of answering it as it should.
#[derive(Debug, Clone)]
pub(crate) enum Trick {
    /// Answers with this status.
    Status(u16),
    /// Answers with this status and asks for patience.
    RetryAfter(u16, u64),
    /// Announces everything, and ends the connection after so many bytes.
    CutAfter(u64),
    /// Announces everything, sends so many bytes, and then nothing more.
    SilentAfter(u64),
    /// Sends the whole file, whatever part is asked for.
    IgnoreRange,
    /// Sends a part that was not asked for.
    WrongRange,
    /// Answers with success and a page, as proxies do.
    Page,
    /// Sends elsewhere.
    Redirect(u16, String),
    /// Closes the connection without an answer.
    Reset,
}

/// What a file consists of.
#[derive(Debug, Clone)]
enum Content {
    Bytes(Bytes),
    /// The same block so many times.
    Repeated(Bytes, u64),
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Repeated(block, times) => block.len() as u64 * times,
        }
    }

    /// Some bytes from `begin` on, none of them at `end` or behind it.
    fn piece(&self, begin: u64, end: u64) -> Bytes {
        let end = end.min(begin + PIECE);
        let index = |at: u64| usize::try_from(at).unwrap();
        match self {
            Content::Bytes(bytes) => bytes.slice(index(begin)..index(end)),
            Content::Repeated(block, _) => {
                let size = block.len() as u64;
                let from = begin % size;
                block.slice(index(from)..index((from + end - begin).min(size)))
            }
        }
    }
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Path and query, encoded as they were sent.
    pub path: String,
    pub headers: HeaderMap,
}

impl Recorded {
    /// A header's text, where it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

#[derive(Default)]
struct State {
    files: HashMap<String, (Content, String)>,
    tricks: HashMap<String, VecDeque<Trick>>,
    requests: Vec<Recorded>,
    bytes_per_second: Option<u64>,
    meeting: Option<Arc<Barrier>>,
}

/// A running server; it stops when it is dropped, which fails the test when a trick never happened.
pub(crate) struct Lookaside {
    state: Arc<Mutex<State>>,
    port: u16,
    https_port: Option<u16>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Lookaside {
    pub(crate) fn start() -> Lookaside {
        Lookaside::start_with(None)
    }

    /// Also listens for https; the authority's certificate is `ca.crt` in the folder.
    pub(crate) fn start_tls(folder: &Path) -> Lookaside {
        Lookaside::start_with(Some(tls::set_up(folder)))
    }

    fn start_with(acceptor: Option<TlsAcceptor>) -> Lookaside {
        let state = Arc::new(Mutex::new(State::default()));
        let (http, https) = (serving::bind(0), acceptor.as_ref().map(|_| serving::bind(0)));
        let (port, https_port) = (serving::port(&http), https.as_ref().map(serving::port));
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut listening = JoinSet::new();
                let https = https.map(|listener| Port::new(listener, acceptor));
                for port in [Some(Port::new(http, None)), https].into_iter().flatten() {
                    let shared = Arc::clone(&shared);
                    listening.spawn(port.serve(move |request, _| std::future::ready(answer(&shared, &request))));
                }
                let _ = stopped.await;
            });
        });
        Lookaside { state, port, https_port, stop: Some(stop), thread: Some(thread) }
    }

    /// The server's address, without a slash at its end.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn https_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.https_port.expect("a server with https"))
    }

    /// Serves a file under a path, encoded as it will be asked for.
    pub(crate) fn file(&self, path: &str, content: &[u8]) {
        self.serve(path, Content::Bytes(Bytes::copy_from_slice(content)), "text/plain");
    }

    pub(crate) fn file_of_type(&self, path: &str, content: &[u8], content_type: &str) {
        self.serve(path, Content::Bytes(Bytes::copy_from_slice(content)), content_type);
    }

    /// Serves a big file that takes little memory.
    pub(crate) fn repeated(&self, path: &str, block: &[u8], times: u64) {
        self.serve(path, Content::Repeated(Bytes::copy_from_slice(block), times), "application/octet-stream");
    }

    fn serve(&self, path: &str, content: Content, content_type: &str) {
        self.lock().files.insert(path.to_owned(), (content, content_type.to_owned()));
    }

    /// The next requests for a path meet these tricks, one each.
    pub(crate) fn tricks(&self, path: &str, tricks: impl IntoIterator<Item = Trick>) {
        self.lock().tricks.entry(path.to_owned()).or_default().extend(tricks);
    }

    /// Sends no faster than this on each connection.
    pub(crate) fn throttle(&self, bytes_per_second: u64) {
        self.lock().bytes_per_second = Some(bytes_per_second);
    }

    /// As fast as possible again.
    pub(crate) fn unthrottle(&self) {
        self.lock().bytes_per_second = None;
    }

    /// From now on no file is sent before so many are asked for at the same time; then those are sent, and the next ones wait.
    pub(crate) fn send_at_once(&self, files: usize) {
        self.lock().meeting = Some(Arc::new(Barrier::new(files)));
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.lock().requests.clone()
    }

    /// The paths that were asked for, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.lock().requests.iter().map(|request| request.path.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Lookaside {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let missed: Vec<String> = self.lock().tricks.iter().flat_map(missed).collect();
        faults::all_happened(&missed);
    }
}

fn missed((path, tricks): (&String, &VecDeque<Trick>)) -> impl Iterator<Item = String> {
    tricks.iter().map(move |trick| format!("{trick:?} of {path}"))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn answer(state: &Mutex<State>, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut state = lock(state);
    state.requests.push(Recorded { path: path.clone(), headers: request.headers().clone() });
    let trick = state.tricks.get_mut(&path).and_then(VecDeque::pop_front);
    let empty = |status: u16| Response::builder().status(status);
    match &trick {
        Some(Trick::Status(status)) => return Ok(empty(*status).body(Body::from("no\n")).expect("a response")),
        Some(Trick::RetryAfter(status, seconds)) => {
            let response = empty(*status).header(header::RETRY_AFTER, *seconds);
            return Ok(response.body(Body::from("later\n")).expect("a response"));
        }
        Some(Trick::Redirect(status, to)) => {
            return Ok(empty(*status).header(header::LOCATION, to).body(Body::empty()).expect("a response"));
        }
        Some(Trick::Page) => {
            let response = empty(200).header(header::CONTENT_TYPE, "Text/HTML; charset=utf-8");
            return Ok(response.body(Body::from("<html>Please sign in.</html>")).expect("a response"));
        }
        Some(Trick::Reset) => return Err(closed()),
        Some(Trick::CutAfter(_) | Trick::SilentAfter(_) | Trick::IgnoreRange | Trick::WrongRange) | None => {}
    }
    let Some((content, content_type)) = state.files.get(&path).cloned() else {
        return Ok(empty(404).body(Body::from("no such file\n")).expect("a response"));
    };
    let response = file(content, &content_type, request.headers(), trick, state.bytes_per_second);
    Ok(match state.meeting.clone() {
        Some(meeting) => response.map(|body| after(meeting, body)),
        None => response,
    })
}

/// A file or the rest of it.
fn file(
    content: Content,
    content_type: &str,
    headers: &HeaderMap,
    trick: Option<Trick>,
    bytes_per_second: Option<u64>,
) -> Response<Body> {
    let size = content.len();
    let tag = format!("\"{size}-{}\"", content.piece(0, size).first().copied().unwrap_or_default());
    let wanted =
        headers.get(header::RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-'));
    let same = headers.get(header::IF_RANGE).is_none_or(|validator| validator == tag.as_str());
    let whole = matches!(trick, Some(Trick::IgnoreRange)) || !same;
    let begin: Option<u64> = wanted.filter(|_| !whole).map(|begin| begin.parse().expect("a number"));
    let response = Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::ETAG, tag)
        .header(header::LAST_MODIFIED, LAST_MODIFIED);
    if begin.is_some_and(|begin| begin >= size) {
        return response.status(StatusCode::RANGE_NOT_SATISFIABLE).body(Body::empty()).expect("a response");
    }
    let first = if matches!(trick, Some(Trick::WrongRange)) { Some(0) } else { begin };
    let response = match first {
        None => response,
        Some(first) => response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {first}-{}/{size}", size - 1)),
    };
    let begin = first.unwrap_or(0);
    let stop = match trick {
        Some(Trick::CutAfter(bytes)) => Some((begin + bytes, After::Cut)),
        Some(Trick::SilentAfter(bytes)) => Some((begin + bytes, After::Silence)),
        _ => None,
    };
    let response = response.header(header::CONTENT_LENGTH, size - begin);
    response.body(body(content, begin, stop, bytes_per_second)).expect("a response")
}

/// Sends a body when enough others are to be sent as well.
fn after(meeting: Arc<Barrier>, body: Body) -> Body {
    let met = stream::once(async move {
        meeting.wait().await;
        body.into_data_stream()
    });
    Body::from_stream(met.flatten())
}

/// What comes after the bytes that are sent of a file.
#[derive(Clone, Copy)]
enum After {
    Cut,
    Silence,
}

/// Sends a file from `begin` on, up to where it is to stop.
fn body(content: Content, begin: u64, stop: Option<(u64, After)>, bytes_per_second: Option<u64>) -> Body {
    let end = stop.map_or(u64::MAX, |(at, _)| at).min(content.len());
    let start = Instant::now();
    Body::from_stream(stream::unfold(Some(begin), move |at| {
        let content = content.clone();
        async move {
            let at = at?;
            if at >= end {
                // An error at once would take what was sent with it.
                match stop?.1 {
                    After::Cut => tokio::time::sleep(Duration::from_millis(20)).await,
                    After::Silence => std::future::pending().await,
                }
                return Some((Err(closed()), None));
            }
            let piece = content.piece(at, end);
            let next = at + piece.len() as u64;
            if let Some(rate) = bytes_per_second {
                let due = start + Duration::from_secs_f64((next - begin) as f64 / rate as f64);
                tokio::time::sleep_until(due).await;
            }
            Some((Ok(piece), Some(next)))
        }
    }))
}
