//! What has been seen of a run, and what follows from it. No sockets, no clock.
//!
//! Objects come in any order and as often as they change: what is told is told once. A container's log is opened when the container
//! is seen to run, by its TaskRun or by its pod, whichever comes first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use crate::event::{BuildEvent, LogId, TaskId, TaskState};
use crate::osbs::tekton::{Container, PipelineRun, Pod, TaskRun};
use crate::osbs::watch::logs::Stage;

/// Reasons for which a container that waits does not wait for its turn.
const TROUBLE: [&str; 9] = [
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
];
/// Reasons of a TaskRun that waits for something that may never come.
const STUCK: [&str; 5] = [
    "ExceededNodeResources",
    "ExceededResourceQuota",
    "PullImageFailed",
    "CreateContainerConfigError",
    "PodCreationFailed",
];

/// Something to do, besides telling.
#[derive(Debug)]
pub(crate) enum Action {
    Tell(BuildEvent),
    /// Follow a container's log.
    Follow(Follow),
}

/// A log to follow.
#[derive(Debug)]
pub(crate) struct Follow {
    pub pod: String,
    pub container: String,
    /// Its name in the build.
    pub log: Arc<LogId>,
    /// The architecture it is about.
    pub arch: Option<Arc<str>>,
    /// Names by which a user may ask for it.
    pub names: Vec<String>,
    /// How far the container is.
    pub stage: watch::Receiver<Stage>,
}

/// A TaskRun as it was last seen, and what was told of it.
#[derive(Debug)]
struct Known {
    task: TaskRun,
    told: Option<TaskState>,
    /// The attempt that was told of.
    attempt: usize,
    /// Why it waits, as told.
    waiting: Option<String>,
}

/// What has been seen of a run.
#[derive(Debug)]
pub(crate) struct Model {
    name: String,
    /// What a run is called (`PipelineRun`).
    label: &'static str,
    run: Option<PipelineRun>,
    told: Option<TaskState>,
    counted: (usize, usize),
    tasks: BTreeMap<String, Known>,
    pods: BTreeMap<String, Pod>,
    /// By pod and container.
    stages: BTreeMap<(String, String), watch::Sender<Stage>>,
    /// Whether the run was removed while it was watched.
    removed: bool,
}

impl Model {
    /// Nothing seen yet. `label` is what the run is called.
    pub(crate) fn new(name: &str, label: &'static str) -> Model {
        Model {
            name: name.to_owned(),
            label,
            run: None,
            told: None,
            counted: (0, 0),
            tasks: BTreeMap::new(),
            pods: BTreeMap::new(),
            stages: BTreeMap::new(),
            removed: false,
        }
    }

    /// The run, once it was seen.
    pub(crate) fn run(&self) -> Option<&PipelineRun> {
        self.run.as_ref()
    }

    /// The TaskRuns in the order in which the run lists them, and behind them those that it does not list yet.
    pub(crate) fn task_runs(&self) -> Vec<&TaskRun> {
        let children = self.run.iter().flat_map(|run| &run.status.child_references);
        let listed: Vec<&str> = children.map(|child| child.name.as_str()).collect();
        let known = listed.iter().filter_map(|name| self.tasks.get(*name));
        let others = self.tasks.iter().filter(|(name, _)| !listed.contains(&name.as_str())).map(|(_, known)| known);
        known.chain(others).map(|known| &known.task).collect()
    }

