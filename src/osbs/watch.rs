//! Watching a run to its end: one watch for the run, one for its TaskRuns, one for their pods, and one stream for each container
//! that runs, all at the same time.
//!
//! `model` decides what follows from what was seen; here is only what waits. Nothing is polled while the connections hold.

pub(crate) mod collections;
pub(crate) mod logs;
pub mod looks;
pub(crate) mod model;
pub(crate) mod results;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::cluster::{Cluster, Expected, Patience};
use super::error::ClusterError;
use super::run::NOT_THERE_HINT;
use super::run::docker_build::BUILD_LABEL;
use super::run::kind::RunKind;
use super::tekton::{Pod, RUN_LABEL, TaskRun, read};
use crate::builder::{Interrupt, LogChoice};
use crate::error::{Error, ErrorKind};
use crate::event::{BuildEvent, BuildOutcome, Warning};
use collections::{Change, Observer, Selection};
use logs::decoder::Special;
use logs::{Followed, Follower, Readable};
use looks::Looker;
use model::{Action, Follow, Model};

/// How many messages found in logs may wait to be taken.
const SPECIALS: usize = 16;
/// How often the last state of everything is asked for.
const LAST_LISTS: u32 = 4;
/// How many of them are remembered.
const MOST_SPECIALS: usize = 1000;

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
}

/// Whether the log of a container is shown.
fn wants(choice: &LogChoice, follow: &Follow) -> bool {
    let by_arch = LogChoice { arches: Vec::new(), ..choice.clone() };
    let is_of_arch = |arch: &String| follow.names.iter().any(|name| name.replace('-', "_") == arch.replace('-', "_"));
    by_arch.wants(follow.names.iter().map(String::as_str), None)
        && (choice.arches.is_empty() || choice.arches.iter().any(is_of_arch))
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
    /// It could not be looked at any more, however often that was tried.
    #[error("{name} was looked at in vain for so long that the watching was given up: {}", why.why())]
    Lost {
        /// The name.
        name: String,
        /// What became of the last look.
        why: Box<ClusterError>,
    },
}

impl From<WatchError> for Error {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Cluster(error) => error.into(),
            error @ WatchError::Lost { .. } => Error::new(ErrorKind::Unseen, error),
            error @ WatchError::NoSuchRun { .. } => Error::new(ErrorKind::Server, error).hint(NOT_THERE_HINT),
        }
    }
}

enum News {
    Run(Change),
    Task(Change),
    Pod(Change),
}

/// How the watching of a run ended.
#[derive(Debug)]
pub struct Watched {
    /// What is known of it.
    pub outcome: BuildOutcome,
    /// Whether every log was read to its end that was to be read: then nothing is lost when the run is deleted.
    pub is_read: bool,
}

/// Watches a run to its end, or until the user has had enough. The last event is sent by the caller, out of the outcome.
///
/// # Errors
/// When the cluster refuses, or does not know the run.
pub async fn watch(
    cluster: &Arc<Cluster>,
    options: &WatchOptions,
    interrupt: &mut Interrupt,
) -> Result<Watched, WatchError> {
    let mut watcher = Watcher::new(cluster, options);
    let ended = tokio::select! {
        ended = watcher.run() => ended,
        () = interrupt.raised() => Ok(()),
    };
    ended?;
    Ok(watcher.watched())
}

struct Watcher<'a> {
    cluster: &'a Arc<Cluster>,
    options: &'a WatchOptions,
    model: Model,
    followers: JoinSet<Followed>,
    followed: Vec<Followed>,
    specials: (mpsc::Sender<Special>, mpsc::Receiver<Special>),
    seen_specials: Vec<Special>,
    /// Whether logs may be read, as far as is known.
    readable: Arc<Readable>,
    /// Kinds of objects that were not understood.
    not_understood: BTreeSet<&'static str>,
}

