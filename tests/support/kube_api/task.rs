//! Moving a task of a run along, as Tekton's controller and a node do.

use serde_json::{Value, json};

use super::State;
use super::run::{Run, child_name, condition, pods, task_runs};
use super::state::now;

/// What the containers of steps are made of.
const IMAGE: &str = "registry.example.com/osbs/reactor:prod";
/// What a TaskRun is told when its run is cancelled.
const CANCELLED: &str = "TaskRun cancelled as the PipelineRun it belongs to has been cancelled.";

/// A TaskRun of a run, with its pod.
#[derive(Clone)]
pub(crate) struct Task {
    pub(super) run: Run,
    /// The task's name in the pipeline.
    pub task: String,
    /// The TaskRun's name.
    pub name: String,
    pub(super) attempt: usize,
    /// The steps, without the `step-` of their containers.
    pub(super) steps: Vec<String>,
}

impl Task {
    /// A handle for a TaskRun as it is.
    pub(super) fn of(run: &Run, object: &Value) -> Task {
        let steps = object["status"]["steps"].as_array().cloned().unwrap_or_default();
        Task {
            run: run.clone(),
            task: object["metadata"]["labels"]["tekton.dev/pipelineTask"].as_str().unwrap_or_default().to_owned(),
            name: object["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            attempt: 1 + object["status"]["retriesStatus"].as_array().map_or(0, Vec::len),
            steps: steps.iter().filter_map(|step| step["name"].as_str().map(str::to_owned)).collect(),
        }
    }

    /// The TaskRun as the controller creates it.
    pub(super) fn new_object(&self, run: &Value) -> Value {
        let finally = run["status"]["pipelineSpec"]["finally"].as_array().cloned().unwrap_or_default();
        let is_last = finally.iter().any(|task| task["name"] == json!(self.task));
        let labels = json!({
            "app.kubernetes.io/managed-by": "tekton-pipelines", "tekton.dev/memberOf": if is_last { "finally" } else { "tasks" },
            "tekton.dev/pipeline": run["metadata"]["labels"]["tekton.dev/pipeline"], "tekton.dev/pipelineRun": self.run.name,
            "tekton.dev/pipelineRunUID": run["metadata"]["uid"], "tekton.dev/pipelineTask": self.task});
        let params: Vec<Value> = match self.task.strip_prefix("binary-container-build-") {
            Some(arch) => vec![json!({"name": "platform", "value": arch.replace('-', "_")})],
            None => Vec::new(),
        };
        let account = &run["spec"]["taskRunTemplate"]["serviceAccountName"];
        json!({
            "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
            "metadata": {"name": self.name, "labels": labels, "ownerReferences": owner("PipelineRun", &self.run.name, &run["metadata"]["uid"])},
            "spec": {"params": params, "serviceAccountName": account, "timeout": "0s",
                     "taskRef": {"kind": "Task", "name": format!("{}-0-1", self.task)}},
            "status": {"podName": ""}})
    }

    /// The pod of the current attempt.
    pub(crate) fn pod(&self) -> String {
        let retry = if self.attempt > 1 { format!("-retry{}", self.attempt - 1) } else { String::new() };
        child_name(&self.name, &format!("-pod{retry}"))
    }

    fn change(&self, change: impl FnOnce(&mut State, &mut Value)) {
        self.run.shared.change(|state| {
            if let Some(mut object) = state.get(&task_runs(), &self.name).cloned() {
                change(state, &mut object);
                state.put(&task_runs(), object);
            }
        });
    }

    fn change_pod(&self, change: impl FnOnce(&mut Value)) {
        self.run.shared.change(|state| {
            if let Some(mut object) = state.get(&pods(), &self.pod()).cloned() {
                change(&mut object);
                state.put(&pods(), object);
            }
        });
    }

    /// A state of each step's container.
    fn containers(&self, state: &Value) -> Value {
        let containers = self.steps.iter().map(|step| container(&format!("step-{step}"), state));
        json!(containers.collect::<Vec<Value>>())
    }

    /// The controller creates the pod; no node has it yet.
    pub(super) fn new_pod(&self) {
        let pod = self.pod();
        let steps: Vec<Value> = self.steps.iter().map(|step| json!({"name": step})).collect();
        let containers = self.steps.iter().map(|step| json!({"name": format!("step-{step}"), "image": IMAGE}));
        let containers: Vec<Value> = containers.collect();
        self.change(|state, task| {
            let mut labels = task["metadata"]["labels"].clone();
            labels["tekton.dev/taskRun"] = json!(self.name);
            let owner = owner("TaskRun", &self.name, &task["metadata"]["uid"]);
            state.put(
                &pods(),
                json!({"apiVersion": "v1", "kind": "Pod",
                       "metadata": {"name": pod, "labels": labels, "ownerReferences": owner},
                       "spec": {"initContainers": [{"name": "prepare", "image": "img.test/entrypoint"}], "containers": containers,
                                "restartPolicy": "Never"},
                       "status": {"phase": "Pending", "qosClass": "Burstable"}}),
            );
            task["status"]["podName"] = json!(pod);
            task["status"]["steps"] = json!(steps);
            task["status"]["startTime"] = json!(now());
            task["status"]["conditions"] = condition("Unknown", "Pending", "Pending");
        });
    }

    /// The pod has a condition (`Unschedulable`).
    pub(crate) fn unschedulable(&self, message: &str) {
        self.change_pod(|pod| {
            pod["status"]["conditions"] =
                json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]);
        });
        let told = format!("pod status \"PodScheduled\":\"False\"; message: \"{message}\"");
        self.change(|_, task| task["status"]["conditions"] = condition("Unknown", "Pending", &told));
    }

    /// A node has the pod; its containers do not run yet.
    pub(crate) fn schedule(&self) {
        let containers = self.containers(&json!({"waiting": {"reason": "PodInitializing"}}));
        self.change_pod(|pod| {
            pod["spec"]["nodeName"] = json!("node1");
            pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "True"}]);
            pod["status"]["containerStatuses"] = containers;
        });
        self.change_steps(None, |step| step["waiting"] = json!({"reason": "PodInitializing"}));
    }

    /// Changes a step of the TaskRun, or all; they know their containers from then on.
    fn change_steps(&self, only: Option<&str>, change: impl Fn(&mut Value)) {
        self.change(|_, task| {
            let steps = task["status"]["steps"].as_array_mut().into_iter().flatten();
            for step in steps.filter(|step| only.is_none_or(|only| step["name"] == json!(only))) {
                let name = step["name"].clone();
                let container = format!("step-{}", name.as_str().unwrap_or_default());
                *step = json!({"name": name, "container": container});
                change(step);
            }
        });
    }

    /// A container of the pod waits for a reason.
    pub(crate) fn waiting(&self, step: &str, reason: &str, message: &str) {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        self.change_pod(|pod| {
            pod["spec"]["nodeName"] = json!("node1");
            pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "True"}]);
            pod["status"]["containerStatuses"] = json!([container(&format!("step-{step}"), &state)]);
        });
        self.change_steps(Some(step), |status| status["waiting"] = state["waiting"].clone());
    }

    /// All steps run.
    pub(crate) fn run_steps(&self) {
        let running = json!({"running": {"startedAt": now()}});
        let containers = self.containers(&running);
        let prepared = container("prepare", &json!({"terminated": {"exitCode": 0, "reason": "Completed"}}));
        for step in &self.steps {
            let key = (self.pod(), format!("step-{step}"));
            self.run.shared.change(|state| state.logs.entry(key).or_default().ended = false);
        }
        self.change_pod(|pod| {
            pod["spec"]["nodeName"] = json!("node1");
            pod["status"]["phase"] = json!("Running");
            pod["status"]["initContainerStatuses"] = json!([prepared]);
            pod["status"]["containerStatuses"] = containers;
        });
        self.change_steps(None, |step| step["running"] = running["running"].clone());
        let told = "Not all Steps in the Task have finished executing";
        self.change(|_, task| task["status"]["conditions"] = condition("Unknown", "Running", told));
    }

    /// A step writes; the last line may be unfinished.
    pub(crate) fn log(&self, step: &str, bytes: &[u8]) {
        let key = (self.pod(), format!("step-{step}"));
        self.run.shared.change(|state| state.logs.entry(key).or_default().append(bytes));
    }

    /// A step ends.
    pub(crate) fn end_step(&self, step: &str, code: i64, message: Option<&str>) {
        let reason = if code == 0 { "Completed" } else { "Error" };
        let mut end = json!({"exitCode": code, "reason": reason, "startedAt": now(), "finishedAt": now()});
        if let Some(message) = message {
            end["message"] = json!(message);
        }
        let container = format!("step-{step}");
        let key = (self.pod(), container.clone());
        self.run.shared.change(|state| state.logs.entry(key).or_default().ended = true);
        self.change_pod(|pod| {
            let statuses = pod["status"]["containerStatuses"].as_array_mut().into_iter().flatten();
            for status in statuses.filter(|status| status["name"] == json!(container)) {
                status["state"] = json!({"terminated": end});
            }
        });
        self.change_steps(Some(step), |status| status["terminated"] = end.clone());
    }

    /// All steps that still run end well, and so does the task.
    pub(crate) fn succeed(&self) {
        self.succeed_with(&[]);
    }

    /// All steps that still run end well, and so does the task, with these results.
    pub(crate) fn succeed_with(&self, results: &[(&str, &str)]) {
        let last = self.steps.len().saturating_sub(1);
        let entry = |(name, value): &(&str, &str)| json!({"key": name, "value": value, "type": 1});
        let message = json!(results.iter().map(entry).collect::<Vec<Value>>()).to_string();
        for (at, step) in self.steps.iter().enumerate().filter(|(_, step)| !self.has_ended(step)) {
            self.end_step(step, 0, Some(message.as_str()).filter(|_| at == last && !results.is_empty()));
        }
        self.change_pod(|pod| pod["status"]["phase"] = json!("Succeeded"));
        self.end("True", "Succeeded", "All Steps have completed executing", results);
    }

    fn has_ended(&self, step: &str) -> bool {
        let task = self.run.shared.read(|state| state.get(&task_runs(), &self.name).cloned()).unwrap_or_default();
        let mut steps = task["status"]["steps"].as_array().into_iter().flatten();
        steps.any(|status| status["name"] == json!(step) && !status["terminated"].is_null())
    }

    /// The task ends.
    pub(crate) fn end(&self, status: &str, reason: &str, message: &str, results: &[(&str, &str)]) {
        let results: Vec<Value> =
            results.iter().map(|(name, value)| json!({"name": name, "type": "string", "value": value})).collect();
        self.change(|_, task| {
            task["status"]["conditions"] = condition(status, reason, message);
            task["status"]["completionTime"] = json!(now());
            if !results.is_empty() {
                task["status"]["results"] = json!(results);
            }
        });
        self.run.refresh();
    }

    /// The first step fails with a message, and so does the task; later steps do not run.
    pub(crate) fn fail(&self, code: i64, message: Option<&str>) {
        let step = self.steps.first().cloned().unwrap_or_default();
        self.end_step(&step, code, message);
        for later in self.steps.iter().skip(1) {
            self.end_step(later, 1, None);
        }
        self.change_pod(|pod| pod["status"]["phase"] = json!("Failed"));
        self.end("False", "StepFailed", &format!("\"step-{step}\" exited with code {code}: Error"), &[]);
    }

    /// The attempt failed, and another one begins with a pod of its own.
    pub(crate) fn retry(&mut self) {
        let step = self.steps.first().cloned().unwrap_or_default();
        self.end_step(&step, 1, None);
        let failure = condition("False", "StepFailed", &format!("\"step-{step}\" exited with code 1: Error"));
        self.change(|_, task| {
            let mut attempt = task["status"].clone();
            attempt["conditions"] = failure;
            attempt["completionTime"] = json!(now());
            let earlier = attempt.as_object_mut().and_then(|attempt| attempt.remove("retriesStatus"));
            let mut earlier = earlier.unwrap_or_else(|| json!([]));
            earlier.as_array_mut().expect("a list").push(attempt);
            let waiting = condition("Unknown", "ToBeRetried", "");
            task["status"] = json!({"retriesStatus": earlier, "podName": "", "conditions": waiting});
        });
        self.attempt += 1;
        self.new_pod();
        self.schedule();
        self.run_steps();
    }

    /// The task is cancelled: its pod is removed, and with it its log.
    pub(crate) fn cancel(&self) {
        self.stop("TaskRunCancelled", &format!("TaskRun \"{}\" was cancelled. {CANCELLED}", self.name));
    }

    /// The image of a step cannot be had: Tekton gives up and removes the pod.
    pub(crate) fn fail_to_pull(&self, image: &str) {
        let step = self.steps.first().cloned().unwrap_or_default();
        let why = format!("The pod errored with the message: \"Back-off pulling image \"{image}\".\"");
        let told = format!("the step \"{step}\" in TaskRun \"{}\" failed to pull the image \"\". {why}", self.name);
        self.stop("TaskRunImagePullFailed", &told);
    }

    fn stop(&self, reason: &str, message: &str) {
        let pod = self.pod();
        if reason == "TaskRunCancelled" {
            self.change(|_, task| {
                task["spec"]["status"] = json!(reason);
                task["spec"]["statusMessage"] = json!(CANCELLED);
            });
        }
        self.remove_pod();
        for step in self.steps.iter().filter(|step| !self.has_ended(step)) {
            let told = format!("Step {step} terminated as pod {pod} is terminated");
            let end = json!({"exitCode": 1, "reason": reason, "message": told, "finishedAt": now()});
            self.change_steps(Some(step), |status| status["terminated"] = end.clone());
        }
        self.end("False", reason, message, &[]);
    }

    /// The pod is removed.
    pub(crate) fn remove_pod(&self) {
        self.run.shared.change(|state| state.remove(&pods(), &self.pod()));
    }
}

/// The state of a container, with what else a pod says of one.
fn container(name: &str, state: &Value) -> Value {
    let runs = !state["running"].is_null();
    json!({"name": name, "state": state, "ready": runs, "started": runs, "restartCount": 0, "image": IMAGE, "imageID": ""})
}

fn owner(kind: &str, name: &str, uid: &Value) -> Value {
    let version = "tekton.dev/v1";
    json!([{"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true}])
}
