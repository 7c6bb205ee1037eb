//! The same command lines through rpkg 1.70 and through ours, on the same checkout, configuration and hub: the hub must get
//! equal requests, and the exit codes must agree, except where rpkg is wrong. Each exception has its reason beside it.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::support::koji_hub::xmlrpc::Value;
use crate::support::koji_hub::{End, HubOptions};
use crate::support::peers;
use crate::support::sandbox::{Finished, Repository};
use crate::support::world::{PASSWORD, World};

use crate::koji_build::quick_script;

/// What is expected of ours, compared with rpkg.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// The same exit code, and the same request or none.
    Same,
    /// The same refusal, with an exit code of its own.
    Code(i32, &'static str),
    /// rpkg submits or refuses wrongly; ours ends with this code and submits as said.
    Differs { code: i32, submits: bool, reason: &'static str },
}

use Expected::{Code, Differs, Same};

const REFUSED: &str = "what the builder would refuse has a code of its own (4); rpkg has 1 for everything";

/// Global options, options of container-build, and what is expected.
type Case = (&'static [&'static str], &'static [&'static str], Expected);

/// On a clean clone of `container/foo`, branch f40.
const CLEAN: &[Case] = &[
    (&[], &[], Same),
    (&[], &["--target", "f42-container-candidate"], Same),
    (&[], &["--target", ""], Same),
    (&[], &["--targ", "f42-container-candidate"], Same),
    (&[], &["--repo-url", "http://a/1.repo", "http://a/2.repo", "--repo-url", "http://a/3.repo"], Same),
    (&[], &["--repo-url=http://a/1.repo"], Same),
    (&[], &["--repo-url", "http://a/1.repo", "--background"], Same),
    (&[], &["--repo-url"], Same),
    (&[], &["--background"], Same),
    (&[], &["--build-release", "3"], Same),
    (&[], &["--build-release", "3.1", "--isolated"], Same),
    (&[], &["--isolated"], Same),
    (&[], &["--koji-parent-build", "fedora-40-1"], Same),
    (&[], &["--scratch"], Same),
    (&[], &["--scr"], Same),
    (&[], &["--scratch", "--arches", "x86_64"], Same),
    (&[], &["--scratch", "--arches", "x86_64", "--arches", "aarch64", "x86_64"], Same),
    (&[], &["--arches"], Same),
    (&[], &["--arches", "x86_64"], Same),
    (&[], &["--isolated", "--build-release", "1.1", "--arches", "x86_64"], Same),
    (&[], &["--signing-intent", "release"], Same),
    (&[], &["--compose-id", "1", "2", "--compose-id", "3"], Same),
    (&[], &["--compose-id", "1_0"], Same),
    (&[], &["--compose-id", "-5"], Same),
    (&[], &["--compose-id", "abc"], Same),
    (&[], &["--compose-id", "0x1"], Same),
    (&[], &["--compose-id", "1", "--signing-intent", "release"], Same),
    (&[], &["--replace-dependency", "gomod:a:1", "npm:b:2:c", "--replace-dependency", "pip:d:3"], Same),
    (&[], &["--skip-remote-rules-validation"], Same),
    (&[], &["--re", "x"], Same),
    (&[], &["--no-such-option"], Same),
    (&[], &["--", "junk"], Same),
    (&["--release", "f42"], &[], Same),
    (&["--release", ""], &[], Same),
    (&["--name", "bar"], &["--target", "f42-container-candidate"], Same),
    (&["--name", "bar", "--namespace", "container"], &[], Same),
    (&["--namespace", "container"], &[], Same),
    (&["--name", "x", "--namespace", "bogus"], &[], Same),
    (&["--path", "/nonexistent"], &[], Same),
    (&["-q"], &[], Same),
    (&["-v"], &["--scratch"], Same),
    (&[], &["--target", "nope"], Code(4, REFUSED)),
    (&["--name", "bar"], &[], Code(4, REFUSED)),
    (
        &[],
        &["--target", "f42-locked-target"],
        Differs {
            code: 4,
            submits: false,
            reason: "rpkg's test for a locked tag never fires; the build would fail late",
        },
    ),
    (
        &[],
        &["--isolated", "--scratch", "--build-release", "1.1"],
        Differs { code: 4, submits: false, reason: "the builder refuses builds that are both" },
    ),
    (&[], &["--skip-build"], Differs { code: 2, submits: false, reason: "today's builders fail such a build" }),
    (
        &["--dry-run"],
        &[],
        Differs { code: 0, submits: false, reason: "rpkg's container-build submits in spite of --dry-run" },
    ),
];

