//! Watching: many tasks at once, connections that break, objects that change under one's hands.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::kube_api::{Collection, Trick};
use crate::support::osbs_world::OsbsWorld;
use crate::support::sandbox::Finished;

/// Lines of a log, without their labels.
fn lines_with<'a>(run: &'a Finished, text: &str) -> Vec<&'a str> {
    let lines = run.stdout.lines().filter_map(|line| line.split_once(" | ").map(|(_, line)| line));
    lines.filter(|line| line.contains(text)).collect()
}

#[test]
fn a_quiet_task_does_not_delay_another() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["binary-container-build-x86-64", "binary-container-build-aarch64"]);
    let quiet = run.begin("binary-container-build-x86-64", &["build"]);
    let loud = run.begin("binary-container-build-aarch64", &["build"]);
    quiet.log("build", b"quiet 0\n");
    build.read_until("quiet 0");
    for number in 0..3 {
        loud.log("build", format!("loud {number}\n").as_bytes());
        // The other task says nothing until this was read.
        build.read_until(&format!("loud {number}"));
    }
    quiet.log("build", b"quiet 1\n");
    quiet.succeed();
    loud.succeed();
    run.succeed(&json!({}));
    let rest = build.finish();
    assert!(rest.succeeded(), "{rest}");
    assert_eq!(lines_with(&rest, "quiet"), ["quiet 1"]);
}

#[test]
fn steps_of_one_task_are_told_apart() {
    let world = OsbsWorld::new();
    let (build, run) = world.begin(&[], &["binary-container-hermeto"]);
    let task = run.begin("binary-container-hermeto", &["init", "run"]);
    task.log("init", b"first\n");
    task.log("run", b"second\n");
    task.succeed();
    run.succeed(&json!({}));
    let run = build.finish();
    assert!(run.stdout.contains("binary-container-hermeto/init | first\n"), "{run}");
    assert!(run.stdout.contains("binary-container-hermeto/run | second\n"), "{run}");
}

#[test]
fn a_log_that_is_cut_goes_on_with_no_line_lost_or_doubled() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    let mut expected = Vec::new();
    for round in 0..6 {
        for number in 0..5 {
            let line = format!("line {round}.{number}");
            task.log("step", format!("{line}\n").as_bytes());
            expected.push(line);
        }
        task.log("step", format!("half {round} ").as_bytes());
        build.read_until(&format!("line {round}.4"));
        match round % 3 {
            0 => world.server.cut_logs(),
            1 => {
                world.server.stop_listening();
                world.server.listen_again();
            }
            _ => {
                std::thread::sleep(Duration::from_millis(700));
                world.server.cut_logs();
            }
        }
        task.log("step", b"rest\n");
        expected.push(format!("half {round} rest"));
    }
    task.log("step", b"the end, without a line end");
    task.succeed();
    run.succeed(&json!({}));
    let rest = build.finish();
    assert!(rest.succeeded(), "{rest}");
    let log = world.server.read(|state| {
        let all = state.logs.values().next().unwrap().lines.iter().flat_map(|(_, line)| line.clone());
        String::from_utf8(all.collect()).unwrap()
    });
    assert_eq!(log.lines().count(), expected.len() + 1);
    assert!(rest.stdout.contains("the end, without a line end"), "{rest}");
}

