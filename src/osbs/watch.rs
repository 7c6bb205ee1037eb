//! Watching a run to its end: one watch for the run, one for its TaskRuns, one for their pods, and one stream for each container
//! that runs, all at the same time.
//!
//! `model` decides what follows from what was seen; here is only what waits. Nothing is polled while the connections hold.

pub mod collections;
pub mod logs;
pub mod model;
pub mod results;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::cluster::{Cluster, Patience};
use super::error::ClusterError;
use super::run::NOT_THERE_HINT;
use super::run::docker_build::BUILD_LABEL;
use super::run::kind::RunKind;
use super::tekton::{Pod, RUN_LABEL, TaskRun, read};
use crate::builder::Interrupt;
use crate::error::{Error, ErrorKind};
use crate::event::{BuildEvent, BuildOutcome, Warning};
use collections::{Change, Observer, Selection};
use logs::decoder::Special;
use logs::{Followed, Follower};
use model::{Action, Follow, Model};

/// How long logs may take to be read to their ends after a run has ended.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(60);

/// What to watch, and how.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The run's name.
    pub name: String,
    /// What it is.
    pub kind: RunKind,
    /// The run as it was created just now, if it was; else it is asked for.
    pub created: Option<Value>,
    /// Which logs to show.
    pub logs: LogChoice,
    /// Show only so many lines of what logs hold when they are first seen.
    pub tail: Option<u64>,
}

/// Which logs to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogChoice {
    /// None at all.
    pub none: bool,
    /// Only these: a task of the pipeline, or a task and a step (`TASK/STEP`).
    pub names: Vec<String>,
    /// Only those of these architectures.
    pub arches: Vec<String>,
}

impl LogChoice {
    fn wants(&self, follow: &Follow) -> bool {
        let any = |wanted: &[String]| wanted.is_empty() || wanted.iter().any(|name| follow.names.contains(name));
        !self.none && any(&self.names) && any(&self.arches)
    }
}

/// Why watching ended without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The cluster could not be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// There is no such run.
    #[error("there is no {name} among the {plural} of namespace {namespace}")]
    NoSuchRun {
        /// The resource's plural.
        plural: &'static str,
        /// The name.
        name: String,
        /// Where it was looked for.
        namespace: String,
    },
}

impl From<WatchError> for Error {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Cluster(error) => error.into(),
            error @ WatchError::NoSuchRun { .. } => Error::new(ErrorKind::Server, error).hint(NOT_THERE_HINT),
        }
    }
}

/// Something that happened.
enum News {
    Run(Change),
    Task(Change),
    Pod(Change),
}

/// Watches a run to its end, or until the user has had enough. The last event is sent by the caller, out of the outcome.
///
/// # Errors
/// When the cluster refuses, or does not know the run.
pub async fn watch(
    cluster: &Arc<Cluster>,
    options: &WatchOptions,
    interrupt: &mut Interrupt,
) -> Result<BuildOutcome, WatchError> {
    let mut watcher = Watcher::new(cluster, options);
    let ended = tokio::select! {
        ended = watcher.run() => ended,
        () = interrupt.raised() => Ok(()),
    };
    ended?;
    Ok(watcher.outcome())
}

struct Watcher<'a> {
    cluster: &'a Arc<Cluster>,
    options: &'a WatchOptions,
    model: Model,
    followers: JoinSet<Followed>,
    followed: Vec<Followed>,
    specials: (mpsc::UnboundedSender<Special>, mpsc::UnboundedReceiver<Special>),
    seen_specials: Vec<Special>,
}

