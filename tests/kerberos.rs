//! Logins by Kerberos, against a real KDC and Apache's mod_auth_gssapi in front of the test hub.

use crate::support::kerberos::Realm;
use crate::support::koji_hub::{Hub, HubOptions};
use crate::support::sandbox::{Finished, Sandbox};

/// A realm, a hub that believes its web server, and a sandbox whose Koji profile leads there.
struct World {
    sandbox: Sandbox,
    hub: Hub,
    realm: Realm,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Option<World> {
        let folder = tempfile::tempdir().unwrap();
        let options = HubOptions { trust_user_header: true, ..HubOptions::default() };
        let hub = Hub::start(options.tls(folder.path()));
        let file = |name: &str| folder.path().join(name);
        let realm = Realm::start(folder.path(), hub.port(), &file("server.crt"), &file("server.key"))?;
        let sandbox = Sandbox::new();
        sandbox.write_koji_profile(
            "koji",
            &realm.hub_url(),
            "kerberos",
            &format!("serverca = {}\n", file("ca.crt").display()),
        );
        sandbox.write_config("fedpkg", "");
        Some(World { sandbox, hub, realm, _folder: folder })
    }

    /// Submits with what tickets there are in a credential cache.
    fn submit(&self, cache: &str) -> Finished {
        self.submit_with(cache, &[])
    }

    fn submit_with(&self, cache: &str, options: &[&str]) -> Finished {
        let mut command = self.sandbox.command(&self.sandbox.root().join("foo"));
        command.arg("-C").arg(self.sandbox.root().join("etc/fedpkg.conf")).arg("--nowait");
        command.args(options);
        command.envs(self.realm.environment(cache));
        self.sandbox.finish(command)
    }
}

#[test]
fn a_ticket_logs_in_and_its_lack_or_end_is_told() {
    let Some(world) = World::new() else { return };
    let _clone = world.sandbox.container();

    let none = world.submit("none");
    assert_eq!(none.status, Some(5), "{none}");
    assert!(none.stderr.contains("Could not login to https://localhost:"), "{none}");
    assert!(none.stderr.contains("no valid Kerberos ticket") && none.stderr.contains("kinit"), "{none}");

    world.realm.kinit("short", "2s");
    world.realm.kinit("good", "10m");
    let good = world.submit("good");
    assert_eq!(good.status, Some(0), "{good}");
    let task = &world.hub.tasks()[0];
    assert_eq!(task.owner, 1, "the web server told the hub who it is");
    let logins = world.hub.requests().into_iter().filter(|request| request.has("sslLogin")).count();
    assert_eq!(logins, 1, "the ticket is sent with the first request");

    let told = world.submit_with("good", &["--debug"]);
    assert!(told.stderr.contains("asking sslLogin"), "{told}");
    let requests = world.hub.requests();
    let ticket = requests.iter().rev().find_map(|request| request.header("authorization")).expect("a ticket was sent");
    let ticket = ticket.strip_prefix("Negotiate ").expect("a ticket");
    assert!(!told.to_string().contains(&ticket[..40]), "{told}");

    world.realm.await_end("short");
    let expired = world.submit("short");
    assert_eq!(expired.status, Some(5), "{expired}");
    assert!(expired.stderr.contains("kinit"), "{expired}");
    assert_eq!(world.hub.tasks().len(), 2);
}

#[test]
fn the_program_gives_itself_a_token_out_of_another_cache() {
    let Some(world) = World::new() else { return };
    world.realm.kinit("good", "10m");
    let token = |cache: &str| {
        let mut command = world.sandbox.command(world.sandbox.root());
        command.args(["__negotiate", "localhost"]).envs(world.realm.environment(cache));
        world.sandbox.finish(command)
    };
    let good = token("good");
    assert_eq!(good.status, Some(0), "{good}");
    // The head of a SPNEGO token: an application tag and a length of two bytes.
    assert!(good.stdout.starts_with("YII"), "{good}");
    let none = token("none");
    assert_eq!((none.status, none.stdout.as_str()), (Some(1), ""), "{none}");
    assert!(none.stderr.starts_with("no valid Kerberos ticket: "), "{none}");
}
