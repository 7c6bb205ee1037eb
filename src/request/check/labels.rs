//! The labels that make an NVR: `LabelsWrapper.get_missing_label_ids` of koji-containerbuild, `_check_labels` of osbs-client.

use crate::checkout::dockerfile::{Dockerfile, Label};
use crate::event::Finding;
use crate::request::nvr::{self, COMPONENT, LabelName, NAME, NvrError, PartialNvr, RELEASE, RENAMED, VERSION};

/// Everything wrong with the labels of a Dockerfile.
pub(super) fn check(dockerfile: &Dockerfile, file: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RENAMED.iter().filter_map(|name| old_name(dockerfile, *name, file)).collect();
    findings.extend([COMPONENT, NAME].into_iter().filter_map(|name| required(dockerfile, name, file)));
    findings.extend(version(dockerfile, file));
    findings.extend(find(dockerfile, RELEASE).and_then(|label| release(label, file)));
    findings.extend(find(dockerfile, NAME).and_then(|label| repository(label, file)));
    findings.extend(find(dockerfile, COMPONENT).and_then(|label| component(label, file)));
    findings
}

/// What the labels say of the NVR, with the release that was asked for.
pub(super) fn nvr(dockerfile: &Dockerfile, release: Option<&str>) -> PartialNvr {
    let value = |name| find(dockerfile, name).map(|label| label.value.as_str());
    let full = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
    PartialNvr {
        component: full(value(COMPONENT)),
        version: full(value(VERSION)),
        release: full(release).or_else(|| full(value(RELEASE))),
    }
}

/// The label by today's name, else by the old one; an empty label of today's name hides the old one, as in the builder.
fn find(dockerfile: &Dockerfile, name: LabelName) -> Option<&Label> {
    dockerfile.label(name.name).or_else(|| dockerfile.label(name.old))
}

fn old_name(dockerfile: &Dockerfile, LabelName { name, old }: LabelName, file: &str) -> Option<Finding> {
    let label = dockerfile.label(old)?;
    let finding = match dockerfile.label(name) {
        Some(new) if new.value == label.value => {
            Finding::note("both-label-names", format!("label {old} repeats {name}")).hint(format!("remove {old}"))
        }
        Some(new) => {
            let message = format!("labels {name}={:?} and {old}={:?} disagree; {name} counts", new.value, label.value);
            Finding::warning("both-label-names", message).hint(format!("remove {old}"))
        }
        None => Finding::warning("deprecated-label", format!("label {old} is the old name of {name}"))
            .hint(format!("rename it to {name}")),
    };
    Some(finding.at(file, label.line))
}

/// Component and name must be there and say something (`LABELS_EXPLICIT_REQUIRED`).
fn required(dockerfile: &Dockerfile, name: LabelName, file: &str) -> Option<Finding> {
    match find(dockerfile, name) {
        None => Some(missing(name, file)),
        Some(label) if label.value.is_empty() => {
            let message = format!("label {} is empty, or set from a variable that is not", label.name);
            Some(Finding::error("empty-label", message).at(file, label.line).hint(example(name)))
        }
        Some(_) => None,
    }
}

fn missing(name: LabelName, file: &str) -> Finding {
    let message = format!("required label {} (or {}) is missing from the last stage of {file}", name.name, name.old);
    Finding::error("missing-label", message).at(file, None).hint(example(name))
}

fn example(name: LabelName) -> String {
    let value = match name {
        COMPONENT => "the name of the Koji package, e.g. LABEL com.redhat.component=demo-container",
        NAME => "the name of the repository in the registry, e.g. LABEL name=demo",
        _ => "a version, e.g. LABEL version=1.0",
    };
    format!("set it to {value}")
}

/// A version may be empty here, because a variable of the base image may fill it (`LABELS_ENV_REQUIRED`).
fn version(dockerfile: &Dockerfile, file: &str) -> Option<Finding> {
    let Some(label) = find(dockerfile, VERSION) else { return Some(missing(VERSION, file)) };
    if label.value.is_empty() {
        let message = format!("label {} is empty unless a variable of the base image sets it", label.name);
        let finding = Finding::warning("empty-label", message).at(file, label.line);
        return Some(finding.hint("if the base image has no such variable, the build fails; set a version here"));
    }
    unexpanded(label, file).or_else(|| bad(nvr::check_version(&label.value), "bad-version", label, file))
}

fn release(label: &Label, file: &str) -> Option<Finding> {
    unexpanded(label, file).or_else(|| {
        let finding = bad(nvr::check_release_label(&label.value), "bad-release", label, file)?;
        Some(
            finding.hint("write e.g. 1, 2.1 or 1.f42, or leave the label out: the builder takes the next free release"),
        )
    })
}

fn bad(checked: Result<(), NvrError>, id: &'static str, label: &Label, file: &str) -> Option<Finding> {
    let error = checked.err()?;
    Some(Finding::error(id, format!("label {}: {error}", label.name)).at(file, label.line))
}

/// What is left of forms such as `${VERSION:-1}`, which dockerfile-parse does not know.
fn unexpanded(label: &Label, file: &str) -> Option<Finding> {
    label.value.contains('$').then(|| {
        let message = format!("label {} keeps a variable: {:?}", label.name, label.value);
        let finding = Finding::error("unexpanded-variable", message).at(file, label.line);
        finding.hint("the builder expands only $NAME and ${NAME}, outside of single quotes, set by ENV or ARG before")
    })
}

