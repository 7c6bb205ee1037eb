//! What is found wrong with checkouts before anything is submitted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::fs;
use std::path::Path;

use fedpkg_container_build::checkout::container_yaml::{ContainerYaml, ProblemKind};
use fedpkg_container_build::request::check::{FileReport, check_files};
use fedpkg_container_build::request::{Artifact, BuildOptions, BuildRequest};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::support::peers;

const DOCKERFILE: &str = "FROM registry.example.com/fedora:42\n\
                          LABEL com.redhat.component=demo-container\n\
                          LABEL name=demo\n\
                          LABEL version=1.0\n";

fn request(artifact: Artifact, options: BuildOptions) -> BuildRequest {
    BuildRequest {
        artifact,
        source: "git+https://src.example.com/container/demo.git#0123".to_owned(),
        target: "f42-container-candidate".to_owned(),
        namespace: Some("container".to_owned()),
        repo_name: "demo".to_owned(),
        git_branch: "f42".to_owned(),
        commit: "0123".to_owned(),
        options,
        priority: None,
        channel: None,
    }
}

fn check(files: &[(&str, &str)], options: BuildOptions) -> FileReport {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(root.path().join(name), content).unwrap();
    }
    check_files(root.path(), &request(Artifact::Container, options))
}

/// `ID`, `ID FILE` or `ID FILE:LINE`, worst first.
fn found(report: &FileReport) -> Vec<String> {
    let place = |file: &Option<String>, line: Option<usize>| match (file, line) {
        (Some(file), Some(line)) => format!(" {file}:{line}"),
        (Some(file), None) => format!(" {file}"),
        (None, _) => String::new(),
    };
    report.findings.iter().map(|finding| format!("{}{}", finding.id, place(&finding.file, finding.line))).collect()
}

/// The findings of a checkout that are not about its Dockerfile, which is a good one.
fn found_beside_dockerfile(files: &[(&str, &str)], options: BuildOptions) -> Vec<String> {
    let files: Vec<_> = [("Dockerfile", DOCKERFILE)].into_iter().chain(files.iter().copied()).collect();
    let report = check(&files, options);
    let about_dockerfile = |finding: &String| finding.ends_with(" Dockerfile") || finding.contains(" Dockerfile:");
    found(&report).into_iter().filter(|finding| !about_dockerfile(finding)).collect()
}

#[test]
fn files_beside_the_dockerfile() {
    let no_options = BuildOptions::default;
    let arches = BuildOptions { scratch: true, arches: vec!["s390x".into(), "x86_64".into()], ..no_options() };
    for (files, options, expected) in [
        (&[][..], no_options(), &[][..]),
        (&[("container.yaml", "platforms:\n  only: x86_64\n"), ("README.md", "")], no_options(), &[]),
        (&[("container.yml", "")], no_options(), &["wrong-file-name container.yml"]),
        (&[("content_sets.yaml", "")], no_options(), &["wrong-file-name content_sets.yaml"]),
        (&[("fetch-artifact-url.yaml", "")], no_options(), &["wrong-file-name fetch-artifact-url.yaml"]),
        (
            &[("container.yaml", "platform:\n  only: x86_64\ntags:\n- 1.0\n")],
            no_options(),
            &["container-yaml-unknown-key container.yaml:1", "container-yaml-wrong-type container.yaml:4"],
        ),
        (&[("container.yaml", "a: [")], no_options(), &["container-yaml-syntax container.yaml:1"]),
        (
            &[("container.yaml", "autorebuild: {}\ntags: [a, a-b]\nbuildtime_limit: 99999\n")],
            no_options(),
            &[
                "container-yaml-deprecated-key container.yaml:1",
                "bad-tag container.yaml:2",
                "long-build-time container.yaml:3",
            ],
        ),
        (&[("container.yaml", "flatpak:\n  id: a\n")], no_options(), &["is-a-flatpak container.yaml:2"]),
        (&[("container.yaml", "platforms:\n  only: x86_64\n")], arches, &["arch-excluded container.yaml"]),
        (
            &[("additional-tags", "good\n\na-b\n")],
            no_options(),
            &["bad-tag additional-tags:3", "deprecated-additional-tags additional-tags"],
        ),
        (
            &[("additional-tags", "a"), ("container.yaml", "tags: [b]")],
            no_options(),
            &["additional-tags-ignored additional-tags"],
        ),
        (
            &[],
            BuildOptions { scratch: true, isolated: true, release: Some("2".into()), ..no_options() },
            &["scratch-and-isolated", "bad-release"],
        ),
    ] {
        assert_eq!(found_beside_dockerfile(files, options), expected, "{files:?}");
    }
}

#[test]
fn a_tag_too_long_for_koji_is_an_error_even_where_osbs_ignores_it() {
    let long = "x".repeat(129);
    let files = [("additional-tags", long.as_str()), ("container.yaml", "tags: [b]")];
    let expected = ["tag-too-long additional-tags:1", "additional-tags-ignored additional-tags"];
    assert_eq!(found_beside_dockerfile(&files, BuildOptions::default()), expected);
}

