//! The PipelineRun that is created: of the site's template, else of the Pipeline that the cluster has; and its creation, once.
//!
//! A create that got no answer may have been carried out. The run's name is ours, so the run is asked for by its name: one with our
//! parameters is the one that was made, and nothing is created twice.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::cluster::{Cluster, ClusterError, Patience};
use super::run_kind::RunKind;
use super::tekton::Version;
use crate::event::{BuildEvent, TaskId, TaskState, Warning};

/// The names that OSBS's pipelines have had for the parameter with the user's parameters.
const USER_PARAMS: [&str; 2] = ["user-params", "USER_PARAMS"];
/// What workspaces of OSBS's pipelines are bound to where the configuration does not say.
const BINDINGS: [(&str, &str); 6] = [
    ("ws-container", "volumeClaimTemplate:10Gi"),
    ("ws-home-dir", "emptyDir"),
    ("ws-registries-secret", "secret:registries-secret"),
    ("ws-koji-secret", "secret:koji-secret"),
    ("ws-remote-host-auth", "secret:remote-host-auth"),
    ("ws-autobot-keytab", "secret:autobot-keytab"),
];
/// The workspace that the reactor's ConfigMap is in.
const CONFIG_WORKSPACE: &str = "ws-reactor-config-map";
/// How often a create is tried that certainly did not arrive.
const TRIES: u32 = 5;

/// What a run is made of where there is no template.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ingredients<'a> {
    /// The run's name.
    pub name: &'a str,
    /// The user's parameters as JSON that can be embedded.
    pub user_params: &'a str,
    /// Seconds that it may take.
    pub buildtime_limit: u64,
    /// The ConfigMap of atomic-reactor's configuration.
    pub reactor_config_map: Option<&'a str>,
    /// The service account, if not the namespace's default.
    pub service_account: Option<&'a str>,
    /// Values of parameters, by name.
    pub params: BTreeMap<String, String>,
    /// Bindings of workspaces, by name.
    pub workspaces: BTreeMap<String, String>,
}

/// Why no run can be made, or it was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The cluster said no.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The pipeline wants more than is known.
    #[error("the pipeline {pipeline} needs {}", missing.join(", "))]
    Missing {
        /// The pipeline.
        pipeline: String,
        /// `param.NAME` and `workspace.NAME` of everything that has no value.
        missing: Vec<String>,
    },
    /// A binding that is not of a known form.
    #[error(
        "workspace.{name} = `{binding}` is none of secret:NAME, configMap:NAME, pvc:NAME, volumeClaimTemplate:SIZE, emptyDir"
    )]
    Binding {
        /// The workspace.
        name: String,
        /// What it is bound to.
        binding: String,
    },
    /// There is a run of this name that somebody else made.
    #[error("there is another PipelineRun {name} in the cluster already")]
    Taken {
        /// The name.
        name: String,
    },
}

/// Makes a run of the cluster's pipeline.
///
/// # Errors
/// When the pipeline wants more than is known: everything that is missing is told at once.
pub fn of_pipeline(pipeline: &Value, version: Version, with: &Ingredients<'_>) -> Result<Value, CreateError> {
    let name = pipeline.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let list =
        |key: &str| pipeline.pointer(&format!("/spec/{key}")).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut missing = Vec::new();
    let mut params = Vec::new();
    for param in list("params") {
        let Some(key) = param.get("name").and_then(Value::as_str) else { continue };
        let given = with.params.get(&key.to_lowercase()).map(String::as_str);
        let value = if USER_PARAMS.contains(&key) { Some(with.user_params) } else { given };
        match value {
            Some(value) => params.push(json!({"name": key, "value": value})),
            None if param.get("default").is_some() => {}
            None => missing.push(format!("param.{key}")),
        }
    }
    let mut workspaces = Vec::new();
    for workspace in list("workspaces") {
        let Some(key) = workspace.get("name").and_then(Value::as_str) else { continue };
        match binding(key, with) {
            Some(text) => workspaces.push(bound(key, &text)?),
            None if workspace.get("optional") == Some(&Value::Bool(true)) => {}
            None => missing.push(format!("workspace.{key}")),
        }
    }
    if !missing.is_empty() {
        return Err(CreateError::Missing { pipeline: name.to_owned(), missing });
    }
    let mut run = json!({
        "kind": "PipelineRun",
        "metadata": {"name": with.name},
        "spec": {
            "pipelineRef": {"name": name},
            "timeouts": {"pipeline": format!("{}s", with.buildtime_limit)},
            "params": params,
            "workspaces": workspaces,
        },
    });
    if let Some(object) = run.as_object_mut() {
        if let (Some(account), Some(spec)) =
            (with.service_account, object.get_mut("spec").and_then(Value::as_object_mut))
        {
            spec.insert("serviceAccountName".to_owned(), account.into());
        }
        super::template::as_version(object, version);
    }
    Ok(run)
}

