//! What is found out about the packages of an image, and which images are refused for it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::support::images::{BaseImage, tree_with_rpm};
use crate::support::local_world::LocalWorld;
use crate::support::peers;
use crate::support::rpms::{Rpms, key_id};
use crate::support::sandbox::Repository;

const LABELS: &str = "LABEL com.redhat.component=demo-container name=demo/app version=1.0 release=3\n";
/// Adds what is in the archive over what the base has.
const ADD: &str = "FROM fedora:42\nLABEL com.redhat.component=demo-container name=demo/app version=1.0 release=3\n\
                   ADD rpms.tar.gz /\n";
const BAZ: &str = "baz-0.1-3.fc42.noarch";
const FOREIGN: &str = "foreign-1.0-3.fc42.noarch";

/// A world whose base image has these packages.
fn world(base: &[&str]) -> Option<(LocalWorld, Arc<Rpms>)> {
    let rpms = Rpms::shared()?;
    let world = LocalWorld::new()?;
    let tree = rpms.tree(base);
    let image = BaseImage { trees: vec![tree.path().to_owned()], ..BaseImage::default() };
    image.push(&world.registry, "fedora:42");
    Some((world, rpms))
}

/// What the build adds from now on.
fn put(clone: &Repository<'_>, archive: &[u8]) {
    fs::write(clone.path.join("rpms.tar.gz"), archive).unwrap();
    clone.commit("Other packages");
}

fn results(world: &LocalWorld, name: &str) -> Json {
    serde_json::from_slice(&fs::read(world.results().join(name)).unwrap()).unwrap()
}

fn names(packages: &Json) -> Vec<&str> {
    packages.as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap()).collect()
}

/// A file system's tree as paths, sizes and times: whether anything in it was touched.
fn state_of(folder: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            format!("{:?} {} {}.{}", entry.file_name(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
        })
        .collect();
    files.sort();
    files
}
#[test]
fn new_packages_must_be_signed_by_the_keys_that_count() {
    let Some((world, rpms)) = world(&["foo"]) else { return };
    let clone = world.clone(ADD);
    let (ours, other) = (rpms.key.as_str(), rpms.other_key.as_str());
    let short = &ours[ours.len() - 8..].to_lowercase();
    let [key, other_key, required] =
        [format!("signed_by = {ours}\n"), format!("signed_by = {other}\n"), "require_signed = yes\n".to_owned()];
    // What is installed besides foo, configuration, options, and the packages that it is refused for.
    type Case<'a> = (&'a [&'a str], &'a str, &'a [&'a str], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (&["bar", "baz"], "", &["--signed-by", ours], &[BAZ]),
        (&["bar", "foreign"], "", &["--signed-by", ours], &[FOREIGN]),
        (&["bar", "foreign"], "", &["--signed-by", ours, "--signed-by", other], &[]),
        (&["bar", "whole"], "", &["--signed-by", short], &[]),
        (&["baz", "foreign"], &key, &[], &[BAZ, FOREIGN]),
        // foo is not signed by this one, and came with the base.
        (&["foreign"], &other_key, &[], &[]),
        (&["bar"], &key, &["--signed-by", other], &["bar-2:2.0-3.fc42.noarch"]),
        (&["bar", "foreign"], &required, &[], &[]),
        (&["baz", "foreign"], &required, &[], &[BAZ]),
    ];
    for (packages, section, options, refused) in cases {
        world.configure(section);
        put(&clone, &rpms.archive(&[&["foo"], *packages].concat()));
        let run = world.build(&[*options, &["--push"]].concat());
        let case = format!("{packages:?} {section:?} {options:?}\n{run}");
        if refused.is_empty() {
            assert!(run.succeeded(), "{case}");
            continue;
        }
        assert_eq!(run.status, Some(1), "{case}");
        let error = run.stderr.lines().find(|line| line.starts_with("Reason: unsigned content")).expect(&case);
        for package in packages.iter().chain(&["foo"]) {
            let named = refused.iter().any(|refused| refused.starts_with(package));
            assert_eq!(error.contains(&format!("{package}-")), named, "{case}");
        }
        assert!(refused.iter().all(|refused| error.contains(refused)), "{case}");
        assert!(run.stderr.contains("--scratch"), "a hint: {case}");
    }
    // Nothing that was refused has been pushed: four builds, each with a tag of its own.
    let tags = world.registry.tags("demo/app");
    assert_eq!(tags.iter().filter(|tag| tag.starts_with("f40")).count(), 4, "{tags:?}");
}
#[test]
fn unsigned_packages_are_only_warned_about_without_keys_and_in_scratch_builds() {
    let Some((world, rpms)) = world(&["foo"]) else { return };
    let clone = world.clone(ADD);
    put(&clone, &rpms.archive(&["foo", "bar", "baz"]));
    for options in [&[][..], &["--scratch", "--signed-by", &rpms.key]] {
        let run = world.build(options);
        assert!(run.succeeded(), "{options:?} {run}");
        let warnings = run.stdout.split_once("user_warnings:\n").expect("warnings").1;
        assert!(warnings.contains("unsigned") && warnings.contains(BAZ), "{run}");
        assert!(!warnings.contains("bar-") && !warnings.contains("foo-"), "{run}");
    }
}

