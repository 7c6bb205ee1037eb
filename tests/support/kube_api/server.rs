//! HTTP: what a request is about, whether it may, and the answer; watches and logs as streams.

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use base64::Engine as _;
use bytes::Bytes;
use futures_util::stream;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::state::{Collection, Recorded, in_version, is_selected};
use super::{Answer, Shared, Trick, logs, oauth};

/// Binds a port of the loopback; 0 for any.
pub fn bind(port: u16) -> StdListener {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port of the loopback");
    listener.set_nonblocking(true).expect("a socket that does not block");
    listener
}

/// Serves a port until the task is aborted, which also ends the connections.
pub async fn serve(shared: Arc<Shared>, listener: StdListener, acceptor: Option<TlsAcceptor>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        connections.spawn(async move {
            match acceptor {
                None => connection(shared, TokioIo::new(stream)).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connection(shared, TokioIo::new(stream)).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection<S>(shared: Arc<Shared>, stream: TokioIo<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| answer(Arc::clone(&shared), request));
    let _ = http1::Builder::new().serve_connection(stream, service).await;
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "closed without an answer")
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), 4 << 20).await.unwrap_or_default();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let recorded = Recorded {
        method: parts.method.to_string(),
        path: path.clone(),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    let trick = shared.change(|state| {
        state.requests.push(recorded);
        state.trick(&format!("{} {path}", parts.method))
    });
    match trick {
        Some(Trick::Reset) => return Err(closed()),
        Some(Trick::Status(code, message)) => return Ok(status(code, "InternalError", &message, json!({}))),
        Some(Trick::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Trick::LoseAnswer) => {
            let _ = route(&shared, &parts.method, &parts.uri, &parts.headers, &body).await;
            return Err(closed());
        }
        None => {}
    }
    route(&shared, &parts.method, &parts.uri, &parts.headers, &body).await
}

async fn route(shared: &Arc<Shared>, method: &Method, uri: &hyper::Uri, headers: &HeaderMap, body: &Bytes) -> Answer {
    if let Some(answer) = oauth::answer(shared, uri, headers) {
        return Ok(answer);
    }
    let segments: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    let user = match who(shared, headers) {
        Ok(user) => user,
        Err(refusal) => return Ok(refusal),
    };
    if let Some(value) = discovery(shared, &segments) {
        return Ok(json_answer(200, &value));
    }
    let (group, version, rest) = match segments.as_slice() {
        ["api", "v1", rest @ ..] => ("", "v1", rest),
        ["apis", group, version, rest @ ..] if shared.serves(group, version) => (*group, *version, rest),
        _ => return Ok(plain_404()),
    };
    let ["namespaces", namespace, plural, rest @ ..] = rest else { return Ok(plain_404()) };
    let collection = Collection { group: group.into(), plural: (*plural).into(), namespace: (*namespace).into() };
    let query = Query::of(uri.query().unwrap_or_default());
    let name = rest.first().copied();
    if let Some(refusal) = forbidden(shared, &user, method, &collection, name, &query) {
        return Ok(refusal);
    }
    match (method, rest) {
        (&Method::GET, []) if query.is("watch") => Ok(watch(shared, collection, version.to_owned(), query)),
        (&Method::GET, []) => Ok(list(shared, &collection, version, &query)),
        (&Method::POST, []) => Ok(create(shared, &collection, version, headers, body)),
        (&Method::GET, [pod, "log"]) => logs::answer(shared, pod, &query),
        (&Method::POST, [config, "instantiate"]) => Ok(instantiate(shared, config)),
        (&Method::GET, [name]) => Ok(found(shared, &collection, version, name)),
        (&Method::PATCH, [name]) => Ok(patch(shared, &collection, version, name, headers, body)),
        (&Method::DELETE, [name]) => Ok(delete(shared, &collection, name)),
        _ => Ok(status(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
            json!({}),
        )),
    }
}

/// The parameters behind the path.
#[derive(Debug, Clone)]
pub struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Query {
        Query(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is on.
    pub fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true"))
    }
}

fn who(shared: &Shared, headers: &HeaderMap) -> Result<String, Response<Body>> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = given.and_then(|value| value.strip_prefix("Bearer ")) else {
        return Ok("system:anonymous".to_owned());
    };
    let user = shared.read(|state| state.tokens.get(token).cloned());
    user.ok_or_else(|| status(401, "Unauthorized", "Unauthorized", json!(null)))
}