fn binding(workspace: &str, with: &Ingredients<'_>) -> Option<String> {
    if let Some(configured) = with.workspaces.get(&workspace.to_lowercase()) {
        return Some(configured.clone());
    }
    if workspace == CONFIG_WORKSPACE {
        return with.reactor_config_map.map(|name| format!("configMap:{name}"));
    }
    BINDINGS.iter().find(|(name, _)| *name == workspace).map(|(_, binding)| (*binding).to_owned())
}

fn bound(workspace: &str, binding: &str) -> Result<Value, CreateError> {
    let (kind, name) = binding.split_once(':').map_or((binding, ""), |(kind, name)| (kind.trim(), name.trim()));
    let source = match (kind, name.is_empty()) {
        ("secret", false) => json!({"secret": {"secretName": name}}),
        ("configMap", false) => json!({"configMap": {"name": name}}),
        ("pvc", false) => json!({"persistentVolumeClaim": {"claimName": name}}),
        ("volumeClaimTemplate", false) => json!({"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": name}}}}}),
        ("emptyDir", true) => json!({"emptyDir": {}}),
        _ => return Err(CreateError::Binding { name: workspace.to_owned(), binding: binding.to_owned() }),
    };
    let mut bound: Map<String, Value> = [("name".to_owned(), Value::from(workspace))].into_iter().collect();
    if let Value::Object(source) = source {
        bound.extend(source);
    }
    Ok(Value::Object(bound))
}

/// Creates a run, or adopts the one that an earlier try has created. Returns it as the cluster has it.
///
/// # Errors
/// When the cluster says no, or cannot be reached.
pub async fn create(cluster: &Cluster, version: Version, run: &Value) -> Result<Value, CreateError> {
    let what = "create pipelineruns";
    let path = version.collection(cluster.namespace(), "pipelineruns");
    let mut attempt = 0;
    loop {
        let error = match cluster.ask(what, Method::POST, &path, Some(run)).await {
            Ok(created) => return Ok(created),
            Err(error) => error,
        };
        let was_sent = !matches!(&error, ClusterError::Network { not_sent: true, .. });
        let is_taken = error.code() == Some(409);
        if is_taken || (was_sent && error.is_transient()) {
            if let Some(found) = adopted(cluster, &path, run, is_taken).await? {
                return Ok(found);
            }
        } else if !error.is_transient() {
            return Err(error.into());
        }
        attempt += 1;
        if attempt >= TRIES {
            return Err(error.into());
        }
        cluster.wait(what, attempt, &error, Patience::Some).await;
    }
}

/// The run that a create without an answer has made; `None` when it made none.
async fn adopted(cluster: &Cluster, path: &str, run: &Value, is_taken: bool) -> Result<Option<Value>, CreateError> {
    let name = run.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let found = match cluster.get("get pipelineruns", &format!("{path}/{name}"), Patience::Some).await {
        Err(error) if error.code() == Some(404) && !is_taken => return Ok(None),
        found => found?,
    };
    if !is_same_build(&found, run) {
        return Err(CreateError::Taken { name: name.to_owned() });
    }
    cluster.events().send(BuildEvent::Warned(Warning::Adopted { task: TaskId::from(name) })).await;
    Ok(Some(found))
}

/// Asks for a run to be cancelled. Returns it as the cluster has it.
///
/// # Errors
/// When the run is not there, has ended, or the cluster cannot be reached.
pub async fn cancel(cluster: &Cluster, kind: RunKind, name: &str) -> Result<Value, ClusterError> {
    let what = format!("patch {}", kind.plural());
    let path = format!("{}/{name}", kind.collection(cluster.namespace()));
    let patch = kind.cancel_patch(name);
    let mut attempt = 0;
    loop {
        // The same wish twice is one wish: it may be repeated.
        let error = match cluster.ask(&what, Method::PATCH, &path, Some(&patch)).await {
            Ok(run) => return Ok(run),
            Err(error) => error,
        };
        attempt += 1;
        if attempt >= TRIES || !(error.is_transient() || error.code() == Some(409)) {
            return Err(error);
        }
        cluster.wait(&what, attempt, &error, Patience::Some).await;
    }
}

