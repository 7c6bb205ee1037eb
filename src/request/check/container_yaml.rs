//! What `container.yaml` means for this request, and what is wrong with the file itself.

use crate::checkout::container_yaml::{ContainerYaml, FILE_NAME, Flatpak, Problem, ProblemKind};
use crate::event::Finding;
use crate::request::nvr::PartialNvr;
use crate::request::{Artifact, BuildOptions, BuildRequest};

/// OSBS's `max_buildtime_limit` in seconds, where the site sets none.
const MOST_SECONDS: u64 = 21_600;

/// Everything wrong with the file, or with its absence.
pub(super) fn check(yaml: Option<&ContainerYaml>, request: &BuildRequest) -> Vec<Finding> {
    let mut findings = Vec::new();
    if request.artifact == Artifact::Flatpak {
        findings.extend(flatpak(yaml));
    }
    let Some(yaml) = yaml else { return findings };
    findings.extend(yaml.problems.iter().map(finding));
    if let (Artifact::Container, Some(flatpak)) = (request.artifact, &yaml.flatpak) {
        let finding =
            Finding::error("is-a-flatpak", "container.yaml describes a flatpak, but a container is asked for");
        findings.push(finding.at(FILE_NAME, flatpak.line).hint("use flatpak-build, or remove the `flatpak` section"));
    }
    findings.extend(excluded_arches(yaml, &request.options));
    findings.extend(build_time(yaml));
    findings
}

/// What names a flatpak: osbs-client takes `flatpak.component`, else the first module's name; the version is its stream.
pub(super) fn flatpak_nvr(yaml: Option<&ContainerYaml>, options: &BuildOptions) -> PartialNvr {
    let Some(yaml) = yaml else { return PartialNvr::default() };
    let module = yaml.modules.first().and_then(|module| module.split_once(':'));
    let declared = yaml.flatpak.as_ref().and_then(|flatpak| flatpak.component.clone());
    let stream = module.and_then(|(_, rest)| rest.split([':', '/']).next());
    PartialNvr {
        component: declared.or_else(|| module.map(|(name, _)| name.to_owned())).filter(|name| !name.is_empty()),
        version: stream.filter(|stream| !stream.is_empty()).map(|stream| stream.replace('-', "_")),
        release: options.release.clone().filter(|release| !release.is_empty()),
    }
}

fn flatpak(yaml: Option<&ContainerYaml>) -> Option<Finding> {
    let Some(yaml) = yaml else {
        let finding = Finding::error("no-container-yaml", format!("a flatpak needs {FILE_NAME}, and there is none"));
        return Some(finding.hint("write one with a `flatpak` section"));
    };
    // A file that could not be read would seem to lack everything.
    if yaml.problems.iter().any(|problem| is_unread(&problem.kind)) {
        return None;
    }
    let Some(Flatpak { name, component, line, .. }) = &yaml.flatpak else {
        let finding = Finding::error("not-a-flatpak", format!("{FILE_NAME} has no `flatpak` section"));
        return Some(finding.at(FILE_NAME, None).hint("add one, or use container-build"));
    };
    if yaml.modules.is_empty() && yaml.packages.is_none() {
        let finding = Finding::error("flatpak-without-content", "nothing says what the flatpak is made of");
        return Some(finding.at(FILE_NAME, *line).hint("list `modules` or `packages` under `compose`"));
    }
    let nameless = yaml.modules.is_empty() && name.is_none() && component.is_none();
    nameless.then(|| {
        let finding = Finding::error("flatpak-without-name", "neither a module nor `flatpak` names the flatpak");
        finding.at(FILE_NAME, *line).hint("set `name` and `component` under `flatpak`")
    })
}

fn is_unread(kind: &ProblemKind) -> bool {
    matches!(kind, ProblemKind::Unreadable { .. } | ProblemKind::TooLong | ProblemKind::Syntax { .. })
}

fn excluded_arches(yaml: &ContainerYaml, options: &BuildOptions) -> Vec<Finding> {
    let excluded = options.arches.iter().filter(|arch| !yaml.platforms.includes(arch));
    let finding = |arch: &String| {
        let message = format!("{arch} was asked for, but `platforms` in {FILE_NAME} leaves it out");
        Finding::warning("arch-excluded", message)
            .at(FILE_NAME, None)
            .hint(format!("no image will be built for {arch}; change `platforms`, or leave it out of --arches"))
    };
    excluded.map(finding).collect()
}

fn build_time(yaml: &ContainerYaml) -> Option<Finding> {
    let (seconds, line) = yaml.buildtime_limit.filter(|(seconds, _)| *seconds > MOST_SECONDS)?;
    let message = format!("`buildtime_limit` is {seconds} seconds; OSBS refuses more than {MOST_SECONDS} by default");
    Some(Finding::warning("long-build-time", message).at(FILE_NAME, line))
}

fn finding(problem: &Problem) -> Finding {
    let message = problem.kind.to_string();
    let (id, hint) = match &problem.kind {
        ProblemKind::Unreadable { .. } => ("container-yaml-unreadable", None),
        ProblemKind::TooLong => ("container-yaml-too-long", None),
        ProblemKind::Syntax { .. } => ("container-yaml-syntax", None),
        ProblemKind::UnknownKey { suggestion, .. } => {
            ("container-yaml-unknown-key", suggestion.map(|name| format!("did you mean `{name}`?")))
        }
        ProblemKind::DuplicateKey { .. } => ("container-yaml-duplicate-key", Some("remove one of them".to_owned())),
        ProblemKind::MissingKey { .. } => ("container-yaml-missing-key", None),
        ProblemKind::WrongType { found, quote, .. } => {
            ("container-yaml-wrong-type", quote.then(|| format!("put it in quotes: \"{found}\"")))
        }
        ProblemKind::WrongValue { .. } => ("container-yaml-wrong-value", None),
        ProblemKind::Exclusive { .. } => ("container-yaml-exclusive-keys", Some("keep one of them".to_owned())),
        ProblemKind::Deprecated { .. } => ("container-yaml-deprecated-key", Some("remove it".to_owned())),
    };
    let harmless = matches!(problem.kind, ProblemKind::DuplicateKey { .. } | ProblemKind::Deprecated { .. });
    let finding = if harmless { Finding::warning(id, message) } else { Finding::error(id, message) };
    let finding = finding.at(FILE_NAME, problem.line);
    match hint {
        Some(hint) => finding.hint(hint),
        None => finding,
    }
}
