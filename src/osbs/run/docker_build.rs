//! Builds of OpenShift's own (`build.openshift.io/v1`), for clusters without Tekton: the Dockerfile is built as it is, on one node.
//!
//! Nothing of OSBS takes part: no composes, no labels, no import into Koji. What a request says that such a build cannot do is refused.
//! A build is shown as a run with one task, so that it is watched by the same code.

use http::Method;
use serde_json::{Value, json};

use super::once::{self, CreateError, Created, New};
use super::user_params::UserParams;
use crate::builder::Creation;
use crate::error::{Error, ErrorKind};
use crate::osbs::cluster::{Cluster, Expected};
use crate::osbs::tekton::{
    Condition, Container, Metadata, Named, PipelineRun, PipelineSpec, PipelineTask, RunSpec, RunStatus, TaskRun,
    TaskRunStatus, Terminated,
};
use crate::request::{Artifact, BuildRequest};

/// The label of a build's pod that names the build.
pub(crate) const BUILD_LABEL: &str = "openshift.io/build.name";
/// The annotation of a build that names its pod.
const POD_ANNOTATION: &str = "openshift.io/build.pod-name";
/// The container that builds.
const CONTAINER: &str = "docker-build";
/// The annotation by which a build config that is ours is known.
const ID_ANNOTATION: &str = "fedpkg-container-build/image-tag";

/// Why such a build cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DockerBuildError {
    /// Options that would mean nothing.
    #[error("OpenShift's own builds cannot honour {}", options.join(", "))]
    NotHonoured {
        /// The options, as they are written.
        options: Vec<&'static str>,
    },
}

impl From<DockerBuildError> for Error {
    fn from(error: DockerBuildError) -> Self {
        Error::new(ErrorKind::Refused, error).hint("leave them out, or build on a cluster with Tekton, or on Koji")
    }
}

/// Checks that a request asks for nothing that such a build cannot do.
///
/// # Errors
/// When it does: everything is told at once.
pub(crate) fn check(request: &BuildRequest) -> Result<(), DockerBuildError> {
    let options = &request.options;
    let given = [
        (request.artifact == Artifact::Flatpak, "flatpak-build"),
        (options.isolated, "--isolated"),
        (options.release.is_some(), "--build-release"),
        (options.koji_parent_build.is_some(), "--koji-parent-build"),
        (!options.arches.is_empty(), "--arches"),
        (!options.yum_repourls.is_empty(), "--repo-url"),
        (options.signing_intent.is_some(), "--signing-intent"),
        (!options.compose_ids.is_empty(), "--compose-id"),
        (!options.dependency_replacements.is_empty(), "--replace-dependency"),
        (options.operator_csv_modifications_url.is_some(), "--operator-csv-modifications-url"),
        (options.userdata.is_some(), "--userdata"),
    ];
    let options: Vec<&str> = given.into_iter().filter_map(|(given, name)| given.then_some(name)).collect();
    if options.is_empty() { Ok(()) } else { Err(DockerBuildError::NotHonoured { options }) }
}

/// The collection of builds in a namespace.
pub(crate) fn builds(namespace: &str) -> String {
    format!("/apis/build.openshift.io/v1/namespaces/{namespace}/builds")
}

fn configs(namespace: &str) -> String {
    format!("/apis/build.openshift.io/v1/namespaces/{namespace}/buildconfigs")
}

/// The build config of a request. Without `output_image` the image stays in the cluster's own registry, which is not pushed to.
pub(crate) fn build_config(request: &BuildRequest, params: &UserParams, output_image: Option<&str>) -> Value {
    let text = |key: &str| params.values.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut spec = json!({
        "source": {"type": "Git", "git": {"uri": text("git_uri"), "ref": request.commit}},
        "strategy": {"type": "Docker", "dockerStrategy": {"noCache": true}},
        "completionDeadlineSeconds": params.buildtime_limit,
        "runPolicy": "Parallel",
    });
    if let Some(image) = output_image {
        spec["output"] = json!({"to": {"kind": "DockerImage", "name": image}});
    }
    json!({
        "apiVersion": "build.openshift.io/v1",
        "kind": "BuildConfig",
        "metadata": {
            "name": params.run,
            "labels": {"app.kubernetes.io/created-by": "fedpkg-container-build"},
            "annotations": {ID_ANNOTATION: text("image_tag")},
        },
        "spec": spec,
    })
}

