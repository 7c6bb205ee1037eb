//! From the checkout to what is created.

use serde_json::{Value as Json, json};

use crate::support::kube_api::{Collection, Options, TOKEN, Trick};
use crate::support::osbs_world::OsbsWorld;

/// The objects that were posted.
fn posted(world: &OsbsWorld) -> Vec<Json> {
    world.server.requests("POST ").iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

fn params_of(run: &Json) -> Json {
    let params = run["spec"]["params"].as_array().unwrap();
    let param = params.iter().find(|param| param["name"] == "user-params").unwrap();
    serde_json::from_str(param["value"].as_str().unwrap()).unwrap()
}

#[test]
fn what_osbs_would_refuse_is_refused_before_anything_is_created() {
    let label = "LABEL com.redhat.component=foo-container name=demo/foo version=1";
    let cases: &[(&str, &str, &[&str], Option<&str>)] = &[
        ("Dockerfile", "FROM a:1\nLABEL name=demo/foo version=1\n", &[], Some("com.redhat.component")),
        ("Dockerfile", "FROM a:1\nLABEL com.redhat.component=foo name=demo/foo version=1-2\n", &[], Some("-")),
        (
            "Dockerfile",
            "FROM a:1\nLABEL com.redhat.component=foo name=demo/foo version=1 release=1..2\n",
            &[],
            Some("release"),
        ),
        ("Dockerfile", "FROM a:1\nLABEL com.redhat.component=foo name=demo/foo version=1 release=$REL\n", &[], None),
        ("Dockerfile", "FROM a:1\nLABEL com.redhat.component=foo name=a.b/c version=1\n", &[], Some("a.b")),
        ("Dockerfile", "FROM a:1\nLABEL com.redhat.component=foo name=a/b.c version=1\n", &[], None),
        ("Dockerfile", &format!("FROM a:1\n{label}\nFROM b:1\n"), &[], Some("com.redhat.component")),
        ("container.yml", "", &[], Some("container.yaml")),
        (
            "container.yaml",
            "remote_source: {repo: a, ref: 0123456789012345678901234567890123456789}\nremote_sources: []\n",
            &[],
            Some("remote_source"),
        ),
        (
            "container.yaml",
            "buildtime_limit: 99999\n",
            &[],
            Some("Build limit cannot be more than 21600 and is set to 99999"),
        ),
        ("x", "", &["--isolated"], Some("--isolated requires --build-release")),
        ("x", "", &["--isolated", "--build-release", "2"], Some("--build-release")),
        ("x", "", &["--isolated", "--build-release", "2.1"], None),
        ("x", "", &["--scratch", "--isolated", "--build-release", "2.1"], Some("cannot be both isolated and scratch")),
        ("x", "", &["--signing-intent", "x", "--compose-id", "1"], Some("not allowed with argument --signing-intent")),
    ];
    for (file, text, arguments, refusal) in cases {
        let world = OsbsWorld::new();
        let clone = world.clone();
        clone.write(file, text);
        clone.commit("Change it");
        clone.push();
        let run = world.build(&[*arguments, &["--nowait"]].concat());
        match refusal {
            Some(refusal) => {
                // Options alone are looked at before anything else.
                assert!(matches!(run.status, Some(1 | 2 | 4)), "{file} {text} {arguments:?} {run}");
                assert!(run.stderr.contains(refusal), "{refusal}: {run}");
                assert!(posted(&world).is_empty(), "{run}");
            }
            None => {
                assert!(run.succeeded(), "{file} {text} {arguments:?} {run}");
                assert_eq!(posted(&world).len(), 1);
            }
        }
    }
}

#[test]
fn options_and_files_get_into_the_run() {
    let world = OsbsWorld::new();
    let clone = world.clone();
    clone.write("container.yaml", "tags: [a, b-c]\n");
    clone.write("additional-tags", "z\n");
    clone.commit("Tags");
    clone.push();
    let userdata = r#"{"text": "it's $(x)"}"#;
    let run =
        world.build(&["--nowait", "--scratch", "--userdata", userdata, "--repo-url", "https://r.example.com/x.repo"]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stderr.contains("additional-tags is ignored"), "{run}");
    let runs = posted(&world);
    let name = runs[0]["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("scratch-") && name.len() == 28, "{name}");
    assert_eq!(runs[0]["spec"]["timeouts"]["pipeline"], "10800s");
    assert_eq!(runs[0]["spec"]["workspaces"][0]["configMap"]["name"], "reactor-config-map-scratch");
    let text = runs[0]["spec"]["params"][1]["value"].as_str().unwrap();
    assert!(!text.contains('\'') && !text.contains("$("), "{text}");
    let params = params_of(&runs[0]);
    assert_eq!((&params["additional_tags"], &params["tags_from_yaml"]), (&json!(["a"]), &json!(true)));
    assert_eq!(params["userdata"], json!({"text": "it's $(x)"}));
    assert_eq!(params["yum_repourls"], json!(["https://r.example.com/x.repo"]));
    assert_eq!((&params["scratch"], params.get("isolated"), params.get("release")), (&json!(true), None, None));
    assert_eq!(params["git_ref"], json!(clone.head()));
    let image = params["image_tag"].as_str().unwrap();
    assert!(image.starts_with("packager/foo-container:f40-"), "{image}");
    assert!(run.stdout.contains(&format!("Created build: {name}\n")), "{run}");
}

#[test]
fn a_template_with_a_name_of_its_own_is_refused() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    let template = world.sandbox.root().join("etc/template.yaml");
    let text = std::fs::read_to_string(&template).unwrap();
    std::fs::write(&template, text.replace("'$osbs_pipeline_run_name'", "fixed")).unwrap();
    let run = world.build(&[]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("' is different than in input data 'fixed'"), "{run}");
    assert!(posted(&world).is_empty());
}

#[test]
fn the_version_that_is_served_is_spoken() {
    for version in ["v1", "v1beta1"] {
        let options = Options { versions: Some(vec![version]), ..Options::default() };
        let world = OsbsWorld::with(options, &format!("token = {TOKEN}\n"));
        let template = world.sandbox.root().join("etc/template.yaml");
        world.configure(&format!("token = {TOKEN}\npipeline_run_path = {}\n", template.display()));
        world.server.play(crate::support::kube_api::play::Play::default());
        let _clone = world.clone();
        let run = world.build(&[]);
        assert!(run.succeeded(), "{version} {run}");
        assert!(run.stdout.contains("repositories:\n  registry.example.com/demo/app:1-1\n"), "{version} {run}");
        let path = format!("POST /apis/tekton.dev/{version}/namespaces/osbs/pipelineruns");
        assert_eq!(world.server.requests(&path).len(), 1, "{version}");
    }
}

fn pipeline(world: &OsbsWorld) {
    world.server.put(
        &Collection::new("tekton.dev", "pipelines"),
        json!({"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "binary-container-0-2"}, "spec": {
            "params": [{"name": "osbs-image"}, {"name": "user-params"}],
            "workspaces": [{"name": "ws-container"}, {"name": "ws-reactor-config-map"}, {"name": "netrc", "optional": true}]}}),
    );
}

