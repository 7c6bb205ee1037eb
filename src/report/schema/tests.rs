#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::error::ErrorKind;
use crate::event::{
    BuildEvent, BuildId, BuildOutcome, BuilderName, CheckReport, ConfigReport, ConfigValue, DryRun, Failure,
    FailureLog, Fault, Finding, Finish, KojiBuild, LogId, Manner, Outcome, ProgressFrom, Retry, Stamped, Standing,
    TaskState, Warning,
};
use crate::report::json::Start;

static MANNER: Manner = Manner {
    created: None,
    outlives_us: true,
    ids_in_lines: true,
    counters: true,
    progress: ProgressFrom::Tasks,
    logs_by_name: false,
    whole_result: true,
};

fn build() -> BuildId {
    BuildId { builder: BuilderName::of("koji"), server: "https://hub".into(), id: 25.into() }
}

fn log(volume: Option<&str>) -> Arc<LogId> {
    Arc::new(LogId { task: 25.into(), volume: volume.map(Arc::from), name: "x86_64.log".into() })
}

fn finding() -> Finding {
    Finding::error("no-file", "none").at("Dockerfile", 3).hint("write one")
}

fn outcome(failure: Option<Failure>) -> BuildOutcome {
    BuildOutcome {
        id: 25.into(),
        outcome: if failure.is_some() { Outcome::Failed } else { Outcome::Succeeded },
        url: Some("https://k".into()),
        duration: Some(Duration::from_millis(1500)),
        repositories: vec!["r".into()],
        builds: vec![KojiBuild { id: "1".into(), nvr: None, url: String::new() }],
        user_warnings: vec!["w".into()],
        metadata: vec!["m".into()],
        failure,
    }
}

fn failure() -> Failure {
    let log = FailureLog { log: (*log(Some("DEFAULT"))).clone(), tail: vec!["last".into()], url: None };
    Failure { reason: "boom".into(), code: Some(-3), task: Some(25.into()), log: Some(log) }
}

fn fault(build: Option<BuildId>) -> Fault {
    Fault {
        exit_code: 7,
        kind: "unseen",
        command: "watch".into(),
        message: "m".into(),
        causes: vec!["c".into()],
        hints: vec!["h".into()],
        findings: vec![finding()],
        build,
    }
}

/// Events of each type, with as much and with as little in them as there can be.
fn samples() -> Vec<BuildEvent> {
    [about_commands(), about_builds(), about_logs()].concat()
}

fn about_commands() -> Vec<BuildEvent> {
    let finish = |build, outcome| BuildEvent::Finished(Box::new(Finish { exit_code: 0, build, outcome }));
    let value = |value: Option<&str>, error: Option<&str>| ConfigValue {
        section: "s".into(),
        key: "k".into(),
        raw: "r".into(),
        value: value.map(str::to_owned),
        error: error.map(str::to_owned),
        origin: json!({"file": "f", "line": 3}),
        place: "f:3".into(),
    };
    let setting = |file| BuildEvent::Setting { name: "autorebuild", value: "true".into(), file };
    let retry =
        |of| Retry { operation: "o".into(), attempt: 1, of, delay: Duration::from_millis(1500), why: "w".into() };
    let standing = Standing {
        build: build(),
        state: Some("open"),
        profile: "koji".into(),
        component: "c".into(),
        branch: "b".into(),
        target: "t".into(),
        submitted: jiff::Timestamp::UNIX_EPOCH,
        url: Some("https://k".into()),
    };
    let mut events = vec![
        BuildEvent::note("n"),
        BuildEvent::Waiting { what: "w".into(), since: Duration::from_secs(20) },
        BuildEvent::Found(finding()),
        BuildEvent::Found(Finding::note("good", "to know")),
        BuildEvent::Checked(Box::default()),
        BuildEvent::Checked(Box::new(CheckReport {
            version: 1,
            labels: [("name".to_owned(), "foo".to_owned())].into(),
            base_images: vec!["fedora:40".into()],
            findings: vec![finding()],
        })),
        BuildEvent::DryRun(Box::new(DryRun {
            version: 1,
            builder: BuilderName::of("koji"),
            fields: [("method".to_owned(), json!("buildContainer"))].into_iter().collect(),
            text: "t".into(),
        })),
        BuildEvent::Standing(Box::new(Standing { state: None, url: None, ..standing.clone() })),
        BuildEvent::Standing(Box::new(standing)),
        BuildEvent::Configured(Box::new(ConfigReport {
            version: 1,
            values: vec![value(Some("v"), None), value(None, Some("e"))],
        })),
        setting(None),
        setting(Some("ci.cfg".into())),
        BuildEvent::Retrying(retry(None)),
        BuildEvent::Retrying(retry(Some(3))),
        BuildEvent::Reconnected,
        finish(None, None),
        finish(Some(build()), None),
        finish(Some(build()), Some(outcome(None))),
        finish(Some(build()), Some(outcome(Some(failure())))),
        BuildEvent::Failed(Box::new(fault(None))),
        BuildEvent::Failed(Box::new(fault(Some(build())))),
    ];
    let warnings = [
        Warning::User { text: "t".into() },
        Warning::General { text: "t".into() },
        Warning::Degraded { what: "w".into(), why: "y".into() },
        Warning::SessionRenewed { server: "s".into() },
        Warning::Omitted { what: "w".into(), why: "y".into() },
        Warning::Exposed { server: "s".into() },
        Warning::Adopted { task: 7.into() },
    ];
    events.extend(warnings.map(BuildEvent::Warned));
    events
}

