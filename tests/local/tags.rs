//! What the registry gets, and what happens where it cannot be reached as it should be.

use crate::support::images::{BaseImage, push_list};
use crate::support::local_world::LocalWorld;
use crate::support::registry::{Registry, RegistryOptions};

const DOCKERFILE: &str =
    "FROM fedora:42\nLABEL com.redhat.component=foo-container name=demo/app version=1.0 release=3\nRUN echo 1 > /one\n";
#[test]
fn each_kind_of_build_has_its_tags() {
    for (files, arguments, expected) in [
        (&[][..], &[][..], &["1.0", "1.0-3", "latest"][..]),
        (&[("additional-tags", "beta\nb-a-d\n\nstable\n")], &[], &["1.0", "1.0-3", "beta", "latest", "stable"]),
        (&[("container.yaml", "tags: [a]\n"), ("additional-tags", "beta\n")], &[], &["1.0-3", "a"]),
        (&[], &["--isolated", "--build-release", "3.1"], &["1.0-3.1"]),
        (&[], &["--scratch"], &[]),
    ] {
        let Some(world) = LocalWorld::new() else { return };
        let clone = world.clone(DOCKERFILE);
        files.iter().for_each(|(name, text)| drop(clone.write(name, text)));
        clone.commit("Files");
        let run = world.build(&[&["--push", "--target", "tgt"], arguments].concat());
        assert!(run.succeeded(), "{run}");
        let (unique, others): (Vec<_>, Vec<_>) =
            world.registry.tags("demo/app").into_iter().partition(|tag| tag.starts_with("tgt-"));
        assert_eq!(
            (unique.len(), others),
            (1, expected.iter().map(|tag| (*tag).to_owned()).collect()),
            "{arguments:?}"
        );
        let digest = world.registry.digest(&format!("demo/app:{}", unique[0])).unwrap();
        assert!(run.stdout.contains(&format!("/demo/app@{digest}")), "{run}");
    }
}

#[test]
fn several_architectures_are_one_list() {
    let Some(world) = LocalWorld::new() else { return };
    let arch = |name: &str| BaseImage { architecture: name.to_owned(), ..BaseImage::default() };
    push_list(&world.registry, "multi:1", &[arch("amd64"), arch("arm64")]);
    let clone =
        world.clone(&DOCKERFILE.replace("fedora:42", "multi:1").replace("RUN echo 1 > /one\n", "COPY one /one\n"));
    clone.write("one", "1\n");
    clone.commit("A file");
    let run = world.build(&["--push", "--arches", "x86_64", "aarch64"]);
    assert!(run.succeeded(), "{run}");
    let list = world.registry.manifest("demo/app:1.0-3");
    let entries = list["manifests"].as_array().unwrap();
    let arches: Vec<&str> = entries.iter().map(|entry| entry["platform"]["architecture"].as_str().unwrap()).collect();
    assert_eq!(arches, ["amd64", "arm64"]);
    for (entry, expected) in entries.iter().zip(["x86_64", "aarch64"]) {
        let config = world.registry.config(&format!("demo/app@{}", entry["digest"].as_str().unwrap()));
        assert_eq!(config["config"]["Labels"]["architecture"], expected);
    }
    let needs_running = clone.path.join("Dockerfile");
    std::fs::write(needs_running, DOCKERFILE.replace("fedora:42", "multi:1")).unwrap();
    clone.commit("Run something");
    if !std::path::Path::new("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists() {
        let run = world.build(&["--arches", "aarch64"]);
        assert_eq!(run.status, Some(4), "{run}");
        assert!(run.stderr.contains("programs for aarch64 do not run on this machine"), "{run}");
    }
}
#[test]
fn registries_that_cannot_be_reached_are_told_apart() {
    let user = RegistryOptions { user: Some(("u", "hidden-word")), ..RegistryOptions::default() };
    let tls = RegistryOptions { tls: true, ..RegistryOptions::default() };
    let no_registry = "insecure_registries = other.example.com\n";
    for (options, section, stop, status, expected) in [
        (user, "", false, Some(5), "log in with `skopeo login"),
        (tls, no_registry, false, Some(6), "put the registry's CA into the system's trust store"),
        (RegistryOptions::default(), no_registry, false, Some(6), "the registry speaks plain HTTP"),
        (RegistryOptions::default(), "", true, Some(6), "does it run?"),
    ] {
        let Some(mut world) = LocalWorld::with(options, section) else { return };
        world.clone(DOCKERFILE);
        if stop {
            world.registry.stop();
        }
        let run = world.build(&[]);
        assert_eq!(run.status, status, "{run}");
        assert!(run.stderr.contains(expected), "{expected}: {run}");
        assert!(!run.to_string().contains("hidden-word"), "{run}");
    }
}
#[test]
fn credentials_of_either_form_open_the_registry() {
    let options = RegistryOptions { user: Some(("u", "hidden-word")), ..RegistryOptions::default() };
    let Some(world) = LocalWorld::with(options, "") else { return };
    world.clone(DOCKERFILE);
    let authfile = world.registry.authfile();
    let old = world.sandbox.root().join(".dockercfg");
    let auths: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&authfile).unwrap()).unwrap();
    std::fs::write(&old, auths["auths"].to_string()).unwrap();
    for file in [authfile, old] {
        world.configure(&format!("authfile = {}\n", file.display()));
        let run = world.build(&["--push"]);
        assert!(run.succeeded(), "{run}");
        assert!(!run.to_string().contains("hidden-word"));
    }
}
#[test]
fn only_the_destination_that_is_said_to_be_is_insecure() {
    let Some(mut world) = LocalWorld::with(RegistryOptions { tls: true, ..RegistryOptions::default() }, "") else {
        return;
    };
    let destination = Registry::start();
    world.clone(DOCKERFILE);
    let section = format!("registry = {0}\ninsecure_registries = {0}\n", destination.address());
    let config = |world: &LocalWorld| {
        world.sandbox.write_config(
            "fedpkg",
            &format!("[fedpkg.local-build]\nsource_registry = {}\n{section}", world.registry.address()),
        );
    };
    config(&world);
    let run = world.build(&["--push"]);
    assert_eq!(run.status, Some(6), "the source's certificate is verified: {run}");
    let ca = world.registry.ca_file();
    world.sandbox.set_variable("SSL_CERT_FILE", ca.to_str().unwrap());
    config(&world);
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    assert!(!destination.tags("demo/app").is_empty());
}

