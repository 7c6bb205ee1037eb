//! What a check found: each with a stable id, a severity, and the place.

use serde::Serialize;

/// Something found in a checkout, or said by a hub, about a build that was not submitted yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name of the kind of finding, in kebab case.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file it is about, relative to the top of the checkout.
    pub file: Option<String>,
    /// The line in that file, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The builder would refuse the build.
    Error,
    /// The builder would build, perhaps not what is meant.
    Warning,
    /// Good to know.
    Note,
}

impl Finding {
    /// A finding that makes the builder refuse.
    pub fn error(id: &'static str, message: impl Into<String>) -> Finding {
        Finding { id, severity: Severity::Error, file: None, line: None, message: message.into(), hint: None }
    }

    /// A finding that does not.
    pub fn warning(id: &'static str, message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(id, message) }
    }

    /// Says where it is.
    #[must_use]
    pub fn at(mut self, file: &str, line: Option<usize>) -> Finding {
        (self.file, self.line) = (Some(file.to_owned()), line);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the build would be refused.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
