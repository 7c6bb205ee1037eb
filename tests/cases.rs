//! Cases of rpkg's and Koji's behaviour that need neither rpkg beside ours nor trouble on the way: configuration, results,
//! logins, flatpaks, the autorebuild switch.

use crate::support::koji_hub::xmlrpc::{Value, record, texts};
use crate::support::koji_hub::{HubOptions, TaskHandle};
use crate::support::sandbox::rpkg_config;
use crate::support::world::{PASSWORD, World};

/// A build that was submitted and is open.
fn open_task(world: &World) -> TaskHandle {
    let submitted = world.run(&["--nowait"]);
    assert_eq!(submitted.status, Some(0), "{submitted}");
    let task = world.hub.task(world.hub.tasks().last().unwrap().id);
    task.open("builder1");
    task
}

#[test]
fn configurations_that_are_unusable_say_what_and_where() {
    let world = World::new();
    let _clone = world.clone();
    let with = |from: &str, to: &str| rpkg_config("fedpkg").replace(from, to);
    let cases: &[(&str, String, &str)] = &[
        (
            "a word that is no boolean",
            with("distgit_namespaced = True", "distgit_namespaced = maybe"),
            "distgit_namespaced option must be a boolean",
        ),
        ("no profile", with("kojiprofile = koji", "kojiprofile ="), "Missing kojiprofile to load Koji session."),
        (
            "unknown profile",
            with("kojiprofile = koji", "kojiprofile = nope"),
            "no configuration for profile name: nope",
        ),
        ("no section", with("[fedpkg]", "[other]"), "No section: 'fedpkg'"),
        ("unknown key of the template", with("%(repo)s.git", "%(nope)s.git"), "nope"),
        ("no anongiturl", with("anongiturl", "anongiturk"), "anongiturl"),
        ("duplicate key", with("kojiprofile = koji", "kojiprofile = koji\nkojiprofile = koji"), "kojiprofile"),
        ("not INI", "garbage\n".to_owned(), "etc/fedpkg.conf"),
        (
            "unknown builder",
            rpkg_config("fedpkg") + "[fedpkg.container-build]\nbuild_with = docker\n",
            "none of koji, osbs, local",
        ),
    ];
    std::fs::remove_file(world.sandbox.home().join(".config/rpkg/fedpkg.conf")).unwrap();
    for (case, text, expected) in cases {
        world.sandbox.write("etc/fedpkg.conf", text);
        let run = world.run(&["--nowait"]);
        assert_eq!(run.status, Some(1), "{case}: {run}");
        assert!(run.stderr.contains(expected), "{case}: {run}");
    }
    assert_eq!(world.hub.requests().len(), 0);
}

#[test]
fn the_section_of_container_build_names_its_own_profile() {
    // rpkg 1.70 reads the key and opens the session with the other profile; the section is honoured here.
    let world = World::new();
    let _clone = world.clone();
    world.sandbox.write_config("fedpkg", "[fedpkg.container-build]\nkojiprofile = special\n");
    let run = world.run(&["--nowait"]);
    assert!(run.stderr.contains("no configuration for profile name: special"), "{run}");
    let shown = world.run(&["config", "show", "--json"]);
    assert!(shown.stdout.contains("\"kojiprofile\"") && shown.stdout.contains("etc/fedpkg.conf"), "{shown}");
}

#[test]
fn a_template_of_the_source_may_use_another_name_and_percent_signs() {
    let world = World::new();
    let clone = world.clone();
    let text = rpkg_config("fedpkg").replace("%(repo)s.git", "%(module)s%%20x.git");
    world.sandbox.write("etc/fedpkg.conf", &text);
    std::fs::remove_file(world.sandbox.home().join(".config/rpkg/fedpkg.conf")).unwrap();
    assert_eq!(world.run(&["--nowait"]).status, Some(0));
    let expected = format!("git+https://src.example.com/container/foo%20x.git#{}", clone.head());
    assert_eq!(world.hub.calls("buildContainer")[0][0], Value::String(expected));
}

