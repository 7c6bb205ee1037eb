//! Images as files, and among the user's own images.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

use crate::support::local_world::{DOCKERFILE, LocalWorld};
use crate::support::processes;
use crate::support::world::PATIENCE;

/// The folder that images are exported to, empty.
fn folder(world: &LocalWorld) -> PathBuf {
    let folder = world.sandbox.root().join("exports");
    fs::create_dir(&folder).unwrap();
    folder
}

/// Has builds use a shell script in place of buildah.
fn wrap_buildah(world: &LocalWorld, script: &str) {
    let wrapper = world.sandbox.write("wrapped-buildah", &format!("#!/bin/sh\n{script}"));
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    world.configure(&format!("buildah = {}\n", wrapper.display()));
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The labels of an image as skopeo sees it.
fn labels(place: &str) -> Json {
    let output = succeed(Command::new("skopeo").args(["inspect", place]));
    serde_json::from_slice::<Json>(&output.stdout).unwrap()["Labels"].take()
}

fn member(archive: &Path, name: &str) -> Vec<u8> {
    succeed(Command::new("tar").arg("-xOf").arg(archive).arg(name)).stdout
}

/// The place without compression: older skopeo cannot read compressed archives by itself.
fn unpacked(place: &str, folder: &Path) -> String {
    let Some((transport, file)) = place.split_once(':').filter(|(_, file)| file.ends_with(".gz")) else {
        return place.to_owned();
    };
    let to = folder.join("unpacked.tar");
    fs::write(&to, succeed(Command::new("gzip").args(["-dc", file])).stdout).unwrap();
    format!("{transport}:{}", to.display())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
#[test]
fn an_archive_is_read_by_others_and_knows_its_full_name() {
    let Some(world) = LocalWorld::new() else { return };
    let folder = folder(&world);
    let clone = world.clone(DOCKERFILE);
    let places = ["docker-archive:a.tar", "docker-archive:b.tar.gz", "oci-archive:c.tar", "oci-archive:d.tar.gz"]
        .map(|place| place.replace(':', &format!(":{}/", folder.display())));
    let options: Vec<&str> = places.iter().flat_map(|place| ["--export", place.as_str()]).collect();
    let run = world.build(&options);
    assert!(run.succeeded(), "{run}");
    assert_eq!(names(&folder), ["a.tar", "b.tar.gz", "c.tar", "d.tar.gz"], "and nothing else");
    let name = format!("{}/demo/app:1.0-3", world.registry.address());
    for place in &places {
        assert_eq!(labels(&unpacked(place, world.sandbox.root()))["vcs-ref"], clone.head(), "{place}");
        assert!(run.stdout.contains(&format!("{name} is in {}", world.sandbox.normalised(place.as_bytes()))), "{run}");
    }
    for file in ["a.tar", "b.tar.gz"] {
        let manifest: Json = serde_json::from_slice(&member(&folder.join(file), "manifest.json")).unwrap();
        let tags = manifest[0]["RepoTags"].as_array().unwrap();
        assert!(tags.contains(&Json::from(name.clone())), "{file}: {tags:?}");
    }
    for file in ["c.tar", "d.tar.gz"] {
        let index: Json = serde_json::from_slice(&member(&folder.join(file), "index.json")).unwrap();
        assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], name, "{file}");
    }
    let magic = |file: &str| fs::read(folder.join(file)).unwrap()[..2].to_vec();
    assert_eq!(
        ["a.tar", "b.tar.gz", "c.tar", "d.tar.gz"].map(|file| magic(file) == [0x1f, 0x8b]),
        [false, true, false, true]
    );

    let mode = fs::metadata(folder.join("a.tar")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, fs::metadata(clone.path.join("Dockerfile")).unwrap().permissions().mode() & 0o777);

    let storage = tempfile::tempdir().unwrap();
    let buildah = || {
        let mut buildah = Command::new("buildah");
        buildah.arg("--root").arg(storage.path().join("root")).arg("--runroot").arg(storage.path().join("run"));
        buildah.args(["--storage-driver", "vfs"]);
        buildah
    };
    succeed(buildah().args(["pull", "--quiet", &places[0]]));
    let images = succeed(buildah().args(["images", "--format", "{{.Name}}:{{.Tag}}"])).stdout;
    assert!(String::from_utf8_lossy(&images).lines().any(|line| line == name), "{}", String::from_utf8_lossy(&images));
}

