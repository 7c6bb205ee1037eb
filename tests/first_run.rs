//! The first minute on a machine that knows nothing of us: no configuration, and a checkout that was only just begun.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::sandbox::{DOCKERFILE, Finished, Repository, Sandbox};

/// A world without configuration; `None` where this machine's own files would count, which is told.
fn bare() -> Option<Sandbox> {
    let ours =
        ["/etc/rpkg/fedpkg.conf", "/etc/rpkg/rhpkg.conf", "/etc/koji.conf", "/etc/koji.conf.d", "/etc/osbs.conf"];
    match ours.iter().find(|path| Path::new(path).exists()) {
        Some(path) => {
            eprintln!("skipped: this machine has {path}");
            None
        }
        None => Some(Sandbox::new()),
    }
}

/// Runs our program at the root, called by another name.
fn run_as(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Finished {
    let mut command = sandbox.command(sandbox.root());
    command.arg0(name).args(arguments);
    sandbox.finish(command)
}

#[test]
fn without_any_file_fedoras_values_hold_and_say_that_they_are_built_in() {
    let Some(sandbox) = bare() else { return };
    let shown = sandbox.run(["config", "show"]);
    assert_eq!(shown.status, Some(0), "{shown}");
    for line in [
        "anongiturl = https://src.fedoraproject.org/%(repo)s.git  # built in",
        "kojiprofile = koji  # built in",
        "distgit_namespaces = rpms container modules flatpaks  # built in",
    ] {
        assert!(shown.stdout.lines().any(|shown| shown == line), "{line}: {shown}");
    }

    sandbox.write("home/.config/rpkg/fedpkg.conf", "[fedpkg.local-build]\nregistry = r.example.com\n");
    let shown = sandbox.run(["config", "show"]);
    let place = "$ROOT/home/.config/rpkg/fedpkg.conf:2";
    assert!(shown.stdout.contains(&format!("registry = r.example.com  # {place}\n")), "{shown}");
    assert!(shown.stdout.contains("kojiprofile = koji  # built in\n"), "{shown}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let Some(sandbox) = bare() else { return };
    let run = sandbox.run(["-C", "/nowhere/fedpkg.conf", "config", "show"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("Invalid config file /nowhere/fedpkg.conf\n"), "{run}");
    assert!(run.stderr.contains("hint: there is no such file; name another one with --config"), "{run}");
}

#[test]
fn another_tools_missing_file_is_named_and_the_users_does_as_well() {
    let Some(sandbox) = bare() else { return };
    let refused = run_as(&sandbox, "rhpkg", &["config", "show"]);
    assert_eq!(refused.status, Some(1), "{refused}");
    assert!(refused.stderr.contains("Invalid config file /etc/rpkg/rhpkg.conf\n"), "{refused}");
    assert!(refused.stderr.contains("section [rhpkg] to $ROOT/home/.config/rpkg/rhpkg.conf"), "{refused}");

    sandbox.write("home/.config/rpkg/rhpkg.conf", "[rhpkg]\nkojiprofile = brew\n");
    let shown = run_as(&sandbox, "rhpkg", &["config", "show"]);
    assert_eq!(shown.status, Some(0), "{shown}");
    assert_eq!(line_of(&shown, "rhpkg", "kojiprofile"), "kojiprofile = brew  # $ROOT/home/.config/rpkg/rhpkg.conf:2");
    assert_eq!(line_of(&shown, "rhpkg", "distgit_namespaced"), "distgit_namespaced = False  # built in");
    assert!(!shown.stdout.contains("fedoraproject"), "nothing of Fedora's holds for it: {shown}");
}

#[test]
fn a_koji_build_without_any_koji_file_says_where_one_was_looked_for() {
    let Some(sandbox) = bare() else { return };
    let clone = sandbox.container();
    let run = clone.run(["container-build", "--nowait"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("no configuration for profile name: koji\n"), "{run}");
    assert!(run.stderr.contains("hint: there is no Koji configuration at all: looked at /etc/koji.conf.d, "), "{run}");
}

/// A folder with a Dockerfile that `git init` was run in, and nothing else.
fn begun(sandbox: &Sandbox) -> Repository<'_> {
    sandbox.git(sandbox.root(), &["init", "-q", "-b", "main", "hello"]);
    let hello = sandbox.repository("hello");
    hello.write("Dockerfile", DOCKERFILE);
    hello
}

#[test]
fn files_are_checked_offline_in_any_checkout() {
    let Some(sandbox) = bare() else { return };
    let hello = begun(&sandbox);
    let warned = |text: &str, options: &[&str]| {
        let check = hello.run([&["check", "--offline"], options].concat());
        assert_eq!(check.status, Some(0), "{check}");
        assert!(check.stderr.contains(text), "{check}");
        assert_eq!(check.stderr.matches("checkout-not-ready").count(), 1, "{check}");
    };
    warned("warning: branch main has no commit yet [checkout-not-ready]", &[]);
    warned("warning: branch main has no commit yet [checkout-not-ready]", &["--build-with", "local"]);
    let dirty = hello.run(["check", "--offline", "--build-with", "local", "--scratch", "--dirty"]);
    assert_eq!(dirty.status, Some(0), "{dirty}");
    assert_eq!(dirty.stderr.lines().count(), 1, "that dist-git does not have it, and no more: {dirty}");

    hello.commit("Begin");
    warned("warning: the checkout has no remote [checkout-not-ready]", &[]);
    let hint = "hint: add one: git remote add origin ssh://";
    warned(hint, &[]);
    hello.git(&["remote", "add", "origin", "git@github.com:joe/hello.git"]);
    warned("warning: Branch main does not track remote branch.", &[]);
    let local = hello.run(["check", "--build-with", "local"]);
    assert_eq!(local.status, Some(0), "it needs nobody to ask: {local}");
    let note = "joe, of the push URL git@github.com:joe/hello.git, is none of dist-git's namespaces (rpms, container";
    assert_eq!(local.stderr.matches(note).count(), 1, "{local}");
}

#[test]
fn builds_on_servers_say_what_the_checkout_lacks_first_things_first() {
    let Some(sandbox) = bare() else { return };
    let hello = begun(&sandbox);
    let refused = |message: &str, hint: &str| {
        let run = hello.run(["--user", "joe", "--dry-run"]);
        assert_eq!(run.status, Some(1), "{run}");
        let told = format!("Could not execute container_build: {message}\nhint: {hint}\n");
        assert_eq!(run.stderr, told, "{run}");
    };
    refused("branch main has no commit yet", "git add a Dockerfile, and git commit");
    hello.commit("Begin");
    let url = "ssh://joe@pkgs.fedoraproject.org/container/hello";
    refused("the checkout has no remote", &format!("add one: git remote add origin {url}"));
}

#[test]
fn an_empty_status_needs_no_configuration_and_no_checkout() {
    let Some(sandbox) = bare() else { return };
    let status = sandbox.run(["status"]);
    assert_eq!((status.status, status.stderr.as_str()), (Some(0), "Nothing was submitted from here yet.\n"));
}

#[test]
fn without_user_and_logname_the_passwd_entry_says_who_one_is() {
    let Some(sandbox) = bare() else { return };
    let id = Command::new("id").arg("-un").output().unwrap();
    let name = String::from_utf8(id.stdout).unwrap();
    let hello = begun(&sandbox);
    hello.commit("Begin");
    let suggested = |command: Command| {
        let run = sandbox.finish(command);
        let rest = run.stderr.split_once("git remote add origin ssh://").map(|(_, rest)| rest.to_owned());
        rest.and_then(|rest| Some(rest.split_once('@')?.0.to_owned())).unwrap_or_else(|| panic!("{run}"))
    };
    assert_eq!(suggested(sandbox.command(&hello.path)), name.trim());
    let mut named = sandbox.command(&hello.path);
    named.env("USER", "joe");
    assert_eq!(suggested(named), "joe");
}

/// The line of a key within its section.
fn line_of<'a>(shown: &'a Finished, section: &str, key: &str) -> &'a str {
    let lines = shown.stdout.lines().skip_while(|line| *line != format!("[{section}]")).skip(1);
    let mut lines = lines.take_while(|line| !line.is_empty());
    lines.find(|line| line.starts_with(&format!("{key} = "))).unwrap_or_else(|| panic!("[{section}] {key}: {shown}"))
}

#[test]
fn config_show_says_which_builder_it_would_be_and_why() {
    let Some(sandbox) = bare() else { return };
    let builder = |arguments: &[&str]| {
        let shown = sandbox.run([&["config", "show"], arguments].concat());
        assert_eq!(shown.status, Some(0), "{shown}");
        assert_eq!(shown.stdout.matches("build_with = ").count(), 1, "{shown}");
        line_of(&shown, "fedpkg.container-build", "build_with").to_owned()
    };
    assert_eq!(builder(&[]), "build_with = koji  # built in");
    sandbox.write(
        "home/.config/osbs.conf",
        "[default_binary]\nnamespace = n\nopenshift_url = https://u:secret@o.example/\n",
    );
    assert_eq!(builder(&[]), "build_with = osbs  # openshift_url at $ROOT/home/.config/osbs.conf:3");
    sandbox.write("home/.config/rpkg/fedpkg.conf", "[fedpkg.container-build]\nbuild_with = local\n");
    assert_eq!(builder(&[]), "build_with = local  # $ROOT/home/.config/rpkg/fedpkg.conf:2");
    assert_eq!(builder(&["--build-with", "koji"]), "build_with = koji  # --build-with");
    let options = ["--profile", "p", "--openshift-url", "https://x.example/", "--osbs-namespace", "y"];
    let shown = sandbox.run([&["config", "show"][..], &options].concat());
    for (section, line) in [
        ("fedpkg.container-build", "kojiprofile = p  # --profile"),
        ("default_binary", "openshift_url = https://x.example/  # --openshift-url"),
        ("default_binary", "namespace = y  # --osbs-namespace"),
    ] {
        assert_eq!(line_of(&shown, section, line.split(' ').next().unwrap()), line);
    }
}

#[test]
fn config_show_has_what_no_file_says_and_nothing_secret() {
    let Some(sandbox) = bare() else { return };
    sandbox.write("home/.config/rpkg/fedpkg.conf", "[fedpkg.local-build]\npush = yes\n");
    sandbox.write("home/.koji/config", "[koji]\nserver = https://h.example/kojihub\n");
    sandbox.write("home/.koji/client.crt", "");
    sandbox
        .write("home/.config/osbs.conf", "[default_binary]\nopenshift_url = https://o.example:6443/\ntoken = s3cret\n");
    let context = |name: &str, cluster: &str| {
        format!("- name: {name}\n  context: {{cluster: {cluster}, user: joe, namespace: mine}}\n")
    };
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: other\nclusters:\n\
         - name: o\n  cluster: {{server: \"https://me:s3cret@o.example:6443\"}}\n\
         - name: p\n  cluster: {{server: \"https://p.example:6443\"}}\n\
         users:\n- name: joe\n  user: {{token: s3cret}}\ncontexts:\n{}{}",
        context("ours", "o"),
        context("other", "p"),
    );
    sandbox.write("home/.kube/config", &kubeconfig);
    let shown = sandbox.run(["config", "show"]);
    assert_eq!(shown.status, Some(0), "{shown}");
    for (section, line) in [
        ("fedpkg.local-build", "push = yes  # $ROOT/home/.config/rpkg/fedpkg.conf:2"),
        ("fedpkg.local-build", "source_registry = registry.fedoraproject.org  # built in"),
        ("koji", "server = https://h.example/kojihub  # $ROOT/home/.koji/config:2"),
        ("koji", "poll_interval = 6  # built in"),
        ("koji", "cert = $ROOT/home/.koji/client.crt  # built in"),
        ("default_binary", "openshift_url = https://o.example:6443/  # $ROOT/home/.config/osbs.conf:2"),
        ("default_binary", "verify_ssl = true  # built in"),
        ("kubeconfig", "context = ours  # ~/.kube/config"),
        ("kubeconfig", "server = https://****@o.example:6443  # ~/.kube/config"),
        ("kubeconfig", "namespace = mine  # ~/.kube/config"),
    ] {
        let key = line.split(' ').next().unwrap();
        assert_eq!(line_of(&shown, section, key), line);
    }
    assert_eq!(shown.stdout.matches("[fedpkg.local-build]").count(), 1, "{shown}");
    assert!(!format!("{shown}").contains("s3cret"), "{shown}");

    sandbox.write("home/.kube/config", "apiVersion: v1\nusers: s3cret\n");
    let shown = sandbox.run(["config", "show", "--output", "json"]);
    assert_eq!(shown.status, Some(0), "{shown}");
    assert!(shown.stdout.contains("it cannot be read as a kubeconfig"), "{shown}");
    assert!(shown.stdout.contains("o.example:6443") && !format!("{shown}").contains("s3cret"), "{shown}");

    // Nobody writes to it, and nobody waits for it.
    let pipe = sandbox.home().join(".kube/config");
    std::fs::remove_file(&pipe).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let shown = sandbox.run(["config", "show", "--output", "json"]);
    assert!(shown.stdout.contains("it cannot be read as a kubeconfig"), "{shown}");
}
