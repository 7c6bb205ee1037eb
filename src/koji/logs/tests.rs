use super::*;

fn file(name: &str, size: u64) -> OutputFile {
    OutputFile { name: name.into(), volume: "DEFAULT".into(), size }
}

/// What was told of logs, short enough to compare.
fn told(events: &[BuildEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            BuildEvent::LogOpened { log, arch } => format!("opened {} {arch:?}", log.name),
            BuildEvent::LogAppended { offset, bytes, .. } => format!("{offset}: {}", String::from_utf8_lossy(bytes)),
            BuildEvent::LogRestarted { had, .. } => format!("restarted, had {had}"),
            BuildEvent::LogSkipped { to, .. } => format!("skipped to {to}"),
            BuildEvent::LogClosed { .. } => "closed".to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_log_is_read_from_its_exact_offset() {
    let (mut logs, mut events) = (Logs::default(), Vec::new());
    logs.listed(7, &[file("x86_64.log", 3), file("metadata.json", 9)], &mut events);
    let pieces = logs.pieces();
    assert_eq!(pieces.len(), 1, "only files that end in log");
    assert_eq!((pieces[0].offset, pieces[0].size), (0, PEEK + 3));
    logs.arrived(&pieces[0], Bytes::from_static(b"abcde"), &mut events);
    let again = logs.pieces();
    assert_eq!(again[0].offset, 5);
    logs.arrived(&pieces[0], Bytes::from_static(b"abcde"), &mut events);
    logs.arrived(&again[0], Bytes::new(), &mut events);
    logs.task_ended(7, &mut events);
    assert_eq!(told(&events), ["opened x86_64.log Some(\"x86_64\")", "0: abcde", "closed"]);
    assert_eq!(logs.pieces(), []);
}

#[test]
fn a_log_that_stays_shorter_was_started_anew_and_one_that_recovers_was_not() {
    let (mut logs, mut events) = (Logs::default(), Vec::new());
    logs.listed(7, &[file("a.log", 5)], &mut events);
    let piece = logs.pieces().remove(0);
    logs.arrived(&piece, Bytes::from_static(b"abcde"), &mut events);
    logs.listed(7, &[file("a.log", 4)], &mut events);
    logs.listed(7, &[file("a.log", 6)], &mut events);
    let piece = logs.pieces().remove(0);
    assert_eq!(piece.offset, 5, "the upload was only repeated");
    logs.listed(7, &[file("a.log", 2)], &mut events);
    logs.listed(7, &[file("a.log", 2)], &mut events);
    let piece = logs.pieces().remove(0);
    logs.arrived(&piece, Bytes::from_static(b"xy"), &mut events);
    assert_eq!(told(&events), ["opened a.log None", "0: abcde", "restarted, had 5", "0: xy"]);
}

#[test]
fn the_last_lines_are_found_whatever_came_before() {
    let (mut logs, mut events) = (Logs::new(LogChoice { tail: Some(1), ..LogChoice::default() }), Vec::new());
    logs.listed(7, &[file("a.log", 10_000)], &mut events);
    let piece = logs.pieces().remove(0);
    assert_eq!(piece.offset, 10_000 - LINE);
    let mut bytes = vec![b'x'; 250];
    bytes.extend(b"\nlast\n");
    logs.arrived(&piece, bytes.into(), &mut events);
    assert_eq!(told(&events[1..]), ["skipped to 9995", "9995: last\n"]);
}

#[test]
fn one_call_stays_within_its_budget_and_many_logs_take_turns() {
    let (mut logs, mut events) = (Logs::default(), Vec::new());
    let files: Vec<OutputFile> = (0..100).map(|n| file(&format!("{n}.log"), 1 << 30)).collect();
    logs.listed(7, &files, &mut events);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..2 {
        let pieces = logs.pieces();
        assert_eq!(pieces.len(), LOGS_AT_ONCE);
        seen.extend(pieces.into_iter().map(|piece| piece.log));
    }
    assert_eq!(seen.len(), 100);

    let (mut logs, mut events) = (Logs::default(), Vec::new());
    logs.listed(7, &[file("a.log", 1 << 30), file("b.log", 1 << 30)], &mut events);
    assert!(logs.pieces().iter().map(|piece| piece.size).sum::<u64>() <= BUDGET);
}

#[test]
fn the_filter_takes_names_with_and_without_suffix_and_arches() {
    let named = |names: &[&str]| LogChoice {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    let cases: &[(LogChoice, &str, bool)] = &[
        (LogChoice::default(), "osbs-build.log", true),
        (LogChoice::default(), "x.json", false),
        (LogChoice { none: true, ..Default::default() }, "x.log", false),
        (named(&["x86_64"]), "x86_64.log", true),
        (named(&["x86_64.log"]), "x86_64.log", true),
        (named(&["x86"]), "x86_64.log", false),
        (LogChoice { arches: vec!["aarch64".into()], ..Default::default() }, "aarch64.log", true),
        (LogChoice { arches: vec!["aarch64".into()], ..Default::default() }, "osbs-build.log", false),
    ];
    for (filter, name, expected) in cases {
        assert_eq!(wants(filter, name), *expected, "{filter:?} {name}");
    }
}
