//! What is imported into Koji, how that can fail, and what the hub is left with then.

use std::fs;
use std::io::Read as _;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::images::{BaseImage, push_list};
use crate::support::koji_hub::{Fault, HubOptions};
use crate::support::local_world::LocalWorld;
use crate::support::rpms::{Rpms, key_id};
use crate::support::world::PATIENCE;

const GENERATOR: &str = "fedpkg-container-build";
const NVR: &str = "foo-container-1.0-3";
const TAG: &str = "f40-container-candidate";
const DOCKERFILE: &str = "FROM fedora:42\n\
    LABEL com.redhat.component=foo-container name=demo/app version=1.0 release=3\nRUN echo hello > /hello\n";
const V2S2: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Koji's `BUILD_STATES`.
const COMPLETE: i64 = 1;
const FAILED: i64 = 3;
const CANCELED: i64 = 4;

fn options() -> HubOptions {
    HubOptions::default().content_generator(GENERATOR)
}

fn world() -> Option<LocalWorld> {
    LocalWorld::with_hub(options(), "")
}

/// The state that the hub has the build in; `None` when it has none.
fn state(world: &LocalWorld) -> Option<i64> {
    world.hub().change(|state| state.find_build(NVR).map(|build| build.state))
}

fn imported(world: &LocalWorld) -> Json {
    world.hub().imported(NVR).expect("the build was imported")
}

/// How the last build ended, as it is kept.
fn result(world: &LocalWorld) -> Json {
    serde_json::from_slice(&fs::read(world.results().join("result.json")).unwrap()).unwrap()
}

/// The output of a type.
fn output<'a>(metadata: &'a Json, kind: &str) -> &'a Json {
    metadata["output"].as_array().unwrap().iter().find(|output| output["type"] == kind).expect(kind)
}

/// An uploaded file.
fn uploaded(world: &LocalWorld, name: &str) -> Vec<u8> {
    let uploads = world.hub().uploads();
    let found = uploads.into_iter().find(|(path, _)| path.ends_with(&format!("/{name}")));
    found.unwrap_or_else(|| panic!("{name} was not uploaded")).1
}