#[test]
fn results_of_every_shape_end_well() {
    let world = World::new();
    let _clone = world.clone();
    let cases: &[(&str, Value, &str)] = &[
        (
            "a scratch build",
            record([("repositories", texts(["r/x@sha256:1"])), ("koji_builds", texts::<&str>([]))]),
            "koji_builds:\n",
        ),
        // rpkg ends with `Unknown task` and exit 1 here, although the build succeeded.
        ("nothing", record([]), "completed successfully\nrepositories:\n"),
        ("nil", Value::Nil, "completed successfully\nrepositories:\n"),
        // rpkg ends with a traceback here.
        ("unknown build", record([("koji_builds", texts(["4711"]))]), "buildinfo?buildID=4711"),
    ];
    for (case, result, expected) in cases {
        open_task(&world).close(result.clone());
        let run = world.run(&["watch"]);
        assert_eq!(run.status, Some(0), "{case}: {run}");
        assert!(run.stdout.contains(expected) && !run.stdout.contains("nvrs:"), "{case}: {run}");
    }
    let quiet = world.run(&["-q", "watch"]);
    // The result is what -q leaves.
    assert!(quiet.stdout.contains("completed successfully\nrepositories:"), "{quiet}");
    assert!(!quiet.stdout.contains("Watching tasks"), "{quiet}");
}

#[test]
fn a_builds_own_fault_is_never_taken_for_the_calls() {
    let world = World::new();
    let _clone = world.clone();
    for (code, text) in [
        (1007, "session expired"),
        (1014, "database outage"),
        (1005, "boom"),
        (1, "Traceback (most recent call last):\n  x\nValueError: y\n"),
    ] {
        open_task(&world).fail(code, text);
        world.hub.forget_requests();
        let run = world.run(&["watch"]);
        assert_eq!(run.status, Some(1), "{code}: {run}");
        assert!(run.stdout.contains("FAILED: ") && !run.stdout.contains("Traceback"), "{code}: {run}");
        assert!(world.hub.calls("login").is_empty(), "{code}: no renewal");
    }
}

#[test]
fn hostile_text_of_a_fault_is_made_harmless() {
    let world = World::new();
    let _clone = world.clone();
    open_task(&world).fail(2001, "Image build failed.\u{9b}2J \u{202e}gnorw");
    let run = world.run(&["watch"]);
    assert!(!run.stdout.contains('\u{202e}') && !run.stderr.contains('\u{9b}'), "{run}");
}

#[test]
fn logins_by_password_go_as_given_and_conflicts_are_told() {
    let mut world = World::new();
    world.sandbox.set_variable("FEDPKG_CONTAINER_BUILD_PASSWORD", "");
    let _clone = world.clone();
    let given = world.run(&["--password", PASSWORD, "--nowait"]);
    assert_eq!(given.status, Some(0), "{given}");
    let login = &world.hub.calls("login")[0];
    assert_eq!(login[..2], [Value::String("packager".into()), Value::String(PASSWORD.into())]);
    let conflict = world.run(&["--password", PASSWORD, "--runas", "x", "--nowait"]);
    assert_eq!(conflict.status, Some(5), "{conflict}");
    assert!(conflict.stderr.contains("--runas cannot be used with password auth"), "{conflict}");
    let none = world.run(&["--nowait"]);
    assert_eq!(none.status, Some(5), "{none}");
    assert!(none.stderr.contains("hint: "), "{none}");
}

#[test]
fn a_word_for_no_does_not_switch_verification_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::with(HubOptions::default().tls(folder.path()), "");
    let _clone = world.clone();
    let url = world.hub.https_url();
    world.sandbox.set_variable("SSL_CERT_FILE", "/dev/null");
    let profile = |more: &str| format!("[koji]\nserver = {url}\nweburl = {url}\nauthtype = password\n{more}");
    world.sandbox.write("home/.koji/config", &profile("no_ssl_verify = false\n"));
    let refused = world.run(&["--nowait"]);
    assert_eq!(refused.status, Some(6), "{refused}");
    assert!(refused.stderr.contains("TLS with the Koji hub"), "{refused}");
    world.sandbox.write("home/.koji/config", &profile("no_ssl_verify = true\n"));
    let trusted = world.run(&["--nowait"]);
    assert_eq!(trusted.status, Some(0), "{trusted}");
    assert!(trusted.stderr.contains("not verified"), "{trusted}");
    let ca = folder.path().join("ca.crt");
    world.sandbox.write("home/.koji/config", &profile(&format!("serverca = {}\n", ca.display())));
    let verified = world.run(&["--nowait"]);
    assert_eq!(verified.status, Some(0), "{verified}");
}