#[test]
fn a_registry_that_goes_away_fails_the_push_and_nothing_else() {
    let Some(mut world) = LocalWorld::new() else { return };
    world.clone(&DOCKERFILE.replace("echo 1", "sleep 1; echo 1"));
    let mut running = world.command(&["--push"]);
    let child = running.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(900));
    world.registry.stop();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("pushing ") && stderr.contains("connection refused"), "{stderr}");
    world.registry.start_again();
    assert_eq!(world.registry.tags("demo/app"), Vec::<String>::new());
    assert!(world.build(&["--push"]).succeeded());
}

#[test]
fn a_registry_that_lacks_a_media_type_is_refused_before_it_gets_tags() {
    let Some(world) = LocalWorld::new() else { return };
    world.configure("expected_media_types = application/vnd.oci.image.manifest.v1+json\n");
    world.clone(DOCKERFILE);
    let run = world.build(&["--push"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("which expected_media_types asks for"), "{run}");
    assert!(!world.registry.tags("demo/app").contains(&"latest".to_owned()));
}

#[test]
fn a_mirror_is_asked_first() {
    let Some(world) = LocalWorld::new() else { return };
    let mirror = Registry::start();
    BaseImage::default().file("/mirrored", b"x").push(&mirror, "copy/mirrored:1");
    world.configure(&format!("registry_mirrors =\n  {0} = {1}/copy\n", world.registry.address(), mirror.address()));
    let insecure = format!("insecure_registries = {} {}\n", world.registry.address(), mirror.address());
    let config = world.sandbox.root().join("etc/fedpkg.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace(&format!("insecure_registries = {}\n", world.registry.address()), &insecure))
        .unwrap();
    world.clone(&DOCKERFILE.replace("fedora:42", "mirrored:1"));
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    let folder = tempfile::tempdir().unwrap();
    world.registry.unpack("demo/app:latest", folder.path());
    assert!(folder.path().join("files/mirrored").exists());
}
