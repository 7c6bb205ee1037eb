//! What the server knows: objects with versions, every change of them, logs, tokens, and what was asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::Trick;

/// Names a collection: group (empty for the core), plural, namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collection {
    /// `tekton.dev`, or nothing.
    pub group: String,
    /// `pipelineruns`.
    pub plural: String,
    /// The namespace.
    pub namespace: String,
}

impl Collection {
    /// A collection of the namespace that builds are in.
    pub fn new(group: &str, plural: &str) -> Collection {
        Collection { group: group.into(), plural: plural.into(), namespace: super::NAMESPACE.into() }
    }

    /// `pipelineruns.tekton.dev`, as messages have it.
    pub fn full_name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The kind of its objects.
    pub fn kind(&self) -> &'static str {
        match self.plural.as_str() {
            "pipelineruns" => "PipelineRun",
            "taskruns" => "TaskRun",
            "pipelines" => "Pipeline",
            "pods" => "Pod",
            "builds" => "Build",
            "buildconfigs" => "BuildConfig",
            _ => "Event",
        }
    }
}

/// A change of an object.
#[derive(Debug, Clone)]
pub struct Change {
    /// The version that it made.
    pub version: u64,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub kind: &'static str,
    /// Where.
    pub collection: Collection,
    /// The object afterwards, for a removal before.
    pub object: Value,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Recorded {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The log of a container.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Time stamps and lines with their ends; the last one may lack it.
    pub lines: Vec<(String, Vec<u8>)>,
    /// Whether the container has ended.
    pub ended: bool,
}

/// Everything.
#[derive(Debug, Default)]
pub struct State {
    /// The version of the last change.
    pub version: u64,
    /// The objects.
    pub objects: BTreeMap<(Collection, String), Value>,
    /// All changes since `forgotten`.
    pub changes: Vec<Change>,
    /// Up to this version changes are forgotten.
    pub forgotten: u64,
    /// Tokens that let in, and their users.
    pub tokens: BTreeMap<String, String>,
    /// Users who may do nothing, and verbs that nobody may: `create pipelineruns`.
    pub forbidden: BTreeSet<String>,
    /// Logs by pod and container.
    pub logs: BTreeMap<(String, String), Log>,
    /// Requests as they came.
    pub requests: Vec<Recorded>,
    /// What to do with requests whose method and path hold a text.
    pub tricks: VecDeque<(String, Trick)>,
    /// Counts wishes to end watches.
    pub cut_watches: u64,
    /// Counts wishes to end open logs cleanly.
    pub cut_logs: u64,
}

impl State {
    /// Puts an object in, or in the place of another. Returns it with its version.
    pub fn put(&mut self, collection: &Collection, mut object: Value) -> Value {
        self.version += 1;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = (collection.clone(), name);
        let before = self.objects.get(&key);
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        let created = before
            .map_or_else(now, |before| before["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned());
        let uid = before.map_or_else(
            || format!("00000000-0000-4000-8000-{:012}", self.version),
            |before| before["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
        );
        object["metadata"]["namespace"] = json!(collection.namespace);
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        object["metadata"]["creationTimestamp"] = json!(created);
        object["metadata"]["uid"] = json!(uid);
        self.changes.push(Change {
            version: self.version,
            kind,
            collection: collection.clone(),
            object: object.clone(),
        });
        self.objects.insert(key, object.clone());
        object
    }

    /// Removes an object and what it owns.
    pub fn remove(&mut self, collection: &Collection, name: &str) -> Option<Value> {
        let object = self.objects.remove(&(collection.clone(), name.to_owned()))?;
        self.version += 1;
        let mut last = object.clone();
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.changes.push(Change {
            version: self.version,
            kind: "DELETED",
            collection: collection.clone(),
            object: last,
        });
        let owned: Vec<(Collection, String)> = self
            .objects
            .iter()
            .filter(|(_, other)| other["metadata"]["ownerReferences"][0]["uid"] == object["metadata"]["uid"])
            .map(|(key, _)| key.clone())
            .collect();
        for (collection, name) in owned {
            self.remove(&collection, &name);
        }
        Some(object)
    }

    /// An object.
    pub fn get(&self, collection: &Collection, name: &str) -> Option<&Value> {
        self.objects.get(&(collection.clone(), name.to_owned()))
    }

    /// Takes the trick for a request, if there is one.
    pub fn trick(&mut self, request: &str) -> Option<Trick> {
        let at = self.tricks.iter().position(|(text, _)| request.contains(text.as_str()))?;
        self.tricks.remove(at).map(|(_, trick)| trick)
    }
}

/// The time in whole seconds.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether an object is meant by `fieldSelector` and `labelSelector`.
pub fn is_selected(object: &Value, fields: Option<&str>, labels: Option<&str>) -> bool {
    let pairs = |text: &str| -> Vec<(String, String)> {
        let parts = text.split(',').filter(|part| !part.is_empty());
        parts
            .filter_map(|part| {
                part.split_once('=').map(|(key, value)| (key.to_owned(), value.trim_start_matches('=').to_owned()))
            })
            .collect()
    };
    let field =
        |(key, value): (String, String)| object.pointer(&format!("/{}", key.replace('.', "/"))) == Some(&json!(value));
    let label = |(key, value): (String, String)| object["metadata"]["labels"].get(&key) == Some(&json!(value));
    fields.is_none_or(|text| pairs(text).into_iter().all(field))
        && labels.is_none_or(|text| pairs(text).into_iter().all(label))
}

/// An object in the version of the API that is asked for: they differ in the names of a few fields.
pub fn in_version(object: &Value, group: &str, version: &str) -> Value {
    let mut object = object.clone();
    if group == "tekton.dev" {
        object["apiVersion"] = json!(format!("tekton.dev/{version}"));
        let (from, to) = match object["kind"].as_str() {
            Some("PipelineRun") => ("results", "pipelineResults"),
            _ => ("results", "taskResults"),
        };
        let is_old = version == "v1beta1";
        if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
            let (from, to) = if is_old { (from, to) } else { (to, from) };
            if let Some(results) = status.remove(from) {
                status.insert(to.to_owned(), results);
            }
        }
    }
    object
}
