//! The PipelineRun that is created: of the site's template, else of the Pipeline that the cluster has.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::conversion;
use super::once::{self, CreateError, Created, New};
use crate::builder::Creation;
use crate::error::{Error, ErrorKind};
use crate::osbs::cluster::Cluster;
use crate::osbs::tekton::Version;

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

/// Why no run can be made of a pipeline.
#[derive(Debug, thiserror::Error)]
pub enum IngredientsError {
    /// The pipeline wants more than is known.
    #[error("the pipeline {pipeline} needs {}", missing.join(", "))]
    Missing {
        /// The pipeline.
        pipeline: String,
        /// The keys of osbs.conf of everything that has no value: `param.NAME`, `workspace.NAME`, `reactor_config_map`.
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
}

impl From<IngredientsError> for Error {
    fn from(error: IngredientsError) -> Self {
        Error::new(ErrorKind::Config, error)
            .hint("set these keys in the instance's section of osbs.conf, or pipeline_run_path to the site's template")
    }
}

/// Makes a run of the cluster's pipeline. What has a default there, or is optional, is left to the pipeline.
///
/// # Errors
/// When the pipeline wants more than is known: everything that is missing is told at once.
pub fn of_pipeline(pipeline: &Value, version: Version, with: &Ingredients<'_>) -> Result<Value, IngredientsError> {
    let name = pipeline.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let mut missing = Vec::new();
    let params = params(pipeline, with, &mut missing);
    let workspaces = workspaces(pipeline, with, &mut missing)?;
    if !missing.is_empty() {
        return Err(IngredientsError::Missing { pipeline: name.to_owned(), missing });
    }
    let mut spec = json!({
        "pipelineRef": {"name": name},
        "timeouts": {"pipeline": format!("{}s", with.buildtime_limit)},
        "params": params,
        "workspaces": workspaces,
    });
    if let Some(account) = with.service_account {
        spec["serviceAccountName"] = account.into();
    }
    let mut run = Map::new();
    run.insert("kind".to_owned(), "PipelineRun".into());
    run.insert("metadata".to_owned(), json!({"name": with.name}));
    run.insert("spec".to_owned(), spec);
    conversion::convert(&mut run, version);
    Ok(Value::Object(run))
}

/// What a pipeline declares in a list of its `spec`, with the names.
fn declared<'a>(pipeline: &'a Value, list: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let list = pipeline.get("spec").and_then(|spec| spec.get(list)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|item| Some((item.get("name")?.as_str()?, item)))
}

fn params(pipeline: &Value, with: &Ingredients<'_>, missing: &mut Vec<String>) -> Vec<Value> {
    let mut params = Vec::new();
    for (name, declaration) in declared(pipeline, "params") {
        // Keys of osbs.conf are lower case.
        let configured = with.params.get(&name.to_lowercase()).map(String::as_str);
        let value = if USER_PARAMS.contains(&name) { Some(with.user_params) } else { configured };
        match value {
            Some(value) => params.push(json!({"name": name, "value": value})),
            None if declaration.get("default").is_some() => {}
            None => missing.push(format!("param.{name}")),
        }
    }
    params
}

fn workspaces(
    pipeline: &Value,
    with: &Ingredients<'_>,
    missing: &mut Vec<String>,
) -> Result<Vec<Value>, IngredientsError> {
    let mut workspaces = Vec::new();
    for (name, declaration) in declared(pipeline, "workspaces") {
        match binding(name, with) {
            Some(text) => workspaces.push(bound(name, &text)?),
            None if declaration.get("optional") == Some(&Value::Bool(true)) => {}
            None if name == CONFIG_WORKSPACE => missing.push("reactor_config_map".to_owned()),
            None => missing.push(format!("workspace.{name}")),
        }
    }
    Ok(workspaces)
}

/// What a workspace is bound to, in the words of osbs.conf.
fn binding(workspace: &str, with: &Ingredients<'_>) -> Option<String> {
    if let Some(configured) = with.workspaces.get(&workspace.to_lowercase()) {
        return Some(configured.clone());
    }
    if workspace == CONFIG_WORKSPACE {
        return with.reactor_config_map.map(|name| format!("configMap:{name}"));
    }
    BINDINGS.iter().find(|(name, _)| *name == workspace).map(|(_, binding)| (*binding).to_owned())
}

fn bound(workspace: &str, binding: &str) -> Result<Value, IngredientsError> {
    let (kind, name) = binding.split_once(':').map_or((binding, ""), |(kind, name)| (kind, name));
    let (kind, name) = (kind.trim().to_ascii_lowercase(), name.trim());
    Ok(match (kind.as_str(), name.is_empty()) {
        ("secret", false) => json!({"name": workspace, "secret": {"secretName": name}}),
        ("configmap", false) => json!({"name": workspace, "configMap": {"name": name}}),
        ("pvc", false) => json!({"name": workspace, "persistentVolumeClaim": {"claimName": name}}),
        ("volumeclaimtemplate", false) => json!({"name": workspace, "volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": name}}}}}),
        ("emptydir", true) => json!({"name": workspace, "emptyDir": {}}),
        _ => return Err(IngredientsError::Binding { name: workspace.to_owned(), binding: binding.to_owned() }),
    })
}