#[test]
fn a_missing_dockerfile_is_looked_for_under_other_names() {
    for (name, hinted) in [("dockerfile", true), ("DockerFile", true), ("Dockerfile.txt", true), ("README.md", false)] {
        let report = check(&[(name, DOCKERFILE)], BuildOptions::default());
        assert_eq!(found(&report), ["no-dockerfile"], "{name}");
        let hint = report.findings[0].hint.as_deref().unwrap();
        assert_eq!(hint.contains(name), hinted, "{hint}");
    }
}

#[test]
fn a_containerfile_is_not_what_the_builder_reads() {
    let report = check(&[("Containerfile", DOCKERFILE)], BuildOptions::default());
    assert!(found(&report).contains(&"no-dockerfile".to_owned()), "{:?}", found(&report));
}

#[test]
fn a_good_checkout_has_an_nvr_and_no_findings() {
    let options = BuildOptions { release: Some("3".into()), ..BuildOptions::default() };
    let report = check(&[("Dockerfile", DOCKERFILE)], options);
    assert_eq!(found(&report), [""; 0]);
    assert_eq!(report.nvr().unwrap().to_string(), "demo-container-1.0-3");
    assert_eq!(report.base_images, ["registry.example.com/fedora:42"]);
}

#[test]
fn labels_are_found_wrong_on_their_lines() {
    for (dockerfile, expected) in [
        ("FROM a\nLABEL name=demo version=1.0\n", &["missing-label Dockerfile"][..]),
        (
            "FROM a\nLABEL com.redhat.component=c\nLABEL name=b.c/d\nLABEL version=1-2\nLABEL release=1..2\n",
            &["bad-name Dockerfile:3", "bad-version Dockerfile:4", "bad-release Dockerfile:5"],
        ),
        ("FROM a\nLABEL BZComponent=c\nLABEL name=d version=1\n", &["deprecated-label Dockerfile:2"]),
        ("FROM a\nLABEL com.redhat.component=$NOT_SET\nLABEL name=d version=1\n", &["empty-label Dockerfile:2"]),
        (
            "FROM a\nLABEL com.redhat.component=c name=d version=1\nFROM b\nRUN true\n",
            &["missing-label Dockerfile", "missing-label Dockerfile", "missing-label Dockerfile"],
        ),
        ("FROM a\nLABEL com.redhat.component=c name=d version=1 release=$REL\n", &[]),
        (
            "FROM a\nLABEL com.redhat.component=c name=d \\\n\n  version=1\n",
            &["missing-label Dockerfile", "read-differently Dockerfile:4"],
        ),
        (
            "FROM a\nLABEL com.redhat.component=c name=d version=1\nRUN python3 <<E\nfrom os import x\nE\n",
            &[
                "missing-label Dockerfile",
                "missing-label Dockerfile",
                "missing-label Dockerfile",
                "read-differently Dockerfile:4",
            ],
        ),
        (
            "\u{feff}FROM a\nLABEL com.redhat.component=c name=d version=1\n",
            &["no-base-image Dockerfile", "byte-order-mark Dockerfile:1"],
        ),
        (
            "FROM a\nLABEL com.redhat.component=c name=d version=1\nLABEL last=1 \\\n",
            &["read-differently Dockerfile:3"],
        ),
        ("FROM a\nLABEL com.redhat.component=c name=d version=1\nRUNN true\n", &["dockerfile-syntax Dockerfile:3"]),
        ("FROM a\nLABEL\n", &["malformed-dockerfile Dockerfile:2"]),
        (
            "FROM a\nLABEL com.redhat.component=c name=${N:-d} version=1\n",
            &["bad-name Dockerfile:2", "unknown-expansion Dockerfile:2"],
        ),
        (
            "# nothing\n",
            &[
                "no-base-image Dockerfile",
                "missing-label Dockerfile",
                "missing-label Dockerfile",
                "missing-label Dockerfile",
            ],
        ),
    ] {
        let report = check(&[("Dockerfile", dockerfile)], BuildOptions::default());
        assert_eq!(found(&report), expected, "{dockerfile}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_a_finding() {
    let nowhere = Path::new("/nonexistent/checkout");
    let report = check_files(nowhere, &request(Artifact::Container, BuildOptions::default()));
    assert_eq!(found(&report), ["no-dockerfile"]);
}

/// Pieces that make documents which get past the YAML reader more often than noise does.
fn yaml() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "platforms",
        "only",
        "compose",
        "packages",
        "tags",
        "flatpak",
        "remote_source",
        "go",
        ": ",
        ":\n",
        "\n",
        "\n  ",
        "\n- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'",
        "\"",
        "&a ",
        "*a",
        "<<",
        "? ",
        "!!str ",
        "---\n",
        "...",
        "|\n",
        ">-\n",
        "#",
        "1",
        "1.0",
        "1e400",
        "-0x8",
        "~",
        "yes",
        "\t",
        "é",
        "\0",
        "\u{feff}",
        "%YAML 1.1\n",
        ".inf",
        "99999999999999999999",
    ]);
    prop_oneof![prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat()), any::<String>()]
}

