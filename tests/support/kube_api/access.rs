//! Who asks, and whether they may.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Response, header};
use base64::Engine as _;
use serde_json::{Value, json};

use super::Shared;
use super::answers::status;
use super::server::Target;

/// A request without a token.
const ANONYMOUS: &str = "system:anonymous";

/// The user; or that the token is unknown.
pub(super) fn who(shared: &Shared, headers: &HeaderMap) -> Result<String, Response<Body>> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = given.and_then(|value| value.strip_prefix("Bearer ")) else {
        return Ok(ANONYMOUS.to_owned());
    };
    let user = shared.read(|state| state.tokens.get(token).cloned());
    user.ok_or_else(|| status(401, "Unauthorized", "Unauthorized", Value::Null))
}

/// What the server says to a user who may not do this.
pub(super) fn forbidden(shared: &Shared, user: &str, method: &Method, target: &Target) -> Option<Response<Body>> {
    let collection = &target.collection;
    let verb = verb(method, target);
    let resource = match &target.below {
        Some(below) => format!("{}/{below}", collection.plural),
        None => collection.plural.clone(),
    };
    let may = shared.read(|state| {
        user != ANONYMOUS
            && state.namespaces.contains(&collection.namespace)
            && !state.forbidden.contains(user)
            && !state.forbidden.contains(&format!("{verb} {resource}"))
    });
    if may {
        return None;
    }
    let name = target.name.as_deref();
    let named = name.map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let message = format!(
        "{}{named} is forbidden: User \"{user}\" cannot {verb} resource \"{resource}\" in API group \"{}\" in the namespace \"{}\"",
        collection.full_name(),
        collection.group,
        collection.namespace
    );
    Some(status(403, "Forbidden", &message, collection.details(name)))
}

fn verb(method: &Method, target: &Target) -> &'static str {
    match (method.as_str(), target.name.is_some()) {
        ("GET", _) if target.is_watch => "watch",
        ("GET", false) => "list",
        ("GET", true) => "get",
        ("POST", _) => "create",
        ("PATCH", _) => "patch",
        ("PUT", _) => "update",
        (_, true) => "delete",
        (_, false) => "deletecollection",
    }
}

/// `POST …/selfsubjectreviews`: who the server takes the user for.
pub(super) fn review(user: &str) -> Value {
    json!({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {"creationTimestamp": super::state::now()},
           "status": {"userInfo": {"username": user, "groups": ["system:authenticated"]}}})
}

/// What Basic authorization says.
pub(super) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(value).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
