//! Versions of Tekton's API: objects are kept as `v1` has them, with defaults filled in as Tekton's webhooks do.

use serde_json::{Map, Value, json};

/// An object as a version of the API shows it: they differ in the names of a few fields.
pub(super) fn in_version(object: &Value, group: &str, version: &str) -> Value {
    let mut object = object.clone();
    if group != "tekton.dev" {
        return object;
    }
    object["apiVersion"] = json!(format!("tekton.dev/{version}"));
    if version != "v1beta1" {
        return object;
    }
    let is_run = object["kind"] == json!("PipelineRun");
    rename(&mut object["status"], "results", old_results(is_run));
    if is_run {
        let account = object["spec"].as_object_mut().and_then(|spec| spec.remove("taskRunTemplate"));
        merge(&mut object["spec"], &account.unwrap_or_else(|| json!({})));
        if object["status"].is_null() {
            object["status"] = json!({});
        }
    }
    object
}

fn old_results(is_run: bool) -> &'static str {
    if is_run { "pipelineResults" } else { "taskResults" }
}

fn rename(object: &mut Value, from: &str, to: &str) {
    let Some(fields) = object.as_object_mut() else { return };
    if let Some(value) = fields.remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

/// An object of any version as it is kept.
///
/// # Errors
/// What the webhook cannot decode.
pub(super) fn kept(mut object: Value, kind: &str) -> Result<Value, String> {
    object["kind"] = json!(kind);
    if !matches!(kind, "PipelineRun" | "TaskRun") {
        return Ok(object);
    }
    let is_run = kind == "PipelineRun";
    object["apiVersion"] = json!("tekton.dev/v1");
    rename(&mut object["status"], old_results(is_run), "results");
    if is_run {
        run_spec(&mut object["spec"])?;
    }
    if object["status"].is_null() || object["status"] == json!({}) {
        object.as_object_mut().map(|fields| fields.remove("status"));
    }
    Ok(object)
}

fn run_spec(spec: &mut Value) -> Result<(), String> {
    for key in ["params", "workspaces"] {
        if !spec[key].is_null() && !spec[key].is_array() {
            let what = if spec[key].is_string() { "string" } else { "object" };
            let kind = if key == "params" { "v1beta1.Params" } else { "[]v1beta1.WorkspaceBinding" };
            return Err(format!(
                "json: cannot unmarshal {what} into Go struct field PipelineRunSpec.spec.{key} of type {kind}"
            ));
        }
    }
    let fields = spec.as_object_mut().ok_or("json: cannot unmarshal into Go struct field PipelineRun.spec")?;
    fields.retain(|_, value| !value.is_null());
    let mut template = fields.remove("taskRunTemplate").unwrap_or_else(|| json!({}));
    for key in ["serviceAccountName", "podTemplate"] {
        if let Some(value) = fields.remove(key) {
            template[key] = value;
        }
    }
    if template["serviceAccountName"].is_null() {
        template["serviceAccountName"] = json!("default");
    }
    fields.insert("taskRunTemplate".to_owned(), template);
    let timeouts = timeouts(fields)?;
    fields.insert("timeouts".to_owned(), timeouts);
    Ok(())
}

/// `timeout` is the old name of `timeouts.pipeline`; an hour without either.
fn timeouts(fields: &mut Map<String, Value>) -> Result<Value, String> {
    let old = fields.remove("timeout");
    let mut timeouts = fields.remove("timeouts").unwrap_or_else(|| json!({}));
    if let Some(old) = old {
        timeouts["pipeline"] = old;
    }
    if timeouts["pipeline"].is_null() {
        timeouts["pipeline"] = json!("1h0m0s");
    }
    for (key, value) in timeouts.as_object_mut().into_iter().flatten() {
        let text = value.as_str().ok_or_else(|| {
            format!(
                "json: cannot unmarshal number into Go struct field TimeoutFields.spec.timeouts.{key} of type string"
            )
        })?;
        *value = json!(duration(text)?);
    }
    Ok(timeouts)
}

/// A duration as Go's `time.ParseDuration` reads it, and as its `String` writes it.
fn duration(text: &str) -> Result<String, String> {
    if text == "0" {
        return Ok("0s".to_owned());
    }
    let invalid = || format!("time: invalid duration \"{text}\"");
    let (mut rest, mut seconds) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        let unit = match rest[digits..].chars().next() {
            Some('h') => 3600,
            Some('m') => 60,
            Some('s') => 1,
            Some(_) => return Err(invalid()),
            None => return Err(format!("time: missing unit in duration \"{text}\"")),
        };
        seconds += number * unit;
        rest = &rest[digits + 1..];
    }
    Ok(match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    })
}

/// Merges a patch into an object, as RFC 7386 has it.
pub(super) fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            object.as_object_mut().map(|object| object.remove(key));
        } else {
            merge(&mut object[key], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_versions_is_renamed_both_ways() {
        let old = json!({"apiVersion": "tekton.dev/v1beta1", "kind": "PipelineRun",
            "spec": {"serviceAccountName": "builder", "timeout": "3h"}, "status": {"pipelineResults": [1]}});
        let kept = kept(old, "PipelineRun").unwrap();
        let new = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "status": {"results": [1]},
            "spec": {"taskRunTemplate": {"serviceAccountName": "builder"}, "timeouts": {"pipeline": "3h0m0s"}}});
        assert_eq!(in_version(&kept, "tekton.dev", "v1"), new);
        let again = json!({"apiVersion": "tekton.dev/v1beta1", "kind": "PipelineRun", "status": {"pipelineResults": [1]},
            "spec": {"serviceAccountName": "builder", "timeouts": {"pipeline": "3h0m0s"}}});
        assert_eq!(in_version(&kept, "tekton.dev", "v1beta1"), again);
    }

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        for (text, expected) in
            [("3h", Ok("3h0m0s")), ("90m", Ok("1h30m0s")), ("1h0m5s", Ok("1h0m5s")), ("9s", Ok("9s")), ("0", Ok("0s"))]
        {
            assert_eq!(duration(text), expected.map(str::to_owned), "{text}");
        }
        assert_eq!(duration("10800").unwrap_err(), "time: missing unit in duration \"10800\"");
        assert_eq!(duration("3 hours").unwrap_err(), "time: invalid duration \"3 hours\"");
    }
}
