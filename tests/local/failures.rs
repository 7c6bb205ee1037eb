//! What goes wrong while an image is built, and what is told of it; what must never be told.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;

use crate::support::local_world::{DOCKERFILE, LocalWorld};
use crate::support::lookaside::{Lookaside, Trick};
use crate::support::peers;
use crate::support::processes;
use crate::support::sandbox::Finished;
use crate::support::sandbox::on_terminal;

/// A Dockerfile that does this in `RUN`.
pub(super) fn running(command: &str) -> String {
    DOCKERFILE.replace("RUN echo hello > /hello", &format!("RUN {command}"))
}

/// The events of a run with `--output json`.
fn events(run: &Finished) -> Vec<Json> {
    let lines = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}\n{run}")));
    lines.collect()
}

fn finished(run: &Finished) -> Json {
    let events = events(run);
    let last = events.last().cloned().unwrap_or_default();
    assert_eq!(last["type"], "finished", "{run}");
    last
}
#[test]
fn a_run_that_fails_is_told_with_its_exit_code_its_last_lines_and_the_whole_logs_place() {
    let Some(world) = LocalWorld::new() else { return };
    let _clone = world.clone(&running("echo the reason is this; echo and that >&2; exit 42"));
    let run = world.build(&["--push"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stdout.contains(") failed\n"), "{run}");
    assert!(run.stderr.contains("\nThe last lines of x86_64-build.log:\n"), "{run}");
    for line in ["  the reason is this\n", "  and that\n"] {
        assert!(run.stderr.contains(line), "{line} {run}");
    }
    let log = world.results().join("x86_64-build.log");
    let shown = world.sandbox.normalised(log.to_string_lossy().as_bytes());
    assert!(run.stderr.contains(&format!("The whole log: {shown}\n")), "{run}");
    let text = fs::read_to_string(log).unwrap();
    assert!(text.contains("\nthe reason is this\n") && text.contains("\nand that\n"), "{text}");
    assert!(world.registry.tags("demo/app").is_empty());
    assert_eq!((world.containers(), world.mounts()), (0, 0));

    let run = world.build(&["--push", "--output", "json"]);
    assert_eq!(run.status, Some(1), "{run}");
    let outcome = finished(&run);
    assert_eq!((&outcome["outcome"], &outcome["failure"]["code"]), (&"failed".into(), &42.into()), "{outcome:#}");
    let tail = outcome["failure"]["log"]["tail"].as_array().unwrap();
    assert!(tail.iter().any(|line| line == "and that"), "{outcome:#}");
    let kept: Json = serde_json::from_slice(&fs::read(world.results().join("result.json")).unwrap()).unwrap();
    assert_eq!(kept["failure"]["code"], 42);
}

#[test]
fn what_run_prints_decides_neither_exit_code_nor_hint() {
    let Some(world) = LocalWorld::new() else { return };
    let words = [
        "SyntaxError: unexpected EOF while parsing",
        "HTTP 401 unauthorized in test_login",
        "x509: certificate signed by unknown authority",
        "connection refused",
        "no space left on device (mock)",
        "manifest unknown",
        "Error: reading the registry: connection refused",
        "newuidmap: no subuid ranges found",
    ];
    let clone = world.clone(DOCKERFILE);
    for words in words {
        clone.write("Dockerfile", &running(&format!("echo '{words}'; echo '{words}' >&2; exit 1")));
        clone.commit("Other words");
        let run = world.build(&["--scratch"]);
        assert_eq!(run.status, Some(1), "{words} {run}");
        assert!(!run.stderr.contains("hint:"), "{words} {run}");
        assert!(run.stdout.contains(words), "{words} {run}");
    }
}

#[test]
fn servers_that_do_not_answer_or_refuse_the_user_have_codes_of_their_own() {
    let Some(world) = LocalWorld::new() else { return };
    let _clone = world.clone(DOCKERFILE);
    let server = Lookaside::start();
    let path = "/extra.repo";
    server.file(path, b"[extra]\nbaseurl=https://example.com\n");
    let cases = [
        (Trick::Status(404), 1),
        (Trick::Status(401), 5),
        (Trick::Status(403), 5),
        (Trick::Status(503), 6),
        (Trick::Reset, 6),
    ];
    for (trick, code) in cases {
        server.tricks(path, [trick.clone()]);
        let before = server.requests().len();
        let run = world.build(&["--scratch", "--repo-url", &(server.url() + path)]);
        assert_eq!(server.requests().len(), before + 1, "{trick:?} {run}");
        assert_eq!(run.status, Some(code), "{trick:?} {run}");
        assert!(!run.stdout.contains("STEP 1"), "{trick:?} {run}");
    }
    let run = world.build(&["--scratch", "--repo-url", "http://127.0.0.1:1/extra.repo"]);
    assert_eq!(run.status, Some(6), "{run}");
    world.configure("authfile = /nowhere/auth.json\n");
    let run = world.build(&["--scratch"]);
    assert_eq!(run.status, Some(5), "{run}");
}
#[test]
fn what_run_prints_cannot_be_taken_for_the_engines_words() {
    let Some(world) = LocalWorld::new() else { return };
    let words = "STEP 9/9: fake\\nSuccessfully tagged localhost/other:latest\\nError: no\\n";
    let _clone = world.clone(&running(&format!("printf '{words}{:064}\\n'", 7)));
    let run = world.build(&["--push", "--output", "json"]);
    assert_eq!(run.status, Some(0), "{run}");
    let outcome = finished(&run);
    assert_eq!(outcome["outcome"], "succeeded");
    let digest = world.registry.digest("demo/app:1.0-3").unwrap();
    let by_digest = format!("{}/demo/app@{digest}", world.registry.address());
    assert_eq!(outcome["repositories"][0], by_digest.as_str());
    let log = fs::read_to_string(world.results().join("x86_64-build.log")).unwrap();
    assert!(log.contains("\nSTEP 9/9: fake\nSuccessfully tagged localhost/other:latest\nError: no\n"), "{log}");
}

#[test]
fn control_sequences_of_run_are_harmless_on_a_terminal_and_kept_in_the_log() {
    let Some(world) = LocalWorld::new() else { return };
    if peers::program("script").is_none() {
        return;
    }
    let _clone = world.clone(&running("printf 'one\\033[2Jtwo\\033]0;title\\007three\\n'; exit 7"));
    let raw = "one\x1b[2Jtwo\x1b]0;title\x07three";
    // A pipe gets what there is.
    let run = world.build(&["--scratch"]);
    assert!(run.stdout.contains(raw), "{run}");
    assert!(run.stderr.contains("  onetwothree\n"), "the summary is for people: {run}");
    assert!(fs::read_to_string(world.results().join("x86_64-build.log")).unwrap().contains(raw));
    let on_terminal = world.sandbox.finish(on_terminal(&world.command(&["--scratch"]), ""));
    assert!(on_terminal.stdout.contains("onetwothree"), "{on_terminal}");
    for sequence in ["\x1b[2J", "\x1b]0;"] {
        assert!(!on_terminal.stdout.contains(sequence), "{on_terminal}");
    }
    assert_eq!(on_terminal.status, Some(1), "{on_terminal}");
    assert!(fs::read_to_string(world.results().join("x86_64-build.log")).unwrap().contains(raw));
}

#[test]
fn the_value_of_a_secret_build_argument_is_told_to_nobody() {
    let Some(world) = LocalWorld::new() else { return };
    let secret = "tok-5Vd2xPqL";
    let dockerfile =
        running("sleep 1.73573 && test \"$API_TOKEN\" = tok-5Vd2xPqL").replace(secret, "$(cat /etc/expected)");
    let base = crate::support::images::BaseImage::default().file("/etc/expected", secret.as_bytes());
    base.push(&world.registry, "fedora:42");
    let _clone = world.clone(&dockerfile.replace("RUN", "ARG API_TOKEN\nRUN"));
    for output in ["text", "json"] {
        let mut command = world.command(&["--scratch", "--build-arg", "API_TOKEN", "--output", output]);
        command.env("API_TOKEN", secret).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ours = command.spawn().unwrap();
        let id = ours.id();
        let run = crate::support::world::Running::new(ours, &world.sandbox);
        processes::wait_for("sleep 1.73573", Duration::from_secs(20));
        let tell = processes::mentioning(secret).into_iter().filter(|process| process.id != id).collect::<Vec<_>>();
        assert_eq!(tell, []);
        let run = run.finish();
        assert!(run.succeeded(), "{run}");
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{run}");
        let told = run.stdout.clone() + &run.stderr;
        assert!(told.contains("build argument API_TOKEN looks like a secret"), "{run}");
        assert!(told.contains("build argument API_TOKEN=***"), "{run}");
        for entry in fs::read_dir(world.results()).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains(secret), "{}", path.display());
        }
    }
}
#[test]
fn build_arguments_reach_the_image_and_not_the_engine() {
    let Some(world) = LocalWorld::new() else { return };
    let names = ["LD_PRELOAD", "PATH", "TMPDIR", "HOME", "REGISTRY_AUTH_FILE"];
    let arguments: String = names.iter().map(|name| format!("ARG {name}\n")).collect();
    let shown = names.iter().map(|name| format!("{name}=${name};")).collect::<String>();
    // In brackets, so that the line of the instruction is not taken for what it prints.
    let dockerfile = running(&format!("echo \"[{shown}]\"")).replace("RUN", &format!("{arguments}RUN"));
    let _clone = world.clone(&dockerfile);
    let values = ["/nowhere/x.so", "/bin:/opt/x", "/var/x", "/image/home", "/nowhere/auth.json"];
    let mut options = vec!["--scratch".to_owned()];
    for (name, value) in names.iter().zip(values) {
        options.extend(["--build-arg".to_owned(), format!("{name}={value}")]);
    }
    let run = world.build(&options.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(run.succeeded(), "{run}");
    // What the base image says of a variable beats an argument; the engine goes by neither.
    let inside = values.map(|value| if value.starts_with("/bin:") { "/usr/bin:/bin" } else { value });
    let expected: String = names.iter().zip(inside).map(|(name, value)| format!("{name}={value};")).collect();
    assert!(run.stdout.contains(&format!("[{expected}]")), "{run}");
    // A name alone has the user's value, also where the engine has another.
    let mut command = world.command(&["--scratch", "--build-arg", "TMPDIR", "--build-arg", "HOME"]);
    let tmp = world.sandbox.root().join("tmp");
    fs::create_dir(&tmp).unwrap();
    command.env("TMPDIR", &tmp);
    let run = world.sandbox.finish(command);
    assert!(run.succeeded(), "{run}");
    assert!(run.stdout.contains("TMPDIR=$ROOT/tmp;HOME=$ROOT/home;"), "{run}");
}

#[test]
fn a_proxys_password_reaches_neither_run_nor_any_log() {
    let Some(mut world) = LocalWorld::new() else { return };
    let proxy = "http://user:secretpw@127.0.0.1:9";
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"] {
        world.sandbox.set_variable(name, proxy);
    }
    world.sandbox.set_variable("no_proxy", "127.0.0.1");
    world.sandbox.set_variable("NO_PROXY", "127.0.0.1");
    let clone = world.clone(&running("env > /environment; cat /environment"));
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    let config = world.registry.config("demo/app:latest").to_string();
    assert!(!config.contains("secretpw"), "{config}");
    let folder = tempfile::tempdir().unwrap();
    world.registry.unpack("demo/app:latest", folder.path());
    let environment = fs::read_to_string(folder.path().join("files/environment")).unwrap();
    assert!(!environment.to_ascii_lowercase().contains("proxy"), "{environment}");
    assert_nowhere(&world, &run, "secretpw");
    // Servers that are asked through the proxy, which does not answer.
    let run = world.build(&["--scratch", "-v", "--repo-url", "https://src.example.com/some.repo"]);
    assert_eq!(run.status, Some(6), "{run}");
    assert!(run.stderr.contains("Failed to fetch yum repo"), "{run}");
    assert_nowhere(&world, &run, "secretpw");
    world.configure("pull_registries = registry.example.com\n");
    clone.write("Dockerfile", &DOCKERFILE.replace("FROM fedora:42", "FROM registry.example.com/fedora:42"));
    clone.commit("Another registry");
    let run = world.build(&["--push", "-v"]);
    assert_eq!(run.status, Some(6), "{run}");
    assert_nowhere(&world, &run, "secretpw");
}

