use std::sync::{Arc, Mutex};

use bytes::Bytes;
use indicatif::{InMemoryTerm, TermLike as _};

use super::*;
use crate::event::{BuilderKind, Failure, LogId};
use crate::report::mode::{Color, Format, Surroundings};

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
    let around = Surroundings {
        stdout_terminal: terminal,
        stderr_terminal: terminal,
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

fn finished(outcome: Outcome) -> BuildEvent {
    BuildEvent::Finished(Box::new(BuildOutcome {
        id: 25.into(),
        outcome,
        url: None,
        duration: None,
        repositories: vec!["r/foo@sha256:ab".into()],
        builds: vec![],
        user_warnings: vec![],
        metadata: Vec::new(),
        failure: (outcome == Outcome::Failed).then(|| Failure {
            reason: "boom".into(),
            code: None,
            task: None,
            log: None,
        }),
    }))
}

/// Shows events and gives what was written to both streams.
fn shown(mode: OutputMode, events: &[BuildEvent]) -> (String, String) {
    let (out, err) = (Shared::default(), Shared::default());
    let mut live = Live::new(mode, "fedpkg-container-build".into(), None, out.clone(), err.clone());
    for event in events {
        live.show(event).unwrap();
    }
    live.close();
    (out.text(), err.text())
}

#[test]
fn a_build_looks_as_kojis_watcher_shows_it() {
    let url = Some("https://k/koji/taskinfo?taskID=25".to_owned());
    let events = [
        BuildEvent::Submitted { builder: BuilderKind::Koji, id: 25.into(), url },
        task(TaskState::Free),
        changed(TaskState::Free, TaskState::Open, Some("builder1"), None),
        changed(TaskState::Open, TaskState::Closed, None, None),
        finished(Outcome::Succeeded),
    ];
    let (out, err) = shown(mode(false, Color::Auto, false), &events);
    assert_eq!(
        out,
        "Created task: 25\nTask info: https://k/koji/taskinfo?taskID=25\nWatching tasks (this may be safely interrupted)...\n\
         25 buildContainer (noarch): free\n25 buildContainer (noarch): free -> open (builder1)\n\
         25 buildContainer (noarch): open (builder1) -> closed\n  0 free  0 open  1 done  0 failed\n\n\
         25 buildContainer (noarch) completed successfully\nrepositories:\n  r/foo@sha256:ab\nkoji_builds:\n"
    );
    assert_eq!(err, "");
    let (out, _) = shown(mode(false, Color::Auto, true), &events);
    assert!(!out.contains("Created task") && !out.contains("repositories"), "-q hides both: {out}");
    assert!(out.contains("open (builder1) -> closed"), "-q does not hide states: {out}");
}

#[test]
fn a_failure_is_told_with_its_reason_even_when_it_was_over_before() {
    let events = [
        task(TaskState::Failed),
        changed(TaskState::Failed, TaskState::Failed, None, Some("BuildError: boom")),
        finished(Outcome::Failed),
    ];
    let (out, err) = shown(mode(false, Color::Auto, false), &events);
    assert_eq!(
        out,
        "Watching tasks (this may be safely interrupted)...\n25 buildContainer (noarch): FAILED: BuildError: boom\n  \
         0 free  0 open  0 done  1 failed\n\n25 buildContainer (noarch) failed\n"
    );
    assert_eq!(err, "\nReason: boom\n");
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
    let (out, _) = shown(mode(false, Color::Auto, false), &events);
    assert_eq!(out, "x86_64     | one\nosbs-build | other\nx86_64     | two\nx86_64     | end\n");
}

#[test]
fn bytes_stay_in_a_pipe_and_are_made_harmless_on_a_terminal() {
    let events = [opened("a.log", None), appended("a.log", b"\x1b[31mred\x1b[0m \xff\x07\n")];
    let out = Shared::default();
    let mut live = Live::new(mode(false, Color::Auto, false), "p".into(), None, out.clone(), Shared::default());
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
    let mut live = Live::new(mode(false, Color::Auto, false), "p".into(), None, Closed, Shared::default());
    assert!(live.show(&task(TaskState::Free)).is_err());
}

#[test]
fn a_heartbeat_tells_how_far_the_logs_are() {
    let err = Shared::default();
    let period = Some(Duration::from_nanos(1));
    let mut live = Live::new(mode(false, Color::Auto, false), "p".into(), period, Shared::default(), err.clone());
    live.show(&opened("x86_64.log", Some("x86_64"))).unwrap();
    live.show(&appended("x86_64.log", b"STEP 3/7: RUN make\n")).unwrap();
    live.tick().unwrap();
    assert_eq!(err.text(), "still watching after 0 s: x86_64: STEP 3/7 RUN make\n");
}

#[test]
fn bars_show_what_was_counted_and_go_away() {
    for (columns, wide) in [(100, true), (30, false)] {
        let terminal = InMemoryTerm::new(24, columns);
        let bars = Bars::in_memory(terminal.clone(), columns, false);
        let mode = OutputMode { bars: true, ..mode(true, Color::Never, false) };
        let (out, err) = (Shared::default(), Shared::default());
        let mut live = Live::with_bars(mode, "p".into(), None, out.clone(), err, Some(bars));
        live.show(&task(TaskState::Open)).unwrap();
        live.show(&opened("x86_64.log", Some("x86_64"))).unwrap();
        live.show(&appended("x86_64.log", b"STEP 3/4: RUN dnf -y install httpd\n")).unwrap();
        live.tick().unwrap();
        let screen = terminal.contents();
        assert!(screen.contains("open"), "{screen}");
        assert_eq!(screen.contains("x86_64 ["), wide, "{screen}");
        assert_eq!(screen.contains("STEP 3/4 RUN dnf"), wide, "{screen}");
        assert!(screen.lines().all(|line| line.chars().count() <= usize::from(columns)), "{screen}");
        live.show(&finished(Outcome::Succeeded)).unwrap();
        assert_eq!(terminal.contents(), "", "cleared at the end");
        assert!(terminal.flush().is_ok());
        assert!(out.text().contains("x86_64 | STEP 3/4"), "log lines go to standard output");
    }
}
