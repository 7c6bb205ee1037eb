#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use super::*;

/// Problems as `LINE: MESSAGE`.
fn problems(text: &str) -> Vec<String> {
    let problems = Reading::parse(text.as_bytes()).problems;
    problems.into_iter().map(|Problem { line, fault }| format!("{line}: {fault}")).collect()
}

#[test]
fn a_file_with_every_key_is_read_whole() {
    let text = "\
platforms: {only: [x86_64, aarch64], not: aarch64}
compose:
  packages: []
  modules: ['nodejs:18/minimal']
  pulp_repos: yes
  signing_intent: release
  inherit: on
  multilib_method: [devel, runtime]
  build_only_content_sets: {x86_64: [a-rpms]}
flatpak: {id: org.example.App, branch: stable}
tags: [latest, '1.10']
set_release_env: REL
buildtime_limit: 3_600
operator_manifests: {manifests_dir: manifests, skip_all: false}
remote_sources_version: 2
remote_sources:
  - name: app
    remote_source:
      repo: https://git.example.com/app
      ref: 0123456789abcdef0123456789abcdef01234567
      pkg_managers: [gomod]
      packages: {gomod: [{path: .}]}
";
    let Reading { content, problems, .. } = Reading::parse(text.as_bytes());
    assert_eq!(problems, []);
    let platforms = content.platforms.unwrap();
    assert!(platforms.includes("x86_64") && !platforms.includes("aarch64") && !platforms.includes("s390x"));
    let compose = content.compose.unwrap();
    assert_eq!((compose.packages, compose.pulp_repos, compose.inherit), (Some(vec![]), true, true));
    assert_eq!(compose.modules.unwrap(), ["nodejs:18/minimal"]);
    assert_eq!(content.flatpak.unwrap()["branch"], "stable");
    assert_eq!((content.tags, content.set_release_env.as_deref()), (vec!["latest".into(), "1.10".into()], Some("REL")));
    assert_eq!(content.buildtime_limit, Some(3600));
    assert_eq!(content.operator_manifests.unwrap().manifests_dir, "manifests");
    assert_eq!(content.remote_sources.unwrap()[0].remote_source.as_ref().unwrap().repo, "https://git.example.com/app");
}

#[test]
fn files_without_content_say_nothing() {
    for text in ["", "# a comment\n", "---\n", "null\n", "~", "---\n...\n", "compose:\nplatforms:\nflatpak: ~\n"] {
        let reading = Reading::parse(text.as_bytes());
        assert_eq!((reading.problems, reading.content), (vec![], ContainerYaml::default()), "{text:?}");
    }
}

#[test]
fn what_the_schema_refuses_is_told_with_its_line() {
    let cases: &[(&str, &[&str])] = &[
        ("platform:\n  only: x86_64\n", &["1: unknown key platform"]),
        ("[]\n", &["1: the file is a list, but must be a mapping"]),
        ("compose:\n  pulp_repo: true\n", &["2: unknown key compose.pulp_repo"]),
        ("compose:\n  pulp_repos: 1\n", &["2: compose.pulp_repos is 1 (a whole number), but must be true or false"]),
        ("tags:\n- latest\n- 1.10\n", &["3: tags[1] is 1.10 (a number), but must be text"]),
        ("tags: [2026-01-31]\n", &["1: tags[0] is 2026-01-31 (a date), but must be text"]),
        ("tags:\n", &["1: tags is empty, but must be a list"]),
        ("platforms:\n  only: [x86_64, no]\n", &["2: platforms.only[1] is no (a boolean), but must be text"]),
        ("platforms:\n  not: {}\n", &["2: platforms.not is a mapping, but must be text or a list"]),
        (
            "remote_source:\n  repo: r\n  ref: main\n",
            &[
                "3: remote_source.ref is \"main\", but must be text (a full commit hash: 40 digits and lower-case letters)",
            ],
        ),
        ("\nremote_source: {}\n", &["2: remote_source.repo is missing", "2: remote_source.ref is missing"]),
        ("remote_sources: []\n", &["1: remote_sources is a list, but must be a list that is not empty"]),
        ("remote_sources: ~\nremote_source: ~\n", &["2: remote_source cannot be used together with remote_sources"]),
        ("buildtime_limit: -1\n", &["1: buildtime_limit is -1 (a whole number), but must be a whole number from 0"]),
        ("buildtime_limit: 1.0\n", &["1: buildtime_limit is 1.0 (a number), but must be a whole number from 0"]),
        (
            "remote_sources_version: 3\n",
            &["1: remote_sources_version is 3 (a whole number), but must be a number from 1 to 2"],
        ),
        (
            "image_build_method: docker\n",
            &[
                "1: image_build_method is deprecated: OSBS ignores it with a warning",
                "1: image_build_method is \"docker\", but must be one of docker_api, imagebuilder, buildah_bud",
            ],
        ),
        (
            "operator_manifests:\n  manifests_dir: /m\n",
            &[
                "2: operator_manifests.manifests_dir is \"/m\", but must be text (a folder, relative to the top of the repository)",
            ],
        ),
        (
            "compose: {modules: [nodejs]}\n",
            &["1: compose.modules[0] is \"nodejs\", but must be text (NAME:STREAM[:VERSION[:CONTEXT]][/PROFILE])"],
        ),
        (
            "compose: {modular_koji_tags: yes, multilib_method: [both]}\n",
            &["1: compose.multilib_method[0] is \"both\", but must be one of none, iso, runtime, devel, all"],
        ),
        (
            "compose: {build_only_content_sets: {x86_64: [], X: 1}}\n",
            &["1: compose.build_only_content_sets.x86_64 is a list, but must be a list that is not empty"],
        ),
        (
            "tags: [a]\nflatpak: {}\ntags: [b]\n",
            &["3: the key tags is set twice, first in line 1; the last one counts"],
        ),
        ("1: 2\n", &["1: unknown key 1"]),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(text), *expected, "{text:?}");
    }
}