#[test]
fn packages_of_the_base_are_told_and_never_refused() {
    let Some((world, rpms)) = world(&["foo", "baz"]) else { return };
    let clone = world.clone(ADD);
    put(&clone, &rpms.archive(&["foo", "baz", "bar"]));
    let run = world.build(&["--signed-by", &rpms.key]);
    assert!(run.succeeded(), "{run}");
    let warnings = run.stdout.split_once("user_warnings:\n").expect("warnings").1;
    assert!(warnings.contains("1 package of the base image is unsigned") && warnings.contains(BAZ), "{run}");
    let packages = results(&world, "packages-x86_64.json");
    let inherited: Vec<bool> =
        packages.as_array().unwrap().iter().map(|package| package["inherited"].as_bool().unwrap()).collect();
    assert_eq!((names(&packages), inherited), (vec!["bar", "baz", "foo"], vec![false, true, true]));
}

#[test]
fn the_packages_are_shown_and_kept_with_their_keys() {
    let Some((world, rpms)) = world(&["foo"]) else { return };
    let clone = world.clone(ADD);
    put(&clone, &rpms.archive(&["foo", "bar", "baz", "whole"]));
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    let key = key_id(&rpms.key);
    let rows: Vec<Vec<&str>> = run.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        ["bar", "2:2.0-3.fc42", "noarch", &key, "build"],
        ["baz", "0.1-3.fc42", "noarch", "unsigned", "build"],
        ["foo", "1.2-3.fc42", "noarch", &key, "base"],
        ["whole", "1.0-3.fc42", "noarch", &key, "build"],
    ] {
        assert!(rows.iter().any(|found| found.ends_with(&row)), "{row:?} {run}");
    }
    let packages = results(&world, "packages-x86_64.json");
    assert_eq!(names(&packages), ["bar", "baz", "foo", "whole"]);
    let bar = &packages[0];
    assert_eq!(bar["epoch"], 2);
    assert_eq!(bar["signature"], json!(key));
    assert_eq!((&bar["signed"], &packages[1]["signed"]), (&json!("allowed"), &json!("unsigned")));
    assert_eq!(packages[1]["signature"], Json::Null);
    // What rpm itself says of the file.
    let rpm = Command::new("rpm").args(["-qp", "--nosignature", "--qf", "%{SIGMD5}"]).arg(rpms.path("bar")).output();
    assert_eq!(bar["sigmd5"], String::from_utf8(rpm.unwrap().stdout).unwrap());
}

#[test]
fn packages_that_a_run_installs_are_found() {
    let Some(rpms) = Rpms::shared() else { return };
    let Some(world) = LocalWorld::new() else { return };
    let tree = tempfile::tempdir().unwrap();
    tree_with_rpm(tree.path());
    rpms.install(tree.path(), &["foo"]);
    let image = BaseImage { trees: vec![tree.path().to_owned()], ..BaseImage::default() };
    image.push(&world.registry, "fedora:42");
    let clone = world.clone(&format!(
        "FROM fedora:42\n{LABELS}COPY bar.rpm baz.rpm /tmp/\n\
         RUN /usr/bin/rpm --dbpath /var/lib/rpm -i --nodeps --nosignature /tmp/bar.rpm /tmp/baz.rpm && rm /tmp/*.rpm\n"
    ));
    for name in ["bar", "baz"] {
        fs::copy(rpms.path(name), clone.path.join(format!("{name}.rpm"))).unwrap();
    }
    clone.commit("Packages");
    let run = world.build(&["--signed-by", &rpms.key]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains(BAZ), "{run}");
    assert_eq!(names(&results(&world, "packages-x86_64.json")), ["bar", "baz", "foo"]);
    assert_eq!((world.containers(), world.mounts()), (0, 0));
}

