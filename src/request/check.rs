//! What the builder would refuse ten minutes later, asked before anything is submitted: first of the files in the checkout,
//! which asks nobody, then of what the hub says ([`check_hub`]).
//!
//! The rules are koji-containerbuild's (`BuildContainerTask.handler`, `checkLabels`) and osbs-client's (`_check_labels`,
//! `utils.RepoInfo`).

mod files;
mod hub;
mod labels;

use std::collections::BTreeMap;
use std::path::Path;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::BuildRequest;
use super::findings::Finding;
use super::nvr::Nvr;
use crate::koji::questions::Questions;

pub use hub::check_hub;

/// What the files in a checkout say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileReport {
    /// The labels of the image, variables expanded.
    pub labels: BTreeMap<String, String>,
    /// The image of each stage, in order.
    pub base_images: Vec<String>,
    /// What is wrong with the files.
    pub findings: Vec<Finding>,
    /// The Koji package.
    pub component: Option<String>,
    /// The version, where the Dockerfile fixes it.
    pub version: Option<String>,
    /// The release, where the Dockerfile or `--build-release` fixes it.
    pub release: Option<String>,
}

impl FileReport {
    /// The NVR that would be built; `None` where the builder chooses the release or the version comes from the parent.
    pub fn nvr(&self) -> Option<Nvr> {
        let given = |part: &Option<String>| part.clone().filter(|part| !part.is_empty());
        Some(Nvr { name: given(&self.component)?, version: given(&self.version)?, release: given(&self.release)? })
    }
}

impl Serialize for FileReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("FileReport", 4)?;
        report.serialize_field("version", &1)?;
        report.serialize_field("labels", &self.labels)?;
        report.serialize_field("base_images", &self.base_images)?;
        report.serialize_field("findings", &self.findings)?;
        report.end()
    }
}

/// Checks the files below `root` for what `request` asks.
pub fn check_files(root: &Path, request: &BuildRequest) -> FileReport {
    let mut report = FileReport::default();
    files::check_names(root, &mut report.findings);
    labels::check_dockerfile(root, request, &mut report);
    files::check_contents(root, request, &report.labels, &mut report.findings);
    report.findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    report
}

/// What to ask the hub about the build.
pub fn questions(request: &BuildRequest, files: &FileReport) -> Questions {
    let kept = !request.options.scratch;
    Questions {
        target: request.target.clone(),
        package: files.component.clone().filter(|component| kept && !component.is_empty()),
        nvr: files.nvr().filter(|_| kept).map(|nvr| nvr.to_string()),
    }
}

#[cfg(test)]
mod tests;