/// Creates the build config and its build, or finds what an earlier try has created.
///
/// # Errors
/// When the build was not created, or it is not known whether it was.
pub(crate) async fn create(
    cluster: &Cluster,
    config: &Value,
    commit: &str,
    creation: &mut Creation,
) -> Result<Created, CreateError> {
    let name = config.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let path = configs(cluster.namespace());
    let at = format!("{path}/{name}");
    let new = New {
        what: "create buildconfigs",
        to: &path,
        body: config,
        kind: "BuildConfig",
        plural: "buildconfigs",
        name,
        at: &at,
        is_ours: &|found| id(found).is_some() && id(found) == id(config),
    };
    // A config alone builds nothing.
    if let Err(error) = once::create(cluster, new, creation).await {
        creation.nothing_happened();
        return Err(without_build(error));
    }
    match instantiate(cluster, &at, name, commit, creation).await {
        Err(error) if !error.may_have_happened() => {
            if let Err(error) = cluster.ask("delete buildconfigs", Method::DELETE, &at, None, Expected::Json).await {
                tracing::debug!(%error, "a build config without a build stays");
            }
            Err(error)
        }
        made => made,
    }
}

/// Makes the config's first build. Only the first: the server compares the number of the last one, so that this may be repeated.
async fn instantiate(
    cluster: &Cluster,
    config: &str,
    name: &str,
    commit: &str,
    creation: &mut Creation,
) -> Result<Created, CreateError> {
    let request = json!({
        "apiVersion": "build.openshift.io/v1",
        "kind": "BuildRequest",
        "metadata": {"name": name},
        "lastVersion": 0,
        "revision": {"type": "Git", "git": {"commit": commit}},
    });
    let first = format!("{name}-1");
    let new = New {
        what: "create buildconfigs/instantiate",
        to: &format!("{config}/instantiate"),
        body: &request,
        kind: "Build",
        plural: "builds",
        name: &first,
        at: &format!("{}/{first}", builds(cluster.namespace())),
        // The config is ours alone, and so is its first build.
        is_ours: &|_| true,
    };
    once::create(cluster, new, creation).await
}

fn id(config: &Value) -> Option<&Value> {
    config.pointer("/metadata/annotations")?.get(ID_ANNOTATION)
}

/// Where it is not known whether there is a config there certainly is no build.
fn without_build(error: CreateError) -> CreateError {
    match error {
        CreateError::NotKnown { why, .. } => CreateError::NotDone(*why),
        error => error,
    }
}

/// The wish that a build be cancelled.
pub(crate) fn cancel_patch() -> Value {
    json!({"status": {"cancelled": true}})
}

/// The path of what is to be deleted so that nothing of a build is left: its config, which has the build's name but for its number.
pub(crate) fn config_path(namespace: &str, build: &str) -> String {
    let name = build.rsplit_once('-').map_or(build, |(name, _)| name);
    format!("{}/{name}", configs(namespace))
}

/// A build as a run with one task.
pub(crate) fn as_run(build: &Value) -> (PipelineRun, TaskRun) {
    let text = |pointer: &str| build.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let name = text("/metadata/name").unwrap_or_default();
    let condition = condition(build);
    let pod = build.pointer("/metadata/annotations").and_then(|all| all.get(POD_ANNOTATION)).and_then(Value::as_str);
    let run = PipelineRun {
        metadata: Metadata {
            name: name.clone(),
            resource_version: text("/metadata/resourceVersion"),
            ..Metadata::default()
        },
        spec: RunSpec::default(),
        status: RunStatus {
            conditions: vec![condition.clone()],
            start_time: text("/status/startTimestamp"),
            completion_time: text("/status/completionTimestamp"),
            pipeline_spec: Some(PipelineSpec {
                tasks: vec![PipelineTask { name: CONTAINER.to_owned(), retries: 0 }],
                finally: Vec::new(),
            }),
            results: repositories(build),
            ..RunStatus::default()
        },
    };
    let task = TaskRun {
        metadata: Metadata {
            name: format!("{name}-{CONTAINER}"),
            labels: [("tekton.dev/pipelineTask".to_owned(), CONTAINER.to_owned())].into(),
            ..Metadata::default()
        },
        spec: RunSpec::default(),
        status: TaskRunStatus {
            pod_name: pod.map_or_else(|| format!("{name}-build"), str::to_owned),
            completion_time: text("/status/completionTimestamp"),
            steps: vec![step(&condition)],
            conditions: vec![condition],
            ..TaskRunStatus::default()
        },
    };
    (run, task)
}

