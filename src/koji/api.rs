//! The hub's calls with types: what is asked, and what of the answer matters. No sockets here.
//!
//! Decoding is tolerant (numbers may come as text, times are taken from their `_ts` twins) and total: what is missing but
//! needed is an [`SessionError::Unexpected`] that names it.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;

use super::call::Call;
use super::session::SessionError;
use super::xmlrpc::Value;
use crate::event::TaskState;
use crate::request::{Artifact, BuildRequest};

/// A task of a hub (`getTaskInfo`, `getTaskDescendents`).
#[derive(Debug, Clone, PartialEq)]
pub struct TaskInfo {
    /// The task's id.
    pub id: i64,
    /// The task that made it.
    pub parent: Option<i64>,
    /// What it does, e.g. `buildContainer`.
    pub method: String,
    /// The architecture it runs on; `noarch` for most.
    pub arch: String,
    /// Where it stands.
    pub state: TaskState,
    /// The builder that has it.
    pub host: Option<i64>,
    /// Its owner's user id.
    pub owner: Option<i64>,
    /// Its label within its parent.
    pub label: Option<String>,
    /// When it was made, in seconds since 1970.
    pub create_ts: Option<f64>,
    /// When a builder began it.
    pub start_ts: Option<f64>,
    /// When it ended.
    pub completion_ts: Option<f64>,
    /// Its arguments, where they were asked for.
    pub request: Option<Vec<Value>>,
}

impl TaskInfo {
    /// Reads a task's struct; `None` for nil, which stands for an unknown task.
    ///
    /// # Errors
    /// When it has no id or an unknown state.
    pub fn from_value(value: &Value) -> Result<Option<TaskInfo>, SessionError> {
        if *value == Value::Nil {
            return Ok(None);
        }
        let int = |name: &str| value.get(name).and_then(Value::as_int);
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let missing = |what: &str| SessionError::Unexpected { operation: "getTaskInfo", what: format!("no {what}") };
        Ok(Some(TaskInfo {
            id: int("id").ok_or_else(|| missing("id"))?,
            parent: int("parent"),
            method: text("method").unwrap_or_default(),
            arch: text("arch").unwrap_or_else(|| "noarch".to_owned()),
            state: int("state").and_then(task_state).ok_or_else(|| missing("known state"))?,
            host: int("host_id"),
            owner: int("owner"),
            label: text("label"),
            create_ts: value.get("create_ts").and_then(Value::as_f64),
            start_ts: value.get("start_ts").and_then(Value::as_f64),
            completion_ts: value.get("completion_ts").and_then(Value::as_f64),
            request: value.get("request").and_then(Value::as_array).map(<[Value]>::to_vec),
        }))
    }

    /// The task's name as Koji's own tools show it: `METHOD (ARCH)` (`koji.taskLabel` for methods it does not know,
    /// `buildContainer` among them).
    pub fn display_label(&self) -> String {
        format!("{} ({})", self.method, self.arch)
    }
}

/// Koji's `TASK_STATES`.
fn task_state(number: i64) -> Option<TaskState> {
    Some(match number {
        0 => TaskState::Free,
        1 => TaskState::Open,
        2 => TaskState::Closed,
        3 => TaskState::Canceled,
        4 => TaskState::Assigned,
        5 => TaskState::Failed,
        _ => return None,
    })
}

/// Asks for one task.
pub fn get_task_info(task: i64, with_request: bool) -> Call {
    let call = Call::new("getTaskInfo").arg(task);
    if with_request { call.named("request", true) } else { call }
}

/// Asks for all tasks below one.
pub fn get_task_descendents(task: i64) -> Call {
    Call::new("getTaskDescendents").arg(task)
}

/// Reads the tasks below `root` out of `getTaskDescendents`: a struct from ids (as text) to lists of children.
///
/// # Errors
/// When a child is malformed.
pub fn descendents(answer: &Value) -> Result<Vec<TaskInfo>, SessionError> {
    let mut tasks = Vec::new();
    for children in answer.as_struct().into_iter().flat_map(BTreeMap::values) {
        for child in children.as_array().unwrap_or_default() {
            tasks.extend(TaskInfo::from_value(child)?);
        }
    }
    tasks.sort_by_key(|task| task.id);
    Ok(tasks)
}

/// Asks what files a task has put out, with their sizes, on all volumes.
pub fn list_task_output(task: i64) -> Call {
    Call::new("listTaskOutput").arg(task).named("stat", true).named("all_volumes", true)
}

/// A file that a task has put out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Its path below the task's directory.
    pub name: Arc<str>,
    /// The volume it lies on.
    pub volume: Arc<str>,
    /// Its size in bytes.
    pub size: u64,
}

/// Reads the answer to [`list_task_output`].
pub fn output_files(answer: &Value) -> Vec<OutputFile> {
    let mut files = Vec::new();
    for (name, volumes) in answer.as_struct().into_iter().flatten() {
        let name: Arc<str> = name.as_str().into();
        for (volume, stat) in volumes.as_struct().into_iter().flatten() {
            let size =
                stat.get("st_size").and_then(Value::as_int).and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
            files.push(OutputFile { name: Arc::clone(&name), volume: volume.as_str().into(), size });
        }
    }
    files
}

/// Asks for a piece of a file. A negative `offset` counts from the end.
pub fn download_task_output(task: i64, file: &str, volume: &str, offset: i64, size: u64) -> Call {
    Call::new("downloadTaskOutput")
        .arg(task)
        .arg(file)
        .named("offset", offset)
        .named("size", i64::try_from(size).unwrap_or(i64::MAX))
        .named("volume", volume)
}