/// The state of the checkout, how it comes about, and what is expected of a plain build.
type StateCase = (&'static str, fn(&Repository<'_>), &'static [&'static str], Expected);

const STATES: &[StateCase] = &[
    ("a modified file", |clone| drop(clone.write("Dockerfile", "FROM x\n")), &[], Same),
    (
        "a staged file",
        |clone| {
            clone.write("new", "x");
            clone.git(&["add", "new"]);
        },
        &[],
        Same,
    ),
    ("an untracked file", |clone| drop(clone.write("untracked", "x")), &[], Same),
    ("a commit that is not pushed", |clone| drop(clone.commit("local")), &[], Same),
    ("no upstream", |clone| drop(clone.git(&["checkout", "-q", "-b", "alone"])), &[], Same),
    (
        "another local name",
        |clone| drop(clone.git(&["checkout", "-q", "-b", "work", "--track", "origin/f40"])),
        &[],
        Same,
    ),
    ("a remote of another name", |clone| drop(clone.git(&["remote", "rename", "origin", "up"])), &[], Same),
    (
        "a push URL of another namespace",
        |clone| drop(clone.git(&["config", "remote.origin.pushurl", "ssh://u@pkgs.example.com:22/rpms/foo.git/"])),
        &["--target", "f40-container-candidate"],
        Same,
    ),
    (
        "pushInsteadOf",
        |clone| {
            clone.git(&["config", "--unset", "remote.origin.pushurl"]);
            clone.git(&["config", "remote.origin.url", "short:foo"]);
            clone.git(&["config", "url.ssh://u@pkgs.example.com/container/.pushInsteadOf", "short:"]);
        },
        &[],
        Same,
    ),
    (
        "an scp-like push URL",
        |clone| drop(clone.git(&["config", "remote.origin.pushurl", "u@pkgs.example.com:container/foo.git"])),
        &["--target", "f40-container-candidate"],
        Differs {
            code: 0,
            submits: true,
            reason: "rpkg takes the host for a part of the namespace and sends a broken source",
        },
    ),
    (
        "only behind",
        |clone| {
            clone.commit("pushed");
            clone.push();
            clone.git(&["reset", "-q", "--hard", "HEAD~1"]);
        },
        &[],
        Differs { code: 0, submits: true, reason: "the commit is pushed; rpkg takes behind for unpushed" },
    ),
    (
        "a detached HEAD that one branch contains",
        |clone| drop(clone.git(&["checkout", "-q", "--detach"])),
        &[],
        Differs { code: 0, submits: true, reason: "there is only one branch it can be; rpkg gives up" },
    ),
];

#[test]
fn equal_requests_and_exit_codes_on_a_clean_checkout() {
    let Some(parity) = Parity::new() else { return };
    let _clone = parity.world.clone();
    for (globals, options, expected) in CLEAN {
        parity.compare(&format!("{globals:?} {options:?}"), globals, options, *expected);
    }
    assert!(CLEAN.len() >= 40);
}

#[test]
fn equal_requests_and_exit_codes_in_every_state_of_the_checkout() {
    for (what, prepare, options, expected) in STATES {
        let Some(parity) = Parity::new() else { return };
        let clone = parity.world.clone();
        prepare(&clone);
        parity.compare(what, &[], options, *expected);
    }
}

#[test]
fn the_end_of_a_build_is_told_alike() {
    for (end, code) in [(End::Close, 0), (End::Fail(2001, "Image build failed.".into()), 1)] {
        let Some(parity) = Parity::new() else { return };
        let _clone = parity.world.clone();
        parity.world.hub.script(quick_script(end.clone()));
        parity.world.hub.add_build("foo-container-1-1", 1);
        let theirs = parity.rpkg(&[], &[]);
        let ours = parity.ours(&[], &["--no-logs"]);
        assert_eq!((theirs.status, ours.status), (Some(code), Some(code)), "{theirs}{ours}");
        let verdict = |run: &Finished| {
            run.stdout
                .lines()
                .rfind(|line| line.contains("buildContainer (noarch) "))
                .map(|line| line.split_once(' ').map(|(_, rest)| rest.to_owned()))
        };
        assert_eq!(verdict(&theirs), verdict(&ours), "{theirs}{ours}");
        if code == 0 {
            let block = |run: &Finished| run.stdout.split_once("repositories:").map(|(_, block)| block.to_owned());
            assert_eq!(block(&theirs), block(&ours), "the result block");
        }
    }
}