#[test]
fn the_database_is_found_where_fedora_has_it() {
    let Some(rpms) = Rpms::shared() else { return };
    let Some(world) = LocalWorld::new() else { return };
    let tree = rpms.tree(&["foo"]);
    let root = tree.path();
    fs::create_dir_all(root.join("usr/lib/sysimage")).unwrap();
    fs::rename(root.join("var/lib/rpm"), root.join("usr/lib/sysimage/rpm")).unwrap();
    std::os::unix::fs::symlink("../../usr/lib/sysimage/rpm", root.join("var/lib/rpm")).unwrap();
    let image = BaseImage { trees: vec![root.to_owned()], ..BaseImage::default() };
    image.push(&world.registry, "fedora:42");
    world.clone(&format!("FROM fedora:42\n{LABELS}RUN echo 1 > /one\n"));
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(names(&results(&world, "packages-x86_64.json")), ["foo"]);
}
#[test]
fn a_link_never_leads_to_the_database_of_this_machine() {
    let Some(rpms) = Rpms::shared() else { return };
    let Some(world) = LocalWorld::new() else { return };
    let host = rpms.tree(&["foo", "baz"]);
    let database = host.path().join("var/lib/rpm");
    let before = state_of(&database);
    for folder in ["/var/lib/rpm", "/usr/lib/sysimage/rpm"] {
        let text = format!(
            "FROM fedora:42\n{LABELS}RUN mkdir -p /usr/lib/sysimage && /bin/busybox ln -s {} {folder}\n",
            database.display()
        );
        let clone = world.sandbox.root().join("foo");
        if clone.exists() {
            fs::remove_dir_all(&clone).unwrap();
            fs::remove_dir_all(world.sandbox.root().join("srv")).unwrap();
        }
        world.clone(&text);
        let run = world.build(&[]);
        assert!(run.succeeded(), "{run}");
        assert!(run.stdout.contains("no package database") && !run.stdout.contains("baz"), "{run}");
        assert_eq!(results(&world, "packages-x86_64.json"), json!([]));
    }
    assert_eq!(state_of(&database), before);
}
#[test]
fn an_image_that_lost_the_database_of_its_base_is_refused() {
    let Some((world, _rpms)) = world(&["foo"]) else { return };
    world.clone(&format!("FROM fedora:42\n{LABELS}RUN rm -rf /var/lib/rpm\n"));
    let before = fs::metadata("/var/lib/rpm").ok().and_then(|folder| folder.modified().ok());
    let run = world.build(&["--push"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("package database") && run.stderr.contains("base image"), "{run}");
    assert_eq!(world.registry.tags("demo/app"), Vec::<String>::new());
    // A scratch build is somebody's own business.
    let run = world.build(&["--scratch"]);
    assert!(run.succeeded(), "{run}");
    let warnings = run.stdout.split_once("user_warnings:\n").expect("warnings").1;
    assert!(warnings.contains("package database"), "{run}");
    assert_eq!(fs::metadata("/var/lib/rpm").ok().and_then(|folder| folder.modified().ok()), before);
}
#[test]
fn an_image_without_packages_is_fine_where_its_base_has_none() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone(&format!("FROM fedora:42\n{LABELS}RUN echo 1 > /one\n"));
    BaseImage::default().rootfs(&clone.path.join("rootfs.tar.gz"));
    clone.commit("A file system");
    for text in ["FROM fedora:42\n", "FROM scratch\nADD rootfs.tar.gz /\n"] {
        clone.write("Dockerfile", &format!("{text}{LABELS}RUN echo 1 > /one\n"));
        clone.commit("Another base");
        // Even where signatures are asked for: there is nothing to be signed.
        let run = world.build(&["--signed-by", "0123456789abcdef"]);
        assert!(run.succeeded(), "{text} {run}");
        assert!(run.stdout.contains("no package database"), "{text} {run}");
        assert_eq!(results(&world, "packages-x86_64.json"), json!([]));
    }
}