fn assert_nowhere(world: &LocalWorld, run: &Finished, text: &str) {
    assert!(!run.stdout.contains(text) && !run.stderr.contains(text), "{run}");
    for entry in fs::read_dir(world.results()).unwrap() {
        let path = entry.unwrap().path();
        assert!(!String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(text), "{}", path.display());
    }
}
#[test]
fn with_a_source_date_the_same_commit_gives_the_same_image() {
    let Some(mut world) = LocalWorld::new() else { return };
    world.sandbox.set_variable("SOURCE_DATE_EPOCH", "1714564800");
    let dockerfile = DOCKERFILE.replace("RUN", "COPY files /files\nRUN");
    let clone = world.clone(&dockerfile);
    clone.write("files/one", "1");
    clone.write("files/below/two", "2");
    clone.commit("Files");
    let image = || {
        let run = world.build(&["--scratch", "--push"]);
        assert!(run.succeeded(), "{run}");
        let line = run.stdout.lines().find_map(|line| line.split_once(": image sha256:")).expect("an image");
        line.1.split(',').next().unwrap().to_owned()
    };
    let first = image();
    // Other times in the checkout, as a fresh clone has them.
    let status = Command::new("find")
        .arg(&clone.path)
        .args(["-name", ".git", "-prune", "-o", "-exec", "touch", "{}", "+"])
        .status();
    assert!(status.unwrap().success());
    assert_eq!(first, image());
    let tags = world.registry.tags("demo/app");
    let digests: BTreeSet<_> = tags.iter().map(|tag| world.registry.digest(&format!("demo/app:{tag}"))).collect();
    assert_eq!((tags.len(), digests.len()), (2, 1), "{tags:?}");
}
#[test]
fn two_builds_at_once_do_not_disturb_each_other() {
    let Some(world) = LocalWorld::new() else { return };
    let _clone = world.clone(&running("sleep 0.7; echo hello > /hello; cat /proc/self/mountinfo > /dev/null"));
    let runs = [world.start(&["--scratch", "--push"]), world.start(&["--scratch", "--push"])];
    for run in runs.map(crate::support::world::Running::finish) {
        assert!(run.succeeded(), "{run}");
    }
    let folder = world.results();
    let logs: Vec<_> = fs::read_dir(folder.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(logs.len(), 2);
    for folder in logs {
        let log = fs::read_to_string(folder.join("workflow.log")).unwrap();
        assert_eq!(log.matches(" push: done\n").count(), 1, "{log}");
        assert!(folder.join("x86_64-build.log").exists() && folder.join("result.json").exists());
    }
    assert_eq!(world.registry.tags("demo/app").len(), 2);
    assert_eq!((world.containers(), world.mounts()), (0, 0));
    assert_eq!(fs::read_dir(world.cache().join("work")).unwrap().count(), 0);
}
#[test]
fn a_user_without_ranges_of_ids_is_told_so_before_anything_is_built() {
    let cases = [
        (65534, 4, "nobody has no range of ids in /etc/subuid", "usermod --add-subuids"),
        (54321, 4, "user 54321 has no entry in the list of users", "getent passwd"),
    ];
    for (id, code, problem, hint) in cases {
        let Some(world) = LocalWorld::new() else { return };
        let _clone = world.clone(DOCKERFILE);
        let before = world.registry.requests();
        let Some(run) = as_somebody(&world, id, &["--scratch"]) else { return };
        assert_eq!(run.status, Some(code), "{run}");
        let lines: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("Could not execute")).collect();
        assert!(lines.len() == 1 && lines[0].contains(problem), "{run}");
        assert!(run.stderr.contains(hint), "{run}");
        assert!(!run.stdout.contains("STEP"), "{run}");
        assert_eq!(world.registry.requests(), before, "nothing was asked for");
    }
}