fn repository(label: &Label, file: &str) -> Option<Finding> {
    if let Some(finding) = unexpanded(label, file) {
        return Some(finding);
    }
    let (first, _) = label.value.split_once('/').unwrap_or((&label.value, ""));
    if first.contains('.') {
        let message = format!("label {}: {first:?} would be taken for a registry, because it has a `.`", label.name);
        let finding = Finding::error("bad-name", message).at(file, label.line);
        return Some(finding.hint("leave the registry out; only the parts after a `/` may contain dots"));
    }
    let allowed = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '.' | '_' | '-' | '/')
    };
    let letter = label.value.chars().find(|letter| !allowed(*letter))?;
    let message = format!("label {}: {:?} contains {letter:?}, which registries refuse", label.name, label.value);
    let finding = Finding::warning("bad-name", message).at(file, label.line);
    Some(finding.hint("use lowercase letters, digits, `.`, `_`, `-` and `/`"))
}

fn component(label: &Label, file: &str) -> Option<Finding> {
    if let Some(finding) = unexpanded(label, file) {
        return Some(finding);
    }
    let bad = label.value.chars().find(|letter| letter.is_whitespace() || *letter == '/')?;
    let message = format!("label {}: {:?} contains {bad:?}, which no Koji package does", label.name, label.value);
    Some(Finding::error("bad-component", message).at(file, label.line))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::path::Path;

    use super::*;

    /// Labels from the second line on, values as they are.
    fn dockerfile(labels: &[(&str, &str)]) -> Dockerfile {
        let label = |(name, value): &(&str, &str)| format!("LABEL \"{name}\"='{value}'\n");
        let text = format!("FROM fedora:42\n{}", labels.iter().map(label).collect::<String>());
        Dockerfile::parse(text.as_bytes(), Path::new("Dockerfile")).unwrap()
    }

    const GOOD: [(&str, &str); 3] = [("com.redhat.component", "demo-container"), ("name", "demo"), ("version", "1.0")];

    fn found(labels: &[(&str, &str)]) -> Vec<(&'static str, bool, Option<usize>)> {
        let findings = check(&dockerfile(labels), "Dockerfile");
        findings.iter().map(|finding| (finding.id, finding.is_error(), finding.line)).collect()
    }

    #[test]
    fn good_labels_are_fine() {
        assert_eq!(found(&GOOD), []);
        assert_eq!(found(&[GOOD[0], ("name", "a/b.c"), GOOD[2], ("release", "3.f42"), ("x", "$Y")]), []);
    }

    #[test]
    fn missing_labels_are_errors() {
        let missing = ("missing-label", true, None);
        assert_eq!(found(&[]), [missing; 3]);
        assert_eq!(found(&GOOD[..2]), [missing]);
    }

    #[test]
    fn each_rule_has_its_id_and_line() {
        for (name, value, id, error) in [
            ("com.redhat.component", "", "empty-label", true),
            ("com.redhat.component", "a b", "bad-component", true),
            ("name", "", "empty-label", true),
            ("name", "a.b/c", "bad-name", true),
            ("name", "Demo", "bad-name", false),
            ("version", "", "empty-label", false),
            ("version", "1-2", "bad-version", true),
            ("version", "${V:-1}", "unexpanded-variable", true),
            ("release", "1..2", "bad-release", true),
            ("release", "$R", "unexpanded-variable", true),
        ] {
            let mut labels: Vec<_> = GOOD.into_iter().filter(|(good, _)| *good != name).collect();
            labels.push((name, value));
            assert_eq!(found(&labels), [(id, error, Some(labels.len() + 1))], "{name}={value}");
        }
    }

    #[test]
    fn old_names_count_but_warn() {
        let old = [("BZComponent", "demo-container"), ("Name", "demo"), ("Version", "1.0"), ("Architecture", "x86_64")];
        let warning = |line| ("deprecated-label", false, Some(line));
        assert_eq!(found(&old), [warning(2), warning(3), warning(4), warning(5)]);
        assert_eq!(nvr(&dockerfile(&old), None).component.as_deref(), Some("demo-container"));
    }

    #[test]
    fn todays_name_wins_even_when_empty() {
        let both = [GOOD[0], GOOD[1], GOOD[2], ("Version", "2.0")];
        assert_eq!(found(&both), [("both-label-names", false, Some(5))]);
        assert_eq!(nvr(&dockerfile(&both), None).version.as_deref(), Some("1.0"));
        let empty = [("com.redhat.component", ""), GOOD[1], GOOD[2], ("BZComponent", "demo-container")];
        assert_eq!(found(&empty), [("both-label-names", false, Some(5)), ("empty-label", true, Some(2))]);
    }

    #[test]
    fn the_release_asked_for_overrides_the_label() {
        let labels = [GOOD[0], GOOD[1], GOOD[2], ("release", "3")];
        for (labels, asked, expected) in [
            (&labels[..], None, Some("demo-container-1.0-3")),
            (&labels[..], Some("7"), Some("demo-container-1.0-7")),
            (&labels[..3], Some("7"), Some("demo-container-1.0-7")),
            (&labels[..3], None, None),
            (&labels[1..], Some("7"), None),
        ] {
            let nvr = nvr(&dockerfile(labels), asked).complete();
            assert_eq!(nvr.map(|nvr| nvr.to_string()).as_deref(), expected);
        }
    }
}
