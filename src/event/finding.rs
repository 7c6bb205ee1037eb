//! What was found wrong with a build before it was submitted, as data: an id for programs, a sentence for people.
//!
//! Nothing is found here (see [`crate::request::check`]) and nothing is printed.

use serde::Serialize;

use crate::address;

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which rule it is, in kebab-case, e.g. `missing-label`; ids keep their meaning between releases.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file it is in, relative to the top of the checkout.
    pub file: Option<String>,
    /// The line in the file, from 1.
    pub line: Option<usize>,
    /// What is wrong, on what, and why.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How bad a finding is. The order is from bad to harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The build would be refused.
    Error,
    /// The build would run, but probably not as meant.
    Warning,
    /// Good to know.
    Note,
}

impl Finding {
    /// Something that makes the build fail.
    pub fn error(id: &'static str, message: impl Into<String>) -> Finding {
        Finding {
            id,
            severity: Severity::Error,
            file: None,
            line: None,
            message: address::masked(&message.into()),
            hint: None,
        }
    }

    /// Something that the build survives.
    pub fn warning(id: &'static str, message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(id, message) }
    }

    /// Something that is good to know.
    pub fn note(id: &'static str, message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Note, ..Finding::error(id, message) }
    }

    /// Says where: a file, and a line of it where there is one to point at.
    #[must_use]
    pub fn at(self, file: &str, line: impl Into<Option<usize>>) -> Finding {
        Finding { file: Some(file.to_owned()), line: line.into(), ..self }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(address::masked(&hint.into())), ..self }
    }

    /// Whether the build would be refused.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn json_has_lowercase_severities_and_always_file_and_line() {
        let finding = Finding::warning("deprecated-label", "Name is an old name").at("Dockerfile", 3);
        let json = serde_json::to_value(&finding).unwrap();
        let expected = serde_json::json!({
            "id": "deprecated-label", "severity": "warning", "file": "Dockerfile", "line": 3, "message": "Name is an old name"
        });
        assert_eq!(json, expected);
        let bare = serde_json::to_value(Finding::error("no-dockerfile", "none").hint("write one")).unwrap();
        let expected = serde_json::json!({"file": null, "line": null, "id": "no-dockerfile", "severity": "error", "message": "none", "hint": "write one"});
        assert_eq!(bare, expected);
    }

    #[test]
    fn passwords_in_addresses_are_in_no_finding() {
        let secret = "https://me:hunter2@git.example.org/x";
        let finding = Finding::error("x", format!("cannot use {secret}")).hint(format!("leave {secret} out"));
        let text = serde_json::to_string(&finding).unwrap();
        assert!(text.contains("git.example.org/x") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn only_errors_are_errors() {
        assert!(Finding::error("x", "").is_error());
        assert!(!Finding::warning("x", "").is_error());
        assert!(!Finding::note("x", "").is_error());
    }
}
