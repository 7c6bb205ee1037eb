//! Logs: every byte once, however they grow, on one request a poll.

use std::sync::Arc;

use crate::support::koji_hub::xmlrpc::Value;
use crate::support::koji_hub::{HubOptions, TaskHandle};
use crate::support::world::{PATIENCE, World};

/// So many numbered lines of 100 bytes.
fn numbered(lines: usize) -> Vec<u8> {
    (0..lines).flat_map(|number| format!("{number:08} {:<90}\n", "x").into_bytes()).collect()
}

/// The numbers shown of a log, in order.
fn numbers(stdout: &str) -> Vec<usize> {
    let lines = stdout.lines().filter_map(|line| line.split_once(" | "));
    lines.filter_map(|(_, text)| text.get(..8)?.parse().ok()).collect()
}

/// The size that a call of downloadTaskOutput asks for.
fn asked_for(call: &[Value]) -> i64 {
    let Some(Value::Struct(named)) = call.last() else { panic!("{call:?}") };
    match named.iter().find(|(name, _)| name == "size") {
        Some((_, Value::Int(size))) => *size,
        other => panic!("{other:?}"),
    }
}

fn finished_task(world: &World, log: &[u8]) -> TaskHandle {
    assert_eq!(world.run(&["--nowait"]).status, Some(0));
    let task = world.hub.task(world.hub.tasks()[0].id);
    task.open("builder1");
    task.append("x86_64.log", log);
    task.close_ok();
    task
}

#[test]
fn a_long_log_is_read_as_a_file_where_there_is_one_and_by_calls_where_not() {
    for (served, calls) in [(true, false), (false, true)] {
        let world = World::new();
        let _clone = world.clone();
        let _task = finished_task(&world, &numbered(50_000));
        world.hub.serve_files(served);
        world.hub.forget_requests();
        let run = world.run(&["watch"]);
        assert_eq!(run.status, Some(0), "{}", run.stderr);
        assert_eq!(numbers(&run.stdout), (0..50_000).collect::<Vec<_>>(), "served: {served}");
        let asked: i64 = world.hub.calls("downloadTaskOutput").iter().map(|call| asked_for(call)).sum();
        assert_eq!(asked > 4_000_000, calls, "{asked} bytes were asked for by calls");
    }
}

#[test]
fn a_file_that_is_cut_or_answers_nonsense_loses_nothing() {
    use crate::support::koji_hub::Fault;
    for fault in [Fault::CutBody, Fault::Reset, Fault::Html200, Fault::Status(500, "no"), Fault::OtherRange] {
        let world = World::new();
        let _clone = world.clone();
        let _task = finished_task(&world, &numbered(20_000));
        world.hub.inject("/kojifiles", fault.clone(), 1);
        let run = world.run(&["watch"]);
        assert_eq!(run.status, Some(0), "{fault:?} {}", run.stderr);
        assert_eq!(numbers(&run.stdout), (0..20_000).collect::<Vec<_>>(), "{fault:?}");
    }
}

