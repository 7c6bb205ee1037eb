//! What the hub's answers mean for a build: `BuildContainerTask.handler` and `check_whitelist` of koji-containerbuild, and
//! pyrpkg's own look at the target (`Commands.container_build_koji`), whose two sentences are kept.

use super::FileReport;
use super::answers::{Answers, ExistingBuild, Questions, Tag};
use crate::event::Finding;
use crate::request::{Artifact, BuildRequest};

/// What to ask a hub about a request. A scratch build has no NVR to ask about.
pub fn questions(request: &BuildRequest, files: &FileReport) -> Questions {
    let nvr = files.nvr().filter(|_| !request.options.scratch);
    Questions {
        target: request.target.clone(),
        package: files.nvr.component.clone(),
        nvr: nvr.map(|nvr| nvr.to_string()),
    }
}

/// Everything in the answers that speaks against the build, worst first.
pub fn check_hub(answers: &Answers, request: &BuildRequest, files: &FileReport) -> Vec<Finding> {
    let mut findings = Vec::new();
    if answers.builds_containers == Some(false) {
        let finding =
            Finding::error("no-container-plugin", "this hub does not build containers: it has no buildContainer");
        findings.push(finding.hint("is it the right Koji profile? `config show` tells which is used"));
    }
    let Some(target) = &answers.target else {
        findings.push(unknown_target(&request.target));
        return findings;
    };
    match &answers.dest_tag {
        Some(tag) => findings.extend(destination(tag, answers, request, files)),
        None => {
            findings.push(Finding::error("unknown-dest-tag", format!("Unknown destination tag: {}", target.dest_tag)));
        }
    }
    findings.extend(build_tag(answers.build_tag.as_ref(), &target.build_tag, request));
    if !request.options.scratch {
        findings.extend(answers.build.as_ref().and_then(|build| existing(build, files)));
    }
    super::sort(&mut findings);
    findings
}

fn unknown_target(target: &str) -> Finding {
    if target.is_empty() {
        let finding =
            Finding::error("unknown-target", "no build target is known: it is named after branch and namespace");
        return finding.hint("name one with --target; `koji list-targets` knows them all");
    }
    let finding = Finding::error("unknown-target", format!("Unknown build target: {target}"));
    finding.hint("name another with --target; `koji list-targets` knows them all")
}

/// A scratch build is not tagged, so that only its target must exist.
fn destination(tag: &Tag, answers: &Answers, request: &BuildRequest, files: &FileReport) -> Option<Finding> {
    if request.options.scratch {
        return None;
    }
    if tag.locked {
        let finding = Finding::error("locked-tag", format!("the destination tag {} is locked", tag.name));
        return Some(finding.hint("build for another target, or with --scratch"));
    }
    let package = files.nvr.component.as_deref()?;
    let (id, message, hint) = match &answers.package {
        None => (
            "package-not-in-tag",
            format!("package (container) {package} not in list for tag {}", tag.name),
            format!("ask release engineering for: koji add-pkg --owner OWNER {} {package}", tag.name),
        ),
        Some(known) if known.blocked => (
            "package-blocked",
            format!("package (container) {package} is blocked for tag {}", tag.name),
            format!("if it is not retired, ask release engineering for: koji unblock-pkg {} {package}", tag.name),
        ),
        Some(_) => return None,
    };
    // The builder looks at the list for containers only; a flatpak would fail when it is tagged, if it needs the entry.
    Some(match request.artifact {
        Artifact::Container => Finding::error(id, message).hint(hint),
        Artifact::Flatpak => Finding::warning(id, message.replace("(container)", "(flatpak)")).hint(hint),
    })
}

fn build_tag(tag: Option<&Tag>, name: &str, request: &BuildRequest) -> Vec<Finding> {
    let arches = tag.map(|tag| tag.arches.as_slice()).unwrap_or_default();
    if arches.is_empty() {
        let finding = Finding::error("build-tag-without-arches", format!("No arches for tag {name}"));
        return vec![finding.hint("the target is not set up for building; ask release engineering, or name another")];
    }
    let lacks = |asked: &&String| *asked != "noarch" && !arches.iter().any(|arch| canonical(arch) == canonical(asked));
    let lacking: Vec<&String> = request.options.arches.iter().filter(lacks).collect();
    let has = arches.join(" ");
    if !lacking.is_empty() && lacking.len() == request.options.arches.len() {
        let message = format!("No matching arches were found: the build tag {name} has {has}");
        return vec![Finding::error("arch-not-in-tag", message).hint("choose among those with --arches")];
    }
    let finding = |arch: &String| {
        let message = format!("{arch} was asked for, but the build tag {name} has only {has}");
        Finding::warning("arch-not-in-tag", message).hint(format!("no image will be built for {arch}"))
    };
    lacking.into_iter().map(finding).collect()
}

/// Koji's `canonArch`.
fn canonical(arch: &str) -> &str {
    let is_ix86 = arch.len() == 4 && arch.starts_with('i') && arch.ends_with("86");
    match arch {
        _ if is_ix86 || arch == "athlon" => "i386",
        "ia32e" => "x86_64",
        "ppc64le" => arch,
        _ if arch.starts_with("ppc64") => "ppc64",
        _ if arch.starts_with("sparc64") => "sparc64",
        _ if arch.starts_with("sparc") => "sparc",
        _ if arch.starts_with("alpha") => "alpha",
        _ if arch.starts_with("arm") && arch[3..].contains('h') => "armhfp",
        _ if arch.starts_with("arm") => "arm",
        _ => arch,
    }
}

