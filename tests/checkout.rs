//! What is read of real git repositories, and what is planned from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use fedpkg_container_build::checkout::{Checkout, CheckoutError, GitEnvironment, Head, Upstream, autorebuild};
use fedpkg_container_build::error::{Error, ErrorKind};
use fedpkg_container_build::request::plan::{Files, Plan, PlanError, PlanInput, PlanWarning, plan};
use fedpkg_container_build::request::{Artifact, BuildOptions};

use crate::support::peers;
use crate::support::sandbox::{PUSH_URL, Repository, Sandbox};

/// Keeps the settings of whoever runs the tests out of libgit2, which reads them in this very process.
fn without_own_settings() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        use git2::ConfigLevel::{Global, System, XDG};
        for level in [System, Global, XDG] {
            // SAFETY: changes libgit2's global state, once, and before this module makes any other use of libgit2.
            #[expect(unsafe_code, reason = "git2 marks its process-wide options so")]
            unsafe { git2::opts::set_search_path(level, "/nonexistent") }.expect("libgit2 takes the path");
        }
    });
}

fn try_read(path: &Path) -> Result<Checkout, CheckoutError> {
    without_own_settings();
    Checkout::read_with(path, &GitEnvironment::default())
}

fn read(path: &Path) -> Checkout {
    try_read(path).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()))
}

/// `container-build` without options, with the configuration of the sandbox.
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

fn planned(path: &Path) -> Plan {
    planned_with(&input(), path)
}

fn planned_with(input: &PlanInput<'_>, path: &Path) -> Plan {
    plan(input, &read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn problem(path: &Path) -> PlanError {
    problem_with(&input(), path)
}

fn problem_with(input: &PlanInput<'_>, path: &Path) -> PlanError {
    match plan(input, &read(path)) {
        Err(problem) => problem,
        Ok(plan) => panic!("{} was planned: {plan:?}", path.display()),
    }
}

/// The hints that a user would see.
fn hints(error: impl Into<Error>) -> String {
    error.into().hints().join("\n")
}

/// Adds a commit to `branch` on the server that the clone does not have.
fn commit_on_server(sandbox: &Sandbox, server: &str, branch: &str) {
    let other = sandbox.clone_of(&sandbox.root().join("srv").join(server), "other", &["-b", branch]);
    other.write("elsewhere", "x");
    other.commit("Made elsewhere");
    other.push();
    fs::remove_dir_all(&other.path).expect("removing the other clone");
}

fn server_of_foo(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("srv/container/foo.git")
}

#[test]
fn a_clean_pushed_clone_is_read_and_planned() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    let checkout = read(&clone.path);
    assert_eq!(
        checkout,
        Checkout {
            root: clone.path.clone(),
            head: Head::Branch("f40".to_owned()),
            commit: Some(clone.head()),
            merge_branch: Some("f40".to_owned()),
            remote: Some("origin".to_owned()),
            push_url: Some(PUSH_URL.to_owned()),
            changed: Vec::new(),
            upstream: Upstream::Tracked { remote: "origin".to_owned(), branch: "f40".to_owned(), ahead: 0, behind: 0 },
            containing: Vec::new(),
            shallow: false,
        }
    );
    let Plan { request, warnings } = planned(&clone.path);
    assert_eq!(request.source, format!("git+https://src.example.com/container/foo.git#{}", clone.head()));
    assert_eq!(request.target, "f40-container-candidate");
    assert_eq!((request.namespace.as_deref(), &*request.repo_name), (Some("container"), "foo"));
    assert_eq!((request.git_branch, request.commit), ("f40".to_owned(), clone.head()));
    assert_eq!(warnings, []);
}

#[test]
fn changes_of_tracked_files_stop_the_build() {
    type Change = fn(&Repository<'_>);
    let cases: [(&str, Change, &str); 6] = [
        ("modified", |clone| drop(clone.write("Dockerfile", "FROM scratch\n")), "Dockerfile"),
        ("deleted", |clone| fs::remove_file(clone.path.join("Dockerfile")).expect("removed"), "Dockerfile"),
        ("made executable", |clone| drop(clone.git(&["update-index", "--chmod=+x", "Dockerfile"])), "Dockerfile"),
        (
            "staged",
            |clone| {
                clone.write("new", "x");
                clone.git(&["add", "new"]);
            },
            "new",
        ),
        (
            "staged and taken back",
            |clone| {
                let before = fs::read_to_string(clone.path.join("Dockerfile")).expect("readable");
                clone.write("Dockerfile", "FROM scratch\n");
                clone.git(&["add", "Dockerfile"]);
                clone.write("Dockerfile", &before);
            },
            "Dockerfile",
        ),
        ("renamed", |clone| drop(clone.git(&["mv", "Dockerfile", "Containerfile"])), "Containerfile"),
    ];
    for (what, change, file) in cases {
        let sandbox = Sandbox::new();
        let clone = sandbox.container();
        change(&clone);
        let problem = problem(&clone.path);
        let expected = format!("{} has uncommitted changes.  Use git status to see details", clone.path.display());
        assert_eq!(problem.to_string(), expected, "{what}");
        let hints = hints(problem);
        assert!(hints.contains(file), "{what}: {hints}");
    }
}

#[test]
fn untracked_and_touched_files_do_not_stop_the_build() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.write("untracked", "x");
    clone.write("folder/untracked", "x");
    let dockerfile = fs::File::options().append(true).open(clone.path.join("Dockerfile")).expect("opened");
    dockerfile.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("touched");
    assert_eq!(read(&clone.path).changed, Vec::<PathBuf>::new());
    planned(&clone.path);
}

#[test]
fn local_commits_stop_the_build() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.commit("One");
    let one = problem(&clone.path);
    assert_eq!(one.to_string(), "There are unpushed changes in your repo: f40 is 1 commit ahead of origin/f40");
    assert_eq!(hints(one), "git push");
    clone.commit("Two");
    assert!(problem(&clone.path).to_string().ends_with("f40 is 2 commits ahead of origin/f40"));
    clone.push();
    planned(&clone.path);
}

