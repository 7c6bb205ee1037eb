#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::fs;

use super::*;
use crate::request::BuildOptions;

pub(super) fn request() -> BuildRequest {
    BuildRequest {
        artifact: Artifact::Container,
        source: "git+https://src.example.com/container/demo.git#0123".to_owned(),
        target: "f42-container-candidate".to_owned(),
        namespace: Some("container".to_owned()),
        repo_name: "demo".to_owned(),
        git_branch: "f42".to_owned(),
        commit: "0123".to_owned(),
        options: BuildOptions::default(),
        priority: None,
        channel: None,
    }
}

fn flatpak() -> BuildRequest {
    BuildRequest { artifact: Artifact::Flatpak, ..request() }
}

fn checkout(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(root.path().join(name), content).unwrap();
    }
    root
}

fn found(report: &FileReport) -> Vec<(&str, bool, Option<&str>, Option<usize>)> {
    report
        .findings
        .iter()
        .map(|finding| (finding.id, finding.is_error(), finding.file.as_deref(), finding.line))
        .collect()
}

/// What a Dockerfile that was read comes to; the reader itself has its own tests.
fn read(labels: &[(&str, &str)], base_images: &[&str], request: &BuildRequest) -> FileReport {
    let from = base_images.iter().map(|image| format!("FROM {image}\n"));
    let label = labels.iter().map(|(name, value)| format!("LABEL {name}='{value}'\n"));
    let text = from.chain(label).collect::<String>();
    let dockerfile = Dockerfile::parse(text.as_bytes(), Path::new(DOCKERFILE)).unwrap();
    let mut report = FileReport::default();
    read_dockerfile(&dockerfile, DOCKERFILE, request, &mut report);
    report
}

const GOOD: [(&str, &str); 3] = [("com.redhat.component", "demo-container"), ("name", "demo"), ("version", "1.0")];

#[test]
fn json_has_what_programs_need_and_no_nvr() {
    let report = read(&GOOD, &["fedora:42"], &request());
    let expected = serde_json::json!({
        "version": 1,
        "labels": {"com.redhat.component": "demo-container", "name": "demo", "version": "1.0"},
        "base_images": ["fedora:42"],
        "findings": [],
    });
    assert_eq!(serde_json::to_value(&report).unwrap(), expected);
}

#[test]
fn the_nvr_is_known_when_the_release_is() {
    assert_eq!(read(&GOOD, &["fedora:42"], &request()).nvr(), None);
    let options = BuildOptions { release: Some("3".to_owned()), ..BuildOptions::default() };
    let report = read(&GOOD, &["fedora:42"], &BuildRequest { options, ..request() });
    assert_eq!(report.nvr().unwrap().to_string(), "demo-container-1.0-3");
}

#[test]
fn a_dockerfile_needs_a_base_image() {
    let report = read(&GOOD, &[], &request());
    assert_eq!(found(&report), [("no-base-image", true, Some("Dockerfile"), None)]);
}

#[test]
fn a_malformed_dockerfile_is_found_on_its_line() {
    let error =
        DockerfileError::Malformed { file: "Dockerfile".into(), line: 7, what: "LABEL without a value".to_owned() };
    let finding = unreadable_dockerfile(&error, DOCKERFILE);
    assert_eq!(
        (finding.id, finding.line, finding.message.as_str()),
        ("malformed-dockerfile", Some(7), "LABEL without a value")
    );
}

#[test]
fn flatpaks_need_container_yaml_and_no_dockerfile() {
    let error = |id, line| vec![(id, true, Some("container.yaml"), line)];
    for (yaml, expected) in [
        ("flatpak:\n  id: org.example.Demo\ncompose:\n  modules: [demo:stable]\n", vec![]),
        ("flatpak:\n  name: demo\ncompose:\n  packages: [demo]\n", vec![]),
        ("", error("not-a-flatpak", None)),
        ("flatpak:\n  name: demo\n", error("flatpak-without-content", Some(2))),
        ("compose:\n  packages: [demo]\nflatpak:\n  id: demo\n", error("flatpak-without-name", Some(4))),
        ("flatpak: [\n", error("container-yaml-syntax", Some(1))),
    ] {
        let root = checkout(&[("container.yaml", yaml)]);
        assert_eq!(found(&check_files(root.path(), &flatpak())), expected, "{yaml}");
    }
    let empty = checkout(&[]);
    assert_eq!(found(&check_files(empty.path(), &flatpak())), [("no-container-yaml", true, None, None)]);
    let based = checkout(&[(
        "container.yaml",
        "flatpak: {id: demo, base_image: 'r/base:1'}\ncompose: {modules: ['demo:1']}\n",
    )]);
    assert_eq!(check_files(based.path(), &flatpak()).base_images, ["r/base:1"]);
}

#[test]
fn a_flatpak_is_named_by_its_module() {
    let yaml = "flatpak: {id: a}\ncompose:\n  modules: ['demo:f-42:1/x', 'b:c']\n";
    let root = checkout(&[("container.yaml", yaml)]);
    let options = BuildOptions { release: Some("1".to_owned()), ..BuildOptions::default() };
    let report = check_files(root.path(), &BuildRequest { options, ..flatpak() });
    assert_eq!(report.nvr().unwrap().to_string(), "demo-f_42-1");
}

#[test]
fn tags_are_measured() {
    let long = "1".repeat(127);
    for (version, release, too_long) in [(long.as_str(), "1", true), (&long[2..], "1", false), (&long, "", false)] {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let nvr = PartialNvr { component: None, version: text(version), release: text(release) };
        let root = checkout(&[]);
        assert_eq!(tags::check(root.path(), None, &nvr).len(), usize::from(too_long), "{}", version.len());
    }
}
