//! What travels in clear text: nothing of a session that was begun by certificate, and a password only with a word about it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::koji_hub::{End, Fault, Hub, HubOptions};
use crate::support::sandbox::Sandbox;
use crate::support::world::{PATIENCE, Running, World};

use super::quick_script;

/// The first byte of a connection by TLS: the handshake's type.
const HANDSHAKE: u8 = 0x16;

/// A port that hands everything to another one, and notes how each connection begins.
struct Wire {
    port: u16,
    first_bytes: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    fn to(target: SocketAddr) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let first_bytes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&first_bytes);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut first = [0];
                if client.peek(&mut first).is_ok_and(|count| count == 1) {
                    seen.lock().unwrap().push(first[0]);
                    let Ok(server) = TcpStream::connect(target) else { continue };
                    hand_on(&client, &server);
                    hand_on(&server, &client);
                }
            }
        });
        Wire { port, first_bytes }
    }

    /// How many connections there were, and how many of them were in clear text.
    fn connections(&self) -> (usize, usize) {
        let seen = self.first_bytes.lock().unwrap();
        (seen.len(), seen.iter().filter(|byte| **byte != HANDSHAKE).count())
    }
}

fn hand_on(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

#[test]
fn a_session_by_certificate_never_leaves_https_though_the_profile_says_http() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(HubOptions::default().tls(folder.path()));
    let https = hub.https_url().parse::<url::Url>().unwrap().port().unwrap();
    let wire = Wire::to(SocketAddr::from(([127, 0, 0, 1], https)));
    let file = |name: &str| folder.path().join(name).display().to_string();
    let profile = format!(
        "[koji]\nserver = http://localhost:{}/kojihub\nweburl = {}\nauthtype = ssl\ncert = {}\nserverca = {}\n\
         poll_interval = 1\nretry_interval = 1\n",
        wire.port,
        hub.weburl(),
        file("packager.pem"),
        file("ca.crt")
    );
    let sandbox = Sandbox::new();
    sandbox.write("home/.koji/config", &profile);
    sandbox.write_user_config("fedpkg", "");
    sandbox.write_config("fedpkg", "");
    let _clone = sandbox.container();
    let build = |arguments: &[&str]| Running::start(sandbox.command_in_clone(arguments), &sandbox);

    // Renewed, made anew, and lost on the way: nothing of it leads back to http.
    hub.script(quick_script(End::Close));
    hub.inject("getBuildTarget", Fault::Delay(std::time::Duration::from_millis(600)), 1);
    hub.inject("buildContainer", Fault::LoseAnswer, 1);
    let running = build(&[]);
    hub.wait_for_calls("getBuildTarget", 1, PATIENCE);
    hub.expire_sessions();
    let run = running.finish();
    assert_eq!(run.status, Some(0), "{run}");
    assert!(run.stderr.contains("had ended and was renewed"), "{run}");
    assert_eq!(hub.tasks().len(), 1, "{run}");
    for call in ["sslLogin", "buildContainer", "listTasks", "getTaskInfo", "logout"] {
        assert!(!hub.calls(call).is_empty(), "{call} was seen");
    }
    let (all, in_clear) = wire.connections();
    assert!(all > 0 && in_clear == 0, "{in_clear} of {all} connections in clear text");
    let key = hub.requests().iter().any(|request| request.header("koji-session-key").is_some());
    assert!(key, "there was a key to be seen");
}

#[test]
fn a_password_over_plain_http_to_another_machine_is_told() {
    let mut world = World::new();
    let _clone = world.clone();
    let quiet = world.run(&["--nowait"]);
    assert_eq!(quiet.status, Some(0), "{quiet}");
    assert!(!quiet.stderr.contains("clear text"), "{quiet}");

    // The hub stands in for a proxy, which is asked for any address.
    let proxy = world.hub.url().replace("/kojihub", "");
    world.sandbox.set_variable("http_proxy", &proxy);
    world.sandbox.write(
        "home/.koji/config",
        "[koji]\nserver = http://bob:hidden@hub.example.com/kojihub\nweburl = http://hub.example.com/koji\n\
         authtype = password\n",
    );
    let run = world.run(&["--nowait"]);
    assert_eq!(run.status, Some(0), "{run}");
    assert!(run.stderr.contains("the password goes to http://hub.example.com/kojihub in clear text"), "{run}");
    assert_eq!(world.hub.tasks().len(), 2, "{run}");
}