#[test]
fn a_branch_that_is_only_behind_is_built_with_a_warning_once_that_is_known() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    commit_on_server(&sandbox, "container/foo.git", "f40");
    assert_eq!(planned(&clone.path).warnings, []);
    clone.git(&["fetch", "-q"]);
    let expected = PlanWarning::Behind { branch: "f40".to_owned(), upstream: "origin/f40".to_owned(), behind: 1 };
    assert_eq!(planned(&clone.path).warnings, [expected]);
}

#[test]
fn a_diverged_branch_stops_the_build() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.commit("Made here");
    commit_on_server(&sandbox, "container/foo.git", "f40");
    clone.git(&["fetch", "-q"]);
    let problem = problem(&clone.path);
    let expected = "There are unpushed changes in your repo: f40 and origin/f40 have diverged, by 1 commit here and 1 commit there";
    assert_eq!(problem.to_string(), expected);
    assert_eq!(hints(problem), "git pull --rebase, then git push");
}

#[test]
fn a_detached_head_is_built_for_the_one_branch_of_the_remote_that_has_it() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    let old = clone.head();
    clone.write("more", "x");
    clone.commit("More");
    clone.push();
    for commit in [old, clone.head()] {
        clone.git(&["checkout", "-q", "--detach", &commit]);
        assert_eq!(read(&clone.path).head, Head::Detached);
        let Plan { request, warnings } = planned(&clone.path);
        assert_eq!((request.commit, request.git_branch), (commit, "f40".to_owned()));
        assert_eq!(request.target, "f40-container-candidate");
        assert_eq!(warnings, [PlanWarning::DetachedHead { branch: "f40".to_owned() }]);
    }
}