/// Creates a run, or finds the one that an earlier try has created.
///
/// # Errors
/// When it was not created, or it is not known whether it was.
pub async fn create(
    cluster: &Cluster,
    version: Version,
    run: &Value,
    creation: &mut Creation,
) -> Result<Created, CreateError> {
    let name = run.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let path = version.collection(cluster.namespace(), "pipelineruns");
    let new = New {
        what: "create pipelineruns",
        to: &path,
        body: run,
        kind: "PipelineRun",
        plural: "pipelineruns",
        name,
        at: &format!("{path}/{name}"),
        is_ours: &|found| is_same_build(found, run),
    };
    once::create(cluster, new, creation).await
}

/// Whether two runs are of the same request: their user's parameters, which hold the unique name of the image, are equal. Of a
/// template that passes them on under another name all parameters are compared.
pub fn is_same_build(one: &Value, other: &Value) -> bool {
    match (params_of_user(one), params_of_user(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => {
            let params = |run: &Value| run.pointer("/spec/params").filter(|params| params.is_array()).cloned();
            params(one).is_some_and(|one| Some(one) == params(other))
        }
        _ => false,
    }
}

fn params_of_user(run: &Value) -> Option<Value> {
    let params = run.pointer("/spec/params")?.as_array()?;
    let is_of_user =
        |param: &&Value| param.get("name").and_then(Value::as_str).is_some_and(|name| USER_PARAMS.contains(&name));
    serde_json::from_str(params.iter().find(is_of_user)?.get("value")?.as_str()?).ok()
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
        let expected = "the pipeline binary-container-0-2 needs param.osbs-image, reactor_config_map, workspace.ws-own";
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
    fn the_old_spelling_of_the_users_parameters_is_filled_in() {
        let pipeline =
            json!({"metadata": {"name": "p"}, "spec": {"params": [{"name": "USER_PARAMS"}, {"name": "OSBS_IMAGE"}]}});
        let mut with = Ingredients { user_params: "{}", service_account: Some("builder"), ..Ingredients::default() };
        with.params.insert("osbs_image".into(), "r/osbs:1".into());
        let run = of_pipeline(&pipeline, Version::V1Beta1, &with).unwrap();
        let params = json!([{"name": "USER_PARAMS", "value": "{}"}, {"name": "OSBS_IMAGE", "value": "r/osbs:1"}]);
        assert_eq!((&run["spec"]["params"], &run["spec"]["serviceAccountName"]), (&params, &json!("builder")));
        assert_eq!((&run["apiVersion"], &run["spec"]["workspaces"]), (&json!("tekton.dev/v1beta1"), &json!([])));
    }

    #[test]
    fn bindings_are_written_in_a_few_words() {
        let volume = json!({"name": "w", "volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}}});
        for (binding, expected) in [
            ("secret: koji ", json!({"name": "w", "secret": {"secretName": "koji"}})),
            ("configMap:cm", json!({"name": "w", "configMap": {"name": "cm"}})),
            ("configmap:cm", json!({"name": "w", "configMap": {"name": "cm"}})),
            ("pvc:claim", json!({"name": "w", "persistentVolumeClaim": {"claimName": "claim"}})),
            ("volumeClaimTemplate:5Gi", volume),
            ("emptyDir", json!({"name": "w", "emptyDir": {}})),
        ] {
            assert_eq!(bound("w", binding).unwrap(), expected);
        }
        for binding in ["", "secret", "secret:", "emptyDir:x", "nfs:x", ":x"] {
            assert!(matches!(bound("w", binding), Err(IngredientsError::Binding { .. })), "{binding}");
        }
    }

    #[test]
    fn builds_are_the_same_by_their_parameters() {
        let run = |name: &str, params: &str| json!({"spec": {"params": [{"name": name, "value": params}]}});
        assert!(is_same_build(&run("user-params", r#"{"a": 1, "b": 2}"#), &run("USER_PARAMS", r#"{"b":2,"a":1}"#)));
        assert!(!is_same_build(&run("user-params", r#"{"a": 1}"#), &run("user-params", r#"{"a": 2}"#)));
        assert!(!is_same_build(&json!({}), &json!({})));
        assert!(is_same_build(&run("own-name", "x"), &run("own-name", "x")));
        assert!(!is_same_build(&run("own-name", "x"), &run("own-name", "y")));
        assert!(!is_same_build(&run("own-name", "{}"), &run("user-params", "{}")));
    }
}
