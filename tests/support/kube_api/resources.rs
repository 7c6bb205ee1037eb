//! What kinds of objects there are, and the lists that clients find their way with.

use serde_json::{Value, json};

use super::Shared;

/// A kind of objects: group, plural, kind, and short names.
struct Resource(&'static str, &'static str, &'static str, &'static [&'static str]);

const RESOURCES: [Resource; 9] = [
    Resource("", "pods", "Pod", &["po"]),
    Resource("", "events", "Event", &["ev"]),
    Resource("tekton.dev", "pipelines", "Pipeline", &[]),
    Resource("tekton.dev", "pipelineruns", "PipelineRun", &["pr", "prs"]),
    Resource("tekton.dev", "tasks", "Task", &[]),
    Resource("tekton.dev", "taskruns", "TaskRun", &["tr", "trs"]),
    Resource("build.openshift.io", "builds", "Build", &[]),
    Resource("build.openshift.io", "buildconfigs", "BuildConfig", &["bc"]),
    Resource("image.openshift.io", "imagestreams", "ImageStream", &["is"]),
];

const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];

/// The kind of a collection's objects, where there is such a collection.
pub(super) fn kind(group: &str, plural: &str) -> Option<&'static str> {
    RESOURCES.iter().find(|known| known.0 == group && known.1 == plural).map(|known| known.2)
}

/// The answer to a question about what there is.
pub(super) fn discovery(shared: &Shared, segments: &[&str]) -> Option<Value> {
    match segments {
        ["version"] => {
            Some(json!({"major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "", "goVersion": "go1.26.6",
            "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z", "compiler": "gc", "platform": "linux/amd64"}))
        }
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        ["api", "v1"] => Some(resources("", "v1")),
        ["apis"] => {
            let groups: Vec<Value> = shared.groups().into_iter().map(|name| group(shared, name)).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] if shared.groups().contains(name) => Some(group(shared, name)),
        ["apis", name, version] if shared.serves(name, version) => Some(resources(name, version)),
        _ => None,
    }
}

fn group(shared: &Shared, name: &str) -> Value {
    let entry = |version: &&str| json!({"groupVersion": format!("{name}/{version}"), "version": version});
    let versions: Vec<Value> = shared.versions(name).iter().map(entry).collect();
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": versions, "preferredVersion": versions.first()})
}

fn resources(group: &str, version: &str) -> Value {
    let entry = |known: &Resource| {
        let Resource(_, plural, kind, short) = known;
        json!({"name": plural, "singularName": kind.to_lowercase(), "namespaced": true, "kind": kind, "verbs": VERBS, "shortNames": short})
    };
    let mut list: Vec<Value> = RESOURCES.iter().filter(|known| known.0 == group).map(entry).collect();
    let below = |name: &str, kind: &str, verb: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": [verb]});
    match group {
        "" => list.push(below("pods/log", "Pod", "get")),
        "build.openshift.io" => list.push(below("buildconfigs/instantiate", "BuildRequest", "create")),
        _ => {}
    }
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version(group, version), "resources": list})
}

/// `v1` of the core, `tekton.dev/v1` of a group.
pub(super) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}