/// The build's phase in the words of a condition.
fn condition(build: &Value) -> Condition {
    let text = |key: &str| build.pointer(&format!("/status/{key}")).and_then(Value::as_str).map(str::to_owned);
    let phase = text("phase").unwrap_or_default();
    let (status, reason) = match phase.as_str() {
        "Complete" => ("True", Some("Succeeded".to_owned())),
        "Cancelled" => ("False", Some("Cancelled".to_owned())),
        "Failed" | "Error" => ("False", text("reason").or(Some(phase))),
        "Running" => ("Unknown", Some("Running".to_owned())),
        _ => ("Unknown", Some("Pending".to_owned())),
    };
    Condition { r#type: "Succeeded".to_owned(), status: status.to_owned(), reason, message: text("message") }
}

/// The container that builds, as far as the build tells of it; its pod tells more.
fn step(condition: &Condition) -> Container {
    let exit_code = i64::from(condition.status == "False");
    let is_running = condition.reason.as_deref() == Some("Running");
    Container {
        name: CONTAINER.to_owned(),
        container: Some(CONTAINER.to_owned()),
        running: is_running.then(|| json!({})),
        terminated: condition.is_final().then(|| Terminated { exit_code, ..Terminated::default() }),
        waiting: None,
    }
}

/// Where the image was pushed to, by its digest.
fn repositories(build: &Value) -> Vec<Named> {
    let text = |pointer: &str| build.pointer(pointer).and_then(Value::as_str);
    let Some(reference) = text("/status/outputDockerImageReference") else { return Vec::new() };
    let repository = match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => reference,
    };
    let by_digest = text("/status/output/to/imageDigest").map(|digest| format!("{repository}@{digest}"));
    let primary: Vec<String> = by_digest.into_iter().chain([reference.to_owned()]).collect();
    vec![Named { name: "repositories".to_owned(), value: json!({"primary": primary}) }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TaskState;
    use crate::request::BuildOptions;

    #[test]
    fn what_cannot_be_honoured_is_refused_at_once() {
        let mut request = BuildRequest {
            artifact: Artifact::Container,
            source: "https://src.example.test/x#1".into(),
            target: "t".into(),
            namespace: None,
            repo_name: "x".into(),
            git_branch: "main".into(),
            commit: "1".into(),
            options: BuildOptions { scratch: true, ..BuildOptions::default() },
            priority: None,
            channel: None,
        };
        assert_eq!(check(&request), Ok(()));
        request.options.release = Some("1".into());
        request.options.compose_ids = vec![1];
        let error = check(&request).map_err(|error| error.to_string());
        assert_eq!(error, Err("OpenShift's own builds cannot honour --build-release, --compose-id".to_owned()));
    }

    #[test]
    fn phases_are_states_and_the_image_is_told_by_digest() {
        for (phase, state) in [
            ("New", TaskState::Assigned),
            ("Pending", TaskState::Assigned),
            ("Running", TaskState::Open),
            ("Complete", TaskState::Closed),
            ("Failed", TaskState::Failed),
            ("Error", TaskState::Failed),
            ("Cancelled", TaskState::Canceled),
        ] {
            let (run, task) = as_run(&json!({"metadata": {"name": "x-1"}, "status": {"phase": phase}}));
            assert_eq!((run.state(), task.state()), (state, state), "{phase}");
            assert_eq!(task.status.pod_name, "x-1-build");
        }
        let build = json!({"status": {"outputDockerImageReference": "r:5000/a/b:1",
                                      "output": {"to": {"imageDigest": "sha256:ab"}}}});
        assert_eq!(repositories(&build)[0].value, json!({"primary": ["r:5000/a/b@sha256:ab", "r:5000/a/b:1"]}));
    }
}
