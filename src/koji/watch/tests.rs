use std::collections::BTreeMap;

use super::*;
use crate::event::Outcome;

const TASK: i64 = 7;
const OPEN: i64 = 1;
const CLOSED: i64 = 2;

fn watcher() -> Watcher {
    let poll_interval = Duration::from_secs(1);
    let options = WatchOptions { logs: LogChoice::default(), poll_interval, links: HubLinks::default() };
    Watcher::new(TASK, &options)
}

fn refused() -> Fault {
    Fault { code: 1000, text: "no".to_owned() }
}

/// A hub with one task, as it is at the time of a poll.
#[derive(Clone, Copy)]
struct Hub<'a> {
    state: i64,
    /// What `listTaskOutput` tells: names, and how many bytes there are.
    files: Option<&'a [(&'a str, usize)]>,
    /// What is in every file.
    bytes: &'a [u8],
    /// A log of which no piece is given.
    withheld: &'a str,
}

impl Hub<'_> {
    fn answer(&self, asked: &Asked) -> Result<Value, Fault> {
        match asked {
            Asked::Root { task, .. } => {
                Ok(Value::record([("id", (*task).into()), ("state", self.state.into()), ("method", "x".into())]))
            }
            Asked::Files(_) => {
                let file = |(name, size): &(&str, usize)| {
                    let stat = Value::record([("st_size", size.to_string().as_str().into())]);
                    ((*name).to_owned(), Value::record([("DEFAULT", stat)]))
                };
                Ok(Value::Struct(self.files.ok_or_else(refused)?.iter().map(file).collect()))
            }
            Asked::Piece(piece) if *piece.log.name == *self.withheld => Err(refused()),
            Asked::Piece(piece) => {
                let begin = usize::try_from(piece.offset).unwrap().min(self.bytes.len());
                Ok(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &self.bytes[begin..])
                    .as_str()
                    .into())
            }
            Asked::Descendents(_) | Asked::Result(_) => Ok(Value::Struct(BTreeMap::new())),
            Asked::Host(_) | Asked::Build(..) | Asked::Tail { .. } => Err(refused()),
        }
    }
}

/// One poll, and what was told by it.
fn poll(watcher: &mut Watcher, hub: Hub<'_>) -> Vec<String> {
    let mut events = Vec::new();
    for asked in watcher.ask() {
        watcher.take(&asked, hub.answer(&asked), &mut events).unwrap();
    }
    watcher.settle(&mut events);
    let told = |event: BuildEvent| match event {
        BuildEvent::LogAppended { log, bytes, .. } => {
            Some(format!("{}: {}", log.name, String::from_utf8_lossy(&bytes)))
        }
        BuildEvent::LogClosed { log } => Some(format!("{} closed", log.name)),
        BuildEvent::Warned(Warning::Degraded { what, .. }) => Some(format!("{what} does not work")),
        _ => None,
    };
    events.into_iter().filter_map(told).collect()
}

#[test]
fn the_last_lines_are_read_though_the_hubs_folder_lags_behind_the_end() {
    let mut watcher = watcher();
    let hub = Hub { state: OPEN, files: Some(&[("a.log", 3)]), bytes: b"one", withheld: "" };
    poll(&mut watcher, hub);
    assert_eq!(poll(&mut watcher, hub), ["a.log: one"]);
    // Ended, and the folder still shows what was there before.
    assert_eq!(poll(&mut watcher, Hub { state: CLOSED, ..hub }), [""; 0]);
    let last = Hub { state: CLOSED, files: Some(&[("a.log", 6)]), bytes: b"onetwo", ..hub };
    let told: Vec<String> = (0..4).flat_map(|_| poll(&mut watcher, last)).collect();
    assert_eq!(told, ["a.log: two", "a.log closed"]);
    assert!(watcher.is_done());
    assert_eq!(watcher.outcome(&HubLinks::default()).outcome, Outcome::Succeeded);
}

#[test]
fn a_log_that_is_refused_is_told_once_and_holds_up_no_other() {
    let mut watcher = watcher();
    let files = Some(&[("a.log", 3), ("b.log", 3)][..]);
    let hub = Hub { state: OPEN, files, bytes: b"one", withheld: "a.log" };
    let told: Vec<String> = (0..20).flat_map(|_| poll(&mut watcher, hub)).collect();
    assert_eq!(told, ["b.log: one", "reading the log \"a.log\" does not work"]);
    assert!(!watcher.is_busy(), "it is not asked for in haste");
    let again = poll(&mut watcher, Hub { withheld: "", ..hub });
    assert_eq!(again, ["a.log: one"], "it is read when it can be read again");
    let told: Vec<String> = (0..4).flat_map(|_| poll(&mut watcher, Hub { state: CLOSED, ..hub })).collect();
    assert_eq!(told, ["a.log closed", "b.log closed"]);
    assert!(watcher.is_done());
}

#[test]
fn a_task_whose_files_are_never_listed_ends_with_a_word_about_it() {
    let mut watcher = watcher();
    let hub = Hub { state: CLOSED, files: None, bytes: b"", withheld: "" };
    let mut polls = 0;
    let mut told = Vec::new();
    while !watcher.is_done() {
        told.extend(poll(&mut watcher, hub));
        polls += 1;
        assert!(polls < 20, "it never ends");
    }
    assert_eq!(told, ["listing the files of task 7 does not work"]);
    assert!(polls > 3, "it is tried more than once");
}

#[test]
fn a_log_whose_name_cannot_be_sent_is_told_once_and_never_asked_for() {
    let mut watcher = watcher();
    let files = Some(&[("a\u{1b}[31m.log", 3), ("b.log", 3)][..]);
    let hub = Hub { state: OPEN, files, bytes: b"one", withheld: "" };
    let told: Vec<String> = (0..3).flat_map(|_| poll(&mut watcher, hub)).collect();
    assert_eq!(told, ["reading the log \"a\\u{1b}[31m.log\" does not work", "b.log: one"]);
    let asked = watcher.ask();
    assert!(asked.iter().all(|asked| !matches!(asked, Asked::Piece(piece) if piece.log.name.contains('\u{1b}'))));
}
