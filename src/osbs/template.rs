//! A site's template of a PipelineRun (`pipeline_run_path`).
//!
//! osbs-client substitutes variables in the text and parses the result, so that a quote in a value changes what the text means. Here
//! the text is parsed first, and variables are replaced inside scalars, by the rules of Python's `string.Template.safe_substitute`:
//! `$name` and `${name}` where the name is known, `$$` for a dollar, everything else stays (`$(params.x)` is Tekton's own).

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::tekton::Version;

/// The variables of a template and what they stand for.
pub type Variables<'a> = [(&'a str, &'a str)];

/// Why no run can be made of a template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be read.
    #[error("cannot read the template {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no YAML.
    #[error("the template {} is not understood: {why}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        why: String,
    },
    /// It is something else.
    #[error("the template {} is no PipelineRun of tekton.dev: {why}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// It gives the run a name of its own (osbs-client's words).
    #[error("Pipeline run name provided '{given}' is different than in input data '{expected}'")]
    Name {
        /// The file.
        path: PathBuf,
        /// The name in it.
        given: String,
        /// The name that it should have.
        expected: String,
    },
    /// A binding that servers refuse, though the documentation of OSBS has it.
    #[error("workspace {workspace} in the template {} has the key `configmap`; the field's name is `configMap`", path.display())]
    ConfigMapKey {
        /// The file.
        path: PathBuf,
        /// The workspace.
        workspace: String,
    },
}

/// Reads a template.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<String, TemplateError> {
    std::fs::read_to_string(path).map_err(|source| TemplateError::Read { path: path.to_owned(), source })
}

/// Makes a run of a template's text. `path` is for errors.
///
/// # Errors
/// When it is no PipelineRun, or not one of this name.
pub fn fill(
    text: &str,
    path: &Path,
    variables: &Variables<'_>,
    run: &str,
    version: Version,
) -> Result<Value, TemplateError> {
    let yaml = |error: serde_saphyr::Error| TemplateError::Yaml { path: path.to_owned(), why: error.to_string() };
    let mut value: Value = serde_saphyr::from_str(text).map_err(yaml)?;
    substitute(&mut value, variables);
    let wrong = |why: String| TemplateError::Kind { path: path.to_owned(), why };
    let Value::Object(object) = &mut value else { return Err(wrong("it is not a mapping".to_owned())) };
    let kind = text_at(object, "kind");
    let api = text_at(object, "apiVersion");
    if kind != "PipelineRun" || !api.starts_with("tekton.dev/") {
        return Err(wrong(format!("apiVersion `{api}`, kind `{kind}`")));
    }
    let given = object.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Value::as_str);
    if given != Some(run) {
        let given = given.unwrap_or_default().to_owned();
        return Err(TemplateError::Name { path: path.to_owned(), given, expected: run.to_owned() });
    }
    check_workspaces(object, path)?;
    as_version(object, version);
    Ok(value)
}

fn text_at<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn check_workspaces(object: &Map<String, Value>, path: &Path) -> Result<(), TemplateError> {
    let workspaces = object.get("spec").and_then(|spec| spec.get("workspaces")).and_then(Value::as_array);
    let wrong = workspaces.into_iter().flatten().find(|workspace| workspace.get("configmap").is_some());
    match wrong {
        None => Ok(()),
        Some(workspace) => Err(TemplateError::ConfigMapKey {
            path: path.to_owned(),
            workspace: workspace.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        }),
    }
}

