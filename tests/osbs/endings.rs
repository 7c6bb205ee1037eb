//! How builds end, and what is told of it; coming back, cancelling, cleaning up.

use serde_json::{Value as Json, json};

use crate::support::koji_hub::{Hub, HubOptions};
use crate::support::kube_api::play::Play;
use crate::support::kube_api::{Run, Trick};
use crate::support::osbs_world::OsbsWorld;
use crate::support::sandbox::Finished;
use crate::support::world::write_profile;

/// Starts a build whose only task writes what is given, and ends it well.
fn with_log(log: &[u8]) -> Finished {
    let world = OsbsWorld::new();
    let (build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", log);
    task.succeed();
    run.succeed(&json!({}));
    build.finish()
}

#[test]
fn warnings_for_the_user_are_told_once_at_the_end() {
    let line = r#"2026-11-23 10:00:00,1 - atomic_reactor - USER_WARNING - {"message": "label x is deprecated"}"#;
    let bad = "2026-11-23 10:00:00,1 - atomic_reactor - USER_WARNING - {bad";
    let run = with_log(format!("{line}\n{line}\n{bad}\nplain\n").as_bytes());
    assert!(run.succeeded(), "{run}");
    assert!(run.stdout.contains("user_warnings:\n  label x is deprecated\n"), "{run}");
    assert_eq!(run.stdout.matches("label x is deprecated").count(), 1, "{run}");
    assert!(run.stdout.contains("USER_WARNING - {bad\n"), "{run}");
}

#[test]
fn the_path_of_metadata_is_told_and_its_line_is_not() {
    let run =
        with_log(b"2026-11-23 10:00:00,1 platform:_metadata_ - x - INFO - koji-upload/1.2/metadata.json\nplain\n");
    assert!(run.succeeded(), "{run}");
    assert!(!run.stdout.contains("platform:_metadata_"), "{run}");
    assert!(run.stdout.contains("metadata:\n  koji-upload/1.2/metadata.json\n"), "{run}");
}

#[test]
fn reasons_come_in_the_order_of_what_they_know() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    let build = world.start_build(&[]);
    let run = world.server.await_run();
    run.start(&["binary-container-prebuild", "binary-container-build-x86-64"], &["binary-container-exit"]);
    let prebuild = run.begin("binary-container-prebuild", &["prebuild"]);
    prebuild.log("prebuild", b"working\nTraceback (most recent call last):\nValueError: no\n");
    let results = json!([{"key": "task_result", "value": "PluginFailedException('it\\'s broken')", "type": 1}]);
    prebuild.fail(1, Some(&results.to_string()));
    let other = run.begin("binary-container-build-x86-64", &["build"]);
    other.fail(3, None);
    run.finally();
    let exit = run.begin("binary-container-exit", &["exit"]);
    exit.end_step("exit", 0, None);
    let annotations = json!({"plugins-metadata": {"errors": {"bump_release": "no release"}}});
    exit.end("True", "Succeeded", "", &[("annotations", &annotations.to_string())]);
    run.finish("False", "Failed", "Tasks Completed: 3 (Failed: 2, Cancelled 0), Skipped: 0", &[]);
    let run = build.finish();
    assert_eq!(run.status, Some(1), "{run}");
    let expected = "Reason: Error in plugin bump_release: no release;\nError in binary-container-prebuild: it's broken;\n\
                    Error in binary-container-build-x86-64: \"step-build\" exited with code 3: Error;\n";
    assert!(run.stderr.contains(expected), "{run}");
    assert!(run.stderr.contains("The last lines of binary-container-prebuild:\n  working\n"), "{run}");
    assert!(run.stderr.contains("  ValueError: no\n"), "{run}");
    assert!(world.server.requests("DELETE ").is_empty(), "a run that failed is kept");
}

/// Plays the cancellation of a run that has a task at work.
fn play_cancel(run: &Run) {
    assert_eq!(run.await_cancel(), "CancelledRunFinally");
    run.is(
        "Unknown",
        "CancelledRunningFinally",
        "Tasks Completed: 0 (Failed: 0, Cancelled 1), Incomplete: 1, Skipped: 0",
    );
    run.task("clone", &["step"]).cancel();
    run.finally();
    let exit = run.begin("binary-container-exit", &["exit"]);
    exit.log("exit", b"cancelling the reservation\n");
    exit.succeed();
    run.finish("False", "Cancelled", &format!("PipelineRun \"{}\" was cancelled", run.name), &[]);
}

