//! A build that is killed, wherever it is: nothing half is in the registry, and what it leaves the next build removes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use openssl::hash::{MessageDigest, hash};

use crate::support::local_world::LocalWorld;
use crate::support::lookaside::Lookaside;

/// At how many points builds are killed.
const POINTS: u32 = 20;
/// Tells this test's `sleep` from everybody else's.
const NAP: &str = "0.4137";

/// Processes that name the sandbox or the nap in their command line, or are rooted in the sandbox; zombies have neither.
fn processes(root: &Path) -> Vec<(u32, String)> {
    let root = root.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let rooted = fs::read_link(entry.path().join("root")).is_ok_and(|link| link.starts_with(&root));
        if line.contains(&root) || line.contains(NAP) || rooted {
            found.push((pid, line));
        }
    }
    found
}

/// Waits until there are none but the registry's, which has a folder of its own.
fn wait_for_silence(root: &Path) -> Vec<(u32, String)> {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let left = processes(root);
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A world whose builds fetch, pull, run and push.
fn world(server: &Lookaside) -> Option<LocalWorld> {
    let world = LocalWorld::new()?;
    let content = vec![b'x'; 300_000];
    let sum: String =
        hash(MessageDigest::sha512(), &content).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    server.file(&format!("/lookaside/foo/big/sha512/{sum}/big"), &content);
    server.throttle(1_500_000);
    let config = world.sandbox.root().join("etc/fedpkg.conf");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("https://src.example.com/repo/pkgs\n", &format!("{}/lookaside\n", server.url())))
        .unwrap();
    let clone = world.clone(&format!(
        "FROM fedora:42\nLABEL com.redhat.component=foo-container name=demo/app version=1.0 release=3\n\
         COPY big /\nRUN sleep {NAP}\nRUN sleep {NAP}; echo done > /done\n"
    ));
    clone.write("sources", &format!("SHA512 (big) = {sum}\n"));
    clone.commit("Fetch something");
    Some(world)
}

/// Everything that a tag stands for can be had.
fn check_registry(world: &LocalWorld) {
    for tag in world.registry.tags("demo/app") {
        let folder = tempfile::tempdir().unwrap();
        let layers = world.registry.unpack(&format!("demo/app:{tag}"), folder.path());
        assert_eq!(layers.len(), 2, "{tag}");
        assert_eq!(fs::read_to_string(folder.path().join("files/done")).unwrap(), "done\n", "{tag}");
    }
}

fn check_nothing_left(world: &LocalWorld, what: &str) {
    assert_eq!(world.containers(), 0, "working containers, {what}");
    assert_eq!(world.mounts(), 0, "mounts, {what}");
    let work: Vec<_> = fs::read_dir(world.cache().join("work")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(work.is_empty(), "{work:?}, {what}");
    let left = wait_for_silence(world.sandbox.root());
    assert!(left.is_empty(), "{left:?}, {what}");
}

#[test]
fn a_build_killed_anywhere_leaves_nothing_that_the_next_one_does_not_remove() {
    let server = Lookaside::start();
    let Some(world) = world(&server) else { return };
    let began = Instant::now();
    let whole = world.build(&["--push"]);
    assert!(whole.succeeded(), "{whole}");
    let took = began.elapsed();
    check_nothing_left(&world, "after a build in peace");
    for point in 0..POINTS {
        // Everything has to be fetched and pulled again, so that there is something to be killed at.
        let artifacts = world.cache().join("artifacts");
        let _ = fs::remove_dir_all(&artifacts);
        world.buildah(&["rmi", "--all", "--force"]);
        let running = world.start(&["--push"]);
        let delay = took * point / POINTS;
        std::thread::sleep(delay);
        running.signal("KILL");
        let _ = running.finish();
        let engine = point % 2 == 1;
        if engine {
            for (pid, line) in processes(world.sandbox.root()) {
                if line.contains("buildah") || line.contains("skopeo") {
                    let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
                }
            }
        }
        let what = format!("killed after {delay:?}{}", if engine { ", buildah too" } else { "" });
        check_registry(&world);
        let next = world.build(&["--push"]);
        assert!(next.succeeded(), "{what}: {next}");
        check_nothing_left(&world, &what);
    }
    check_registry(&world);
}

#[test]
fn an_engine_whose_master_is_killed_ends_by_itself() {
    let server = Lookaside::start();
    let Some(world) = world(&server) else { return };
    let mut running = world.start(&[]);
    running.read_until("STEP 4/");
    running.signal("KILL");
    let _ = running.finish();
    let left = wait_for_silence(world.sandbox.root());
    assert!(left.is_empty(), "{left:?}");
    let next = world.build(&[]);
    assert!(next.succeeded(), "{next}");
    check_nothing_left(&world, "after the next build");
}