impl<'a> Watcher<'a> {
    fn new(cluster: &'a Arc<Cluster>, options: &'a WatchOptions) -> Watcher<'a> {
        Watcher {
            cluster,
            options,
            model: Model::new(&options.name, options.kind.label()),
            followers: JoinSet::new(),
            followed: Vec::new(),
            specials: mpsc::channel(SPECIALS),
            seen_specials: Vec::new(),
            readable: Arc::default(),
            not_understood: BTreeSet::new(),
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
        let expected = Expected::Object { kind: kind.label(), name: &self.options.name };
        match self.cluster.object(kind.plural(), &path, expected, Patience::Some).await {
            Err(ClusterError::Refused { code: 404, by_api: true, .. }) => Err(WatchError::NoSuchRun {
                plural: kind.plural(),
                name: self.options.name.clone(),
                namespace: self.cluster.namespace().to_owned(),
            }),
            answer => Ok(answer?),
        }
    }

    fn runs(&self) -> Selection {
        let path = self.options.kind.collection(self.cluster.namespace());
        Selection::by_name(self.options.kind.plural(), self.options.kind.label(), path, &self.options.name)
    }

    /// The TaskRuns of the run; OpenShift's own builds have none.
    fn task_runs(&self) -> Option<Selection> {
        let RunKind::Tekton(version) = self.options.kind else { return None };
        let path = version.collection(self.cluster.namespace(), "taskruns");
        Some(Selection::by_label("taskruns", "TaskRun", path, (RUN_LABEL, &self.options.name)))
    }

    fn pods(&self) -> Selection {
        let label = match self.options.kind {
            RunKind::Tekton(_) => RUN_LABEL,
            RunKind::Build => BUILD_LABEL,
        };
        let path = format!("/api/v1/namespaces/{}/pods", self.cluster.namespace());
        Selection::by_label("pods", "Pod", path, (label, &self.options.name))
    }

    /// Watches until the run has ended or is gone.
    async fn until_over(&mut self, version: Option<String>) -> Result<(), WatchError> {
        let (changes, mut news) = mpsc::channel(16);
        let (sees, seen) = watch::channel(true);
        let observer = |selection, tell, sees| {
            let (cluster, changes) = (Arc::clone(self.cluster), changes.clone());
            Observer { cluster, selection, changes, tell, sees }
        };
        let mut observers = JoinSet::new();
        observers.spawn(observer(self.runs(), News::Run, sees).observe(version));
        // What runs in it, and why pods do not start: who may not see that sees how the run goes all the same.
        if let Some(task_runs) = self.task_runs() {
            observers.spawn(observer(task_runs, News::Task, watch::channel(true).0).observe(None));
        }
        observers.spawn(observer(self.pods(), News::Pod, watch::channel(true).0).observe(None));
        let (cluster, kind, name) = (Arc::clone(self.cluster), self.options.kind, self.options.name.clone());
        let mut looks = JoinSet::new();
        looks.spawn(Looker { cluster, kind, name, changes, tell: News::Run, sees: seen }.look());
        while !self.model.is_over() && !self.cluster.events().is_closed() {
            tokio::select! {
                Some(news) = news.recv() => self.take(news).await,
                Some(Ok(Err(why))) = looks.join_next() => {
                    return Err(WatchError::Lost { name: self.options.name.clone(), why: Box::new(why) });
                }
                Some(Ok(followed)) = self.followers.join_next() => self.followed.push(followed),
                Some(special) = self.specials.1.recv() => self.remember(special),
                // A quiet build would not notice it otherwise.
                () = self.cluster.events().closed() => {}
            }
        }
        Ok(())
    }

    /// Sees to it that the last state of everything is known: watches of different resources are not in step.
    async fn last_looks(&mut self) {
        if self.model.is_removed() || self.cluster.events().is_closed() {
            return;
        }
        if let Some(task_runs) = self.task_runs() {
            for item in self.last_list(&task_runs).await {
                self.take(News::Task(Change::Seen(item))).await;
            }
        }
        self.model.settle();
    }

