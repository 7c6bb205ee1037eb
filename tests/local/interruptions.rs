//! Builds that are stopped, asked to stop, or killed, and engines that are killed under them: what is told, and what is left.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use openssl::hash::MessageDigest;

use crate::support::digests::digest;
use crate::support::local_world::LocalWorld;
use crate::support::lookaside::Lookaside;
use crate::support::processes::{self, Process};
use crate::support::sandbox::Repository;
use crate::support::world::PATIENCE;

use super::failures::running;

/// At how many points builds are killed.
const POINTS: usize = 20;

/// Nothing is left that a build has while it runs.
fn assert_tidy(world: &LocalWorld, when: &str) {
    assert_eq!(world.containers(), 0, "working containers, {when}");
    assert_eq!(world.mounts(), 0, "mounts, {when}");
    let work: Vec<_> = fs::read_dir(world.cache().join("work")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(work.is_empty(), "{work:?}, {when}");
    assert_eq!(processes::of_folder(world.sandbox.root()), [], "{when}");
}

/// Waits until nothing runs any more that has to do with the sandbox.
fn assert_all_end(world: &LocalWorld, when: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = processes::of_folder(world.sandbox.root());
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{when}: {left:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A command that no other test runs.
fn nap() -> String {
    static NAPS: AtomicU32 = AtomicU32::new(10);
    format!("sleep 98765.{}", NAPS.fetch_add(1, Ordering::Relaxed))
}

/// Ways to sleep in `RUN`: as anybody, without listening to signals, and away from everybody else.
fn ways_to(nap: &str) -> [String; 3] {
    [nap.to_owned(), format!("trap '' INT TERM HUP; {nap}; {nap}"), format!("busybox setsid {nap} & {nap}1")]
}

/// Makes another commit with this in `RUN`.
fn now_running(clone: &Repository<'_>, command: &str) {
    clone.write("Dockerfile", &running(command));
    clone.commit("Run something else");
}
#[test]
fn a_build_that_is_asked_to_stop_is_cancelled_and_leaves_nothing() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone(&running("true"));
    let nap = nap();
    let nap = nap.as_str();
    let cases = ways_to(nap).map(|command| ("INT", command)).into_iter().chain([("TERM", nap.to_owned())]);
    for (signal, command) in cases {
        now_running(&clone, &command);
        let run = world.start(&["--push"]);
        processes::wait_for(nap, PATIENCE);
        run.signal(signal);
        let run = run.finish();
        let code = if signal == "INT" { 130 } else { 143 };
        assert_eq!(run.status, Some(code), "{signal} {command} {run}");
        assert!(run.stdout.contains("foo (x86_64) was canceled\n"), "{run}");
        assert!(!run.stderr.contains("Reason"), "{run}");
        assert_eq!(processes::mentioning(nap), [], "{signal} {command}");
        assert_tidy(&world, &format!("{signal} {command}"));
        assert!(world.registry.tags("demo/app").is_empty());
    }
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_the_next_build_removes_the_rest() {
    let Some(world) = LocalWorld::new() else { return };
    let nap = nap();
    let nap = nap.as_str();
    let clone = world.clone(&running(&ways_to(nap)[1]));
    let run = world.start(&["--scratch"]);
    processes::wait_for(nap, PATIENCE);
    run.signal("INT");
    std::thread::sleep(Duration::from_millis(5));
    run.signal("INT");
    let run = run.finish();
    assert_eq!(run.status, Some(130), "{run}");
    assert_all_end(&world, "nobody waits for anything");
    assert_eq!(processes::mentioning(nap), []);
    now_running(&clone, "true");
    let next = world.build(&["--scratch"]);
    assert!(next.succeeded(), "{next}");
    assert_tidy(&world, "after the next build");
}
#[test]
fn an_engine_that_is_killed_is_told_and_what_it_left_is_ended() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone(&running("true"));
    let nap = nap();
    let nap = nap.as_str();
    for command in ways_to(nap) {
        now_running(&clone, &command);
        let run = world.start(&["--push", "--output", "json"]);
        processes::wait_for(nap, PATIENCE);
        let engine = engines(&world).into_iter().find(|engine| engine.arguments.contains(" build ")).unwrap();
        engine.signal("KILL");
        let run = run.finish();
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.stdout.contains("building for x86_64: buildah was killed by signal 9"), "{run}");
        assert_eq!(processes::mentioning(nap), [], "{command}");
        assert_tidy(&world, &command);
    }
    now_running(&clone, "true");
    let next = world.build(&["--push"]);
    assert!(next.succeeded(), "{next}");
    assert_tidy(&world, "after the next build");
}

#[test]
fn everything_ends_by_itself_when_the_program_is_killed() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone(&running("true"));
    let nap = nap();
    let nap = nap.as_str();
    for command in ways_to(nap) {
        now_running(&clone, &command);
        let run = world.start(&["--scratch"]);
        processes::wait_for(nap, PATIENCE);
        run.signal("KILL");
        assert_eq!(run.finish().status, None);
        assert_all_end(&world, "without anybody to end it");
        assert_eq!(processes::mentioning(nap), [], "{command}");
        now_running(&clone, "true");
        let next = world.build(&["--scratch"]);
        assert!(next.succeeded(), "{next}");
        assert!(next.stdout.contains("what 1 killed build(s) had left here was removed"), "{next}");
        assert_tidy(&world, "after the next build");
    }
}