fn forbidden(
    shared: &Shared,
    user: &str,
    method: &Method,
    collection: &Collection,
    name: Option<&str>,
    query: &Query,
) -> Option<Response<Body>> {
    let verb = match (method.as_str(), name) {
        ("GET", None) if query.is("watch") => "watch",
        ("GET", None) => "list",
        ("GET", Some(_)) => "get",
        ("POST", _) => "create",
        ("PATCH", _) => "patch",
        _ => "delete",
    };
    let may = shared.read(|state| {
        user != "system:anonymous"
            && collection.namespace == super::NAMESPACE
            && !state.forbidden.contains(user)
            && !state.forbidden.contains(&format!("{verb} {}", collection.plural))
    });
    if may {
        return None;
    }
    let named = name.map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let message = format!(
        "{}{named} is forbidden: User \"{user}\" cannot {verb} resource \"{}\" in API group \"{}\" in the namespace \"{}\"",
        collection.full_name(),
        collection.plural,
        collection.group,
        collection.namespace
    );
    Some(status(403, "Forbidden", &message, json!({"group": collection.group, "kind": collection.plural})))
}

/// The lists that clients find their way with.
fn discovery(shared: &Shared, segments: &[&str]) -> Option<Value> {
    let group = |name: &str| {
        let versions = shared.versions(name);
        let entry = |version: &&'static str| json!({"groupVersion": format!("{name}/{version}"), "version": version});
        let list: Vec<Value> = versions.iter().map(entry).collect();
        json!({"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": list, "preferredVersion": list.first()})
    };
    let resource = |name: &str, kind: &str, verbs: &[&str]| json!({"name": name, "singularName": kind.to_lowercase(), "namespaced": true, "kind": kind, "verbs": verbs});
    const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];
    let resources = |version: String, list: Vec<Value>| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": list});
    match segments {
        ["version"] => Some(json!({"major": "1", "minor": "36", "gitVersion": "v1.36.2", "platform": "linux/amd64"})),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        ["api", "v1"] => Some(resources(
            "v1".into(),
            vec![
                resource("pods", "Pod", &VERBS),
                resource("pods/log", "Pod", &["get"]),
                resource("events", "Event", &VERBS),
            ],
        )),
        ["apis"] => {
            let groups: Vec<Value> = shared.groups().into_iter().map(group).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] if shared.groups().contains(name) => Some(group(name)),
        ["apis", "tekton.dev", version] if shared.serves("tekton.dev", version) => Some(resources(
            format!("tekton.dev/{version}"),
            [("pipelines", "Pipeline"), ("pipelineruns", "PipelineRun"), ("taskruns", "TaskRun")]
                .iter()
                .map(|(name, kind)| resource(name, kind, &VERBS))
                .collect(),
        )),
        _ => None,
    }
}

