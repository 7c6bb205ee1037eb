//! The other files OSBS reads: whether their names are right, and what is in them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::request::findings::Finding;
use crate::request::{Artifact, BuildRequest, nvr};

/// Names that OSBS takes for mistakes (osbs-client's `repo_utils`), and ones it would silently pass over; and what they
/// should be.
const TYPOS: &[(&str, &str)] = &[
    ("container.yml", "container.yaml"),
    ("Container.yaml", "container.yaml"),
    (".container.yaml", "container.yaml"),
    ("content_sets.yaml", "content_sets.yml"),
    ("content-sets.yml", "content_sets.yml"),
    ("content-sets.yaml", "content_sets.yml"),
    ("fetch-artifacts-url.yml", "fetch-artifacts-url.yaml"),
    ("fetch-artifact-url.yaml", "fetch-artifacts-url.yaml"),
    ("fetch-artifacts-koji.yml", "fetch-artifacts-koji.yaml"),
    ("additional_tags", "additional-tags"),
    ("additional-tag", "additional-tags"),
    ("gating.yml", "gating.yaml"),
];
/// The names for which OSBS ends with an error; the others it only passes over.
const REFUSED: &[&str] = &["container.yml", "content_sets.yaml", "content-sets.yml", "content-sets.yaml"];

/// Checks the names of files at the top of the checkout.
pub fn check_names(root: &Path, findings: &mut Vec<Finding>) {
    for (wrong, right) in TYPOS.iter().filter(|(wrong, _)| root.join(wrong).exists()) {
        let both = root.join(right).exists();
        let message = format!("Repo contains wrong filename: {wrong}, expected: {right}");
        let finding = if REFUSED.contains(wrong) {
            Finding::error("file-name-typo", message)
        } else {
            Finding::warning("file-name-typo", message)
        };
        let hint = if both { format!("remove {wrong}") } else { format!("git mv {wrong} {right}") };
        findings.push(finding.at(wrong, None).hint(hint));
    }
}

/// Checks `container.yaml` and `additional-tags`.
pub fn check_contents(
    root: &Path,
    request: &BuildRequest,
    _labels: &BTreeMap<String, String>,
    findings: &mut Vec<Finding>,
) {
    check_additional_tags(root, findings);
    if request.artifact == Artifact::Flatpak && !root.join("container.yaml").exists() {
        let message = "Flatpak build, but repository doesn't have a container.yaml with a flatpak: section";
        findings.push(Finding::error("no-flatpak-section", message));
    }
}

/// One tag a line. OSBS drops what it does not take, the builder counts what is too long.
fn check_additional_tags(root: &Path, findings: &mut Vec<Finding>) {
    const FILE: &str = "additional-tags";
    let Ok(bytes) = std::fs::read(root.join(FILE)) else { return };
    let text = String::from_utf8_lossy(&bytes);
    for (at, tag) in text.lines().map(str::trim).enumerate().filter(|(_, tag)| !tag.is_empty()) {
        if !tag.contains('-') && tag.chars().count() > nvr::LONGEST_TAG {
            let message = format!("Docker cannot create image with a tag longer than {}", nvr::LONGEST_TAG);
            findings.push(Finding::error("tag-too-long", message).at(FILE, Some(at + 1)));
        } else if !nvr::is_additional_tag(tag) {
            let message = format!("the tag {tag:?} is not allowed and will be dropped: letters, digits, _ and . only");
            findings.push(Finding::warning("additional-tag-format", message).at(FILE, Some(at + 1)));
        }
    }
}
