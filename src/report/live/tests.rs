use std::sync::{Arc, Mutex};

use bytes::Bytes;
use indicatif::{InMemoryTerm, TermLike as _};

use super::*;
use crate::event::{
    BuilderName, ConfigReport, ConfigValue, DryRun, Failure, FailureLog, Fault, Finding, KojiBuild, LogId,
};
use crate::report::mode::{Color, Format, Surroundings};
use crate::report::reader::Stream;

/// How builds on Koji are told.
static LIKE_KOJI: Manner = Manner {
    created: Some("task"),
    outlives_us: true,
    ids_in_lines: true,
    counters: true,
    progress: ProgressFrom::Tasks,
    logs_by_name: false,
    whole_result: true,
};
/// How builds on a cluster are told.
static LIKE_OSBS: Manner = Manner {
    created: Some("build"),
    ids_in_lines: false,
    counters: false,
    progress: ProgressFrom::Counted,
    logs_by_name: true,
    ..LIKE_KOJI
};
/// How builds on this machine are told.
static LIKE_LOCAL: Manner =
    Manner { created: None, outlives_us: false, progress: ProgressFrom::Steps, whole_result: false, ..LIKE_OSBS };

/// A stream that can still be read when the reporter has it.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

fn mode(terminal: bool, color: Color, quiet: bool) -> OutputMode {
    let stream = if terminal { Stream::Terminal } else { Stream::Pipe };
    let around = Surroundings {
        stdout: stream,
        stderr: stream,
        one_place: terminal,
        no_color: false,
        force_color: false,
        plain: false,
        utf8: true,
    };
    OutputMode { bars: false, ..OutputMode::decide(Format::Text, color, quiet, &around) }
}

fn log(name: &str) -> Arc<LogId> {
    Arc::new(LogId { task: 25.into(), volume: Some("DEFAULT".into()), name: name.into() })
}

fn opened(name: &str, arch: Option<&str>) -> BuildEvent {
    BuildEvent::LogOpened { log: log(name), arch: arch.map(Arc::from) }
}

fn appended(name: &str, bytes: &'static [u8]) -> BuildEvent {
    BuildEvent::LogAppended { log: log(name), offset: 0, bytes: Bytes::from_static(bytes) }
}

fn task(state: TaskState) -> BuildEvent {
    let label = "buildContainer (noarch)".to_owned();
    BuildEvent::TaskOpened { task: 25.into(), parent: None, label, arch: None, state, host: None }
}

fn changed(from: TaskState, to: TaskState, host: Option<&str>, reason: Option<&str>) -> BuildEvent {
    let (host, reason) = (host.map(str::to_owned), reason.map(str::to_owned));
    BuildEvent::TaskStateChanged { task: 25.into(), from, to, host, reason }
}

fn build() -> BuildId {
    BuildId { builder: BuilderName::of("koji"), server: "https://hub".into(), id: 25.into() }
}

fn submitted(manner: &'static Manner) -> BuildEvent {
    BuildEvent::Submitted { build: build(), url: Some("https://k/koji/taskinfo?taskID=25".into()), manner }
}

fn ended(outcome: Outcome) -> BuildOutcome {
    let failure = Failure { reason: "boom".into(), code: None, task: None, log: None };
    BuildOutcome {
        id: 25.into(),
        outcome,
        url: None,
        duration: None,
        repositories: vec!["r/foo@sha256:ab".into()],
        builds: vec![],
        user_warnings: vec![],
        metadata: Vec::new(),
        failure: (outcome == Outcome::Failed).then_some(failure),
    }
}

fn end(outcome: Option<BuildOutcome>) -> BuildEvent {
    BuildEvent::Finished(Box::new(Finish { exit_code: 0, build: Some(build()), outcome }))
}

fn finished(outcome: Outcome) -> BuildEvent {
    end(Some(ended(outcome)))
}

fn failed() -> BuildEvent {
    BuildEvent::Failed(Box::new(Fault {
        exit_code: 7,
        kind: "unseen",
        command: "watch".into(),
        message: "the hub is \x1b[2Jaway".into(),
        causes: vec!["a\nb".into()],
        hints: vec!["wait".into()],
        findings: vec![],
        build: Some(build()),
    }))
}

fn options(heartbeat: Option<Duration>) -> ReportOptions {
    ReportOptions { program: "fedpkg-container-build".into(), heartbeat }
}

