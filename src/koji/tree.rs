//! The tasks of a build as the hub shows them: who is new, who changed, and what has to be asked before that can be told.
//! No sockets, no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::api::TaskInfo;
use super::fault::Fault;
use super::xmlrpc::Value;
use crate::event::{BuildEvent, TaskId, TaskState};

/// What the hub has said of one task.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its newest struct.
    pub info: TaskInfo,
    /// Its result or failure, once it was asked for.
    pub result: Option<Result<Value, Fault>>,
    /// Whether its logs were read to the end after it had ended.
    pub drained: bool,
    /// Whether its files were listed once with its end known.
    pub seen_ended: bool,
    /// Whether its files were listed in this round.
    pub listed: bool,
    /// How often in a row the hub did not list its files.
    pub unlisted: u32,
}

/// A change that waits for the name of a host or the reason of a failure before it is told.
#[derive(Debug)]
struct Change {
    task: i64,
    /// `None`: the task is new.
    from: Option<TaskState>,
    to: TaskState,
    host: Option<i64>,
}

/// The tasks of one build.
#[derive(Debug)]
pub(crate) struct Tree {
    root: i64,
    tasks: BTreeMap<i64, Known>,
    hosts: BTreeMap<i64, String>,
    changes: VecDeque<Change>,
}

impl Tree {
    /// Nothing is known of the build yet but the id of its first task.
    pub(crate) fn new(root: i64) -> Tree {
        Tree { root, tasks: BTreeMap::new(), hosts: BTreeMap::new(), changes: VecDeque::new() }
    }

    /// The id of the first task.
    pub(crate) fn root_id(&self) -> i64 {
        self.root
    }

    /// The first task, once it was seen.
    pub(crate) fn root(&self) -> Option<&Known> {
        self.tasks.get(&self.root)
    }

    /// All tasks seen so far.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Known> {
        self.tasks.values()
    }

    /// A task by its id.
    pub(crate) fn get_mut(&mut self, task: i64) -> Option<&mut Known> {
        self.tasks.get_mut(&task)
    }

    /// Forgets which files were listed in the last round.
    pub(crate) fn begin_round(&mut self) {
        self.tasks.values_mut().for_each(|known| known.listed = false);
    }

    /// Whether the first task has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.root().is_some_and(|root| root.info.state.is_final())
    }

    /// Takes a task's newest struct. Returns `true` when the task was begun anew, with new logs.
    pub(crate) fn seen(&mut self, info: TaskInfo) -> bool {
        let task = info.id;
        let mut change = Change { task, from: None, to: info.state, host: info.host };
        let Some(known) = self.tasks.get_mut(&task) else {
            let (drained, seen_ended, listed, unlisted) = (false, false, false, 0);
            self.tasks.insert(task, Known { info, result: None, drained, seen_ended, listed, unlisted });
            self.changes.push_back(change);
            return false;
        };
        let before = std::mem::replace(&mut known.info, info);
        if known.info.request.is_none() {
            known.info.request = before.request;
        }
        if before.state != known.info.state || (before.host != known.info.host && !known.info.state.is_final()) {
            change.from = Some(before.state);
            self.changes.push_back(change);
        }
        before.start_ts.is_some() && known.info.start_ts.is_some() && before.start_ts != known.info.start_ts
    }

    /// Takes the name of a host; `None` when the hub does not know it.
    pub(crate) fn named(&mut self, host: i64, name: Option<String>) {
        self.hosts.insert(host, name.unwrap_or_else(|| host.to_string()));
    }

    /// The hosts whose names are needed.
    pub(crate) fn unnamed_hosts(&self) -> BTreeSet<i64> {
        self.changes.iter().filter_map(Change::shown_host).filter(|host| !self.hosts.contains_key(host)).collect()
    }

    /// The tasks whose results are needed: failed ones that are to be told of, and the first one at its end.
    pub(crate) fn without_result(&self) -> Vec<i64> {
        let wanted = |known: &&Known| {
            known.result.is_none()
                && (known.info.state == TaskState::Failed
                    || (known.info.id == self.root && known.info.state.is_final()))
        };
        self.tasks.values().filter(wanted).map(|known| known.info.id).collect()
    }

    /// Whether changes still wait to be told.
    pub(crate) fn has_untold(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Tells the changes about which all is known, in the order in which they were seen.
    pub(crate) fn tell(&mut self, events: &mut Vec<BuildEvent>) {
        while let Some(change) = self.changes.front() {
            let Some(known) = self.tasks.get(&change.task) else { break };
            // The end of a task is told after the last of its logs.
            if change.to.is_final() && known.info.state.is_final() && !known.drained {
                break;
            }
            let host = match change.shown_host() {
                Some(host) => match self.hosts.get(&host) {
                    Some(name) => Some(name.clone()),
                    None => break,
                },
                None => None,
            };
            let reason = match (change.to, &known.result) {
                (TaskState::Failed, None) => break,
                (TaskState::Failed, Some(Err(fault))) => Some(reason(fault)),
                _ => None,
            };
            let task = TaskId::from(change.task);
            if change.from.is_none() {
                events.push(BuildEvent::TaskOpened {
                    task: task.clone(),
                    parent: known.info.parent.map(TaskId::from),
                    label: known.info.display_label(),
                    arch: (known.info.arch != "noarch").then(|| known.info.arch.clone()),
                    state: change.to,
                    host: host.clone(),
                });
            }
            if let Some(from) = change.from.or((change.to == TaskState::Failed).then_some(change.to)) {
                events.push(BuildEvent::TaskStateChanged { task, from, to: change.to, host, reason });
            }
            self.changes.pop_front();
        }
    }
}

