//! Checkouts that were only just begun: no commit, no remote, and no configuration but a registry.

use std::fs;

use crate::support::local_world::{DOCKERFILE, LocalWorld};
use crate::support::sandbox::Repository;

/// A folder with a Dockerfile that `git init` was run in, and a file with a section for builds on this machine alone.
fn begun(world: &LocalWorld) -> Repository<'_> {
    let address = world.registry.address();
    let section = format!("source_registry = {address}\nregistry = {address}\ninsecure_registries = {address}\n");
    world.sandbox.write("etc/fedpkg.conf", &format!("[fedpkg.local-build]\n{section}"));
    world.sandbox.git(world.sandbox.root(), &["init", "-q", "-b", "main", "foo"]);
    let clone = world.sandbox.repository("foo");
    clone.write("Dockerfile", DOCKERFILE);
    clone
}

#[test]
fn the_work_tree_is_built_before_there_is_a_commit() {
    let Some(world) = LocalWorld::new() else { return };
    let _foo = begun(&world);
    let refused = world.build(&[]);
    assert_eq!(refused.status, Some(1), "{refused}");
    assert!(refused.stderr.contains("branch main has no commit yet\n"), "{refused}");
    assert!(refused.stderr.contains("hint: --scratch --dirty builds what is not committed\n"), "{refused}");

    let dry = world.build(&["--scratch", "--dirty", "--dry-run"]);
    assert!(dry.succeeded() && dry.stdout.contains("Nothing was built."), "{dry}");
    let note = "the checkout has no remote that it is pushed to; building foo without what dist-git knows of it";
    let run = world.build(&["--scratch", "--dirty"]);
    assert!(run.succeeded(), "{run}");
    for run in [&dry, &run] {
        assert_eq!(run.stderr.matches(note).count(), 1, "{run}");
        assert_eq!(run.stderr.matches("dist-git").count(), 1, "what is not known is told once: {run}");
    }
    let built = fs::read_to_string(world.results().join("Dockerfile")).unwrap();
    assert!(built.contains("\"vcs-type\"=\"git\"") && !built.contains("vcs-ref"), "{built}");
}

#[test]
fn a_clone_from_elsewhere_is_built_and_its_commit_is_named() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = begun(&world);
    let commit = clone.commit("Begin");
    clone.git(&["remote", "add", "origin", "https://github.com/joe/foo"]);
    clone.git(&["checkout", "-q", "--detach"]);
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    assert!(!run.stderr.contains("no Koji hub is asked"), "nobody named one: {run}");
    assert!(run.stderr.contains("joe, of the push URL https://github.com/joe/foo, is none of dist-git's"), "{run}");
    let built = fs::read_to_string(world.results().join("Dockerfile")).unwrap();
    assert!(built.contains(&format!("\"vcs-ref\"=\"{commit}\"")), "{built}");
    let unique = world.registry.tags("demo/app").into_iter().find(|tag| tag.len() > 20);
    assert!(unique.as_deref().is_some_and(|tag| tag.starts_with("none-")), "{unique:?}");
}
