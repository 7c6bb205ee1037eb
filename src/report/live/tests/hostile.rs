//! Names, pages and texts that try to take the terminal over, wherever an event has room for one.

use super::{Color, LIKE_KOJI, ended, mode, retrying, shown};
use crate::event::{
    BuildEvent, BuildId, BuildOutcome, BuilderName, Failure, FailureLog, Finding, Finish, KojiBuild, LogId, Outcome,
    TaskId, TaskState, Warning,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A text in which as much is hostile as can be.
const HOSTILE: &str = "x\x1b]0;title\x07\n25 done\u{9b}2J\u{202e}\r";

fn text() -> String {
    HOSTILE.to_owned()
}

fn id() -> TaskId {
    TaskId::from(HOSTILE)
}

fn log() -> Arc<LogId> {
    Arc::new(LogId { task: id(), volume: Some(HOSTILE.into()), name: HOSTILE.into() })
}

fn build() -> BuildId {
    BuildId { builder: BuilderName::of("koji"), server: text(), id: id() }
}

fn changed(from: TaskState, to: TaskState, reason: Option<&str>) -> BuildEvent {
    BuildEvent::TaskStateChanged { task: id(), from, to, host: Some(text()), reason: reason.map(str::to_owned) }
}

/// A build, from the wait for its server to a failure that is its own.
fn story() -> Vec<BuildEvent> {
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
        changed(TaskState::Free, TaskState::Assigned, None),
        changed(TaskState::Assigned, TaskState::Open, None),
        BuildEvent::LogOpened { log: log(), arch: None },
        BuildEvent::LogAppended { log: log(), offset: 0, bytes: Bytes::from_static(b"STEP 1/2: \x1b[2J\r\n") },
        BuildEvent::LogRestarted { log: log(), had: 3 },
        BuildEvent::LogClosed { log: log() },
        retrying(HOSTILE, HOSTILE),
        BuildEvent::Warned(Warning::SessionRenewed { server: text() }),
        BuildEvent::Warned(Warning::Exposed { server: text() }),
        BuildEvent::Warned(Warning::Adopted { task: id() }),
        BuildEvent::Warned(Warning::Degraded { what: text(), why: "why".into() }),
        BuildEvent::Found(Finding::error("id", "message").at(HOSTILE, 3)),
        BuildEvent::Setting { name: "n", value: text(), file: None },
        BuildEvent::Setting { name: "n", value: text(), file: Some(text()) },
        changed(TaskState::Open, TaskState::Failed, Some("reason")),
    ]
}

fn end_of(outcome: Outcome) -> BuildEvent {
    let failure = (outcome == Outcome::Failed).then(|| Failure {
        reason: "reason".into(),
        code: None,
        task: Some(id()),
        log: Some(FailureLog { log: (*log()).clone(), tail: vec![text()], url: Some(text()) }),
    });
    let outcome = BuildOutcome {
        id: id(),
        url: Some(text()),
        repositories: vec![text()],
        builds: vec![KojiBuild { id: text(), nvr: Some(text()), url: text() }],
        user_warnings: vec![text()],
        metadata: vec![text()],
        failure,
        ..ended(outcome)
    };
    BuildEvent::Finished(Box::new(Finish { exit_code: 0, build: Some(build()), outcome: Some(outcome) }))
}

#[test]
fn nothing_from_elsewhere_controls_a_terminal_or_begins_a_line() {
    let without = BuildEvent::Finished(Box::new(Finish { exit_code: 0, build: Some(build()), outcome: None }));
    let ends = [Outcome::Succeeded, Outcome::Failed, Outcome::Cancelled, Outcome::Detached].map(end_of);
    for end in ends.into_iter().chain([without]) {
        let (out, err) = shown(mode(true, Color::Never, false), &[story(), vec![end]].concat());
        for text in [&out, &err] {
            let bad = text.chars().find(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}'));
            assert_eq!(bad, None, "{text:?}");
            assert!(!text.lines().any(|line| line.trim_start().starts_with("25 done")), "{text}");
        }
    }
}