/// Builds as another user; only root can become somebody else.
fn as_somebody(world: &LocalWorld, id: u32, arguments: &[&str]) -> Option<Finished> {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "only root can become somebody else");
        peers::skip("root");
        return None;
    }
    let owned = Command::new("chown").args(["-R", &format!("{id}:{id}")]).arg(world.sandbox.root()).status();
    assert!(owned.unwrap().success());
    let command = world.command(arguments);
    let mut somebody = Command::new("setpriv");
    somebody.args(["--reuid", &id.to_string(), "--regid", &id.to_string(), "--clear-groups"]);
    somebody.arg(command.get_program()).args(command.get_args());
    somebody.current_dir(command.get_current_dir()?).env_clear();
    for (name, value) in command.get_envs() {
        somebody.env(name, value.unwrap_or_default());
    }
    Some(world.sandbox.finish(somebody))
}

#[test]
fn folders_that_cannot_be_used_are_named() {
    let Some(world) = LocalWorld::new() else { return };
    let _clone = world.clone(DOCKERFILE);
    let file = world.sandbox.write("a-file", "");
    for variable in ["XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        let mut command = world.command(&["--scratch"]);
        command.env(variable, &file);
        let run = world.sandbox.finish(command);
        assert_eq!(run.status, Some(1), "{variable} {run}");
        assert!(run.stderr.contains("cannot create $ROOT/a-file/fedpkg-container-build"), "{variable} {run}");
        assert!(run.stderr.contains(variable), "{variable} {run}");
    }
    let mut command = world.command(&["--scratch"]);
    command.env_remove("HOME");
    let run = world.sandbox.finish(command);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("set HOME, or XDG_CACHE_HOME and XDG_STATE_HOME"), "{run}");
}

