//! The hub's calls about tasks: making, asking, reading what they put out, cancelling.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::args::{Args, time_text};
use super::sessions::Caller;
use super::state::{File, State, Task, TaskState};
use super::xmlrpc::{HubFault, Value, record, texts, write_call, write_response};

/// The priority of a task that asks for none.
const DEFAULT_PRIORITY: i64 = 20;

impl State {
    pub(crate) fn dispatch_tasks(&mut self, caller: &Caller, method: &str, args: &Args) -> Result<Value, HubFault> {
        match method {
            "buildContainer" => self.build_container(caller, args),
            "cancelTask" => self.cancel_task(caller, args),
            "getTaskInfo" => self.get_task_info(args),
            "getTaskChildren" => {
                let with_request = args.get(1, "request").is_true();
                Ok(self
                    .children(args.int(0, "task_id")?)
                    .map(|task| task.info(with_request))
                    .collect::<Vec<_>>()
                    .into())
            }
            "getTaskDescendents" => {
                let mut found = Vec::new();
                self.descend(args.int(0, "task_id")?, args.get(1, "request").is_true(), &mut found);
                Ok(Value::Struct(found))
            }
            "getTaskResult" => self.get_task_result(args),
            "taskFinished" => Ok(self.known_task(args.int(0, "taskId")?)?.state.is_finished().into()),
            "listTaskOutput" => self.list_task_output(args),
            "downloadTaskOutput" => self.download_task_output(args),
            "listTasks" => self.list_tasks(args),
            _ => Err(HubFault::generic(format!("Invalid method: {method}"))),
        }
    }

    fn build_container(&mut self, caller: &Caller, args: &Args) -> Result<Value, HubFault> {
        args.only(&["src", "target", "opts", "priority", "channel"])?;
        let request = vec![
            args.required(0, "src")?.clone(),
            args.required(1, "target")?.clone(),
            match args.get(2, "opts") {
                Value::Nil => Value::Struct(Vec::new()),
                opts => opts.clone(),
            },
        ];
        let priority = args.get(3, "priority").as_int().unwrap_or(0);
        if priority < 0 {
            return Err(HubFault::new(1004, "only admins may create high-priority tasks"));
        }
        let channel = args.get(4, "channel").as_str().unwrap_or("container-binary");
        if channel != "container-binary" {
            return Err(HubFault::generic(format!("No such channel: {channel}")));
        }
        let owner = caller.user.ok_or_else(|| HubFault::generic("task must have an owner"))?;
        let task = self.new_task("buildContainer", owner, request);
        task.priority = DEFAULT_PRIORITY + priority;
        Ok(task.id.into())
    }

    fn cancel_task(&mut self, caller: &Caller, args: &Args) -> Result<Value, HubFault> {
        let id = args.int(0, "task_id")?;
        let recurse = args.positional().len() < 2 || args.get(1, "recurse").is_true();
        if !self.tasks.contains_key(&id) {
            return Err(HubFault::generic(format!("No such task: {id}")));
        }
        if caller.user != Some(self.known_task(id)?.owner) {
            return Err(HubFault::new(1004, "Cannot cancel task, not owner"));
        }
        self.cancel(id, recurse);
        Ok(Value::Nil)
    }

    fn cancel(&mut self, id: i64, recurse: bool) {
        if let Some(task) = self.tasks.get_mut(&id).filter(|task| !task.state.is_finished()) {
            task.finish(TaskState::Canceled, None);
        }
        if recurse {
            let children: Vec<i64> = self.children(id).map(|task| task.id).collect();
            children.into_iter().for_each(|child| self.cancel(child, true));
        }
    }

    fn known_task(&self, id: i64) -> Result<&Task, HubFault> {
        self.tasks.get(&id).ok_or_else(|| HubFault::generic(format!("No such task: {id}")))
    }

    fn get_task_info(&self, args: &Args) -> Result<Value, HubFault> {
        let (with_request, strict) = (args.get(1, "request").is_true(), args.get(2, "strict").is_true());
        let info = |wanted: &Value| match wanted.as_int().and_then(|id| self.tasks.get(&id)) {
            Some(task) => Ok(task.info(with_request)),
            None if strict => Err(HubFault::generic("query returned no rows")),
            None => Ok(Value::Nil),
        };
        match args.required(0, "task_id")? {
            Value::Array(ids) => ids.iter().map(info).collect::<Result<Vec<_>, _>>().map(Value::Array),
            id => info(id),
        }
    }

