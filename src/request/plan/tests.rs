//! The options of the command line against one good checkout; what real repositories give is tested with real ones.

use super::*;
use crate::error::{Error, ErrorKind};
use crate::exit_code::ExitCode;

const COMMIT: &str = "38a27de97e3bece01ec37b49b40458b59bf6ddb3";

fn checkout() -> Checkout {
    Checkout {
        root: "/home/u/foo".into(),
        head: Head::Branch("f40".to_owned()),
        commit: Some(COMMIT.to_owned()),
        merge_branch: Some("f40".to_owned()),
        remote: Some("origin".to_owned()),
        push_url: Some("ssh://u@pkgs.example.com/container/foo".to_owned()),
        changed: Vec::new(),
        upstream: Upstream::Tracked { remote: "origin".to_owned(), branch: "f40".to_owned(), ahead: 0, behind: 0 },
        containing: Vec::new(),
        shallow: false,
    }
}

fn input() -> PlanInput<'static> {
    PlanInput {
        artifact: Artifact::Container,
        files: Files::DistGit,
        tool: "fedpkg",
        release: None,
        name: None,
        namespace: None,
        target: None,
        git_branch: None,
        options: BuildOptions::default(),
        priority: None,
        channel: None,
        distgit_namespaced: true,
        distgit_namespaces: None,
        anongiturl: &|repository| Ok(format!("https://src.example.com/{repository}.git")),
        gitbaseurl: &|repository| Ok(format!("ssh://u@pkgs.example.com/{repository}")),
    }
}

