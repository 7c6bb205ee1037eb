//! What is read of Tekton's objects and of pods, in both versions of the API that clusters serve.
//!
//! Everything is optional: a controller fills objects in bit by bit. Decisions are made on a condition's `status`; its `reason` is for
//! words, and for telling a cancelled run from a failed one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::arch;
use crate::event::TaskState;

/// The label of a run's objects that names it.
pub const RUN_LABEL: &str = "tekton.dev/pipelineRun";
/// The label of a TaskRun that names its task in the pipeline.
const TASK_LABEL: &str = "tekton.dev/pipelineTask";
/// The reasons of runs and TaskRuns that were cancelled. Runs said `PipelineRunCancelled` in old versions of Tekton.
const CANCELLED: [&str; 3] = ["Cancelled", "PipelineRunCancelled", "TaskRunCancelled"];

/// A version of Tekton's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `tekton.dev/v1`.
    V1,
    /// `tekton.dev/v1beta1`.
    V1Beta1,
}

impl Version {
    /// The version in paths and in `apiVersion`.
    pub fn name(self) -> &'static str {
        match self {
            Version::V1 => "v1",
            Version::V1Beta1 => "v1beta1",
        }
    }

    /// The path of a collection.
    pub fn collection(self, namespace: &str, plural: &str) -> String {
        format!("/apis/tekton.dev/{}/namespaces/{namespace}/{plural}", self.name())
    }
}

/// Name, labels and time of an object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was created, RFC 3339.
    pub creation_timestamp: Option<String>,
    /// The version of the collection in which it looks like this.
    pub resource_version: Option<String>,
}

/// One condition of an object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// What it is about (`Succeeded`, `PodScheduled`).
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The machine's word for it.
    pub reason: Option<String>,
    /// A sentence.
    pub message: Option<String>,
}

impl Condition {
    fn is(&self, status: &str) -> bool {
        self.status == status
    }

    fn is_cancelled(&self) -> bool {
        self.reason.as_deref().is_some_and(|reason| CANCELLED.contains(&reason))
    }

    /// Whether it says that something has ended.
    pub fn is_final(&self) -> bool {
        self.is("True") || self.is("False")
    }

    /// The state that it stands for.
    pub fn state(&self) -> TaskState {
        match self.status.as_str() {
            "True" => TaskState::Closed,
            "False" if self.is_cancelled() => TaskState::Canceled,
            "False" => TaskState::Failed,
            _ => match self.reason.as_deref() {
                Some("Pending" | "ToBeRetried" | "TaskRunPending" | "PipelineRunPending" | "ResolvingPipelineRef") => {
                    TaskState::Assigned
                }
                _ => TaskState::Open,
            },
        }
    }
}

/// The condition that tells how a run or TaskRun stands.
fn succeeded(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.r#type == "Succeeded")
}

/// A name and a value: a result or a parameter.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The value: mostly a string; arrays and objects are what they are.
    pub value: Value,
}

/// A PipelineRun.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PipelineRun {
    /// Its metadata.
    pub metadata: Metadata,
    /// What was asked for.
    pub spec: RunSpec,
    /// What became of it.
    pub status: RunStatus,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RunSpec {
    /// A wish to end early (`CancelledRunFinally`).
    pub status: Option<String>,
    /// The parameters.
    pub params: Vec<Named>,
}

/// How a run stands.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunStatus {
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// When it began, RFC 3339.
    pub start_time: Option<String>,
    /// When it ended.
    pub completion_time: Option<String>,
    /// When its `finally` tasks began.
    pub finally_start_time: Option<String>,
    /// The pipeline as it was resolved.
    pub pipeline_spec: Option<PipelineSpec>,
    /// Its TaskRuns.
    pub child_references: Vec<ChildReference>,
    /// Tasks that do not run.
    pub skipped_tasks: Vec<SkippedTask>,
    /// Its results; `pipelineResults` in v1beta1.
    #[serde(alias = "pipelineResults")]
    pub results: Vec<Named>,
}

