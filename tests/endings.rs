//! How the program ends: one fact has one exit code, whoever builds, and a signal ends it whatever it waits for.

mod facts;
mod files;
mod readers;
mod signals;

use std::fs;
use std::sync::Mutex;

use crate::support::osbs_world::OsbsWorld;
use crate::support::sandbox::{Finished, Sandbox};
use crate::support::world::World;

/// Looks at all cases of a table, some at a time, and fails with everything that is wrong with any.
fn hold_all<T>(at_once: usize, cases: impl Iterator<Item = T> + Send, wrong: impl Fn(T) -> Option<String> + Sync) {
    let (cases, found) = (Mutex::new(cases), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = { cases.lock().unwrap().next() } {
            if let Some(wrong) = wrong(case) {
                found.lock().unwrap().push(wrong);
            }
        }
    };
    std::thread::scope(|scope| (0..at_once).for_each(|_| drop(scope.spawn(work))));
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

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