#[test]
fn one_request_a_poll_whatever_the_number_of_logs() {
    let world = World::new();
    let _clone = world.clone();
    let mut running = world.start(&[]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    task.open("builder1");
    let logs: Vec<String> = ["x86_64", "aarch64", "ppc64le"]
        .iter()
        .flat_map(|arch| (0..5).map(move |number| format!("{arch}-{number}.log")))
        .collect();
    logs.iter().for_each(|log| task.append(log, "begin\n"));
    running.read_until("ppc64le-4");
    world.hub.forget_requests();
    let mut shown = String::new();
    for round in 0..4 {
        logs.iter().for_each(|log| task.append(log, format!("round {round}\n")));
        // One of them that is shown: the poll that brought it brought them all.
        shown += &running.read_until(&format!("| round {round}"));
    }
    let requests = world.hub.requests();
    task.close_ok();
    let run = running.finish();
    assert_eq!(run.status, Some(0), "{run}");
    shown += &run.stdout;
    assert_eq!(shown.matches("| round ").count(), 4 * logs.len(), "{shown}");
    // Each is a whole poll, of the build and of all its logs. Some see no news, or too much for one answer.
    assert!(requests.iter().all(|request| request.has("getTaskInfo")), "{requests:?}");
    assert!(requests.len() < 2 * logs.len(), "{} requests for four rounds of {} logs", requests.len(), logs.len());
}

#[test]
fn a_line_is_shown_at_the_next_poll() {
    let world = World::new();
    let _clone = world.clone();
    let mut running = world.start(&[]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    task.open("builder1");
    task.append("x86_64.log", "one\n");
    running.read_until("one");
    for number in 0..3 {
        let line = format!("line {number}");
        world.hub.forget_requests();
        task.append("x86_64.log", format!("{line}\n"));
        running.read_until(&line);
        // The poll under way, the next, which finds the line, one at once to look whether there is more, and one to spare.
        let polls = world.hub.requests().len();
        assert!(polls <= 4, "{polls} polls");
    }
    task.close_ok();
    assert_eq!(running.finish().status, Some(0));
}

#[test]
fn a_log_that_is_started_anew_is_told_and_read_again() {
    let world = World::new();
    let _clone = world.clone();
    let mut running = world.start(&[]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    task.open("builder1");
    task.append("x86_64.log", "of the first builder\n");
    running.read_until("of the first builder");
    task.free();
    running.read_until("-> free");
    task.restart();
    task.open("builder1");
    task.append("x86_64.log", "second\n");
    running.read_until("second");
    task.close_ok();
    let run = running.finish();
    assert_eq!(run.status, Some(0), "{run}");
    assert!(run.stderr.contains("x86_64.log was started anew"), "{run}");
}

#[test]
fn logs_of_other_volumes_and_of_children_are_read_too() {
    let world = World::new();
    let _clone = world.clone();
    let mut running = world.start(&[]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    task.open("builder1");
    task.append_on("vol2", "x86_64.log", "on another volume\n");
    let child = task.add_child("createContainer", "aarch64");
    child.open("builder1");
    child.append("build.log", "of a child\n");
    running.read_until("of a child");
    child.close_ok();
    task.close_ok();
    let run = running.finish();
    assert_eq!(run.status, Some(0), "{run}");
    assert!(
        run.stdout.contains(&format!("  {} createContainer (aarch64): open (builder1) -> closed", child.id)),
        "{run}"
    );
}

#[test]
fn filters_leave_other_logs_out() {
    let world = World::new();
    let _clone = world.clone();
    let task = finished_task(&world, b"of x86_64\n");
    task.append("aarch64.log", "of aarch64\n");
    task.append("osbs-build.log", "of the builder\n");
    let cases: [(&[&str], [bool; 3]); 4] = [
        (&[], [true, true, true]),
        (&["--log", "x86_64"], [true, false, false]),
        (&["--arch", "aarch64"], [false, true, false]),
        (&["--no-logs"], [false, false, false]),
    ];
    for (filter, expected) in cases {
        let run = world.run(&[&["watch"], filter].concat());
        let shown = ["of x86_64", "of aarch64", "of the builder"].map(|line| run.stdout.contains(line));
        assert_eq!((run.status, shown), (Some(0), expected), "{filter:?}: {run}");
    }
}

#[test]
fn files_that_nobody_serves_hold_up_neither_states_nor_other_logs() {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering};

    // It takes connections and never answers, as behind a firewall.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let topurl = format!("topurl = http://{}/kojifiles\n", silent.local_addr().unwrap());
    let (asked, given_up) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let flags = (Arc::clone(&asked), Arc::clone(&given_up));
    std::thread::spawn(move || {
        for mut stream in silent.incoming().map_while(Result::ok) {
            flags.0.store(true, Ordering::SeqCst);
            let mut request = Vec::new();
            let _ = stream.read_to_end(&mut request);
            flags.1.store(true, Ordering::SeqCst);
        }
    });
    let world = World::with(HubOptions::default(), "");
    let profile = std::fs::read_to_string(world.sandbox.home().join(".koji/config")).unwrap();
    let lines = profile.lines().filter(|line| !line.starts_with("topurl")).map(|line| format!("{line}\n"));
    world.sandbox.write("home/.koji/config", &(lines.collect::<String>() + &topurl));
    let _clone = world.clone();
    let mut running = world.start(&[]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    let long = numbered(20_000);
    task.open("builder1");
    task.append("x86_64.log", &long);
    task.append("aarch64.log", "first\n");
    running.read_until("first");
    while !asked.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    task.append("aarch64.log", "meanwhile\n");
    running.read_until("meanwhile");
    assert!(!given_up.load(Ordering::SeqCst), "the others were told while the file was waited for");
    task.close_ok();
    let run = running.finish();
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    assert_eq!(numbers(&run.stdout), (0..20_000).collect::<Vec<_>>(), "by calls");
}

#[test]
fn a_log_whose_name_cannot_be_asked_for_does_not_end_the_watching() {
    let world = World::new();
    let _clone = world.clone();
    let task = finished_task(&world, b"of x86_64\n");
    task.append("esc\u{1b}[31m.log", "never seen\n");
    let run = world.run(&["watch"]);
    assert_eq!(run.status, Some(0), "{run}");
    assert!(run.stdout.contains("of x86_64"), "{run}");
    assert_eq!(run.stderr.matches("does not work").count(), 1, "{run}");
    assert!(run.stderr.contains("esc\\u{1b}[31m.log") && !run.stderr.contains("\u{1b}[31m"), "{run}");
}
