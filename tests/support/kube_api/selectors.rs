//! `fieldSelector` and `labelSelector`.

use axum::body::Body;
use axum::http::Response;
use serde_json::Value;

use super::answers::bad_request;
use super::server::Query;
use super::state::Collection;

/// Which objects of a collection are meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Selectors(Vec<Requirement>);

/// Something that must hold of an object.
#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    /// Where the value is in the object.
    path: Vec<String>,
    /// Any of these; `None` for any value at all.
    values: Option<Vec<String>>,
    /// Just not that.
    not: bool,
}

impl Requirement {
    fn label(key: &str, values: Option<Vec<String>>, not: bool) -> Requirement {
        Requirement { path: ["metadata", "labels", key].map(str::to_owned).into(), values, not }
    }

    fn holds(&self, object: &Value) -> bool {
        let value = self.path.iter().fold(object, |value, key| &value[key.as_str()]);
        let found = match &self.values {
            None => !value.is_null(),
            Some(values) => values.iter().any(|wanted| value.as_str().unwrap_or_default() == wanted),
        };
        found != self.not
    }
}

impl Selectors {
    /// What a query selects; or why that cannot be told.
    pub(super) fn of(query: &Query, collection: &Collection) -> Result<Selectors, Response<Body>> {
        let mut requirements = Vec::new();
        for part in query.get("fieldSelector").unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
            requirements.push(field(part, collection).map_err(|why| bad_request(&why))?);
        }
        let labels = query.get("labelSelector").unwrap_or_default();
        if !labels.is_empty() {
            for part in split(labels) {
                requirements.push(label(part).map_err(|why| bad_request(&why))?);
            }
        }
        Ok(Selectors(requirements))
    }

    /// Whether an object is meant.
    pub(super) fn select(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| requirement.holds(object))
    }

    /// Whether all objects are meant.
    pub(super) fn are_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Fields of custom resources are only these two; pods and events have some more.
fn field(part: &str, collection: &Collection) -> Result<Requirement, String> {
    let (key, value) =
        part.split_once('=').ok_or_else(|| format!("invalid selector: '{part}'; can't understand '{part}'"))?;
    let (key, not) = key.strip_suffix('!').map_or((key, false), |key| (key, true));
    let known: &[&str] = match collection.plural.as_str() {
        "pods" => &["spec.nodeName", "status.phase", "spec.restartPolicy"],
        "events" => &["involvedObject.name", "involvedObject.kind", "involvedObject.uid", "reason", "type"],
        _ => &[],
    };
    if !["metadata.name", "metadata.namespace"].contains(&key) && !known.contains(&key) {
        return Err(format!("field label not supported: {key}"));
    }
    let path = key.split('.').map(str::to_owned).collect();
    Ok(Requirement { path, values: Some(vec![value.trim_start_matches('=').to_owned()]), not })
}

/// At commas that are not in parentheses.
fn split(labels: &str) -> Vec<&str> {
    let mut depth = 0;
    labels
        .split(move |letter| {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            letter == ',' && depth == 0
        })
        .collect()
}

fn label(part: &str) -> Result<Requirement, String> {
    let part = part.trim();
    if part.is_empty() {
        return Err("found ',', expected: identifier after ','".to_owned());
    }
    let list = |text: &str| -> Option<Vec<String>> {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
    };
    let requirement = if let Some(key) = part.strip_prefix('!') {
        Requirement::label(key, None, true)
    } else if let Some((key, values)) = part.split_once(" notin ") {
        Requirement::label(key.trim(), list(values), true)
    } else if let Some((key, values)) = part.split_once(" in ") {
        Requirement::label(key.trim(), list(values), false)
    } else if let Some((key, value)) = part.split_once("!=") {
        Requirement::label(key.trim(), Some(vec![value.trim().to_owned()]), true)
    } else if let Some((key, value)) = part.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value).trim();
        Requirement::label(key.trim(), Some(vec![value.to_owned()]), false)
    } else {
        Requirement::label(part, None, false)
    };
    let key = &requirement.path[2];
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    if key.is_empty() || !key.chars().all(is_letter) {
        return Err(format!("unable to parse requirement: found '{part}', expected: identifier"));
    }
    Ok(requirement)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_select_as_kubernetes_documents_it() {
        let object = json!({"metadata": {"labels": {"tekton.dev/pipelineRun": "foo-1", "tier": "a"}}});
        for (selector, expected) in [
            ("tekton.dev/pipelineRun=foo-1", true),
            ("tekton.dev/pipelineRun==foo-1,tier", true),
            ("tekton.dev/pipelineRun=foo", false),
            ("tier!=b,!other", true),
            ("tier in (a, b),tier notin (c)", true),
            ("tier notin (a,c)", false),
            ("other", false),
        ] {
            let selectors = Selectors(split(selector).into_iter().map(|part| label(part).unwrap()).collect());
            assert_eq!(selectors.select(&object), expected, "{selector}");
        }
        assert_eq!(label("").unwrap_err(), "found ',', expected: identifier after ','");
        assert!(label("a b=c").is_err());
    }
}
