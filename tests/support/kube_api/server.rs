//! HTTP: connections, and what a request is about.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::{Method, Request};
use bytes::Bytes;
use hyper::body::Incoming;
use serde_json::json;

use super::super::serving::closed;
use super::answers::{bad_request, json_answer, plain_404, status};
use super::objects::Asked;
use super::resources::{self, discovery};
use super::state::{Collection, Recorded};
use super::{Answer, Shared, Trick, access, builds, logs, oauth, objects, watches};

/// The largest body that etcd takes, and with it the API server.
const LARGEST: usize = 3 << 20;

/// Answers a request.
pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(Body::new(body), LARGEST).await else {
        let message = format!("Request entity too large: limit is {LARGEST}");
        return Ok(status(413, "RequestEntityTooLarge", &message, json!({})));
    };
    let recorded = Recorded::new(&parts, &body);
    // Both at once: a request that comes before a trick is cut by what comes after the trick.
    let (trick, cuts) = shared.change(|state| {
        let trick = state.trick(&format!("{} {}", recorded.method, recorded.path));
        state.requests.push(recorded);
        (trick, state.misbehaviour.cut_watches)
    });
    match &trick {
        Some(Trick::Reset) => return Err(closed()),
        Some(Trick::Delay(delay)) => tokio::time::sleep(*delay).await,
        Some(trick @ (Trick::Status(..) | Trick::Page)) => return Ok(trick.answer().expect("an answer")),
        Some(trick @ Trick::Odd(_, false)) => return Ok(trick.answer().expect("an answer")),
        Some(Trick::LoseAnswer | Trick::Odd(_, true)) | None => {}
    }
    let answer = route(&shared, &parts, &body, cuts);
    match trick {
        Some(Trick::LoseAnswer) => Err(closed()),
        Some(trick @ Trick::Odd(..)) => Ok(trick.answer().expect("an answer")),
        _ => answer,
    }
}

/// What a request is about.
#[derive(Debug)]
pub(super) struct Target {
    /// The collection.
    pub collection: Collection,
    /// The version of the API.
    pub version: String,
    /// One object of it.
    pub name: Option<String>,
    /// What is below the object: `log`.
    pub below: Option<String>,
    /// Whether changes are wanted.
    pub is_watch: bool,
}

impl Target {
    /// `None` where nothing is behind a path.
    fn of(shared: &Shared, segments: &[&str], query: &mut Query) -> Option<Target> {
        let (group, version, rest) = match segments {
            ["api", "v1", rest @ ..] => ("", "v1", rest),
            ["apis", group, version, rest @ ..] if shared.serves(group, version) => (*group, *version, rest),
            _ => return None,
        };
        let (is_old_watch, rest) = match rest {
            ["watch", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let ["namespaces", namespace, plural, rest @ ..] = rest else { return None };
        resources::kind(group, plural)?;
        let collection = Collection { group: group.into(), plural: (*plural).into(), namespace: (*namespace).into() };
        let (mut name, below) = match rest {
            [] => (None, None),
            [name] => (Some((*name).to_owned()), None),
            [name, below] => (Some((*name).to_owned()), Some((*below).to_owned())),
            _ => return None,
        };
        if let Some(name) = name.take_if(|_| is_old_watch) {
            query.0.push(("fieldSelector".to_owned(), format!("metadata.name={name}")));
        }
        let is_watch = is_old_watch || (name.is_none() && query.is("watch"));
        Some(Target { collection, version: version.to_owned(), name, below, is_watch })
    }
}

/// Answers a request that came when watches had been cut so many times.
fn route(shared: &Arc<Shared>, parts: &Parts, body: &Bytes, cuts: u64) -> Answer {
    if let Some(answer) = oauth::answer(shared, &parts.uri, &parts.headers) {
        return Ok(answer);
    }
    let segments: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    if let ["healthz" | "readyz" | "livez"] = segments.as_slice() {
        return Ok(axum::http::Response::new(Body::from("ok")));
    }
    let user = match access::who(shared, &parts.headers) {
        Ok(user) => user,
        Err(refusal) => return Ok(refusal),
    };
    if let Some(value) = discovery(shared, &segments) {
        return Ok(json_answer(200, &value));
    }
    if let ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"] = segments.as_slice() {
        return Ok(json_answer(201, &access::review(&user)));
    }
    if let ["api", "v1", "namespaces", name] = segments.as_slice()
        && shared.read(|state| state.namespaces.contains(*name))
    {
        let metadata = json!({"name": name});
        return Ok(json_answer(200, &json!({"kind": "Namespace", "apiVersion": "v1", "metadata": metadata})));
    }
    let mut query = Query::of(parts.uri.query().unwrap_or_default());
    let Some(target) = Target::of(shared, &segments, &mut query) else { return Ok(plain_404()) };
    if let Some(refusal) = access::forbidden(shared, &user, &parts.method, &target) {
        return Ok(refusal);
    }
    let asked = Asked { shared, target: &target, query: &query, headers: &parts.headers, body };
    Ok(match (&parts.method, target.name.as_deref(), target.below.as_deref()) {
        (&Method::GET, None, None) if target.is_watch => watches::answer(shared, &target, &query, cuts),
        (&Method::GET, None, None) => asked.list(),
        (&Method::POST, None, None) => asked.create(),
        (&Method::GET, Some(name), None) => asked.get(name),
        (&Method::PATCH, Some(name), None) => asked.patch(name),
        (&Method::PUT, Some(name), None) => asked.replace(name),
        (&Method::DELETE, Some(name), None) => asked.delete(name),
        (&Method::GET, Some(pod), Some("log")) if target.collection.plural == "pods" => {
            logs::answer(shared, &target.collection, pod, &query)
        }
        (&Method::POST, Some(config), Some("instantiate")) => builds::instantiate(shared, config, body),
        (_, _, Some(_)) => plain_404(),
        _ => objects::not_allowed(),
    })
}

/// The parameters behind the path.
#[derive(Debug, Clone)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Query {
        Query(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// A parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is on.
    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true"))
    }

    /// A number; an error when it is none.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, axum::http::Response<Body>> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let why = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
        text.parse().map(Some).map_err(|_| bad_request(&why))
    }
}
