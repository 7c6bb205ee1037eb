//! Answers: JSON, and the `Status` objects that say no, in the server's own words.

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::state::Collection;

/// An answer of JSON.
pub(super) fn json_answer(code: u16, value: &Value) -> Response<Body> {
    let builder = Response::builder().status(StatusCode::from_u16(code).expect("a status"));
    let builder =
        builder.header(header::CONTENT_TYPE, "application/json").header(header::CACHE_CONTROL, "no-cache, private");
    builder.body(Body::from(format!("{value}\n"))).expect("an answer")
}

/// A `Status` that says no; one of 429 and 504 asks for patience, too.
pub(super) fn status(code: u16, reason: &str, message: &str, details: Value) -> Response<Body> {
    let mut answer = json_answer(code, &failure(code, reason, message, details));
    if matches!(code, 429 | 504) {
        answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    answer
}

/// The object in such an answer.
pub(super) fn failure(code: u16, reason: &str, message: &str, details: Value) -> Value {
    let mut value = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                           "code": code});
    if !reason.is_empty() {
        value["reason"] = json!(reason);
    }
    if details.as_object().is_some_and(|details| !details.is_empty()) {
        value["details"] = details;
    }
    value
}

/// The reason that the server gives with a status, where a test names none.
pub(super) fn usual_reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    }
}

/// What the server says of a request that makes no sense.
pub(super) fn bad_request(message: &str) -> Response<Body> {
    status(400, "BadRequest", message, json!({}))
}

/// What Tekton's webhook says of an object that it does not let in.
pub(super) fn denied(why: &str) -> Response<Body> {
    let hook = "admission webhook \"validation.webhook.pipeline.tekton.dev\" denied the request: validation failed";
    bad_request(&format!("{hook}: {why}"))
}

/// What Tekton's webhook says of an object that it cannot read.
pub(super) fn unreadable(why: &str) -> Response<Body> {
    let hook = "admission webhook \"webhook.pipeline.tekton.dev\" denied the request: mutation failed";
    bad_request(&format!("{hook}: cannot decode incoming new object: {why}"))
}

/// What the API server says of an object that is not there.
pub(super) fn not_found(collection: &Collection, name: &str) -> Response<Body> {
    let message = format!("{} \"{name}\" not found", collection.full_name());
    status(404, "NotFound", &message, collection.details(Some(name)))
}

/// An object changed since it was read.
pub(super) fn conflict(collection: &Collection, name: &str) -> Response<Body> {
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", collection.full_name());
    status(409, "Conflict", &message, collection.details(Some(name)))
}

/// One field of an object is of no use.
pub(super) fn invalid(what: &str, name: &str, details: Value, field: &str, why: &str) -> Response<Body> {
    let reason = if why.starts_with("Forbidden") { "FieldValueForbidden" } else { "FieldValueInvalid" };
    let mut details = details;
    details["causes"] = json!([{"reason": reason, "message": why, "field": field}]);
    status(422, "Invalid", &format!("{what} \"{name}\" is invalid: {field}: {why}"), details)
}

/// The body is of a type that the server does not take.
pub(super) fn unsupported(accepted: &str) -> Response<Body> {
    let message =
        format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
    status(415, "UnsupportedMediaType", &message, json!({}))
}

/// What is said of addresses that nothing is behind: no `Status`.
pub(super) fn plain_404() -> Response<Body> {
    let builder = Response::builder().status(404).header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    builder.body(Body::from("404 page not found\n")).expect("an answer")
}
