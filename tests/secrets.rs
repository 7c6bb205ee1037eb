//! What is secret stays so: nothing that is told, kept or logged has it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::koji_hub::xmlrpc::Value;
use crate::support::kube_api::{NAMESPACE, TOKEN, play::Play};
use crate::support::osbs_world::OsbsWorld;
use crate::support::sandbox::{Finished, Sandbox, rpkg_config};
use crate::support::world::World;

/// Passwords and tokens in addresses all have this in them.
const SECRET: &str = "s3cr3t";

/// An address with a user and a password.
fn with_password(url: &str) -> String {
    url.replacen("://", &format!("://bob:{SECRET}@"), 1)
}

/// An address with a token for its user, partly percent-encoded.
fn with_token(url: &str) -> String {
    url.replacen("://", &format!("://ghp%5F{SECRET}@"), 1)
}

/// The same as it stands in a configuration file.
fn in_config(url: &str) -> String {
    url.replace("%5F", "%%5F")
}

fn assert_untold(run: &Finished, case: &str) {
    assert!(!run.to_string().contains(SECRET), "{case}: {run}");
}

/// What is kept of builds and servers has no secret in it.
fn assert_unkept(sandbox: &Sandbox, folder: &str) {
    let mut kept = 0;
    let mut look = vec![sandbox.home().join(folder)];
    while let Some(path) = look.pop() {
        if path.is_dir() {
            look.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let text = fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains(SECRET), "{}", path.display());
            kept += 1;
        }
    }
    assert!(kept > 0, "nothing is kept in {folder}");
}

fn lead_through_token(sandbox: &Sandbox) {
    let url = "https://src.example.com/%(repo)s";
    let config = rpkg_config("fedpkg").replace(url, &in_config(&with_token(url)));
    sandbox.write("etc/fedpkg.conf", &config);
    sandbox.write("home/.config/rpkg/fedpkg.conf", &config);
}

#[test]
fn users_and_passwords_in_addresses_are_for_the_hub_alone() {
    let world = World::new();
    let clone = world.clone();
    let (server, web, top) = (world.hub.url(), world.hub.weburl(), world.hub.topurl());
    let profile = format!(
        "[koji]\nserver = {}\nweburl = {}\ntopurl = {}\nauthtype = password\npoll_interval = 1\nretry_interval = 1\n",
        with_password(&server),
        with_password(&web),
        in_config(&with_token(&top))
    );
    world.sandbox.write("home/.koji/config", &profile);
    lead_through_token(&world.sandbox);
    let shown = world.run(&["config", "show"]);
    assert!(shown.stdout.contains("https://****@src.example.com/%(repo)s.git"), "{shown}");
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["--dry-run"],
        &["--dry-run", "--output", "json"],
        &["--nowait"],
        &["--nowait", "--output", "json"],
        &["--nowait", "-v", "-v", "--debug"],
        &["check"],
        &["status"],
        &["status", "--output", "json"],
    ] {
        let run = world.run(arguments);
        assert_eq!(run.status, Some(0), "{arguments:?}: {run}");
        assert_untold(&run, &format!("{arguments:?}"));
    }
    let Value::String(source) = &world.hub.calls("buildContainer")[0][0] else { panic!("no source") };
    assert_eq!(*source, format!("git+{}#{}", with_token("https://src.example.com/container/foo.git"), clone.head()));

    let task = world.hub.task(world.hub.tasks().last().unwrap().id);
    task.open("builder1");
    task.append("x86_64.log", "words\n");
    task.fail(2001, "Image build failed");
    for arguments in [&["watch"][..], &["watch", "--output", "json"]] {
        let run = world.run(arguments);
        assert_eq!(run.status, Some(1), "{run}");
        assert_untold(&run, &format!("{arguments:?}"));
    }
    world.hub.stop_listening();
    assert_untold(&world.run(&["--nowait"]), "no hub");
    world.sandbox.write("home/.koji/config", &profile.replace("http://", "gopher://"));
    assert_untold(&world.run(&["--nowait"]), "an address that is none");
    for folder in [".local/state", ".cache"] {
        assert_unkept(&world.sandbox, folder);
    }
}

