//! One request to a hub and its answer: what may come back, how much of it, and what is told about it with `--debug`.

use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::call::Posted;
use super::retry::Trouble;
use super::xmlrpc::{self, Answer, DecodeError};
use crate::http::{self, BodyError, ClientError, Failure};

/// The longest answer that is taken. What is asked for here comes to a few MiB at most.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;
/// How much of a body that is no answer goes into the error.
const SNIPPET_CHARS: usize = 200;

/// A single attempt that brought no answer.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// The transport failed.
    Transport { failure: Failure, reason: String },
    /// Not success.
    Status { status: u16, text: String },
    /// Success, but no answer.
    NotXmlRpc { text: String, source: DecodeError },
    /// Success, and more of an answer than is taken: why.
    TooMuch(String),
    /// There is no client to send anything with.
    Client(ClientError),
}

impl AttemptError {
    /// Whether the hub may have carried the call out all the same.
    pub(super) fn may_have_run(&self) -> bool {
        !matches!(
            self,
            AttemptError::Transport { failure: Failure::NotSent | Failure::Certificate, .. } | AttemptError::Client(_)
        )
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        match self {
            AttemptError::Transport { failure: Failure::Certificate, .. }
            | AttemptError::TooMuch(_)
            | AttemptError::Client(_) => None,
            AttemptError::Transport { failure: Failure::NotSent, .. } => Some(Trouble::NotSent),
            AttemptError::Transport { failure: Failure::Lost, .. } => Some(Trouble::Lost),
            AttemptError::Status { status, .. } => Some(Trouble::Status(*status)),
            AttemptError::NotXmlRpc { .. } => Some(Trouble::NotXmlRpc),
        }
    }

    pub(super) fn why(&self) -> String {
        match self {
            AttemptError::Transport { reason, .. } => reason.clone(),
            AttemptError::Status { status, .. } => format!("HTTP status {status}"),
            AttemptError::NotXmlRpc { source, .. } => source.to_string(),
            AttemptError::TooMuch(why) => why.clone(),
            AttemptError::Client(source) => source.to_string(),
        }
    }
}

/// Posts a request and reads the answer.
pub(super) async fn post(
    client: &reqwest::Client,
    url: Url,
    mut headers: HeaderMap,
    posted: &Posted,
    timeout: Duration,
) -> Result<Answer, AttemptError> {
    insert(&mut headers, "content-type", posted.content_type);
    let Posted { operation, detail, .. } = posted;
    tracing::debug!(host = url.host_str(), bytes = posted.body.len(), "asking {operation} {detail}");
    let began = Instant::now();
    let request = client.post(url).headers(headers).body(posted.body.clone()).timeout(timeout);
    let answer = answer(request).await;
    let took = began.elapsed();
    match &answer {
        Ok((bytes, Ok(_))) => tracing::debug!(bytes, ?took, "{operation} was answered"),
        Ok((bytes, Err(fault))) => tracing::debug!(bytes, ?took, code = fault.code, "{operation} met a fault"),
        Err(error) => tracing::debug!(?took, "{operation} was not answered: {}", error.why()),
    }
    answer.map(|(_, answer)| answer)
}

async fn answer(request: reqwest::RequestBuilder) -> Result<(usize, Answer), AttemptError> {
    let transport = |error: reqwest::Error| AttemptError::Transport {
        failure: http::classify(&error),
        reason: http::chain(&error),
    };
    let response = request.send().await.map_err(transport)?;
    let status = response.status();
    if !status.is_success() {
        let text = snippet(&http::beginning(response).await);
        return Err(AttemptError::Status { status: status.as_u16(), text });
    }
    let body = http::body_within(response, LONGEST_ANSWER).await.map_err(|error| match error {
        BodyError::TooLong { .. } => AttemptError::TooMuch(error.to_string()),
        BodyError::Lost { reason } => AttemptError::Transport { failure: Failure::Lost, reason },
    })?;
    let answer = xmlrpc::decode_answer(&body);
    let answer = answer.map_err(|source| match source {
        DecodeError::TooMany => AttemptError::TooMuch(source.to_string()),
        source => AttemptError::NotXmlRpc { text: snippet(&body), source },
    })?;
    Ok((body.len(), answer))
}

/// Adds a header that nobody is shown.
pub(super) fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(mut value) = HeaderValue::from_str(value) {
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// The beginning of a body in one line, tags of HTML left out.
fn snippet(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(8 * SNIPPET_CHARS)]);
    let mut plain = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            c if !in_tag => plain.push(c),
            _ => {}
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(SNIPPET_CHARS).collect();
    if line.is_empty() { "(nothing)".to_owned() } else { line }
}