impl Change {
    /// The host belongs to the news only while a task is with one.
    fn shown_host(&self) -> Option<i64> {
        self.host.filter(|_| matches!(self.to, TaskState::Open | TaskState::Assigned))
    }
}

/// A failure in one line: Koji's class for Koji's own codes, the builder's words alone for the builder's codes.
fn reason(fault: &Fault) -> String {
    match fault.class() {
        Some(class) if fault.code < 2000 => format!("{class}: {}", fault.headline()),
        _ => fault.headline().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: i64, state: TaskState, host: Option<i64>, start_ts: Option<f64>) -> TaskInfo {
        TaskInfo {
            id,
            parent: (id > 1).then_some(1),
            method: "buildContainer".into(),
            arch: "noarch".into(),
            state,
            host,
            owner: None,
            label: None,
            create_ts: None,
            start_ts,
            completion_ts: None,
            request: None,
        }
    }

    fn told(tree: &mut Tree) -> Vec<String> {
        let mut events = Vec::new();
        tree.tell(&mut events);
        events
            .into_iter()
            .map(|event| match event {
                BuildEvent::TaskOpened { task, state, host, .. } => format!("{task} opened {state:?} {host:?}"),
                BuildEvent::TaskStateChanged { task, from, to, host, reason } => {
                    format!("{task} {from:?}->{to:?} {host:?} {reason:?}")
                }
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_change_waits_for_the_hosts_name_and_the_reason() {
        let mut tree = Tree::new(1);
        tree.seen(task(1, TaskState::Free, None, None));
        assert_eq!(told(&mut tree), ["1 opened Free None"]);
        tree.seen(task(1, TaskState::Open, Some(4), Some(1.0)));
        assert_eq!(told(&mut tree), [""; 0]);
        assert_eq!(tree.unnamed_hosts().into_iter().collect::<Vec<_>>(), [4]);
        tree.named(4, Some("builder1".into()));
        assert_eq!(told(&mut tree), ["1 Free->Open Some(\"builder1\") None"]);
        tree.seen(task(1, TaskState::Failed, Some(4), Some(1.0)));
        assert_eq!(told(&mut tree), [""; 0]);
        assert_eq!(tree.without_result(), [1]);
        tree.get_mut(1).unwrap().result = Some(Err(Fault { code: 1005, text: "boom".into() }));
        assert_eq!(told(&mut tree), [""; 0], "its logs come first");
        tree.get_mut(1).unwrap().drained = true;
        assert_eq!(told(&mut tree), ["1 Open->Failed None Some(\"BuildError: boom\")"]);
        assert!(!tree.has_untold());
    }

    #[test]
    fn a_task_may_go_back_and_begin_anew() {
        let mut tree = Tree::new(1);
        assert!(!tree.seen(task(1, TaskState::Open, None, Some(1.0))));
        assert!(!tree.seen(task(1, TaskState::Free, None, Some(1.0))));
        assert!(tree.seen(task(1, TaskState::Open, None, Some(2.0))));
        assert_eq!(told(&mut tree), ["1 opened Open None", "1 Open->Free None None", "1 Free->Open None None"]);
    }

    #[test]
    fn the_builders_own_codes_are_told_in_its_words_alone() {
        let fault = |code, text: &str| Fault { code, text: text.into() };
        assert_eq!(reason(&fault(2001, "Image build failed.")), "Image build failed.");
        assert_eq!(reason(&fault(1005, "no")), "BuildError: no");
        assert_eq!(reason(&fault(1, "Traceback (most recent call last):\n  x\nValueError: y\n")), "ValueError: y");
    }
}