fn live(mode: OutputMode, heartbeat: Option<Duration>) -> (Live<Shared, Shared>, Shared, Shared) {
    let (out, err) = (Shared::default(), Shared::default());
    (Live::new(mode, options(heartbeat), out.clone(), err.clone()), out, err)
}

/// Shows events and gives what was written to both streams.
fn shown(mode: OutputMode, events: &[BuildEvent]) -> (String, String) {
    let (mut live, out, err) = live(mode, None);
    for event in events {
        live.show(event).unwrap();
    }
    live.close().unwrap();
    (out.text(), err.text())
}

/// In a pipe, without colours.
fn plain(events: &[BuildEvent]) -> (String, String) {
    shown(mode(false, Color::Auto, false), events)
}

fn quiet(events: &[BuildEvent]) -> (String, String) {
    shown(mode(false, Color::Auto, true), events)
}

#[test]
fn a_build_looks_as_kojis_watcher_shows_it() {
    let events = [
        submitted(&LIKE_KOJI),
        task(TaskState::Free),
        changed(TaskState::Free, TaskState::Open, Some("builder1"), None),
        changed(TaskState::Open, TaskState::Closed, None, None),
        finished(Outcome::Succeeded),
    ];
    let (out, err) = plain(&events);
    assert_eq!(
        out,
        "Created task: 25\nTask info: https://k/koji/taskinfo?taskID=25\nWatching tasks (this may be safely interrupted)...\n\
         25 buildContainer (noarch): free\n25 buildContainer (noarch): free -> open (builder1)\n\
         25 buildContainer (noarch): open (builder1) -> closed\n  0 free  0 open  1 done  0 failed\n\n\
         25 buildContainer (noarch) completed successfully\nrepositories:\n  r/foo@sha256:ab\nkoji_builds:\n"
    );
    assert_eq!(err, "");
    let (out, err) = quiet(&events);
    assert_eq!(
        (out.as_str(), err.as_str()),
        ("25 buildContainer (noarch) completed successfully\nrepositories:\n  r/foo@sha256:ab\nkoji_builds:\n", "")
    );
}

#[test]
fn builders_that_are_told_in_another_manner_are() {
    let step = |state| BuildEvent::TaskOpened {
        task: "clone".into(),
        parent: Some(25.into()),
        label: "clone".into(),
        arch: None,
        state,
        host: None,
    };
    let events = |manner| {
        let closed = BuildEvent::TaskStateChanged {
            task: "clone".into(),
            from: TaskState::Open,
            to: TaskState::Closed,
            host: None,
            reason: None,
        };
        let nothing = BuildOutcome { repositories: vec![], ..ended(Outcome::Succeeded) };
        [submitted(manner), task(TaskState::Open), step(TaskState::Open), closed, end(Some(nothing))]
    };
    let steps = "25 buildContainer (noarch): open\n  clone: open\n  clone: open -> closed\n\n\
                 25 buildContainer (noarch) completed successfully\n";
    let (out, _) = plain(&events(&LIKE_OSBS));
    let head = "Created build: 25\nTask info: https://k/koji/taskinfo?taskID=25\nWatching tasks (this may be safely interrupted)...\n";
    assert_eq!(out, format!("{head}{steps}repositories:\nkoji_builds:\n"));
    assert_eq!(plain(&events(&LIKE_LOCAL)).0, steps);
}

