//! What the server knows: objects with versions, every change of them, logs, tokens, and what was asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use axum::http::request::Parts;
use serde_json::{Value, json};

use super::misbehaviour::{Injection, Misbehaviour};
use super::resources;

/// Names a collection: group (empty for the core), plural, namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Collection {
    /// `tekton.dev`, or nothing.
    pub group: String,
    /// `pipelineruns`.
    pub plural: String,
    /// The namespace.
    pub namespace: String,
}

impl Collection {
    /// A collection of the namespace that builds are in.
    pub(crate) fn new(group: &str, plural: &str) -> Collection {
        Collection { group: group.into(), plural: plural.into(), namespace: super::NAMESPACE.into() }
    }

    /// `pipelineruns.tekton.dev`, as messages have it.
    pub(crate) fn full_name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The kind of its objects.
    pub(crate) fn kind(&self) -> &'static str {
        resources::kind(&self.group, &self.plural).expect("a collection that there is")
    }

    /// What a `Status` says of an object of this collection, or of none.
    pub(crate) fn details(&self, name: Option<&str>) -> Value {
        let mut details = json!({"kind": self.plural});
        if let Some(name) = name {
            details["name"] = json!(name);
        }
        if !self.group.is_empty() {
            details["group"] = json!(self.group);
        }
        details
    }
}

/// A change of an object.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The version that it made.
    pub version: u64,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub kind: &'static str,
    /// Where.
    pub collection: Collection,
    /// The object afterwards, for a removal before.
    pub object: Value,
    /// The object before.
    pub before: Option<Value>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
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
    /// A request with its body.
    pub(crate) fn new(parts: &Parts, body: &[u8]) -> Recorded {
        let headers = parts.headers.iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Recorded {
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            headers: headers.collect(),
            body: body.to_vec(),
        }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The log of a container.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// Time stamps and lines with their ends; the last one may lack it.
    pub lines: Vec<(String, Vec<u8>)>,
    /// Whether the container has ended.
    pub ended: bool,
}

/// Everything.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The version of the last change.
    pub version: u64,
    /// The objects.
    pub objects: BTreeMap<(Collection, String), Value>,
    /// All changes since `forgotten`.
    pub changes: Vec<Change>,
    /// Up to this version changes are forgotten.
    pub forgotten: u64,
    /// Namespaces that there are, and that users may use.
    pub namespaces: BTreeSet<String>,
    /// Tokens that let in, and their users.
    pub tokens: BTreeMap<String, String>,
    /// Users who may do nothing, and verbs that nobody may: `create pipelineruns`.
    pub forbidden: BTreeSet<String>,
    /// Logs by pod and container.
    pub logs: BTreeMap<(String, String), Log>,
    /// Requests as they came.
    pub requests: Vec<Recorded>,
    /// What to do with requests instead of answering them as it should be.
    pub tricks: VecDeque<Injection>,
    /// How open streams are disturbed.
    pub misbehaviour: Misbehaviour,
    /// Runs in the order of their creation.
    pub created_runs: Vec<String>,
}

impl State {
    /// Puts an object in, or in the place of another. Returns it with its version.
    pub(crate) fn put(&mut self, collection: &Collection, mut object: Value) -> Value {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let before = self.get(collection, &name).cloned();
        self.version += 1;
        let metadata = &mut object["metadata"];
        metadata["namespace"] = json!(collection.namespace);
        metadata["resourceVersion"] = json!(self.version.to_string());
        metadata["creationTimestamp"] = json!(now());
        metadata["uid"] = json!(format!("00000000-0000-4000-8000-{:012}", self.version));
        metadata["generation"] = json!(1);
        if let Some(before) = &before {
            for key in ["creationTimestamp", "uid", "generation"] {
                metadata[key] = before["metadata"][key].clone();
            }
            if object["spec"] != before["spec"] {
                let generation = before["metadata"]["generation"].as_u64().unwrap_or(0);
                object["metadata"]["generation"] = json!(generation + 1);
            }
        } else {
            self.is_new(collection, &name);
        }
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.record(kind, collection, &object, before);
        self.objects.insert((collection.clone(), name), object.clone());
        object
    }

    /// A pod has no logs of an earlier one of its name.
    fn is_new(&mut self, collection: &Collection, name: &str) {
        match collection.plural.as_str() {
            "pods" => self.logs.retain(|(pod, _), _| pod != name),
            "pipelineruns" => self.created_runs.push(name.to_owned()),
            _ => {}
        }
    }

    fn record(&mut self, kind: &'static str, collection: &Collection, object: &Value, before: Option<Value>) {
        let (collection, object) = (collection.clone(), object.clone());
        self.changes.push(Change { version: self.version, kind, collection, object, before });
    }

    /// Removes an object and what it owns.
    pub(crate) fn remove(&mut self, collection: &Collection, name: &str) -> Option<Value> {
        let object = self.remove_only(collection, name)?;
        let is_owned = |other: &Value| other["metadata"]["ownerReferences"][0]["uid"] == object["metadata"]["uid"];
        let owned: Vec<(Collection, String)> =
            self.objects.iter().filter(|(_, other)| is_owned(other)).map(|(key, _)| key.clone()).collect();
        for (collection, name) in owned {
            self.remove(&collection, &name);
        }
        Some(object)
    }

    /// Removes an object, and leaves what it owns.
    pub(crate) fn remove_only(&mut self, collection: &Collection, name: &str) -> Option<Value> {
        let object = self.objects.remove(&(collection.clone(), name.to_owned()))?;
        self.version += 1;
        let mut last = object.clone();
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.record("DELETED", collection, &last, Some(object.clone()));
        Some(object)
    }

    /// The objects of a collection, by name.
    pub(crate) fn of<'a>(&'a self, collection: &'a Collection) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |((known, _), _)| known == collection).map(|(_, object)| object)
    }

    /// An object.
    pub(crate) fn get(&self, collection: &Collection, name: &str) -> Option<&Value> {
        self.objects.get(&(collection.clone(), name.to_owned()))
    }
}

/// The time in whole seconds.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
