//! Facts, and the one code that each of them has with every builder that can meet it.

use std::fs::File;
use std::process::{Command, Stdio};

use super::hold_all;
use crate::support::koji_hub::{End, Fault, HubOptions, Script};
use crate::support::kube_api::play::Play;
use crate::support::kube_api::{Odd, Trick};
use crate::support::local_world::LocalWorld;
use crate::support::osbs_world::OsbsWorld;
use crate::support::sandbox::{Finished, Sandbox};
use crate::support::world::{PATIENCE, Running, World, write_profile};

/// A Dockerfile that this machine can build and the hub can import.
const DOCKERFILE: &str = "FROM fedora:42\n\
    LABEL com.redhat.component=foo-container name=demo/app version=1.0 release=3\nRUN echo hello > /hello\n";
/// A Dockerfile that every builder refuses: it lacks the labels.
const UNLABELLED: &str = "FROM fedora:42\nRUN true\n";
/// The variable with the hub's password.
const PASSWORD: &str = "FEDPKG_CONTAINER_BUILD_PASSWORD";
/// A profile that has little patience.
const IMPATIENT: &str = "max_retries = 2\n";

/// Brings a builder to an end. `None` where the machine lacks what that takes.
type Provoke = fn() -> Option<Finished>;

/// Something that happens, and how the program ends then.
struct Fact {
    what: &'static str,
    code: i32,
    koji: Option<Provoke>,
    osbs: Option<Provoke>,
    local: Option<Provoke>,
}

