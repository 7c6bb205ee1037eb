//! What a watched build puts up with, and for how long.

use std::time::Duration;

use fedpkg_container_build::builder::Interrupt;
use fedpkg_container_build::event::{BuildEvent, Outcome};
use fedpkg_container_build::osbs::run::kind::RunKind;
use fedpkg_container_build::osbs::tekton::Version;
use fedpkg_container_build::osbs::watch::looks::GIVE_UP_AFTER;
use fedpkg_container_build::osbs::watch::{WatchError, WatchOptions, Watched, watch};
use serde_json::{Value as Json, json};

use crate::support::kube_api::{Collection, KubeApi, Odd, Run, Trick};
use crate::support::osbs_inside::Inside;
use crate::support::osbs_world::OsbsWorld;

/// Everything that watching takes.
const RIGHTS: [&str; 8] = [
    "list pipelineruns",
    "watch pipelineruns",
    "get pipelineruns",
    "list taskruns",
    "watch taskruns",
    "list pods",
    "watch pods",
    "get pods/log",
];

/// A run that nobody submitted, and a connection to its server.
fn a_run() -> (KubeApi, Inside, Run) {
    let server = KubeApi::start();
    let run = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "x"}, "spec": {}});
    server.put(&Collection::new("tekton.dev", "pipelineruns"), run);
    let inside = Inside::new(&server);
    let run = server.await_run();
    run.start(&["clone"], &[]);
    (server, inside, run)
}

fn watched(inside: &Inside, created: Option<Json>) -> Result<Watched, WatchError> {
    let kind = RunKind::Tekton(Version::V1);
    let options = WatchOptions { name: "x".to_owned(), kind, created, logs: Default::default() };
    inside.runtime.block_on(watch(&inside.cluster, &options, &mut Interrupt::new()))
}

#[test]
fn a_server_that_refuses_everybody_for_a_while_loses_no_line() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    // What a server does that has just begun.
    world.server.forbid(&RIGHTS, true);
    world.server.kill_connections();
    task.log("step", b"words 2\n");
    let refused = || world.server.requests("runs?").len();
    let before = refused();
    while refused() < before + 4 {
        std::thread::sleep(Duration::from_millis(10));
    }
    world.server.forbid(&RIGHTS, false);
    build.read_until("words 2");
    task.succeed();
    run.succeed(&json!({}));
    let rest = build.finish();
    assert!(rest.succeeded(), "{rest}");
    assert!(!rest.stdout.contains("words 1") && !rest.stdout.contains("words 2"), "nothing twice: {rest}");
    assert_eq!(world.server.requests("DELETE ").len(), 1, "everything was read: {rest}");
}

#[test]
fn who_may_only_create_and_look_sees_how_the_build_ends() {
    let world = OsbsWorld::new();
    world.server.forbid(&RIGHTS.map(|right| if right == "get pipelineruns" { "nothing" } else { right }), true);
    let (build, run) = world.begin(&[], &["clone"]);
    run.begin("clone", &["step"]).succeed();
    run.succeed(&json!({}));
    let run = build.finish();
    assert!(run.succeeded(), "{run}");
    for what in ["watching pipelineruns", "listing pipelineruns", "listing taskruns", "listing pods"] {
        let told = format!("warning: {what} does not work: server returned error 403");
        assert!(run.stderr.matches(&told).count() <= 1, "{what}: {run}");
    }
    assert!(run.stderr.contains("warning: watching pipelineruns does not work"), "{run}");
    assert!(run.stderr.contains("warning: listing taskruns does not work"), "{run}");
}

#[test]
fn who_may_not_read_logs_is_told_once_and_the_run_is_kept() {
    let world = OsbsWorld::new();
    world.server.forbid(&["get pods/log"], true);
    let (build, run) = world.begin(&[], &["clone", "build"]);
    for task in ["clone", "build"] {
        let task = run.begin(task, &["step"]);
        task.log("step", b"words\n");
        task.succeed();
    }
    run.succeed(&json!({}));
    let run = build.finish();
    assert!(run.succeeded(), "{run}");
    assert_eq!(run.stderr.matches("reading logs does not work: server returned error 403").count(), 1, "{run}");
    assert!(world.server.requests("DELETE ").is_empty(), "{run}");
}

#[test]
fn a_log_that_falls_silent_is_asked_for_again_when_its_container_has_ended() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    world.server.mute_logs();
    task.log("step", b"words 2\n");
    task.succeed();
    run.succeed(&json!({}));
    let rest = build.finish();
    assert!(rest.succeeded(), "{rest}");
    assert!(rest.stdout.contains("words 2\n"), "{rest}");
    assert_eq!(world.server.requests("/log?").len(), 2, "{rest}");
}

#[test]
fn lists_that_are_null_are_empty() {
    let (server, inside, run) = a_run();
    let task = run.begin("clone", &["step"]);
    task.succeed();
    run.succeed(&json!({}));
    server.change(|state| {
        for (plural, fields) in [
            ("pipelineruns", ["skippedTasks", "results", "finallyStartTime"]),
            ("taskruns", ["results", "retriesStatus", "sidecars"]),
        ] {
            let collection = Collection::new("tekton.dev", plural);
            let mut object = state.of(&collection).next().unwrap().clone();
            fields.iter().for_each(|field| object["status"][field] = Json::Null);
            object["metadata"]["labels"]["x"] = Json::Null;
            state.put(&collection, object);
        }
    });
    let watched = watched(&inside, None).unwrap();
    assert_eq!(watched.outcome.outcome, Outcome::Succeeded);
    let opened = |event: &BuildEvent| matches!(event, BuildEvent::LogOpened { .. });
    assert_eq!(inside.told().iter().filter(|event| opened(event)).count(), 1);
}

