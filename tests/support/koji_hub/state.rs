//! What the hub knows: users, tags, targets, packages, builds, tasks with their files, sessions, and how to misbehave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};

use super::content_generator::ContentGenerators;
use super::misbehaviour::Injection;
use super::uploads::Uploads;
use super::xmlrpc::{Call, HubFault, Value};
use super::{HubOptions, Recorded};

/// Koji's `TASK_STATES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskState {
    Free = 0,
    Open = 1,
    Closed = 2,
    Canceled = 3,
    Assigned = 4,
    Failed = 5,
}

impl TaskState {
    pub(crate) fn is_finished(self) -> bool {
        matches!(self, TaskState::Closed | TaskState::Canceled | TaskState::Failed)
    }
}

/// A task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub id: i64,
    pub parent: Option<i64>,
    pub method: String,
    pub arch: String,
    pub state: TaskState,
    pub owner: i64,
    pub host: Option<i64>,
    pub priority: i64,
    pub created: f64,
    pub started: Option<f64>,
    pub completed: Option<f64>,
    pub request: Vec<Value>,
    pub result: Option<Result<Value, HubFault>>,
    /// By volume and name.
    pub files: BTreeMap<(String, String), File>,
}

/// A file that a task has put out.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub bytes: Bytes,
    pub modified: f64,
}

impl Task {
    /// Grows a file; in place as long as nobody reads it.
    pub(crate) fn append(&mut self, volume: &str, name: &str, more: &[u8]) {
        let empty = || File { bytes: Bytes::new(), modified: now() };
        let file = self.files.entry((volume.to_owned(), name.to_owned())).or_insert_with(empty);
        let old = std::mem::take(&mut file.bytes);
        let mut bytes = old.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        bytes.extend_from_slice(more);
        (file.bytes, file.modified) = (bytes.freeze(), now());
    }