    /// What there is at the end. The logs that are still read must not wait for it.
    async fn last_list(&mut self, selection: &Selection) -> Vec<Value> {
        let mut attempt = 0;
        loop {
            let answer = tokio::select! {
                answer = selection.listed(self.cluster) => answer,
                () = self.cluster.events().closed() => return Vec::new(),
            };
            let error = match answer {
                Ok(list) => return list.get("items").and_then(Value::as_array).cloned().unwrap_or_default(),
                Err(error) => error,
            };
            attempt += 1;
            if attempt >= LAST_LISTS {
                tracing::debug!(%error, "the last look failed");
                return Vec::new();
            }
            tokio::time::sleep(self.cluster.pace().after(attempt)).await;
        }
    }

    /// Waits until all logs are read to their ends, or given up: each of them knows when that is.
    async fn last_lines(&mut self) {
        while !self.followers.is_empty() && !self.cluster.events().is_closed() {
            tokio::select! {
                Some(Ok(followed)) = self.followers.join_next() => self.followed.push(followed),
                Some(special) = self.specials.1.recv() => self.remember(special),
                () = self.cluster.events().closed() => {}
            }
        }
    }

    fn remember(&mut self, special: Special) {
        if self.seen_specials.len() < MOST_SPECIALS {
            self.seen_specials.push(special);
        }
    }

    async fn take(&mut self, news: News) {
        let actions = match news {
            News::Run(Change::Seen(value)) => Some(self.run_seen(value)),
            News::Run(Change::Gone(_)) => {
                self.model.run_gone();
                None
            }
            News::Task(Change::Seen(value)) => match read::<TaskRun>(value) {
                Ok(task) => Some(self.model.task_seen(task)),
                Err(error) => self.is_not_understood("TaskRun", &error),
            },
            News::Pod(Change::Seen(value)) => match read::<Pod>(value) {
                Ok(pod) => Some(self.model.pod_seen(pod)),
                Err(error) => self.is_not_understood("Pod", &error),
            },
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

    /// Tells, once of each kind, of an object that makes no sense.
    fn is_not_understood(&mut self, kind: &'static str, error: &serde_json::Error) -> Option<Vec<Action>> {
        if !self.not_understood.insert(kind) {
            return None;
        }
        let warning = Warning::Degraded { what: format!("understanding a {kind}"), why: error.to_string() };
        Some(vec![Action::Tell(BuildEvent::Warned(warning))])
    }

    fn run_seen(&mut self, object: Value) -> Vec<Action> {
        let (run, task) = match self.options.kind.read(object) {
            Ok(read) => read,
            Err(error) => return self.is_not_understood(self.options.kind.label(), &error).unwrap_or_default(),
        };
        let mut actions = self.model.run_seen(run);
        actions.extend(task.into_iter().flat_map(|task| self.model.task_seen(task)));
        actions
    }

    async fn follow(&mut self, follow: Follow) {
        if self.options.logs.none {
            return;
        }
        let is_shown = wants(&self.options.logs, &follow);
        if is_shown {
            self.tell(BuildEvent::LogOpened { log: Arc::clone(&follow.log), arch: follow.arch.clone() }).await;
        }
        let follower = Follower {
            cluster: Arc::clone(self.cluster),
            pod: follow.pod,
            container: follow.container,
            log: follow.log,
            is_shown,
            tail: self.options.logs.tail,
            stage: follow.stage,
            specials: self.specials.0.clone(),
            readable: Arc::clone(&self.readable),
        };
        self.followers.spawn(follower.follow());
    }

    async fn tell(&self, event: BuildEvent) {
        self.cluster.events().send(event).await;
    }

    fn watched(&mut self) -> Watched {
        while let Ok(special) = self.specials.1.try_recv() {
            self.remember(special);
        }
        let outcome = results::outcome(&self.options.name, &self.model, &self.seen_specials, &self.followed);
        let is_read = self.followers.is_empty() && self.followed.iter().all(|followed| followed.is_whole);
        Watched { outcome, is_read }
    }
}
