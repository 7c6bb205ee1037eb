//! What builds are objects of in a cluster, and what follows for their paths.

use serde_json::{Value, json};

use super::docker_build;
use crate::osbs::tekton::{PipelineRun, TaskRun, Version, read};

/// What builds are in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// PipelineRuns of Tekton, in this version of its API.
    Tekton(Version),
    /// Builds of OpenShift's own.
    Build,
}

impl RunKind {
    /// The plural of the resource.
    pub fn plural(self) -> &'static str {
        match self {
            RunKind::Tekton(_) => "pipelineruns",
            RunKind::Build => "builds",
        }
    }

    /// The kind of the object.
    pub fn label(self) -> &'static str {
        match self {
            RunKind::Tekton(_) => "PipelineRun",
            RunKind::Build => "Build",
        }
    }

    /// The collection that runs are in.
    pub fn collection(self, namespace: &str) -> String {
        match self {
            RunKind::Tekton(version) => version.collection(namespace, "pipelineruns"),
            RunKind::Build => docker_build::builds(namespace),
        }
    }

    /// The object whose removal removes everything of a run.
    pub fn whole(self, namespace: &str, name: &str) -> String {
        match self {
            RunKind::Tekton(_) => format!("{}/{name}", self.collection(namespace)),
            RunKind::Build => docker_build::config_path(namespace, name),
        }
    }

    /// A merge patch that says the wish to cancel: tasks end, and `finally` tasks still run.
    pub fn cancel_patch(self, name: &str) -> Value {
        match self {
            RunKind::Tekton(version) => json!({
                "apiVersion": format!("tekton.dev/{}", version.name()),
                "kind": "PipelineRun",
                "metadata": {"name": name},
                "spec": {"status": "CancelledRunFinally"},
            }),
            RunKind::Build => docker_build::cancel_patch(),
        }
    }

    /// Whether a run was asked to end.
    pub fn is_asked_to_end(self, object: &Value) -> bool {
        match self {
            RunKind::Tekton(_) => {
                object.pointer("/spec/status").and_then(Value::as_str).is_some_and(|wish| wish.starts_with("Cancelled"))
            }
            RunKind::Build => object.pointer("/status/cancelled") == Some(&Value::Bool(true)),
        }
    }

    /// A run as it is read, with its only task where that is no object of its own.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn read(self, object: Value) -> Result<(PipelineRun, Option<TaskRun>), serde_json::Error> {
        match self {
            RunKind::Tekton(_) => Ok((read(object)?, None)),
            RunKind::Build => {
                let (run, task) = docker_build::as_run(&object);
                Ok((run, Some(task)))
            }
        }
    }
}
