//! What is told, and how, whatever the streams are: the real program on terminals, in pipes, into files and full disks.

use std::fs::{self, File, OpenOptions};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::json::{lines, only};
use crate::support::koji_hub::{End, TaskState};
use crate::support::osbs_world::OsbsWorld;
use crate::support::peers;
use crate::support::sandbox::{Finished, on_terminal};
use crate::support::world::{PATIENCE, Running, World};

use super::koji_build::quick_script;

/// Names and texts that try to take a terminal over.
const HOSTILE: &str = "b\u{1b}]0;title\u{7}\u{9b}2J\u{202e}x";

/// A world with a clone of its own.
fn world() -> World {
    let world = World::new();
    let _ = world.clone();
    world
}

/// Runs a command with standard output into a file or device.
fn into(world: &World, arguments: &[&str], out: File) -> Finished {
    let mut command = world.command(arguments);
    command.stdin(Stdio::null()).stdout(out).stderr(Stdio::piped());
    Running::new(command.spawn().unwrap(), &world.sandbox).finish()
}

/// A build that a host with a hostile name has, one log line of which is hostile, too; with all that was printed.
fn hostile_build(world: &World, mut running: Running<'_>) -> Finished {
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    task.open(HOSTILE);
    task.append("x86_64.log", format!("STEP 1/2: RUN {HOSTILE}\n"));
    let seen = running.read_until("STEP 1/2");
    // Long enough for bars to be drawn.
    let asked = world.hub.calls("listTaskOutput").len();
    world.hub.wait_for_calls("listTaskOutput", asked + 2, PATIENCE);
    task.close_ok();
    let finished = running.finish();
    Finished { stdout: seen + &finished.stdout, ..finished }
}

/// What of it is on a terminal where it may do harm.
fn harm(shown: &str) -> Vec<char> {
    shown.chars().filter(|c| ['\u{7}', '\u{9b}', '\u{202e}'].contains(c)).collect()
}

#[test]
fn a_full_disk_is_told_and_the_id_of_a_build_with_it() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [&["--nowait"][..], &["-q", "--nowait"]] {
        let world = world();
        let run = into(&world, arguments, full());
        assert_eq!(run.status, Some(7), "{arguments:?}: {run}");
        let id = world.hub.tasks()[0].id.to_string();
        assert!(run.stderr.contains("No space left on device") && run.stderr.contains(&id), "{arguments:?}: {run}");
    }
    // JSON has a line before anything is done: then nothing is.
    let world = world();
    for arguments in
        [&["--dry-run"][..], &["status", "--output", "json"], &["config", "show"], &["config", "show", "--json"]]
    {
        let run = into(&world, arguments, full());
        assert_eq!(run.status, Some(1), "{arguments:?}: {run}");
        assert!(run.stderr.contains("No space left on device"), "{arguments:?}: {run}");
    }
    assert!(world.hub.tasks().is_empty());
}

#[test]
fn a_reader_that_goes_away_ends_the_watching_of_a_quiet_build() {
    for arguments in [&["--heartbeat", "0"][..], &["-q"], &["--output", "json"]] {
        let world = world();
        let mut running = world.start(arguments);
        let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
        task.open("builder1");
        running.close_stdout();
        let run = running.finish();
        assert_eq!(run.status, Some(7), "{arguments:?}: {run}");
        assert_eq!(task.state(), TaskState::Open, "{arguments:?}: the build goes on");
        assert!(run.stderr.contains(&task.id.to_string()), "{arguments:?}: {run}");
    }
}

#[test]
fn a_terminal_shows_nothing_from_elsewhere_raw() {
    if peers::program("script").is_none() {
        return;
    }
    // Also where what is piped ends on the terminal, and where JSON is shown.
    for (arguments, more) in [(&[][..], ""), (&[], "| cat"), (&["--output", "json"], "")] {
        let world = world();
        let running = Running::start(on_terminal(&world.command(arguments), more), &world.sandbox);
        let run = hostile_build(&world, running);
        assert_eq!(run.status, Some(0), "{run}");
        assert!(run.stdout.contains("buildContainer (noarch)"), "{run}");
        assert!(run.stdout.contains("STEP 1/2"), "{run}");
        assert!(harm(&run.stdout).is_empty(), "{arguments:?} {more}: {:?}", run.stdout);
        let is_drawn = run.stdout.contains("\u{1b}[2K");
        assert_eq!(is_drawn, arguments.is_empty() && more.is_empty(), "{arguments:?} {more}: {:?}", run.stdout);
    }
}