#[test]
fn a_database_that_cannot_be_read_is_a_clear_error() {
    let Some((world, _rpms)) = world(&["foo"]) else { return };
    world.clone(&format!(
        "FROM fedora:42\n{LABELS}RUN mkdir -p /var/lib/rpm && cd /var/lib/rpm && rm -f rpmdb.sqlite* && \
         seq 1 9999 > rpmdb.sqlite\n"
    ));
    let run = world.build(&["--push"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("the package database of the image cannot be read"), "{run}");
    assert_eq!(world.registry.tags("demo/app"), Vec::<String>::new());
    assert_eq!((world.containers(), world.mounts()), (0, 0));
}
#[test]
fn an_image_that_is_too_large_is_not_pushed() {
    let Some(world) = LocalWorld::new() else { return };
    world.clone(&format!("FROM fedora:42\n{LABELS}RUN dd if=/dev/zero of=/big bs=1024 count=3000\n"));
    world.configure("image_size_limit = 3000000\n");
    let run = world.build(&["--push"]);
    assert_eq!(run.status, Some(1), "{run}");
    let error = run.stderr.lines().find(|line| line.contains("image_size_limit")).expect("an error");
    let numbers: Vec<u64> = error
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .filter(|number| *number > 1000)
        .collect();
    assert!(matches!(numbers[..], [size, 3_000_000] if size > 3_072_000), "{error}");
    assert_eq!(world.registry.tags("demo/app"), Vec::<String>::new());
    world.configure("image_size_limit = 300000000\n");
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
}

#[test]
fn the_bill_of_materials_is_what_cyclonedx_allows() {
    let Some(python) = peers::python() else { return };
    let Some((world, rpms)) = world(&["foo"]) else { return };
    let clone = world.clone(ADD);
    put(&clone, &rpms.archive(&["foo", "bar", "baz"]));
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    let text = fs::read_to_string(world.results().join("sbom-x86_64.json")).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/sbom_peer.py");
    let mut peer = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    peer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = peer.wait_with_output().unwrap();
    assert!(output.status.success(), "{} {text}", String::from_utf8_lossy(&output.stdout));
    let document: Json = serde_json::from_str(&text).unwrap();
    let purls: Vec<&str> =
        document["components"].as_array().unwrap().iter().map(|found| found["purl"].as_str().unwrap()).collect();
    assert_eq!(
        purls,
        [
            "pkg:rpm/fedora/bar@2.0-3.fc42?arch=noarch&epoch=2",
            "pkg:rpm/fedora/baz@0.1-3.fc42?arch=noarch",
            "pkg:rpm/fedora/foo@1.2-3.fc42?arch=noarch"
        ]
    );
    assert_eq!(document["metadata"]["component"]["name"], "demo/app");
}

#[test]
fn the_content_manifest_in_the_image_counts_the_layers_of_the_base() {
    let Some((world, rpms)) = world(&["foo"]) else { return };
    let clone = world.clone(ADD);
    put(&clone, &rpms.archive(&["foo", "bar"]));
    assert!(world.build(&["--push"]).succeeded());
    clone.write("content_sets.yml", "x86_64:\n- fedora-42\naarch64:\n- other\n");
    for (text, layers) in [("FROM demo/app:1.0-3\n", 2), ("FROM scratch\nADD rpms.tar.gz /\n", 0)] {
        let labels = "LABEL com.redhat.component=other-container name=demo/other version=2 release=1\n";
        clone.write("Dockerfile", &format!("{text}{labels}"));
        clone.commit("Another base");
        let run = world.build(&["--push"]);
        assert!(run.succeeded(), "{run}");
        let folder = tempfile::tempdir().unwrap();
        world.registry.unpack("demo/other:2-1", folder.path());
        let stored = folder.path().join("files/root/buildinfo/content_manifests/other-container-2-1.json");
        let manifest: Json = serde_json::from_slice(&fs::read(stored).unwrap()).unwrap();
        assert_eq!(manifest["metadata"]["image_layer_index"], layers, "{text}");
        assert_eq!(manifest["content_sets"], json!(["fedora-42"]));
        assert_eq!(manifest, results(&world, "icm-x86_64.json"));
    }
}