#[test]
fn a_client_certificate_logs_in() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(HubOptions::default().tls(folder.path()), "");
    let _clone = world.clone();
    let url = world.hub.https_url();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let profile = |cert: &str| {
        format!(
            "[koji]\nserver = {url}\nweburl = {url}\nauthtype = ssl\ncert = {cert}\nserverca = {}\n",
            file("ca.crt")
        )
    };
    world.sandbox.write("home/.koji/config", &profile(&file("packager.pem")));
    let run = world.run(&["--nowait"]);
    assert_eq!(run.status, Some(0), "{run}");
    assert_eq!(world.hub.calls("sslLogin").len(), 1);
    for (cert, expected) in
        [(file("ca.crt"), "holds no private key"), ("/nonexistent.pem".into(), "cannot read client certificate")]
    {
        world.sandbox.write("home/.koji/config", &profile(&cert));
        let run = world.run(&["--nowait"]);
        assert_eq!(run.status, Some(5), "{run}");
        assert!(run.stderr.contains(expected), "{run}");
    }
}

#[test]
fn flatpaks_need_a_target_and_a_section_and_send_their_own_options() {
    let world = World::new();
    let clone = world.clone();
    let no_target = world.run(&["flatpak-build", "--nowait"]);
    assert_eq!(no_target.status, Some(1), "{no_target}");
    let no_file = world.run(&["flatpak-build", "--nowait", "--target", "f42-container-candidate"]);
    assert_eq!(no_file.status, Some(4), "{no_file}");
    clone.write("container.yaml", "flatpak:\n  id: org.example.Foo\n  branch: stable\n  name: foo\n  component: foo\ncompose:\n  modules: [\"foo:stable\"]\n");
    clone.commit("A flatpak");
    clone.push();
    let run = world.run(&["flatpak-build", "--nowait", "--target", "f42-container-candidate"]);
    assert_eq!(run.status, Some(0), "{run}");
    let options = &world.hub.calls("buildContainer")[0][2];
    assert_eq!(options.get("flatpak"), Some(&Value::Bool(true)));
    assert!(options.get("compose_ids").is_none() && options.get("dependency_replacements").is_none());
}

#[test]
fn the_autorebuild_switch_is_read_written_and_staged() {
    let world = World::new();
    let clone = world.clone();
    let get = world.run(&["container-build-setup", "--get-autorebuild"]);
    assert_eq!((get.status, get.stdout.as_str()), (Some(0), "false\n"));
    let set = world.run(&["container-build-setup", "--set-autorebuild", "true"]);
    assert_eq!(set.status, Some(0), "{set}");
    assert!(
        set.stdout.starts_with("Config value changed, don't forget to commit $ROOT/foo/.osbs-repo-config file"),
        "{set}"
    );
    let text = std::fs::read_to_string(clone.path.join(".osbs-repo-config")).unwrap();
    assert_eq!(text, "[autorebuild]\nenabled = true\n\n");
    assert!(clone.git(&["diff", "--cached", "--name-only"]).contains(".osbs-repo-config"));
    assert_eq!(world.run(&["container-build-setup", "--get-autorebuild"]).stdout, "true\n");
}

#[test]
fn a_link_that_leads_out_of_the_checkout_is_not_followed() {
    let world = World::new();
    let clone = world.clone();
    let outside = world.sandbox.write("outside", "[autorebuild]\nenabled = false\n");
    std::os::unix::fs::symlink(&outside, clone.path.join(".osbs-repo-config")).unwrap();
    let _ = world.run(&["container-build-setup", "--set-autorebuild", "true"]);
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "[autorebuild]\nenabled = false\n");
}