fn about_builds() -> Vec<BuildEvent> {
    let opened = |some: bool| BuildEvent::TaskOpened {
        task: 25.into(),
        parent: some.then(|| 24.into()),
        label: "l".into(),
        arch: some.then(|| "x86_64".into()),
        state: TaskState::Free,
        host: some.then(|| "h".into()),
    };
    let changed = |to, some: bool| BuildEvent::TaskStateChanged {
        task: 25.into(),
        from: TaskState::Free,
        to,
        host: some.then(|| "h".into()),
        reason: some.then(|| "r".into()),
    };
    use TaskState::{Assigned, Canceled, Closed, Failed, Free, Open};
    let states = [Free, Assigned, Open, Closed, Canceled, Failed];
    let mut events = vec![
        BuildEvent::Submitted { build: build(), url: None, manner: &MANNER },
        BuildEvent::Attached { build: build(), url: Some("https://k".into()), manner: &MANNER },
        opened(true),
        opened(false),
        BuildEvent::TaskWaiting { task: 25.into(), reason: "r".into() },
        BuildEvent::TaskRetried { task: 25.into(), attempt: 2, reason: "r".into() },
        BuildEvent::Progress { task: 25.into(), done: 1, total: 2, unit: "tasks" },
    ];
    events.extend(states.map(|state| changed(state, state == TaskState::Failed)));
    events
}

fn about_logs() -> Vec<BuildEvent> {
    let of_volume = |volume: Option<&str>| {
        let appended = |offset, bytes| BuildEvent::LogAppended {
            log: log(volume),
            offset,
            bytes: bytes::Bytes::from_static(bytes),
        };
        [
            BuildEvent::LogOpened { log: log(volume), arch: volume.map(Arc::from) },
            appended(0, b"text"),
            appended(u64::MAX, b"\xff"),
            BuildEvent::LogSkipped { log: log(volume), to: 7 },
            BuildEvent::LogRestarted { log: log(volume), had: 7 },
            BuildEvent::LogClosed { log: log(volume) },
        ]
    };
    [of_volume(None), of_volume(Some("DEFAULT"))].concat()
}