#[test]
fn without_a_template_the_run_is_made_of_the_clusters_pipeline() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    world.configure(&format!("token = {TOKEN}\n"));
    let run = world.build(&[]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("pipelines.tekton.dev \"binary-container-0-2\" not found"), "{run}");
    pipeline(&world);
    let run = world.build(&[]);
    assert!(run.stderr.contains("the pipeline binary-container-0-2 needs param.osbs-image\n"), "{run}");
    world.configure(&format!("token = {TOKEN}\nparam.osbs-image = r.example.com/osbs:1\n"));
    let run = world.build(&["--nowait"]);
    assert!(run.succeeded(), "{run}");
    let runs = posted(&world);
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["spec"]["params"][0], json!({"name": "osbs-image", "value": "r.example.com/osbs:1"}));
    assert_eq!(runs[0]["spec"]["workspaces"][1]["configMap"]["name"], "reactor-config-map");
    assert_eq!(params_of(&runs[0])["name"], runs[0]["metadata"]["name"]);
}

#[test]
fn a_create_whose_answer_is_lost_is_adopted_and_never_repeated() {
    let post = "POST /apis/tekton.dev/v1/namespaces/osbs/pipelineruns";
    for trick in [Trick::LoseAnswer, Trick::Reset, Trick::Status(503, "later".into())] {
        let world = OsbsWorld::new();
        let _clone = world.clone();
        world.server.trick(post, trick.clone());
        let run = world.build(&["--nowait"]);
        assert!(run.succeeded(), "{trick:?} {run}");
        let runs = world
            .server
            .read(|state| state.objects.keys().filter(|(collection, _)| collection.plural == "pipelineruns").count());
        assert_eq!(runs, 1, "{trick:?}");
        let is_lost = matches!(trick, Trick::LoseAnswer);
        assert_eq!(run.stderr.contains("the answer to the submission was lost"), is_lost, "{trick:?} {run}");
    }
}

#[test]
fn a_build_takes_few_requests_and_a_dry_run_creates_nothing() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    let run = world.build(&["--nowait"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(world.server.requests("").len(), 2, "the versions, and the create");
    let run = world.run(&["container-build", "--build-with", "osbs", "--dry-run"]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stdout.contains("Would create a PipelineRun in namespace osbs of http://"), "{run}");
    assert!(run.stdout.contains("Nothing was created."), "{run}");
    assert_eq!(posted(&world).len(), 1);
}

#[test]
fn a_name_that_is_said_to_be_taken_and_is_not_there_is_asked_for_again() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    world.server.trick("POST /apis/tekton.dev", Trick::Status(409, "it is being deleted".into()));
    let run = world.build(&["--nowait"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(posted(&world).len(), 2, "{run}");
}
