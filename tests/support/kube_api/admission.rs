//! What the API server and Tekton's webhooks look at before an object is let in.

use axum::body::Body;
use axum::http::{Response, header};
use serde_json::{Value, json};

use super::answers::{bad_request, denied, invalid, unsupported};
use super::objects::Asked;

/// What the body of a create or an update may be.
const ACCEPTED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
/// The wishes for an end of a run.
const WISHES: [&str; 4] = ["Cancelled", "CancelledRunFinally", "StoppedRunFinally", "PipelineRunPending"];
/// Where the content of a workspace can come from.
const SOURCES: [&str; 8] =
    ["configMap", "emptyDir", "persistentVolumeClaim", "secret", "volumeClaimTemplate", "projected", "csi", "subPath"];

/// An object that may come in, and the fields that the server did not know and left out.
pub(super) struct Admitted {
    /// The object, in the version it was sent in.
    pub object: Value,
    /// Headers for it.
    pub warnings: Vec<String>,
}

/// Reads the body of a create or an update.
pub(super) fn read(asked: &Asked<'_>) -> Result<Admitted, Response<Body>> {
    let media_type = asked.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // Without a type, it is JSON.
    if media_type.is_some_and(|value| !value.starts_with("application/json")) {
        return Err(unsupported(ACCEPTED));
    }
    let kind = asked.target.collection.kind();
    let object: Value = serde_json::from_slice(asked.body).map_err(|error| {
        let text = String::from_utf8_lossy(asked.body);
        let begin: String = text.chars().take(30).collect();
        let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
        bad_request(&format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({begin} ...)"
        ))
    })?;
    if !object.is_object() {
        return Err(bad_request(&format!("the object provided is unrecognized (must be of type {kind})")));
    }
    let namespace = &object["metadata"]["namespace"];
    if !namespace.is_null() && *namespace != json!(asked.target.collection.namespace) {
        return Err(bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    pruned(asked, object)
}

/// Leaves out what the server does not know; strict clients are told no.
fn pruned(asked: &Asked<'_>, mut object: Value) -> Result<Admitted, Response<Body>> {
    let mut unknown = Vec::new();
    let fields = object.as_object_mut().expect("an object");
    if asked.target.collection.group == "tekton.dev" {
        let known = ["apiVersion", "kind", "metadata", "spec", "status"];
        unknown.extend(fields.keys().filter(|key| !known.contains(&key.as_str())).cloned());
        fields.retain(|key, _| known.contains(&key.as_str()));
        for (at, workspace) in object["spec"]["workspaces"].as_array_mut().into_iter().flatten().enumerate() {
            let Some(fields) = workspace.as_object_mut() else { continue };
            let is_known = |key: &String| key == "name" || SOURCES.contains(&key.as_str());
            let of_workspace = fields.keys().filter(|key| !is_known(key));
            unknown.extend(of_workspace.map(|key| format!("spec.workspaces[{at}].{key}")));
            fields.retain(|key, _| is_known(key));
        }
    }
    let named: Vec<String> = unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
    if asked.query.get("fieldValidation") == Some("Strict") && !named.is_empty() {
        let (kind, version) = (asked.target.collection.kind(), &asked.target.version);
        let why = format!("{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error");
        return Err(bad_request(&format!("{why}: {}", named.join(", "))));
    }
    let is_silent = asked.query.get("fieldValidation") == Some("Ignore");
    let warnings = named.iter().filter(|_| !is_silent).map(|field| format!("299 - \"{}\"", field.replace('"', "\\\"")));
    Ok(Admitted { object, warnings: warnings.collect() })
}

/// A name of an object, as RFC 1123 has subdomains.
pub(super) fn name(asked: &Asked<'_>, name: &str) -> Result<(), Response<Body>> {
    let is_edge =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    let is_label = |label: &str| {
        let is_inner = |letter: char| letter == '-' || is_edge(Some(letter));
        is_edge(label.chars().next()) && is_edge(label.chars().last()) && label.chars().all(is_inner)
    };
    let why = if name.len() > 253 {
        "must be no more than 253 characters".to_owned()
    } else if name.is_empty() {
        "name or generateName is required".to_owned()
    } else if name.split('.').all(is_label) {
        return Ok(());
    } else {
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and \
         end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .to_owned()
    };
    let collection = &asked.target.collection;
    let (kind, mut details) = (collection.kind(), collection.details(Some(name)));
    details["kind"] = json!(kind);
    let what = if collection.group.is_empty() { kind.to_owned() } else { format!("{kind}.{}", collection.group) };
    Err(invalid(&what, name, details, "metadata.name", &format!("Invalid value: \"{name}\": {why}")))
}

/// What Tekton's webhook checks of a run; `before` is the run that it is to replace.
pub(super) fn run(object: &Value, before: Option<&Value>) -> Result<(), Response<Body>> {
    let spec = &object["spec"];
    let mut wrong = Vec::new();
    match (spec["pipelineRef"].is_null(), spec["pipelineSpec"].is_null()) {
        (true, true) => wrong.push("expected exactly one, got neither: spec.pipelineRef, spec.pipelineSpec".to_owned()),
        (false, false) => wrong.push("expected exactly one, got both: spec.pipelineRef, spec.pipelineSpec".to_owned()),
        _ => {}
    }
    for (at, workspace) in spec["workspaces"].as_array().into_iter().flatten().enumerate() {
        let has_source = SOURCES.iter().any(|source| !workspace[source].is_null());
        if !has_source {
            let fields = ["configmap", "emptydir", "persistentvolumeclaim", "secret", "volumeclaimtemplate"];
            let fields: Vec<String> = fields.iter().map(|field| format!("spec.workspaces[{at}].{field}")).collect();
            wrong.push(format!("expected exactly one, got neither: {}", fields.join(", ")));
        }
    }
    if let Some(wish) = spec["status"].as_str().filter(|wish| !wish.is_empty() && !WISHES.contains(wish)) {
        let should = "should be Cancelled, CancelledRunFinally, StoppedRunFinally or PipelineRunPending";
        wrong.push(format!("invalid value: {wish} {should}: spec.status"));
    }
    if before.is_some_and(|before| has_ended(before) && before["spec"] != *spec) {
        wrong.push("invalid value: Once the PipelineRun is complete, no updates are allowed: spec".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(denied(&wrong.join("\n"))) }
}

/// Whether the only condition of a run or task says that it is over.
pub(super) fn has_ended(object: &Value) -> bool {
    object["status"]["conditions"][0]["status"].as_str().is_some_and(|status| status != "Unknown")
}
