//! Whole builds, played for each run that is created; and the wishes for an end of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Shared;
use super::run::{self, Run};
use super::task::Task;

/// What is played.
#[derive(Debug, Clone)]
pub(crate) struct Play {
    /// Architectures, each with a task of its own at the same time.
    pub arches: Vec<&'static str>,
    /// Steps of each build task.
    pub steps: Vec<&'static str>,
    /// Lines that each step of a build task writes; those of other tasks write one.
    pub lines: usize,
    /// The time between two lines.
    pub pause: Duration,
    /// A task that fails, with the exit code and the message of its step.
    pub failure: Option<(&'static str, i64, &'static str)>,
    /// Results of the run.
    pub results: Vec<(&'static str, Value)>,
}

impl Default for Play {
    fn default() -> Play {
        let repositories = json!({"primary": ["registry.example.com/demo/app:1-1"], "unique": [], "floating": []});
        Play {
            arches: vec!["x86-64"],
            steps: vec!["build"],
            lines: 3,
            pause: Duration::from_millis(5),
            failure: None,
            results: vec![("repositories", json!(repositories.to_string())), ("koji-build-id", json!("null"))],
        }
    }
}

/// Tasks before and after those that build.
const BEFORE: [&str; 3] = ["clone", "binary-container-init", "binary-container-prebuild"];
const AFTER: [&str; 2] = ["binary-container-postbuild", "binary-container-set-results"];
const LAST: &str = "binary-container-exit";

/// Does something with every run that appears, each in a thread of its own, until the server goes.
fn with_each(shared: &Arc<Shared>, act: impl Fn(&Run) + Sync) {
    let mut seen = BTreeSet::new();
    std::thread::scope(|scope| {
        while !shared.is_over() {
            for run in run::all(shared).into_iter().filter(|run| seen.insert(run.uid())) {
                let act = &act;
                scope.spawn(move || act(&run));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
}

/// Plays builds until the server is gone.
pub(crate) fn play(shared: &Arc<Shared>, play: &Play) {
    with_each(shared, |run| Scene { run, play, shared }.play());
}

/// Ends runs as is wished for until the server is gone.
pub(crate) fn obey(shared: &Arc<Shared>) {
    with_each(shared, |run| {
        while !shared.is_over() && !run.is_over() {
            if let Some(wish) = run.wish() {
                return end_as_wished(run, &wish);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
}

/// Lets tasks and `finally` run as Tekton does for each wish.
fn end_as_wished(run: &Run, wish: &str) {
    if wish == "CancelledRunFinally" {
        run.cancel_gracefully();
        let exit = run.begin(LAST, &["step"]);
        exit.log("step", b"cleaned up\n");
        exit.succeed();
    }
    run.cancelled();
}

/// A build that is being played.
struct Scene<'a> {
    run: &'a Run,
    play: &'a Play,
    shared: &'a Arc<Shared>,
}

impl Scene<'_> {
    fn play(&self) {
        let builds: Vec<String> =
            self.play.arches.iter().map(|arch| format!("binary-container-build-{arch}")).collect();
        let builds: Vec<&str> = builds.iter().map(String::as_str).collect();
        let tasks = [&BEFORE[..], &builds, &AFTER].concat();
        self.run.started();
        self.run.start(&tasks, &[LAST]);
        let goes_on = BEFORE.iter().all(|task| self.task(task, &["step"]))
            && self.builds(&builds)
            && AFTER.iter().all(|task| self.task(task, &["step"]));
        if self.shared.is_over() {
            return;
        }
        if let Some(wish) = self.run.wish() {
            return end_as_wished(self.run, &wish);
        }
        self.run.finally();
        self.task(LAST, &["step"]);
        if goes_on { self.run.succeed_with(&self.play.results) } else { self.run.fail(&[]) }
    }

    /// All at once; whether all went well.
    fn builds(&self, builds: &[&str]) -> bool {
        std::thread::scope(|scope| {
            let playing: Vec<_> = builds.iter().map(|name| scope.spawn(|| self.task(name, &self.play.steps))).collect();
            playing.into_iter().all(|thread| thread.join().unwrap_or(false))
        })
    }

    /// Whether the build goes on.
    fn goes_on(&self) -> bool {
        !self.shared.is_over() && !self.run.is_over() && self.run.wish().is_none()
    }

    /// Plays a task; whether it went well.
    fn task(&self, name: &str, steps: &[&str]) -> bool {
        if !self.goes_on() {
            return false;
        }
        let task = self.run.begin(name, steps);
        let wrote_all = std::thread::scope(|scope| {
            let writing: Vec<_> = steps.iter().map(|step| scope.spawn(|| self.step(&task, step))).collect();
            writing.into_iter().all(|thread| thread.join().unwrap_or(false))
        });
        if !wrote_all {
            return false;
        }
        match self.play.failure {
            Some((failing, code, message)) if failing == name => {
                task.fail(code, Some(message));
                false
            }
            _ => {
                task.succeed();
                true
            }
        }
    }

    /// Writes a step's lines; whether nobody interrupted it.
    fn step(&self, task: &Task, step: &str) -> bool {
        if !task.task.starts_with("binary-container-build-") {
            task.log(step, format!("{} works\n", task.task).as_bytes());
            return true;
        }
        for line in 0..self.play.lines {
            if !self.goes_on() {
                return false;
            }
            task.log(step, format!("{} {step} line {line}\n", task.task).as_bytes());
            std::thread::sleep(self.play.pause);
        }
        true
    }
}