    /// Whether the run was removed while it was watched.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed
    }

    /// Whether nothing more will come of the run.
    pub(crate) fn is_over(&self) -> bool {
        self.removed || self.run.as_ref().is_some_and(PipelineRun::is_final)
    }

    /// Takes the run as it looks now.
    pub(crate) fn run_seen(&mut self, run: PipelineRun) -> Vec<Action> {
        let mut actions = Vec::new();
        let state = run.state();
        match self.told {
            None => actions.push(Action::Tell(BuildEvent::TaskOpened {
                task: self.id(),
                parent: None,
                label: self.label.to_owned(),
                arch: None,
                state,
                host: None,
            })),
            Some(before) if before != state => actions.push(changed(&self.id(), before, state, reason(&run, state))),
            Some(_) => {}
        }
        self.told = Some(state);
        self.run = Some(run);
        self.count(&mut actions);
        actions
    }

    /// The run is there no more.
    pub(crate) fn run_gone(&mut self) {
        self.removed = !self.run.as_ref().is_some_and(PipelineRun::is_final);
        for stage in self.stages.values() {
            stage.send_replace(Stage::Gone);
        }
    }

    /// Takes a TaskRun as it looks now.
    pub(crate) fn task_seen(&mut self, task: TaskRun) -> Vec<Action> {
        let mut actions = Vec::new();
        let id = TaskId::from(task.metadata.name.as_str());
        let state = task.state();
        let attempt = task.status.retries_status.len();
        let (told, told_attempt, waiting) = match self.tasks.remove(&task.metadata.name) {
            Some(known) => (known.told, known.attempt, known.waiting),
            None => (None, attempt, None),
        };
        let cause = || task.condition().filter(|_| state == TaskState::Failed).and_then(|known| known.message.clone());
        match told {
            None => actions.push(Action::Tell(BuildEvent::TaskOpened {
                task: id.clone(),
                parent: Some(self.id()),
                label: task.task().to_owned(),
                arch: task.arch(),
                state,
                host: None,
            })),
            Some(before) if attempt > told_attempt => {
                let why = task.status.retries_status.last().and_then(|last| last.conditions.first());
                let why = why.and_then(|condition| condition.message.clone()).unwrap_or_default();
                actions.push(Action::Tell(BuildEvent::TaskRetried {
                    task: id.clone(),
                    attempt: attempt as u64 + 1,
                    reason: why,
                }));
                if before != state {
                    actions.push(changed(&id, before, state, cause()));
                }
            }
            Some(before) if before != state => actions.push(changed(&id, before, state, cause())),
            Some(_) => {}
        }
        let known = Known { task, told: Some(state), attempt, waiting };
        let name = known.task.metadata.name.clone();
        self.tasks.insert(name.clone(), known);
        self.containers(&name, &mut actions);
        self.tell_waiting(&name, &mut actions);
        self.count(&mut actions);
        actions
    }

    /// Takes a pod as it looks now.
    pub(crate) fn pod_seen(&mut self, pod: Pod) -> Vec<Action> {
        let mut actions = Vec::new();
        let name = pod.metadata.name.clone();
        self.pods.insert(name.clone(), pod);
        let owners: Vec<String> = self
            .tasks
            .iter()
            .filter(|(_, known)| known.task.attempts().any(|attempt| attempt.pod_name == name))
            .map(|(task, _)| task.clone())
            .collect();
        for task in owners {
            self.containers(&task, &mut actions);
            self.tell_waiting(&task, &mut actions);
        }
        actions
    }

    /// A pod is there no more: nothing more will be read of its logs than what comes now.
    pub(crate) fn pod_gone(&mut self, name: &str) {
        self.pods.remove(name);
        for ((pod, _), stage) in &self.stages {
            if pod == name {
                stage.send_replace(Stage::Gone);
            }
        }
    }

    /// The run is over and everything was seen that there is: logs of containers that never ran are given up.
    pub(crate) fn settle(&mut self) {
        for stage in self.stages.values() {
            stage.send_if_modified(|stage| {
                let was = *stage;
                *stage = was.max(Stage::Ended);
                was != *stage
            });
        }
    }

    fn id(&self) -> TaskId {
        TaskId::from(self.name.as_str())
    }

    /// Opens logs of containers that run now, and notes which have ended.
    fn containers(&mut self, task: &str, actions: &mut Vec<Action>) {
        let Some(known) = self.tasks.get(task) else { return };
        let mut found: Vec<(String, String, Option<String>, Stage, usize)> = Vec::new();
        for (index, attempt) in known.task.attempts().enumerate().filter(|(_, attempt)| !attempt.pod_name.is_empty()) {
            let pod = self.pods.get(&attempt.pod_name);
            let many = attempt.steps.len() > 1;
            let is_over = index < known.attempt || known.told.is_some_and(TaskState::is_final);
            let failed = is_over && known.told != Some(TaskState::Closed);
            for step in &attempt.steps {
                let stage = stage_of(step, &step.container_name(), pod);
                let shown = many.then(|| step.name.clone());
                found.push((attempt.pod_name.clone(), step.container_name(), shown, stage, index));
            }
            // What runs beside and before the steps is of interest only when something went wrong.
            for sidecar in attempt.sidecars.iter().filter(|_| failed) {
                let container = sidecar.container.clone().unwrap_or_else(|| format!("sidecar-{}", sidecar.name));
                let stage = stage_of(sidecar, &container, pod);
                found.push((attempt.pod_name.clone(), container, Some(sidecar.name.clone()), stage, index));
            }
            let init = pod.iter().flat_map(|pod| &pod.status.init_container_statuses);
            let broken = |state: &Container| state.terminated.as_ref().is_some_and(|end| end.exit_code != 0);
            for container in init.filter(|container| failed && broken(&container.state)) {
                let name = container.name.clone();
                found.push((attempt.pod_name.clone(), name.clone(), Some(name), Stage::Ended, index));
            }
        }
        let (label, arch) = (known.task.task().to_owned(), known.task.arch());
        for (pod, container, step, stage, attempt) in found {
            self.container(task, &label, arch.as_deref(), Place { pod, container, step, attempt }, stage, actions);
        }
    }

    fn container(
        &mut self,
        task: &str,
        label: &str,
        arch: Option<&str>,
        place: Place,
        stage: Stage,
        actions: &mut Vec<Action>,
    ) {
        let key = (place.pod.clone(), place.container.clone());
        if let Some(known) = self.stages.get(&key) {
            known.send_if_modified(|before| {
                let later = stage > *before;
                *before = stage.max(*before);
                later
            });
            return;
        }
        if stage == Stage::Waiting {
            return;
        }
        let (sender, receiver) = watch::channel(stage);
        self.stages.insert(key, sender);
        let step = place.step.map(|step| format!("/{step}")).unwrap_or_default();
        let number = if place.attempt > 0 { format!("#{}", place.attempt + 1) } else { String::new() };
        let name = format!("{label}{step}{number}");
        let names = [name.clone(), format!("{label}{step}"), label.to_owned()];
        let log = LogId { task: TaskId::from(task), volume: None, name: name.as_str().into() };
        // Logs of an architecture are shown under its name; where there are several, that does not tell them apart.
        let is_plain = step.is_empty() && number.is_empty();
        actions.push(Action::Follow(Follow {
            pod: place.pod,
            container: place.container,
            log: Arc::new(log),
            arch: arch.filter(|_| is_plain).map(Arc::from),
            names: names.into_iter().chain(arch.map(str::to_owned)).collect::<BTreeSet<_>>().into_iter().collect(),
            stage: receiver,
        }));
    }

    /// Tells why a task does not begin, each reason once.
    fn tell_waiting(&mut self, task: &str, actions: &mut Vec<Action>) {
        let Some(known) = self.tasks.get(task) else { return };
        let pod = self.pods.get(&known.task.status.pod_name);
        let is_over = known.told.is_some_and(TaskState::is_final);
        let why = pod.and_then(pod_trouble).or_else(|| task_trouble(&known.task)).filter(|_| !is_over);
        let Some(known) = self.tasks.get_mut(task) else { return };
        if let Some(why) = &why
            && known.waiting.as_ref() != Some(why)
        {
            let reason = why.clone();
            actions.push(Action::Tell(BuildEvent::TaskWaiting { task: TaskId::from(task), reason }));
        }
        if why.is_some() {
            known.waiting = why;
        }
    }

    /// Tells how many tasks have ended, when that changed.
    fn count(&mut self, actions: &mut Vec<Action>) {
        let Some(run) = &self.run else { return };
        let total = run.task_count();
        let ended = self.tasks.values().filter(|known| known.task.state().is_final()).count().min(total);
        if total > 0 && (ended, total) != self.counted {
            self.counted = (ended, total);
            let (done, total) = (ended as u64, total as u64);
            actions.push(Action::Tell(BuildEvent::Progress { task: self.id(), done, total, unit: "tasks" }));
        }
    }
}