#[test]
fn all_lines_are_shown_once_in_a_file_whatever_was_cut() {
    let world = OsbsWorld::new();
    let (build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    let mut expected = Vec::new();
    for number in 0..400 {
        task.log("step", format!("number {number} ").as_bytes());
        std::thread::sleep(Duration::from_millis(2));
        if number % 37 == 5 {
            world.server.cut_logs();
        }
        if number % 53 == 7 {
            world.server.cut_watches();
        }
        if number % 101 == 9 {
            world.server.stop_listening();
            world.server.listen_again();
        }
        task.log("step", b"done\n");
        expected.push(format!("number {number} done"));
    }
    task.succeed();
    run.succeed(&json!({}));
    let rest = build.finish();
    assert!(rest.succeeded(), "{rest}");
    assert_eq!(lines_with(&rest, "number"), expected);
}

#[test]
fn attempts_of_a_task_are_all_shown_and_labelled() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["binary-container-build-x86-64"]);
    let mut task = run.begin("binary-container-build-x86-64", &["build"]);
    task.log("build", b"tried\n");
    build.read_until("tried");
    task.retry();
    task.log("build", b"tried again\n");
    build.read_until("tried again");
    task.succeed();
    run.succeed(&json!({}));
    let rest = build.finish();
    assert!(rest.succeeded(), "{rest}");
    let world = OsbsWorld::new();
    let (build, run) = world.begin(&[], &["binary-container-build-x86-64"]);
    let mut task = run.begin("binary-container-build-x86-64", &["build"]);
    task.log("build", b"tried\n");
    std::thread::sleep(Duration::from_millis(200));
    task.retry();
    task.log("build", b"tried again\n");
    task.succeed();
    run.succeed(&json!({}));
    let run = build.finish();
    assert!(run.stdout.contains("begins again, attempt 2: \"step-build\" exited with code 1: Error"), "{run}");
    assert!(run.stdout.contains("binary-container-build-x86-64#2 | tried again\n"), "{run}");
}

#[test]
fn a_run_that_is_removed_is_told_and_never_waited_for() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    run.remove();
    let finished = build.finish();
    assert_eq!(finished.status, Some(1), "{finished}");
    assert!(finished.stderr.contains("Reason: pipeline run removed;"), "{finished}");
}

#[test]
fn pods_that_cannot_start_are_told_at_once() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.pending("clone", &["step"]);
    task.unschedulable("0/3 nodes are available: 3 Insufficient memory.");
    build.read_until("clone waits: Unschedulable: 0/3 nodes are available");
    task.waiting("step", "ImagePullBackOff", "Back-off pulling image \"r.example.com/x\"");
    build.read_until("ImagePullBackOff");
    task.remove_pod();
    task.end("False", "TaskRunImagePullFailed", "the step \"step\" in TaskRun \"x\" failed to pull the image", &[]);
    run.finish("False", "Failed", "Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 0", &[]);
    let finished = build.finish();
    assert_eq!(finished.status, Some(1), "{finished}");
    assert!(
        finished.stderr.contains("Error in clone: the step \"step\" in TaskRun \"x\" failed to pull the image;"),
        "{finished}"
    );
}

#[test]
fn versions_that_are_forgotten_are_listed_anew() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone", "second"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    // Everything happens while nobody watches, and then it is forgotten.
    world.server.stop_listening();
    task.succeed();
    let second = run.begin("second", &["step"]);
    second.log("step", b"words 2\n");
    world.server.compact();
    world.server.listen_again();
    build.read_until("words 2");
    second.succeed();
    run.succeed(&json!({}));
    let rest = build.finish();
    assert!(rest.succeeded(), "{rest}");
    assert!(!rest.stdout.contains("words 1") && !rest.stdout.contains("words 2"), "nothing twice: {rest}");
}

#[test]
fn bytes_that_are_no_text_do_not_end_a_log() {
    let world = OsbsWorld::new();
    let (build, run) = world.begin(&["--output", "json"], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"bad \xff byte\nnext\r\n\n");
    task.succeed();
    run.succeed(&json!({}));
    let run = build.finish();
    assert!(run.succeeded(), "{run}");
    // The exact bytes, in base64, because they are no UTF-8.
    assert!(run.stdout.contains("YmFkIP8gYnl0ZQpuZXh0DQoK") || run.stdout.contains("next\\r\\n"), "{run}");
}

#[test]
fn runs_that_end_before_any_task_began_are_told() {
    for (reason, message) in [
        ("CouldntGetPipeline", "Error retrieving pipeline for pipelinerun osbs/x: pipelines \"nope\" not found"),
        ("ParameterMissing", "[User error] PipelineRun x parameters is missing some parameters required by Pipeline"),
        ("PipelineRunTimeout", "PipelineRun \"x\" failed to finish within \"9s\""),
    ] {
        let world = OsbsWorld::new();
        let _clone = world.clone();
        let build = world.start_build(&[]);
        let run = world.server.await_run();
        run.finish("False", reason, message, &[]);
        let finished = build.finish();
        assert_eq!(finished.status, Some(1), "{finished}");
        assert!(finished.stderr.contains(&format!("Reason: {message};")), "{finished}");
    }
}

