#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use super::*;

/// Ids would be the caller's; here a problem is its variant's name, its line and its key.
fn problems(yaml: &str) -> Vec<String> {
    let describe = |problem: &Problem| {
        let line = problem.line.map_or("-".to_owned(), |line| line.to_string());
        match &problem.kind {
            ProblemKind::Unreadable { .. } => "unreadable".to_owned(),
            ProblemKind::TooLong => "too long".to_owned(),
            ProblemKind::Syntax { .. } => format!("{line} syntax"),
            ProblemKind::UnknownKey { key, suggestion } => {
                format!("{line} unknown {key} ({})", suggestion.unwrap_or("nothing"))
            }
            ProblemKind::DuplicateKey { key, first } => format!("{line} twice {key} ({first})"),
            ProblemKind::MissingKey { key } => format!("{line} missing {key}"),
            ProblemKind::WrongType { key, quote, .. } => {
                format!("{line} type {key}{}", if *quote { " quote" } else { "" })
            }
            ProblemKind::WrongValue { key, .. } => format!("{line} value {key}"),
            ProblemKind::Exclusive { first, second } => format!("{line} exclusive {first} {second}"),
            ProblemKind::Deprecated { key, .. } => format!("{line} deprecated {key}"),
        }
    };
    ContainerYaml::parse(yaml.as_bytes()).problems.iter().map(describe).collect()
}

const COMMIT: &str = "0123456789012345678901234567890123456789";

#[test]
fn what_osbs_takes_is_fine() {
    for yaml in [
        "",
        "# nothing\n",
        "---\n",
        "null\n",
        "{}",
        "platforms: null\ncompose: null\nflatpak: null\nremote_source: null\n",
        "platforms:\n  only: x86_64\n  not: [s390x, ppc64le]\n",
        "compose:\n  packages:\n  modules: [nodejs:10]\n  pulp_repos: true\n  signing_intent: release\n",
        "compose: {multilib_method: [devel], multilib_arches: [x86_64], modular_koji_tags: true}",
        "compose: {modular_koji_tags: [f42-modules], module_resolve_tags: null, inherit: false}",
        "compose:\n  build_only_content_sets:\n    x86_64: [a-rpms]\n",
        "flatpak:\n  id: org.example.Demo\n  branch: stable\n  finish-args: |-\n    --share=ipc\n",
        &format!("remote_source:\n  repo: https://example.com/r\n  ref: '{COMMIT}'\n  pkg_managers: [gomod]\n"),
        &format!("remote_sources:\n- name: a_b-1\n  remote_source: {{repo: r, ref: '{COMMIT}'}}\n"),
        "operator_manifests:\n  manifests_dir: manifests\n  repo_replacements: [{registry: r, package_mappings: {a: b}}]\n",
        "tags: [latest, '1.0']\nset_release_env: RELEASE\nbuildtime_limit: 0\nversion: 1\nremote_sources_version: 2\n",
    ] {
        assert_eq!(problems(yaml), [""; 0], "{yaml}");
    }
}

#[test]
fn what_osbs_refuses_is_found_on_its_line() {
    for (yaml, expected) in [
        ("[]", &["1 type "][..]),
        ("\nplatform:\n  only: x86_64\n", &["2 unknown platform (platforms)"]),
        ("whatever: 1\n", &["1 unknown whatever (nothing)"]),
        ("1: x\n", &["1 unknown 1 (nothing)"]),
        ("platforms:\n  only: x86_64\n  exclude: s390x\n", &["3 unknown platforms.exclude (nothing)"]),
        ("platforms:\n  only: true\n", &["2 type platforms.only quote"]),
        ("platforms:\n- x86_64\n", &["2 type platforms"]),
        ("tags:\n- latest\n- 1.0\n", &["3 type tags[1] quote"]),
        ("tags: latest\n", &["1 type tags"]),
        ("tags:\n", &["1 type tags"]),
        ("compose:\n  package: [a]\n", &["2 unknown compose.package (packages)"]),
        ("compose:\n  pulp_repos: 'yes'\n", &["2 type compose.pulp_repos"]),
        ("compose:\n  modules: [nodejs]\n", &["2 value compose.modules[0]"]),
        ("compose:\n  multilib_method: [some]\n", &["2 value compose.multilib_method[0]"]),
        ("compose:\n  modular_koji_tags: f42\n", &["2 type compose.modular_koji_tags"]),
        (
            "compose:\n  build_only_content_sets:\n    x86_64: []\n    s390x: [a]\n",
            &["3 value compose.build_only_content_sets.x86_64", "4 value compose.build_only_content_sets.s390x[0]"],
        ),
        ("remote_source:\n  repo: r\n  ref: main\n", &["3 value remote_source.ref"]),
        ("remote_source:\n  repo: r\n", &["2 missing remote_source.ref"]),
        ("remote_sources: []\n", &["1 value remote_sources"]),
        (
            "remote_sources:\n- name: a b\n",
            &["2 value remote_sources[0].name", "2 missing remote_sources[0].remote_source"],
        ),
        ("go: {}\nremote_source:\n", &["1 deprecated go", "2 exclusive go remote_source"]),
        ("operator_manifests:\n  manifests_dir: /abs\n", &["2 value operator_manifests.manifests_dir"]),
        ("buildtime_limit: -1\n", &["1 value buildtime_limit"]),
        ("buildtime_limit: 1.5\n", &["1 type buildtime_limit"]),
        ("version: 0\n", &["1 value version"]),
        ("image_build_method: kaniko\n", &["1 deprecated image_build_method", "1 value image_build_method"]),
        ("autorebuild:\n  from_latest: true\n", &["1 deprecated autorebuild"]),
        ("set_release_env: A\nset_release_env: B\n", &["2 twice set_release_env (1)"]),
        ("tags: [\n", &["1 syntax"]),
        ("a: b: c\n", &["1 syntax"]),
        ("--- {}\n--- {}\n", &["2 syntax"]),
    ] {
        assert_eq!(problems(yaml), expected, "{yaml}");
    }
}