fn planned(input: &PlanInput<'_>) -> Plan {
    plan(input, &checkout()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(input: &PlanInput<'_>) -> PlanError {
    match plan(input, &checkout()) {
        Err(error) => error,
        Ok(plan) => panic!("{plan:?}"),
    }
}

fn options(change: impl FnOnce(&mut BuildOptions)) -> BuildOptions {
    let mut options = BuildOptions::default();
    change(&mut options);
    options
}

#[test]
fn target_branch_and_source_follow_the_options() {
    // (input, target, git_branch, repository of the source)
    let i = input;
    let cases = [
        (i(), "f40-container-candidate", "f40", "container/foo"),
        (PlanInput { target: Some("t"), ..i() }, "t", "f40", "container/foo"),
        (PlanInput { target: Some(""), ..i() }, "f40-container-candidate", "f40", "container/foo"),
        (PlanInput { release: Some("f41"), ..i() }, "f41-container-candidate", "f41", "container/foo"),
        (PlanInput { release: Some(""), ..i() }, "f40-container-candidate", "f40", "container/foo"),
        (PlanInput { release: Some("f41"), target: Some("t"), ..i() }, "t", "f41", "container/foo"),
        (PlanInput { git_branch: Some("f41"), ..i() }, "f41-container-candidate", "f41", "container/foo"),
        (
            PlanInput { git_branch: Some("work"), release: Some("f41"), ..i() },
            "f41-container-candidate",
            "work",
            "container/foo",
        ),
        (PlanInput { name: Some("bar"), ..i() }, "f40-rpms-candidate", "f40", "rpms/bar"),
        (PlanInput { name: Some(""), ..i() }, "f40-container-candidate", "f40", "container/foo"),
        (
            PlanInput { name: Some("bar"), namespace: Some("container"), ..i() },
            "f40-container-candidate",
            "f40",
            "container/bar",
        ),
        (PlanInput { name: Some("bar"), distgit_namespaced: false, ..i() }, "f40-rpms-candidate", "f40", "bar"),
        (PlanInput { release: Some("master"), ..i() }, "rawhide-container-candidate", "master", "container/foo"),
        (
            PlanInput { artifact: Artifact::Flatpak, target: Some("f40-flatpak-candidate"), ..i() },
            "f40-flatpak-candidate",
            "f40",
            "container/foo",
        ),
    ];
    for (index, (input, target, git_branch, repository)) in cases.into_iter().enumerate() {
        let request = planned(&input).request;
        assert_eq!((&*request.target, &*request.git_branch), (target, git_branch), "case {index}");
        let source = format!("git+https://src.example.com/{repository}.git#{COMMIT}");
        assert_eq!(request.source, source, "case {index}");
    }
}

#[test]
fn fedpkgs_own_rules_do_not_hold_for_other_tools() {
    let rhpkg = planned(&PlanInput { tool: "rhpkg", release: Some("master"), ..input() }).request;
    assert_eq!(rhpkg.target, "master-container-candidate");
    assert_eq!(rhpkg.source, format!("https://src.example.com/container/foo.git#{COMMIT}"));
    let stage = planned(&PlanInput { tool: "fedpkg-stage", release: Some("master"), ..input() }).request;
    assert_eq!(stage.target, "rawhide-container-candidate");
    let template = |repository: &str| Ok(format!("git+https://h/{repository}"));
    let prefixed = planned(&PlanInput { anongiturl: &template, ..input() }).request;
    assert_eq!(prefixed.source, format!("git+https://h/container/foo#{COMMIT}"), "the prefix is not doubled");
}

#[test]
fn release_is_warned_of_unless_the_branch_is_named_too() {
    let warned = planned(&PlanInput { release: Some("f41"), ..input() }).warnings;
    assert_eq!(warned, [PlanWarning::ReleaseOverridesGitBranch { release: "f41".to_owned() }]);
    assert!(warned[0].to_string().ends_with("the build will fail.  Use --target to avoid this behavior"));
    assert_eq!(planned(&PlanInput { release: Some("f41"), git_branch: Some("f40"), ..input() }).warnings, []);
}

#[test]
fn options_are_handed_on_and_empty_strings_are_not() {
    let asked = options(|options| {
        options.scratch = true;
        options.release = Some(String::new());
        options.signing_intent = Some(String::new());
        options.koji_parent_build = Some("base-1-1".to_owned());
        options.arches = vec!["x86_64".to_owned()];
        options.compose_ids = vec![1, 2, 3];
    });
    let input = PlanInput { options: asked.clone(), priority: Some(5), channel: Some("c"), ..input() };
    let request = planned(&input).request;
    assert_eq!(request.options, BuildOptions { release: None, signing_intent: None, ..asked });
    assert_eq!((request.priority, request.channel.as_deref()), (Some(5), Some("c")));
}

#[test]
fn contradictions_are_refused_with_rpkgs_words_and_codes() {
    let i = input;
    let namespaces = ["rpms".to_owned(), "container".to_owned()];
    let with = |change: fn(&mut BuildOptions)| PlanInput { options: options(change), ..i() };
    let cases = [
        (
            PlanInput { namespace: Some("container"), ..i() },
            "missing --name: using --namespace requires --name option",
            ExitCode::Usage,
        ),
        (
            PlanInput { name: Some("x"), namespace: Some("bogus"), distgit_namespaces: Some(&namespaces), ..i() },
            "namespace bogus is not valid",
            ExitCode::Usage,
        ),
        (
            with(|options| options.isolated = true),
            "missing --build-release: using --isolated requires --build-release option",
            ExitCode::Usage,
        ),
        (
            with(|options| {
                options.compose_ids = vec![1];
                options.signing_intent = Some("x".to_owned());
            }),
            "argument --compose-id: not allowed with argument --signing-intent",
            ExitCode::Failed,
        ),
        (
            with(|options| options.arches = vec!["x86_64".to_owned()]),
            "Cannot override arches for non-scratch and non-isolated builds",
            ExitCode::Failed,
        ),
        (
            with(|options| {
                (options.isolated, options.scratch) = (true, true);
                options.release = Some("1".to_owned());
            }),
            "Build cannot be both isolated and scratch",
            ExitCode::Refused,
        ),
        (
            PlanInput { artifact: Artifact::Flatpak, ..i() },
            "the target of a flatpak build depends on its module's platform, which only the module build service knows",
            ExitCode::Failed,
        ),
    ];
    for (input, message, code) in cases {
        let error = Error::from(refused(&input));
        assert_eq!(error.to_string(), message);
        assert_eq!(ExitCode::from(error.kind()), code, "{message}");
    }
}

#[test]
fn faults_are_found_in_rpkgs_order() {
    let mut checkout = checkout();
    checkout.upstream = Upstream::None;
    checkout.changed = vec!["Dockerfile".into()];
    let composes = |options: &mut BuildOptions| {
        options.compose_ids = vec![1];
        options.signing_intent = Some("x".to_owned());
    };
    let mut input = input();
    input.options = options(|options| {
        options.arches = vec!["x86_64".to_owned()];
        options.isolated = true;
        composes(options);
    });
    let first = |input: &PlanInput<'_>, checkout: &Checkout| plan(input, checkout).expect_err("at fault");
    assert!(matches!(first(&input, &checkout), PlanError::ComposeIdWithSigningIntent));
    input.options.compose_ids.clear();
    assert!(matches!(first(&input, &checkout), PlanError::IsolatedWithoutRelease));
    input.options.isolated = false;
    assert!(matches!(first(&input, &checkout), PlanError::Uncommitted { .. }));
    checkout.changed.clear();
    assert!(matches!(first(&input, &checkout), PlanError::NotTracking { .. }));
    checkout.upstream = self::checkout().upstream;
    assert!(matches!(first(&input, &checkout), PlanError::Arches));
}

#[test]
fn only_a_few_of_many_changed_files_are_listed() {
    let mut checkout = checkout();
    checkout.changed = (1..=7).map(|number| format!("f{number}").into()).collect();
    let error = Error::from(plan(&input(), &checkout).expect_err("changed"));
    assert_eq!(error.hints(), ["commit and push, or `git stash`: f1, f2, f3, f4, f5, and 2 more"]);
}

#[test]
fn a_fault_in_the_url_template_keeps_its_kind_and_hints() {
    let template = |_: &str| Err(Error::new(ErrorKind::Config, "no anongiturl").hint("add it"));
    let error = Error::from(refused(&PlanInput { anongiturl: &template, ..input() }));
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, "no anongiturl"));
    assert_eq!(error.hints(), ["add it"]);
    let template = |_: &str| Err(Error::new(ErrorKind::Config, "no gitbaseurl"));
    let mut flat = checkout();
    flat.push_url = Some("https://h/foo".to_owned());
    let warnings = plan(&PlanInput { gitbaseurl: &template, ..input() }, &flat).expect("only a suggestion").warnings;
    assert!(matches!(&warnings[..], [PlanWarning::NoNamespaceInRemote { suggested_url: None, .. }]));
}