#[test]
fn a_build_that_begins_while_a_killed_ones_engine_still_ends_does_not_wait_for_it() {
    let Some(world) = LocalWorld::new() else { return };
    let nap = nap();
    let nap = nap.as_str();
    let clone = world.clone(&running(&ways_to(nap)[1]));
    let run = world.start(&["--scratch"]);
    processes::wait_for(nap, PATIENCE);
    // It cannot react to anything.
    let stopped: Vec<Process> = engines(&world);
    stopped.iter().for_each(|engine| engine.signal("STOP"));
    run.signal("KILL");
    assert_eq!(run.finish().status, None);
    now_running(&clone, "true");
    // Whoever waited for it would wait for ever.
    let next = world.build(&["--scratch"]);
    assert!(next.succeeded(), "{next}");
    assert_eq!(processes::mentioning(nap), []);
    assert_tidy(&world, "after the next build");
}

#[test]
fn what_run_leaves_in_the_background_ends_with_the_build() {
    let Some(world) = LocalWorld::new() else { return };
    let nap = nap();
    let nap = nap.as_str();
    let _clone = world.clone(&running(&format!("busybox setsid {nap} & echo hello > /hello")));
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(processes::mentioning(nap), []);
    assert_tidy(&world, "after a build with a daemon");
}

/// Programs that work for builds of this world.
fn engines(world: &LocalWorld) -> Vec<Process> {
    let ours = processes::of_folder(world.sandbox.root()).into_iter();
    ours.filter(|process| ["buildah", "skopeo"].contains(&process.name().as_str())).collect()
}

/// A world whose builds fetch, pull, run and push, each for a while.
fn busy_world(server: &Lookaside) -> Option<LocalWorld> {
    let world = LocalWorld::new()?;
    let content = vec![b'x'; 300_000];
    let sum = digest(MessageDigest::sha256(), &content);
    server.file("/big", &content);
    server.throttle(1_500_000);
    let clone = world.clone(&running("sleep 0.3; echo done > /done").replace("RUN", "COPY artifacts/big /\nRUN"));
    clone.write("fetch-artifacts-url.yaml", &format!("- url: {}/big\n  sha256: '{sum}'\n", server.url()));
    clone.commit("Fetch something");
    Some(world)
}

/// Starts a build that tells its events as JSON.
fn start(world: &LocalWorld) -> Child {
    let mut command = world.command(&["--push", "--output", "json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    command.spawn().unwrap()
}

/// Everything that a tag stands for can be had; tags that were looked at are not looked at again.
fn check_registry(world: &LocalWorld, known: &mut Vec<String>, when: &str) {
    for tag in world.registry.tags("demo/app") {
        let digest = world.registry.digest(&format!("demo/app:{tag}")).expect(when);
        if !known.contains(&digest) {
            let folder = tempfile::tempdir().unwrap();
            world.registry.unpack(&format!("demo/app:{tag}"), folder.path());
            assert_eq!(fs::read_to_string(folder.path().join("files/done")).unwrap(), "done\n", "{tag}, {when}");
            known.push(digest);
        }
    }
}

/// Every whole file of the cache is what its name says.
fn check_artifacts(world: &LocalWorld, when: &str) {
    let Ok(entries) = fs::read_dir(world.cache().join("artifacts/sha256")) else { return };
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_none()) {
        let sum = digest(MessageDigest::sha256(), &fs::read(&path).unwrap());
        assert_eq!(path.file_name().unwrap().to_str(), Some(sum.as_str()), "{when}");
    }
}

#[test]
fn a_build_killed_anywhere_leaves_nothing_that_the_next_one_does_not_clean() {
    // Two worlds, for two processors: in one of them the engine is killed too.
    std::thread::scope(|scope| {
        let killers = [false, true].map(|engine_too| scope.spawn(move || kill_everywhere(engine_too)));
        killers.into_iter().for_each(|killer| killer.join().unwrap());
    });
}

fn kill_everywhere(engine_too: bool) {
    let server = Lookaside::start();
    let Some(world) = busy_world(&server) else { return };
    let mut whole = start(&world);
    let count = BufReader::new(whole.stdout.take().unwrap()).lines().count();
    assert!(whole.wait().unwrap().success());
    assert!(count > 2 * POINTS, "{count} events");
    assert_tidy(&world, "after a build in peace");
    let mut known = Vec::new();
    for point in 0..POINTS / 2 {
        // Each world has half of the points, in turn.
        let after = (2 * point + usize::from(engine_too)) * count / POINTS;
        let when = format!("killed after {after} of {count} events, engine too: {engine_too}");
        fs::remove_dir_all(world.cache().join("artifacts")).unwrap();
        world.buildah(&["rmi", "--all", "--force"]);
        let mut build = start(&world);
        let mut events = BufReader::new(build.stdout.take().unwrap()).lines();
        events.by_ref().take(after).for_each(|event| drop(event.unwrap()));
        build.kill().unwrap();
        if engine_too {
            engines(&world).iter().for_each(|engine| engine.signal("KILL"));
        }
        build.wait().unwrap();
        check_registry(&world, &mut known, &when);
        check_artifacts(&world, &when);
        let next = world.build(&["--push"]);
        assert!(next.succeeded(), "{when}: {next}");
        assert_tidy(&world, &when);
        check_registry(&world, &mut known, &when);
        check_artifacts(&world, &when);
    }
}