#[test]
fn what_is_no_yaml_is_told_with_its_line() {
    let cases: &[(&[u8], &str)] = &[
        (b"tags:\n  - \xff\n", "2: not UTF-8"),
        (b"tags: [a\nb: c\n", "not YAML"),
        (b"tags:\n\t- a\n", "not YAML"),
        (b"tags: []\n---\ntags: []\n", "2: a second document begins here; there may be one"),
        (b"tags: [*a]\n", "1: not YAML"),
        (b"&a [*a]\n", "1: an alias stands within the value that it names"),
        (b"set_release_env: !env REL\n", "1: the tag !env is not allowed here"),
        (b"[a]: b\n", "1: a list or a mapping cannot be a key"),
        (b"<<: 1\n", "`<<` takes a mapping or a list of mappings"),
    ];
    for (bytes, expected) in cases {
        let reading = Reading::parse(bytes);
        let told = format!("{}: {}", reading.problems[0].line, reading.problems[0].fault);
        assert!(told.contains(expected) && reading.problems.len() == 1, "{told} for {expected}");
        assert_eq!(reading.content, ContainerYaml::default());
    }
}

#[test]
fn aliases_and_merges_are_followed() {
    let text = "flatpak: &f {a: 1, b: 2}\ncompose: {}\nplatforms: &p\n  only: x86_64\n  not: [s390x]\n";
    assert_eq!(problems(text), [""; 0]);
    let merged =
        "flatpak:\n  one: &one {a: 1, b: 1}\n  two: &two {b: 2, c: 2}\n  all:\n    <<: [*one, *two]\n    c: 3\n";
    let flatpak = Reading::parse(merged.as_bytes()).content.flatpak.unwrap();
    assert_eq!(flatpak["all"], serde_json::json!({"a": 1, "b": 1, "c": 3}));
    assert_eq!(problems("tags: &t [1.5]\nflatpak: {t: *t}\n"), ["1: tags[0] is 1.5 (a number), but must be text"]);
}

#[test]
fn bombs_are_refused_and_not_unpacked() {
    let mut aliases = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    let mut merges = String::from("m0: &m0 {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6}\n");
    for level in 1..20 {
        let before = level - 1;
        let repeated = vec![format!("*a{before}"); 10].join(", ");
        aliases += &format!("a{level}: &a{level} [{repeated}]\n");
        let repeated = vec![format!("*m{before}"); 10].join(", ");
        merges += &format!("m{level}: &m{level} {{<<: [{repeated}]}}\n");
    }
    let wide = "- x\n".repeat(MAX_VALUES + 1);
    let (flow, block) =
        ("[".repeat(1_000_000), (0..500).map(|at| format!("{}a:\n", " ".repeat(at))).collect::<String>());
    let long = "#".repeat(LONGEST + 1);
    let mut chain = String::from("a0: &a0 [x]\n");
    for level in 1..200 {
        chain += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    for (text, expected) in [
        (&aliases, "values, those behind aliases included"),
        (&merges, "values, those behind aliases included"),
        (&wide, "values, those behind aliases included"),
        (&flow, "not YAML"),
        (&block, "not YAML"),
        (&chain, "nested more than"),
        (&long, "longer than"),
    ] {
        let started = std::time::Instant::now();
        let told = problems(text);
        assert!(told.len() == 1 && told[0].contains(expected), "{told:?}");
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{told:?} took {:?}", started.elapsed());
    }
}

#[test]
fn lines_of_keys_and_items_are_known() {
    let reading = Reading::parse(b"compose: {}\ntags:\n- a\n\n- b\n");
    assert_eq!(reading.line_of("tags"), Some(2));
    assert_eq!(reading.lines_of_items("tags").collect::<Vec<_>>(), [3, 5]);
    assert_eq!((reading.line_of("x"), reading.lines_of_items("compose").count()), (None, 0));
}

#[test]
fn an_unknown_key_has_the_nearest_known_one() {
    for (text, expected) in [("tag: []", Some("tags")), ("platform: {}", Some("platforms")), ("xyzzy: 1", None)] {
        let reading = Reading::parse(text.as_bytes());
        let Fault::UnknownKey { suggestion, .. } = &reading.problems[0].fault else { panic!("{text}") };
        assert_eq!(*suggestion, expected, "{text}");
    }
}