#[test]
fn a_full_disk_is_told_as_one() {
    let Some(world) = LocalWorld::new() else { return };
    let _clone = world.clone(DOCKERFILE);
    let command = world.command(&["--scratch"]);
    // A cache that the base image does not fit into.
    let mut small = Command::new("unshare");
    let script = "mkdir -p \"$0\" && mount -t tmpfs -o size=1m,mode=700 none \"$0\" && exec \"$@\"";
    small.args(["--mount", "sh", "-c", script]).arg(world.cache());
    small.arg(command.get_program()).args(command.get_args());
    small.current_dir(command.get_current_dir().unwrap()).env_clear();
    for (name, value) in command.get_envs() {
        small.env(name, value.unwrap_or_default());
    }
    let run = world.sandbox.finish(small);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("no space left on device"), "{run}");
    assert!(run.stderr.contains("make room where the cache is"), "{run}");
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_build() {
    for arguments in [&["--push"][..], &["--push", "--output", "json"]] {
        let Some(world) = LocalWorld::new() else { return };
        let _clone = world.clone(&running("seq 1 20000; sleep 0.3; seq 1 20000"));
        let mut run = world.start(arguments);
        run.read_until("fedora");
        run.close_stdout();
        let run = run.finish();
        assert!(run.succeeded(), "{arguments:?} {run}");
        assert!(world.registry.digest("demo/app:1.0-3").is_some(), "{arguments:?} {run}");
        assert!(!run.stderr.contains("panicked"), "{run}");
        assert_eq!((world.containers(), world.mounts()), (0, 0));
    }
}
