//! A build from the command line to its end.

use serde_json::{Value as Json, json};

use crate::support::kube_api::play::Play;
use crate::support::osbs_world::OsbsWorld;

#[test]
fn a_build_is_created_watched_and_cleaned_up() {
    let world = OsbsWorld::new();
    let clone = world.clone();
    world.server.play(Play { arches: vec!["x86-64", "aarch64"], ..Play::default() });
    let run = world.build(&[]);
    assert_eq!(run.status, Some(0), "{run}");
    for line in [
        " | binary-container-build-x86-64 build line 2\n",
        " | binary-container-build-aarch64 build line 2\n",
        " PipelineRun completed successfully\n",
        "repositories:\n  registry.example.com/demo/app:1-1\n",
    ] {
        assert!(run.stdout.contains(line), "{line}: {run}");
    }
    let ended = run.stdout.lines().filter(|line| line.trim_start().starts_with("clone: ") && line.ends_with("closed"));
    assert_eq!(ended.count(), 1, "{run}");
    let line = run.stdout.lines().find(|line| line.ends_with("aarch64 build line 1")).unwrap();
    assert!(line.starts_with("aarch64 "), "the architecture is the label: {line}");
    let created = world.server.requests("POST ");
    assert_eq!(created.len(), 1);
    let body: Json = serde_json::from_slice(&created[0].body).unwrap();
    assert_eq!(body["apiVersion"], "tekton.dev/v1");
    assert_eq!(created[0].header("authorization"), Some("Bearer sha256~good"));
    let params: Json = serde_json::from_str(body["spec"]["params"][1]["value"].as_str().unwrap()).unwrap();
    assert_eq!((&params["git_ref"], &params["user"]), (&json!(clone.head()), &json!("packager")));
    assert_eq!(world.server.requests("DELETE ").len(), 1, "a build that succeeded is cleaned up");
}

#[test]
fn logs_are_chosen_by_task_step_or_architecture() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    let play = Play { arches: vec!["x86-64", "aarch64"], steps: vec!["build", "push"], ..Play::default() };
    world.server.play(play);
    let run = world.build(&["--cleanup", "never"]);
    assert!(run.succeeded(), "{run}");
    let watch: [(&[&str], &[&str]); 5] = [
        (&["--log", "binary-container-build-aarch64/push"], &["aarch64 push"]),
        (&["--log", "binary-container-build-aarch64"], &["aarch64 build", "aarch64 push"]),
        (&["--arch", "x86_64"], &["x86-64 build", "x86-64 push"]),
        (&["--arch", "x86_64", "--log", "binary-container-build-aarch64"], &[]),
        (&["--no-logs"], &[]),
    ];
    for (arguments, expected) in watch {
        let run = world.run(&[&["watch", "--last"], arguments].concat());
        assert!(run.succeeded(), "{run}");
        for words in ["x86-64 build", "x86-64 push", "aarch64 build", "aarch64 push"] {
            let is_shown = run.stdout.contains(&format!("{words} line 2\n"));
            assert_eq!(is_shown, expected.contains(&words), "{arguments:?} {words}: {run}");
        }
    }
    if let Some(asked) = world.server.requests("/log?").last() {
        assert!(asked.path.contains("timestamps=true"), "{asked:?}");
    }
}