fn list(shared: &Shared, collection: &Collection, version: &str, query: &Query) -> Response<Body> {
    let (items, at) = shared.read(|state| {
        let of_collection =
            state.objects.iter().filter(|((known, _), _)| known == collection).map(|(_, object)| object);
        let selected =
            of_collection.filter(|object| is_selected(object, query.get("fieldSelector"), query.get("labelSelector")));
        let items: Vec<Value> = selected.map(|object| in_version(object, &collection.group, version)).collect();
        (items, state.version)
    });
    let api = api_version(&collection.group, version);
    let kind = format!("{}List", collection.kind());
    json_answer(
        200,
        &json!({"apiVersion": api, "kind": kind, "metadata": {"resourceVersion": at.to_string()}, "items": items}),
    )
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn found(shared: &Shared, collection: &Collection, version: &str, name: &str) -> Response<Body> {
    match shared.read(|state| state.get(collection, name).cloned()) {
        Some(object) => json_answer(200, &in_version(&object, &collection.group, version)),
        None => not_found(collection, name),
    }
}

/// What the API server says of an object that is not there.
pub fn not_found(collection: &Collection, name: &str) -> Response<Body> {
    let message = format!("{} \"{name}\" not found", collection.full_name());
    status(404, "NotFound", &message, json!({"name": name, "group": collection.group, "kind": collection.plural}))
}

fn create(
    shared: &Shared,
    collection: &Collection,
    version: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response<Body> {
    if headers.get(header::CONTENT_TYPE).is_none_or(|value| !value.as_bytes().starts_with(b"application/json")) {
        return unsupported();
    }
    let Ok(mut object) = serde_json::from_slice::<Value>(body) else {
        return status(400, "BadRequest", "the object provided is unrecognized: couldn't get version/kind", json!({}));
    };
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if name.len() > 63 || name.is_empty() {
        return status(
            422,
            "Invalid",
            &format!("PipelineRun.tekton.dev \"{name}\" is invalid: metadata.name"),
            json!({}),
        );
    }
    let small = object.to_string();
    if small.contains("\"configmap\"") {
        let message = "admission webhook \"validation.webhook.pipeline.tekton.dev\" denied the request: validation failed: expected exactly one, got neither: spec.workspaces[0].configmap";
        return status(400, "BadRequest", message, json!({}));
    }
    // As the conversion webhook: the account is kept where v1 has it.
    if let Some(account) = object["spec"].as_object_mut().and_then(|spec| spec.remove("serviceAccountName")) {
        object["spec"]["taskRunTemplate"] = json!({"serviceAccountName": account});
    }
    let created = shared.change(|state| {
        if state.get(collection, &name).is_some() {
            return None;
        }
        Some(state.put(collection, object))
    });
    match created {
        Some(object) => json_answer(201, &in_version(&object, &collection.group, version)),
        None => {
            let message = format!("{} \"{name}\" already exists", collection.full_name());
            status(
                409,
                "AlreadyExists",
                &message,
                json!({"name": name, "group": collection.group, "kind": collection.plural}),
            )
        }
    }
}

fn unsupported() -> Response<Body> {
    let message = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    status(415, "UnsupportedMediaType", message, json!({}))
}

fn instantiate(shared: &Shared, config: &str) -> Response<Body> {
    let configs = Collection::new("build.openshift.io", "buildconfigs");
    let builds = Collection::new("build.openshift.io", "builds");
    let built = shared.change(|state| {
        let owner = state.get(&configs, config)?.clone();
        let name = format!("{config}-1");
        let object = json!({
            "apiVersion": "build.openshift.io/v1", "kind": "Build",
            "metadata": {"name": name, "annotations": {"openshift.io/build.pod-name": format!("{name}-build")},
                         "ownerReferences": [{"uid": owner["metadata"]["uid"]}]},
            "spec": owner["spec"], "status": {"phase": "New"}});
        Some(state.put(&builds, object))
    });
    built.map_or_else(|| not_found(&configs, config), |object| json_answer(201, &object))
}

fn patch(
    shared: &Shared,
    collection: &Collection,
    version: &str,
    name: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response<Body> {
    if headers.get(header::CONTENT_TYPE).is_none_or(|value| value != "application/merge-patch+json") {
        return unsupported();
    }
    let patch: Value = serde_json::from_slice(body).unwrap_or_default();
    let patched = shared.change(|state| {
        let mut object = state.get(collection, name)?.clone();
        let before = object["spec"].clone();
        merge(&mut object, &patch);
        let has_ended = object["status"]["conditions"][0]["status"].as_str().is_some_and(|status| status != "Unknown");
        if has_ended && object["spec"] != before {
            return Some(Err("invalid value: Once the PipelineRun is complete, no updates are allowed: spec"));
        }
        Some(Ok(state.put(collection, object)))
    });
    match patched {
        None => not_found(collection, name),
        Some(Err(why)) => {
            let message = format!(
                "admission webhook \"validation.webhook.pipeline.tekton.dev\" denied the request: validation failed: {why}"
            );
            status(400, "BadRequest", &message, json!({}))
        }
        Some(Ok(object)) => json_answer(200, &in_version(&object, &collection.group, version)),
    }
}

/// RFC 7386.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            object.as_object_mut().expect("an object").remove(key);
        } else {
            merge(&mut object[key], value);
        }
    }
}