#[test]
fn a_build_is_cancelled_and_seen_to_its_end() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    let mut build = world.start_build(&[]);
    let run = world.server.await_run();
    run.start(&["clone"], &["binary-container-exit"]);
    run.begin("clone", &["step"]).log("step", b"at work\n");
    build.read_until("at work");
    let patch = format!("PATCH /apis/tekton.dev/v1/namespaces/osbs/pipelineruns/{}", run.name);
    world.server.trick(&patch, Trick::Status(409, "the object has been modified".into()));
    let cancel = world.start(&["cancel", "--last"]);
    play_cancel(&run);
    let cancelled = cancel.finish();
    assert_eq!(cancelled.status, Some(0), "{cancelled}");
    let patches = world.server.requests(&patch);
    assert_eq!(patches.len(), 2, "sent again after the conflict");
    assert_eq!(patches[1].header("content-type"), Some("application/merge-patch+json"));
    let watched = build.finish();
    assert_eq!(watched.status, Some(3), "{watched}");
    assert!(watched.stdout.contains("PipelineRun was canceled\n"), "{watched}");
    assert!(watched.stdout.contains("cancelling the reservation"), "{watched}");
    // It has ended: there is nothing to cancel any more, and nothing that is not there.
    let run = world.run(&["cancel", &run.name]);
    assert_eq!(run.status, Some(0), "the same wish again: {run}");
    let run = world.run(&["cancel", "nothing-here"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("Pipeline run 'nothing-here' can't be canceled, because it doesn't exist"), "{run}");
}

#[test]
fn a_build_that_ended_well_cannot_be_cancelled() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    world.server.play(Play::default());
    let run = world.build(&["--cleanup", "never"]);
    assert!(run.succeeded(), "{run}");
    let run = world.run(&["cancel", "--last"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("was not cancelled: it had succeeded already"), "{run}");
}

#[test]
fn ctrl_c_leaves_the_build_alone_and_one_can_come_back() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    build.signal("INT");
    let left = build.finish();
    assert_eq!(left.status, Some(130), "{left}");
    let hint = format!("Watch it again with `fedpkg-container-build watch {}`", run.name);
    assert!(left.stderr.contains(&hint), "{left}");
    assert!(run.object()["spec"]["status"].is_null(), "nobody cancelled it");
    let status = world.run(&["status"]);
    assert!(status.stdout.contains(&run.name) && status.stdout.contains("open"), "{status}");
    let mut again = world.start(&["watch", "--last"]);
    again.read_until("words 1");
    task.log("step", b"words 2\n");
    again.read_until("words 2");
    task.succeed();
    run.succeed(&json!({"primary": ["r.example.com/a@sha256:ab"]}));
    let watched = again.finish();
    assert!(watched.succeeded(), "{watched}");
    assert!(world.server.requests("DELETE ").is_empty(), "who only watches removes nothing");
    let status = world.run(&["status"]);
    assert!(status.stdout.contains("succeeded") || status.stdout.contains("closed"), "{status}");
    // By name, after the end, with the last lines only.
    let watched = world.run(&["watch", &run.name, "--tail", "1"]);
    assert!(watched.succeeded(), "{watched}");
    assert!(watched.stdout.contains("words 2") && !watched.stdout.contains("words 1"), "{watched}");
    let nothing = world.run(&["watch", "nothing-here"]);
    assert_eq!(nothing.status, Some(1), "{nothing}");
    assert!(nothing.stderr.contains("there is no nothing-here among the pipelineruns of namespace osbs"), "{nothing}");
}

#[test]
fn results_are_told_as_far_as_there_are_any() {
    for (repositories, id, expected) in [
        (
            json!({"primary": ["r/x:1"], "unique": [], "floating": ["r/y@sha256:ab"]}),
            json!("null"),
            "repositories:\n  r/y@sha256:ab\n  r/x:1\nkoji_builds:\n",
        ),
        (json!({"primary": ["r/x:1"]}), json!("123\n"), "repositories:\n  r/x:1\nkoji_builds:\n  123\n"),
    ] {
        let world = OsbsWorld::new();
        let (build, run) = world.begin(&[], &["clone"]);
        run.begin("clone", &["step"]).succeed();
        run.finish(
            "True",
            "Completed",
            "",
            &[("repositories", json!(repositories.to_string())), ("koji-build-id", id)],
        );
        let run = build.finish();
        assert!(run.succeeded(), "{run}");
        assert!(run.stdout.ends_with(expected), "{expected} {run}");
    }
}

