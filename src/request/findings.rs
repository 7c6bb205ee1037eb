//! What a check found.

use serde::Serialize;

/// Something found in a checkout, or said by a hub, about a build that was not submitted yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name of the kind of finding.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: Option<String>,
    /// The line.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Refused.
    Error,
    /// Odd.
    Warning,
    /// Good to know.
    Note,
}

impl Finding {
    /// Whether the build would be refused.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
