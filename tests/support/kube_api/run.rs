//! Moving a run along, as Tekton's controller and a node do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::state::{Collection, now};
use super::{Log, Shared, State};

/// A PipelineRun that was created.
#[derive(Clone)]
pub struct Run {
    shared: Arc<Shared>,
    /// Its name.
    pub name: String,
}

/// A TaskRun of a run, with its pod.
#[derive(Clone)]
pub struct Task {
    run: Run,
    /// The task's name in the pipeline.
    pub task: String,
    /// The TaskRun's name.
    pub name: String,
    attempt: usize,
    steps: Vec<String>,
}

fn runs() -> Collection {
    Collection::new("tekton.dev", "pipelineruns")
}

fn task_runs() -> Collection {
    Collection::new("tekton.dev", "taskruns")
}

fn pods() -> Collection {
    Collection::new("", "pods")
}

/// The only condition there is.
fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!([{"type": "Succeeded", "status": status, "reason": reason, "message": message, "lastTransitionTime": now()}])
}

impl Run {
    /// A handle for a run of this name.
    pub fn new(shared: Arc<Shared>, name: &str) -> Run {
        Run { shared, name: name.to_owned() }
    }

    /// The run as it is.
    pub fn object(&self) -> Value {
        self.shared.read(|state| state.get(&runs(), &self.name).cloned()).unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Value)) {
        self.shared.change(|state| {
            if let Some(mut object) = state.get(&runs(), &self.name).cloned() {
                change(&mut object);
                state.put(&runs(), object);
            }
        });
    }

    /// The value of a parameter.
    pub fn param(&self, name: &str) -> Option<String> {
        let object = self.object();
        let params = object["spec"]["params"].as_array()?;
        let param = params.iter().find(|param| param["name"] == json!(name))?;
        param["value"].as_str().map(str::to_owned)
    }

    /// The pipeline is resolved, and the run begins.
    pub fn start(&self, tasks: &[&str], finally: &[&str]) {
        let named = |names: &[&str]| -> Vec<Value> { names.iter().map(|name| json!({"name": name})).collect() };
        let (tasks, finally) = (named(tasks), named(finally));
        let count = tasks.len() + finally.len();
        self.change(|run| {
            run["status"] = json!({
                "conditions": condition("Unknown", "Running", &format!("Tasks Completed: 0 (Failed: 0, Cancelled 0), Incomplete: {count}, Skipped: 0")),
                "startTime": now(), "childReferences": [], "pipelineSpec": {"tasks": tasks, "finally": finally}});
        });
    }

    /// Tasks will not run.
    pub fn skip(&self, tasks: &[&str]) {
        self.change(|run| {
            let skipped: Vec<Value> = tasks
                .iter()
                .map(|name| json!({"name": name, "reason": "When Expressions evaluated to false"}))
                .collect();
            run["status"]["skippedTasks"] = json!(skipped);
        });
    }

    /// A task begins: its TaskRun and pod are there, its first steps run.
    pub fn begin(&self, task: &str, steps: &[&str]) -> Task {
        let task = self.pending(task, steps);
        task.run_steps();
        task
    }

    /// A task begins, and its pod waits for a node.
    pub fn pending(&self, task: &str, steps: &[&str]) -> Task {
        let handle = self.task(task, steps);
        let name = handle.name.clone();
        self.change(|run| {
            if let Some(children) = run["status"]["childReferences"].as_array_mut() {
                children.push(
                    json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": name, "pipelineTaskName": task}),
                );
            }
        });
        let uid = self.object()["metadata"]["uid"].clone();
        let labels = json!({"tekton.dev/pipelineRun": self.name, "tekton.dev/pipelineTask": task, "tekton.dev/memberOf": "tasks"});
        let params: Vec<Value> = match task.strip_prefix("binary-container-build-") {
            Some(arch) => vec![json!({"name": "platform", "value": arch.replace('-', "_")})],
            None => Vec::new(),
        };
        self.shared.change(|state| {
            state.put(
                &task_runs(),
                json!({
                "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
                "metadata": {"name": name, "labels": labels, "ownerReferences": [{"uid": uid}]},
                "spec": {"params": params}, "status": {"podName": ""}}),
            );
        });
        handle.new_pod("Pending");
        handle
    }

    /// A task that has begun already.
    pub fn task(&self, task: &str, steps: &[&str]) -> Task {
        Task {
            run: self.clone(),
            task: task.to_owned(),
            name: format!("{}-{task}", self.name),
            attempt: 1,
            steps: steps.iter().map(|step| (*step).to_owned()).collect(),
        }
    }

    /// The `finally` tasks begin.
    pub fn finally(&self) {
        self.change(|run| run["status"]["finallyStartTime"] = json!(now()));
    }

    /// A state on the way.
    pub fn is(&self, status: &str, reason: &str, message: &str) {
        self.change(|run| run["status"]["conditions"] = condition(status, reason, message));
    }

    /// The run ends.
    pub fn finish(&self, status: &str, reason: &str, message: &str, results: &[(&str, Value)]) {
        let results: Vec<Value> = results.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        self.change(|run| {
            run["status"]["conditions"] = condition(status, reason, message);
            run["status"]["completionTime"] = json!(now());
            run["status"]["results"] = json!(results);
            if run["status"]["startTime"].is_null() {
                run["status"]["startTime"] = json!(now());
            }
        });
    }

    /// The run ends well, with these pull specs.
    pub fn succeed(&self, repositories: &Value) {
        let message = "Tasks Completed: 7 (Failed: 0, Cancelled 0), Skipped: 5";
        self.finish(
            "True",
            "Completed",
            message,
            &[("repositories", json!(repositories.to_string())), ("koji-build-id", json!("null"))],
        );
    }

    /// Waits until somebody wishes for an end of the run.
    pub fn await_cancel(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(wish) = self.object()["spec"]["status"].as_str() {
                return wish.to_owned();
            }
            assert!(Instant::now() < deadline, "nobody cancelled the run");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Somebody removes the run.
    pub fn remove(&self) {
        self.shared.change(|state| state.remove(&runs(), &self.name));
    }
}