#[test]
fn a_detached_head_on_several_branches_wants_one_to_be_named() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    let server = server_of_foo(&sandbox);
    sandbox.git(&server, &["branch", "rhaos/4.1", "f40"]);
    sandbox.git(&server, &["branch", "f39", "f40"]);
    clone.git(&["fetch", "-q"]);
    clone.git(&["remote", "set-head", "origin", "f40"]);
    clone.git(&["checkout", "-q", "--detach"]);
    let problem = problem(&clone.path);
    let expected = format!(
        "Repo in inconsistent state: HEAD is a detached symbolic reference as it points to '{}', and several branches of the \
         remote have that commit: f39, f40, rhaos/4.1",
        clone.head()
    );
    assert_eq!(problem.to_string(), expected);
    assert!(hints(problem).contains("--git-branch"));

    let named = planned_with(&PlanInput { git_branch: Some("f39"), ..input() }, &clone.path);
    assert_eq!((&*named.request.git_branch, &*named.request.target), ("f39", "f39-container-candidate"));
    assert_eq!(named.warnings, []);
    let released = planned_with(&PlanInput { release: Some("f40"), ..input() }, &clone.path);
    assert_eq!(&*released.request.git_branch, "f40");
    assert_eq!(released.warnings, [PlanWarning::ReleaseOverridesGitBranch { release: "f40".to_owned() }]);
    let elsewhere = planned_with(&PlanInput { git_branch: Some("f38"), ..input() }, &clone.path);
    assert!(matches!(&elsewhere.warnings[..], [PlanWarning::CommitNotOnBranch { branch, .. }] if branch == "f38"));
}

#[test]
fn a_detached_head_that_the_remote_lacks_stops_the_build_whatever_branch_is_named() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["checkout", "-q", "--detach"]);
    clone.commit("Made here");
    for input in
        [input(), PlanInput { release: Some("f40"), ..input() }, PlanInput { git_branch: Some("f40"), ..input() }]
    {
        let problem = problem_with(&input, &clone.path);
        let message = problem.to_string();
        assert!(message.starts_with("Repo in inconsistent state: HEAD is a detached symbolic reference"), "{message}");
        assert!(message.ends_with("no branch of the remote has that commit"), "{message}");
        assert!(hints(problem).contains("git fetch origin"));
    }
}

#[test]
fn a_branch_without_upstream_stops_the_build() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["checkout", "-q", "-b", "work", "--no-track"]);
    for input in [input(), PlanInput { release: Some("f40"), ..input() }] {
        assert_eq!(
            problem_with(&input, &clone.path).to_string(),
            "Branch work does not track remote branch.\nUse the following command to fix that:\n    \
             git branch -u origin/REMOTE_BRANCH_NAME"
        );
    }
}

#[test]
fn a_local_branch_stands_for_the_upstream_it_tracks() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["checkout", "-q", "-b", "work", "--track", "origin/f40"]);
    let request = planned(&clone.path).request;
    assert_eq!((&*request.git_branch, &*request.target), ("f40", "f40-container-candidate"));
    clone.commit("Made here");
    assert_eq!(hints(problem(&clone.path)), "git push origin HEAD:f40");
}

#[test]
fn an_upstream_in_the_same_clone_stops_the_build() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["checkout", "-q", "-b", "work", "--track", "f40"]);
    assert_eq!(read(&clone.path).upstream, Upstream::Local { branch: "f40".to_owned() });
    let problem = problem(&clone.path);
    let expected = "Branch work tracks the local branch f40, not a branch of the dist-git server";
    assert_eq!(problem.to_string(), expected);
}

#[test]
fn an_upstream_that_was_never_fetched_or_is_no_branch_stops_the_build() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    for (merge, upstream) in [("refs/heads/f99", "f99"), ("refs/tags/v1", "refs/tags/v1")] {
        clone.git(&["config", "branch.f40.merge", merge]);
        let expected = Upstream::Missing { remote: "origin".to_owned(), branch: upstream.to_owned() };
        assert_eq!(read(&clone.path).upstream, expected);
        let message = problem(&clone.path).to_string();
        assert_eq!(message, format!("Branch f40 tracks {upstream} of origin, which is not known in this clone"));
    }
}

#[test]
fn the_remote_may_have_any_name() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["remote", "rename", "origin", "up"]);
    assert_eq!(planned(&clone.path).request.target, "f40-container-candidate");
    // rpkg looks for the remote of a branch `f40` here, which does not exist.
    clone.git(&["branch", "-m", "f40", "work"]);
    let checkout = read(&clone.path);
    assert_eq!((checkout.remote.as_deref(), checkout.push_url.as_deref()), (Some("up"), Some(PUSH_URL)));
    assert_eq!(planned(&clone.path).request.git_branch, "f40");
}