#[test]
fn an_image_goes_to_the_users_own_images() {
    let Some(mut world) = LocalWorld::new() else { return };
    let own = world.sandbox.root().join("own");
    let config = world.sandbox.write(
        "storage.conf",
        &format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/root\"\nrunroot = \"{0}/run\"\n", own.display()),
    );
    world.sandbox.set_variable("CONTAINERS_STORAGE_CONF", &config.to_string_lossy());
    let clone = world.clone(DOCKERFILE);
    let run = world.build(&["--export", "containers-storage:localhost/mine:1"]);
    assert!(run.succeeded(), "{run}");
    let place = format!("containers-storage:[vfs@{0}/root+{0}/run]localhost/mine:1", own.display());
    assert_eq!(labels(&place)["vcs-ref"], clone.head());
}

#[test]
fn what_cannot_be_written_is_refused_before_it_is_built() {
    let Some(world) = LocalWorld::new() else { return };
    let folder = folder(&world);
    fs::write(folder.join("there.tar"), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("link.tar")).unwrap();
    world.clone(DOCKERFILE);
    let cases = [
        ("docker-archive:there.tar", "exports/there.tar exists already, and is left alone"),
        ("oci-archive:link.tar", "exports/link.tar exists already, and is left alone"),
        ("oci-archive:no/a.tar", "there is no folder $ROOT/exports/no"),
    ];
    for (place, error) in cases {
        let place = place.replace(':', &format!(":{}/", folder.display()));
        let run = world.build(&["--export", &place]);
        assert_eq!(run.status, Some(4), "{place} {run}");
        assert!(run.stderr.contains(error), "{place} {run}");
        assert!(!run.stdout.contains("STEP 1"), "{place} {run}");
    }
    assert_eq!(fs::read(folder.join("there.tar")).unwrap(), b"mine");
    let run = world.build(&["--export", "somewhere"]);
    assert_eq!(run.status, Some(2), "{run}");
    let run = world.build(&["--scratch", "--arches", "x86_64", "aarch64", "--export", "docker-archive:a.tar"]);
    assert_eq!(run.status, Some(4), "{run}");
    assert!(run.stderr.contains("docker-archive cannot hold images of several architectures"), "{run}");
}

#[test]
fn a_file_that_comes_meanwhile_is_left_alone() {
    let Some(world) = LocalWorld::new() else { return };
    let folder = folder(&world);
    let target = folder.join("a.tar");
    // buildah that has not done with building before the file is there.
    let waiting = format!("while ! test -e '{}'; do sleep 0.05; done", target.display());
    wrap_buildah(&world, &format!("buildah \"$@\" || exit\ncase \"$*\" in *' build '*) {waiting};; esac\n"));
    world.clone(DOCKERFILE);
    let mut run = world.start(&["--export", &format!("docker-archive:{}", target.display())]);
    run.read_until("STEP 1");
    fs::write(&target, "mine").unwrap();
    let run = run.finish();
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("exists already, and is left alone"), "{run}");
    assert_eq!((names(&folder), fs::read(&target).unwrap()), (vec!["a.tar".to_owned()], b"mine".to_vec()));
}

#[test]
fn an_export_that_is_stopped_leaves_no_file() {
    let Some(world) = LocalWorld::new() else { return };
    let folder = folder(&world);
    // buildah that does not get done once it has begun to write.
    wrap_buildah(&world, "case \"$*\" in *docker-archive:*) sleep 60.25;; esac\nexec buildah \"$@\"\n");
    world.clone(DOCKERFILE);
    let run = world.start(&["--export", &format!("docker-archive:{}/a.tar", folder.display())]);
    processes::wait_for("sleep 60.25", PATIENCE);
    run.signal("INT");
    let run = run.finish();
    assert_eq!(run.status, Some(130), "{run}");
    assert_eq!(names(&folder), Vec::<String>::new());
    assert_eq!((world.containers(), world.mounts()), (0, 0));
}
