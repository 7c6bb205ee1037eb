//! A site's template of a PipelineRun (`pipeline_run_path`).
//!
//! osbs-client substitutes variables in the text and parses the result, so that a quote in a value changes what the text means. Here
//! the text is parsed first, and variables are replaced inside scalars, by the rules of Python's `string.Template.safe_substitute`:
//! `$name` and `${name}` where the name is known, `$$` for a dollar, everything else stays (`$(params.x)` is Tekton's own). Keys of
//! mappings are left alone. So a template has to be YAML by itself: inside `[…]` and `{…}`, `${name}` needs quotes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::conversion;
use crate::error::{Error, ErrorKind};
use crate::file;
use crate::osbs::tekton::Version;

/// What the variables of OSBS begin with.
const PREFIX: &str = "osbs_";
/// The fields of a workspace's binding that say what it is bound to.
const SOURCES: [&str; 7] =
    ["configMap", "secret", "emptyDir", "persistentVolumeClaim", "volumeClaimTemplate", "projected", "csi"];

/// The variables of a template and what they stand for.
pub type Variables<'a> = [(&'a str, &'a str)];

/// A run made of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Filled {
    /// The run, in the version that was wanted.
    pub run: Value,
    /// Variables of OSBS's that the template has and nobody knows, sorted. They stand in the run as they did in the template.
    pub unknown: BTreeSet<String>,
}

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
    /// It is no YAML, or more than one document.
    #[error("the template {} is not understood", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: Box<serde_saphyr::Error>,
    },
    /// It is something else.
    #[error("the template {} is not a mapping", path.display())]
    NoMapping {
        /// The file.
        path: PathBuf,
    },
    /// It is another object.
    #[error(
        "the template {} is no PipelineRun of tekton.dev/v1 or v1beta1: its apiVersion is `{api_version}`, its kind `{kind}`",
        path.display()
    )]
    Kind {
        /// The file.
        path: PathBuf,
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// It gives the run a name of its own, or none (osbs-client's words).
    #[error(
        "Pipeline run name provided '{wanted}' is different than in input data '{given}': write metadata.name: \
         '$osbs_pipeline_run_name' in the template {}",
        path.display()
    )]
    Name {
        /// The file.
        path: PathBuf,
        /// The name that it should have.
        wanted: String,
        /// The name in it; `None`, as Python says, if there is none.
        given: String,
    },
    /// A binding that servers do not know, such as `configmap`, which OSBS's documentation has. They drop it and then miss it.
    #[error(
        "workspace {workspace} in the template {} has the field `{given}`, which Tekton does not know; it is called `{right}`",
        path.display()
    )]
    Source {
        /// The file.
        path: PathBuf,
        /// The workspace.
        workspace: String,
        /// The field's name there.
        given: String,
        /// How the field is called.
        right: &'static str,
    },
    /// It says what the version does not know.
    #[error("the template {} has {field}, which tekton.dev/{} has nothing for", path.display(), version.name())]
    Inexpressible {
        /// The file.
        path: PathBuf,
        /// The field, with dots.
        field: String,
        /// The version that the cluster serves.
        version: Version,
    },
}

impl From<TemplateError> for Error {
    fn from(error: TemplateError) -> Self {
        Error::new(ErrorKind::Config, error)
    }
}

/// Reads a template.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<String, TemplateError> {
    file::read_text(path).map_err(|source| TemplateError::Read { path: path.to_owned(), source })
}

/// Makes a run of a template's text. `path` is for errors, `name` what the run has to be called.
///
/// # Errors
/// When it is no PipelineRun, or not one of this name, or one that a server would misread.
pub fn fill(
    text: &str,
    path: &Path,
    variables: &Variables<'_>,
    name: &str,
    version: Version,
) -> Result<Filled, TemplateError> {
    let mut run = parse(text, path)?;
    let mut unknown = BTreeSet::new();
    substitute(&mut run, variables, &mut unknown);
    let path_of_error = path.to_owned();
    let Value::Object(object) = &mut run else { return Err(TemplateError::NoMapping { path: path_of_error }) };
    check_kind(object, path)?;
    check_name(object, path, name)?;
    check_workspaces(object, path)?;
    conversion::convert(object, version);
    match conversion::inexpressible(&run, version) {
        Some(field) => Err(TemplateError::Inexpressible { path: path_of_error, field, version }),
        None => Ok(Filled { run, unknown }),
    }
}

