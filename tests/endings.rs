//! How the program ends: one fact has one exit code, whoever builds, and a signal ends it whatever it waits for.

mod facts;
mod files;
mod readers;
mod signals;

use std::fs;

use crate::support::osbs_world::OsbsWorld;
use crate::support::sandbox::{Finished, Sandbox};
use crate::support::world::World;

#[test]
fn a_build_that_cannot_be_remembered_is_told_and_so_is_that() {
    let hindered = |sandbox: &Sandbox| {
        // A file where the folder should be keeps everybody out, root too.
        fs::create_dir_all(sandbox.home().join(".local/state")).unwrap();
        fs::write(sandbox.home().join(".local/state/fedpkg-container-build"), "").unwrap();
    };
    let told = |run: &Finished, id: &str| {
        assert!(run.succeeded() && run.stdout.contains(id), "{id}: {run}");
        assert!(run.stderr.contains("remember"), "{run}");
    };
    let world = World::new();
    world.clone();
    hindered(&world.sandbox);
    let run = world.run(&["--nowait"]);
    told(&run, &world.hub.tasks()[0].id.to_string());

    let world = OsbsWorld::new();
    world.clone();
    hindered(&world.sandbox);
    let run = world.build(&["--nowait"]);
    told(&run, &world.server.await_run().name);
}