/// A hub, a checkout, and both programs.
struct Parity {
    world: World,
    python: std::path::PathBuf,
}

impl Parity {
    fn new() -> Option<Parity> {
        let python = peers::python()?;
        let world = World::with(HubOptions::default(), "");
        world.sandbox.write_config("rpkg", "");
        Some(Parity { world, python })
    }

    fn compare(&self, case: &str, globals: &[&str], options: &[&str], expected: Expected) {
        let options = [&["--nowait"], options].concat();
        let (theirs, their_requests) = self.submitted(|| self.rpkg(globals, &options));
        let (ours, our_requests) = self.submitted(|| self.ours(globals, &options));
        let shown = format!("{case}\n== rpkg\n{theirs}== ours\n{ours}");
        match expected {
            Same => {
                assert_eq!(ours.status, theirs.status, "{shown}");
                assert_eq!(our_requests, their_requests, "{shown}");
            }
            Code(code, reason) => {
                assert_eq!((theirs.status, ours.status), (Some(1), Some(code)), "{reason}: {shown}");
                assert_eq!((their_requests.len(), our_requests.len()), (0, 0), "{shown}");
            }
            Differs { code, submits, reason } => {
                assert_eq!((ours.status, our_requests.len()), (Some(code), usize::from(submits)), "{reason}: {shown}");
                let differs = theirs.status != ours.status || their_requests != our_requests;
                assert!(differs, "no difference any more ({reason}): {shown}");
            }
        }
    }

    /// Runs a program and gives what the hub got of it.
    fn submitted(&self, run: impl FnOnce() -> Finished) -> (Finished, Vec<Vec<Value>>) {
        let before = self.world.hub.calls("buildContainer").len();
        let finished = run();
        let requests = self.world.hub.calls("buildContainer").split_off(before);
        (finished, requests.into_iter().map(comparable).collect())
    }

    fn rpkg(&self, globals: &[&str], options: &[&str]) -> Finished {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/rpkg_peer.py");
        let mut command = Command::new(&self.python);
        command.arg(script).arg("rpkg").env("PEER_POLL", "0.2");
        let ours = self.world.sandbox.command(&self.world.sandbox.root().join("foo"));
        for (name, value) in ours.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("PYTHONWARNINGS", "ignore").current_dir(self.world.sandbox.root().join("foo"));
        self.finish(command, globals, options)
    }

    fn ours(&self, globals: &[&str], options: &[&str]) -> Finished {
        let mut command = self.world.sandbox.command(&self.world.sandbox.root().join("foo"));
        command.arg0("rpkg");
        self.finish(command, globals, options)
    }

    fn finish(&self, mut command: Command, globals: &[&str], options: &[&str]) -> Finished {
        command.arg("-C").arg(self.world.sandbox.root().join("etc/rpkg.conf"));
        command.args(["--user", "packager", "--password", PASSWORD]);
        command.args(globals).arg("container-build").args(options);
        self.world.sandbox.finish(command)
    }
}

/// A request without what is not sent on purpose: null values, `skip_build`, and named arguments that are all null.
fn comparable(request: Vec<Value>) -> Vec<Value> {
    let mut request: Vec<Value> = request.into_iter().map(without_null).collect();
    let only_marker =
        |value: &Value| matches!(value, Value::Struct(members) if members.len() == 1 && members[0].0 == "__starstar");
    if request.last().is_some_and(only_marker) {
        request.pop();
    }
    request
}

fn without_null(value: Value) -> Value {
    let Value::Struct(members) = value else { return value };
    let mut members: Vec<_> =
        members.into_iter().filter(|(name, value)| *value != Value::Nil && name != "skip_build").collect();
    members.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Struct(members)
}