#[test]
fn quiet_leaves_results_warnings_findings_and_errors() {
    let log = log("a.log");
    let noise = [
        submitted(&LIKE_KOJI),
        BuildEvent::note("Building on Koji"),
        BuildEvent::Waiting { what: "the keyring".into(), since: Duration::from_secs(20) },
        task(TaskState::Free),
        changed(TaskState::Free, TaskState::Open, None, None),
        BuildEvent::TaskWaiting { task: 25.into(), reason: "no room".into() },
        BuildEvent::TaskRetried { task: 25.into(), attempt: 1, reason: "gone".into() },
        opened("a.log", None),
        appended("a.log", b"line\n"),
        BuildEvent::LogSkipped { log: Arc::clone(&log), to: 9 },
        BuildEvent::LogRestarted { log: Arc::clone(&log), had: 3 },
        BuildEvent::LogClosed { log },
        BuildEvent::Progress { task: 25.into(), done: 1, total: 2, unit: "tasks" },
        BuildEvent::Retrying(Retry {
            operation: "multiCall".into(),
            attempt: 1,
            of: None,
            delay: Duration::from_secs(1),
            why: "refused".into(),
        }),
        BuildEvent::Reconnected,
        BuildEvent::Attached { build: build(), url: Some("https://k".into()), manner: &LIKE_KOJI },
    ];
    assert_eq!(quiet(&noise), (String::new(), String::new()));
    let loud = [
        BuildEvent::warning("careful"),
        BuildEvent::Found(Finding::error("no-dockerfile", "there is none").at("Dockerfile", 3).hint("write one")),
        BuildEvent::DryRun(Box::new(dry_run("Would build\n"))),
        BuildEvent::Setting { name: "autorebuild", value: "true".into(), file: None },
    ];
    assert_eq!(quiet(&loud), plain(&loud));
    let told = "\nThe build goes on. Watch it again with `fedpkg-container-build watch 25`, cancel it with \
                `fedpkg-container-build cancel 25`.\n";
    assert_eq!(quiet(&[submitted(&LIKE_KOJI), finished(Outcome::Detached)]), (String::new(), told.to_owned()));
}

#[test]
fn the_id_of_what_was_submitted_is_a_result_where_nothing_else_names_it() {
    let nowait = [submitted(&LIKE_KOJI), end(None)];
    assert_eq!(quiet(&nowait), ("Created task: 25\n".to_owned(), String::new()));
    assert_eq!(plain(&nowait).0, "Created task: 25\nTask info: https://k/koji/taskinfo?taskID=25\n");
    assert_eq!(quiet(&[submitted(&LIKE_KOJI), failed()]).0, "Created task: 25\n");
    assert_eq!(quiet(&[submitted(&LIKE_KOJI), finished(Outcome::Succeeded)]).0.matches("Created").count(), 0);
}

#[test]
fn a_failure_is_told_with_its_reason_even_when_it_was_over_before() {
    let events = [
        task(TaskState::Failed),
        changed(TaskState::Failed, TaskState::Failed, None, Some("BuildError: boom")),
        finished(Outcome::Failed),
    ];
    let (out, err) = plain(&events);
    assert_eq!(
        out,
        "Watching tasks (this may be safely interrupted)...\n25 buildContainer (noarch): FAILED: BuildError: boom\n  \
         0 free  0 open  0 done  1 failed\n\n25 buildContainer (noarch) failed\n"
    );
    assert_eq!(err, "\nReason: boom\n");
    assert_eq!(quiet(&events).1, "\nReason: boom\n");
}

#[test]
fn a_failure_looks_like_one_and_says_its_reason_once_a_screen() {
    let screen = mode(true, Color::Always, false);
    let failure = [
        task(TaskState::Open),
        changed(TaskState::Open, TaskState::Failed, None, Some("BuildError: boom")),
        finished(Outcome::Failed),
    ];
    let (out, err) = shown(screen.clone(), &failure);
    assert!(out.contains("open -> \x1b[1;31mFAILED\x1b[0m: BuildError: boom\n"), "{out:?}");
    assert!(out.contains("25 buildContainer (noarch) \x1b[1;31mfailed\x1b[0m\n"), "{out:?}");
    assert_eq!(err, "", "the reason stands two lines above");
    // Two streams that go to different places each have it.
    let (_, err) = shown(OutputMode { one_place: false, ..screen.clone() }, &failure);
    assert_eq!(err, "\n\x1b[1;31mReason:\x1b[0m boom\n");
    // So has a screen from which the first has scrolled away.
    let [open, failed, end] = failure;
    let (_, err) = shown(screen, &[open, failed, opened("a.log", None), appended("a.log", &[b'\n'; 2000]), end]);
    assert_eq!(err, "\n\x1b[1;31mReason:\x1b[0m boom\n");
}

#[test]
fn logs_interleave_only_between_lines() {
    let events = [
        opened("x86_64.log", Some("x86_64")),
        opened("osbs-build.log", None),
        appended("x86_64.log", b"one\ntw"),
        appended("osbs-build.log", b"other\n"),
        appended("x86_64.log", b"o\nend"),
        BuildEvent::LogClosed { log: log("x86_64.log") },
    ];
    let (out, _) = plain(&events);
    assert_eq!(out, "x86_64     | one\nosbs-build | other\nx86_64     | two\nx86_64     | end\n");
}