#[test]
fn an_object_that_makes_no_sense_is_told_once_and_ends_nothing() {
    let (server, inside, run) = a_run();
    run.begin("clone", &["step"]);
    let tasks = Collection::new("tekton.dev", "taskruns");
    for _ in 0..2 {
        server.change(|state| {
            let mut task = state.of(&tasks).next().unwrap().clone();
            task["status"]["steps"] = json!("none");
            state.put(&tasks, task);
        });
    }
    run.succeed(&json!({}));
    let watched = watched(&inside, None).unwrap();
    assert_eq!(watched.outcome.outcome, Outcome::Succeeded);
    let told = inside.told();
    let is_told = |event: &&BuildEvent| format!("{event:?}").contains("understanding a TaskRun");
    assert_eq!(told.iter().filter(is_told).count(), 1, "{told:?}");
}

/// Answers like this for good, until the build has ended in the meantime: it is seen to end.
#[test]
fn no_odd_answer_of_a_list_or_watch_ends_the_watching() {
    let tricks = Odd::ALL.map(|odd| Trick::Odd(odd, false)).into_iter();
    let refusals = [401, 403, 404, 409, 410, 500].map(|code| Trick::Status(code, "not now".into()));
    for trick in tricks.chain(refusals) {
        let (server, inside, run) = a_run();
        for text in ["pipelineruns?", "taskruns?", "pods?"] {
            server.trick_for_good(text, trick.clone());
        }
        let created = Some(run.object());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(150));
                run.succeed(&json!({}));
            });
            let watched = watched(&inside, created).unwrap();
            assert_eq!(watched.outcome.outcome, Outcome::Succeeded, "{trick:?}");
        });
        // The waits here are a thousandth of the usual ones, and at most 30 ms.
        let asked = server.requests("").len();
        assert!(asked < 150, "{trick:?}: {asked} requests");
    }
}

#[test]
fn patience_is_long_and_ends() {
    for (trick, fewest) in [(Trick::Odd(Odd::Page, false), 30), (Trick::Status(403, "no".into()), 10)] {
        let (server, inside, run) = a_run();
        let created = Some(run.object());
        server.trick_for_good("GET ", trick);
        let error = watched(&inside, created).unwrap_err();
        assert!(matches!(error, WatchError::Lost { .. }), "{error}");
        let looks = server.requests("GET /apis/tekton.dev/v1/namespaces/osbs/pipelineruns/x").len();
        assert_eq!(looks, fewest, "{error}");
        assert!(looks <= GIVE_UP_AFTER as usize);
    }
}

#[test]
fn a_run_that_is_not_known_for_a_moment_is_not_gone() {
    let (server, inside, run) = a_run();
    let created = Some(run.object());
    let look = "GET /apis/tekton.dev/v1/namespaces/osbs/pipelineruns/x";
    server.trick_for_good("pipelineruns?", Trick::Reset);
    (0..2).for_each(|_| server.trick(look, Trick::Status(404, "not yet".into())));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            server.wait_for_requests(look, 3);
            run.succeed(&json!({}));
        });
        let watched = watched(&inside, created).unwrap();
        assert_eq!(watched.outcome.outcome, Outcome::Succeeded);
    });
}

#[test]
fn a_run_that_is_gone_is_told_by_whoever_looks_for_it() {
    let (server, inside, run) = a_run();
    let created = Some(run.object());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            server.change(|state| {
                state.remove(&Collection::new("tekton.dev", "pipelineruns"), "x");
                state.forgotten = state.version;
                state.changes.clear();
            });
            server.kill_connections();
        });
        let watched = watched(&inside, created).unwrap();
        assert_eq!(watched.outcome.outcome, Outcome::Failed);
        assert!(watched.outcome.failure.unwrap().reason.contains("pipeline run removed"));
    });
}

#[test]
fn what_is_not_known_is_told_with_the_way_to_find_out() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    world.server.forbid(&["get pipelineruns"], true);
    let run = world.build(&["--nowait"]);
    assert!(run.succeeded(), "an answer of the right kind and name is enough: {run}");
    for trick in [Trick::LoseAnswer, Trick::Odd(Odd::Empty, true), Trick::Odd(Odd::Page, false)] {
        world.server.trick("POST /apis/tekton.dev", trick);
        let run = world.build(&["--nowait"]);
        assert_eq!(run.status, Some(7), "{run}");
        assert!(!run.stdout.contains("Created build"), "{run}");
        let name = world.server.requests("POST ").last().map(|request| {
            let body: Json = serde_json::from_slice(&request.body).unwrap();
            body["metadata"]["name"].as_str().unwrap().to_owned()
        });
        let name = name.unwrap();
        assert!(
            run.stderr.contains(&format!("it is not known whether the PipelineRun {name} was created at ")),
            "{run}"
        );
        assert!(run.stderr.contains(&format!("`oc get pipelinerun {name} -n osbs`")), "{run}");
    }
}
