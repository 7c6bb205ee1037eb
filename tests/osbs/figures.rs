//! How fast it is: printed, not judged. `cargo test --test main osbs::figures -- --ignored --nocapture`, with the program that
//! `FEDPKG_CONTAINER_BUILD` names, so that two builds of it can be compared in one run.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::osbs_world::OsbsWorld;

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[test]
#[ignore = "a measurement"]
fn from_enter_to_the_created_run() {
    let mut figures = Vec::new();
    for _ in 0..10 {
        let world = OsbsWorld::new();
        let _clone = world.clone();
        let began = Instant::now();
        let run = world.build(&["--nowait"]);
        figures.push(began.elapsed().as_secs_f64() * 1e3);
        assert!(run.succeeded(), "{run}");
    }
    eprintln!("from Enter to the end of --nowait: median {:.1} ms of {figures:.1?}", median(figures.clone()));
}

#[test]
#[ignore = "a measurement"]
fn from_a_containers_line_to_the_terminal() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"number 0\n");
    build.read_until("number 0");
    let mut figures = Vec::new();
    for number in 1..100 {
        std::thread::sleep(Duration::from_millis(15));
        let written = Instant::now();
        task.log("step", format!("number {number}.\n").as_bytes());
        build.read_until(&format!("number {number}."));
        figures.push(written.elapsed().as_secs_f64() * 1e3);
    }
    let most = figures.iter().copied().fold(0.0, f64::max);
    eprintln!("from a container's line to standard output: median {:.2} ms, at most {most:.2} ms", median(figures));
    task.succeed();
    run.succeed(&json!({}));
    assert!(build.finish().succeeded());
}

#[test]
#[ignore = "a measurement"]
fn a_long_log_through_a_pipe() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    let mut command = world.command(&["container-build", "--build-with", "osbs"]);
    let mut build = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let run = world.server.await_run();
    run.start(&["clone"], &[]);
    let task = run.begin("clone", &["step"]);
    let lines: String = (0..7000).map(|number| format!("{number:07} {}\n", "x".repeat(70))).collect();
    let mut stdout = build.stdout.take().unwrap();
    let counted = std::thread::spawn(move || {
        let (mut count, mut buffer) = (0, vec![0; 1 << 20]);
        let mut first = None;
        while let Ok(read @ 1..) = stdout.read(&mut buffer) {
            count += read;
            if count > 100_000 {
                first.get_or_insert_with(Instant::now);
            }
        }
        (count, first.map_or(0.0, |first| first.elapsed().as_secs_f64()))
    });
    // It is all there before it is asked for.
    for _ in 0..100 {
        task.log("step", lines.as_bytes());
    }
    task.succeed();
    run.succeed(&json!({}));
    let mut peak = String::new();
    while build.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", build.id())).unwrap_or_default();
        if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM")) {
            line.clone_into(&mut peak);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (count, seconds) = counted.join().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let megabytes = count as f64 / 1e6;
    eprintln!("{megabytes:.1} MB of log in {seconds:.3} s: {:.0} MB/s; {peak}", megabytes / seconds);
}