/// Only failed and cancelled builds may be built anew (Koji's `BUILD_STATES`).
fn existing(build: &ExistingBuild, files: &FileReport) -> Option<Finding> {
    let nvr = files.nvr()?;
    let state = match build.state {
        0 => "is being built",
        1 => "is complete",
        2 => "was deleted, but keeps its name",
        3 | 4 => return None,
        _ => "is in a state unknown here",
    };
    let message = format!("Build for {nvr} already exists, id {} ({state})", build.id);
    let finding = Finding::error("nvr-exists", message);
    Some(finding.hint("raise the release label, or remove it so that the builder takes the next free release"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::BuildOptions;
    use crate::request::check::answers::{Package, TargetTags};
    use crate::request::nvr::PartialNvr;

    fn request(options: BuildOptions) -> BuildRequest {
        BuildRequest { options, ..super::super::tests::request() }
    }

    fn files() -> FileReport {
        let known = |text: &str| Some(text.to_owned());
        let nvr = PartialNvr { component: known("demo-container"), version: known("1.0"), release: known("3") };
        FileReport { nvr, ..FileReport::default() }
    }

    fn tag(name: &str, arches: &[&str]) -> Tag {
        let arches = arches.iter().map(|arch| (*arch).to_owned()).collect();
        Tag { name: name.to_owned(), arches, locked: false }
    }

    fn good() -> Answers {
        Answers {
            target: Some(TargetTags { build_tag: "f42-build".into(), dest_tag: "f42".into() }),
            build_tag: Some(tag("f42-build", &["x86_64", "aarch64", "armv7hl"])),
            dest_tag: Some(tag("f42", &[])),
            package: Some(Package { name: "demo-container".into(), blocked: false }),
            builds_containers: Some(true),
            ..Answers::default()
        }
    }

    fn ids(answers: &Answers, options: BuildOptions) -> Vec<(&'static str, bool)> {
        let findings = check_hub(answers, &request(options), &files());
        findings.iter().map(|finding| (finding.id, finding.is_error())).collect()
    }

    #[test]
    fn answers_that_refuse_a_build_and_those_that_refuse_a_scratch_build() {
        let scratch = || BuildOptions { scratch: true, ..BuildOptions::default() };
        let built = |state| Answers { build: Some(ExistingBuild { id: 7, state }), ..good() };
        let locked = Tag { locked: true, ..tag("f42", &[]) };
        let blocked = Package { name: "demo-container".into(), blocked: true };
        for (answers, refuses, even_scratch) in [
            (good(), None, false),
            (Answers { builds_containers: None, ..good() }, None, false),
            (Answers { builds_containers: Some(false), ..good() }, Some("no-container-plugin"), true),
            (Answers { target: None, ..good() }, Some("unknown-target"), true),
            (Answers { dest_tag: None, ..good() }, Some("unknown-dest-tag"), true),
            (Answers { dest_tag: Some(locked), ..good() }, Some("locked-tag"), false),
            (Answers { build_tag: Some(tag("b", &[])), ..good() }, Some("build-tag-without-arches"), true),
            (Answers { package: None, ..good() }, Some("package-not-in-tag"), false),
            (Answers { package: Some(blocked), ..good() }, Some("package-blocked"), false),
            (built(0), Some("nvr-exists"), false),
            (built(1), Some("nvr-exists"), false),
            (built(2), Some("nvr-exists"), false),
            (built(3), None, false),
            (built(4), None, false),
        ] {
            let expected: Vec<_> = refuses.map(|id| (id, true)).into_iter().collect();
            assert_eq!(ids(&answers, BuildOptions::default()), expected);
            assert_eq!(ids(&answers, scratch()), if even_scratch { expected } else { Vec::new() }, "{refuses:?}");
        }
    }

    #[test]
    fn the_sentences_that_scripts_know_are_kept() {
        let first =
            |answers: &Answers| check_hub(answers, &request(BuildOptions::default()), &files()).remove(0).message;
        let target = first(&Answers { target: None, ..good() });
        assert_eq!(target, "Unknown build target: f42-container-candidate");
        assert_eq!(first(&Answers { dest_tag: None, ..good() }), "Unknown destination tag: f42");
        let missing = first(&Answers { package: None, ..good() });
        assert_eq!(missing, "package (container) demo-container not in list for tag f42");
    }

    #[test]
    fn arches_that_the_build_tag_lacks() {
        for (arches, expected) in [
            (&["x86_64"][..], &[][..]),
            (&["armhfp"], &[]),
            (&["x86_64", "s390x"], &[("arch-not-in-tag", false)]),
            (&["s390x"], &[("arch-not-in-tag", true)]),
        ] {
            let arches = arches.iter().map(|arch| (*arch).to_owned()).collect();
            let options = BuildOptions { scratch: true, arches, ..BuildOptions::default() };
            assert_eq!(ids(&good(), options), expected);
        }
    }

    #[test]
    fn a_scratch_build_is_not_asked_for_by_nvr() {
        let scratch = BuildOptions { scratch: true, ..BuildOptions::default() };
        let asked = questions(&request(BuildOptions::default()), &files());
        assert_eq!(
            (asked.nvr.as_deref(), asked.package.as_deref()),
            (Some("demo-container-1.0-3"), Some("demo-container"))
        );
        assert_eq!(asked.target, "f42-container-candidate");
        assert_eq!(questions(&request(scratch), &files()).nvr, None);
    }
}