const FACTS: &[Fact] = &[
    Fact {
        what: "the build succeeds",
        code: 0,
        koji: Some(|| koji(&[], |world| world.hub.script(script(End::Close)))),
        osbs: Some(|| osbs(&[], |world| world.server.play(Play::default()))),
        local: Some(|| local(&["--push"], |_| {})),
    },
    Fact {
        what: "submitted with --nowait",
        code: 0,
        koji: Some(|| koji(&["--nowait"], |_| {})),
        osbs: Some(|| osbs(&["--nowait"], |_| {})),
        local: None,
    },
    Fact {
        what: "the build fails",
        code: 1,
        koji: Some(|| koji(&[], |world| world.hub.script(script(End::Fail(2001, "Image build failed".into()))))),
        osbs: Some(|| {
            osbs(&[], |world| world.server.play(Play { failure: Some(("clone", 1, "no")), ..Play::default() }))
        }),
        local: Some(|| local(&["--push"], |world| dockerfile(world, &format!("{DOCKERFILE}RUN exit 3\n")))),
    },
    Fact {
        what: "an option that is none",
        code: 2,
        koji: Some(|| koji(&["--nonsense"], |_| {})),
        osbs: Some(|| osbs(&["--nonsense"], |_| {})),
        local: Some(|| local(&["--nonsense"], |_| {})),
    },
    Fact {
        what: "the build is cancelled",
        code: 3,
        koji: Some(koji_cancelled),
        osbs: Some(osbs_cancelled),
        local: None,
    },
    Fact {
        what: "a check refuses the files",
        code: 4,
        koji: Some(|| koji(&[], |world| unlabelled(&world.sandbox))),
        osbs: Some(|| osbs(&[], |world| unlabelled(&world.sandbox))),
        local: Some(|| local(&["--push"], |world| dockerfile(world, UNLABELLED))),
    },
    Fact {
        what: "the target is unknown",
        code: 4,
        koji: Some(|| koji(&["--target", "nope"], |_| {})),
        osbs: None,
        local: Some(|| local(&["--push", "--import", "--target", "nope"], |_| {})),
    },
    Fact {
        what: "the release is taken",
        code: 4,
        koji: None,
        osbs: None,
        local: Some(|| {
            local(&["--push", "--import"], |world| assert!(world.hub().add_build("foo-container-1.0-3", 1) > 0))
        }),
    },
    Fact {
        what: "the server says no to the build",
        code: 4,
        koji: Some(|| koji(&[], |world| world.hub.inject("buildContainer", Fault::Refuse(1004, "you may not"), 1))),
        osbs: Some(|| osbs(&[], |world| forbid(world, "create pipelineruns"))),
        local: None,
    },
    Fact {
        what: "the login is refused",
        code: 5,
        koji: Some(|| koji_with_password("wrong")),
        osbs: Some(|| osbs(&[], |world| world.server.change(|state| state.tokens.clear()))),
        local: Some(|| local(&["--push", "--import", "--password", "wrong"], |_| {})),
    },
    Fact {
        what: "there are no credentials",
        code: 5,
        koji: Some(|| koji_with_password("")),
        osbs: Some(|| Some(nobody())),
        local: Some(|| local_with_password("")),
    },
    Fact {
        what: "the server is not there",
        code: 6,
        koji: Some(|| koji(&[], |world| world.hub.stop_listening())),
        osbs: Some(|| osbs(&[], |world| world.server.stop_listening())),
        local: Some(|| local(&["--push", "--import"], |world| world.hub().stop_listening())),
    },
    Fact {
        what: "the server is busy (HTTP 503), whatever it is asked",
        code: 6,
        koji: Some(|| koji(&[], |world| world.hub.inject_for_good("*", Fault::Status(503, "<html>busy")))),
        osbs: Some(|| osbs(&[], |world| world.server.trick_for_good("/", Trick::Status(503, "busy".into())))),
        local: Some(|| {
            local(&["--push", "--import"], |world| world.hub().inject_for_good("*", Fault::Status(503, "<html>busy")))
        }),
    },
    Fact {
        what: "a page comes instead of any answer",
        code: 6,
        koji: Some(|| koji(&[], |world| world.hub.inject_for_good("*", Fault::Html200))),
        osbs: Some(|| osbs(&[], |world| world.server.trick_for_good("/", Trick::Page))),
        local: Some(|| local(&["--push", "--import"], |world| world.hub().inject_for_good("*", Fault::Html200))),
    },
    Fact {
        what: "the server is offline",
        code: 6,
        koji: Some(|| koji(&[], |world| world.hub.inject_for_good("*", Fault::Offline))),
        osbs: None,
        local: Some(|| local(&["--push", "--import"], |world| world.hub().inject_for_good("*", Fault::Offline))),
    },
    Fact {
        what: "the server is busy (HTTP 503) whenever the build is submitted, and has none",
        code: 6,
        koji: None,
        osbs: Some(|| osbs(&[], |world| world.server.trick_for_good(POST, Trick::Status(503, "busy".into())))),
        local: None,
    },
    Fact {
        // A name tells whether there is a run. A task has none: what a gateway still holds cannot be looked for.
        what: "a gateway is busy (HTTP 503) whenever the build is submitted",
        code: 7,
        koji: Some(|| koji(&[], |world| world.hub.inject_for_good("buildContainer", Fault::Status(503, "<html>busy")))),
        osbs: None,
        local: Some(|| busy_for(&["CGInitBuild"])),
    },
    Fact {
        what: "the answer to the submit says nothing of what was made, and nothing is found",
        code: 7,
        koji: Some(|| koji(&[], |world| world.hub.inject("buildContainer", Fault::OtherShape, 1))),
        osbs: None,
        local: None,
    },
    Fact {
        what: "the answer to the submit is lost, and so are those to all looks",
        code: 7,
        koji: Some(|| {
            koji(&[], |world| {
                world.hub.inject("buildContainer", Fault::LoseAnswer, 1);
                // The look that was made before the submit is answered.
                world.hub.inject_after(1, "listTasks", Fault::Status(503, "<html>busy"), 3);
            })
        }),
        osbs: Some(|| {
            osbs(&[], |world| {
                world.server.trick(POST, Trick::LoseAnswer);
                world.server.trick_for_good("pipelineruns/", Trick::Status(503, "busy".into()));
            })
        }),
        local: Some(local_imported_unseen),
    },
    Fact {
        what: "the answer to the submit is lost, and a gateway says that it finds nothing",
        code: 7,
        koji: None,
        osbs: Some(|| {
            osbs(&[], |world| {
                world.server.trick(POST, Trick::LoseAnswer);
                world.server.trick_for_good("pipelineruns/", Trick::Odd(Odd::NotFound, false));
            })
        }),
        local: None,
    },
    Fact {
        what: "the image is built, and there is no registry to push it to",
        code: 6,
        koji: None,
        osbs: None,
        local: Some(|| local(&["--push"], without_registry)),
    },
    Fact {
        what: "the image is pushed, the server goes away before its import, and takes the reservation back",
        code: 6,
        koji: None,
        osbs: None,
        local: Some(|| busy_for(&["checkUpload"])),
    },
    Fact {
        what: "the image is pushed, and the server goes away with the name reserved",
        code: 7,
        koji: None,
        osbs: None,
        local: Some(|| busy_for(&["checkUpload", "CGRefundBuild"])),
    },
    Fact {
        what: "the build is in Koji, and the server refuses its tag",
        code: 1,
        koji: None,
        osbs: None,
        local: Some(|| local(&["--push", "--import", "--force", "--target", "f42-locked-target"], |_| {})),
    },
    Fact {
        what: "the build is in Koji, and the server goes away before it is tagged",
        code: 7,
        koji: None,
        osbs: None,
        local: Some(|| busy_for(&["tagBuild"])),
    },
    Fact {
        what: "the build is in Koji, and the server goes away while it is tagged",
        code: 7,
        koji: None,
        osbs: None,
        local: Some(|| busy_for(&["getTaskInfo"])),
    },
    Fact {
        what: "the id of a build cannot be told, because the disk is full",
        code: 7,
        koji: Some(|| koji_into_full_disk(&["--nowait"])),
        osbs: Some(|| osbs_into_full_disk(&["--nowait"])),
        local: None,
    },
    Fact {
        // A cluster is looked for longer than a test can wait: see the tests of its patience.
        what: "the server is gone for good while the build is watched",
        code: 7,
        koji: Some(|| koji_lost(|world| world.hub.stop_listening())),
        osbs: None,
        local: None,
    },
    Fact {
        what: "the server is busy (HTTP 503) for good while the build is watched",
        code: 7,
        koji: Some(|| koji_lost(|world| world.hub.inject_for_good("*", Fault::Status(503, "<html>busy")))),
        osbs: None,
        local: None,
    },
    Fact {
        what: "the reader goes away while the build is watched",
        code: 7,
        koji: Some(koji_unread),
        osbs: Some(osbs_unread),
        local: None,
    },
    Fact {
        what: "a dry run cannot be told, because the disk is full",
        code: 1,
        koji: Some(|| koji_into_full_disk(&["--dry-run"])),
        osbs: Some(|| osbs_into_full_disk(&["--dry-run"])),
        local: Some(local_into_full_disk),
    },
];

