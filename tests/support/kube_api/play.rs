//! Whole builds, played for each run that is created.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::run::Run;
use super::{Collection, Shared};

/// What is played.
#[derive(Debug, Clone)]
pub struct Play {
    /// Architectures, each with a task of its own at the same time.
    pub arches: Vec<&'static str>,
    /// Steps of each build task.
    pub steps: Vec<&'static str>,
    /// Lines that each step writes.
    pub lines: usize,
    /// The time between two lines.
    pub pause: Duration,
}

impl Default for Play {
    fn default() -> Play {
        Play { arches: vec!["x86-64"], steps: vec!["build"], lines: 3, pause: Duration::from_millis(5) }
    }
}

/// Plays builds until the server is gone.
pub fn play(shared: &Arc<Shared>, play: &Play) {
    let runs = Collection::new("tekton.dev", "pipelineruns");
    let mut seen = BTreeSet::new();
    while shared.read(|state| !state.tokens.is_empty()) {
        let names: Vec<String> = shared.read(|state| {
            let of_runs = state.objects.keys().filter(|(collection, _)| *collection == runs);
            of_runs.map(|(_, name)| name.clone()).collect()
        });
        for name in names.into_iter().filter(|name| seen.insert(name.clone())) {
            build(&Run::new(Arc::clone(shared), &name), play);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn build(run: &Run, play: &Play) {
    let builds: Vec<String> = play.arches.iter().map(|arch| format!("binary-container-build-{arch}")).collect();
    let mut tasks = vec!["clone", "binary-container-init"];
    tasks.extend(builds.iter().map(String::as_str));
    tasks.push("binary-container-postbuild");
    run.start(&tasks, &["binary-container-exit"]);
    for name in &tasks[..2] {
        let task = run.begin(name, &["step"]);
        task.log("step", format!("{name} works\n").as_bytes());
        task.succeed();
    }
    std::thread::scope(|scope| {
        for name in &builds {
            let task = run.begin(name, &play.steps);
            for step in &play.steps {
                let task = task.clone();
                scope.spawn(move || {
                    for line in 0..play.lines {
                        task.log(step, format!("{} {step} line {line}\n", task.task).as_bytes());
                        std::thread::sleep(play.pause);
                    }
                    task.end_step(step, 0, None);
                });
            }
        }
    });
    for name in &builds {
        run.task(name, &play.steps).succeed();
    }
    let task = run.begin("binary-container-postbuild", &["step"]);
    task.succeed();
    run.finally();
    run.begin("binary-container-exit", &["step"]).succeed();
    run.succeed(&json!({"primary": ["registry.example.com/demo/app:1-1"], "unique": [], "floating": []}));
}