#[test]
fn users_and_passwords_in_addresses_are_not_told_of_a_cluster() {
    let world = OsbsWorld::new();
    let clone = world.clone();
    let template = world.sandbox.root().join("etc/template.yaml");
    let configure = |url: &str| {
        let lead = format!("openshift_url = {}/\nnamespace = {NAMESPACE}\n", with_password(url));
        let rest = format!("reactor_config_map = a\nreactor_config_map_scratch = b\ntoken = {TOKEN}\n");
        let path = format!("pipeline_run_path = {}\n", template.display());
        world.sandbox.write("home/.config/osbs.conf", &format!("[default_binary]\n{lead}{rest}{path}"));
    };
    configure(&world.server.url());
    lead_through_token(&world.sandbox);
    world.server.play(Play::default());
    for arguments in [&["--dry-run"][..], &["--dry-run", "--output", "json"], &[], &["--nowait", "-v", "--debug"]] {
        let run = world.build(arguments);
        assert!(run.succeeded(), "{arguments:?}: {run}");
        assert_untold(&run, &format!("{arguments:?}"));
    }
    let sent = world.server.requests("POST /apis/tekton.dev");
    assert!(
        sent.iter().all(|request| String::from_utf8_lossy(&request.body).contains(SECRET)),
        "the source is sent whole"
    );
    let status = world.run(&["status"]);
    assert!(status.succeeded(), "{status}");
    assert_untold(&status, "status");
    assert_unkept(&world.sandbox, ".local/state");

    clone.git(&["config", "remote.origin.pushurl", &with_token("https://pkgs.example.com")]);
    assert_untold(&world.build(&["--nowait"]), "a push URL without a path");
    world.server.stop_listening();
    assert_untold(&world.build(&["--nowait"]), "no cluster");
    configure("gopher://h");
    assert_untold(&world.build(&["--nowait"]), "an address that is none");
    assert!(Path::new(&template).exists());
}

#[test]
fn files_that_lead_out_of_the_checkout_are_refused_and_not_quoted() {
    let world = World::new();
    let clone = world.clone();
    let outside = world.sandbox.write("outside", &format!("root:{SECRET}: 1\n"));
    let greenwave = format!("[fedpkg.greenwave]\nurl = {}\n", world.hub.greenwave_url());
    world.sandbox.write_config("fedpkg", &greenwave);
    let (check, before) = (&["check", "--offline"][..], clone.head());
    for (name, arguments) in [
        ("container.yaml", check),
        ("additional-tags", check),
        ("Dockerfile", check),
        ("Containerfile", check),
        (".osbs-repo-config", &["container-build-setup", "--get-autorebuild"]),
        ("gating.yaml", &["--nowait"]),
    ] {
        clone.git(&["reset", "-q", "--hard", &before]);
        if name.ends_with("file") {
            fs::remove_file(clone.path.join("Dockerfile")).unwrap();
        }
        std::os::unix::fs::symlink(&outside, clone.path.join(name)).unwrap();
        clone.commit(name);
        if arguments.contains(&"--nowait") {
            clone.push();
        }
        let run = world.run(arguments);
        assert!(!run.succeeded(), "{name}: {run}");
        assert!(run.to_string().contains("it leads out of the checkout"), "{name}: {run}");
        assert_untold(&run, name);
    }
    assert!(world.hub.tasks().is_empty() && world.hub.greenwave_bodies().is_empty());
}

#[test]
fn users_in_addresses_of_pages_and_of_greenwave_are_not_told() {
    let world = World::new();
    let clone = world.clone();
    for page in ["https://koji.example.net/koji/taskinfo?taskID=1", "https://console.example.net/nothing"] {
        let run = world.run(&["watch", &with_password(page)]);
        assert_eq!(run.status, Some(2), "{run}");
        assert!(run.stderr.contains("example.net"), "{run}");
        assert_untold(&run, page);
    }
    clone.write("gating.yaml", "--- !Policy\n");
    clone.commit("Gate");
    clone.push();
    let greenwave = with_password("http://greenwave.invalid/");
    world.sandbox.write_config("fedpkg", &format!("[fedpkg.greenwave]\nurl = {greenwave}\n"));
    let run = world.run(&["--nowait"]);
    assert!(!run.succeeded() && run.stderr.contains("greenwave.invalid"), "{run}");
    assert_untold(&run, "no Greenwave");
}

#[test]
fn how_a_hub_is_reached_is_described_without_who_asks() {
    use fedpkg_container_build::http::ClientOptions;
    use fedpkg_container_build::koji::retry::RetryPolicy;
    use fedpkg_container_build::koji::session::HubSettings;
    let settings = HubSettings {
        server: with_password("https://koji.example.com/kojihub").parse().unwrap(),
        client: ClientOptions::default(),
        retry: RetryPolicy { max_retries: 1, interval: Duration::ZERO, anonymous: true, offline: None },
        auth_timeout: Duration::ZERO,
    };
    let described = format!("{settings:?}");
    assert!(described.contains("koji.example.com") && !described.contains(SECRET), "{described}");
}

#[test]
fn a_secret_is_not_in_its_own_description() {
    use fedpkg_container_build::credentials::Secret;
    use fedpkg_container_build::koji::auth::Credentials;
    let password = Secret::new(SECRET);
    assert!(!format!("{password:?}").contains(SECRET));
    let credentials = Credentials::Password { user: "bob".to_owned(), password };
    assert!(!format!("{credentials:?}").contains(SECRET));
}