const POST: &str = "POST /apis/tekton.dev";

#[test]
fn a_fact_has_one_exit_code_whoever_builds() {
    let cells = FACTS.iter().flat_map(|fact| {
        let columns = [("koji", fact.koji), ("osbs", fact.osbs), ("local", fact.local)];
        columns.into_iter().filter_map(move |(builder, provoke)| Some((fact, builder, provoke?)))
    });
    hold_all(3, cells, |(fact, builder, provoke)| {
        let run = provoke()?;
        // A build that there may be is never left without a word on how to come back to it, or to look for it.
        let is_led = fact.code != 7 || run.stderr.contains("hint: ");
        let Fact { what, code, .. } = fact;
        let is_right = run.status == Some(*code) && is_led;
        (!is_right).then(|| format!("{what}, on {builder}: {:?} and not {code}\n{run}", run.status))
    });
}

#[test]
fn every_code_of_the_table_is_provoked() {
    use fedpkg_container_build::exit_code::ExitCode;
    // Signals are in the table of signals; a fault of this program is not known, or it would be mended.
    let elsewhere = [ExitCode::Internal, ExitCode::HungUp, ExitCode::Interrupted, ExitCode::Terminated];
    for (code, meaning) in ExitCode::TABLE.iter().filter(|(code, _)| !elsewhere.contains(code)) {
        let facts = FACTS.iter().filter(|fact| fact.code == *code as i32);
        assert!(facts.count() > 0, "{meaning}");
    }
}

fn script(end: End) -> Script {
    Script { arches: vec!["x86_64".to_owned()], steps: 1, step: std::time::Duration::from_millis(50), end }
}

fn koji(arguments: &[&str], prepare: impl FnOnce(&World)) -> Option<Finished> {
    let world = World::with(HubOptions::default(), IMPATIENT);
    world.clone();
    prepare(&world);
    Some(world.run(&[&["container-build", "--build-with", "koji"], arguments].concat()))
}

fn koji_with_password(password: &str) -> Option<Finished> {
    let mut world = World::with(HubOptions::default(), IMPATIENT);
    world.sandbox.set_variable(PASSWORD, password);
    world.clone();
    Some(world.run(&["container-build", "--build-with", "koji"]))
}

fn koji_cancelled() -> Option<Finished> {
    let world = World::new();
    world.clone();
    let mut running = world.start(&["container-build", "--build-with", "koji"]);
    let task = world.hub.task(world.hub.wait_for_task(PATIENCE));
    running.read_until("free");
    task.cancel();
    Some(running.finish())
}

fn koji_lost(lose: impl FnOnce(&World)) -> Option<Finished> {
    let world = World::with(HubOptions::default(), IMPATIENT);
    world.clone();
    let mut running = world.start(&["container-build", "--build-with", "koji"]);
    world.hub.task(world.hub.wait_for_task(PATIENCE)).open("builder1");
    running.read_until("builder1");
    lose(&world);
    Some(running.finish())
}

fn koji_into_full_disk(arguments: &[&str]) -> Option<Finished> {
    let world = World::new();
    world.clone();
    Some(into_full_disk(
        world.command(&[&["container-build", "--build-with", "koji"], arguments].concat()),
        &world.sandbox,
    ))
}

