//! HTTP: takes requests apart, lets the state answer them, and misbehaves where that is wanted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hyper::body::Incoming;

use super::super::serving::{Answer, closed};
use super::misbehaviour::Fault;
use super::sessions::{Claim, WebUser};
use super::state::calls_within;
use super::xmlrpc::{Call, HubFault, Value, parse_call, record, write_response};
use super::{Recorded, Shared, files, uploads};

/// Longer requests are refused, as by a hub with Koji's default `MaxRequestLength`.
const LONGEST_REQUEST: usize = 4 * 1024 * 1024;

/// Answers a request of a client whose certificate has a name.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Incoming>, name: Option<String>) -> Answer {
    let tls_user = name.map(|name| WebUser { name, authtype: 2 });
    let (parts, body) = request.into_parts();
    if is_hub(parts.uri.path()) && uploads::is_upload(&parts) {
        return uploads::serve(shared, parts, body).await;
    }
    let Ok(body) = to_bytes(Body::new(body), LONGEST_REQUEST).await else {
        return Ok(plain(StatusCode::BAD_REQUEST, "Invalid request: Request too long"));
    };
    let call = is_hub(parts.uri.path()).then(|| parse_call(&body));
    let known = call.as_ref().and_then(|call| call.as_ref().ok());
    let calls = known.map(calls_within).unwrap_or_default();
    let fault = shared.change(|state| {
        state.recorded.push(Recorded::new(&parts, calls.clone()));
        state.next_fault(parts.uri.path(), known.map(|(method, _)| method.as_str()), &calls)
    });
    if let Some(answer) = instead(fault.as_ref(), &shared.endless).await {
        return answer;
    }
    let response = match call {
        Some(Ok(call)) if parts.method == Method::POST => hub(&shared, &parts, &call, fault.as_ref(), tls_user),
        Some(Err(problem)) if parts.method == Method::POST => {
            plain(StatusCode::BAD_REQUEST, &format!("Invalid request: {problem}"))
        }
        Some(_) => plain(StatusCode::METHOD_NOT_ALLOWED, "This is an XML-RPC server. Only POST is accepted."),
        None => others(&shared, &parts, body),
    };
    match fault {
        Some(Fault::LoseAnswer) => Err(closed()),
        Some(Fault::CutBody) => cut(response).await,
        Some(Fault::OtherRange) => Ok(files::elsewhere(response).await),
        _ => Ok(response),
    }
}

/// What comes instead of the hub's own answer, nothing having been executed.
pub(crate) async fn instead(fault: Option<&Fault>, sent: &Arc<AtomicUsize>) -> Option<Answer> {
    match fault? {
        Fault::Reset => Some(Err(closed())),
        Fault::Status(status, page) => Some(Ok(html(*status, page))),
        Fault::Html200 => Some(Ok(html(200, PROXY_PAGE))),
        Fault::Endless(status) => Some(Ok(endless(*status, sent))),
        Fault::Offline => Some(Ok(xml(&Err(HubFault::new(1014, "database outage"))))),
        Fault::Locked => {
            let text = "[Errno 11] Resource temporarily unavailable";
            Some(Ok(xml(&Err(HubFault::new(1001, text)))))
        }
        Fault::Delay(delay) => {
            tokio::time::sleep(*delay).await;
            None
        }
        Fault::Refuse(code, text) => Some(Ok(xml(&Err(HubFault::new(*code, *text))))),
        Fault::OtherShape => Some(Ok(xml(&Ok(record([("status", "ok".into())]))))),
        Fault::LoseAnswer
        | Fault::CutBody
        | Fault::CutRequest
        | Fault::Corrupt
        | Fault::RefuseEntries(..)
        | Fault::OtherRange => None,
    }
}

fn is_hub(path: &str) -> bool {
    matches!(path, "/kojihub" | "/kojihub/" | "/kojihub/ssllogin")
}

fn hub(
    shared: &Shared,
    parts: &Parts,
    call: &Call,
    fault: Option<&Fault>,
    tls_user: Option<WebUser>,
) -> Response<Body> {
    let claim = claim(parts);
    let answer = shared.change(|state| {
        let trusted = header_text(&parts.headers, "x-remote-user").filter(|_| state.options.trust_user_header);
        let user = tls_user.or(trusted.map(|name| WebUser { name: name.to_owned(), authtype: 3 }));
        let caller = state.identify(&claim, user, &call.0)?;
        state.run(&caller, call, fault)
    });
    xml(&answer)
}

/// What is not the hub's: files, and Greenwave.
fn others(shared: &Shared, parts: &Parts, body: Bytes) -> Response<Body> {
    let path = parts.uri.path();
    if path == "/greenwave/api/v1.0/validate-gating-yaml" && parts.method == Method::POST {
        let (status, text) = shared.change(|state| {
            state.greenwave_bodies.push(body);
            state.greenwave.clone()
        });
        let response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
        return response.body(Body::from(text)).expect("a response");
    }
    let file = shared.lock().file(path);
    files::serve(file, &parts.headers)
}

pub(crate) fn claim(parts: &Parts) -> Claim {
    let header = |name: &str| header_text(&parts.headers, name).map(str::to_owned);
    let query: Vec<(String, String)> = parts
        .uri
        .query()
        .map(|query| url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
        .unwrap_or_default();
    let in_query = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    Claim {
        id: number(header("koji-session-id").or(in_query("session-id"))),
        key: header("koji-session-key").or(in_query("session-key")).unwrap_or_default(),
        session_callnum: number(header("koji-session-callnum")),
        callnum: number(header("koji-callnum").or(in_query("callnum"))),
    }
}

pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

const PROXY_PAGE: &str = "<html><head><title>Sign in</title></head><body>Please sign in to the network.</body></html>";

pub(crate) fn xml(answer: &Result<Value, HubFault>) -> Response<Body> {
    let response = Response::builder().header(header::CONTENT_TYPE, "text/xml").header("Koji-Version", "1.35.3");
    response.body(Body::from(write_response(answer))).expect("a response")
}

fn html(status: u16, page: &'static str) -> Response<Body> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "text/html");
    response.body(Body::from(page)).expect("a response")
}

/// The beginning of an answer that goes on until the client has had enough; `sent` counts its bytes.
fn endless(status: u16, sent: &Arc<AtomicUsize>) -> Response<Body> {
    let sent = Arc::clone(sent);
    let begin = Bytes::from_static(b"<methodResponse><params><param><value><string>");
    let more = stream::repeat_with(move || {
        sent.fetch_add(ENDLESS_CHUNK.len(), Ordering::SeqCst);
        Bytes::from_static(ENDLESS_CHUNK)
    });
    let body = Body::from_stream(stream::iter([begin]).chain(more).map(Ok::<_, io::Error>));
    Response::builder().status(status).header(header::CONTENT_TYPE, "text/xml").body(body).expect("a response")
}

const ENDLESS_CHUNK: &[u8] = &[b'x'; 64 * 1024];

/// A short text.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "text/plain");
    response.body(Body::from(text.to_owned())).expect("a response")
}

/// Announces the whole body, and ends the connection in its middle.
pub(crate) async fn cut(response: Response<Body>) -> Answer {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.map_err(io::Error::other)?;
    parts.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
    let half = bytes.slice(..bytes.len() / 2);
    // An error at once would take the head of the answer with it.
    let end = stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(closed())
    });
    let body = Body::from_stream(stream::once(async { Ok(half) }).chain(end));
    Ok(Response::from_parts(parts, body))
}