/// Reads YAML with the words of version 1.1, as osbs-client's PyYAML and `kubectl` do: `0400` is octal.
fn parse(text: &str, path: &Path) -> Result<Value, TemplateError> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true, with_snippet: false };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| TemplateError::Yaml { path: path.to_owned(), source: Box::new(error) })
}

fn check_kind(run: &Map<String, Value>, path: &Path) -> Result<(), TemplateError> {
    let text = |key: &str| run.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if kind == "PipelineRun" && matches!(api_version.as_str(), "tekton.dev/v1" | "tekton.dev/v1beta1") {
        return Ok(());
    }
    Err(TemplateError::Kind { path: path.to_owned(), api_version, kind })
}

fn check_name(run: &Map<String, Value>, path: &Path, wanted: &str) -> Result<(), TemplateError> {
    let given = match run.get("metadata").and_then(|metadata| metadata.get("name")) {
        Some(Value::String(given)) if given == wanted => return Ok(()),
        Some(Value::String(given)) => given.clone(),
        None | Some(Value::Null) => "None".to_owned(),
        Some(other) => other.to_string(),
    };
    Err(TemplateError::Name { path: path.to_owned(), wanted: wanted.to_owned(), given })
}

fn check_workspaces(run: &Map<String, Value>, path: &Path) -> Result<(), TemplateError> {
    let workspaces = run.get("spec").and_then(|spec| spec.get("workspaces")).and_then(Value::as_array);
    for workspace in workspaces.into_iter().flatten().filter_map(Value::as_object) {
        for given in workspace.keys() {
            let right = SOURCES.into_iter().find(|source| source.eq_ignore_ascii_case(given) && source != given);
            let Some(right) = right else { continue };
            let name = workspace.get("name").and_then(Value::as_str).unwrap_or_default();
            return Err(TemplateError::Source {
                path: path.to_owned(),
                workspace: name.to_owned(),
                given: given.clone(),
                right,
            });
        }
    }
    Ok(())
}

/// Replaces variables in all scalars that are texts.
fn substitute(value: &mut Value, variables: &Variables<'_>, unknown: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => *text = safe_substitute(text, variables, unknown),
        Value::Array(items) => items.iter_mut().for_each(|item| substitute(item, variables, unknown)),
        Value::Object(fields) => fields.values_mut().for_each(|field| substitute(field, variables, unknown)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Python's `string.Template(text).safe_substitute(variables)`. What looks like a variable of OSBS's and is none is noted.
fn safe_substitute(text: &str, variables: &Variables<'_>, unknown: &mut BTreeSet<String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(behind) = after.strip_prefix('$') {
            filled.push('$');
            rest = behind;
            continue;
        }
        let (name, behind) = reference(after);
        let known = variables.iter().find(|(variable, _)| *variable == name);
        if let (Some((_, value)), Some(behind)) = (known, behind) {
            filled.push_str(value);
            rest = behind;
            continue;
        }
        if name.starts_with(PREFIX) {
            unknown.insert(name.to_owned());
        }
        filled.push('$');
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// The name after a dollar, empty if there is none, and what follows it; `None` if a brace is not closed.
fn reference(after: &str) -> (&str, Option<&str>) {
    match after.strip_prefix('{') {
        None => {
            let name = identifier(after);
            (name, Some(&after[name.len()..]))
        }
        Some(braced) => {
            let name = identifier(braced);
            (name, braced[name.len()..].strip_prefix('}'))
        }
    }
}

/// The identifier that a text begins with; ASCII only, as Python's pattern has it.
fn identifier(text: &str) -> &str {
    let is_first = text.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic());
    let end = text.find(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric()).unwrap_or(text.len());
    if is_first { &text[..end] } else { "" }
}

#[cfg(test)]
mod tests;
