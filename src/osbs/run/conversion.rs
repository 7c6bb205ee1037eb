//! A PipelineRun said in one version of Tekton's API, said in another: what the server's own conversion does with stored objects
//! (`pipelinerun_conversion.go`).
//!
//! It is done here because a server drops fields it does not know instead of refusing them: a service account in the wrong place would
//! be no account, and nobody would notice. Pipelines written into a run (`pipelineSpec`) are left as they are.

use serde_json::{Map, Value};

use crate::osbs::tekton::Version;

/// What is at the top of `spec` in `v1beta1` and in `taskRunTemplate` in `v1`.
const OF_ALL_TASKS: [&str; 2] = ["serviceAccountName", "podTemplate"];
/// Fields of `taskRunSpecs`, as `v1beta1` and as `v1` call them.
const OF_ONE_TASK: [(&str, &str); 4] = [
    ("taskServiceAccountName", "serviceAccountName"),
    ("taskPodTemplate", "podTemplate"),
    ("stepOverrides", "stepSpecs"),
    ("sidecarOverrides", "sidecarSpecs"),
];
/// What `v1` has nothing for, as paths.
const GONE: [&str; 2] = ["/spec/resources", "/spec/pipelineRef/bundle"];

/// Says a run in the version that a cluster serves, whichever it was written for. Where it says something twice, in the way of both
/// versions, the way of the cluster's version counts.
pub(crate) fn convert(run: &mut Map<String, Value>, version: Version) {
    run.insert("apiVersion".to_owned(), format!("tekton.dev/{}", version.name()).into());
    let Some(spec) = run.get_mut("spec").and_then(Value::as_object_mut) else { return };
    // Deprecated in v1beta1, which knows the other one as well.
    if let Some(timeout) = spec.remove("timeout") {
        add_in(spec, "timeouts", "pipeline", timeout);
    }
    match version {
        Version::V1 => {
            for key in OF_ALL_TASKS {
                if let Some(value) = spec.remove(key) {
                    add_in(spec, "taskRunTemplate", key, value);
                }
            }
        }
        Version::V1Beta1 => {
            if let Some(Value::Object(template)) = spec.remove("taskRunTemplate") {
                template.into_iter().for_each(|(key, value)| add(spec, &key, value));
            }
        }
    }
    let tasks = spec.get_mut("taskRunSpecs").and_then(Value::as_array_mut);
    for task in tasks.into_iter().flatten().filter_map(Value::as_object_mut) {
        rename(task, version);
    }
}

/// The first field of a run that a version has nothing for.
pub(crate) fn inexpressible(run: &Value, version: Version) -> Option<String> {
    let is_there = |path: &&&str| run.pointer(path).is_some_and(|value| !value.is_null());
    let gone = GONE.iter().find(is_there).filter(|_| version == Version::V1)?;
    Some(gone.trim_start_matches('/').replace('/', "."))
}

fn rename(task: &mut Map<String, Value>, version: Version) {
    for (old, new) in OF_ONE_TASK {
        let (from, to) = if version == Version::V1 { (old, new) } else { (new, old) };
        if let Some(value) = task.remove(from) {
            add(task, to, value);
        }
    }
}

/// Adds a field to a mapping inside another, which is made if need be: an empty value of YAML's is `null`.
fn add_in(parent: &mut Map<String, Value>, child: &str, key: &str, value: Value) {
    let child = parent.entry(child).or_insert(Value::Null);
    if child.is_null() {
        *child = Value::Object(Map::new());
    }
    if let Value::Object(fields) = child {
        add(fields, key, value);
    }
}

/// Adds a field, unless it is there already.
fn add(fields: &mut Map<String, Value>, key: &str, value: Value) {
    fields.entry(key).or_insert(value);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn converted(spec: &Value, version: Version) -> Value {
        let mut run = json!({"apiVersion": "tekton.dev/v1beta1", "spec": spec});
        if let Value::Object(run) = &mut run {
            convert(run, version);
        }
        assert_eq!(run["apiVersion"], format!("tekton.dev/{}", version.name()));
        run["spec"].take()
    }

    #[test]
    fn each_version_has_its_own_names() {
        let old = json!({
            "serviceAccountName": "pipeline", "podTemplate": {"nodeSelector": {"a": "b"}}, "timeouts": {"pipeline": "60s"},
            "taskRunSpecs": [
                {"pipelineTaskName": "clone", "taskServiceAccountName": "x", "taskPodTemplate": {}, "metadata": {}},
                {"pipelineTaskName": "build", "stepOverrides": [{"name": "a"}], "sidecarOverrides": []},
            ],
        });
        let new = json!({
            "taskRunTemplate": {"serviceAccountName": "pipeline", "podTemplate": {"nodeSelector": {"a": "b"}}},
            "timeouts": {"pipeline": "60s"},
            "taskRunSpecs": [
                {"pipelineTaskName": "clone", "serviceAccountName": "x", "podTemplate": {}, "metadata": {}},
                {"pipelineTaskName": "build", "stepSpecs": [{"name": "a"}], "sidecarSpecs": []},
            ],
        });
        assert_eq!(converted(&old, Version::V1), new);
        assert_eq!(converted(&new, Version::V1Beta1), old);
        assert_eq!(converted(&old, Version::V1Beta1), old);
        assert_eq!(converted(&new, Version::V1), new);
    }

    #[test]
    fn the_old_time_out_is_said_in_the_new_way_to_both() {
        for version in [Version::V1, Version::V1Beta1] {
            let of_run = json!({"timeouts": {"pipeline": "60s"}});
            assert_eq!(converted(&json!({"timeout": "60s"}), version), of_run);
            assert_eq!(converted(&json!({"timeout": "60s", "timeouts": null}), version), of_run);
            let with_tasks = converted(&json!({"timeout": "60s", "timeouts": {"tasks": "50s"}}), version);
            assert_eq!(with_tasks, json!({"timeouts": {"tasks": "50s", "pipeline": "60s"}}));
        }
    }

    #[test]
    fn what_is_said_twice_counts_in_the_way_of_the_version() {
        let both = json!({"serviceAccountName": "old", "taskRunTemplate": {"serviceAccountName": "new"}});
        assert_eq!(converted(&both, Version::V1), json!({"taskRunTemplate": {"serviceAccountName": "new"}}));
        assert_eq!(converted(&both, Version::V1Beta1), json!({"serviceAccountName": "old"}));
    }

    #[test]
    fn what_v1_has_nothing_for_is_found() {
        let run = json!({"spec": {"pipelineRef": {"name": "x", "bundle": "r/b:1"}, "resources": null}});
        assert_eq!(inexpressible(&run, Version::V1).as_deref(), Some("spec.pipelineRef.bundle"));
        assert_eq!(inexpressible(&run, Version::V1Beta1), None);
        assert_eq!(inexpressible(&json!({"spec": {"pipelineRef": {"name": "x"}}}), Version::V1), None);
    }
}
