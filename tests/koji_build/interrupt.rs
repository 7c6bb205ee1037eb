//! Ctrl-C, coming back, cancelling.

use crate::support::koji_hub::{Fault, TaskState};
use crate::support::world::{PATIENCE, World};

#[test]
fn ctrl_c_detaches_and_watch_comes_back_from_the_start() {
    let world = World::new();
    let _clone = world.clone();
    let mut running = world.start(&[]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    task.open("builder1");
    task.append("x86_64.log", "first line\n");
    running.read_until("first line");
    running.signal("INT");
    let run = running.finish();
    assert_eq!(run.status, Some(130), "{run}");
    assert!(run.stderr.contains(&format!("Watch it again with `fedpkg-container-build watch {}`", task.id)), "{run}");
    assert_eq!(task.state(), TaskState::Open, "the build goes on");

    let mut again = world.start(&["watch", "--last"]);
    again.read_until("first line");
    task.append("x86_64.log", "second line\n");
    again.read_until("second line");
    task.close_ok();
    let run = again.finish();
    assert_eq!(run.status, Some(0), "{run}");

    let page = format!("{}/taskinfo?taskID={}", world.hub.weburl(), task.id);
    let tail = world.run(&["watch", &page, "--tail", "1"]);
    assert_eq!(tail.status, Some(0), "{tail}");
    assert!(tail.stdout.contains("second line") && !tail.stdout.contains("first line"), "{tail}");
}

#[test]
fn watching_needs_no_login() {
    let world = World::new();
    let _clone = world.clone();
    assert_eq!(world.run(&["--nowait"]).status, Some(0));
    let task = world.hub.task(world.hub.tasks()[0].id);
    task.open("builder1");
    task.close_ok();
    world.hub.forget_requests();
    assert_eq!(world.run(&["watch"]).status, Some(0));
    let requests = world.hub.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.header("koji-session-id").is_none()));
}

#[test]
fn cancel_waits_for_the_end() {
    let world = World::new();
    let _clone = world.clone();
    assert_eq!(world.run(&["--nowait"]).status, Some(0));
    let task = world.hub.task(world.hub.tasks()[0].id);
    task.open("builder1");
    let run = world.run(&["cancel", &task.id.to_string()]);
    assert_eq!(run.status, Some(0), "{run}");
    assert_eq!(task.state(), TaskState::Canceled);
    assert!(run.stdout.contains("was canceled"), "{run}");
    assert!(world.run(&["status"]).stdout.contains("cancelled"));
}

#[test]
fn a_cancel_that_was_never_sent_is_known_not_to_have_happened() {
    let world = World::new();
    let _clone = world.clone();
    assert_eq!(world.run(&["--nowait"]).status, Some(0));
    let mut command = world.command(&["cancel", "--last"]);
    command.env("FEDPKG_CONTAINER_BUILD_PASSWORD", "wrong");
    let run = world.sandbox.finish(command);
    assert_eq!(run.status, Some(5), "{run}");
    assert!(!run.stderr.contains("not known"), "{run}");
    assert!(world.hub.calls("cancelTask").is_empty());
}

#[test]
fn a_cancel_that_cannot_be_seen_says_how_to_look() {
    let world = World::new();
    let _clone = world.clone();
    assert_eq!(world.run(&["--nowait"]).status, Some(0));
    world.hub.inject_for_good("cancelTask", Fault::Html200);
    world.hub.inject_for_good("getTaskInfo", Fault::Html200);
    let run = world.run(&["cancel", "--last"]);
    assert!(!run.succeeded() && run.stderr.contains("it is not known whether task"), "{run}");
    assert!(run.stderr.contains("look at it with `watch`"), "{run}");
}

#[test]
fn what_has_ended_is_not_cancelled_and_that_is_an_error() {
    let world = World::new();
    let _clone = world.clone();
    assert_eq!(world.run(&["--nowait"]).status, Some(0));
    let task = world.hub.task(world.hub.tasks()[0].id);
    task.open("builder1");
    task.close_ok();
    let run = world.run(&["cancel", "--last"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("was not cancelled: it had succeeded already"), "{run}");
}

#[test]
fn an_unknown_task_is_told_by_its_number() {
    let world = World::new();
    let _clone = world.clone();
    for command in ["watch", "cancel"] {
        let run = world.run(&[command, "424242"]);
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.stderr.contains("424242"), "{run}");
    }
    let run = world.run(&["watch"]);
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.stderr.contains("nothing was submitted from here yet"), "{run}");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let world = World::new();
    let _clone = world.clone();
    let mut running = world.start(&[]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    running.read_until("free");
    running.close_stdout();
    task.open("builder1");
    task.append("x86_64.log", "nobody reads this\n");
    let run = running.finish();
    assert_eq!(run.status, Some(7), "{run}");
    assert!(run.stderr.contains(&format!("watch {}", task.id)), "{run}");
    assert!(!run.stderr.contains("panicked"), "{run}");
    assert_eq!(task.state(), TaskState::Open);
}
