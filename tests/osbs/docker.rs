//! OpenShift's own builds, where there is no Tekton.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::support::kube_api::{Collection, Options, TOKEN};
use crate::support::osbs_world::OsbsWorld;

fn world() -> OsbsWorld {
    let options = Options { versions: Some(Vec::new()), builds: true, ..Options::default() };
    let world = OsbsWorld::with(options, "");
    world.configure(&format!("token = {TOKEN}\noutput_image = r.example.com/demo/app:1\n"));
    world
}

fn builds() -> Collection {
    Collection::new("build.openshift.io", "builds")
}

/// Waits for the build, and returns its name.
fn await_build(world: &OsbsWorld) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let name = world.server.read(|state| {
            state.objects.keys().find(|(collection, _)| *collection == builds()).map(|(_, name)| name.clone())
        });
        if let Some(name) = name {
            return name;
        }
        assert!(Instant::now() < deadline, "no build was created");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn change(world: &OsbsWorld, name: &str, status: Json) {
    world.server.change(|state| {
        let mut build = state.get(&builds(), name).cloned().unwrap();
        build["status"] = status;
        state.put(&builds(), build);
    });
}

/// The pod runs and has written this.
fn run_pod(world: &OsbsWorld, name: &str, log: &str) {
    let pod = format!("{name}-build");
    world.server.put(
        &Collection::new("", "pods"),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "labels": {"openshift.io/build.name": name}},
               "spec": {"nodeName": "n", "containers": [{"name": "docker-build"}]},
               "status": {"phase": "Running", "containerStatuses": [{"name": "docker-build", "state": {"running": {}}}]}}),
    );
    world.server.change(|state| {
        let lines = log.lines().map(|line| ("2026-11-23T10:00:00.5Z".to_owned(), format!("{line}\n").into_bytes()));
        let key = (pod.clone(), "docker-build".to_owned());
        state.logs.entry(key).or_default().lines.extend(lines);
    });
}

#[test]
fn the_dockerfile_is_built_as_it_is_where_there_is_no_tekton() {
    let world = world();
    let clone = world.clone();
    let mut build = world.start_build(&[]);
    let name = await_build(&world);
    change(&world, &name, json!({"phase": "Running", "startTimestamp": "2026-11-23T10:00:00Z"}));
    run_pod(&world, &name, "STEP 1/2: FROM a:1\n");
    build.read_until("STEP 1/2: FROM a:1");
    world.server.change(|state| {
        state.logs.values_mut().for_each(|log| log.ended = true);
    });
    change(
        &world,
        &name,
        json!({"phase": "Complete", "startTimestamp": "2026-11-23T10:00:00Z",
        "completionTimestamp": "2026-11-23T10:00:05Z", "outputDockerImageReference": "r.example.com/demo/app:1",
        "output": {"to": {"imageDigest": "sha256:ab"}}}),
    );
    let run = build.finish();
    assert!(run.succeeded(), "{run}");
    assert!(
        run.stdout.contains("repositories:\n  r.example.com/demo/app@sha256:ab\n  r.example.com/demo/app:1\n"),
        "{run}"
    );
    assert!(
        run.stderr.contains("warning: not done here: the import into Koji: the cluster serves no tekton.dev"),
        "{run}"
    );
    let posts = world.server.requests("POST ");
    let config: Json = serde_json::from_slice(&posts[0].body).unwrap();
    assert_eq!(config["spec"]["source"]["git"]["ref"], json!(clone.head()));
    assert_eq!(config["spec"]["strategy"]["type"], "Docker");
    let request: Json = serde_json::from_slice(&posts[1].body).unwrap();
    assert_eq!(request["revision"]["git"]["commit"], json!(clone.head()));
    assert_eq!(world.server.requests("DELETE ").len(), 1);
    assert_eq!(
        world.server.requests("DELETE ")[0].path,
        format!("/apis/build.openshift.io/v1/namespaces/osbs/buildconfigs/{}", name.trim_end_matches("-1"))
    );
}

#[test]
fn what_such_a_build_cannot_do_is_refused() {
    let world = world();
    let _clone = world.clone();
    let run = world.build(&["--scratch", "--repo-url", "https://r.example.com/x.repo", "--arches", "s390x"]);
    assert_eq!(run.status, Some(4), "{run}");
    assert!(run.stderr.contains("OpenShift's own builds cannot honour --arches, --repo-url"), "{run}");
    assert!(world.server.requests("POST ").is_empty());
}

#[test]
fn such_a_build_fails_and_is_cancelled_as_any_other() {
    let world = world();
    let _clone = world.clone();
    let build = world.start_build(&[]);
    let name = await_build(&world);
    run_pod(&world, &name, "Error: no such image\n");
    world.server.change(|state| state.logs.values_mut().for_each(|log| log.ended = true));
    change(
        &world,
        &name,
        json!({"phase": "Failed", "reason": "DockerBuildFailed", "message": "Dockerfile build strategy has failed."}),
    );
    let run = build.finish();
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("Reason: Error in docker-build: Dockerfile build strategy has failed.;"), "{run}");
    assert!(run.stderr.contains("  Error: no such image\n"), "{run}");

    let world = self::world();
    let _clone = world.clone();
    let build = world.start_build(&[]);
    let name = await_build(&world);
    change(&world, &name, json!({"phase": "Running"}));
    let cancel = world.start(&["cancel", &name]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !world.server.read(|state| state.get(&builds(), &name).unwrap()["status"]["cancelled"] == json!(true)) {
        assert!(Instant::now() < deadline, "nobody cancelled it");
        std::thread::sleep(Duration::from_millis(5));
    }
    change(&world, &name, json!({"phase": "Cancelled", "cancelled": true}));
    assert_eq!(cancel.finish().status, Some(0));
    assert_eq!(build.finish().status, Some(3));
}