impl<'a> Watcher<'a> {
    fn new(cluster: &'a Arc<Cluster>, options: &'a WatchOptions) -> Watcher<'a> {
        Watcher {
            cluster,
            options,
            model: Model::new(&options.name, options.kind.label()),
            followers: JoinSet::new(),
            followed: Vec::new(),
            specials: mpsc::unbounded_channel(),
            seen_specials: Vec::new(),
        }
    }

    async fn run(&mut self) -> Result<(), WatchError> {
        let created = match &self.options.created {
            Some(run) => run.clone(),
            None => self.existing_run().await?,
        };
        let version = created.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned);
        self.take(News::Run(Change::Seen(created))).await;
        // What ended before it was looked at needs no watches.
        if !self.model.is_over() {
            self.until_over(version).await?;
        }
        self.last_looks().await;
        self.last_lines().await;
        Ok(())
    }

    async fn existing_run(&self) -> Result<Value, WatchError> {
        let kind = self.options.kind;
        let path = format!("{}/{}", kind.collection(self.cluster.namespace()), self.options.name);
        match self.cluster.get(&format!("get {}", kind.plural()), &path, Patience::Some).await {
            Err(error) if error.code() == Some(404) => Err(WatchError::NoSuchRun {
                plural: kind.plural(),
                name: self.options.name.clone(),
                namespace: self.cluster.namespace().to_owned(),
            }),
            answer => Ok(answer?),
        }
    }

    fn runs(&self) -> Selection {
        let path = self.options.kind.collection(self.cluster.namespace());
        Selection::by_field(self.options.kind.plural(), path, "metadata.name", &self.options.name)
    }

    /// The TaskRuns of the run; OpenShift's own builds have none.
    fn task_runs(&self) -> Option<Selection> {
        let RunKind::Tekton(version) = self.options.kind else { return None };
        let path = version.collection(self.cluster.namespace(), "taskruns");
        Some(Selection::by_label("taskruns", path, RUN_LABEL, &self.options.name))
    }

    fn pods(&self) -> Selection {
        let label = match self.options.kind {
            RunKind::Tekton(_) => RUN_LABEL,
            RunKind::Build => BUILD_LABEL,
        };
        let path = format!("/api/v1/namespaces/{}/pods", self.cluster.namespace());
        Selection::by_label("pods", path, label, &self.options.name)
    }

    /// Watches until the run has ended or is gone.
    async fn until_over(&mut self, version: Option<String>) -> Result<(), WatchError> {
        let (changes, mut news) = mpsc::channel(16);
        let observer =
            |selection, tell| Observer { cluster: Arc::clone(self.cluster), selection, changes: changes.clone(), tell };
        let mut observers = JoinSet::new();
        observers.spawn(observer(self.runs(), News::Run).observe(version));
        if let Some(task_runs) = self.task_runs() {
            observers.spawn(observer(task_runs, News::Task).observe(None));
        }
        // Pods are only looked at for why they do not start; who may not see them sees everything else.
        let mut on_pods = JoinSet::new();
        let pods = self.pods();
        on_pods.spawn(observer(pods, News::Pod).observe(None));
        drop(changes);
        while !self.model.is_over() && !self.cluster.events().is_closed() {
            tokio::select! {
                Some(news) = news.recv() => self.take(news).await,
                Some(Ok(Err(error))) = observers.join_next() => return Err(error.into()),
                Some(Ok(Err(error))) = on_pods.join_next() => {
                    let warning = Warning::Degraded { what: "looking at pods".to_owned(), why: error.why() };
                    self.tell(BuildEvent::Warned(warning)).await;
                }
                Some(Ok(followed)) = self.followers.join_next() => self.followed.push(followed),
                Some(special) = self.specials.1.recv() => self.seen_specials.push(special),
                // A quiet build would not notice it otherwise.
                () = self.cluster.events().closed() => {}
            }
        }
        Ok(())
    }

    /// Sees to it that the last state of everything is known: watches of different resources are not in step.
    async fn last_looks(&mut self) {
        if self.model.is_removed() {
            return;
        }
        if let Some(task_runs) = self.task_runs() {
            match self.cluster.get("list taskruns", &task_runs.list(), Patience::Some).await {
                Ok(list) => {
                    let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
                    for item in items {
                        self.take(News::Task(Change::Seen(item))).await;
                    }
                }
                Err(error) => tracing::debug!(%error, "the last look at TaskRuns failed"),
            }
        }
        self.model.settle();
    }

    /// Waits until all logs are read to their ends.
    async fn last_lines(&mut self) {
        let deadline = Instant::now() + LAST_LINES_WITHIN;
        while !self.followers.is_empty() && !self.cluster.events().is_closed() {
            match timeout_at(deadline, self.followers.join_next()).await {
                Ok(Some(Ok(followed))) => self.followed.push(followed),
                Ok(_) => {}
                Err(_) => {
                    let what = format!("reading {} log(s) to the end", self.followers.len());
                    let why = format!("it took more than {} s", LAST_LINES_WITHIN.as_secs());
                    self.tell(BuildEvent::Warned(Warning::Degraded { what, why })).await;
                    break;
                }
            }
        }
    }

    async fn take(&mut self, news: News) {
        let actions = match news {
            News::Run(Change::Seen(value)) => Some(self.run_seen(value)),
            News::Run(Change::Gone(_)) => {
                self.model.run_gone();
                None
            }
            News::Task(Change::Seen(value)) => read::<TaskRun>(value).map(|task| self.model.task_seen(task)),
            News::Pod(Change::Seen(value)) => read::<Pod>(value).map(|pod| self.model.pod_seen(pod)),
            News::Pod(Change::Gone(name)) => {
                self.model.pod_gone(&name);
                None
            }
            News::Task(Change::Gone(_)) => None,
        };
        for action in actions.unwrap_or_default() {
            match action {
                Action::Tell(event) => self.tell(event).await,
                Action::Follow(follow) => self.follow(follow).await,
            }
        }
    }

    fn run_seen(&mut self, object: Value) -> Vec<Action> {
        let Some((run, task)) = self.options.kind.read(object) else { return Vec::new() };
        let mut actions = self.model.run_seen(run);
        actions.extend(task.into_iter().flat_map(|task| self.model.task_seen(task)));
        actions
    }

    async fn follow(&mut self, follow: Follow) {
        if self.options.logs.none {
            return;
        }
        let is_shown = self.options.logs.wants(&follow);
        if is_shown {
            self.tell(BuildEvent::LogOpened { log: Arc::clone(&follow.log), arch: follow.arch.clone() }).await;
        }
        let follower = Follower {
            cluster: Arc::clone(self.cluster),
            pod: follow.pod,
            container: follow.container,
            log: follow.log,
            is_shown,
            tail: self.options.tail,
            stage: follow.stage,
            specials: self.specials.0.clone(),
        };
        self.followers.spawn(follower.follow());
    }

    async fn tell(&self, event: BuildEvent) {
        self.cluster.events().send(event).await;
    }

    fn outcome(&mut self) -> BuildOutcome {
        while let Ok(special) = self.specials.1.try_recv() {
            self.seen_specials.push(special);
        }
        results::outcome(&self.options.name, &self.model, &self.seen_specials, &self.followed)
    }
}