#[test]
fn bytes_stay_in_a_pipe_and_are_made_harmless_on_a_terminal() {
    let events = [opened("a.log", None), appended("a.log", b"\x1b[31mred\x1b[0m \xff\x07\n")];
    let (mut live, out, _) = live(mode(false, Color::Auto, false), None);
    events.iter().for_each(|event| live.show(event).unwrap());
    assert_eq!(*out.0.lock().unwrap(), b"a | \x1b[31mred\x1b[0m \xff\x07\n");
    let (out, _) = shown(mode(true, Color::Never, false), &events);
    assert_eq!(out, "a | red \u{fffd}\u{fffd}\n");
}

#[test]
fn without_colour_there_is_no_escape_byte() {
    let events = [
        task(TaskState::Free),
        opened("x86_64.log", Some("x86_64")),
        appended("x86_64.log", b"line\n"),
        finished(Outcome::Failed),
    ];
    let (out, err) = shown(mode(true, Color::Never, false), &events);
    assert!(!out.contains('\x1b') && !err.contains('\x1b'));
    let (out, _) = shown(mode(true, Color::Always, false), &events);
    assert!(out.contains("\x1b[36mx86_64 | \x1b[0mline"), "{out:?}");
}

#[test]
fn a_closed_pipe_is_an_error_that_ends_the_reporter() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut live = Live::new(mode(false, Color::Auto, false), options(None), Closed, Shared::default());
    assert!(live.show(&task(TaskState::Free)).is_err());
}

#[test]
fn a_heartbeat_tells_how_far_the_logs_are() {
    let period = Some(Duration::from_millis(1));
    let (mut live, _, err) = live(mode(false, Color::Auto, false), period);
    live.show(&task(TaskState::Free)).unwrap();
    live.last_news = Instant::now() - Duration::from_millis(2);
    live.tick().unwrap();
    assert_eq!(err.text(), "still watching after 0 s: no news, free\n");
    live.show(&opened("x86_64.log", Some("x86_64"))).unwrap();
    live.show(&appended("x86_64.log", b"STEP 3/7: RUN make\n")).unwrap();
    live.last_news = Instant::now() - Duration::from_millis(2);
    live.tick().unwrap();
    assert!(err.text().ends_with("still watching after 0 s: x86_64: STEP 3/7 RUN make\n"), "{}", err.text());
}

#[test]
fn bars_show_what_was_counted_and_go_away() {
    for (columns, wide) in [(100, true), (30, false)] {
        let terminal = InMemoryTerm::new(24, columns);
        let bars = Bars::in_memory(terminal.clone(), columns, false);
        let mode = OutputMode { bars: true, ..mode(true, Color::Never, false) };
        let (out, err) = (Shared::default(), Shared::default());
        let mut live = Live::with_bars(mode, options(None), out.clone(), err, Some(bars));
        live.show(&BuildEvent::note("Building on Koji")).unwrap();
        live.tick().unwrap();
        assert_eq!(terminal.contents(), "", "there is no build yet");
        live.show(&task(TaskState::Open)).unwrap();
        live.show(&opened("x86_64.log", Some("x86_64"))).unwrap();
        live.show(&appended("x86_64.log", b"STEP 3/4: RUN dnf -y install httpd\n")).unwrap();
        live.tick().unwrap();
        let screen = terminal.contents();
        assert!(screen.contains("00:00  open"), "{screen}");
        assert_eq!(screen.contains("x86_64 ["), wide, "{screen}");
        assert_eq!(screen.contains("STEP 3/4 RUN dnf"), wide, "{screen}");
        assert!(screen.lines().all(|line| line.chars().count() <= usize::from(columns)), "{screen}");
        live.show(&finished(Outcome::Succeeded)).unwrap();
        assert_eq!(terminal.contents(), "", "cleared at the end");
        assert!(terminal.flush().is_ok());
        assert!(out.text().contains("x86_64 | STEP 3/4"), "log lines go to standard output");
    }
}