/// Names and contents of a compressed archive.
fn unpacked(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let files = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().display().to_string(), content)
    });
    files.collect()
}
#[test]
fn a_build_in_koji_says_what_was_built_of_what_and_where_it_is() {
    let Some(rpms) = Rpms::shared() else { return };
    let Some(world) = world() else { return };
    let tree = rpms.tree(&["foo", "bar", "baz"]);
    let base = BaseImage { trees: vec![tree.path().to_owned()], ..BaseImage::default() };
    base.push(&world.registry, "fedora:42");
    let clone = world.clone(DOCKERFILE);
    let run = world.build(&["--push", "--import"]);
    assert!(run.succeeded(), "{run}");
    let weburl = world.hub().weburl();
    let id = world.hub().change(|state| state.find_build(NVR).unwrap().id);
    assert!(run.stdout.contains(&format!("koji_builds:\n  {weburl}/buildinfo?buildID={id}\n")), "{run}");
    assert!(run.stdout.contains(&format!("nvrs:\n  {NVR}\n")), "{run}");
    assert_eq!(world.hub().tagged(TAG), [NVR]);
    assert_eq!((state(&world), world.hub().reservations().len()), (Some(COMPLETE), 0));

    let metadata = imported(&world);
    let registry = world.registry.address();
    let build = &metadata["build"];
    assert_eq!(build["owner"], "packager");
    assert_eq!(build["build_id"], id);
    let source = format!("https://src.example.com/container/foo.git#{}", clone.head());
    assert!(build["source"].as_str().unwrap().ends_with(&source["https://src.example.com".len()..]), "{build}");
    assert!(build["start_time"].as_i64() <= build["end_time"].as_i64(), "{build}");
    let extra = &build["extra"];
    assert_eq!(extra["submitter"], "packager");
    assert_eq!(extra["osbs_build"], json!({"kind": "container_build", "engine": "buildah", "subtypes": []}));
    let image = &extra["image"];
    assert_eq!(image["parent_images"], json!(["fedora:42"]));
    assert_eq!((&image["isolated"], &image["media_types"]), (&json!(false), &json!([V2S2])));
    assert_eq!(image.get("index"), None, "an image and no list");
    assert_eq!(extra.get("typeinfo"), None, "this hub has no type for content manifests");

    let [root] = metadata["buildroots"].as_array().unwrap().as_slice() else { panic!("one build root") };
    assert_eq!(root["content_generator"]["name"], GENERATOR);
    assert_eq!(root["container"], json!({"type": "none", "arch": "x86_64"}));
    assert_eq!(root["tools"][0]["name"], "buildah");

    let archive = output(&metadata, "docker-image");
    let digest = world.registry.digest("demo/app:1.0-3").unwrap();
    let manifest = world.registry.manifest("demo/app:1.0-3");
    let config = manifest["config"]["digest"].as_str().unwrap();
    assert_eq!(archive["filename"], format!("docker-image-{config}.x86_64.tar.gz"));
    let docker = &archive["extra"]["docker"];
    assert_eq!(docker["id"], config);
    assert_eq!(docker["parent_id"], world.registry.manifest("fedora:42")["config"]["digest"]);
    assert_eq!(docker["digests"], json!({V2S2: digest}));
    assert_eq!(
        docker["repositories"],
        json!([format!("{registry}/demo/app@{digest}"), format!("{registry}/demo/app:1.0-3")])
    );
    let mut tags: Vec<&str> = docker["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    tags.sort_unstable();
    assert_eq!(tags, world.registry.tags("demo/app"));
    assert_eq!(docker["floating_tags"], json!(["latest", "1.0"]));
    assert_eq!(docker["config"]["config"]["Labels"]["name"], "demo/app");
    assert_eq!(docker["config"].get("container_config"), None);
    let diff_ids = world.registry.config("demo/app:1.0-3")["rootfs"]["diff_ids"].clone();
    let layers = docker["layer_sizes"].as_array().unwrap();
    let listed: Vec<&Json> = layers.iter().map(|layer| &layer["diff_id"]).collect();
    assert_eq!(json!(listed), diff_ids);
    assert!(layers.iter().all(|layer| layer["size"].as_u64().unwrap() > 0), "{layers:?}");

    let components: Vec<(&Json, &Json, &Json)> = archive["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| (&component["name"], &component["epoch"], &component["signature"]))
        .collect();
    let (null, key) = (Json::Null, json!(key_id(&rpms.key)));
    assert_eq!(
        components,
        [(&json!("bar"), &json!(2), &key), (&json!("baz"), &null, &null), (&json!("foo"), &null, &key)]
    );

    let logs = metadata["output"].as_array().unwrap().iter().filter(|output| output["type"] == "log");
    let logs: Vec<(&str, &str)> =
        logs.map(|log| (log["filename"].as_str().unwrap(), log["arch"].as_str().unwrap())).collect();
    assert_eq!(logs, [("x86_64-build.log", "x86_64"), ("workflow.log", "noarch")]);
    let log = fs::read(world.results().join("x86_64-build.log")).unwrap();
    assert_eq!(uploaded(&world, "x86_64-build.log"), log);
    assert!(String::from_utf8_lossy(&uploaded(&world, "workflow.log")).contains("tagged"), "the log of the push");

    let archive = uploaded(&world, archive["filename"].as_str().unwrap());
    let [(name, text)] = &unpacked(&archive)[..] else { panic!("one file") };
    let text = String::from_utf8_lossy(text);
    assert!(name == "README" && text.contains(&format!("{registry}/demo/app@{digest}")), "{name}: {text}");
}

#[test]
fn the_release_that_koji_would_give_is_the_one_that_is_imported() {
    let Some(world) = world() else { return };
    world.hub().add_build("foo-container-1.0-7", COMPLETE);
    world.clone(&DOCKERFILE.replace(" release=3", ""));
    let run = world.build(&["--push", "--import"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(world.hub().tagged(TAG), ["foo-container-1.0-8"]);
    assert!(world.registry.digest("demo/app:1.0-8").is_some());
}

#[test]
fn a_release_that_is_taken_is_refused_before_anything_is_built() {
    let Some(world) = world() else { return };
    world.hub().add_build(NVR, COMPLETE);
    world.clone(DOCKERFILE);
    let run = world.build(&["--push", "--import"]);
    assert_eq!(run.status, Some(4), "{run}");
    assert!(run.stderr.contains(NVR), "{run}");
    assert!(!run.stdout.contains("STEP 1"), "{run}");
    assert!(world.hub().calls("CGInitBuild").is_empty());
}
#[test]
fn a_build_that_is_stopped_after_its_reservation_is_given_back_as_cancelled() {
    let Some(world) = world() else { return };
    world.hub().inject("checkUpload", Fault::Delay(Duration::from_secs(60)), 1);
    world.clone(DOCKERFILE);
    let run = world.start(&["--push", "--import"]);
    world.hub().wait_for_calls("checkUpload", 1, PATIENCE);
    assert_eq!(world.hub().reservations().len(), 1);
    run.signal("INT");
    let run = run.finish();
    assert_eq!(run.status, Some(130), "{run}");
    assert_eq!((state(&world), world.hub().reservations().len()), (Some(CANCELED), 0), "{run}");
    assert!(world.hub().calls("CGImport").is_empty());
    assert!(run.stdout.contains(&format!("the reservation of {NVR} was given back")), "{run}");
    assert!(run.stdout.contains("the image stays in the registry as"), "{run}");
    // The name is free.
    let run = world.build(&["--push", "--import"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(state(&world), Some(COMPLETE));
}

#[test]
fn an_import_that_the_hub_is_at_is_not_given_up() {
    let Some(world) = world() else { return };
    world.hub().inject("CGImport", Fault::Delay(Duration::from_secs(1)), 1);
    world.clone(DOCKERFILE);
    let run = world.start(&["--push", "--import"]);
    world.hub().wait_for_calls("CGImport", 1, PATIENCE);
    run.signal("INT");
    let run = run.finish();
    assert_eq!((run.status, state(&world)), (Some(0), Some(COMPLETE)), "{run}");
    assert!(world.hub().calls("CGRefundBuild").is_empty(), "{run}");
    assert!(run.stdout.contains(&format!("imported as {NVR}")), "{run}");
}
#[test]
fn a_build_that_the_hub_refuses_is_given_back_as_failed() {
    let Some(world) = world() else { return };
    world.hub().inject("CGImport", Fault::Delay(Duration::from_millis(500)), 1);
    world.clone(DOCKERFILE);
    let run = world.start(&["--push", "--import"]);
    world.hub().wait_for_calls("CGImport", 1, PATIENCE);
    // One byte less than the metadata say.
    world.hub().change(|state| {
        let files = state.uploads.files.iter_mut();
        for (_, file) in files.filter(|((_, name), _)| name.ends_with("build.log")) {
            file.bytes.pop();
        }
    });
    let run = run.finish();
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("x86_64-build.log") && run.stderr.contains("Corrupted upload?"), "{run}");
    assert_eq!((state(&world), world.hub().reservations().len()), (Some(FAILED), 0), "{run}");
    assert!(world.results().join("metadata.json").exists());
    let run = world.build(&["--push", "--import"]);
    assert!(run.succeeded(), "the name is free: {run}");
}
#[test]
fn a_user_who_may_not_import_has_an_image_and_the_metadata() {
    let generators = [(GENERATOR.to_owned(), vec!["somebody-else".to_owned()])].into();
    let options = HubOptions { content_generators: generators, ..HubOptions::default() };
    let Some(world) = LocalWorld::with_hub(options, "koji_import = yes\npush = yes\n") else { return };
    world.clone(DOCKERFILE);
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    let warning = run.stderr.lines().find(|line| line.contains("import into Koji")).expect("a warning");
    for part in ["Content generator access required", GENERATOR, "metadata.json"] {
        assert!(warning.contains(part), "{part}: {run}");
    }
    assert!(!run.stdout.contains("buildinfo?buildID="), "{run}");
    let metadata: Json = serde_json::from_slice(&fs::read(world.results().join("metadata.json")).unwrap()).unwrap();
    assert_eq!(metadata["build"]["name"], "foo-container");
    assert!(world.registry.digest("demo/app:1.0-3").is_some());
    assert_eq!(state(&world), None);
}

#[test]
fn a_content_generator_that_the_hub_does_not_know_is_an_error() {
    let Some(world) = LocalWorld::with_hub(options(), "content_generator = fedpkg-other\n") else { return };
    world.clone(DOCKERFILE);
    let run = world.build(&["--push", "--import"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("fedpkg-other"), "{run}");
    assert!(
        run.stderr.contains("hint: name one that the hub knows as `content_generator` in [fedpkg.local-build]"),
        "{run}"
    );
}

#[test]
fn a_tag_that_is_refused_does_not_undo_the_import() {
    let Some(world) = world() else { return };
    let cases = [
        ("f42-locked-target", "tag is locked", DOCKERFILE.to_owned(), NVR),
        (TAG, "not in list for", DOCKERFILE.replace("foo-container", "unlisted-container"), "unlisted-container-1.0-3"),
        ("f99-nothing", "no target f99-nothing", DOCKERFILE.replace("release=3", "release=4"), "foo-container-1.0-4"),
    ];
    let clone = world.clone(DOCKERFILE);
    for (target, reason, dockerfile, nvr) in cases {
        clone.write("Dockerfile", &dockerfile);
        clone.commit("Another");
        let run = world.build(&["--push", "--import", "--force", "--target", target]);
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.stderr.contains(&format!("{nvr} is imported as build")) && run.stderr.contains(reason), "{run}");
        let result = result(&world);
        assert_eq!((&result["outcome"], &result["builds"][0]["nvr"]), (&json!("failed"), &json!(nvr)));
        assert!(result["repositories"][0].as_str().is_some_and(|name| name.contains("demo/app@sha256:")), "{result}");
        assert!(run.stderr.contains("koji tag-build") && !run.stderr.contains("import into Koji"), "{run}");
        let state = world.hub().change(|state| state.find_build(nvr).map(|build| build.state));
        assert_eq!(state, Some(COMPLETE));
        assert!(world.hub().calls("CGRefundBuild").is_empty());
    }
}

#[test]
fn the_archive_can_be_the_whole_image() {
    let Some(world) = LocalWorld::with_hub(options(), "koji_archive = docker-archive\n") else { return };
    world.clone(DOCKERFILE);
    let run = world.build(&["--push", "--import"]);
    assert!(run.succeeded(), "{run}");
    let metadata = imported(&world);
    let archive = output(&metadata, "docker-image");
    let bytes = uploaded(&world, archive["filename"].as_str().unwrap());
    assert_eq!(archive["filesize"], bytes.len());
    let files = unpacked(&bytes);
    let (_, manifest) = files.iter().find(|(name, _)| name == "manifest.json").expect("a manifest");
    let manifest: Json = serde_json::from_slice(manifest).unwrap();
    let config = archive["extra"]["docker"]["id"].as_str().unwrap().trim_start_matches("sha256:");
    assert_eq!(manifest[0]["Config"], format!("{config}.json"));
    assert_eq!(manifest[0]["Layers"].as_array().unwrap().len(), 2);
}

#[test]
fn images_of_several_architectures_are_one_build() {
    let Some(world) = world() else { return };
    let arm = BaseImage { architecture: "arm64".to_owned(), ..BaseImage::default() };
    push_list(&world.registry, "fedora:42", &[BaseImage::default(), arm]);
    world.clone(
        "FROM fedora:42\nLABEL com.redhat.component=foo-container name=demo/app version=1.0 release=3\n\
         COPY Dockerfile /Dockerfile\n",
    );
    let run =
        world.build(&["--push", "--import", "--isolated", "--build-release", "3.1", "--arches", "x86_64", "aarch64"]);
    assert!(run.succeeded(), "{run}");
    let metadata = world.hub().imported("foo-container-1.0-3.1").unwrap();
    let registry = world.registry.address();
    let digest = world.registry.digest("demo/app:1.0-3.1").unwrap();
    let image = &metadata["build"]["extra"]["image"];
    assert_eq!(image["index"]["digests"], json!({LIST: digest}));
    assert_eq!(image["index"]["tags"], json!(["1.0-3.1"]));
    assert_eq!(
        image["index"]["pull"],
        json!([format!("{registry}/demo/app@{digest}"), format!("{registry}/demo/app:1.0-3.1")])
    );
    assert_eq!(image["media_types"], json!([LIST, V2S2]));
    // Isolated: nothing that others pull has moved.
    assert_eq!((&image["isolated"], &image["index"]["floating_tags"]), (&json!(true), &json!([])));
    assert_eq!(world.registry.digest("demo/app:latest"), None);
    let list = world.registry.manifest("demo/app:1.0-3.1");
    let archives = metadata["output"].as_array().unwrap().iter().filter(|output| output["type"] == "docker-image");
    let found: Vec<(&str, &Json)> = archives
        .map(|archive| (archive["arch"].as_str().unwrap(), &archive["extra"]["docker"]["digests"][V2S2]))
        .collect();
    for (arch, goarch) in [("x86_64", "amd64"), ("aarch64", "arm64")] {
        let entry =
            list["manifests"].as_array().unwrap().iter().find(|entry| entry["platform"]["architecture"] == goarch);
        assert!(found.contains(&(arch, &entry.expect(goarch)["digest"])), "{found:?}");
    }
    assert_eq!(metadata["buildroots"].as_array().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_imported_is_refused_before_it_is_built() {
    let Some(world) = world() else { return };
    world.clone(DOCKERFILE);
    for options in [&["--import"][..], &["--import", "--push", "--scratch"]] {
        let run = world.build(options);
        assert_eq!(run.status, Some(4), "{options:?} {run}");
        assert!(run.stderr.contains("--import needs --push, and no scratch build"), "{options:?} {run}");
    }
    assert_eq!(world.registry.tags("demo/app"), Vec::<String>::new());
    assert!(world.hub().calls("CGInitBuild").is_empty());
    let Some(world) = LocalWorld::new() else { return };
    world.clone(DOCKERFILE);
    let run = world.build(&["--import", "--push"]);
    assert_eq!(run.status, Some(4), "{run}");
    assert!(run.stderr.contains("no Koji hub is configured to import into"), "{run}");
}

#[test]
fn what_the_hub_would_not_tag_is_refused_before_it_is_built() {
    let Some(world) = world() else { return };
    let clone = world.clone(DOCKERFILE);
    let unlisted = DOCKERFILE.replace("foo-container", "unlisted-container");
    let cases = [
        ("f99-nothing", DOCKERFILE, "Unknown build target: f99-nothing"),
        ("f42-locked-target", DOCKERFILE, "is locked"),
        (TAG, &unlisted, "package (container) unlisted-container not in list for tag"),
    ];
    for (target, dockerfile, reason) in cases {
        clone.write("Dockerfile", dockerfile);
        clone.commit("Another");
        for dry in [&[][..], &["--dry-run"]] {
            let run = world.build(&[&["--push", "--import", "--target", target], dry].concat());
            assert_eq!(run.status, Some(4), "{run}");
            assert!(run.stderr.contains(reason), "{run}");
            assert!(!run.stdout.contains("STEP 1"), "{run}");
        }
    }
    assert_eq!(world.registry.tags("demo/app"), Vec::<String>::new());
    assert!(world.hub().calls("CGInitBuild").is_empty());
    assert_eq!(world.hub().calls("logout").len(), world.hub().calls("login").len());
    // Who imports nothing needs no target.
    assert!(world.build(&["--target", "f99-nothing"]).succeeded());
}

#[test]
fn a_hub_that_builds_no_containers_itself_takes_imports() {
    let Some(world) = world() else { return };
    world.hub().hide_method("buildContainer");
    world.clone(DOCKERFILE);
    let run = world.build(&["--push", "--import"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(world.hub().tagged(TAG), [NVR]);
}

#[test]
fn a_hub_that_goes_away_during_the_uploads_has_no_build_unless_the_name_stays_reserved() {
    let Some(world) = world() else { return };
    world.clone(DOCKERFILE);
    world.hub().inject_for_good("checkUpload", Fault::Status(503, "<html>busy"));
    let run = world.build(&["--push", "--import"]);
    assert_eq!((run.status, state(&world)), (Some(6), Some(FAILED)), "{run}");
    world.hub().inject_for_good("CGRefundBuild", Fault::Status(503, "<html>busy"));
    let run = world.build(&["--push", "--import"]);
    assert_eq!((run.status, world.hub().reservations().len()), (Some(7), 1), "{run}");
    assert!(run.stderr.contains("its reservation could not be given back"), "{run}");
    assert!(run.stderr.contains(&format!("hint: when the hub is back: koji cancel {NVR}")), "{run}");
}

#[test]
fn a_name_that_the_hub_may_be_importing_is_not_given_back() {
    let Some(world) = world() else { return };
    world.clone(DOCKERFILE);
    world.hub().inject("CGImport", Fault::LoseAnswer, 1);
    // The looks for a release that is taken are answered.
    world.hub().inject_after(2, "getBuild", Fault::Status(503, "<html>busy"), 2);
    let run = world.build(&["--push", "--import"]);
    assert_eq!((run.status, state(&world)), (Some(7), Some(COMPLETE)), "{run}");
    assert!(world.hub().calls("CGRefundBuild").is_empty(), "{run}");
    assert!(run.stderr.contains(&format!("it is not known whether the hub imported {NVR}")), "{run}");
}

#[test]
fn a_tag_that_is_not_seen_is_no_failure_of_the_import() {
    let Some(world) = world() else { return };
    world.clone(DOCKERFILE);
    world.hub().inject_for_good("getTaskInfo", Fault::Status(503, "<html>busy"));
    let run = world.build(&["--push", "--import"]);
    assert_eq!((run.status, state(&world)), (Some(7), Some(COMPLETE)), "{run}");
    assert!(run.stderr.contains(&format!("{NVR} is imported as build")), "{run}");
    assert!(
        run.stderr.contains("was not seen to be tagged") && run.stderr.contains("hint: ask the hub later"),
        "{run}"
    );
    assert_eq!(result(&world)["builds"][0]["nvr"], NVR);
}

#[test]
fn a_password_that_is_wrong_is_found_out_before_the_build() {
    let Some(world) = world() else { return };
    world.clone(DOCKERFILE);
    let mut command = world.command(&["--push", "--import"]);
    command.env("FEDPKG_CONTAINER_BUILD_PASSWORD", "wrong");
    let run = world.sandbox.finish(command);
    assert_eq!(run.status, Some(5), "{run}");
    assert!(!run.stdout.contains("STEP 1"), "{run}");
}

#[test]
fn content_manifests_are_imported_where_the_hub_has_their_type() {
    let options = HubOptions { types: vec!["icm".to_owned()], ..options() };
    let Some(world) = LocalWorld::with_hub(options, "") else { return };
    world.clone(DOCKERFILE);
    let run = world.build(&["--push", "--import"]);
    assert!(run.succeeded(), "{run}");
    let metadata = imported(&world);
    let types = &metadata["build"]["extra"]["typeinfo"];
    assert_eq!(types, &json!({"icm": {"name": "icm", "archives": ["icm-x86_64.json"]}}));
    assert_eq!(output(&metadata, "icm")["extra"], json!({"typeinfo": {"icm": {}}}));
    let manifest: Json = serde_json::from_slice(&uploaded(&world, "icm-x86_64.json")).unwrap();
    assert_eq!(manifest["metadata"]["image_layer_index"], 1);
}

#[test]
fn user_data_and_repositories_are_stored_with_the_build() {
    use crate::support::lookaside::Lookaside;
    let Some(world) = world() else { return };
    let server = Lookaside::start();
    server.file("/extra.repo", b"[extra]\nbaseurl=https://repos.example.com/\ngpgcheck=1\n");
    world.clone(DOCKERFILE);
    let url = format!("{}/extra.repo", server.url());
    let secret = url.replacen("http://", "http://user:secret@", 1);
    let data = r#"{"team": "one", "n": [1, null]}"#;
    let run = world.build(&["--push", "--import", "--userdata", data, "--repo-url", &secret]);
    assert!(run.succeeded(), "{run}");
    let metadata = imported(&world);
    let extra = &metadata["build"]["extra"];
    assert_eq!(extra["custom_user_metadata"], json!({"team": "one", "n": [1, null]}));
    assert!(extra["image"]["yum_repourls"][0].as_str().unwrap().ends_with("/extra.repo"), "{extra}");
    let all = metadata.to_string() + &String::from_utf8_lossy(&uploaded(&world, "workflow.log"));
    assert!(!all.contains("user:secret") && !run.stdout.contains("user:secret"), "{run}");
}

#[test]
fn an_import_whose_answer_is_lost_is_known_to_have_happened() {
    let Some(world) = world() else { return };
    world.hub().inject("CGImport", Fault::LoseAnswer, 1);
    world.clone(DOCKERFILE);
    let run = world.build(&["--push", "--import"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!((state(&world), world.hub().tagged(TAG)), (Some(COMPLETE), vec![NVR.to_owned()]));
    assert!(world.hub().calls("CGRefundBuild").is_empty());
}
