//! The Dockerfile: whether it is there, its labels, its base images.

use std::path::Path;

use super::FileReport;
use crate::checkout::dockerfile::{Dockerfile, DockerfileError, Label};
use crate::request::findings::Finding;
use crate::request::nvr::{self, BuildLabel};
use crate::request::{Artifact, BuildRequest};

/// Names that are easily typed instead of `Dockerfile`.
const LOOK_ALIKES: [&str; 6] =
    ["dockerfile", "DockerFile", "DOCKERFILE", "Dockerfile.txt", "Dockefile", "containerfile"];

/// Checks the Dockerfile below `root`. A flatpak needs none: the builder makes it.
pub fn check_dockerfile(root: &Path, request: &BuildRequest, report: &mut FileReport) {
    report.release = request.options.release.clone();
    if request.artifact == Artifact::Flatpak {
        return check_release(request, None, report);
    }
    let path = match Dockerfile::find(root) {
        Ok(path) => path,
        Err(_) => return report.findings.push(missing(root)),
    };
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match Dockerfile::read(&path) {
        Ok(dockerfile) => check_content(&dockerfile, &file, request, report),
        Err(DockerfileError::Malformed { line, what, .. }) => {
            report.findings.push(Finding::error("malformed-dockerfile", what).at(&file, Some(line)));
        }
        Err(error) => {
            let reason = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            report.findings.push(Finding::error("unreadable-dockerfile", format!("{error}{reason}")).at(&file, None));
        }
    }
}

fn missing(root: &Path) -> Finding {
    let finding =
        Finding::error("no-dockerfile", format!("Dockerfile file missing: {}", root.join("Dockerfile").display()));
    let names = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let similar = names.filter_map(|name| name.into_string().ok()).find(|name| LOOK_ALIKES.contains(&name.as_str()));
    match similar {
        Some(name) => finding.hint(format!("rename {name} to Dockerfile")),
        None => finding,
    }
}

fn check_content(dockerfile: &Dockerfile, file: &str, request: &BuildRequest, report: &mut FileReport) {
    report.labels = dockerfile.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
    report.base_images = dockerfile.base_images.iter().map(|base| base.image.clone()).collect();
    if dockerfile.base_images.is_empty() {
        report.findings.push(Finding::error("no-from", "there is no FROM").at(file, None));
    }
    for base in dockerfile.base_images.iter().filter(|base| base.image.is_empty()) {
        let message = "the image of this FROM is empty once its variables are expanded";
        report.findings.push(Finding::error("empty-from", message).at(file, Some(base.line)));
    }
    let find = |label| find(dockerfile, label, file, &mut report.findings);
    let [component, name, version, release] =
        [BuildLabel::Component, BuildLabel::Name, BuildLabel::Version, BuildLabel::Release].map(find);
    check_required(file, &[(BuildLabel::Component, component), (BuildLabel::Name, name)], version, report);
    if let Some(name) = name.filter(|name| {
        name.value.split('/').next().is_some_and(|first| first.contains('.')) && name.value.contains('/')
    }) {
        let message = format!("initial image name component must not contain '.': {}", name.value);
        report.findings.push(Finding::error("name-with-registry", message).at(file, Some(name.line)));
    }
    if let Some(version) = version.filter(|version| version.value.contains('-')) {
        let message = format!("version label '{}' contains not allowed chars : ['-']", version.value);
        report.findings.push(Finding::error("version-format", message).at(file, Some(version.line)));
    }
    report.component = component.map(|label| label.value.clone());
    report.version = version.map(|label| label.value.clone());
    report.release = request.options.release.clone().or_else(|| release.map(|label| label.value.clone()));
    check_release(request, release.map(|label| (file, label)), report);
    check_tag_length(file, version, report);
}

/// The label under either of its names. The preferred name wins, as in the builder.
fn find<'a>(
    dockerfile: &'a Dockerfile,
    label: BuildLabel,
    file: &str,
    findings: &mut Vec<Finding>,
) -> Option<&'a Label> {
    let [preferred, old] = label.names();
    match (dockerfile.label(preferred), dockerfile.label(old)) {
        (Some(label), None) => Some(label),
        (Some(label), Some(other)) => {
            let message = format!("both {preferred} and {old} are set; {preferred} counts");
            findings.push(Finding::warning("label-alias-twice", message).at(file, Some(other.line)));
            Some(label)
        }
        (None, Some(label)) => {
            let message = format!("the label {old} is an old name of {preferred}");
            let finding = Finding::warning("label-alias", message).at(file, Some(label.line));
            findings.push(finding.hint(format!("rename it to {preferred}")));
            Some(label)
        }
        (None, None) => None,
    }
}

/// Component and name need a value; the version must be there, but its value may come from the parent image.
fn check_required(
    file: &str,
    with_value: &[(BuildLabel, Option<&Label>)],
    version: Option<&Label>,
    report: &mut FileReport,
) {
    let shown = |label: BuildLabel| {
        let [preferred, old] = label.names();
        format!("{preferred} (or {old})")
    };
    for (label, found) in with_value {
        match found {
            None => {
                let message = format!("Required LABELs haven't been found in Dockerfile: {}", shown(*label));
                report.findings.push(Finding::error("missing-label", message).at(file, None));
            }
            Some(found) if found.value.is_empty() => {
                let message = format!("the label {} is empty once its variables are expanded", found.name);
                report.findings.push(Finding::error("empty-label", message).at(file, Some(found.line)));
            }
            Some(_) => {}
        }
    }
    match version {
        None => {
            let message = format!("Required LABELs haven't been found in Dockerfile: {}", shown(BuildLabel::Version));
            report.findings.push(Finding::error("missing-label", message).at(file, None));
        }
        Some(version) if version.value.is_empty() => {
            let message = "the version label is empty here; the builder takes it from the parent image's environment";
            let finding = Finding {
                severity: super::super::findings::Severity::Note,
                ..Finding::warning("empty-version", message)
            };
            report.findings.push(finding.at(file, Some(version.line)));
        }
        Some(_) => {}
    }
}

/// The release: of an isolated build `N.N`, else as OSBS wants the label.
fn check_release(request: &BuildRequest, label: Option<(&str, &Label)>, report: &mut FileReport) {
    let finding = match (&request.options.release, label) {
        (Some(release), _) if request.options.isolated && !nvr::is_isolated_release(release) => {
            let message =
                format!("For isolated builds, the release value must be in the format N.N or N.N.TEXT: {release}");
            Finding::error("isolated-release-format", message)
        }
        (Some(release), _) if !request.options.isolated && !nvr::is_release(release) => {
            Finding::error("release-format", format!("--build-release doesn't have proper format: {release}"))
        }
        (None, Some((file, label))) if !label.value.is_empty() && !nvr::is_release(&label.value) => {
            let message = format!("release label doesn't have proper format: {}", label.value);
            Finding::error("release-format", message).at(file, Some(label.line))
        }
        _ => return,
    };
    report
        .findings
        .push(finding.hint("digits first, then letters and digits, with single dots or underscores between"));
}

fn check_tag_length(file: &str, version: Option<&Label>, report: &mut FileReport) {
    let (Some(label), Some(version), Some(release)) = (version, &report.version, &report.release) else { return };
    let length = version.chars().count() + 1 + release.chars().count();
    if !version.is_empty() && !release.is_empty() && length > nvr::LONGEST_TAG {
        let message = format!(
            "Docker cannot create image with a tag longer than {}, current version-release tag length is {length}",
            nvr::LONGEST_TAG
        );
        report.findings.push(Finding::error("tag-too-long", message).at(file, Some(label.line)));
    }
}