#[test]
fn bars_say_when_the_server_does_not_answer_and_name_architectures() {
    let terminal = InMemoryTerm::new(24, 100);
    let bars = Bars::in_memory(terminal.clone(), 100, false);
    let mode = OutputMode { bars: true, ..mode(true, Color::Never, false) };
    let mut live = Live::with_bars(mode, options(None), Shared::default(), Shared::default(), Some(bars));
    live.show(&submitted(&LIKE_OSBS)).unwrap();
    live.show(&task(TaskState::Open)).unwrap();
    for (name, arch) in
        [("binary-container-build-x86-64", Some("x86_64")), ("b-ppc64le", Some("ppc64le")), ("init", None)]
    {
        let parent = Some(25.into());
        let (label, arch) = (name.to_owned(), arch.map(str::to_owned));
        let state = TaskState::Open;
        live.show(&BuildEvent::TaskOpened { task: name.into(), parent, label, arch, state, host: None }).unwrap();
    }
    live.show(&BuildEvent::Progress { task: 25.into(), done: 3, total: 9, unit: "tasks" }).unwrap();
    assert!(terminal.contents().contains("00:00  3/9 tasks, ppc64le, x86_64, init"), "{}", terminal.contents());
    live.show(&retrying("watch", "refused")).unwrap();
    live.tick().unwrap();
    assert!(terminal.contents().contains("no answer, attempt 2 of 30"), "{}", terminal.contents());
    live.show(&BuildEvent::Reconnected).unwrap();
    live.tick().unwrap();
    assert!(!terminal.contents().contains("no answer"), "{}", terminal.contents());
}

fn retrying(operation: &str, why: &str) -> BuildEvent {
    let delay = Duration::from_millis(500);
    BuildEvent::Retrying(Retry { operation: operation.into(), attempt: 2, of: Some(30), delay, why: why.into() })
}

fn dry_run(text: &str) -> DryRun {
    DryRun { version: 1, builder: BuilderName::of("koji"), fields: serde_json::Map::new(), text: text.to_owned() }
}

/// What each event looks like that is no part of a build's story above: on standard output, and on standard error.
#[test]
fn every_other_event_has_its_words() {
    let warned = |warning| BuildEvent::Warned(warning);
    let setting = |file: Option<&str>| BuildEvent::Setting {
        name: "autorebuild",
        value: "true".into(),
        file: file.map(str::to_owned),
    };
    let found = |finding: Finding| BuildEvent::Found(finding);
    let cases: &[(BuildEvent, &str, &str)] = &[
        (BuildEvent::note("Building on Koji"), "", "Building on Koji\n"),
        (
            BuildEvent::Waiting { what: "the keyring".into(), since: Duration::from_secs(20) },
            "",
            "waiting for the keyring, 20 s so far\n",
        ),
        (
            found(Finding::warning("old-label", "Name is old").at("Dockerfile", 3).hint("say name")),
            "",
            "Dockerfile:3: warning: Name is old [old-label]\n  hint: say name\n",
        ),
        (found(Finding::error("no-file", "none").at("a\x1b[2J", None)), "", "a: error: none [no-file]\n"),
        (found(Finding::note("good", "to know")), "", "note: to know [good]\n"),
        (BuildEvent::Checked(Box::default()), "", ""),
        (BuildEvent::DryRun(Box::new(dry_run("Would\nbuild\x1b[0m\n"))), "Would\nbuild\x1b[0m\n", ""),
        (setting(None), "true\n", ""),
        (setting(Some("ci.cfg")), "Config value changed, don't forget to commit ci.cfg file\n", ""),
        (
            BuildEvent::Attached { build: build(), url: Some("https://k".into()), manner: &LIKE_KOJI },
            "Task info: https://k\n",
            "",
        ),
        (BuildEvent::Progress { task: 25.into(), done: 1, total: 2, unit: "bytes" }, "", ""),
        (
            retrying("GET x\x1b[2J", "why\x07"),
            "",
            "GET x failed (why\u{fffd}); trying again in 0.5 s, attempt 2 of 30\n",
        ),
        (BuildEvent::Reconnected, "", "the server answers again\n"),
        (warned(Warning::User { text: "u\nv".into() }), "", "warning: u\nv\n"),
        (warned(Warning::General { text: "g".into() }), "", "warning: g\n"),
        (
            warned(Warning::Degraded { what: "w\n".into(), why: "y".into() }),
            "",
            "warning: w\u{fffd} does not work: y\n",
        ),
        (warned(Warning::Omitted { what: "w".into(), why: "y".into() }), "", "warning: not done here: w: y\n"),
        (
            warned(Warning::SessionRenewed { server: "s".into() }),
            "",
            "warning: the session on s had ended and was renewed\n",
        ),
        (warned(Warning::Exposed { server: "s".into() }), "", "warning: the password goes to s in clear text\n"),
        (
            warned(Warning::Adopted { task: 7.into() }),
            "",
            "warning: the answer to the submission was lost; 7 is what the server made of it, nothing was submitted twice\n",
        ),
        (failed(), "", "Could not execute watch: the hub is away\n  caused by: a\nb\nhint: wait\n"),
        (end(None), "", ""),
    ];
    for (event, out, err) in cases {
        let shown = plain(std::slice::from_ref(event));
        assert_eq!((shown.0.as_str(), shown.1.as_str()), (*out, *err), "{event:?}");
    }
}