/// Replaces variables in all scalars that are texts. Keys of mappings are left alone.
fn substitute(value: &mut Value, variables: &Variables<'_>) {
    match value {
        Value::String(text) => *text = safe_substitute(text, variables),
        Value::Array(items) => items.iter_mut().for_each(|item| substitute(item, variables)),
        Value::Object(fields) => fields.values_mut().for_each(|field| substitute(field, variables)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Python's `string.Template(text).safe_substitute(variables)`.
fn safe_substitute(text: &str, variables: &Variables<'_>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(behind) = after.strip_prefix('$') {
            filled.push('$');
            rest = behind;
            continue;
        }
        let braced = after.strip_prefix('{');
        let name = identifier(braced.unwrap_or(after));
        let behind = &braced.unwrap_or(after)[name.len()..];
        let behind = if braced.is_some() { behind.strip_prefix('}') } else { Some(behind) };
        let known = variables.iter().find(|(variable, _)| *variable == name && !name.is_empty());
        match (known, behind) {
            (Some((_, value)), Some(behind)) => {
                filled.push_str(value);
                rest = behind;
            }
            _ => {
                filled.push('$');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// The identifier that a text begins with; ASCII only, as Python's pattern has it.
fn identifier(text: &str) -> &str {
    let is_first = text.bytes().next().is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic());
    let end = text.bytes().position(|byte| byte != b'_' && !byte.is_ascii_alphanumeric()).unwrap_or(text.len());
    if is_first { &text[..end] } else { "" }
}

/// Variables of ours that were not replaced because nobody knows them.
pub fn unknown_variables(run: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(run, &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            for (at, _) in text.match_indices('$') {
                let behind = &text[at + 1..];
                let name = identifier(behind.strip_prefix('{').unwrap_or(behind));
                if name.starts_with("osbs_") {
                    found.push(name.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Rewrites a run for the version that the cluster serves. In `v1` the service account and the pods' template are in
/// `taskRunTemplate`, and the time-out in `timeouts`.
pub fn as_version(run: &mut Map<String, Value>, version: Version) {
    run.insert("apiVersion".to_owned(), format!("tekton.dev/{}", version.name()).into());
    let Some(spec) = run.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(timeout) = spec.remove("timeout") {
        let timeouts = spec.entry("timeouts").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(timeouts) = timeouts {
            timeouts.entry("pipeline").or_insert(timeout);
        }
    }
    const MOVED: [&str; 2] = ["serviceAccountName", "podTemplate"];
    match version {
        Version::V1 => {
            let moved: Vec<(&str, Value)> = MOVED.iter().filter_map(|key| Some((*key, spec.remove(*key)?))).collect();
            if moved.is_empty() {
                return;
            }
            let template = spec.entry("taskRunTemplate").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(template) = template {
                for (key, value) in moved {
                    template.entry(key).or_insert(value);
                }
            }
        }
        Version::V1Beta1 => {
            let Some(Value::Object(template)) = spec.remove("taskRunTemplate") else { return };
            for (key, value) in template {
                spec.entry(key).or_insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use serde_json::json;

    use super::*;

    const TEMPLATE: &str = "apiVersion: tekton.dev/v1beta1\nkind: PipelineRun\nmetadata:\n  name: '$osbs_pipeline_run_name'\n\
                            spec:\n  serviceAccountName: pipeline\n  timeout: ${osbs_buildtime_limit}\n  params:\n\
                            \x20 - {name: user-params, value: '$osbs_user_params_json'}\n  - {name: a, value: $(params.x) $$5 $other}\n";

    fn filled(text: &str, json: &str, version: Version) -> Result<Value, TemplateError> {
        let variables =
            [("osbs_pipeline_run_name", "x-1"), ("osbs_buildtime_limit", "60s"), ("osbs_user_params_json", json)];
        fill(text, Path::new("/t.yaml"), &variables, "x-1", version)
    }

    #[test]
    fn variables_are_replaced_inside_scalars_and_break_out_of_nothing() {
        let hostile = "it's\n- {name: b, value: \"x\"}\n$osbs_pipeline_run_name";
        let run = filled(TEMPLATE, hostile, Version::V1).unwrap();
        assert_eq!(
            run,
            json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "x-1"},
                   "spec": {"taskRunTemplate": {"serviceAccountName": "pipeline"}, "timeouts": {"pipeline": "60s"},
                            "params": [{"name": "user-params", "value": hostile},
                                       {"name": "a", "value": "$(params.x) $5 $other"}]}})
        );
        let old = filled(TEMPLATE, "{}", Version::V1Beta1).unwrap();
        assert_eq!(old["apiVersion"], "tekton.dev/v1beta1");
        assert_eq!(old["spec"]["serviceAccountName"], "pipeline");
        assert_eq!(old["spec"].get("taskRunTemplate"), None);
    }

    #[test]
    fn substitution_is_pythons() {
        let variables = [("a", "1"), ("ab_2", "2")];
        for (text, expected) in [
            ("$a ${a} $$a $ab_2x ${ab_2}x", "1 1 $a $ab_2x 2x"),
            ("$ $! ${ ${} ${a $A é$a", "$ $! ${ ${} ${a $A é1"),
            ("${a b} $aé $$$a$", "${a b} 1é $1$"),
            ("$(params.a) $1", "$(params.a) $1"),
        ] {
            assert_eq!(safe_substitute(text, &variables), expected, "{text}");
        }
    }

    // C30
    #[test]
    fn what_is_no_run_of_this_name_is_refused() {
        let named = TEMPLATE.replace("'$osbs_pipeline_run_name'", "fixed");
        let cases = [
            (named.as_str(), "Pipeline run name provided 'fixed' is different than in input data 'x-1'"),
            ("- a\n", "the template /t.yaml is no PipelineRun of tekton.dev: it is not a mapping"),
            (
                "apiVersion: v1\nkind: Pod\n",
                "the template /t.yaml is no PipelineRun of tekton.dev: apiVersion `v1`, kind `Pod`",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(filled(text, "{}", Version::V1).unwrap_err().to_string(), expected);
        }
        let error = filled("a: [", "{}", Version::V1).unwrap_err().to_string();
        assert!(error.starts_with("the template /t.yaml is not understood: "), "{error}");
        let workspace = format!("{TEMPLATE}  workspaces:\n  - name: ws\n    configmap: {{name: x}}\n");
        let error = filled(&workspace, "{}", Version::V1).unwrap_err().to_string();
        assert!(error.contains("the field's name is `configMap`"), "{error}");
    }

    #[test]
    fn variables_that_nobody_knows_are_told() {
        let run = json!({"a": ["$osbs_new ${osbs_other}x", "$x"], "b": "$osbs_new"});
        assert_eq!(unknown_variables(&run), ["osbs_new", "osbs_other"]);
    }
}