/// What the schema calls an event. A new one does not compile without a line here.
fn kind_of(event: &BuildEvent) -> &'static str {
    match event {
        BuildEvent::Noted { .. } => "noted",
        BuildEvent::Waiting { .. } => "waiting",
        BuildEvent::Found(_) => "finding",
        BuildEvent::Checked(_) => "check",
        BuildEvent::DryRun(_) => "dry_run",
        BuildEvent::Standing(_) => "status",
        BuildEvent::Configured(_) => "config",
        BuildEvent::Setting { .. } => "setting",
        BuildEvent::Submitted { .. } => "submitted",
        BuildEvent::Attached { .. } => "attached",
        BuildEvent::TaskOpened { .. } => "task_opened",
        BuildEvent::TaskStateChanged { .. } => "task_state_changed",
        BuildEvent::TaskWaiting { .. } => "task_waiting",
        BuildEvent::TaskRetried { .. } => "task_retried",
        BuildEvent::LogOpened { .. } => "log_opened",
        BuildEvent::LogAppended { .. } => "log_appended",
        BuildEvent::LogSkipped { .. } => "log_skipped",
        BuildEvent::LogRestarted { .. } => "log_restarted",
        BuildEvent::LogClosed { .. } => "log_closed",
        BuildEvent::Progress { .. } => "progress",
        BuildEvent::Retrying(_) => "retrying",
        BuildEvent::Reconnected => "reconnected",
        BuildEvent::Warned(_) => "warned",
        BuildEvent::Finished(_) => "finished",
        BuildEvent::Failed(_) => "error",
    }
}

/// The code of a warning. A new one does not compile without a line here.
fn code_of(warning: &Warning) -> &'static str {
    match warning {
        Warning::User { .. } => "user",
        Warning::General { .. } => "general",
        Warning::Degraded { .. } => "degraded",
        Warning::SessionRenewed { .. } => "session_renewed",
        Warning::Omitted { .. } => "omitted",
        Warning::Exposed { .. } => "exposed",
        Warning::Adopted { .. } => "adopted",
    }
}

fn json(event: BuildEvent) -> Value {
    serde_json::to_value(Stamped { at: jiff::Timestamp::UNIX_EPOCH, event }).unwrap()
}

#[test]
fn every_event_is_as_the_table_says() {
    let mut seen = vec!["start"];
    check(&serde_json::to_value(Start::now()).unwrap()).unwrap();
    for event in samples() {
        let kind = kind_of(&event);
        let code = if let BuildEvent::Warned(warning) = &event { Some(code_of(warning)) } else { None };
        let line = json(event);
        assert_eq!(line.get("code").and_then(Value::as_str), code);
        assert_eq!(line["type"], kind);
        assert_eq!(check(&line), Ok(()), "{line}");
        seen.push(kind);
    }
    for kind in KINDS {
        assert!(seen.contains(&kind.name), "no event is {}", kind.name);
        assert_eq!(KINDS.iter().filter(|other| other.name == kind.name).count(), 1, "{}", kind.name);
    }
}

/// So that the table promises nothing that there is not.
#[test]
fn every_field_of_the_table_is_in_some_event() {
    let lines: Vec<Value> = samples().into_iter().map(json).collect();
    for kind in KINDS.iter().filter(|kind| kind.name != "start") {
        for field in kind.fields {
            let of_kind = || lines.iter().filter(|line| line["type"] == kind.name);
            assert!(of_kind().any(|line| line.get(field.name).is_some()), "{}.{}", kind.name, field.name);
            let sometimes = of_kind().any(|line| line.get(field.name).is_none());
            assert!(field.always != sometimes, "{}.{} is always there: {}", kind.name, field.name, field.always);
        }
    }
}