    fn descend(&self, id: i64, with_request: bool, found: &mut Vec<(String, Value)>) {
        let children: Vec<Value> = self.children(id).map(|task| task.info(with_request)).collect();
        found.push((id.to_string(), Value::Array(children)));
        for child in self.children(id) {
            self.descend(child.id, with_request, found);
        }
    }

    fn get_task_result(&self, args: &Args) -> Result<Value, HubFault> {
        let id = args.int(0, "taskId")?;
        let raise = args.positional().len() < 2 && *args.get(1, "raise_fault") != Value::Bool(false);
        let task = self.tasks.get(&id).ok_or_else(|| HubFault::generic("No such task"))?;
        match (task.state, &task.result) {
            (TaskState::Canceled, _) => Err(HubFault::generic(format!("Task {id} is canceled"))),
            (_, None) => Err(HubFault::generic(format!("Task {id} is not finished"))),
            (_, Some(Err(fault))) if !raise => Ok(fault.to_value()),
            (_, Some(result)) => result.clone(),
        }
    }

    fn list_task_output(&self, args: &Args) -> Result<Value, HubFault> {
        args.only(&["taskID", "stat", "all_volumes", "strict"])?;
        let task = self.tasks.get(&args.int(0, "taskID")?);
        let (stat, all_volumes) = (args.get(1, "stat").is_true(), args.get(2, "all_volumes").is_true());
        let files = task.into_iter().flat_map(|task| &task.files);
        if !all_volumes {
            let files = files.filter(|((volume, _), _)| volume == "DEFAULT");
            return Ok(match stat {
                false => texts(files.map(|((_, name), _)| name)),
                true => Value::Struct(files.map(|((_, name), file)| (name.clone(), file.stat())).collect()),
            });
        }
        let mut by_name: BTreeMap<&str, Vec<(&str, &File)>> = BTreeMap::new();
        for ((volume, name), file) in files {
            by_name.entry(name).or_default().push((volume, file));
        }
        let volumes = |volumes: Vec<(&str, &File)>| match stat {
            false => texts(volumes.iter().map(|(volume, _)| volume)),
            true => Value::Struct(volumes.iter().map(|(volume, file)| ((*volume).to_owned(), file.stat())).collect()),
        };
        Ok(Value::Struct(by_name.into_iter().map(|(name, held)| (name.to_owned(), volumes(held))).collect()))
    }

    fn download_task_output(&self, args: &Args) -> Result<Value, HubFault> {
        let (id, name) = (args.int(0, "taskID")?, args.text(1, "fileName")?);
        let offset = args.get(2, "offset").as_int().unwrap_or(0);
        let size = args.get(3, "size").as_int().unwrap_or(-1);
        let volume = args.get(4, "volume").as_str().unwrap_or("DEFAULT");
        if name.contains("..") {
            return Err(HubFault::generic(format!("Invalid file name: {name}")));
        }
        let key = (volume.to_owned(), name.to_owned());
        let file = self.tasks.get(&id).and_then(|task| task.files.get(&key));
        let file = file.ok_or_else(|| HubFault::generic(format!("no file \"{name}\" output by task {id}")))?;
        let length = file.bytes.len();
        let begin = match usize::try_from(offset) {
            Ok(offset) => offset.min(length),
            Err(_) => length.saturating_sub(usize::try_from(offset.unsigned_abs()).unwrap_or(length)),
        };
        let end = usize::try_from(size).map_or(length, |size| begin.saturating_add(size).min(length));
        Ok(BASE64.encode(&file.bytes[begin..end]).into())
    }