#[test]
fn builds_in_koji_are_named_where_the_hub_knows_them() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    let hub = Hub::start(HubOptions::default());
    write_profile(&world.sandbox, &hub, "");
    let id = hub.add_build("foo-container-1-1", 1);
    for (known, expected) in [(true, "nvrs:\n  foo-container-1-1\n"), (false, "koji_builds:\n  1\n")] {
        if !known {
            hub.stop_listening();
        }
        let build = world.start_build(&[]);
        let run = world.server.await_run();
        run.start(&["clone"], &[]);
        run.begin("clone", &["step"]).succeed();
        run.finish("True", "Completed", "", &[("koji-build-id", json!(id.to_string()))]);
        let run = build.finish();
        assert!(run.succeeded(), "{run}");
        assert!(run.stdout.ends_with(expected), "{expected} {run}");
    }
}

#[test]
fn answers_that_make_no_sense_are_told_and_end_nothing() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    for _ in 0..2 {
        world.server.trick("watch=true", Trick::Page);
        world.server.trick("runs?", Trick::Page);
    }
    world.server.cut_watches();
    world.server.await_tricks();
    task.succeed();
    run.succeed(&json!({}));
    let finished = build.finish();
    assert!(finished.succeeded(), "{finished}");
    let told = "runs failed (the answer is not understood: <html>Please sign in.</html>); trying again";
    assert!(finished.stderr.contains(told), "{finished}");
}

#[test]
fn runs_are_removed_when_that_is_wished_for() {
    for (arguments, fails, removed) in [
        (&[][..], false, 1),
        (&["--cleanup", "never"], false, 0),
        (&["--cleanup", "always"], true, 1),
        (&["--cleanup", "success"], true, 0),
    ] {
        let world = OsbsWorld::new();
        let _clone = world.clone();
        let build = world.start_build(arguments);
        let run = world.server.await_run();
        run.start(&["clone"], &[]);
        let task = run.begin("clone", &["step"]);
        if fails {
            task.fail(1, None);
            run.finish("False", "Failed", "Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 0", &[]);
        } else {
            task.succeed();
            run.succeed(&json!({}));
        }
        let finished = build.finish();
        assert_eq!(finished.succeeded(), !fails, "{finished}");
        assert_eq!(world.server.requests("DELETE ").len(), removed, "{arguments:?} {finished}");
    }
}

#[test]
fn events_are_those_of_every_builder() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    world.server.play(Play { arches: vec!["x86-64", "s390x"], ..Play::default() });
    let run = world.build(&["--output", "json"]);
    assert!(run.succeeded(), "{run}");
    let events: Vec<Json> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_type = |kind: &str| events.iter().filter(|event| event["type"] == kind).cloned().collect::<Vec<_>>();
    assert_eq!(of_type("submitted")[0]["builder"], "osbs");
    let counts: Vec<(u64, u64)> = of_type("progress")
        .iter()
        .map(|event| (event["done"].as_u64().unwrap(), event["total"].as_u64().unwrap()))
        .collect();
    assert!(counts.is_sorted_by_key(|(done, _)| *done) && counts.last() == Some(&(8, 8)), "{counts:?}");
    let arches: Vec<&Json> =
        events.iter().filter(|event| event["type"] == "log_opened").map(|event| &event["arch"]).collect();
    assert!(arches.contains(&&json!("x86_64")) && arches.contains(&&json!("s390x")), "{arches:?}");
    assert_eq!(events.last().unwrap()["outcome"], "succeeded");
}

#[test]
fn a_log_that_stays_open_while_nothing_is_written_is_no_end() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&["--heartbeat", "1"], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    build.read_error_until("still watching after 2 s");
    task.log("step", b"words 2\n");
    build.read_until("words 2");
    task.succeed();
    run.succeed(&json!({}));
    let run = build.finish();
    assert!(run.succeeded(), "{run}");
    assert!(run.stderr.contains("still watching after 2 s"), "{run}");
}
