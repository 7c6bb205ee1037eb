//! What an image is called and labelled.

use crate::support::images::BaseImage;
use crate::support::koji_hub::HubOptions;
use crate::support::local_world::LocalWorld;

const LABELS: &str = "LABEL com.redhat.component=foo-container name=demo/app version=1.0\n";

fn label(world: &LocalWorld, reference: &str, name: &str) -> serde_json::Value {
    world.registry.config(reference)["config"]["Labels"][name].clone()
}
#[test]
fn without_a_release_the_next_free_one_is_taken() {
    let Some(world) = LocalWorld::with_hub(HubOptions::default(), "") else { return };
    for release in ["1", "2", "3", "4"] {
        world.hub().add_build(&format!("foo-container-1.0-{release}"), 1);
    }
    world.clone(&format!("FROM fedora:42\n{LABELS}"));
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(label(&world, "demo/app:1.0-5", "release"), "5");
}
#[test]
fn a_build_that_exists_is_not_built_again() {
    let Some(world) = LocalWorld::with_hub(HubOptions::default(), "") else { return };
    let id = world.hub().add_build("foo-container-1.0-3", 1);
    let clone = world.clone(&format!("FROM fedora:42\n{LABELS}LABEL release=3\n"));
    let run = world.build(&[]);
    assert_eq!(run.status, Some(4), "{run}");
    assert!(run.stderr.contains(&format!("build already exists in Koji: foo-container-1.0-3 ({id})")), "{run}");
    assert!(run.stderr.contains("--build-release") && !run.stdout.contains("STEP 1/"), "{run}");
    let run = world.build(&["--build-release", "4", "--push"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(label(&world, "demo/app:1.0-4", "release"), "4");
    // One that came to nothing leaves its name free.
    world.hub().add_build("foo-container-1.0-9", 3);
    clone.write("Dockerfile", &format!("FROM fedora:42\n{LABELS}LABEL release=9\n"));
    clone.commit("Release 9");
    assert!(world.build(&[]).succeeded());
}
#[test]
fn a_scratch_build_has_a_release_of_its_own_and_asks_no_hub() {
    let Some(world) = LocalWorld::with_hub(HubOptions::default(), "") else { return };
    world.clone(&format!("FROM fedora:42\n{LABELS}LABEL release=3\n"));
    let run = world.build(&["--scratch", "--push"]);
    assert!(run.succeeded(), "{run}");
    let tag = world.registry.tags("demo/app").remove(0);
    let release = label(&world, &format!("demo/app:{tag}"), "release");
    assert!(release.as_str().unwrap().starts_with("scratch-"), "{release}");
    assert!(world.hub().requests().is_empty());
}

#[test]
fn a_hub_that_does_not_answer_keeps_no_build_with_a_release_from_being_built() {
    let Some(world) = LocalWorld::with_hub(HubOptions::default(), "") else { return };
    let clone = world.clone(&format!("FROM fedora:42\n{LABELS}LABEL release=3\n"));
    world.hub().stop_listening();
    let run = world.build(&[]);
    assert!(run.succeeded() && run.stdout.contains("whether it is taken is not known"), "{run}");
    clone.write("Dockerfile", &format!("FROM fedora:42\n{LABELS}"));
    clone.commit("No release");
    let run = world.build(&[]);
    assert!(
        run.stderr.contains("the next free release is not known") && run.stderr.contains("--build-release"),
        "{run}"
    );
    assert_eq!(run.status, Some(6), "{run}");
}
#[test]
fn missing_names_are_told_before_anything_is_built() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone("FROM fedora:42\n");
    for (labels, missing) in [
        ("LABEL name=demo/app version=1.0", "com.redhat.component"),
        ("LABEL com.redhat.component=c name=demo/app version=$UNSET", "version"),
    ] {
        clone.write("Dockerfile", &format!("FROM fedora:42\n{labels}\n"));
        clone.commit("Labels");
        let run = world.build(&["--force"]);
        assert_eq!(run.status, Some(4), "{run}");
        let expected = format!("labels that are missing, empty or made of undefined variables: {missing}");
        assert!(run.stderr.contains(&expected) && !run.stdout.contains("STEP 1/"), "{run}");
    }
}
#[test]
fn labels_are_what_the_build_service_makes_of_them() {
    let section = "image_labels =\n  vendor = A\n  distribution-scope = public\n  odd = a$b\"c\\d\n\
                   image_equal_labels = description io.k8s.description\n\
                   image_label_info_url_format = https://example.com/{name}/{release}\n";
    let Some(world) = LocalWorld::new() else { return };
    world.configure(section);
    let mut base = BaseImage::default().label("distribution-scope", "public");
    base.env.push("V=7.1".to_owned());
    base.push(&world.registry, "fedora:42");
    world.clone(
        "FROM fedora:42\nLABEL com.redhat.component=foo-container Name=demo/app version=$V release=1 vendor=B \\\n\
         \u{20}     distribution-scope=restricted description=\"some $V\"\n",
    );
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    for (name, value) in [
        ("version", "7.1"),
        ("vendor", "A"),
        ("distribution-scope", "restricted"),
        ("name", "demo/app"),
        ("io.k8s.description", "some 7.1"),
        ("odd", "a$b\"c\\d"),
        ("url", "https://example.com/demo/app/1"),
        ("architecture", "x86_64"),
        ("vcs-type", "git"),
    ] {
        assert_eq!(label(&world, "demo/app:7.1-1", name), value, "{name}");
    }
    let base = BaseImage { env: base.env, ..BaseImage::default() };
    base.label("distribution-scope", "private").push(&world.registry, "fedora:42");
    let run = world.build(&[]);
    assert!(run.stderr.contains("distribution-scope=restricted but parent has distribution-scope=private"), "{run}");
    assert_eq!(run.status, Some(4), "{run}");
}
