//! A Koji hub to try the program with, without any account: `test-hub --folder DIR --lifetime SECONDS [--port N]`.
//!
//! Listens on the loopback only, builds everything it is asked to in about twelve seconds, and ends after the lifetime or
//! when it is told to (SIGTERM, SIGINT). Into `DIR` it writes what a packager has:
//!
//! * `home/.koji/config` with the profile `koji` (user `packager`, whose password is `secret`),
//! * `fedpkg.conf` for `-C`,
//! * `container/hello.git`, the dist-git repository, and `hello`, a clone of it on branch `f42`,
//! * `ready`, when all that is there; it holds the hub's address.

#![allow(dead_code, reason = "the tests use the rest of the hub")]
#![allow(clippy::pedantic, reason = "tests are held to the ordinary lints")]

#[path = "digests.rs"]
mod digests;
#[path = "faults.rs"]
mod faults;
#[path = "koji_hub/mod.rs"]
mod koji_hub;
#[path = "serving.rs"]
mod serving;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use koji_hub::{End, Hub, HubOptions, Script};
use tokio::signal::unix::{SignalKind, signal};

/// A Koji hub for trying things out, on the loopback.
#[derive(Parser)]
struct Arguments {
    /// Where to write configuration, repository and clone; made if need be.
    #[arg(long)]
    folder: PathBuf,
    /// Seconds after which to end.
    #[arg(long)]
    lifetime: u64,
    /// The port; any that is free if not given.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "test-hub: {}: {error}", arguments.folder.display());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    fs::create_dir_all(&arguments.folder)?;
    let folder = arguments.folder.canonicalize()?;
    let hub = Hub::start(HubOptions { port: arguments.port, ..HubOptions::default() });
    let arches = ["x86_64", "aarch64", "ppc64le"].map(str::to_owned).to_vec();
    hub.change(|state| state.tags.iter_mut().for_each(|tag| tag.arches = arches.join(" ")));
    hub.add_build("hello-container-1.0-1", 1);
    hub.script(Script { arches, steps: 8, step: Duration::from_millis(1500), end: End::Close });
    write_configuration(&folder, &hub)?;
    write_repository(&folder)?;
    // Whoever waits for the file finds it whole.
    fs::write(folder.join("ready.new"), format!("{}\n", hub.url()))?;
    fs::rename(folder.join("ready.new"), folder.join("ready"))?;
    writeln!(io::stdout(), "Koji hub at {}, until SIGTERM or {} s from now", hub.url(), arguments.lifetime)?;
    wait(Duration::from_secs(arguments.lifetime))
}

/// Waits for the end of the lifetime or a signal.
fn wait(lifetime: Duration) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            () = tokio::time::sleep(lifetime) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

fn write_configuration(folder: &Path, hub: &Hub) -> io::Result<()> {
    fs::create_dir_all(folder.join("home/.koji"))?;
    let profile = format!(
        "[koji]\nserver = {}\nweburl = {}\ntopurl = {}\nauthtype = password\npoll_interval = 2\n",
        hub.url(),
        hub.weburl(),
        hub.topurl()
    );
    fs::write(folder.join("home/.koji/config"), profile)?;
    fs::write(folder.join("fedpkg.conf"), FEDPKG_CONF)
}

const FEDPKG_CONF: &str = "\
[fedpkg]
lookaside = https://src.example.com/repo/pkgs
lookasidehash = sha512
lookaside_cgi = https://src.example.com/repo/pkgs/upload.cgi
gitbaseurl = ssh://%(user)s@pkgs.example.com/%(repo)s
anongiturl = https://src.example.com/%(repo)s.git
branchre = f\\d$|f\\d\\d$|master$|rawhide$
kojiprofile = koji
build_client = koji
distgit_namespaced = True
distgit_namespaces = rpms container modules flatpaks
";

const DOCKERFILE: &str = "\
FROM registry.example.com/fedora:42
LABEL com.redhat.component=\"hello-container\" \\
      name=\"hello\" \\
      version=\"1.0\" \\
      release=\"2\"
RUN dnf -y --setopt=install_weak_deps=0 install nginx && dnf clean all
CMD [\"/usr/sbin/nginx\", \"-g\", \"daemon off;\"]
";

/// The repository on the server's side, and a clone that would push to a real dist-git.
fn write_repository(folder: &Path) -> io::Result<()> {
    let (server, clone) = (folder.join("container/hello.git"), folder.join("hello"));
    let (server, clone) = (server.to_string_lossy(), clone.to_string_lossy());
    git(folder, &["init", "--quiet", "--bare", "--initial-branch=f42", &server])?;
    git(folder, &["init", "--quiet", "--initial-branch=f42", &clone])?;
    let clone = Path::new(&*clone);
    git(clone, &["remote", "add", "origin", &server])?;
    fs::write(clone.join("Dockerfile"), DOCKERFILE)?;
    git(clone, &["add", "Dockerfile"])?;
    git(clone, &["commit", "--quiet", "--message", "Greet the world"])?;
    git(clone, &["push", "--quiet", "--set-upstream", "origin", "f42"])?;
    git(clone, &["remote", "set-url", "--push", "origin", "ssh://packager@pkgs.example.com/container/hello"])
}

/// Runs git with nothing of the user's settings.
fn git(folder: &Path, arguments: &[&str]) -> io::Result<()> {
    let status = Command::new("git")
        .args(["-c", "user.name=Packager", "-c", "user.email=packager@example.com", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("git {} failed", arguments.join(" ")))) }
}