/// Where a log comes from.
struct Place {
    pod: String,
    container: String,
    /// The step, where the task has several.
    step: Option<String>,
    attempt: usize,
}

fn changed(task: &TaskId, from: TaskState, to: TaskState, reason: Option<String>) -> Action {
    Action::Tell(BuildEvent::TaskStateChanged { task: task.clone(), from, to, host: None, reason })
}

/// Why a run failed, as its condition says.
fn reason(run: &PipelineRun, state: TaskState) -> Option<String> {
    run.condition().filter(|_| state == TaskState::Failed).and_then(|condition| condition.message.clone())
}

/// How far a container is, by what its TaskRun says and by what its pod says: whatever is further.
fn stage_of(step: &Container, container: &str, pod: Option<&Pod>) -> Stage {
    let of = |state: &Container| match (&state.running, &state.terminated) {
        (_, Some(_)) => Stage::Ended,
        (Some(_), None) => Stage::Running,
        (None, None) => Stage::Waiting,
    };
    let statuses = pod.iter().flat_map(|pod| &pod.status.container_statuses);
    let by_pod = statuses.filter(|status| status.name == container).map(|status| of(&status.state)).max();
    of(step).max(by_pod.unwrap_or(Stage::Waiting))
}

/// Why a pod does not start.
fn pod_trouble(pod: &Pod) -> Option<String> {
    let unscheduled = pod.status.conditions.iter().find(|condition| {
        condition.r#type == "PodScheduled" && condition.status == "False" && condition.reason.is_some()
    });
    if let Some(condition) = unscheduled {
        return Some(said(condition.reason.as_deref(), condition.message.as_deref()));
    }
    let containers = pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
    let waiting = containers.filter_map(|container| container.state.waiting.as_ref());
    let stuck = |reason: Option<&str>| reason.is_some_and(|reason| TROUBLE.contains(&reason));
    waiting
        .into_iter()
        .find(|waiting| stuck(waiting.reason.as_deref()))
        .map(|waiting| said(waiting.reason.as_deref(), waiting.message.as_deref()))
}

/// Why a TaskRun does not start, where its condition says so.
fn task_trouble(task: &TaskRun) -> Option<String> {
    let condition = task.condition().filter(|condition| !condition.is_final())?;
    let is_stuck = condition.reason.as_deref().is_some_and(|reason| STUCK.contains(&reason));
    is_stuck.then(|| said(condition.reason.as_deref(), condition.message.as_deref()))
}

fn said(reason: Option<&str>, message: Option<&str>) -> String {
    match (reason, message.filter(|message| !message.is_empty())) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (reason, message) => reason.or(message).unwrap_or("no reason given").to_owned(),
    }
}