    pub(crate) fn finish(&mut self, state: TaskState, result: Option<Result<Value, HubFault>>) {
        (self.state, self.result, self.completed) = (state, result, Some(now()));
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Tag {
    pub id: i64,
    pub name: String,
    pub arches: String,
    pub locked: bool,
    pub packages: BTreeMap<String, Listed>,
}

/// A package in a tag's list.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub id: i64,
    pub blocked: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub id: i64,
    pub name: String,
    pub build_tag: String,
    pub dest_tag: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Build {
    pub id: i64,
    pub name: String,
    pub version: String,
    pub release: String,
    /// Koji's `BUILD_STATES`.
    pub state: i64,
    pub task: Option<i64>,
    pub owner: i64,
    /// The content generator that made or reserved it.
    pub generator: Option<String>,
    pub source: Value,
    pub extra: Value,
}

impl Build {
    pub(crate) fn nvr(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub id: i64,
    pub name: String,
    pub password: String,
}

/// A login.
#[derive(Debug, Clone)]
pub(crate) struct SessionRecord {
    pub key: String,
    pub user: i64,
    /// Koji's `AUTHTYPES`: 0 password, 2 certificate, 3 GSSAPI.
    pub authtype: i64,
    pub expired: bool,
    pub last_number: Option<i64>,
    pub started: f64,
}

/// Everything.
pub(crate) struct State {
    pub options: HubOptions,
    pub users: Vec<User>,
    pub hosts: Vec<String>,
    pub tags: Vec<Tag>,
    pub targets: Vec<Target>,
    pub builds: Vec<Build>,
    pub tasks: BTreeMap<i64, Task>,
    pub sessions: BTreeMap<i64, SessionRecord>,
    pub next_session: i64,
    pub next_key: i64,
    pub next_task: i64,
    /// Methods that are not offered.
    pub hidden_methods: BTreeSet<String>,
    pub recorded: Vec<Recorded>,
    pub injections: Vec<Injection>,
    pub serve_files: bool,
    pub greenwave: (u16, String),
    pub greenwave_bodies: Vec<Bytes>,
    pub uploads: Uploads,
    pub generators: ContentGenerators,
    /// Tags and NVRs, in the order of tagging.
    pub tagged: Vec<(String, String)>,
    /// The newest repository of a tag, by the tag's name.
    pub repos: BTreeMap<String, i64>,
}

impl State {
    pub(crate) fn seeded(options: HubOptions) -> State {
        let user = |id, name: &str| User { id, name: name.to_owned(), password: "secret".to_owned() };
        let mut state = State {
            options,
            users: vec![user(1, "packager"), user(2, "somebody-else")],
            hosts: vec!["builder1".to_owned()],
            tags: Vec::new(),
            targets: Vec::new(),
            builds: Vec::new(),
            tasks: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_session: 115,
            next_key: 1,
            next_task: 24,
            repos: BTreeMap::new(),
            hidden_methods: BTreeSet::new(),
            recorded: Vec::new(),
            injections: Vec::new(),
            serve_files: true,
            greenwave: (200, r#"{"message": "All OK"}"#.to_owned()),
            greenwave_bodies: Vec::new(),
            uploads: Uploads::default(),
            generators: ContentGenerators::default(),
            tagged: Vec::new(),
        };
        state.add_target("f42-container-candidate", "f42-container-build", "f42-container-candidate");
        state.add_target("f40-container-candidate", "f40-container-build", "f40-container-candidate");
        state.add_target("f42-locked-target", "f42-container-build", "f42-locked");
        state.tag_mut("f42-locked").locked = true;
        for tag in ["f42-container-candidate", "f40-container-candidate"] {
            state.add_package(tag, "hello-container", false);
            state.add_package(tag, "foo-container", false);
            state.add_package(tag, "blocked-container", true);
        }
        state
    }

    /// The tag of that name; it is made when it is not there.
    pub(crate) fn tag_mut(&mut self, name: &str) -> &mut Tag {
        let at = self.tags.iter().position(|tag| tag.name == name).unwrap_or_else(|| {
            let id = count(self.tags.len()) + 1;
            let (name, arches) = (name.to_owned(), "x86_64 aarch64".to_owned());
            self.tags.push(Tag { id, name, arches, locked: false, packages: BTreeMap::new() });
            self.tags.len() - 1
        });
        &mut self.tags[at]
    }

    pub(crate) fn add_target(&mut self, name: &str, build_tag: &str, dest_tag: &str) {
        self.tag_mut(build_tag);
        self.tag_mut(dest_tag);
        let id = count(self.targets.len()) + 1;
        let [name, build_tag, dest_tag] = [name, build_tag, dest_tag].map(str::to_owned);
        self.targets.push(Target { id, name, build_tag, dest_tag });
    }

    pub(crate) fn add_package(&mut self, tag: &str, name: &str, blocked: bool) {
        let known = self.tags.iter().find_map(|tag| tag.packages.get(name)).map(|listed| listed.id);
        let fresh =
            self.tags.iter().flat_map(|tag| tag.packages.values()).map(|listed| listed.id).max().unwrap_or(0) + 1;
        let id = known.unwrap_or(fresh);
        self.tag_mut(tag).packages.insert(name.to_owned(), Listed { id, blocked });
    }

    pub(crate) fn add_build(&mut self, nvr: &str, build_state: i64, task: Option<i64>) -> i64 {
        let mut parts = nvr.rsplitn(3, '-').map(str::to_owned);
        let mut part = || parts.next().expect("an NVR has three parts");
        let (release, version, name) = (part(), part(), part());
        let id = count(self.builds.len()) + 1;
        self.builds.push(Build {
            id,
            name,
            version,
            release,
            state: build_state,
            task,
            owner: 1,
            generator: None,
            source: Value::Nil,
            extra: Value::Nil,
        });
        id
    }

    pub(crate) fn new_task(&mut self, method: &str, owner: i64, request: Vec<Value>) -> &mut Task {
        let id = self.next_task;
        self.next_task += 1;
        let task = Task {
            id,
            parent: None,
            method: method.to_owned(),
            arch: "noarch".to_owned(),
            state: TaskState::Free,
            owner,
            host: None,
            priority: 20,
            created: now(),
            started: None,
            completed: None,
            request,
            result: None,
            files: BTreeMap::new(),
        };
        self.tasks.entry(id).or_insert(task)
    }

    pub(crate) fn children(&self, parent: i64) -> impl Iterator<Item = &Task> {
        self.tasks.values().filter(move |task| task.parent == Some(parent))
    }

    pub(crate) fn user(&self, id: i64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The id of the builder of that name; it is made when it is not there.
    pub(crate) fn host_id(&mut self, name: &str) -> i64 {
        let at = self.hosts.iter().position(|host| host == name).unwrap_or_else(|| {
            self.hosts.push(name.to_owned());
            self.hosts.len() - 1
        });
        count(at) + 1
    }
}

/// All calls of a request: those in a multiCall one by one.
pub(crate) fn calls_within(call: &Call) -> Vec<Call> {
    if !matches!(call.0.as_str(), "multiCall" | "system.multicall") {
        return vec![call.clone()];
    }
    let entries = call.1.first().and_then(Value::as_array).unwrap_or_default();
    let entry = |entry: &Value| {
        let params = entry.get("params").and_then(Value::as_array).unwrap_or_default();
        Some((entry.get("methodName")?.as_str()?.to_owned(), params.to_vec()))
    };
    entries.iter().filter_map(entry).collect()
}

pub(crate) fn count(length: usize) -> i64 {
    i64::try_from(length).expect("fits")
}

/// Seconds since 1970, to the microsecond.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    (since.as_secs_f64() * 1e6).floor() / 1e6
}