/// How many texts are tried.
const TRIED: usize = 2000;

#[test]
fn no_container_yaml_panics_or_points_outside_itself() {
    let mut runner = TestRunner::deterministic();
    let mut understood = 0;
    for _ in 0..TRIED {
        let text = yaml().new_tree(&mut runner).unwrap().current();
        let read = ContainerYaml::parse(text.as_bytes());
        let lines = text.split(['\n', '\r']).count() + 1;
        for problem in &read.problems {
            assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem:?} in {text:?}");
            assert!(!problem.kind.to_string().is_empty());
        }
        understood += usize::from(read.problems.is_empty());
    }
    assert!(understood > 0, "none of {TRIED} was understood");
}

/// Scalars that YAML 1.1 and 1.2 read differently, and what is built from their pieces.
fn scalars() -> Vec<String> {
    const WORDS: &str = "yes Yes YES yEs no on Off OFF y n true True tRue null Null NULL nUll ~ ~~ nil none \
        0 00 07 08 0o7 0b11 0b2 0x1F 0xg -0x1 +1 -1 1_000 _1 1__0 0_7 0b_1 1:30 1:60 0:30 12:5:59 1:2.5 1:2.5e+1 190:20:30 \
        1. .5 -.5 +.5 1.0 1.10 1.0e3 1.0e+3 1e3 1E-3 .5e+1 .e+1 1._5 -1.5 ._1 .inf -.Inf +.INF .iNF .nan .NaN -.nan . .. \
        2026-01-31 2026-1-31 26-01-31 2026-01-31T10:00:00Z 2026-1-3t1:02:03.5+01:30 2026-01-31T10:00 2026-01-31Z \
        2026-01-31T10:00:00- 1.2.3 1-2 f42 42f latest 1,000 0x 0b + - -- +- 1e 1e+ e1 '' \"\" '1.0' \"yes\" 'null'";
    const PIECES: [&str; 16] = ["0", "1", "9", ".", "_", ":", "-", "+", "e", "E", "x", "b", "00", "59", "T", "Z"];
    let mut scalars: Vec<String> = WORDS.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    scalars.push("2026-01-31 10:00:00 +1".to_owned());
    let mut seed = 0x5eed_u64;
    let mut below = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    for _ in 0..3_000 {
        let count = 1 + below(7);
        let scalar: String = (0..count).map(|_| PIECES[below(PIECES.len())]).collect();
        // These begin or end other things than scalars.
        if !scalar.ends_with(':') && !scalar.starts_with(':') && scalar != "-" && scalar != "---" {
            scalars.push(scalar);
        }
    }
    scalars
}

#[test]
fn scalars_are_what_pythons_yaml_takes_them_for() {
    let Some(python) = peers::python() else { return };
    let (folder, scalars) = (tempfile::tempdir().unwrap(), scalars());
    let input = folder.path().join("scalars.json");
    fs::write(&input, serde_json::to_vec(&scalars).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/yaml_peer.py");
    let output = std::process::Command::new(python).arg(script).arg(&input).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<(String, Option<String>)> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(theirs.len(), scalars.len());
    let accepts = |key: &str, scalar: &str| {
        let read = ContainerYaml::parse(format!("{key} {scalar}\n").as_bytes());
        let wrong = |kind: &ProblemKind| matches!(kind, ProblemKind::WrongType { .. } | ProblemKind::Syntax { .. });
        (!read.problems.iter().any(|problem| wrong(&problem.kind)), read.buildtime_limit.map(|(seconds, _)| seconds))
    };
    let mut kinds = std::collections::BTreeMap::<&str, usize>::new();
    for (scalar, (kind, value)) in scalars.iter().zip(&theirs) {
        *kinds.entry(kind).or_default() += 1;
        assert_eq!(accepts("tags:\n-", scalar).0, kind == "str", "{scalar} is {kind}");
        assert_eq!(accepts("compose:\n  inherit:", scalar).0, kind == "bool", "{scalar} is {kind}");
        let (is_int, seconds) = accepts("buildtime_limit:", scalar);
        assert_eq!(is_int, kind == "int", "{scalar} is {kind}");
        let expected = value.as_deref().and_then(|value| value.parse::<u64>().ok());
        assert_eq!(seconds, expected.filter(|_| is_int), "{scalar}");
    }
    for kind in ["str", "int", "float", "bool", "NoneType", "date", "datetime"] {
        assert!(kinds.get(kind).is_some_and(|count| *count > 0), "no {kind} among {kinds:?}");
    }
}