#[test]
fn files_and_pipes_have_logs_as_they_are() {
    let world = world();
    let piped = hostile_build(&world, world.start(&[]));
    let path = world.sandbox.root().join("out.txt");
    let run = into(&world, &["watch", "--last"], File::create(&path).unwrap());
    assert_eq!(run.status, Some(0), "{run}");
    let filed = fs::read_to_string(path).unwrap();
    for text in [&piped.stdout, &filed] {
        assert!(text.contains(&format!("x86_64 | STEP 1/2: RUN {HOSTILE}\n")), "{text:?}");
        // But nothing of what is told about the build.
        let about = text.lines().filter(|line| !line.starts_with("x86_64"));
        assert!(harm(&about.collect::<String>()).is_empty(), "{text:?}");
    }
}

#[test]
fn a_failure_is_red_and_has_its_reason_once_on_a_terminal() {
    if peers::program("script").is_none() {
        return;
    }
    let world = world();
    let mut script = quick_script(End::Fail(2001, "Image build failed".into()));
    script.arches.clear();
    world.hub.script(script);
    let run = world.sandbox.finish(on_terminal(&world.command(&[]), ""));
    assert_eq!(run.status, Some(1), "{run}");
    assert_eq!(run.stdout.matches("Image build failed").count(), 1, "{run}");
    assert!(run.stdout.contains("\u{1b}[1;31mFAILED\u{1b}[0m"), "{:?}", run.stdout);
    assert!(run.stdout.contains("\u{1b}[1;31mfailed\u{1b}[0m"), "{:?}", run.stdout);
    // In two pipes each has it.
    let run = world.run(&["watch", "--last"]);
    assert!(run.stdout.contains("Image build failed") && run.stderr.contains("Reason: "), "{run}");
}

#[test]
fn quiet_leaves_the_result_on_every_server() {
    let world = world();
    world.hub.script(quick_script(End::Close));
    let run = world.run(&["-q"]);
    let id = world.hub.tasks()[0].id;
    let head = format!(
        "{id} buildContainer (noarch) completed successfully\nrepositories:\n  registry.example.org/hello@sha256:"
    );
    assert!(run.stdout.starts_with(&head), "{run}");
    assert_eq!(run.stderr, "", "{run}");
    assert_eq!(run.stdout.lines().filter(|line| line.contains(" | ")).count(), 0, "no logs: {run}");
    let run = world.run(&["-q", "--nowait"]);
    assert_eq!(run.stdout, format!("Created task: {}\n", world.hub.tasks().iter().map(|task| task.id).max().unwrap()));

    let osbs = OsbsWorld::new();
    let (build, run) = osbs.begin(&["-q"], &["clone"]);
    let clone = run.begin("clone", &["step"]);
    clone.log("step", b"words\n");
    clone.succeed();
    run.succeed(&json!({}));
    let finished = build.finish();
    assert!(finished.stdout.starts_with(&format!("{} PipelineRun completed successfully\n", run.name)), "{finished}");
    assert!(!finished.stdout.contains("words"), "{finished}");
    let finished = osbs.build(&["-q", "--nowait"]);
    assert!(finished.stdout.starts_with("Created build: ") && finished.stdout.lines().count() == 1, "{finished}");
}

#[test]
fn a_command_line_that_is_not_understood_is_told_in_json_too() {
    let world = world();
    let run = world.run(&["--output", "json", "--distt", "f42\u{1b}]0;t\u{7}"]);
    assert_eq!(run.status, Some(2), "{run}");
    let error = only(&run.stdout, "error");
    assert_eq!((&error["kind"], &error["exit_code"]), (&json!("usage"), &json!(2)), "{error}");
    assert!(error["message"].as_str().unwrap().contains("--distt"), "{error}");
    assert!(run.stderr.contains("--distt") && harm(&run.stderr).is_empty(), "{run}");
}