fn delete(shared: &Shared, collection: &Collection, name: &str) -> Response<Body> {
    match shared.change(|state| state.remove(collection, name)) {
        None => not_found(collection, name),
        Some(object) => json_answer(
            200,
            &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                    "details": {"name": name, "group": collection.group, "kind": collection.plural, "uid": object["metadata"]["uid"]}}),
        ),
    }
}

/// Events from a version on, until the time is over, the watch is cut, or the client leaves.
fn watch(shared: &Arc<Shared>, collection: Collection, version: String, query: Query) -> Response<Body> {
    let from: u64 = query.get("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
    let seconds: u64 = query.get("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(300);
    let (at, forgotten, cuts) = shared.read(|state| (state.version, state.forgotten, state.cut_watches));
    if from < forgotten && from > 0 {
        let message = format!("too old resource version: {from} ({at})");
        let event = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": message, "reason": "Expired", "code": 410}});
        return Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(format!("{event}\n")))
            .expect("an answer");
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(seconds);
    let state = (Arc::clone(shared), from, shared.changed(), false);
    let body = stream::unfold(state, move |(shared, mut at, mut changed, mut over)| {
        let (collection, version, query) = (collection.clone(), version.clone(), query.clone());
        async move {
            loop {
                if over {
                    return None;
                }
                let (text, latest, cut) = shared.read(|state| {
                    let news = state.changes.iter().filter(|change| change.version > at && change.collection == collection);
                    let selected = news.filter(|change| is_selected(&change.object, query.get("fieldSelector"), query.get("labelSelector")));
                    let text: String = selected
                        .map(|change| format!("{}\n", json!({"type": change.kind, "object": in_version(&change.object, &collection.group, &version)})))
                        .collect();
                    (text, state.version, state.cut_watches != cuts)
                });
                at = latest;
                if !text.is_empty() {
                    return Some((Ok::<Bytes, io::Error>(Bytes::from(text)), (shared, at, changed, over)));
                }
                if cut {
                    over = true;
                    return Some((Err(closed()), (shared, at, changed, over)));
                }
                tokio::select! {
                    _ = changed.changed() => {}
                    () = tokio::time::sleep_until(deadline) => {
                        over = true;
                        let bookmark = json!({"type": "BOOKMARK", "object": {"kind": collection.kind(), "apiVersion": version,
                            "metadata": {"resourceVersion": at.to_string()}}});
                        return Some((Ok(Bytes::from(format!("{bookmark}\n"))), (shared, at, changed, over)));
                    }
                }
            }
        }
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(body))
        .expect("an answer")
}

/// A `Status` that says no.
pub fn status(code: u16, reason: &str, message: &str, details: Value) -> Response<Body> {
    let mut value = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                           "reason": reason, "code": code});
    if details.as_object().is_some_and(|details| !details.is_empty()) {
        value["details"] = details;
    }
    json_answer(code, &value)
}

/// An answer of JSON.
pub fn json_answer(code: u16, value: &Value) -> Response<Body> {
    let builder = Response::builder().status(StatusCode::from_u16(code).expect("a status"));
    builder.header(header::CONTENT_TYPE, "application/json").body(Body::from(format!("{value}\n"))).expect("an answer")
}

fn plain_404() -> Response<Body> {
    let builder = Response::builder().status(404).header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    builder.body(Body::from("404 page not found\n")).expect("an answer")
}

/// What Basic authorization says.
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(value).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