impl Task {
    /// The pod of the current attempt.
    pub fn pod(&self) -> String {
        let retry = if self.attempt > 1 { format!("-retry{}", self.attempt - 1) } else { String::new() };
        format!("{}-pod{retry}", self.name)
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

    fn new_pod(&self, reason: &str) {
        let (pod, labels) =
            (self.pod(), json!({"tekton.dev/pipelineRun": self.run.name, "tekton.dev/pipelineTask": self.task}));
        let steps: Vec<Value> = self.steps.iter().map(|step| json!({"name": step})).collect();
        self.change(|state, task| {
            let owner = json!([{"uid": task["metadata"]["uid"]}]);
            state.put(&pods(), json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "labels": labels, "ownerReferences": owner},
                                      "spec": {}, "status": {"phase": "Pending"}}));
            task["status"]["podName"] = json!(pod);
            task["status"]["steps"] = json!(steps);
            task["status"]["conditions"] = condition("Unknown", reason, "");
        });
    }

    /// The pod has a condition (`Unschedulable`).
    pub fn unschedulable(&self, message: &str) {
        self.change_pod(|pod| {
            pod["status"]["conditions"] =
                json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]);
        });
    }

    /// A container of the pod waits for a reason.
    pub fn waiting(&self, step: &str, reason: &str, message: &str) {
        let state =
            json!([{"name": format!("step-{step}"), "state": {"waiting": {"reason": reason, "message": message}}}]);
        self.change_pod(|pod| {
            pod["spec"]["nodeName"] = json!("node");
            pod["status"]["containerStatuses"] = state;
        });
    }

    /// All steps run.
    pub fn run_steps(&self) {
        let containers: Vec<Value> = self
            .steps
            .iter()
            .map(|step| json!({"name": format!("step-{step}"), "state": {"running": {"startedAt": now()}}}))
            .collect();
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| json!({"name": step, "container": format!("step-{step}"), "running": {"startedAt": now()}}))
            .collect();
        for step in &self.steps {
            let key = (self.pod(), format!("step-{step}"));
            self.run.shared.change(|state| state.logs.entry(key).or_default().ended = false);
        }
        self.change_pod(|pod| {
            pod["spec"]["nodeName"] = json!("node");
            pod["status"] = json!({"phase": "Running", "containerStatuses": containers});
        });
        self.change(|_, task| {
            task["status"]["steps"] = json!(steps);
            task["status"]["conditions"] =
                condition("Unknown", "Running", "Not all Steps in the Task have finished executing");
        });
    }

    /// A step writes; the last line may be unfinished.
    pub fn log(&self, step: &str, bytes: &[u8]) {
        let stamp = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string();
        let key = (self.pod(), format!("step-{step}"));
        self.run.shared.change(|state| {
            let log = state.logs.entry(key).or_default();
            append(log, &stamp, bytes);
        });
    }

    /// A step ends.
    pub fn end_step(&self, step: &str, code: i64, message: Option<&str>) {
        let mut end =
            json!({"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" }, "finishedAt": now()});
        if let Some(message) = message {
            end["message"] = json!(message);
        }
        let key = (self.pod(), format!("step-{step}"));
        self.run.shared.change(|state| state.logs.entry(key).or_default().ended = true);
        let container = format!("step-{step}");
        self.change_pod(|pod| {
            for status in pod["status"]["containerStatuses"]
                .as_array_mut()
                .into_iter()
                .flatten()
                .filter(|status| status["name"] == json!(container))
            {
                status["state"] = json!({"terminated": end});
            }
        });
        self.change(|_, task| {
            for status in task["status"]["steps"]
                .as_array_mut()
                .into_iter()
                .flatten()
                .filter(|status| status["name"] == json!(step))
            {
                status.as_object_mut().expect("a step").remove("running");
                status["terminated"] = end.clone();
            }
        });
    }

    /// All steps end well, and so does the task.
    pub fn succeed(&self) {
        self.steps.iter().for_each(|step| self.end_step(step, 0, None));
        self.end("True", "Succeeded", "All Steps have completed executing", &[]);
    }

    /// The task ends.
    pub fn end(&self, status: &str, reason: &str, message: &str, results: &[(&str, &str)]) {
        let results: Vec<Value> =
            results.iter().map(|(name, value)| json!({"name": name, "type": "string", "value": value})).collect();
        self.change(|_, task| {
            task["status"]["conditions"] = condition(status, reason, message);
            task["status"]["completionTime"] = json!(now());
            task["status"]["results"] = json!(results);
        });
    }

    /// The first step fails with a message, and so does the task.
    pub fn fail(&self, code: i64, message: Option<&str>) {
        let step = self.steps.first().cloned().unwrap_or_default();
        self.end_step(&step, code, message);
        self.end("False", "StepFailed", &format!("\"step-{step}\" exited with code {code}: Error"), &[]);
    }

    /// The attempt failed, and another one begins with a pod of its own.
    pub fn retry(&mut self) {
        let step = self.steps.first().cloned().unwrap_or_default();
        self.end_step(&step, 1, None);
        self.change(|_, task| {
            let mut attempt = task["status"].clone();
            attempt["conditions"] =
                condition("False", "StepFailed", &format!("\"step-{step}\" exited with code 1: Error"));
            let mut earlier = attempt
                .as_object_mut()
                .and_then(|attempt| attempt.remove("retriesStatus"))
                .unwrap_or_else(|| json!([]));
            earlier.as_array_mut().expect("a list").push(attempt);
            task["status"] =
                json!({"retriesStatus": earlier, "podName": "", "conditions": condition("Unknown", "ToBeRetried", "")});
        });
        self.attempt += 1;
        self.new_pod("Running");
        self.run_steps();
    }

    /// The task is cancelled: its pod is removed.
    pub fn cancel(&self) {
        self.run.shared.change(|state| state.remove(&pods(), &self.pod()));
        self.end("False", "TaskRunCancelled", &format!("TaskRun \"{}\" was cancelled", self.name), &[]);
    }

    /// The pod is removed.
    pub fn remove_pod(&self) {
        self.run.shared.change(|state| state.remove(&pods(), &self.pod()));
    }
}

fn append(log: &mut Log, stamp: &str, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        let (line, rest) = bytes.split_at(end);
        match log.lines.last_mut() {
            Some((_, last)) if !last.ends_with(b"\n") => last.extend_from_slice(line),
            _ => log.lines.push((stamp.to_owned(), line.to_vec())),
        }
        bytes = rest;
    }
}