#[test]
fn the_shapes_that_scripts_know() {
    let finished = |build, outcome| json(BuildEvent::Finished(Box::new(Finish { exit_code: 1, build, outcome })));
    assert_eq!(finished(None, None), json!({"type": "finished", "ts": "1970-01-01T00:00:00Z", "exit_code": 1}));
    assert_eq!(
        finished(Some(build()), Some(outcome(Some(failure())))),
        json!({
            "type": "finished", "ts": "1970-01-01T00:00:00Z", "exit_code": 1,
            "builder": "koji", "server": "https://hub", "id": "25",
            "outcome": "failed", "url": "https://k", "duration": 1.5, "repositories": ["r"],
            "builds": [{"id": "1", "nvr": null, "url": ""}], "user_warnings": ["w"], "metadata": ["m"],
            "failure": {
                "reason": "boom", "code": -3, "task": "25",
                "log": {"log": {"task": "25", "volume": "DEFAULT", "name": "x86_64.log"}, "tail": ["last"], "url": null},
            },
        })
    );
    assert_eq!(
        json(BuildEvent::Failed(Box::new(fault(Some(build()))))),
        json!({
            "type": "error", "ts": "1970-01-01T00:00:00Z", "exit_code": 7, "kind": "unseen", "command": "watch",
            "message": "m", "causes": ["c"], "hints": ["h"],
            "findings": [{"id": "no-file", "severity": "error", "file": "Dockerfile", "line": 3, "message": "none", "hint": "write one"}],
            "build": {"builder": "koji", "server": "https://hub", "id": "25"},
        })
    );
}

#[test]
fn every_kind_of_error_is_a_word_of_the_table() {
    use ErrorKind::*;
    let kinds = [
        Checkout,
        Request,
        Config,
        Server,
        BuildFailed,
        Io,
        Usage,
        Cancelled,
        Refused,
        Authentication,
        Network,
        Unseen,
        Interrupted,
        Terminated,
        HungUp,
        Internal,
    ];
    for kind in kinds {
        let fault = Fault { kind: kind.word(), ..fault(None) };
        assert_eq!(check(&json(BuildEvent::Failed(Box::new(fault)))), Ok(()));
    }
}

#[test]
fn what_is_not_in_the_table_is_found() {
    let line = |more: Value| {
        let mut line = json!({"type": "submitted", "ts": "1970-01-01T00:00:00Z", "builder": "koji", "server": "s", "id": "1", "url": null});
        for (name, value) in more.as_object().unwrap() {
            line[name] = value.clone();
        }
        check(&line)
    };
    assert_eq!(line(json!({})), Ok(()));
    assert_eq!(line(json!({"more": 1})), Err("submitted: unknown field more".to_owned()));
    assert_eq!(line(json!({"id": 1})), Err("submitted: id: 1 is not text".to_owned()));
    assert_eq!(line(json!({"url": 1})), Err("submitted: url: 1 is not text".to_owned()));
    assert_eq!(line(json!({"ts": "today"})), Err("submitted: ts: \"today\" is not time".to_owned()));
    assert_eq!(line(json!({"type": "sent"})), Err("unknown type sent".to_owned()));
    assert_eq!(check(&json!([])), Err("no type".to_owned()));
    let ts = "1970-01-01T00:00:00Z";
    for (line, wrong) in [
        (json!({"type": "noted", "ts": ts}), "noted: text: missing"),
        (json!({"type": "waiting", "ts": ts, "what": "w", "since": -1}), "waiting: since: -1 is not seconds"),
        (
            json!({"type": "check", "ts": ts, "version": 1, "labels": {"a": 1}, "base_images": [], "findings": []}),
            "check: labels: 1 is not text",
        ),
        (
            json!({"type": "check", "ts": ts, "version": 1, "labels": {}, "base_images": "x", "findings": []}),
            "check: base_images: \"x\" is not list of text",
        ),
        (
            json!({"type": "check", "ts": ts, "version": 1.5, "labels": {}, "base_images": [], "findings": []}),
            "check: version: 1.5 is not number",
        ),
        (
            json!({"type": "check", "ts": ts, "version": 1, "labels": [], "base_images": [], "findings": []}),
            "check: labels: [] is not object of text",
        ),
        (json!({"type": "config", "ts": ts, "version": 1, "values": [3]}), "config: values: no object: 3"),
        (
            json!({"type": "task_opened", "ts": ts, "task": "1", "parent": null, "label": "l", "arch": null, "host": null, "state": "new"}),
            "task_opened: state: \"new\" is not one of free, assigned, open, closed, canceled, failed",
        ),
    ] {
        assert_eq!(check(&line), Err(wrong.to_owned()));
    }
}