#[test]
fn news_of_a_task_stand_with_its_name() {
    let events = [
        task(TaskState::Free),
        BuildEvent::TaskWaiting { task: 25.into(), reason: "no room\x1b[2J".into() },
        BuildEvent::TaskRetried { task: 25.into(), attempt: 2, reason: "evicted".into() },
        BuildEvent::TaskWaiting { task: 99.into(), reason: "unknown".into() },
    ];
    assert_eq!(
        plain(&events).0,
        "Watching tasks (this may be safely interrupted)...\n25 buildContainer (noarch): free\n\
         25 buildContainer (noarch) waits: no room\n25 buildContainer (noarch) begins again, attempt 2: evicted\n"
    );
}

#[test]
fn builds_that_were_submitted_from_here_are_a_table_at_the_end() {
    let standing = |id: &str, builder: &'static str, profile: &str, state| {
        BuildEvent::Standing(Box::new(Standing {
            build: BuildId { builder: BuilderName::of(builder), server: "https://hub".into(), id: id.into() },
            state,
            profile: profile.to_owned(),
            component: "container/foo".into(),
            branch: "f42".into(),
            target: "f42\x1b[2J-candidate".into(),
            submitted: jiff::Timestamp::UNIX_EPOCH,
            url: None,
        }))
    };
    let events = [
        standing("25", "koji", "koji", Some("open")),
        standing("26", "koji", "stg", None),
        standing("foo-1\nx", "osbs", "default_binary", Some("failed")),
        standing("local-1", "local", "", Some("succeeded")),
    ];
    let (mut live, out, _) = live(mode(false, Color::Auto, false), None);
    events.iter().for_each(|event| live.show(event).unwrap());
    assert_eq!(out.text(), "");
    let table = "\
ID       STATE      SERVER               COMPONENT      BRANCH  TARGET         SUBMITTED
25       open       koji                 container/foo  f42     f42-candidate  1970-01-01 00:00 UTC
26       unknown    koji:stg             container/foo  f42     f42-candidate  1970-01-01 00:00 UTC
foo-1\u{fffd}x  failed     osbs:default_binary  container/foo  f42     f42-candidate  1970-01-01 00:00 UTC
local-1  succeeded  local                container/foo  f42     f42-candidate  1970-01-01 00:00 UTC
";
    for last in [end(None), failed()] {
        let (out, _) = plain(&[&events[..], &[last]].concat());
        assert_eq!(out, table);
    }
    assert_eq!(quiet(&events).0, table, "-q does not hide what was asked for");
}

#[test]
fn the_configuration_keeps_its_bytes_in_files_and_is_harmless_on_a_terminal() {
    let value = |section: &str, key: &str, value: Option<&str>, error: Option<&str>| ConfigValue {
        section: section.into(),
        key: key.into(),
        raw: "raw".into(),
        value: value.map(str::to_owned),
        error: error.map(str::to_owned),
        origin: serde_json::json!({"file": "f", "line": 3}),
        place: "f:3".into(),
    };
    let values = vec![
        value("a", "k", Some("v\tw\x1b[2J"), None),
        value("a", "l", None, None),
        value("b", "m", None, Some("why")),
        value("b", "n", Some("one\ntwo"), None),
    ];
    let event = [BuildEvent::Configured(Box::new(ConfigReport { version: 1, values }))];
    assert_eq!(
        plain(&event).0,
        "[a]\nk = v\tw\x1b[2J  # f:3\nl = raw  # f:3\n\n[b]\nm = raw (unusable: why)  # f:3\nn = one\n    two  # f:3\n"
    );
    let (out, _) = shown(mode(true, Color::Never, false), &event);
    assert!(out.starts_with("[a]\nk = v    w  # f:3\n"), "{out:?}");
    let (out, _) = shown(mode(true, Color::Always, false), &event);
    assert!(out.starts_with("[a]\nk = v    w  \x1b[2m# f:3\x1b[0m\n"), "{out:?}");
}

