//! What commands answer once, and how every stream of events ends.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::finding::Finding;
use super::{BuildId, BuildOutcome, BuilderName};
use crate::address;

/// What the files of a checkout say, and everything that is wrong with the build.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CheckReport {
    /// The version of this object's form.
    pub version: u32,
    /// The labels of the Dockerfile, by name.
    pub labels: BTreeMap<String, String>,
    /// The base image of each stage, in order.
    pub base_images: Vec<String>,
    /// What was found, worst first, then by file and line.
    pub findings: Vec<Finding>,
}

/// What a builder would have been given, or would have done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DryRun {
    /// The version of this object's form.
    pub version: u32,
    /// The builder it is meant for.
    pub builder: BuilderName,
    /// What is particular to the builder: `hub`, `method`, `params` and `kwargs` of Koji; `server`, `namespace` and `object` of
    /// OSBS; and so on.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
    /// The same for people: lines that end with a newline.
    #[serde(skip)]
    pub text: String,
}

impl DryRun {
    /// The same with users, passwords and tokens of addresses masked: what is sent is one thing, what is shown another.
    #[must_use]
    pub fn masked(self) -> DryRun {
        let fields = self.fields.into_iter().map(|(name, value)| (name, masked(value))).collect();
        DryRun { fields, text: address::masked(&self.text), ..self }
    }
}

fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(address::masked(&text)),
        Value::Array(values) => Value::Array(values.into_iter().map(masked).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, masked(value))).collect()),
        other => other,
    }
}

/// A build that was submitted from here, and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// Which build.
    #[serde(flatten)]
    pub build: BuildId,
    /// How it ended, or how it stands: `succeeded`, `failed`, `cancelled`, `open`, `free`, `assigned`; `None` when nobody could be
    /// asked.
    pub state: Option<&'static str>,
    /// The Koji profile or OSBS instance that leads to the server.
    pub profile: String,
    /// What is built.
    pub component: String,
    /// From which branch.
    pub branch: String,
    /// For which target.
    pub target: String,
    /// When it was submitted.
    pub submitted: jiff::Timestamp,
    /// Its page.
    pub url: Option<String>,
}

/// The configuration in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ConfigReport {
    /// The version of this object's form.
    pub version: u32,
    /// Sections of the tool's configuration sorted by name, then what else is in force; keys sorted by name within each.
    pub values: Vec<ConfigValue>,
}

/// One value of the configuration, without secrets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfigValue {
    /// The section that has it.
    pub section: String,
    /// The key, in lower case.
    pub key: String,
    /// The text as it stands in the file.
    pub raw: String,
    /// The text with its references replaced; `None` when that fails.
    pub value: Option<String>,
    /// Why there is no `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `{"file": …, "line": …}`; null where no file has it.
    pub origin: Value,
    /// The same as one word for people: `FILE:LINE`, or what has it.
    pub place: String,
}

/// How a command ended that did what it was asked for. A build that failed is such an end, too.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finish {
    /// How the process ends.
    pub exit_code: u8,
    /// The build that the command was about; `None` for commands without one.
    #[serde(flatten)]
    pub build: Option<BuildId>,
    /// How the build ended, in fields beside these; `None` where that was not waited for.
    #[serde(flatten, serialize_with = "beside_its_id")]
    pub outcome: Option<BuildOutcome>,
}

/// An outcome's fields but for its id, which stands there already.
fn beside_its_id<S: Serializer>(outcome: &Option<BuildOutcome>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(outcome) = outcome else { return Map::new().serialize(serializer) };
    let mut fields = serde_json::to_value(outcome).map_err(serde::ser::Error::custom)?;
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("id");
    }
    fields.serialize(serializer)
}

/// Why a command did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fault {
    /// How the process ends.
    pub exit_code: u8,
    /// The kind of error as a word, e.g. `network`; one exit code may stand for several.
    pub kind: &'static str,
    /// The sub-command, by the name of the Python function behind it in fedpkg's own error line.
    pub command: String,
    /// What failed.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hints: Vec<String>,
    /// What checks found, where that is the reason.
    pub findings: Vec<Finding>,
    /// The build that was, or may have been, created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildId>,
}
