//! What the hub's answers mean for a build.

use super::FileReport;
use crate::koji::questions::{Answers, ExistingBuild};
use crate::request::BuildRequest;
use crate::request::findings::Finding;

/// Koji's `BUILD_STATES` that leave an NVR free: FAILED and CANCELED.
const REUSABLE: [i64; 2] = [3, 4];

/// Checks what the hub said.
pub fn check_hub(answers: &Answers, request: &BuildRequest, files: &FileReport) -> Vec<Finding> {
    let mut findings = Vec::new();
    if answers.builds_containers == Some(false) {
        let message = "the hub does not offer buildContainer: its container-build plugin is not installed";
        findings.push(Finding::error("no-container-plugin", message).hint("is it the right Koji profile?"));
    }
    let Some(target) = &answers.target else {
        let message = format!("Unknown build target: {}", request.target);
        findings.push(Finding::error("unknown-target", message).hint("give another with --target"));
        return findings;
    };
    let build_arches = answers.build_tag.as_ref().map(|tag| &tag.arches[..]).unwrap_or_default();
    if build_arches.is_empty() {
        let message = format!("the build tag {} of {} has no architectures", target.build_tag, request.target);
        findings.push(Finding::error("build-tag-without-arches", message));
    }
    for arch in request.options.arches.iter().filter(|arch| !build_arches.contains(arch)) {
        let message =
            format!("{arch} is not among the architectures of {}: {}", target.build_tag, build_arches.join(" "));
        findings.push(Finding::warning("arch-not-in-build-tag", message));
    }
    if !request.options.scratch {
        check_kept(answers, &target.dest_tag, files, &mut findings);
    }
    findings
}

/// What matters only for builds that are kept: scratch builds get no NVR and no tag.
fn check_kept(answers: &Answers, dest_tag: &str, files: &FileReport, findings: &mut Vec<Finding>) {
    match &answers.dest_tag {
        None => findings.push(Finding::error("unknown-dest-tag", format!("Unknown destination tag: {dest_tag}"))),
        Some(tag) if tag.locked => {
            let message = format!("the destination tag {dest_tag} is locked");
            findings.push(Finding::error("locked-tag", message).hint("--scratch builds without tagging"));
        }
        Some(_) => {}
    }
    if let Some(component) = files.component.as_deref().filter(|component| !component.is_empty()) {
        match &answers.package {
            None => {
                let message = format!("package (container) {component} not in list for tag {dest_tag}");
                findings.push(Finding::error("package-not-in-tag", message).hint("ask for it to be added to the tag"));
            }
            Some(package) if package.blocked => {
                let message = format!("package (container) {component} is blocked for tag {dest_tag}");
                findings.push(Finding::error("package-blocked", message));
            }
            Some(_) => {}
        }
    }
    if let (Some(ExistingBuild { id, state }), Some(nvr)) = (answers.build, files.nvr())
        && !REUSABLE.contains(&state)
    {
        let message = format!("Build for {nvr} already exists, id {id}");
        let hint = "raise the release label, remove it, or give --build-release";
        findings.push(Finding::error("nvr-exists", message).hint(hint));
    }
}
