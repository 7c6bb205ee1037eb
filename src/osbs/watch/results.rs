//! What came out of a run, or why nothing did.
//!
//! The order in which reasons are looked for is osbs-client's (`PipelineRun.get_error_message`): what the exit task collected, then
//! what failed tasks say, then the run's own condition. Unlike there, tasks that did not fail are not listed as errors.

use std::time::Duration;

use serde_json::Value;

use super::logs::Followed;
use super::logs::decoder::Special;
use super::model::Model;
use crate::event::{BuildOutcome, Failure, FailureLog, KojiBuild, Outcome, TaskId, TaskState};
use crate::osbs::tekton::{Condition, Container, PipelineRun, TaskRun, Terminated};

/// The tasks that collect what went wrong, the first one that there is counts.
const EXIT_TASKS: [&str; 2] = ["binary-container-exit", "source-container-exit"];
/// The kinds of pull specs, in the order in which they are told.
const KINDS: [&str; 3] = ["primary", "unique", "floating"];

/// What there is to say when watching ends.
pub(crate) fn outcome(name: &str, model: &Model, specials: &[Special], logs: &[Followed]) -> BuildOutcome {
    let run = model.run();
    let outcome = match run.map(PipelineRun::state) {
        _ if model.is_removed() => Outcome::Failed,
        Some(TaskState::Closed) => Outcome::Succeeded,
        Some(TaskState::Canceled) => Outcome::Cancelled,
        Some(TaskState::Failed) if run.is_some_and(was_asked_to_end) => Outcome::Cancelled,
        Some(TaskState::Failed) => Outcome::Failed,
        _ => Outcome::Detached,
    };
    let failure = (outcome == Outcome::Failed).then(|| failure(model, logs));
    BuildOutcome {
        id: TaskId::from(name),
        outcome,
        url: None,
        duration: run.and_then(duration),
        repositories: run.map(repositories).unwrap_or_default(),
        builds: run.and_then(koji_build).into_iter().collect(),
        user_warnings: warnings(specials),
        metadata: specials
            .iter()
            .filter_map(|special| match special {
                Special::Metadata(path) => Some(path.clone()),
                Special::Warning(_) | Special::BadWarning(_) => None,
            })
            .collect(),
        failure,
    }
}

/// Whether somebody cancelled the run. When a task failed too, its last condition says only that.
fn was_asked_to_end(run: &PipelineRun) -> bool {
    run.spec.status.as_deref().is_some_and(|wish| wish.contains("Cancelled"))
}

/// Time from start to end as the cluster saw it.
fn duration(run: &PipelineRun) -> Option<Duration> {
    let time = |text: &Option<String>| text.as_ref()?.parse::<jiff::Timestamp>().ok();
    let span = time(&run.status.completion_time)?.duration_since(time(&run.status.start_time)?);
    Duration::try_from(span).ok()
}

/// Warnings in the order in which they came, each once.
fn warnings(specials: &[Special]) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    for special in specials {
        let text = match special {
            Special::Warning(text) => text.clone(),
            Special::BadWarning(text) => format!("Incorrect JSON data input for a user warning: {text}"),
            Special::Metadata(_) => continue,
        };
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }
    warnings
}

/// A result's value: JSON in a string is what it says, and `null` is none.
fn value_of(run: &PipelineRun, name: &str) -> Option<Value> {
    let value = run.result(name)?;
    let parsed = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    Some(parsed.unwrap_or_else(|| value.clone())).filter(|value| !value.is_null())
}

fn repositories(run: &PipelineRun) -> Vec<String> {
    let Some(value) = value_of(run, "repositories") else { return Vec::new() };
    let of_kind = |kind: &str| value.get(kind).and_then(Value::as_array).cloned().unwrap_or_default();
    let all = KINDS.iter().flat_map(|kind| of_kind(kind));
    let mut specs: Vec<String> = all.filter_map(|spec| Some(spec.as_str()?.to_owned())).collect();
    specs.sort_by_key(|spec| !spec.contains('@'));
    specs
}

fn koji_build(run: &PipelineRun) -> Option<KojiBuild> {
    let id = match value_of(run, "koji-build-id")? {
        Value::Number(id) => id.to_string(),
        Value::String(id) => id.trim().to_owned(),
        _ => return None,
    };
    Some(KojiBuild { id, nvr: None, url: String::new() })
}

fn failure(model: &Model, logs: &[Followed]) -> Failure {
    let tasks = model.task_runs();
    let failed: Vec<&TaskRun> = tasks.iter().copied().filter(|task| task.state() == TaskState::Failed).collect();
    let mut reasons = Vec::new();
    if model.is_removed() {
        reasons.push("pipeline run removed;".to_owned());
    } else {
        reasons.extend(collected(&tasks));
        reasons.extend(failed.iter().flat_map(|task| of_task(task)));
    }
    if reasons.is_empty() {
        let condition = model.run().and_then(PipelineRun::condition);
        let message = condition.and_then(|condition| condition.message.as_deref()).unwrap_or("pipeline run failed");
        reasons.push(format!("{message};"));
    }
    let telling = failed.iter().find_map(|task| log_of(task, logs));
    let code = failed.iter().find_map(|task| failed_step(task)).map(|(_, end)| end.exit_code);
    Failure {
        reason: reasons.join("\n"),
        code,
        task: failed.first().map(|task| TaskId::from(task.metadata.name.as_str())),
        log: telling,
    }
}