/// Names, pages and texts that try to take the terminal over, wherever an event has room for one.
#[test]
fn nothing_from_elsewhere_controls_a_terminal_or_begins_a_line() {
    const HOSTILE: &str = "x\x1b]0;title\x07\n25 done\u{9b}2J\u{202e}\r";
    let text = || HOSTILE.to_owned();
    let id = || TaskId::from(HOSTILE);
    let log = || Arc::new(LogId { task: id(), volume: Some(HOSTILE.into()), name: HOSTILE.into() });
    let build = || BuildId { builder: BuilderName::of("koji"), server: text(), id: id() };
    let state = |from, to, reason: Option<&str>| BuildEvent::TaskStateChanged {
        task: id(),
        from,
        to,
        host: Some(text()),
        reason: reason.map(str::to_owned),
    };
    let failure = Failure {
        reason: "reason".into(),
        code: None,
        task: Some(id()),
        log: Some(FailureLog { log: (*log()).clone(), tail: vec![text()], url: Some(text()) }),
    };
    let outcome = |outcome, failure| BuildOutcome {
        id: id(),
        url: Some(text()),
        repositories: vec![text()],
        builds: vec![KojiBuild { id: text(), nvr: Some(text()), url: text() }],
        user_warnings: vec![text()],
        metadata: vec![text()],
        failure,
        ..ended(outcome)
    };
    let finish = |outcome| BuildEvent::Finished(Box::new(Finish { exit_code: 0, build: Some(build()), outcome }));
    let story = |end: BuildEvent| {
        vec![
            BuildEvent::Waiting { what: text(), since: Duration::ZERO },
            BuildEvent::Submitted { build: build(), url: Some(text()), manner: &LIKE_KOJI },
            BuildEvent::Attached { build: build(), url: Some(text()), manner: &LIKE_KOJI },
            BuildEvent::TaskOpened {
                task: id(),
                parent: None,
                label: text(),
                arch: Some(text()),
                state: TaskState::Free,
                host: Some(text()),
            },
            state(TaskState::Free, TaskState::Assigned, None),
            state(TaskState::Assigned, TaskState::Open, None),
            BuildEvent::LogOpened { log: log(), arch: None },
            BuildEvent::LogAppended { log: log(), offset: 0, bytes: Bytes::from_static(b"STEP 1/2: \x1b[2J\r\n") },
            BuildEvent::LogRestarted { log: log(), had: 3 },
            BuildEvent::LogClosed { log: log() },
            retrying(HOSTILE, HOSTILE),
            BuildEvent::Warned(Warning::SessionRenewed { server: text() }),
            BuildEvent::Warned(Warning::Adopted { task: id() }),
            BuildEvent::Warned(Warning::Degraded { what: text(), why: "why".into() }),
            BuildEvent::Found(Finding::error("id", "message").at(HOSTILE, 3)),
            BuildEvent::Checked(Box::default()),
            BuildEvent::Setting { name: "n", value: text(), file: None },
            BuildEvent::Setting { name: "n", value: text(), file: Some(text()) },
            state(TaskState::Open, TaskState::Failed, Some("reason")),
            end,
        ]
    };
    for end in [
        finish(None),
        finish(Some(outcome(Outcome::Succeeded, None))),
        finish(Some(outcome(Outcome::Detached, None))),
        finish(Some(outcome(Outcome::Failed, Some(failure)))),
    ] {
        let (out, err) = shown(mode(true, Color::Never, false), &story(end));
        for text in [&out, &err] {
            let bad = text.chars().find(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}'));
            assert_eq!(bad, None, "{text:?}");
            assert!(!text.lines().any(|line| line.trim_start().starts_with("25 done")), "{text}");
        }
    }
}
