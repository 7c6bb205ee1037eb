//! `--target-repo`: builds see the newest repository of the Koji target.

use crate::support::koji_hub::HubOptions;
use crate::support::local_world::LocalWorld;

const DOCKERFILE: &str = "FROM fedora:42\n\
    LABEL com.redhat.component=foo-container name=demo/app version=1.0 release=3\nRUN cat /etc/yum.repos.d/*-*.repo > /seen || true\n";

#[test]
fn a_build_sees_the_repository_of_its_target_and_does_not_keep_it() {
    let Some(world) = LocalWorld::with_hub(HubOptions::default(), "yum_proxy = http://proxy.example.com\n") else {
        return;
    };
    world.clone(DOCKERFILE);
    let run = world.build(&["--scratch", "--target-repo"]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stderr.contains("there is none for the tag f40-container-build"), "{run}");
    world.hub().change(|state| state.repos.insert("f40-container-build".to_owned(), 77));
    let run = world.build(&["--scratch", "--target-repo", "--push"]);
    assert!(run.succeeded(), "{run}");
    let folder = tempfile::tempdir().unwrap();
    let tag = world.registry.tags("demo/app").remove(0);
    let layers = world.registry.unpack(&format!("demo/app:{tag}"), folder.path());
    let seen = std::fs::read_to_string(folder.path().join("files/seen")).unwrap();
    let base =
        format!("baseurl={}/repos/f40-container-build/77/$basearch\n", world.hub().topurl().trim_end_matches('/'));
    assert!(seen.contains(&base) && seen.contains("proxy=http://proxy.example.com\n"), "{seen}");
    assert!(!layers[1].iter().any(|path| path.contains("candidate")), "{:?}", layers[1]);
}

#[test]
fn an_unknown_target_is_told() {
    let Some(world) = LocalWorld::with_hub(HubOptions::default(), "") else { return };
    world.clone(DOCKERFILE);
    let run = world.build(&["--scratch", "--target-repo", "--target", "f99-nothing"]);
    assert_eq!(run.status, Some(4), "{run}");
    assert!(run.stderr.contains("the Koji hub knows no target f99-nothing"), "{run}");
    assert!(!run.stdout.contains("STEP 1/"), "{run}");
}