/// A pipeline.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PipelineSpec {
    /// Its tasks.
    pub tasks: Vec<PipelineTask>,
    /// Tasks that run at the end, however it went.
    pub finally: Vec<PipelineTask>,
}

/// A task of a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PipelineTask {
    /// Its name.
    pub name: String,
    /// How often it is repeated when it fails.
    pub retries: u32,
}

/// A TaskRun of a run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChildReference {
    /// `TaskRun`, or something else that is passed over.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The task in the pipeline.
    pub pipeline_task_name: String,
}

/// A task that does not run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SkippedTask {
    /// The task in the pipeline.
    pub name: String,
}

/// A TaskRun.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TaskRun {
    /// Its metadata.
    pub metadata: Metadata,
    /// What was asked for.
    pub spec: RunSpec,
    /// What became of it.
    pub status: TaskRunStatus,
}

/// How a TaskRun, or one attempt of it, stands.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskRunStatus {
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// The pod that does the work; empty at first.
    pub pod_name: String,
    /// When it ended, RFC 3339.
    pub completion_time: Option<String>,
    /// Its steps, in their order.
    pub steps: Vec<Container>,
    /// Containers beside the steps.
    pub sidecars: Vec<Container>,
    /// Earlier attempts.
    pub retries_status: Vec<TaskRunStatus>,
    /// Its results; `taskResults` in v1beta1.
    #[serde(alias = "taskResults")]
    pub results: Vec<Named>,
}

/// A container, as a TaskRun's step or as a pod has it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Container {
    /// The step's name, or in a pod the container's.
    pub name: String,
    /// The container's name; not there at first.
    pub container: Option<String>,
    /// It has not begun.
    pub waiting: Option<Waiting>,
    /// It runs.
    pub running: Option<Value>,
    /// It has ended.
    pub terminated: Option<Terminated>,
}

/// Why a container has not begun.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// The machine's word (`ImagePullBackOff`).
    pub reason: Option<String>,
    /// A sentence.
    pub message: Option<String>,
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    /// Its exit code.
    pub exit_code: i64,
    /// The machine's word (`Error`, `OOMKilled`).
    pub reason: Option<String>,
    /// What it left as its message: a JSON list of results, or a sentence.
    pub message: Option<String>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Its metadata.
    pub metadata: Metadata,
    /// How it stands.
    pub status: PodStatus,
}

/// How a pod stands.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// Its containers.
    pub container_statuses: Vec<ContainerStatus>,
    /// Containers that run before them.
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// A container of a pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: Container,
}