#[test]
fn what_is_read_is_what_was_written() {
    let yaml = "platforms: {only: x86_64, not: [s390x]}\ntags:\n- a\n- b\nset_release_env: R\nbuildtime_limit: 60\n\
                flatpak: {name: demo, component: demo-flatpak, base_image: 'r/base:1'}\ncompose: {packages: [], modules: [a:b], signing_intent: s}\n";
    let read = ContainerYaml::parse(yaml.as_bytes());
    assert_eq!(read.problems, []);
    assert_eq!(read.platforms, Platforms { only: Some(vec!["x86_64".into()]), not: vec!["s390x".into()] });
    assert_eq!(read.tags, [Tag { name: "a".into(), line: 3 }, Tag { name: "b".into(), line: 4 }]);
    let flatpak = Flatpak {
        name: Some("demo".into()),
        component: Some("demo-flatpak".into()),
        base_image: Some("r/base:1".into()),
        line: 7,
    };
    assert_eq!(read.flatpak, Some(flatpak));
    assert_eq!((read.packages, read.modules), (Some(Vec::new()), vec!["a:b".to_owned()]));
    assert_eq!((read.set_release_env.as_deref(), read.signing_intent.as_deref()), (Some("R"), Some("s")));
    assert_eq!(read.buildtime_limit, Some((60, 6)));
}

#[test]
fn platforms_are_all_but_those_left_out() {
    let platforms = Platforms { only: Some(vec!["x86_64".into(), "s390x".into()]), not: vec!["s390x".into()] };
    for (platform, included) in [("x86_64", true), ("s390x", false), ("aarch64", false)] {
        assert_eq!(platforms.includes(platform), included, "{platform}");
    }
    assert!(Platforms::default().includes("aarch64"));
}

#[test]
fn files_without_measure_are_refused() {
    let deep = "[".repeat(10_000);
    let nested: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    let mut merges = "m0: &m0 {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6}\n".to_owned();
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        let before = level - 1;
        let aliases = vec![format!("*m{before}"); 10].join(", ");
        merges += &format!("m{level}: &m{level} {{<<: [{aliases}]}}\n");
        chain += &format!("a{level}: &a{level} [*a{before}]\n");
    }
    let wide = "- x\n".repeat(200_000);
    for yaml in [deep, nested, bomb, merges, chain, wide, "&a [*a]".to_owned()] {
        let found = problems(&yaml);
        assert!(found.len() == 1 && found[0].ends_with("syntax"), "{found:?}");
    }
    let long = usize::try_from(LONGEST).unwrap() + 1;
    assert_eq!(problems(&" ".repeat(long)), ["too long"]);
}

#[test]
fn what_is_not_text_or_not_a_file_is_a_problem() {
    let read = ContainerYaml::parse(b"tags: []\n\xff\n");
    assert_eq!(read.problems[0].line, Some(2));
    let root = tempfile::tempdir().unwrap();
    assert_eq!(ContainerYaml::read(root.path()), None);
    std::fs::create_dir(root.path().join(FILE_NAME)).unwrap();
    let read = ContainerYaml::read(root.path()).unwrap();
    assert!(matches!(read.problems[0].kind, ProblemKind::Unreadable { .. }), "{read:?}");
}

#[test]
fn numbers_are_those_of_pythons_yaml_as_they_are_spelt() {
    let found = |yaml: &str| {
        let wrong = ContainerYaml::parse(yaml.as_bytes()).problems.into_iter().find_map(|problem| match problem.kind {
            ProblemKind::WrongType { found, .. } => Some(found),
            _ => None,
        });
        wrong.unwrap_or_default()
    };
    for spelling in ["1.10", "42", "0x1F", "010", "1.0e+3"] {
        assert!(!found(&format!("tags: [{spelling}]")).is_empty(), "{spelling}");
    }
    assert_eq!(found("tags:\n- é\n- 1.10  # ten\n"), "1.10");
    for text in ["1e3", "08", "0o7", "'1.10'", "\"42\"", "1.0e3"] {
        assert_eq!(found(&format!("tags: [{text}]")), "", "{text}");
    }
}

#[test]
fn aliases_and_merges_are_followed_as_python_follows_them() {
    let merged = "flatpak:\n  one: &one {name: a, component: a}\n  two: &two {component: b}\n  <<: [*two, *one]\n";
    let read = ContainerYaml::parse(merged.as_bytes());
    assert_eq!(read.problems, []);
    let flatpak = read.flatpak.unwrap();
    assert_eq!((flatpak.name.as_deref(), flatpak.component.as_deref()), (Some("a"), Some("b")));
    assert_eq!(problems("compose: &c {inherit: 1}\nflatpak: {<<: *c, inherit: 2}\n"), ["1 type compose.inherit"]);
    assert_eq!(problems("compose: {<<: {inherit: true}, inherit: false}\n"), [""; 0]);
    assert_eq!(problems("flatpak: {t: &t [1.5]}\ntags: *t\n"), ["1 type tags[0] quote"]);
    for unreadable in ["compose: {<<: 1}", "tags: [<<]", "tags: [=]", "[a]: b", "tags: [!own a]", "tags: [!!int a]"] {
        assert_eq!(problems(unreadable), ["1 syntax"], "{unreadable}");
    }
    assert_eq!(problems("tags: [!!str 1.0, ! 2.0]\n=: 1\n"), ["2 unknown = (nothing)"]);
}
