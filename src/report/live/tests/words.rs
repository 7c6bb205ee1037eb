//! The words of events that tell no build's story, and of what commands answer.

use super::*;
use crate::event::{ConfigReport, ConfigValue};

/// What each event looks like that is no part of a build's story above: on standard output, and on standard error.
#[test]
fn every_other_event_has_its_words() {
    check(&answers());
    check(&news());
}

/// An event, and what is to be seen of it.
type Case = (BuildEvent, &'static str, &'static str);

fn check(cases: &[Case]) {
    for (event, out, err) in cases {
        let shown = plain(std::slice::from_ref(event));
        assert_eq!((shown.0.as_str(), shown.1.as_str()), (*out, *err), "{event:?}");
    }
}

fn answers() -> Vec<Case> {
    let setting = |file: Option<&str>| BuildEvent::Setting {
        name: "autorebuild",
        value: "true".into(),
        file: file.map(str::to_owned),
    };
    let found = |finding: Finding| BuildEvent::Found(finding);
    vec![
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
        (failed(), "", "Could not execute watch: the hub is away\n  caused by: a\nb\nhint: wait\n"),
        (end(None), "", ""),
    ]
}

fn news() -> Vec<Case> {
    let warned = BuildEvent::Warned;
    vec![
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
    ]
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