/// An object of which only what is read matters. What is `null` is as good as not there.
///
/// # Errors
/// When something that is read is not what it should be.
pub fn read<T: DeserializeOwned>(mut object: Value) -> Result<T, serde_json::Error> {
    drop_nulls(&mut object);
    serde_json::from_value(object)
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

impl PipelineRun {
    /// How it stands as a whole.
    pub fn condition(&self) -> Option<&Condition> {
        succeeded(&self.status.conditions)
    }

    /// Whether it has ended.
    pub fn is_final(&self) -> bool {
        self.condition().is_some_and(Condition::is_final)
    }

    /// The state that its condition stands for; waiting while there is none.
    pub fn state(&self) -> TaskState {
        self.condition().map_or(TaskState::Free, Condition::state)
    }

    /// The value of a result, as text or as it is.
    pub fn result(&self, name: &str) -> Option<&Value> {
        self.status.results.iter().find(|result| result.name == name).map(|result| &result.value)
    }

    /// How many tasks its pipeline has that will run as far as is known; 0 while it is not resolved.
    pub fn task_count(&self) -> usize {
        let spec = self.status.pipeline_spec.as_ref();
        let all = spec.map_or(0, |spec| spec.tasks.len() + spec.finally.len());
        all.saturating_sub(self.status.skipped_tasks.len())
    }
}

impl TaskRun {
    /// The task in the pipeline that it works for, else its own name.
    pub fn task(&self) -> &str {
        self.metadata.labels.get(TASK_LABEL).unwrap_or(&self.metadata.name)
    }

    /// How it stands.
    pub fn condition(&self) -> Option<&Condition> {
        succeeded(&self.status.conditions)
    }

    /// The state that its condition stands for; waiting while there is none.
    pub fn state(&self) -> TaskState {
        self.condition().map_or(TaskState::Free, Condition::state)
    }

    /// The architecture it builds for: its parameter `platform`, else the end of its task's name.
    pub fn arch(&self) -> Option<String> {
        let param = self.spec.params.iter().find(|param| param.name == "platform");
        if let Some(platform) = param.and_then(|param| param.value.as_str()) {
            return Some(platform.to_owned());
        }
        arch::at_end_of(self.task()).map(str::to_owned)
    }

    /// All attempts, oldest first; the last one is the current one.
    pub fn attempts(&self) -> impl Iterator<Item = &TaskRunStatus> {
        self.status.retries_status.iter().chain([&self.status])
    }
}

impl Container {
    /// The name of the container of a step.
    pub fn container_name(&self) -> String {
        self.container.clone().unwrap_or_else(|| format!("step-{}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(status: &str, reason: &str) -> Condition {
        Condition {
            r#type: "Succeeded".into(),
            status: status.into(),
            reason: Some(reason.into()),
            ..Condition::default()
        }
    }

    #[test]
    fn the_status_decides_and_the_reason_tells_cancelled_from_failed() {
        for (status, reason, state) in [
            ("Unknown", "Started", TaskState::Open),
            ("Unknown", "Running", TaskState::Open),
            ("Unknown", "Pending", TaskState::Assigned),
            ("Unknown", "CancelledRunningFinally", TaskState::Open),
            ("True", "Succeeded", TaskState::Closed),
            ("True", "Completed", TaskState::Closed),
            ("False", "Failed", TaskState::Failed),
            ("False", "PipelineRunTimeout", TaskState::Failed),
            ("False", "CouldntGetPipeline", TaskState::Failed),
            ("False", "Cancelled", TaskState::Canceled),
            ("False", "PipelineRunCancelled", TaskState::Canceled),
            ("False", "TaskRunCancelled", TaskState::Canceled),
        ] {
            assert_eq!(condition(status, reason).state(), state, "{status}/{reason}");
        }
    }

    #[test]
    fn both_versions_and_half_filled_objects_are_read() {
        let old = serde_json::json!({"status": {"pipelineResults": [{"name": "a", "value": "1"}]}});
        let new =
            serde_json::json!({"metadata": {"name": "x"}, "status": {"results": [{"name": "a", "value": ["1"]}]}});
        let read = |value: serde_json::Value| serde_json::from_value::<PipelineRun>(value).ok();
        assert_eq!(read(old).and_then(|run| run.result("a").cloned()), Some("1".into()));
        assert_eq!(read(new).and_then(|run| run.result("a").cloned()), Some(serde_json::json!(["1"])));
        assert_eq!(read(serde_json::json!({})).map(|run| run.state()), Some(TaskState::Free));
    }

    #[test]
    fn the_architecture_is_the_parameter_or_in_the_name() {
        let mut task = TaskRun::default();
        task.metadata.labels.insert(TASK_LABEL.into(), "binary-container-build-x86-64".into());
        assert_eq!(task.arch().as_deref(), Some("x86_64"));
        task.spec.params.push(Named { name: "platform".into(), value: "s390x".into() });
        assert_eq!(task.arch().as_deref(), Some("s390x"));
        task = TaskRun::default();
        task.metadata.name = "clone".into();
        assert_eq!(task.arch(), None);
    }
}