#[test]
fn a_command_line_that_is_not_understood_is_quoted_without_harm() {
    let world = world();
    for arguments in [&["--build-with", HOSTILE][..], &["--nonsense", HOSTILE], &[HOSTILE]] {
        let run = world.run(&[&["container-build"], arguments].concat());
        assert_eq!(run.status, Some(2), "{run}");
        assert!(harm(&run.stderr).is_empty(), "{run}");
    }
    let run = world.run(&["container-build", "--nonsense\u{202e}"]);
    assert!(run.stderr.contains("--nonsense"), "it is quoted: {run}");
    assert!(harm(&run.stderr).is_empty(), "{run}");
}

#[test]
fn warnings_notes_and_findings_are_in_the_json() {
    let world = world();
    world
        .sandbox
        .write("foo/Dockerfile", "FROM fedora:40\nLABEL Name=foo com.redhat.component=foo-container version=1-2\n");
    let run = world.run(&["check", "--offline", "--output", "json"]);
    assert_eq!(run.status, Some(4), "{run}");
    let stream = lines(&run.stdout);
    let found: Vec<_> = stream.iter().filter(|line| line["type"] == "finding").map(|line| line["id"].clone()).collect();
    assert!(found.contains(&json!("bad-version")) && found.contains(&json!("deprecated-label")), "{run}");
    let (check, error) = (only(&run.stdout, "check"), only(&run.stdout, "error"));
    assert_eq!(check["findings"].as_array().map(Vec::len), Some(found.len()), "{check}");
    let errors = check["findings"].as_array().unwrap().iter().filter(|found| found["severity"] == "error").cloned();
    assert_eq!(error["findings"], errors.collect::<serde_json::Value>(), "the reason: {error}");
    assert_eq!((&error["kind"], &error["exit_code"]), (&json!("refused"), &json!(4)), "{error}");
    assert!(run.stderr.contains("Could not execute check"), "who looks at it sees the end: {run}");
}

/// The lines of the README that give JSON to jq, as they stand there.
#[test]
fn the_readmes_lines_for_jq_do_what_they_say() {
    if peers::program("jq").is_none() {
        return;
    }
    let readme = include_str!("../README.md");
    let commands: Vec<&str> = readme.lines().filter(|line| line.contains("| jq ")).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    let world = world();
    world.hub.script(quick_script(End::Close));
    // The program by its name, with what the tests' programs need.
    let ours = world.command(&[]);
    let words: Vec<_> =
        std::iter::once(ours.get_program()).chain(ours.get_args()).map(|word| word.to_string_lossy()).collect();
    let wrapper =
        world.sandbox.write("bin/fedpkg-container-build", &format!("#!/bin/sh\nexec '{}' \"$@\"\n", words.join("' '")));
    succeed(Command::new("chmod").arg("+x").arg(&wrapper));
    let path = format!("{}:{}", world.sandbox.root().join("bin").display(), std::env::var("PATH").unwrap());
    let run = |line: &str| {
        let mut shell = world.command(&[]);
        let envs: Vec<_> =
            shell.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        shell = Command::new("sh");
        shell
            .env_clear()
            .envs(envs)
            .env("PATH", &path)
            .current_dir(world.sandbox.root().join("foo"))
            .args(["-c", line]);
        let run = world.sandbox.finish(shell);
        assert_eq!(run.status, Some(0), "{line}: {run}");
        run.stdout
    };
    let id = run(commands[0]);
    assert_eq!(id, format!("{}\n", world.hub.tasks()[0].id));
    assert!(run(commands[1]).starts_with("registry.example.org/hello@sha256:"));
    world
        .sandbox
        .write("foo/Dockerfile", "FROM fedora:40\nLABEL Name=foo com.redhat.component=foo-container version=1-2\n");
    assert!(run(commands[2]).contains("bad-version\tDockerfile\t2\n"));
}

fn succeed(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