fn osbs_into_full_disk(arguments: &[&str]) -> Option<Finished> {
    let world = OsbsWorld::new();
    world.clone();
    Some(into_full_disk(
        world.command(&[&["container-build", "--build-with", "osbs"], arguments].concat()),
        &world.sandbox,
    ))
}

fn local_into_full_disk() -> Option<Finished> {
    let world = LocalWorld::new()?;
    world.clone(DOCKERFILE);
    Some(into_full_disk(world.command(&["--dry-run"]), &world.sandbox))
}

fn into_full_disk(mut command: Command, sandbox: &Sandbox) -> Finished {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let child = command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    Running::new(child, sandbox).finish()
}

fn koji_unread() -> Option<Finished> {
    let world = World::new();
    world.clone();
    let mut running = world.start(&["container-build", "--build-with", "koji", "--heartbeat", "0"]);
    world.hub.task(world.hub.wait_for_task(PATIENCE)).open("builder1");
    running.close_stdout();
    Some(running.finish())
}

fn osbs_unread() -> Option<Finished> {
    let world = OsbsWorld::new();
    let (mut build, _run) = world.begin(&["--heartbeat", "0"], &["clone"]);
    build.close_stdout();
    Some(build.finish())
}

fn osbs(arguments: &[&str], prepare: impl FnOnce(&OsbsWorld)) -> Option<Finished> {
    let world = OsbsWorld::new();
    world.clone();
    prepare(&world);
    Some(world.build(arguments))
}

fn osbs_cancelled() -> Option<Finished> {
    let world = OsbsWorld::new();
    let (build, run) = world.begin(&[], &["clone"]);
    run.finish("False", "Cancelled", "PipelineRun was cancelled", &[]);
    Some(build.finish())
}

/// A cluster that is asked by nobody in particular.
fn nobody() -> Finished {
    let world = OsbsWorld::new();
    world.clone();
    let template = world.sandbox.root().join("etc/template.yaml");
    world.configure(&format!("pipeline_run_path = {}\n", template.display()));
    world.build(&[])
}

fn forbid(world: &OsbsWorld, what: &str) {
    world.server.change(|state| state.forbidden.insert(what.to_owned()));
}

/// A build on this machine, of a hub that takes its imports.
fn local(arguments: &[&str], prepare: impl FnOnce(&LocalWorld)) -> Option<Finished> {
    let options = HubOptions::default().content_generator("fedpkg-container-build");
    let world = LocalWorld::with_hub(options, "")?;
    write_profile(&world.sandbox, world.hub(), IMPATIENT);
    world.clone(DOCKERFILE);
    prepare(&world);
    Some(world.build(arguments))
}

/// A build on this machine, of a hub that is busy whenever it is asked for these.
fn busy_for(methods: &'static [&'static str]) -> Option<Finished> {
    local(&["--push", "--import"], |world| {
        methods.iter().for_each(|method| world.hub().inject_for_good(method, Fault::Status(503, "<html>busy")));
    })
}

/// The hub carries the import out, and can be asked for nothing any more.
fn local_imported_unseen() -> Option<Finished> {
    local(&["--push", "--import"], |world| {
        world.hub().inject("CGImport", Fault::LoseAnswer, 1);
        // The looks for a release that is taken are answered.
        world.hub().inject_after(2, "getBuild", Fault::Status(503, "<html>busy"), 2);
    })
}

/// Builds push to where nobody listens.
fn without_registry(world: &LocalWorld) {
    let path = world.sandbox.root().join("etc/fedpkg.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    let there = format!("\nregistry = {}\n", world.registry.address());
    std::fs::write(path, text.replace(&there, "\nregistry = 127.0.0.1:1\n")).unwrap();
}

fn local_with_password(password: &str) -> Option<Finished> {
    let options = HubOptions::default().content_generator("fedpkg-container-build");
    let mut world = LocalWorld::with_hub(options, "")?;
    world.sandbox.set_variable(PASSWORD, password);
    world.clone(DOCKERFILE);
    Some(world.build(&["--push", "--import"]))
}

/// Commits another Dockerfile.
fn dockerfile(world: &LocalWorld, text: &str) {
    let clone = world.sandbox.repository("foo");
    clone.write("Dockerfile", text);
    clone.commit("Build something else");
}

/// Commits and pushes a Dockerfile that is refused.
fn unlabelled(sandbox: &Sandbox) {
    let clone = sandbox.repository("foo");
    clone.write("Dockerfile", UNLABELLED);
    clone.commit("Build something without labels");
    clone.push();
}