    fn list_tasks(&self, args: &Args) -> Result<Value, HubFault> {
        let (opts, query) = (args.get(0, "opts"), args.get(1, "queryOpts"));
        let one_of = |name: &str, actual: i64| match opts.get(name) {
            None | Some(Value::Nil) => true,
            Some(Value::Array(wanted)) => wanted.contains(&actual.into()),
            Some(wanted) => wanted.as_int() == Some(actual),
        };
        let method = opts.get("method").and_then(Value::as_str);
        let after = match opts.get("createdAfter") {
            Some(Value::Double(time)) => *time,
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
            Some(Value::Int(time)) => *time as f64,
            _ => 0.0,
        };
        let mut found: Vec<&Task> = self
            .tasks
            .values()
            .filter(|task| one_of("owner", task.owner) && one_of("state", task.state as i64))
            .filter(|task| opts.get("parent").is_none() || one_of("parent", task.parent.unwrap_or(0)))
            .filter(|task| method.is_none_or(|method| task.method == method) && task.created > after)
            .collect();
        if query.get("order").and_then(Value::as_str) == Some("-id") {
            found.reverse();
        }
        let limit = query.get("limit").and_then(Value::as_int).and_then(|limit| usize::try_from(limit).ok());
        let decode = opts.get("decode").is_some_and(Value::is_true);
        let skipped = query.get("offset").and_then(Value::as_int).and_then(|offset| usize::try_from(offset).ok());
        let found: Vec<&Task> = found.into_iter().skip(skipped.unwrap_or(0)).collect();
        if decode && found.iter().any(|task| task.result_breaks_xml()) {
            // `koji.xmlrpcplus.loads` reads every stored result, and gives up at the first one.
            return Err(HubFault::new(1, "not well-formed (invalid token): line 13, column 4"));
        }
        let listed = found.into_iter().take(limit.unwrap_or(usize::MAX)).map(|task| self.listed(task, decode));
        Ok(Value::Array(listed.collect()))
    }

    fn listed(&self, task: &Task, decode: bool) -> Value {
        let Value::Struct(mut members) = task.info(false) else { unreachable!("a task's info is a struct") };
        let result = match &task.result {
            None => Value::Nil,
            Some(result) if !decode => write_response(result).into(),
            Some(Ok(value)) => value.clone(),
            Some(Err(fault)) => fault.to_value(),
        };
        let request = match decode {
            true => Value::Array(task.request.clone()),
            false => write_call(&task.method, &task.request).into(),
        };
        let owner = self.user(task.owner).map(|user| user.name.as_str());
        let more: [(&str, Value); 4] =
            [("owner_name", owner.into()), ("owner_type", 0.into()), ("request", request), ("result", result)];
        members.extend(more.map(|(name, value)| (name.to_owned(), value)));
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        Value::Struct(members)
    }
}

impl Task {
    fn result_breaks_xml(&self) -> bool {
        let text = self.result.as_ref().and_then(|result| result.as_ref().err()).map_or("", |fault| &fault.text);
        text.chars().any(|c| c < ' ' && !matches!(c, '\t' | '\n' | '\r'))
    }

    fn info(&self, with_request: bool) -> Value {
        let time = |time: Option<f64>| time.map(time_text);
        let mut members = vec![
            ("arch", self.arch.as_str().into()),
            ("awaited", Value::Nil),
            ("channel_id", 9.into()),
            ("completion_time", time(self.completed).into()),
            ("completion_ts", self.completed.into()),
            ("create_time", time(Some(self.created)).into()),
            ("create_ts", self.created.into()),
            ("host_id", self.host.into()),
            ("id", self.id.into()),
            ("label", Value::Nil),
            ("method", self.method.as_str().into()),
            ("owner", self.owner.into()),
            ("parent", self.parent.into()),
            ("priority", self.priority.into()),
            ("start_time", time(self.started).into()),
            ("start_ts", self.started.into()),
            ("state", (self.state as i64).into()),
            ("waiting", Value::Nil),
            ("weight", 1.0.into()),
        ];
        if with_request {
            members.push(("request", Value::Array(self.request.clone())));
        }
        Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl File {
    /// Sizes are texts: they may not fit into `<int>`.
    fn stat(&self) -> Value {
        record([
            ("st_atime", self.modified.into()),
            ("st_ctime", self.modified.into()),
            ("st_mtime", self.modified.into()),
            ("st_size", self.bytes.len().to_string().into()),
        ])
    }
}
