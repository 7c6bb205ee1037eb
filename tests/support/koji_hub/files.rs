//! Files below `topurl`, with ranges; and Greenwave's validation.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Response, StatusCode, header};
use bytes::Bytes;

use super::server::plain;
use super::state::State;

impl State {
    /// `/kojifiles[/vol/VOLUME]/work/tasks/<id mod 10000>/<id>/<file>`.
    pub(crate) fn file(&self, path: &str) -> Option<Bytes> {
        let rest = path.strip_prefix("/kojifiles/")?;
        let (volume, rest) = match rest.strip_prefix("vol/") {
            Some(rest) => rest.split_once('/')?,
            None => ("DEFAULT", rest),
        };
        let mut parts = rest.strip_prefix("work/tasks/")?.splitn(3, '/');
        let (shard, id, name) = (parts.next()?, parts.next()?, parts.next()?);
        let id: i64 = id.parse().ok()?;
        let known = self.serve_files && shard == (id % 10000).to_string();
        let key = (volume.to_owned(), name.to_owned());
        self.tasks.get(&id).filter(|_| known)?.files.get(&key).map(|file| file.bytes.clone())
    }
}

/// Answers with the file or the part that was asked for; the bytes are shared, not copied.
pub(crate) fn serve(file: Option<Bytes>, headers: &HeaderMap) -> Response<Body> {
    let Some(bytes) = file else { return plain(StatusCode::NOT_FOUND, "no such file\n") };
    let length = bytes.len();
    let Some(range) = headers.get(header::RANGE).and_then(|range| range.to_str().ok()) else {
        return whole(bytes);
    };
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return whole(bytes);
    };
    let (begin, end) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(length)),
        (Ok(first), Err(_)) => (first, length),
        (Err(_), Ok(last)) => (length.saturating_sub(last), length),
        _ => return whole(bytes),
    };
    if begin >= end {
        let mut refusal = plain(StatusCode::RANGE_NOT_SATISFIABLE, "");
        let range = format!("bytes */{length}").parse().expect("a header");
        refusal.headers_mut().insert(header::CONTENT_RANGE, range);
        return refusal;
    }
    Response::builder()
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_TYPE, "text/plain")
        .header(header::CONTENT_RANGE, format!("bytes {begin}-{}/{length}", end - 1))
        .body(Body::from(bytes.slice(begin..end)))
        .expect("a response")
}

/// The answer to another range, which begins one byte later, as it says.
pub(crate) async fn elsewhere(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a body of ours");
    let range = parts.headers.get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<usize>().ok());
    let Some(first) = first else { return Response::from_parts(parts, bytes.into()) };
    let range = format!("bytes {}-{}/*", first + 1, first + bytes.len() - 1).parse().expect("a header");
    parts.headers.insert(header::CONTENT_RANGE, range);
    Response::from_parts(parts, bytes.slice(1..).into())
}

fn whole(bytes: Bytes) -> Response<Body> {
    let response = Response::builder().header(header::CONTENT_TYPE, "text/plain");
    response.header(header::ACCEPT_RANGES, "bytes").body(Body::from(bytes)).expect("a response")
}
