//! What the builder would refuse, asked before anything is submitted.
//!
//! Three places are asked, one file each: the request's options, the files of the checkout, and the hub's answers. The
//! rules are those of koji-containerbuild's `BuildContainerTask.handler` and of osbs-client (`OSBS._check_labels`,
//! `RepoInfo`, `RepoConfiguration`). What only a running build can know (whether packages exist, whether it compiles)
//! is not looked at, and nothing is changed.

pub mod answers;
mod container_yaml;
mod divergences;
mod file_names;
mod hub;
mod labels;
mod options;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

pub use crate::event::{Finding, Severity};
pub use hub::{check_hub, questions};

use super::nvr::{Nvr, PartialNvr};
use super::{Artifact, BuildRequest};
use crate::checkout::container_yaml::ContainerYaml;
use crate::checkout::dockerfile::{Dockerfile, DockerfileError};

/// The only file name that the Koji builder looks for.
const DOCKERFILE: &str = "Dockerfile";

/// What the files of a checkout say, and what is wrong with them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileReport {
    /// The labels of the Dockerfile, by name; none for flatpaks, whose Dockerfile the builder writes.
    pub labels: BTreeMap<String, String>,
    /// The base image of each stage, in order; of a flatpak the one that container.yaml names, if it does.
    pub base_images: Vec<String>,
    /// What was found, worst first, then by file and line.
    pub findings: Vec<Finding>,
    /// As much of the NVR as is known here.
    pub nvr: PartialNvr,
    /// The floating tags that OSBS would set besides its own, sorted.
    pub additional_tags: Vec<String>,
    /// Whether they are container.yaml's, in place of all others.
    pub tags_from_yaml: bool,
    /// `buildtime_limit` of container.yaml, in seconds.
    pub buildtime_limit: Option<u64>,
}

impl FileReport {
    /// The NVR that would be built; `None` when the builder chooses the release, or something else is missing.
    pub fn nvr(&self) -> Option<Nvr> {
        self.nvr.complete()
    }
}

/// `{"version": 1, "labels": {…}, "base_images": […], "findings": […]}`, for programs.
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

/// Checks the options of a request and the files of a checkout. Reads only; files that cannot be read are findings.
pub fn check_files(root: &Path, request: &BuildRequest) -> FileReport {
    let yaml = ContainerYaml::read(root);
    let mut report = FileReport::default();
    report.findings.extend(options::check(&request.options));
    report.findings.extend(file_names::check(root));
    match request.artifact {
        Artifact::Container => check_dockerfile(root, request, &mut report),
        Artifact::Flatpak => {
            report.nvr = container_yaml::flatpak_nvr(yaml.as_ref(), &request.options);
            let flatpak = yaml.as_ref().and_then(|yaml| yaml.flatpak.as_ref());
            report.base_images = flatpak.and_then(|flatpak| flatpak.base_image.clone()).into_iter().collect();
        }
    }
    report.findings.extend(container_yaml::check(yaml.as_ref(), request));
    report.findings.extend(tags::check(root, yaml.as_ref(), &report.nvr));
    (report.additional_tags, report.tags_from_yaml) = tags::set_by_osbs(root, yaml.as_ref());
    report.buildtime_limit = yaml.as_ref().and_then(|yaml| yaml.buildtime_limit).map(|(seconds, _)| seconds);
    sort(&mut report.findings);
    report
}

/// Worst first; a stable order makes two runs comparable.
fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| (a.severity, &a.file, a.line).cmp(&(b.severity, &b.file, b.line)));
}

fn check_dockerfile(root: &Path, request: &BuildRequest, report: &mut FileReport) {
    let Ok(path) = Dockerfile::find(root) else {
        return report.findings.push(file_names::no_dockerfile(root));
    };
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or(DOCKERFILE);
    if file != DOCKERFILE {
        report.findings.push(file_names::no_dockerfile(root));
    }
    match Dockerfile::read(root, &path) {
        Ok(dockerfile) => read_dockerfile(&dockerfile, file, request, report),
        Err(error) => report.findings.push(unreadable_dockerfile(&error, file)),
    }
}

fn read_dockerfile(dockerfile: &Dockerfile, file: &str, request: &BuildRequest, report: &mut FileReport) {
    report.base_images = dockerfile.base_images.iter().map(|base| base.image.clone()).collect();
    report.labels = dockerfile.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
    if dockerfile.base_images.is_empty() {
        let finding = Finding::error("no-base-image", format!("{file} has no FROM instruction"));
        report
            .findings
            .push(finding.at(file, None).hint("begin it with the image to build on: FROM REGISTRY/NAME:TAG"));
    }
    report.findings.extend(labels::check(dockerfile, file));
    report.findings.extend(divergences::check(dockerfile, file));
    report.nvr = labels::nvr(dockerfile, request.options.release.as_deref());
}

fn unreadable_dockerfile(error: &DockerfileError, file: &str) -> Finding {
    match error {
        DockerfileError::Malformed { line, what, .. } => {
            Finding::error("malformed-dockerfile", what.clone()).at(file, *line)
        }
        DockerfileError::Read { source, .. } => {
            Finding::error("unreadable-dockerfile", format!("{file} cannot be read: {source}")).at(file, None)
        }
        DockerfileError::Missing { .. } => Finding::error("no-dockerfile", error.to_string()),
    }
}