/// How a run stands; `None` when it is not there.
///
/// # Errors
/// When the cluster says no, or cannot be reached.
pub async fn state(cluster: &Cluster, kind: RunKind, name: &str) -> Result<Option<TaskState>, ClusterError> {
    let path = format!("{}/{name}", kind.collection(cluster.namespace()));
    match cluster.get(&format!("get {}", kind.plural()), &path, Patience::Some).await {
        Ok(run) => Ok(kind.read(run).map(|run| run.state())),
        Err(error) if error.code() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a run is there and has ended.
///
/// # Errors
/// As [`state`].
pub async fn has_ended(cluster: &Cluster, kind: RunKind, name: &str) -> Result<bool, ClusterError> {
    Ok(state(cluster, kind, name).await?.is_some_and(TaskState::is_final))
}

/// Deletes a run, and with it everything that it made. One that is gone already is fine.
///
/// # Errors
/// When the cluster says no, or cannot be reached.
pub async fn delete(cluster: &Cluster, kind: RunKind, name: &str) -> Result<(), ClusterError> {
    let path = kind.whole(cluster.namespace(), name);
    match cluster.ask(&format!("delete {}", kind.plural()), Method::DELETE, &path, None).await {
        Err(error) if error.code() != Some(404) => Err(error),
        _ => Ok(()),
    }
}

/// Whether two runs are of the same request: their user's parameters, which hold the unique name of the image, are equal.
pub fn is_same_build(one: &Value, other: &Value) -> bool {
    let params = |run: &Value| -> Option<Value> {
        let params = run.pointer("/spec/params")?.as_array()?;
        let of_user =
            |param: &&Value| param.get("name").and_then(Value::as_str).is_some_and(|name| USER_PARAMS.contains(&name));
        serde_json::from_str(params.iter().find(of_user)?.get("value")?.as_str()?).ok()
    };
    params(one).is_some_and(|one| Some(one) == params(other))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn pipeline() -> Value {
        json!({"metadata": {"name": "binary-container-0-2"}, "spec": {
            "params": [{"name": "osbs-image"}, {"name": "user-params"}, {"name": "x", "default": "1"}],
            "workspaces": [{"name": "ws-container"}, {"name": "ws-reactor-config-map"}, {"name": "ws-own"},
                           {"name": "netrc", "optional": true}]}})
    }

    #[test]
    fn what_a_pipeline_needs_is_told_at_once() {
        let error = of_pipeline(&pipeline(), Version::V1, &Ingredients::default()).unwrap_err();
        let expected = "the pipeline binary-container-0-2 needs param.osbs-image, workspace.ws-reactor-config-map, workspace.ws-own";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_run_is_made_of_the_pipeline_and_the_configuration() {
        let mut with = Ingredients {
            name: "x-1",
            user_params: "{}",
            buildtime_limit: 60,
            reactor_config_map: Some("cm"),
            service_account: Some("builder"),
            ..Ingredients::default()
        };
        with.params.insert("osbs-image".into(), "r/osbs:1".into());
        with.workspaces.insert("ws-own".into(), "pvc:claim".into());
        let run = of_pipeline(&pipeline(), Version::V1, &with).unwrap();
        assert_eq!(
            run,
            json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "x-1"}, "spec": {
                "pipelineRef": {"name": "binary-container-0-2"}, "timeouts": {"pipeline": "60s"},
                "taskRunTemplate": {"serviceAccountName": "builder"},
                "params": [{"name": "osbs-image", "value": "r/osbs:1"}, {"name": "user-params", "value": "{}"}],
                "workspaces": [
                    {"name": "ws-container", "volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "10Gi"}}}}},
                    {"name": "ws-reactor-config-map", "configMap": {"name": "cm"}},
                    {"name": "ws-own", "persistentVolumeClaim": {"claimName": "claim"}}]}})
        );
        with.workspaces.insert("ws-own".into(), "secret".into());
        let error = of_pipeline(&pipeline(), Version::V1, &with).unwrap_err().to_string();
        assert!(error.starts_with("workspace.ws-own = `secret` is none of secret:NAME"), "{error}");
    }

    #[test]
    fn builds_are_the_same_by_their_parameters() {
        let run = |name: &str, params: &str| json!({"spec": {"params": [{"name": name, "value": params}]}});
        assert!(is_same_build(&run("user-params", r#"{"a": 1, "b": 2}"#), &run("USER_PARAMS", r#"{"b":2,"a":1}"#)));
        assert!(!is_same_build(&run("user-params", r#"{"a": 1}"#), &run("user-params", r#"{"a": 2}"#)));
        assert!(!is_same_build(&json!({}), &json!({})));
    }
}
