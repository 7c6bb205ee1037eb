//! What the image is in the end, and what the registry has of it.

use crate::support::local_world::{DOCKERFILE, LocalWorld};

#[test]
fn an_image_is_built_and_pushed_with_all_its_tags() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone(DOCKERFILE);
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(clone.git(&["status", "--porcelain"]), "", "the checkout is as it was");
    let tags = world.registry.tags("demo/app");
    assert_eq!(tags.len(), 4, "{tags:?}");
    let digest = world.registry.digest("demo/app:1.0-3").unwrap();
    for tag in &tags {
        assert_eq!(world.registry.digest(&format!("demo/app:{tag}")).as_ref(), Some(&digest), "{tag}");
    }
    assert!(run.stdout.contains(&format!("  {}/demo/app@{digest}\n", world.registry.address())), "{run}");
    let folder = tempfile::tempdir().unwrap();
    let layers = world.registry.unpack("demo/app:latest", folder.path());
    assert_eq!(layers.len(), 2, "the base's layer and one new one");
    let files = folder.path().join("files");
    assert_eq!(std::fs::read_to_string(files.join("hello")).unwrap(), "hello\n");
    let stored = std::fs::read_to_string(files.join("root/buildinfo/Dockerfile-demo-app-1.0-3")).unwrap();
    assert!(stored.starts_with(DOCKERFILE) && stored.contains("LABEL \"build-date\"="), "{stored}");
    let config = world.registry.config("demo/app:latest");
    assert_eq!(config["config"]["Labels"]["vcs-ref"], clone.head());
    assert_eq!((world.containers(), world.mounts()), (0, 0));
}