/// Reads the answer to [`download_task_output`]: base64 in a string.
///
/// # Errors
/// When it is no base64.
pub fn downloaded(answer: &Value) -> Result<Bytes, SessionError> {
    let unexpected = |what: &str| SessionError::Unexpected { operation: "downloadTaskOutput", what: what.to_owned() };
    let text = answer.as_str().ok_or_else(|| unexpected("no text"))?;
    let decoded = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let packed: String = text.split_ascii_whitespace().collect();
        base64::engine::general_purpose::STANDARD.decode(packed)
    } else {
        base64::engine::general_purpose::STANDARD.decode(text)
    };
    decoded.map(Bytes::from).map_err(|_| unexpected("no base64"))
}

/// Asks for a task's result, a failure's fault as a value and not as the call's own.
pub fn get_task_result(task: i64) -> Call {
    Call::new("getTaskResult").arg(task).named("raise_fault", false)
}

/// What a container task puts out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerResult {
    /// Pull specs.
    pub repositories: Vec<String>,
    /// Ids of Koji builds, as text.
    pub koji_builds: Vec<String>,
    /// What the builder warned about.
    pub user_warnings: Vec<String>,
}

impl ContainerResult {
    /// Reads a result. What is not there or of another type is left empty: the build has succeeded all the same.
    pub fn from_value(value: &Value) -> ContainerResult {
        let texts = |name: &str| -> Vec<String> {
            let items = value.get(name).and_then(Value::as_array).unwrap_or_default();
            items.iter().filter_map(as_text).collect()
        };
        ContainerResult {
            repositories: texts("repositories"),
            koji_builds: texts("koji_builds"),
            user_warnings: texts("user_warnings"),
        }
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Asks for a build by its id or NVR.
pub fn get_build(build: &str) -> Call {
    let call = Call::new("getBuild");
    match build.parse::<i64>() {
        Ok(id) => call.arg(id),
        Err(_) => call.arg(build),
    }
}

/// Asks for the name of a builder.
pub fn get_host(host: i64) -> Call {
    Call::new("getHost").arg(host)
}

/// Asks for the newest tasks of `method`, of `owner` where given, newest first: `limit` of them after the `skipped` first ones.
///
/// Their arguments are not asked for: to give them, a hub decodes the stored results of all of them too, and a single one that
/// XML cannot carry (builders paste the output of tools into them) fails the whole call.
pub fn newest_tasks(method: &str, owner: Option<i64>, limit: i64, skipped: i64) -> Call {
    let mut filter = BTreeMap::from([("method".to_owned(), method.into())]);
    if let Some(owner) = owner {
        filter.insert("owner".to_owned(), owner.into());
    }
    let page = Value::record([("order", "-id".into()), ("limit", limit.into()), ("offset", skipped.into())]);
    Call::new("listTasks").arg(Value::Struct(filter)).arg(page)
}

/// Reads the ids out of the answer to [`newest_tasks`].
pub fn task_ids(answer: &Value) -> Vec<i64> {
    let tasks = answer.as_array().unwrap_or_default();
    tasks.iter().filter_map(|task| task.get("id")?.as_int()).collect()
}

/// The submission of a build: equal to rpkg 1.70's but for `skip_build` and options that were not asked for, which are not
/// sent (`Commands.container_build_koji`; the builder treats absent and null alike, and warns about `skip_build`).
pub fn build_container(request: &BuildRequest) -> Call {
    let options = &request.options;
    let mut opts = BTreeMap::from([
        ("scratch".to_owned(), Value::Bool(options.scratch)),
        ("isolated".to_owned(), Value::Bool(options.isolated)),
        ("git_branch".to_owned(), request.git_branch.as_str().into()),
    ]);
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            opts.insert(name.to_owned(), value);
        }
    };
    let text = |value: &Option<String>| value.as_deref().map(Value::from);
    let list = |items: &[String]| {
        (!items.is_empty()).then(|| items.iter().map(|item| item.as_str().into()).collect::<Vec<_>>().into())
    };
    add("release", text(&options.release));
    add("koji_parent_build", text(&options.koji_parent_build));
    add("yum_repourls", list(&options.yum_repourls));
    add("signing_intent", text(&options.signing_intent));
    add(
        "compose_ids",
        (!options.compose_ids.is_empty())
            .then(|| options.compose_ids.iter().copied().map(Value::Int).collect::<Vec<_>>().into()),
    );
    add("dependency_replacements", list(&options.dependency_replacements));
    add("arch_override", (!options.arches.is_empty()).then(|| options.arches.join(" ").as_str().into()));
    add("userdata", options.userdata.as_ref().map(|data| (&serde_json::Value::Object(data.clone())).into()));
    add("operator_csv_modifications_url", text(&options.operator_csv_modifications_url));
    add("flatpak", (request.artifact == Artifact::Flatpak).then_some(Value::Bool(true)));

    let mut call =
        Call::new("buildContainer").arg(request.source.as_str()).arg(request.target.as_str()).arg(Value::Struct(opts));
    if let Some(priority) = request.priority {
        call = call.named("priority", priority);
    }
    if let Some(channel) = &request.channel {
        call = call.named("channel", channel.as_str());
    }
    call
}

/// Cancels a task and what it has started.
pub fn cancel_task(task: i64) -> Call {
    Call::new("cancelTask").arg(task)
}
