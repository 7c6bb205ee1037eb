//! Reading and changing objects.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::Shared;
use super::admission::{self, Admitted};
use super::answers::{conflict, failure, json_answer, not_found, status, unreadable, unsupported};
use super::resources::api_version;
use super::selectors::Selectors;
use super::server::{Query, Target};
use super::state::{Collection, State, now};
use super::versions::{in_version, kept, merge};

/// The ways to patch custom resources.
const PATCHES: &str = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
/// What is said of a `continue` whose version is forgotten.
const STALE: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list \
    without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
    Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between \
    the time the first chunk was returned and now may show up in the list.";

/// A request about objects.
pub(super) struct Asked<'a> {
    /// The server.
    pub shared: &'a Arc<Shared>,
    /// What it is about.
    pub target: &'a Target,
    /// Its parameters.
    pub query: &'a Query,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a Bytes,
}

/// The verb is of no use here.
pub(super) fn not_allowed() -> Response<Body> {
    let message = "the server does not allow this method on the requested resource";
    status(405, "MethodNotAllowed", message, json!({}))
}

impl Asked<'_> {
    fn collection(&self) -> &Collection {
        &self.target.collection
    }

    fn shown(&self, object: &Value) -> Value {
        in_version(object, &self.collection().group, &self.target.version)
    }

    /// `GET` of a collection, whole or in pages.
    pub(super) fn list(&self) -> Response<Body> {
        let collection = self.collection();
        let selectors = match Selectors::of(self.query, collection) {
            Ok(selectors) => selectors,
            Err(refusal) => return refusal,
        };
        let limit = match self.query.number("limit") {
            Ok(limit) => limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0),
            Err(refusal) => return refusal,
        };
        self.shared.read(|state| {
            let start = match self.start(state) {
                Ok(start) => start,
                Err(refusal) => return refusal,
            };
            let rest = state.of(collection).filter(|object| selectors.select(object));
            let rest = rest.skip_while(|object| object["metadata"]["name"].as_str() <= start.as_deref());
            let mut items: Vec<&Value> = rest.collect();
            let mut metadata = json!({"resourceVersion": state.version.to_string(), "continue": ""});
            if let Some(left) = limit.and_then(|limit| items.len().checked_sub(limit)).filter(|left| *left > 0) {
                items.truncate(items.len() - left);
                let last = items.last().map(|object| object["metadata"]["name"].clone());
                metadata["continue"] = json!(page(i128::from(state.version), &last.unwrap_or_default()));
                if selectors.are_empty() {
                    metadata["remainingItemCount"] = json!(left);
                }
            }
            let items: Vec<Value> = items.into_iter().map(|object| self.shown(object)).collect();
            let api = api_version(&collection.group, &self.target.version);
            let list = json!({"apiVersion": api, "kind": format!("{}List", collection.kind()), "metadata": metadata, "items": items});
            json_answer(200, &list)
        })
    }

    /// The name after which a page begins; or that the version of a list is not to be had.
    fn start(&self, state: &State) -> Result<Option<String>, Response<Body>> {
        if let Some(token) = self.query.get("continue").filter(|token| !token.is_empty()) {
            let token =
                STANDARD_NO_PAD.decode(token).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
            let token = token.ok_or_else(|| status(400, "BadRequest", "continue key is not valid", json!({})))?;
            if token["rv"].as_u64().is_some_and(|version| version < state.forgotten) {
                let mut gone = failure(410, "Expired", STALE, json!({}));
                gone["metadata"]["continue"] = json!(page(-1, &token["start"]));
                return Err(json_answer(410, &gone));
            }
            return Ok(token["start"].as_str().map(str::to_owned));
        }
        let wanted: u64 = self.query.get("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
        if wanted > state.version {
            let message = format!("Timeout: Too large resource version: {wanted}, current: {}", state.version);
            let cause = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
            return Err(status(504, "Timeout", &message, json!({"causes": cause, "retryAfterSeconds": 1})));
        }
        if self.query.get("resourceVersionMatch") == Some("Exact") && wanted < state.forgotten {
            return Err(status(410, "Expired", "The resourceVersion for the provided list is too old.", json!({})));
        }
        Ok(None)
    }

    /// `GET` of an object.
    pub(super) fn get(&self, name: &str) -> Response<Body> {
        match self.shared.read(|state| state.get(self.collection(), name).cloned()) {
            Some(object) => json_answer(200, &self.shown(&object)),
            None => not_found(self.collection(), name),
        }
    }

    /// `POST` to a collection.
    pub(super) fn create(&self) -> Response<Body> {
        match self.try_create() {
            Ok(answer) | Err(answer) => answer,
        }
    }

    fn try_create(&self) -> Result<Response<Body>, Response<Body>> {
        let Admitted { mut object, warnings } = admission::read(self)?;
        let collection = self.collection();
        if object["metadata"]["name"].is_null()
            && let Some(begin) = object["metadata"]["generateName"].as_str()
        {
            let suffix = self.shared.change(|state| {
                state.version += 1;
                state.version
            });
            object["metadata"]["name"] = json!(format!("{begin}{suffix:05}"));
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let result = self.try_admit(object, &name).and_then(|object| {
            let is_rehearsal = self.query.get("dryRun") == Some("All");
            self.shared.change(|state| {
                if state.get(collection, &name).is_some() {
                    let message = format!("{} \"{name}\" already exists", collection.full_name());
                    return Err(status(409, "AlreadyExists", &message, collection.details(Some(&name))));
                }
                Ok(if is_rehearsal { rehearsed(object, collection) } else { state.put(collection, object) })
            })
        });
        let mut answer = result.map_or_else(|refusal| refusal, |object| json_answer(201, &self.shown(&object)));
        for warning in warnings {
            answer.headers_mut().append(header::WARNING, HeaderValue::from_str(&warning).expect("a header"));
        }
        Ok(answer)
    }

    fn try_admit(&self, object: Value, name: &str) -> Result<Value, Response<Body>> {
        admission::name(self, name)?;
        let kind = self.collection().kind();
        let object = kept(object, kind).map_err(|why| unreadable(&why))?;
        if kind == "PipelineRun" {
            admission::run(&object, None)?;
        }
        Ok(object)
    }

    /// `PATCH` of an object: by merging.
    pub(super) fn patch(&self, name: &str) -> Response<Body> {
        let media_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if media_type != Some("application/merge-patch+json") {
            return unsupported(PATCHES);
        }
        let Ok(patch) = serde_json::from_slice::<Value>(self.body) else {
            return status(400, "BadRequest", "error decoding patch", json!({}));
        };
        self.update(name, |object| merge(object, &patch))
    }

    /// `PUT` of an object.
    pub(super) fn replace(&self, name: &str) -> Response<Body> {
        match admission::read(self) {
            Ok(admitted) => self.update(name, |object| *object = admitted.object),
            Err(refusal) => refusal,
        }
    }

    /// Changes an object as the version that is asked for shows it.
    fn update(&self, name: &str, change: impl FnOnce(&mut Value)) -> Response<Body> {
        let collection = self.collection();
        self.shared.change(|state| {
            let Some(before) = state.get(collection, name).cloned() else { return not_found(collection, name) };
            let mut object = self.shown(&before);
            change(&mut object);
            let version = &object["metadata"]["resourceVersion"];
            if !version.is_null() && *version != before["metadata"]["resourceVersion"] {
                return conflict(collection, name);
            }
            let object = match kept(object, collection.kind()) {
                Ok(object) => object,
                Err(why) => return unreadable(&why),
            };
            if collection.plural == "pipelineruns"
                && let Err(refusal) = admission::run(&object, Some(&before))
            {
                return refusal;
            }
            // What changes nothing makes no new version.
            let object = if object == before { object } else { state.put(collection, object) };
            json_answer(200, &self.shown(&object))
        })
    }

    /// `DELETE` of an object and, unless it is to leave them, of what it owns.
    pub(super) fn delete(&self, name: &str) -> Response<Body> {
        let collection = self.collection();
        let options: Value = serde_json::from_slice(self.body).unwrap_or_default();
        let policy =
            options["propagationPolicy"].as_str().or(self.query.get("propagationPolicy")).unwrap_or("Background");
        self.shared.change(|state| {
            let Some(object) = state.get(collection, name).cloned() else { return not_found(collection, name) };
            let wanted = &options["preconditions"]["uid"];
            if !wanted.is_null() && *wanted != object["metadata"]["uid"] {
                return conflict(collection, name);
            }
            let mut last = object.clone();
            last["metadata"]["deletionTimestamp"] = json!(now());
            last["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            let is_foreground = policy == "Foreground";
            if is_foreground {
                last["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
                last = state.put(collection, last);
            }
            if policy == "Orphan" {
                state.remove_only(collection, name)
            } else {
                state.remove(collection, name)
            };
            if is_foreground || collection.plural == "pods" {
                return json_answer(200, &self.shown(&last));
            }
            let mut details = collection.details(Some(name));
            details["uid"] = object["metadata"]["uid"].clone();
            json_answer(
                200,
                &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
            )
        })
    }
}

fn page(version: i128, start: &Value) -> String {
    STANDARD_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": version as i64, "start": start}).to_string())
}

/// An object as it would have been created.
fn rehearsed(mut object: Value, collection: &Collection) -> Value {
    object["metadata"]["namespace"] = json!(collection.namespace);
    object["metadata"]["creationTimestamp"] = json!(now());
    object["metadata"]["uid"] = json!("00000000-0000-4000-8000-00000000d217");
    object["metadata"]["generation"] = json!(1);
    object
}
