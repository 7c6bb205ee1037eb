//! Hubs that go away, sessions that end, proxies that lie.

use crate::support::koji_hub::{End, Fault, HubOptions};
use crate::support::world::{PATIENCE, World};

use super::quick_script;

#[test]
fn a_hub_that_restarts_is_waited_for_and_no_line_is_lost_or_doubled() {
    let world = World::new();
    let _clone = world.clone();
    let mut running = world.start(&[]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    task.open("builder1");
    task.append("x86_64.log", "before\n");
    running.read_until("before");
    world.hub.stop_listening();
    running.read_error_until("trying again in");
    task.append("x86_64.log", "meanwhile\n");
    world.hub.listen_again();
    task.append("x86_64.log", "after\n");
    running.read_until("after");
    task.close_ok();
    let run = running.finish();
    assert_eq!(run.status, Some(0), "{run}");
    assert!(run.stderr.contains("trying again in"), "{run}");
    assert!(run.stderr.contains("the server answers again"), "{run}");
}

#[test]
fn errors_of_a_gateway_do_not_end_the_watching() {
    for fault in [Fault::Status(503, "<html>busy"), Fault::Reset, Fault::CutBody, Fault::LoseAnswer] {
        let world = World::new();
        let _clone = world.clone();
        world.hub.script(quick_script(End::Close));
        world.hub.inject("getTaskDescendents", fault.clone(), 2);
        let run = world.run(&[]);
        assert_eq!(run.status, Some(0), "{fault:?}: {run}");
        for arch in ["x86_64", "aarch64", "ppc64le"] {
            let steps = run.stdout.lines().filter(|line| line.starts_with(arch) && line.contains("STEP")).count();
            assert_eq!(steps, 3, "{fault:?}: {run}");
        }
    }
}

#[test]
fn no_answer_of_the_hub_ends_the_watching_of_a_build_that_goes_on() {
    let faults = [
        Fault::Offline,
        Fault::Refuse(1, "<class 'psycopg2.OperationalError'>: the database system is shutting down"),
        Fault::Refuse(1000, "something went wrong"),
        Fault::Refuse(1004, "not now"),
        Fault::Html200,
        Fault::OtherShape,
        Fault::Status(403, "<html>Forbidden"),
        Fault::Status(404, "<html>Not found"),
        Fault::RefuseEntries("getTaskInfo", 1, "current transaction is aborted"),
        Fault::RefuseEntries("getTaskDescendents", 1, "current transaction is aborted"),
        Fault::RefuseEntries("listTaskOutput", 1000, "no such folder"),
        Fault::RefuseEntries("downloadTaskOutput", 1000, "no file"),
    ];
    std::thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || {
                let world = World::new();
                let _clone = world.clone();
                world.hub.script(quick_script(End::Close));
                // A page is asked for again twice within one poll.
                let times = if fault == Fault::Html200 { 4 } else { 2 };
                world.hub.inject("getTaskDescendents", fault.clone(), times);
                let run = world.run(&[]);
                assert_eq!(run.status, Some(0), "{fault:?}: {run}");
                assert!(!run.stderr.contains("does not work"), "{fault:?}: {run}");
                for arch in ["x86_64", "aarch64", "ppc64le"] {
                    let is_step = |line: &&str| line.starts_with(arch) && line.contains("STEP");
                    assert_eq!(run.stdout.lines().filter(is_step).count(), 3, "{fault:?}: {run}");
                }
            });
        }
    });
}

#[test]
fn a_watch_that_is_given_up_says_how_to_come_back() {
    for fault in [Fault::Status(502, "<html>Bad gateway"), Fault::Offline, Fault::Refuse(1000, "no")] {
        let world = World::with(HubOptions::default(), "max_retries = 1\n");
        let _clone = world.clone();
        let running = world.start(&[]);
        let task = world.hub.wait_for_task(PATIENCE);
        world.hub.inject_for_good("getTaskInfo", fault.clone());
        let run = running.finish();
        assert_ne!(run.status, Some(0), "{fault:?}: {run}");
        let hint = format!("the build goes on; come back with `fedpkg-container-build watch {task}`");
        assert!(run.stderr.contains(&hint), "{fault:?}: {run}");
    }
}

#[test]
fn a_page_instead_of_an_answer_is_told_after_a_few_tries() {
    let world = World::new();
    let _clone = world.clone();
    world.hub.inject_for_good("*", Fault::Html200);
    let run = world.run(&["--nowait"]);
    assert_eq!(run.status, Some(6), "{run}");
    assert!(run.stderr.contains("is not a Koji hub's"), "{run}");
    assert!(world.hub.requests().len() <= 3, "{} tries", world.hub.requests().len());
}

#[test]
fn an_ended_session_is_mended_before_the_submit() {
    for forget in [false, true] {
        let world = World::new();
        let _clone = world.clone();
        world.hub.inject("getBuildTarget", Fault::Delay(std::time::Duration::from_millis(600)), 1);
        let running = world.start(&["--nowait"]);
        world.hub.wait_for_calls("getBuildTarget", 1, PATIENCE);
        if forget {
            world.hub.forget_sessions();
        } else {
            world.hub.expire_sessions();
        }
        let run = running.finish();
        assert_eq!(run.status, Some(0), "{run}");
        assert_eq!(world.hub.tasks().len(), 1, "{run}");
        assert!(run.stderr.contains("had ended and was renewed"), "{run}");
    }
}

#[test]
fn a_hub_that_is_offline_is_told_or_waited_for() {
    let world = World::new();
    let _clone = world.clone();
    world.hub.inject("*", Fault::Offline, 1);
    let run = world.run(&["--nowait"]);
    assert_eq!((run.status, world.hub.tasks().len()), (Some(6), 0), "{run}");
    assert!(run.stderr.contains("database outage"), "{run}");

    let options = crate::support::koji_hub::HubOptions::default();
    let world = World::with(options, "offline_retry = true\noffline_retry_interval = 1\n");
    let _clone = world.clone();
    world.hub.inject("getBuildTarget", Fault::Offline, 2);
    let run = world.run(&["--nowait"]);
    assert_eq!((run.status, world.hub.tasks().len()), (Some(0), 1), "{run}");
}

#[test]
fn a_wrong_password_is_an_error_of_its_own() {
    let mut world = World::new();
    world.sandbox.set_variable("FEDPKG_CONTAINER_BUILD_PASSWORD", "wrong");
    let _clone = world.clone();
    let run = world.run(&["--nowait"]);
    assert_eq!(run.status, Some(5), "{run}");
    assert!(run.stderr.contains("Could not login to http://127.0.0.1:"), "{run}");
    assert!(!run.stderr.contains("wrong"), "{run}");
}

#[test]
fn a_hub_that_is_not_there_is_told_after_a_few_tries() {
    let world = World::new();
    let _clone = world.clone();
    world.hub.stop_listening();
    let run = world.run(&["--nowait"]);
    assert_eq!(run.status, Some(6), "{run}");
    assert!(run.stderr.contains("cannot reach the Koji hub") && run.stderr.contains("hint: "), "{run}");
    assert!(run.stderr.matches("trying again in").count() <= 2, "{run}");
}
