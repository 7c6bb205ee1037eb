//! Submitting: what the hub receives, once, whatever happens to the answer; and what the user sees.

use serde_json::json;

use crate::support::json::{lines, only};
use crate::support::koji_hub::xmlrpc::Value;
use crate::support::koji_hub::{Callnum, End, Fault, HubOptions};
use crate::support::world::{PATIENCE, World};

use super::quick_script;

#[test]
fn nowait_prints_two_lines_and_needs_few_requests() {
    let world = World::new();
    let clone = world.clone();
    let run = world.run(&["--nowait"]);
    assert_eq!(run.status, Some(0), "{run}");
    let task = world.hub.tasks()[0].id;
    let page = format!("{}/taskinfo?taskID={task}", world.hub.weburl());
    assert_eq!(run.stdout, format!("Created task: {task}\nTask info: {page}\n"));
    let call = &world.hub.calls("buildContainer")[0];
    let Value::String(source) = &call[0] else { panic!("{call:?}") };
    assert_eq!(*source, format!("git+https://src.example.com/container/foo.git#{}", clone.head()));
    assert_eq!(call[1], Value::String("f40-container-candidate".into()));
    assert_eq!(call.len(), 3, "no named arguments: {call:?}");
    assert!(world.hub.requests().len() <= 6, "{} requests", world.hub.requests().len());
}

#[test]
fn a_build_is_seen_to_its_end_and_remembered() {
    let world = World::new();
    let _clone = world.clone();
    world.hub.script(quick_script(End::Close));
    let run = world.run(&[]);
    assert_eq!(run.status, Some(0), "{run}");
    assert!(
        run.stdout.contains("completed successfully\nrepositories:\n  registry.example.org/hello@sha256:"),
        "{run}"
    );
    for arch in ["x86_64", "aarch64", "ppc64le"] {
        for step in 1..=3 {
            let line = format!("STEP {step}/3: RUN");
            let shown = run.stdout.lines().filter(|shown| shown.starts_with(arch) && shown.contains(&line)).count();
            assert_eq!(shown, 1, "{arch} {line}: {run}");
        }
    }
    let status = world.run(&["status"]);
    assert!(status.stdout.contains("succeeded  koji    container/foo  f40"), "{status}");
}

#[test]
fn a_failure_shows_reason_log_and_next_command() {
    let world = World::new();
    let _clone = world.clone();
    let reason = "Image build failed. Error in plugin x: {\"aarch64\": \"dnf failed\"}. OSBS build id: hello-f42-1";
    world.hub.script(quick_script(End::Fail(2001, reason.into())));
    for arguments in [&[][..], &["--no-logs"]] {
        let run = world.run(arguments);
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.stdout.contains(&format!("FAILED: {reason}")), "{run}");
        assert!(run.stderr.contains("The last lines of aarch64.log:\n  "), "{run}");
        assert!(run.stderr.contains("/aarch64.log\nRead it here with `fedpkg-container-build watch "), "{run}");
        assert_eq!(run.stdout.contains("aarch64     | "), arguments.is_empty(), "{run}");
    }
}