/// What the exit task collected: `{"plugins-metadata": {"errors": {PLUGIN: TEXT}}}` in its result `annotations`.
fn collected(tasks: &[&TaskRun]) -> Vec<String> {
    let exit = EXIT_TASKS.iter().find_map(|name| tasks.iter().find(|task| task.task() == *name));
    let annotations = exit.and_then(|task| task.status.results.iter().find(|result| result.name == "annotations"));
    let text = annotations.and_then(|result| result.value.as_str()).unwrap_or_default();
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let errors = value.pointer("/plugins-metadata/errors").and_then(Value::as_object);
    let line = |(plugin, error): (&String, &Value)| {
        let error = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        format!("Error in plugin {plugin}: {error};")
    };
    errors.into_iter().flatten().map(line).collect()
}

/// What a failed task says: its steps' results `task_result`, else its condition.
fn of_task(task: &TaskRun) -> Vec<String> {
    let name = task.task();
    let steps = task.status.steps.iter().filter_map(|step| step.terminated.as_ref());
    let failed = steps.filter(|end| end.exit_code != 0);
    let told: Vec<String> =
        failed.flat_map(task_results).map(|text| format!("Error in {name}: {};", unwrapped(&text))).collect();
    if !told.is_empty() {
        return told;
    }
    let message =
        task.condition().and_then(|condition: &Condition| condition.message.as_deref().or(condition.reason.as_deref()));
    vec![format!("Error in {name}: {};", message.unwrap_or("no reason given"))]
}

/// The values of `task_result` in a step's message, if that is a list of results.
fn task_results(end: &Terminated) -> Vec<String> {
    let list: Vec<Value> = end.message.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let is_told = |entry: &&Value| entry.get("key").and_then(Value::as_str) == Some("task_result");
    let text = |entry: &Value| Some(entry.get("value")?.as_str()?.to_owned());
    list.iter().filter(is_told).filter_map(text).collect()
}

/// The text in Python's form of an exception (`BuildProcessError('Build failed')`); other texts as they are.
fn unwrapped(text: &str) -> String {
    let inner = || {
        let (class, rest) = text.split_once('(')?;
        let is_class = !class.is_empty() && class.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let quoted = rest.strip_suffix(",)").or_else(|| rest.strip_suffix(')')).filter(|_| is_class)?;
        let quote = quoted.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inner.replace("\\n", "\n").replace("\\'", "'").replace("\\\"", "\"").replace("\\\\", "\\"))
    };
    inner().unwrap_or_else(|| text.trim_end().to_owned())
}

/// The step of a task that failed first, and how it ended.
fn failed_step(task: &TaskRun) -> Option<(&Container, &Terminated)> {
    let ends = task.status.steps.iter().filter_map(|step| Some((step, step.terminated.as_ref()?)));
    ends.into_iter().find(|(_, end)| end.exit_code != 0)
}

/// The end of the log of a failed task's failed step; where that is silent of another step; and where no step failed of whatever
/// wrote something.
fn log_of(task: &TaskRun, logs: &[Followed]) -> Option<FailureLog> {
    let id = TaskId::from(task.metadata.name.as_str());
    let of_task = || logs.iter().rev().filter(|followed| followed.log.task == id && !followed.tail.is_empty());
    let of_container = |step: &Container| {
        let container = (task.status.pod_name.clone(), step.container_name());
        of_task().find(|followed| followed.container == container)
    };
    let followed = match failed_step(task) {
        Some((step, _)) => of_container(step).or_else(|| task.status.steps.iter().rev().find_map(of_container)),
        None => of_task().next(),
    }?;
    Some(FailureLog { log: (*followed.log).clone(), tail: followed.tail.clone(), url: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_unwrapped() {
        for (text, expected) in [
            ("BuildProcessError('Build failed (rc=1): it\\'s')", "Build failed (rc=1): it's"),
            ("osbs.exceptions.OsbsException(\"a\\nb\")", "a\nb"),
            ("ValueError('x',)", "x"),
            ("plain text (with a bracket)", "plain text (with a bracket)"),
            ("KeyError(3)", "KeyError(3)"),
        ] {
            assert_eq!(unwrapped(text), expected);
        }
    }

    #[test]
    fn a_warning_is_told_once_where_it_came_first() {
        let warning = |text: &str| Special::Warning(text.to_owned());
        let specials = [warning("b"), warning("a"), Special::BadWarning("x".into()), warning("b")];
        assert_eq!(warnings(&specials), ["b", "a", "Incorrect JSON data input for a user warning: x"]);
    }
}
