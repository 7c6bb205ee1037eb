//! What is refused before anything is submitted.

use serde_json::Value as Json;

use crate::support::json::only;
use crate::support::world::World;

/// What keeps the hub from taking a build: what is done to the hub, the arguments, the finding's id, the beginning of its text.
type Case = (&'static str, fn(&World), &'static [&'static str], &'static str, &'static str);

const CASES: &[Case] = &[
    ("no such target", |_| {}, &["--target", "nope"], "unknown-target", "Unknown build target: nope"),
    (
        "locked destination",
        |world| world.hub.add_target("locked", "f40-container-build", "f42-locked"),
        &["--target", "locked"],
        "locked-tag",
        "the destination tag f42-locked is locked",
    ),
    (
        "no such destination",
        |world| {
            world.hub.add_target("half", "f40-container-build", "no-such-tag");
            world.hub.change(|state| state.tags.retain(|tag| tag.name != "no-such-tag"));
        },
        &["--target", "half"],
        "unknown-dest-tag",
        "Unknown destination tag: no-such-tag",
    ),
    (
        "blocked package",
        |world| world.hub.add_package("f40-container-candidate", "foo-container", true),
        &[],
        "package-blocked",
        "package (container) foo-container is blocked",
    ),
    (
        "build exists",
        |world| {
            world.hub.add_build("foo-container-1.0-7", 1);
        },
        &["--build-release", "7"],
        "nvr-exists",
        "Build for foo-container-1.0-7 already exists",
    ),
    (
        "no plug-in",
        |world| world.hub.hide_method("buildContainer"),
        &[],
        "no-container-plugin",
        "this hub does not build containers",
    ),
];

#[test]
fn what_the_hub_would_refuse_is_not_submitted() {
    for (what, prepare, arguments, id, text) in CASES {
        let world = World::new();
        let _clone = world.clone();
        prepare(&world);
        let run = world.run(&[&["--nowait"], *arguments].concat());
        assert_eq!(run.status, Some(4), "{what}: {run}");
        assert!(
            run.stderr.contains(&format!("error: {text}")) && run.stderr.contains(&format!("[{id}]")),
            "{what}: {run}"
        );
        assert_eq!(world.hub.calls("buildContainer").len(), 0, "{what}");
        assert_eq!(run.stdout, "", "{what}");

        let check = world.run(&[&["check", "--output", "json"], *arguments].concat());
        assert_eq!(check.status, Some(4), "{what}: {check}");
        let report = only(&check.stdout, "check");
        let found = report["findings"].as_array().unwrap().iter().any(|finding| finding["id"] == **id);
        assert!(found, "{what}: {report}");
        assert_eq!(report["labels"]["name"], "foo", "{what}");
    }
}

#[test]
fn force_submits_all_the_same_and_scratch_needs_less() {
    let world = World::new();
    let _clone = world.clone();
    world.hub.add_package("f40-container-candidate", "foo-container", true);
    let forced = world.run(&["--nowait", "--force"]);
    assert_eq!(forced.status, Some(0), "{forced}");
    assert!(forced.stderr.contains("[package-blocked]"), "{forced}");
    let scratch = world.run(&["--nowait", "--scratch"]);
    assert_eq!(scratch.status, Some(0), "{scratch}");
    assert!(!scratch.stderr.contains("[package-blocked]"), "{scratch}");
    assert_eq!(world.hub.tasks().len(), 2);
}

#[test]
fn nothing_is_asked_of_the_hub_when_the_checkout_is_not_fit() {
    let world = World::new();
    let clone = world.clone();
    clone.write("Dockerfile", "FROM fedora:40\nLABEL name=foo\n");
    let dirty = world.run(&["--nowait"]);
    assert_eq!(dirty.status, Some(1), "{dirty}");
    assert!(dirty.stderr.contains("has uncommitted changes.  Use git status to see details"), "{dirty}");
    clone.commit("Lose the labels");
    let unpushed = world.run(&["--nowait"]);
    assert_eq!(unpushed.status, Some(1), "{unpushed}");
    assert!(unpushed.stderr.contains("There are unpushed changes in your repo"), "{unpushed}");
    clone.push();
    let labels = world.run(&["--nowait"]);
    assert_eq!(labels.status, Some(4), "{labels}");
    assert!(labels.stderr.contains("com.redhat.component (or BZComponent)"), "{labels}");
    assert_eq!(world.hub.requests().len(), 0, "not even a login");
}

#[test]
fn gating_yaml_is_validated_before_the_login() {
    for (status, body, options, code, text) in [
        (200, "{\"message\": \"fine\"}", &[][..], 0, "properly configured"),
        (400, "{\"message\": \"bad rule\"}", &[], 4, "Error response from Greenwave: bad rule"),
        (500, "oops", &[], 1, "for an unknown problem"),
        (400, "{\"message\": \"bad rule\"}", &["--skip-remote-rules-validation"], 0, ""),
        (400, "{\"message\": \"bad rule\"}", &["--scratch"], 0, ""),
    ] {
        let world = World::new();
        let clone = world.clone();
        clone.write("gating.yaml", "--- !Policy\n");
        clone.commit("Gate");
        clone.push();
        world.sandbox.write_config("fedpkg", &format!("[fedpkg.greenwave]\nurl = {}\n", world.hub.greenwave_url()));
        world.hub.greenwave_answers(status, body);
        let run = world.run(&[&["--nowait"], options].concat());
        assert_eq!(run.status, Some(code), "{status} {options:?}: {run}");
        assert!(run.stderr.contains(text), "{status} {options:?}: {run}");
        assert_eq!(world.hub.greenwave_bodies().len(), usize::from(options.is_empty()), "{status} {options:?}");
        if code != 0 {
            assert!(world.hub.calls("login").is_empty(), "{status}: no login");
        }
    }
}

#[test]
fn options_of_other_builders_are_refused() {
    let world = World::new();
    let _clone = world.clone();
    let run = world.run(&["--build-with", "osbs"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("no OpenShift server is known\nhint: set openshift_url in [default_binary]"), "{run}");
    for option in [&["--push"][..], &["--dirty"], &["--export", "oci-archive:a.tar"], &["--signed-by", "12345678"]] {
        let run = world.run(option);
        assert_eq!(run.status, Some(2), "{run}");
        assert!(run.stderr.contains(&format!("{} is an option of builds on this machine", option[0])), "{run}");
    }
    let run = world.run(&["--skip-build"]);
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.stderr.contains("today's builders fail such a build"), "{run}");
}

#[test]
fn a_check_looks_at_files_that_are_not_committed_yet() {
    let world = World::new();
    let clone = world.clone();
    clone.write("Dockerfile", "FROM fedora:40\nLABEL com.redhat.component=foo-container name=foo version=1-2\n");
    let check = world.run(&["check", "--offline", "--output", "json"]);
    assert_eq!(check.status, Some(4), "{check}");
    let report = only(&check.stdout, "check");
    let found: Vec<&str> = report["findings"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap()).collect();
    assert!(found.contains(&"bad-version") && found.contains(&"checkout-not-ready"), "{report}");
    assert_eq!(world.hub.requests().len(), 0);
}

#[test]
fn files_outside_any_checkout_can_be_checked_offline() {
    let world = World::new();
    world.sandbox.write("foo/Dockerfile", "FROM fedora:$V\nLABEL a=b \\\n  c=d\n");
    let check = world.run(&["check", "--offline", "--output", "json"]);
    assert_eq!(check.status, Some(4), "{check}");
    let report = only(&check.stdout, "check");
    assert_eq!((&report["version"], &report["labels"]["c"]), (&Json::from(1), &Json::from("d")), "{report}");
    assert_eq!(report["base_images"], serde_json::json!(["fedora:"]), "{report}");
    let online = world.run(&["check"]);
    assert_eq!(online.status, Some(1), "{online}");
}