#[test]
fn a_server_that_answers_badly_for_a_while_is_waited_for() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    for _ in 0..2 {
        world.server.trick("pipelineruns?fieldSelector", Trick::Status(503, "etcdserver: leader changed".into()));
        world.server.trick("/log?", Trick::Reset);
    }
    world.server.cut_watches();
    world.server.cut_logs();
    task.log("step", b"words 2\n");
    build.read_until("words 2");
    task.succeed();
    run.succeed(&json!({}));
    let rest = build.finish();
    assert!(rest.succeeded(), "{rest}");
    assert!(rest.stderr.contains("watch pipelineruns failed"), "{rest}");
    assert!(rest.stderr.contains("etcdserver: leader changed"), "{rest}");
}

/// Changes a TaskRun as it is.
fn change_task(world: &OsbsWorld, name: &str, change: impl FnOnce(&mut Json)) {
    let tasks = Collection::new("tekton.dev", "taskruns");
    world.server.change(|state| {
        let mut task = state.get(&tasks, name).cloned().unwrap();
        change(&mut task);
        state.put(&tasks, task);
    });
}

#[test]
fn a_task_that_a_quota_holds_back_is_told() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.pending("clone", &["step"]);
    change_task(&world, &task.name, |task| {
        task["status"]["conditions"] = json!([{"type": "Succeeded", "status": "Unknown", "reason": "ExceededResourceQuota",
            "message": "TaskRun Pod exceeded available resource quota: pods \"x\" is forbidden"}]);
    });
    build.read_until("clone waits: ExceededResourceQuota: TaskRun Pod exceeded available resource quota");
    task.run_steps();
    task.succeed();
    run.succeed(&json!({}));
    assert!(build.finish().succeeded());
}

#[test]
fn sidecars_of_a_task_that_failed_are_read_and_others_are_not() {
    for fails in [true, false] {
        let world = OsbsWorld::new();
        let (build, run) = world.begin(&[], &["step"]);
        let task = run.begin("step", &["step"]);
        let pods = Collection::new("", "pods");
        let end = json!({"terminated": {"exitCode": 0}});
        world.server.change(|state| {
            let mut pod = state.get(&pods, &task.pod()).cloned().unwrap();
            pod["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "sidecar-registry"}));
            let status = json!({"name": "sidecar-registry", "state": end});
            pod["status"]["containerStatuses"].as_array_mut().unwrap().push(status);
            state.put(&pods, pod);
            let log = state.logs.entry((task.pod(), "sidecar-registry".to_owned())).or_default();
            log.lines.push(("2026-11-23T10:00:00.5Z".to_owned(), b"disk full\n".to_vec()));
            log.ended = true;
        });
        change_task(&world, &task.name, |task| {
            task["status"]["sidecars"] =
                json!([{"name": "registry", "container": "sidecar-registry", "terminated": {"exitCode": 0}}]);
        });
        task.log("step", b"words 1\n");
        if fails {
            task.fail(1, None);
            run.finish("False", "Failed", "Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 0", &[]);
        } else {
            task.succeed();
            run.succeed(&json!({}));
        }
        let finished = build.finish();
        assert_eq!(finished.stdout.contains("step/registry | disk full\n"), fails, "{finished}");
        // The task's name is in the name of each of its logs; what counts is the step that failed.
        assert_eq!(finished.stderr.contains("The last lines of step:\n  words 1\n"), fails, "{finished}");
    }
}

#[test]
fn a_pipe_that_nobody_reads_any_more_ends_the_watching_of_a_quiet_build() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    build.close_stdout();
    // Lines that cannot be shown. A program that another test is starting may hold the pipe for a moment, so there are several.
    for _ in 0..300 {
        task.log("step", b"words 2\n");
        if build.has_ended() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let finished = build.finish();
    assert!(finished.status.is_some(), "{finished}");
    assert!(run.object()["spec"]["status"].is_null(), "the build goes on");
}
