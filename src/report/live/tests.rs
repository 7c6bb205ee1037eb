use std::sync::{Arc, Mutex};

use bytes::Bytes;
use indicatif::{InMemoryTerm, TermLike as _};

use super::*;
use crate::event::{BuilderName, DryRun, Failure, Fault, Finding, LogId};
use crate::report::mode::{Color, Format, Surroundings};
use crate::report::reader::Stream;

mod hostile;
mod words;

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
        repositories: vec!["r/foo@sha256:ab".into()],
        failure: (outcome == Outcome::Failed).then_some(failure),
        ..BuildOutcome::of(25, outcome)
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
    let (period, longer) = (Duration::from_secs(10), Duration::from_secs(11));
    let (mut live, _, err) = live(mode(false, Color::Auto, false), Some(period));
    live.show(&task(TaskState::Free)).unwrap();
    live.last_news = Instant::now().checked_sub(longer).unwrap();
    live.tick(Duration::ZERO).unwrap();
    live.tick(Duration::ZERO).unwrap();
    assert_eq!(err.text(), "still watching after 0 s: no news, free\n");
    live.show(&opened("x86_64.log", Some("x86_64"))).unwrap();
    live.show(&appended("x86_64.log", b"STEP 3/7: RUN make\n")).unwrap();
    live.last_news = Instant::now().checked_sub(longer).unwrap();
    live.tick(Duration::ZERO).unwrap();
    assert!(err.text().ends_with("still watching after 0 s: x86_64: STEP 3/7 RUN make\n"), "{}", err.text());
}

#[test]
fn an_unfinished_line_is_shown_when_nothing_more_came_and_not_because_writing_took_long() {
    let (mut live, out, _) = live(mode(false, Color::Auto, false), None);
    let (before, long_after) = (Duration::from_secs(60), Duration::from_secs(62));
    live.show(&opened("x86_64.log", Some("x86_64"))).unwrap();
    live.tick(before).unwrap();
    live.show(&appended("x86_64.log", b"whole\nhal")).unwrap();
    live.tick(before).unwrap();
    assert_eq!(out.text(), "x86_64 | whole\n");
    live.show(&appended("x86_64.log", b"f\npiece")).unwrap();
    live.tick(long_after).unwrap();
    assert_eq!(out.text(), "x86_64 | whole\nx86_64 | half\nx86_64 | piece\n");
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
        live.tick(Duration::ZERO).unwrap();
        assert_eq!(terminal.contents(), "", "there is no build yet");
        live.show(&task(TaskState::Open)).unwrap();
        live.show(&opened("x86_64.log", Some("x86_64"))).unwrap();
        live.show(&appended("x86_64.log", b"STEP 3/4: RUN dnf -y install httpd\n")).unwrap();
        live.tick(Duration::ZERO).unwrap();
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
    live.tick(Duration::ZERO).unwrap();
    assert!(terminal.contents().contains("no answer, attempt 2 of 30"), "{}", terminal.contents());
    live.show(&BuildEvent::Reconnected).unwrap();
    live.tick(Duration::ZERO).unwrap();
    assert!(!terminal.contents().contains("no answer"), "{}", terminal.contents());
}

fn retrying(operation: &str, why: &str) -> BuildEvent {
    let delay = Duration::from_millis(500);
    BuildEvent::Retrying(Retry { operation: operation.into(), attempt: 2, of: Some(30), delay, why: why.into() })
}

fn dry_run(text: &str) -> DryRun {
    DryRun { version: 1, builder: BuilderName::of("koji"), fields: serde_json::Map::new(), text: text.to_owned() }
}
