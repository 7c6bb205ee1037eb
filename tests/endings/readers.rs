//! Who reads slowly gets everything, however long that takes: what a limit counts is the server's time, not the reader's.

use serde_json::json;

use crate::support::osbs_world::OsbsWorld;
use crate::support::sandbox::Finished;
use crate::support::world::{PATIENCE, World};

/// What a slow terminal takes in a second.
const BYTES_PER_SECOND: usize = 200_000;
/// Ten seconds of it: more than a log's end is waited for, and more than pipes and channels hold.
const LINES: usize = 20_000;

fn numbered() -> Vec<u8> {
    (0..LINES).flat_map(|number| format!("{number:08} {:>90}\n", "x").into_bytes()).collect()
}

fn assert_whole(run: &Finished) {
    assert!(run.succeeded(), "{}", run.stderr);
    let lines = run.stdout.lines().filter_map(|line| line.split_once(" | "));
    // A line that is cut is none.
    let whole = lines.filter(|(_, text)| text.ends_with(" x"));
    let numbers: Vec<usize> = whole.filter_map(|(_, text)| text.get(..8)?.parse().ok()).collect();
    assert!(numbers.iter().copied().eq(0..LINES), "{} lines, {}", numbers.len(), run.stderr);
}

#[test]
fn who_reads_slowly_gets_all_lines_of_a_koji_log() {
    let world = World::new();
    world.clone();
    let running = world.start(&["container-build", "--build-with", "koji"]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    task.open("builder1");
    task.append("x86_64.log", numbered());
    task.close_ok();
    assert_whole(&running.finish_slowly(BYTES_PER_SECOND));
}

#[test]
fn who_reads_slowly_gets_all_lines_of_a_log_on_a_cluster_before_its_run_is_deleted() {
    let world = OsbsWorld::new();
    let (build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", &numbered());
    task.succeed();
    run.succeed(&json!({}));
    let finished = build.finish_slowly(BYTES_PER_SECOND);
    assert_whole(&finished);
    assert_eq!(world.server.requests("DELETE ").len(), 1, "{}", finished.stderr);
}