#[test]
fn tracking_follows_the_remotes_fetch_rules() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/elsewhere/*"]);
    clone.git(&["fetch", "-q"]);
    clone.git(&["update-ref", "-d", "refs/remotes/origin/f40"]);
    assert!(matches!(read(&clone.path).upstream, Upstream::Tracked { ahead: 0, behind: 0, .. }));
}

#[test]
fn shallow_clones_are_built_and_compared_as_far_as_they_go() {
    let sandbox = Sandbox::new();
    let full = sandbox.container();
    full.commit("Second");
    full.push();
    let shallow = sandbox.clone_of(&server_of_foo(&sandbox), "shallow", &["--depth", "1", "-b", "f40"]);
    shallow.git(&["config", "remote.origin.pushurl", PUSH_URL]);
    assert!(read(&shallow.path).shallow);
    assert_eq!(planned(&shallow.path).warnings, []);
    shallow.commit("Made here");
    assert!(problem(&shallow.path).to_string().ends_with("f40 is 1 commit ahead of origin/f40"));
    shallow.git(&["reset", "-q", "--hard", "HEAD^"]);
    // The new upstream commit comes without its parents, so that nobody can tell what it has to do with ours.
    commit_on_server(&sandbox, "container/foo.git", "f40");
    shallow.git(&["fetch", "-q", "--depth", "1"]);
    assert!(hints(problem(&shallow.path)).contains("git fetch --unshallow origin"));
    shallow.git(&["fetch", "-q", "--unshallow"]);
    assert!(matches!(&planned(&shallow.path).warnings[..], [PlanWarning::Behind { behind: 1, .. }]));
    shallow.git(&["checkout", "-q", "--detach"]);
    assert_eq!(read(&shallow.path).containing, ["f40"]);
}

#[test]
fn partial_and_sparse_clones_are_read() {
    let sandbox = Sandbox::new();
    let full = sandbox.container();
    full.write("folder/file", "x");
    full.commit("A folder");
    full.push();
    let server = server_of_foo(&sandbox);
    sandbox.git(&server, &["config", "uploadpack.allowFilter", "true"]);
    let partial = sandbox.clone_of(&server, "partial", &["--filter=blob:none"]);
    assert_eq!(read(&partial.path).changed, Vec::<PathBuf>::new());
    let sparse = sandbox.clone_of(&server, "sparse", &["--sparse"]);
    assert!(!sparse.path.join("folder").exists());
    assert_eq!(read(&sparse.path).changed, Vec::<PathBuf>::new());
}

#[test]
fn a_work_tree_beside_the_clone_is_a_checkout_of_its_own() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    let server = server_of_foo(&sandbox);
    sandbox.git(&server, &["branch", "f41", "f40"]);
    clone.git(&["fetch", "-q"]);
    clone.git(&["worktree", "add", "-q", "--track", "-b", "f41", "../tree", "origin/f41"]);
    let tree = sandbox.root().join("tree");
    assert_eq!(read(&tree).root, tree);
    assert_eq!(planned(&tree).request.target, "f41-container-candidate");
    assert_eq!(planned(&clone.path).request.target, "f40-container-candidate");
    // Settings of one work tree only.
    clone.git(&["config", "extensions.worktreeConfig", "true"]);
    sandbox.git(&tree, &["config", "--worktree", "branch.f41.merge", "refs/heads/f40"]);
    assert_eq!(planned(&tree).request.target, "f40-container-candidate");
}

#[test]
fn the_repository_is_searched_upward() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.write("a/b/file", "x");
    let checkout = read(&clone.path.join("a/b"));
    assert_eq!(checkout.root, clone.path);
    assert_eq!(planned(&clone.path.join("a/b")).request.repo_name, "foo");
}

#[test]
fn a_submodule_counts_when_its_files_changed_and_is_a_checkout_itself() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    let library = sandbox.server("container/lib", "main");
    let url = format!("file://{}", library.display());
    clone.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", &url, "lib"]);
    clone.commit("Add lib");
    clone.push();
    let inside = clone.path.join("lib");
    assert_eq!(read(&clone.path).changed, Vec::<PathBuf>::new());
    fs::write(inside.join("untracked"), "x").expect("written");
    assert_eq!(read(&clone.path).changed, Vec::<PathBuf>::new());
    assert_eq!((read(&inside).root, read(&inside).head), (inside.clone(), Head::Branch("main".to_owned())));

    fs::write(inside.join("Dockerfile"), "FROM scratch\n").expect("written");
    assert_eq!(read(&clone.path).changed, [PathBuf::from("lib")]);
    sandbox.git(&inside, &["commit", "-q", "-a", "-m", "Other commit"]);
    assert_eq!(read(&clone.path).changed, [PathBuf::from("lib")]);
    clone.git(&["add", "lib"]);
    assert_eq!(read(&clone.path).changed, [PathBuf::from("lib")]);
}

#[test]
fn slashes_of_a_branch_name_are_kept() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    sandbox.git(&server_of_foo(&sandbox), &["branch", "rhaos/4.1", "f40"]);
    clone.git(&["fetch", "-q"]);
    clone.git(&["checkout", "-q", "--track", "origin/rhaos/4.1"]);
    let request = planned(&clone.path).request;
    assert_eq!((&*request.git_branch, &*request.target), ("rhaos/4.1", "rhaos/4.1-container-candidate"));
}

#[test]
fn the_push_url_decides_name_and_namespace() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    for (url, target, source) in [
        ("git@pkgs.example.com:container/foo.git", "f40-container-candidate", "container/foo"),
        ("https://src.example.com/containers/bar", "f40-containers-candidate", "containers/bar"),
        ("/srv/rpms/bar.git", "f40-rpms-candidate", "rpms/bar"),
    ] {
        clone.git(&["config", "remote.origin.pushurl", url]);
        let Plan { request, warnings } = planned(&clone.path);
        assert_eq!(request.target, target, "{url}");
        assert_eq!(request.source, format!("git+https://src.example.com/{source}.git#{}", clone.head()), "{url}");
        assert_eq!(warnings, [], "{url}");
    }
}

#[test]
fn a_push_url_without_namespace_means_rpms_and_is_warned_of() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["config", "remote.origin.pushurl", "https://src.example.com/foo.git"]);
    let Plan { request, warnings } = planned(&clone.path);
    assert_eq!(request.target, "f40-rpms-candidate");
    let [warning @ PlanWarning::NoNamespaceInRemote { .. }] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(
        warning.to_string(),
        "Your git configuration does not use a namespace.\nConsider updating your git configuration by running:\n  \
         git remote set-url origin ssh://u@pkgs.example.com/rpms/foo.git"
    );
}

#[test]
fn the_push_url_of_a_fork_builds_the_repository_it_was_forked_from_with_a_warning() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["config", "remote.origin.pushurl", "https://src.example.com/forks/joe/container/foo.git"]);
    let Plan { request, warnings } = planned(&clone.path);
    assert_eq!(request.target, "f40-container-candidate");
    let (fork, built) = ("forks/joe/container/foo".to_owned(), "container/foo".to_owned());
    assert_eq!(warnings, [PlanWarning::ForkIgnored { fork, built }]);
}

#[test]
fn without_a_push_url_only_a_given_name_helps() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["config", "remote.origin.pushurl", "https://src.example.com/"]);
    let message = problem(&clone.path).to_string();
    assert!(message.ends_with("the push URL https://src.example.com/ has no path"), "{message}");
    clone.git(&["config", "--unset", "remote.origin.pushurl"]);
    clone.git(&["config", "--unset", "remote.origin.url"]);
    let message = problem(&clone.path).to_string();
    assert!(message.ends_with("the remote origin has no URL"), "{message}");
    let named = planned_with(&PlanInput { name: Some("bar"), ..input() }, &clone.path);
    assert_eq!(named.request.target, "f40-rpms-candidate");
}

#[test]
fn without_namespaces_the_target_has_pythons_none() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    let flat = PlanInput { distgit_namespaced: false, ..input() };
    let Plan { request, warnings } = planned_with(&flat, &clone.path);
    assert_eq!(request.target, "f40-None-candidate");
    assert_eq!(request.source, format!("git+https://src.example.com/foo.git#{}", clone.head()));
    assert_eq!(request.namespace, None);
    assert_eq!(warnings, [PlanWarning::TargetWithoutNamespace { target: request.target }]);
    let given = planned_with(&PlanInput { target: Some("t"), ..flat }, &clone.path);
    assert_eq!((&*given.request.target, &given.warnings[..]), ("t", &[][..]));
}

/// The push URL that git itself finds is the truth.
#[test]
fn the_push_url_is_the_one_git_finds() {
    let url = "remote.origin.url";
    let push_url = "remote.origin.pushurl";
    let (https, ssh) = ("https://src.example.com/container/foo", "ssh://u@pkgs.example.com/container/foo");
    let cases: &[&[(&str, &str)]] = &[
        &[(url, https)],
        &[(url, https), (push_url, ssh)],
        &[(url, "fed:container/foo"), ("url.https://src.example.com/.insteadOf", "fed:")],
        &[(url, https), ("url.ssh://x/rpms/.pushInsteadOf", "https://src.example.com/container/")],
        &[
            (url, https),
            ("url.ssh://a/.pushInsteadOf", "https://"),
            ("url.ssh://b/.insteadOf", "https://src.example.com/"),
        ],
        &[
            (url, https),
            (push_url, https),
            ("url.ssh://a/.pushInsteadOf", "https://"),
            ("url.ssh://b/.insteadOf", "https://"),
        ],
        &[
            (url, https),
            ("url.ssh://a/.pushInsteadOf", "https://"),
            ("url.ssh://b/.pushInsteadOf", "https://src.example.com/"),
        ],
        &[(url, https), ("url.ssh://a/.pushInsteadOf", "https://"), ("url.ssh://b/.pushInsteadOf", "https://")],
        &[(url, "one:x/y"), (url, https), ("url.ssh://a/.pushInsteadOf", "https://")],
        &[(url, https), (push_url, "ssh://first/a/b"), (push_url, "ssh://second/a/b")],
        &[(url, https), ("URL.ssh://Case/.PUSHINSTEADOF", "https://")],
    ];
    for settings in cases {
        let sandbox = Sandbox::new();
        let clone = sandbox.container();
        clone.git(&["config", "--unset-all", push_url]);
        clone.git(&["config", "--unset-all", url]);
        for (key, value) in *settings {
            clone.git(&["config", "--add", key, value]);
        }
        let expected = clone.git(&["remote", "get-url", "--push", "origin"]);
        assert_eq!(read(&clone.path).push_url, Some(expected), "{settings:?}");
    }
}

#[test]
fn settings_count_from_includes_and_from_the_environment() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    let included = sandbox.write("included", "[branch \"f40\"]\n\tmerge = refs/heads/f41\n");
    clone.git(&[
        "config",
        &format!("includeIf.gitdir:{}/.path", clone.path.display()),
        &included.display().to_string(),
    ]);
    assert_eq!(clone.git(&["config", "--get", "branch.f40.merge"]), "refs/heads/f41");
    assert_eq!(read(&clone.path).merge_branch.as_deref(), Some("f41"));

    let environment = GitEnvironment::from_variables(|name| {
        let value = match name {
            "GIT_CONFIG_COUNT" => "3",
            "GIT_CONFIG_KEY_0" => "Branch.f40.Merge",
            "GIT_CONFIG_VALUE_0" => "refs/heads/f42",
            "GIT_CONFIG_KEY_1" => "url.ssh://host/rpms/.insteadOf",
            "GIT_CONFIG_VALUE_1" => "ssh://u@pkgs.example.com/container/",
            "GIT_CONFIG_KEY_2" => "branch.F40.merge",
            "GIT_CONFIG_VALUE_2" => "refs/heads/another-branch",
            _ => return None,
        };
        Some(value.to_owned())
    });
    let checkout = Checkout::read_with(&clone.path, &environment.expect("well formed")).expect("readable");
    assert_eq!(checkout.merge_branch.as_deref(), Some("f42"));
    assert_eq!(checkout.push_url.as_deref(), Some("ssh://host/rpms/foo"));
}

#[test]
fn folders_that_are_no_checkout_are_refused() {
    let sandbox = Sandbox::new();
    let error = try_read(sandbox.root()).expect_err("no repository");
    assert!(error.to_string().starts_with("Unable to find Git repo"), "{error}");
    let error = Error::from(error);
    assert_eq!(error.kind(), ErrorKind::Checkout);
    assert!(hints(error).contains("--path"));
    let server = sandbox.server("container/foo", "f40");
    assert!(matches!(try_read(&server), Err(CheckoutError::Bare { .. })));
    assert!(matches!(try_read(Path::new("/nonexistent")), Err(CheckoutError::NotARepository { .. })));
}

#[test]
fn an_empty_repository_is_read_and_has_nothing_to_build() {
    let sandbox = Sandbox::new();
    let server = sandbox.root().join("srv/empty.git");
    sandbox.git(sandbox.root(), &["init", "-q", "--bare", "-b", "f40", &server.display().to_string()]);
    let clone = sandbox.clone_of(&server, "empty", &[]);
    let checkout = read(&clone.path);
    assert_eq!((checkout.head, checkout.commit), (Head::Branch("f40".to_owned()), None));
    clone.git(&["config", "--unset", "branch.f40.merge"]);
    // That nothing is tracked either is of no use to know now.
    let error = Error::from(problem(&clone.path));
    assert_eq!(error.to_string(), "branch f40 has no commit yet");
    assert_eq!(error.hints(), ["git add a Dockerfile, and git commit"]);
}

#[test]
fn a_checkout_without_a_remote_is_told_how_to_get_one() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["remote", "remove", "origin"]);
    let error = Error::from(problem(&clone.path));
    assert_eq!((error.to_string().as_str(), error.kind()), ("the checkout has no remote", ErrorKind::Checkout));
    assert_eq!(error.hints(), ["add one: git remote add origin ssh://u@pkgs.example.com/container/foo"]);
    let later = planned_with(&PlanInput { files: Files::DistGitLater, ..input() }, &clone.path).request;
    assert_eq!((later.repo_name.as_str(), later.namespace, later.target.as_str()), ("foo", None, ""));
}

/// What a builder that fetches nothing makes of a checkout: namespace, name, target, branch, and what is noted.
fn here(clone: &Repository<'_>) -> (Option<String>, String, String, String, Vec<String>) {
    let known = ["rpms".to_owned(), "container".to_owned()];
    let input = PlanInput { files: Files::Checkout, distgit_namespaces: Some(&known), ..input() };
    let Plan { request, warnings } = planned_with(&input, &clone.path);
    assert!(warnings.iter().all(PlanWarning::is_note), "{warnings:?}");
    let notes = warnings.iter().map(ToString::to_string).collect();
    (request.namespace, request.repo_name, request.target, request.git_branch, notes)
}

#[test]
fn a_builder_that_fetches_nothing_needs_neither_remote_nor_branch_nor_commit() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    let target = "f40-container-candidate".to_owned();
    let of_dist_git = (Some("container".to_owned()), "foo".to_owned(), target, "f40".to_owned(), Vec::new());
    assert_eq!(here(&clone), of_dist_git);
    clone.git(&["checkout", "-q", "--detach"]);
    assert_eq!(here(&clone), of_dist_git, "which branch it is can be told");
    clone.commit("only here");
    assert_eq!((&*here(&clone).2, &*here(&clone).3), ("", ""), "which branch it is cannot be told");
    clone.git(&["checkout", "-q", "-b", "mine"]);
    let unknown = |why: &str| {
        let note = format!("{why}; building foo without what dist-git knows of it (--name, --namespace)");
        (None, "foo".to_owned(), String::new(), "mine".to_owned(), vec![note])
    };
    clone.git(&["config", "remote.origin.pushurl", "git@github.com:joe/foo.git"]);
    let strange = "joe, of the push URL git@github.com:joe/foo.git, is none of dist-git's namespaces (rpms, container)";
    assert_eq!(here(&clone), unknown(strange));
    clone.git(&["config", "remote.origin.pushurl", "https://example.com/foo"]);
    assert_eq!(here(&clone), unknown("the push URL https://example.com/foo has no namespace of dist-git"));
    clone.git(&["remote", "remove", "origin"]);
    assert_eq!(here(&clone), unknown("the checkout has no remote that it is pushed to"));
    clone.git(&["checkout", "-q", "--orphan", "empty"]);
    assert_eq!(read(&clone.path).commit, None);
    assert_eq!(here(&clone).1, "foo");
}

#[test]
fn a_strange_namespace_is_warned_of_where_dist_git_is_needed() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    clone.git(&["config", "remote.origin.pushurl", "git@github.com:joe/foo.git"]);
    let known = ["rpms".to_owned()];
    let Plan { request, warnings } =
        planned_with(&PlanInput { distgit_namespaces: Some(&known), ..input() }, &clone.path);
    assert_eq!(request.target, "f40-joe-candidate", "as rpkg has it");
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(!warning.is_note());
    let text = warning.to_string();
    assert!(text.contains("(rpms); is this a dist-git checkout? If not, --name and --namespace"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_repository_of_another_user_is_refused_with_gits_remedy() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    // Only the superuser may give a folder away.
    if std::os::unix::fs::chown(&clone.path, Some(12345), None).is_err() {
        peers::skip("root");
        return;
    }
    clone.write("folder/file", "x");
    let error = try_read(&clone.path.join("folder")).expect_err("refused");
    assert!(matches!(error, CheckoutError::NotOwned { .. }), "{error:?}");
    let hints = hints(error);
    assert!(hints.ends_with(&format!("safe.directory {}", clone.path.display())), "{hints}");
}

#[test]
fn reading_a_checkout_writes_nothing() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    let index = clone.path.join(".git/index");
    let dockerfile = fs::File::options().append(true).open(clone.path.join("Dockerfile")).expect("opened");
    dockerfile.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("touched");
    let before = fs::read(&index).expect("readable");
    read(&clone.path);
    assert_eq!(fs::read(&index).expect("readable"), before);
}

#[test]
fn the_autorebuild_switch_is_written_as_python_writes_it_and_staged() {
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    without_own_settings();
    let file = clone.path.join(".osbs-repo-config");
    assert!(!autorebuild::get(&clone.path).expect("readable"));
    assert_eq!(autorebuild::set(&clone.path, true).expect("written"), file);
    assert_eq!(fs::read_to_string(&file).expect("readable"), "[autorebuild]\nenabled = true\n\n");
    assert!(autorebuild::get(&clone.path).expect("readable"));
    assert_eq!(clone.git(&["status", "--porcelain"]), "A  .osbs-repo-config");
    let leftovers = fs::read_dir(&clone.path).expect("readable").count();
    assert_eq!(leftovers, 3, "only .git, the Dockerfile and the new file are there");

    clone.commit("Switch");
    clone.write("folder/file", "x");
    autorebuild::set(&clone.path.join("folder"), false).expect("written from a sub-folder");
    assert!(!autorebuild::get(&clone.path.join("folder")).expect("readable"));
    assert_eq!(clone.git(&["diff", "--cached", "--name-only"]), ".osbs-repo-config");
}

#[cfg(unix)]
#[test]
fn the_autorebuild_file_keeps_its_permissions_and_a_new_one_gets_the_usual() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    let clone = sandbox.container();
    without_own_settings();
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let usual = mode(&clone.write("usual", "x"));
    let file = autorebuild::set(&clone.path, true).expect("written");
    assert_eq!(mode(&file), usual);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("changed");
    autorebuild::set(&clone.path, false).expect("written");
    assert_eq!(mode(&file), 0o640);
}

#[test]
fn the_autorebuild_switch_can_be_read_outside_git_but_not_set() {
    let sandbox = Sandbox::new();
    without_own_settings();
    sandbox.write(".osbs-repo-config", "[autorebuild]\nenabled = yes\n");
    assert!(autorebuild::get(sandbox.root()).expect("readable"));
    let error = autorebuild::set(sandbox.root(), false).expect_err("nothing to stage it in");
    assert_eq!(Error::from(error).kind(), ErrorKind::Checkout);
}

#[test]
fn index_and_repository_formats_beyond_libgit2_are_refused_with_a_remedy() {
    type Change = fn(&Repository<'_>);
    let cases: [(Change, &str); 3] = [
        (|clone| drop(clone.git(&["update-index", "--split-index"])), "git update-index --no-split-index"),
        (
            |clone| {
                clone.write("folder/file", "x");
                clone.commit("A folder");
                clone.git(&["sparse-checkout", "set", "--sparse-index", "elsewhere"]);
            },
            "git sparse-checkout reapply --no-sparse-index",
        ),
        (
            |clone| {
                clone.git(&["config", "core.repositoryFormatVersion", "1"]);
                clone.git(&["config", "extensions.unheardOf", "1"]);
            },
            "ordinary `git clone`",
        ),
    ];
    for (change, remedy) in cases {
        let sandbox = Sandbox::new();
        let clone = sandbox.container();
        change(&clone);
        let error = Error::from(try_read(&clone.path).expect_err(remedy));
        assert_eq!(error.causes().len(), 1, "libgit2's own words are the cause");
        assert!(hints(error).contains(remedy), "{remedy}");
    }
}
