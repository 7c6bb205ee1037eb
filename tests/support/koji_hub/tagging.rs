//! `tagBuild`: checks at once, and a task that does it a little later, as a builder would.

use super::args::Args;
use super::content_generator::BUILD_STATES;
use super::sessions::Caller;
use super::state::{Build, State, Tag, TaskState, now};
use super::xmlrpc::{HubFault, Value};

/// How long a tagging task is free, in seconds: long enough to be seen.
const UNTIL_TAGGED: f64 = 0.1;

impl State {
    /// `tagBuild(tag, build, force, fromtag)`; gives the task's id.
    pub(crate) fn tag_build(&mut self, caller: &Caller, args: &Args) -> Result<Value, HubFault> {
        let user = caller.user.ok_or_else(|| HubFault::new(1004, "you must be logged in for this operation"))?;
        let (tag, build) = (args.required(0, "tag")?, args.required(1, "build")?);
        let no_build = || HubFault::generic(format!("No such build: {}", build.repr()));
        let build = self.known_build(build).ok_or_else(no_build)?;
        let no_tag = || HubFault::generic(format!("No such tagInfo: {}", tag.repr()));
        let tag = self.find_tag(tag).ok_or_else(no_tag)?;
        if build.state != 1 {
            let state = usize::try_from(build.state).ok().and_then(|state| BUILD_STATES.get(state)).unwrap_or(&"?");
            return Err(HubFault::new(1003, format!("build {} not complete: state {state}", build.nvr())));
        }
        may_have(tag, build)?;
        let request = vec![tag.id.into(), build.id.into(), false.into(), Value::Nil];
        let task = self.new_task("tagBuild", user, request);
        task.priority = 10;
        Ok(task.id.into())
    }

    /// Ends the tagging tasks whose time has come.
    pub(crate) fn run_tagging(&mut self) {
        let due = now() - UNTIL_TAGGED;
        let free = self.tasks.values().filter(|task| task.method == "tagBuild" && task.state == TaskState::Free);
        let ids: Vec<i64> = free.filter(|task| task.created <= due).map(|task| task.id).collect();
        for id in ids {
            let result = self.tag_now(id);
            let state = if result.is_ok() { TaskState::Closed } else { TaskState::Failed };
            if let Some(task) = self.tasks.get_mut(&id) {
                task.started = Some(task.created);
                task.finish(state, Some(result));
            }
        }
    }

    fn tag_now(&mut self, task: i64) -> Result<Value, HubFault> {
        let request = self.tasks.get(&task).map(|task| task.request.clone()).unwrap_or_default();
        let found = |state: &State| {
            let tag = state.find_tag(request.first()?)?.name.clone();
            Some((tag, state.known_build(request.get(1)?)?.nvr()))
        };
        let (tag, nvr) = found(self).ok_or_else(|| HubFault::generic("No such build or tag"))?;
        if self.tagged.contains(&(tag.clone(), nvr.clone())) {
            return Err(HubFault::new(1003, format!("build {nvr} already tagged ({tag})")));
        }
        self.tagged.push((tag, nvr));
        Ok(Value::Nil)
    }
}

fn may_have(tag: &Tag, build: &Build) -> Result<(), HubFault> {
    if tag.locked {
        return Err(HubFault::new(1004, "tag is locked"));
    }
    match tag.packages.get(&build.name) {
        None => Err(HubFault::new(1003, format!("Package {} not in list for {}", build.name, tag.name))),
        Some(listed) if listed.blocked => {
            Err(HubFault::new(1003, format!("Package {} blocked in {}", build.name, tag.name)))
        }
        Some(_) => Ok(()),
    }
}