#[test]
fn a_cancelled_build_has_a_code_of_its_own() {
    let world = World::new();
    let _clone = world.clone();
    let mut running = world.start(&[]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    running.read_until("free");
    task.cancel();
    let run = running.finish();
    assert_eq!(run.status, Some(3), "{run}");
    assert!(run.stdout.contains("free -> canceled"), "{run}");
    assert!(run.stdout.contains("buildContainer (noarch) was canceled"), "{run}");
}

#[test]
fn a_lost_answer_never_makes_two_builds() {
    let hubs =
        [("today's hub", Callnum::Session), ("hubs 1.31 to 1.35.3", Callnum::Old), ("no check at all", Callnum::Off)];
    for (what, callnum) in hubs {
        for fault in
            [Fault::LoseAnswer, Fault::CutBody, Fault::Reset, Fault::Html200, Fault::Status(502, "<html>Bad gateway")]
        {
            let world = World::with(HubOptions { callnum, ..HubOptions::default() }, "");
            let _clone = world.clone();
            world.hub.inject("buildContainer", fault.clone(), 1);
            let run = world.run(&["--nowait"]);
            let case = format!("{what}, {fault:?}");
            assert_eq!(run.status, Some(0), "{case}: {run}");
            assert_eq!(world.hub.tasks().len(), 1, "{case}: {run}");
            let task = world.hub.tasks()[0].id;
            assert!(run.stdout.starts_with(&format!("Created task: {task}\n")), "{case}: {run}");
            let adopted = matches!(fault, Fault::LoseAnswer | Fault::CutBody);
            assert_eq!(run.stderr.contains("nothing was submitted twice"), adopted, "{case}: {run}");
        }
    }
}

#[test]
fn an_older_build_of_the_same_commit_is_not_taken_for_the_lost_one() {
    let world = World::new();
    let _clone = world.clone();
    assert_eq!(world.run(&["--nowait"]).status, Some(0));
    world.hub.inject("buildContainer", Fault::Reset, 1);
    let run = world.run(&["--nowait"]);
    assert_eq!(run.status, Some(0), "{run}");
    assert_eq!(world.hub.tasks().len(), 2);
    assert!(run.stdout.contains(&format!("Created task: {}", world.hub.tasks()[1].id)), "{run}");
}

#[test]
fn no_older_build_is_taken_for_the_lost_one_where_it_is_not_known_which_are_older() {
    let world = World::new();
    let _clone = world.clone();
    assert!(world.run(&["--nowait"]).succeeded());
    world.hub.inject("listTasks", Fault::RefuseEntries("listTasks", 1000, "no"), 1);
    world.hub.inject("buildContainer", Fault::Reset, 1);
    let run = world.run(&["--nowait"]);
    assert_eq!((run.status, world.hub.tasks().len()), (Some(7), 1), "{run}");
    assert!(run.stderr.contains("it is not known whether the hub took the build"), "{run}");
}

#[test]
fn numbers_travel_in_both_headers() {
    let world = World::new();
    let _clone = world.clone();
    assert_eq!(world.run(&["--nowait"]).status, Some(0));
    let requests = world.hub.requests();
    let submit = requests.iter().find(|request| request.has("buildContainer")).unwrap();
    assert!(submit.header("koji-callnum").is_some());
    assert_eq!(submit.header("koji-callnum"), submit.header("koji-session-callnum"));
    assert!(!submit.path.contains("session-key"), "{}", submit.path);
}

#[test]
fn a_hub_without_session_headers_gets_them_in_the_query() {
    let world = World::with(HubOptions { old_sessions: true, ..HubOptions::default() }, "");
    let _clone = world.clone();
    let run = world.run(&["--nowait"]);
    assert_eq!(run.status, Some(0), "{run}");
    let requests = world.hub.requests();
    let submit = requests.iter().find(|request| request.has("buildContainer")).unwrap();
    assert!(submit.path.contains("session-id=") && submit.path.contains("callnum="), "{}", submit.path);
}

#[test]
fn a_dry_run_only_looks_and_tells_the_exact_request() {
    let world = World::new();
    let clone = world.clone();
    let arguments = ["--dry-run", "--output", "json", "--scratch", "--arches", "x86_64", "s390x", "--background"];
    let run = world.run(&arguments);
    assert_eq!(run.status, Some(0), "{run}");
    let mut shown = only(&run.stdout, "dry_run");
    shown.as_object_mut().unwrap().remove("ts");
    assert_eq!(
        shown,
        json!({
            "type": "dry_run", "version": 1, "builder": "koji", "hub": world.hub.url(), "method": "buildContainer",
            "params": [
                format!("git+https://src.example.com/container/foo.git#{}", clone.head()),
                "f40-container-candidate",
                {"scratch": true, "isolated": false, "git_branch": "f40", "arch_override": "x86_64 s390x"},
            ],
            "kwargs": {"priority": 5},
        })
    );
    // What the hub would refuse is asked without a login.
    assert_eq!((world.hub.requests().len(), world.hub.tasks().len()), (1, 0));
    assert!(world.hub.calls("login").is_empty());
}

#[test]
fn json_lines_begin_with_the_version_and_end_with_the_outcome() {
    let world = World::new();
    let _clone = world.clone();
    world.hub.script(quick_script(End::Close));
    let run = world.run(&["--output", "json"]);
    assert_eq!(run.status, Some(0), "{run}");
    let lines = lines(&run.stdout);
    assert_eq!((&lines[0]["version"], &lines[0]["type"]), (&json!(1), &json!("start")));
    let submitted = only(&run.stdout, "submitted");
    let last = lines.last().unwrap();
    assert_eq!((&last["type"], &last["outcome"]), (&json!("finished"), &json!("succeeded")));
    for name in ["builder", "server", "id"] {
        assert_eq!(submitted[name], last[name]);
    }
    assert!(lines.iter().all(|line| line["ts"].is_string()));
    let text: String = lines
        .iter()
        .filter(|line| line["type"] == "log_appended" && line["log"] == "x86_64.log")
        .map(|line| line["text"].as_str().unwrap())
        .collect();
    assert_eq!(text.matches("STEP").count(), 3, "{text}");
}

#[test]
fn what_happens_on_the_wire_is_told_when_asked_for_and_no_secret_of_it() {
    let world = World::new();
    let _clone = world.clone();
    world.hub.script(quick_script(End::Close));
    world.hub.inject("getTaskInfo", Fault::Status(503, "no"), 2);
    for verbosity in [&["-v", "-v", "--debug"][..], &["-v"], &[]] {
        let run = world.run(verbosity);
        assert_eq!(run.status, Some(0), "{run}");
        let told = [
            "asking login",
            "asking multiCall getBuildTarget, system.listMethods, getTag ×2, getPackageConfig",
            "buildContainer was answered",
            "HTTP status 503",
        ];
        let told = if verbosity.len() < 3 { &told[..3] } else { &told[..] };
        for text in told {
            assert_eq!(run.stderr.contains(text), !verbosity.is_empty(), "{verbosity:?} {text}: {run}");
        }
        let shown = run.to_string();
        for request in world.hub.requests() {
            let key = request.header("koji-session-key").unwrap_or("not to be found");
            assert!(!shown.contains(key), "{verbosity:?}: the session key is shown");
        }
        assert!(!shown.contains(crate::support::world::PASSWORD), "the password is shown: {shown}");
    }
}
