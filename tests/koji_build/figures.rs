//! How fast it is: printed, not judged. `cargo test --test main koji_build::figures -- --ignored --nocapture`, with the program that
//! `FEDPKG_CONTAINER_BUILD` names, so that two builds of it can be compared in one run.

use std::io::Read as _;
use std::process::Stdio;
use std::time::Instant;

use crate::support::world::{PATIENCE, World};

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[test]
#[ignore = "a measurement"]
fn from_enter_to_the_submitted_task() {
    let world = World::new();
    world.clone();
    let mut figures = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        let run = world.run(&["container-build", "--build-with", "koji", "--nowait"]);
        figures.push(began.elapsed().as_secs_f64() * 1e3);
        assert!(run.succeeded(), "{}", run.stderr);
    }
    eprintln!("from Enter to the end of --nowait: median {:.1} ms of {figures:.1?}", median(figures.clone()));
}

#[test]
#[ignore = "a measurement"]
fn a_long_log_through_a_pipe() {
    for (what, arguments) in [("text", vec![]), ("JSON", vec!["--output", "json"])] {
        let world = World::new();
        world.clone();
        let mut command = world.command(&[&["container-build", "--build-with", "koji"], arguments.as_slice()].concat());
        let mut build = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
        let line = |number| format!("{number:07} {}\n", "x".repeat(70));
        let lines: Vec<u8> = (0..1_282_000).flat_map(|number| line(number).into_bytes()).collect();
        let megabytes = f64::from(u32::try_from(lines.len()).unwrap()) / 1e6;
        let began = Instant::now();
        task.open("builder1");
        task.append("x86_64.log", lines);
        task.close_ok();
        let (mut stdout, mut buffer, mut count) = (build.stdout.take().unwrap(), vec![0; 1 << 20], 0);
        while let read @ 1.. = stdout.read(&mut buffer).unwrap() {
            count += read;
        }
        let seconds = began.elapsed().as_secs_f64();
        assert!(build.wait().unwrap().success());
        eprintln!("{megabytes:.1} MB of log as {what} ({count} bytes) in {seconds:.3} s from the first poll");
    }
}
