//! Which build is meant: a build is (builder, server, id), and nobody's build is taken for another's.

use crate::koji_build::quick_script;
use crate::support::koji_hub::{End, Hub, HubOptions, TaskState};
use crate::support::world::{PATIENCE, World};

/// A world with two hubs, profiles `koji` and `other`, and on each a task of the same number that is at work.
fn two_hubs() -> (World, Hub, i64) {
    let world = World::new();
    let other = Hub::start(HubOptions::default());
    let profile = |name: &str, hub: &Hub| {
        format!(
            "[{name}]\nserver = {}\nweburl = {}\ntopurl = {}\nauthtype = password\npoll_interval = 1\nretry_interval = 1\n",
            hub.url(),
            hub.weburl(),
            hub.topurl()
        )
    };
    world.sandbox.write("home/.koji/config", &format!("{}{}", profile("koji", &world.hub), profile("other", &other)));
    let _clone = world.clone();
    assert!(world.run(&["--nowait"]).succeeded());
    let ours = world.hub.wait_for_task(PATIENCE);
    assert!(world.run(&["--nowait", "--profile", "other"]).succeeded());
    assert_eq!(other.wait_for_task(PATIENCE), ours, "both hubs begin to count at the same number");
    (world, other, ours)
}

fn states(world: &World, other: &Hub, task: i64) -> (TaskState, TaskState) {
    (world.hub.task(task).state(), other.task(task).state())
}

#[test]
fn a_page_of_a_hub_that_nobody_knows_is_refused() {
    let world = World::new();
    let _clone = world.clone();
    assert!(world.run(&["--nowait"]).succeeded());
    let task = world.hub.wait_for_task(PATIENCE);
    for page in [
        format!("https://koji.example.org/koji/taskinfo?taskID={task}"),
        format!("http://127.0.0.1:1/koji/taskinfo?taskID={task}"),
    ] {
        for command in ["cancel", "watch"] {
            let run = world.run(&[command, &page]);
            assert_eq!(run.status, Some(2), "{page} {run}");
            assert!(run.stderr.contains("no Koji profile has its pages at"), "{page} {run}");
        }
    }
    assert_eq!(world.hub.task(task).state(), TaskState::Free, "nobody cancelled it");
}

#[test]
fn a_page_leads_to_the_hub_whose_page_it_is() {
    let (world, other, task) = two_hubs();
    let run = world.run(&["cancel", &format!("{}/taskinfo?taskID={task}", other.weburl())]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(states(&world, &other, task), (TaskState::Free, TaskState::Canceled));
    let run = world.run(&["cancel", &format!("{}/taskinfo?taskID={task}", world.hub.weburl())]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(states(&world, &other, task), (TaskState::Canceled, TaskState::Canceled));
}

#[test]
fn a_number_that_two_hubs_have_is_asked_back_and_a_profile_says_which() {
    let (world, other, task) = two_hubs();
    let number = task.to_string();
    // Without -C, which would name the hub of its profile.
    let mut command = world.sandbox.command(&world.sandbox.root().join("foo"));
    command.args(["cancel", &number]);
    let run = world.sandbox.finish(command);
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.stderr.contains(&world.hub.url()) && run.stderr.contains(&other.url()), "{run}");
    assert_eq!(states(&world, &other, task), (TaskState::Free, TaskState::Free));
    let run = world.run(&["cancel", &number, "--profile", "other"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(states(&world, &other, task), (TaskState::Free, TaskState::Canceled));
    let run = world.run(&["status"]);
    assert!(run.stdout.contains("other") && run.stdout.contains("cancelled"), "{run}");
    let run = world.run(&["cancel", &number, "--build-with", "koji"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(states(&world, &other, task), (TaskState::Canceled, TaskState::Canceled));
}

#[test]
fn a_list_that_cannot_be_read_stops_nobody_who_names_a_build() {
    let world = World::new();
    let _clone = world.clone();
    assert!(world.run(&["--nowait"]).succeeded());
    let number = world.hub.wait_for_task(PATIENCE).to_string();
    for content in ["", "{", r#"{"version": 99, "submissions": []}"#] {
        world.sandbox.write("home/.local/state/fedpkg-container-build/submissions.json", content);
        let run = world.run(&["watch"]);
        assert_eq!(run.status, Some(1), "{content:?} {run}");
    }
    let run = world.run(&["cancel", &number]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stderr.contains("what was submitted from here is not known"), "{run}");
}

#[test]
fn words_of_logs_that_match_none_are_told() {
    let world = World::new();
    let _clone = world.clone();
    world.hub.script(quick_script(End::Close));
    let run = world.run(&["--log", "nosuch"]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stderr.contains("no log of the build was shown for --log nosuch"), "{run}");
}
