//! Moving a run along, as Tekton's controller does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Shared;
use super::admission::has_ended;
use super::state::{Collection, now};
use super::task::Task;

/// The longest name that Tekton gives.
const LONGEST: usize = 63;

/// A PipelineRun that was created.
#[derive(Clone)]
pub(crate) struct Run {
    pub(super) shared: Arc<Shared>,
    /// Its name.
    pub name: String,
}

pub(super) fn runs() -> Collection {
    Collection::new("tekton.dev", "pipelineruns")
}

pub(super) fn task_runs() -> Collection {
    Collection::new("tekton.dev", "taskruns")
}

pub(super) fn pods() -> Collection {
    Collection::new("", "pods")
}

/// The runs that there are, in the order of their creation.
pub(super) fn all(shared: &Arc<Shared>) -> Vec<Run> {
    let names: Vec<String> = shared.read(|state| {
        let names = state.created_runs.iter().filter(|name| state.get(&runs(), name).is_some());
        names.cloned().collect()
    });
    names.iter().map(|name| Run::new(Arc::clone(shared), name)).collect()
}

/// The only condition there is.
pub(super) fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!([{"type": "Succeeded", "status": status, "reason": reason, "message": message, "lastTransitionTime": now()}])
}

/// The name of something that belongs to something: where it would be too long, a hash is in the place of its middle.
pub(super) fn child_name(parent: &str, suffix: &str) -> String {
    if parent.len() + suffix.len() <= LONGEST {
        return format!("{parent}{suffix}");
    }
    let sum = parent
        .bytes()
        .chain(suffix.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let (head, tail) = (&parent[..parent.len().min(20)], &suffix[suffix.len().saturating_sub(20)..]);
    format!("{head}{sum:016x}{}", tail.trim_start_matches('-'))
}

impl Run {
    /// A handle for a run of this name.
    pub(crate) fn new(shared: Arc<Shared>, name: &str) -> Run {
        Run { shared, name: name.to_owned() }
    }

    /// The run as it is.
    pub(crate) fn object(&self) -> Value {
        self.shared.read(|state| state.get(&runs(), &self.name).cloned()).unwrap_or_default()
    }

    /// What tells this run from another of its name.
    pub(super) fn uid(&self) -> String {
        self.object()["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
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
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        let object = self.object();
        let params = object["spec"]["params"].as_array()?;
        let param = params.iter().find(|param| param["name"] == json!(name))?;
        param["value"].as_str().map(str::to_owned)
    }

    /// The controller has seen the run, and has not resolved its pipeline yet.
    pub(crate) fn started(&self) {
        self.change(|run| {
            run["metadata"]["labels"]["tekton.dev/pipeline"] = pipeline(run);
            run["status"] = json!({"conditions": condition("Unknown", "Started", ""), "startTime": now()});
        });
    }

    /// The pipeline is resolved, and the run begins.
    pub(crate) fn start(&self, tasks: &[&str], finally: &[&str]) {
        let named = |names: &[&str]| -> Vec<Value> {
            let task = |name: &&str| json!({"name": name, "taskRef": {"kind": "Task", "name": format!("{name}-0-1")}});
            names.iter().map(task).collect()
        };
        let (tasks, finally) = (named(tasks), named(finally));
        let count = tasks.len() + finally.len();
        let told = format!("Tasks Completed: 0 (Failed: 0, Cancelled 0), Incomplete: {count}, Skipped: 0");
        self.change(|run| {
            run["metadata"]["labels"]["tekton.dev/pipeline"] = pipeline(run);
            run["status"] = json!({
                "conditions": condition("Unknown", "Running", &told), "startTime": now(), "childReferences": [],
                "pipelineSpec": {"tasks": tasks, "finally": finally}});
        });
    }

    /// Tasks will not run.
    pub(crate) fn skip(&self, tasks: &[&str]) {
        self.skip_because(tasks, "When Expressions evaluated to false");
    }

    fn skip_because(&self, tasks: &[&str], reason: &str) {
        let skipped = tasks.iter().map(|name| json!({"name": name, "reason": reason}));
        self.change(|run| {
            if run["status"]["skippedTasks"].is_null() {
                run["status"]["skippedTasks"] = json!([]);
            }
            run["status"]["skippedTasks"].as_array_mut().expect("a list").extend(skipped);
        });
        self.refresh();
    }

    /// A task begins: its TaskRun and pod are there, its first steps run.
    pub(crate) fn begin(&self, task: &str, steps: &[&str]) -> Task {
        let task = self.pending(task, steps);
        task.schedule();
        task.run_steps();
        task
    }

    /// A task begins, and its pod waits for a node.
    pub(crate) fn pending(&self, task: &str, steps: &[&str]) -> Task {
        let handle = self.task(task, steps);
        let name = handle.name.clone();
        let child = json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": name, "pipelineTaskName": task});
        let object = handle.new_object(&self.object());
        self.shared.change(|state| state.put(&task_runs(), object));
        self.change(|run| {
            if let Some(children) = run["status"]["childReferences"].as_array_mut() {
                children.push(child);
            }
        });
        self.refresh();
        handle.new_pod();
        handle
    }

    /// A task that has begun already.
    pub(crate) fn task(&self, task: &str, steps: &[&str]) -> Task {
        Task {
            run: self.clone(),
            task: task.to_owned(),
            name: child_name(&self.name, &format!("-{task}")),
            attempt: 1,
            steps: steps.iter().map(|step| (*step).to_owned()).collect(),
        }
    }

    /// The `finally` tasks begin: what has not begun so far never will.
    pub(crate) fn finally(&self) {
        let waiting = self.waiting();
        let waiting: Vec<&str> = waiting.iter().map(String::as_str).collect();
        if !waiting.is_empty() {
            self.skip_because(&waiting, "PipelineRun was stopping");
        }
        self.change(|run| run["status"]["finallyStartTime"] = json!(now()));
    }

    /// Tasks that neither began nor are skipped, those of `finally` left out.
    fn waiting(&self) -> Vec<String> {
        let status = self.object()["status"].clone();
        let known = |key: &str, field: &str| names(&status[key], field);
        let gone = [known("childReferences", "pipelineTaskName"), known("skippedTasks", "name")].concat();
        let tasks = names(&status["pipelineSpec"]["tasks"], "name");
        tasks.into_iter().filter(|task| !gone.contains(task)).collect()
    }

    /// A state on the way.
    pub(crate) fn is(&self, status: &str, reason: &str, message: &str) {
        self.change(|run| run["status"]["conditions"] = condition(status, reason, message));
    }

    /// Counts tasks again, as the controller does when one begins or ends.
    pub(super) fn refresh(&self) {
        let condition = self.object()["status"]["conditions"][0].clone();
        let reason = condition["reason"].as_str().unwrap_or_default();
        if condition["status"] == "Unknown" && matches!(reason, "Running" | "CancelledRunningFinally") {
            let summary = self.summary();
            if condition["message"] != json!(summary) {
                self.is("Unknown", reason, &summary);
            }
        }
    }

    /// What the controller counts: `Tasks Completed: 5 (Failed: 1, Cancelled 0), Skipped: 7`.
    pub(crate) fn summary(&self) -> String {
        let status = self.object()["status"].clone();
        let spec = &status["pipelineSpec"];
        let total = ["tasks", "finally"].map(|key| spec[key].as_array().map_or(0, Vec::len)).iter().sum::<usize>();
        let skipped = status["skippedTasks"].as_array().map_or(0, Vec::len);
        let reasons: Vec<(bool, String)> =
            self.task_runs().iter().filter(|task| has_ended(task)).map(verdict).collect();
        let is_cancelled = |(_, reason): &&(bool, String)| reason == "TaskRunCancelled";
        let cancelled = reasons.iter().filter(is_cancelled).count();
        let failed = reasons.iter().filter(|(is_well, _)| !is_well).count() - cancelled;
        let completed = reasons.len();
        let counts = format!("Tasks Completed: {completed} (Failed: {failed}, Cancelled {cancelled})");
        match total.saturating_sub(completed + skipped) {
            0 => format!("{counts}, Skipped: {skipped}"),
            incomplete => format!("{counts}, Incomplete: {incomplete}, Skipped: {skipped}"),
        }
    }

    fn task_runs(&self) -> Vec<Value> {
        let label = json!(self.name);
        self.shared.read(|state| {
            let collection = task_runs();
            let all = state.of(&collection);
            all.filter(|task| task["metadata"]["labels"]["tekton.dev/pipelineRun"] == label).cloned().collect()
        })
    }

    /// The run ends.
    pub(crate) fn finish(&self, status: &str, reason: &str, message: &str, results: &[(&str, Value)]) {
        let results: Vec<Value> = results.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        self.change(|run| {
            run["status"]["conditions"] = condition(status, reason, message);
            run["status"]["completionTime"] = json!(now());
            if !results.is_empty() {
                run["status"]["results"] = json!(results);
            }
            if run["status"]["startTime"].is_null() {
                run["status"]["startTime"] = json!(now());
            }
        });
    }

    /// The run ends well, with these pull specs.
    pub(crate) fn succeed(&self, repositories: &Value) {
        let results = [("repositories", json!(repositories.to_string())), ("koji-build-id", json!("null"))];
        self.succeed_with(&results);
    }

    /// The run ends well, with these results.
    pub(crate) fn succeed_with(&self, results: &[(&str, Value)]) {
        let is_partial = !names(&self.object()["status"]["skippedTasks"], "name").is_empty();
        self.finish("True", if is_partial { "Completed" } else { "Succeeded" }, &self.summary(), results);
    }

    /// The run ends because a task failed; results that were made already are there.
    pub(crate) fn fail(&self, results: &[(&str, Value)]) {
        self.finish("False", "Failed", &self.summary(), results);
    }

    /// What somebody wishes for the run (`CancelledRunFinally`).
    pub(crate) fn wish(&self) -> Option<String> {
        self.object()["spec"]["status"].as_str().filter(|wish| !wish.is_empty()).map(str::to_owned)
    }

    /// Waits until somebody wishes for an end of the run.
    pub(crate) fn await_cancel(&self) -> String {
        self.await_some("nobody cancelled the run", Run::wish)
    }

    /// Waits until the run is over, or gone.
    pub(crate) fn await_end(&self) {
        self.await_some("the run did not end", |run| run.is_over().then_some(()));
    }

    fn await_some<T>(&self, otherwise: &str, look: impl Fn(&Run) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "{otherwise}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Tasks that run are cancelled, and `finally` begins.
    pub(crate) fn cancel_gracefully(&self) {
        for task in self.task_runs().iter().filter(|task| !has_ended(task)) {
            Task::of(self, task).cancel();
        }
        self.is("Unknown", "CancelledRunningFinally", &self.summary());
        self.finally();
    }

    /// The run ends as a cancelled one, and with it whatever still runs.
    pub(crate) fn cancelled(&self) {
        for task in self.task_runs().iter().filter(|task| !has_ended(task)) {
            Task::of(self, task).cancel();
        }
        self.finish("False", "Cancelled", &format!("PipelineRun \"{}\" was cancelled", self.name), &[]);
    }

    /// Whether the run is over, or gone.
    pub(crate) fn is_over(&self) -> bool {
        let object = self.object();
        object.is_null() || has_ended(&object)
    }

    /// Somebody removes the run.
    pub(crate) fn remove(&self) {
        self.shared.change(|state| state.remove(&runs(), &self.name));
    }
}

fn pipeline(run: &Value) -> Value {
    let reference = &run["spec"]["pipelineRef"]["name"];
    if reference.is_null() { run["metadata"]["name"].clone() } else { reference.clone() }
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|entry| entry[field].as_str().map(str::to_owned)).collect()
}

/// Whether a task ended well, and the reason that is given.
fn verdict(task: &Value) -> (bool, String) {
    let condition = &task["status"]["conditions"][0];
    (condition["status"] == "True", condition["reason"].as_str().unwrap_or_default().to_owned())
}
