//! The steps of a build as events, and as a log file that stays: what each did, when it began and how it ended.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::event::{BuildEvent, EventSender, LogId, TaskId, TaskState, Warning};

/// A step of the workflow, in the order in which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepName {
    /// Finds the base images, and pulls them.
    BaseImage,
    /// Fetches what the checkout names and does not hold.
    Artifacts,
    /// Finds the release, and the labels that are added.
    Labels,
    /// Fetches the yum repository files.
    YumRepos,
    /// Writes the Dockerfile that is built, and what is stored inside the image.
    Dockerfile,
    /// Runs the engine.
    Build,
    /// Looks whether the parent's layers stayed and one came on top.
    Squash,
    /// Looks at the packages in the image.
    Inspect,
    /// Pushes to the registry.
    Push,
    /// Writes the image to a file.
    Export,
    /// Imports the image into Koji.
    Import,
}

impl StepName {
    /// The step's number, which is its task's id.
    pub fn id(self) -> TaskId {
        TaskId::from(self as i64 + 1)
    }

    /// The step's name, as it is shown.
    pub fn label(self) -> &'static str {
        match self {
            StepName::BaseImage => "base image",
            StepName::Artifacts => "artifacts",
            StepName::Labels => "labels",
            StepName::YumRepos => "yum repositories",
            StepName::Dockerfile => "Dockerfile",
            StepName::Build => "build",
            StepName::Squash => "squash",
            StepName::Inspect => "inspection",
            StepName::Push => "push",
            StepName::Export => "export",
            StepName::Import => "import",
        }
    }
}

/// Where steps tell what they do.
#[derive(Debug, Clone)]
pub struct Journal {
    events: EventSender,
    build: TaskId,
    file: Arc<Mutex<File>>,
    /// Steps that have begun and not ended, and what the user was warned about.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    open: BTreeSet<StepName>,
    warnings: Vec<String>,
}

/// A step that has begun.
#[derive(Debug)]
pub struct Step {
    journal: Journal,
    name: StepName,
    log: Arc<LogId>,
    offset: u64,
    opened: bool,
}

impl Journal {
    /// Steps of `build`, told to `events` and kept in `file`.
    pub fn new(events: EventSender, build: TaskId, file: File) -> Journal {
        Journal { events, build, file: Arc::new(Mutex::new(file)), state: Arc::default() }
    }

    /// Where events go.
    pub fn events(&self) -> &EventSender {
        &self.events
    }

    /// Tells which steps there will be, so that it is known how many are left.
    pub async fn announce(&self, steps: &[StepName]) {
        for step in steps {
            let event = BuildEvent::TaskOpened {
                task: step.id(),
                parent: Some(self.build.clone()),
                label: step.label().to_owned(),
                arch: None,
                state: TaskState::Free,
                host: None,
            };
            self.events.send(event).await;
        }
    }

    /// Begins a step that was announced.
    pub async fn begin(&self, name: StepName) -> Step {
        if let Ok(mut state) = self.state.lock() {
            state.open.insert(name);
        }
        self.change(name, TaskState::Free, TaskState::Open, None).await;
        self.keep(name, "begins");
        let log = LogId { task: name.id(), volume: None, name: name.label().into() };
        Step { journal: self.clone(), name, log: Arc::new(log), offset: 0, opened: false }
    }

    /// Tells something that the user should know and that does not end the build.
    pub async fn warn(&self, warning: Warning) {
        if let (Warning::User { text }, Ok(mut state)) = (&warning, self.state.lock()) {
            state.warnings.push(text.clone());
        }
        self.events.send(BuildEvent::Warned(warning)).await;
    }

    /// What the user was warned about.
    pub fn user_warnings(&self) -> Vec<String> {
        self.state.lock().map(|state| state.warnings.clone()).unwrap_or_default()
    }

    /// Ends the steps that were given up because of another one.
    pub async fn cancel_open(&self) {
        let open = self.state.lock().map(|mut state| std::mem::take(&mut state.open)).unwrap_or_default();
        for name in open {
            self.keep(name, "given up");
            self.change(name, TaskState::Open, TaskState::Canceled, None).await;
        }
    }

    async fn change(&self, name: StepName, from: TaskState, to: TaskState, reason: Option<String>) {
        let event = BuildEvent::TaskStateChanged { task: name.id(), from, to, host: None, reason };
        self.events.send(event).await;
    }

    /// A full disk must not fail a build whose image is fine: the log says what it can.
    fn keep(&self, name: StepName, line: &str) {
        let Ok(mut file) = self.file.lock() else { return };
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let _ = writeln!(file, "{now} {}: {line}", name.label());
    }
}

impl Step {
    /// Where this step's events go.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The step's task.
    pub fn task(&self) -> TaskId {
        self.name.id()
    }

    /// Tells what the step did; a text of several lines is as many lines.
    pub async fn say(&mut self, text: impl Display) {
        if !std::mem::replace(&mut self.opened, true) {
            self.journal.events.send(BuildEvent::LogOpened { log: Arc::clone(&self.log), arch: None }).await;
        }
        let text = text.to_string();
        text.lines().for_each(|line| self.journal.keep(self.name, line));
        let bytes = Bytes::from(format!("{}\n", text.trim_end_matches('\n')));
        let length = bytes.len() as u64;
        self.journal
            .events
            .send(BuildEvent::LogAppended { log: Arc::clone(&self.log), offset: self.offset, bytes })
            .await;
        self.offset += length;
    }

    /// Tells how far the step is.
    pub async fn progress(&self, done: u64, total: u64, unit: &'static str) {
        self.journal.events.send(BuildEvent::Progress { task: self.task(), done, total, unit }).await;
    }

    /// The step is done.
    pub async fn done(self) {
        self.end(TaskState::Closed, None).await;
    }

    /// Ends the step as its result says.
    pub async fn end_with<T, E: Display>(self, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.end(TaskState::Closed, None).await,
            Err(error) => self.end(TaskState::Failed, Some(error.to_string())).await,
        }
        result
    }

    async fn end(self, state: TaskState, reason: Option<String>) {
        if self.opened {
            self.journal.events.send(BuildEvent::LogClosed { log: Arc::clone(&self.log) }).await;
        }
        if let Ok(mut state) = self.journal.state.lock() {
            state.open.remove(&self.name);
        }
        self.journal.keep(self.name, reason.as_deref().unwrap_or("done"));
        self.journal.change(self.name, TaskState::Open, state, reason).await;
    }
}
