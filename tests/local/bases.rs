//! Base images: which are taken, what they are pinned to, and what is refused before anything is built.

use crate::support::images::{BaseImage, push_list};
use crate::support::local_world::LocalWorld;

const LABELS: &str = "LABEL com.redhat.component=foo-container name=demo/app version=1.0 release=3\n";

fn dockerfile(world: &LocalWorld) -> String {
    std::fs::read_to_string(world.results().join("Dockerfile")).unwrap()
}
#[test]
fn every_from_is_pinned_and_the_rest_of_its_line_stays() {
    let Some(world) = LocalWorld::new() else { return };
    let registry = world.registry.address();
    world.clone(&format!(
        "ARG V=42\nFROM --platform=linux/amd64 fedora:${{V}} AS b\nRUN true\nFROM fedora:${{V:-1}}\n{LABELS}"
    ));
    let before = world.registry.requests().len();
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    let pinned = format!("{registry}/fedora@{}", world.base);
    let built = dockerfile(&world);
    assert!(built.starts_with(&format!("ARG V=42\nFROM --platform=linux/amd64 {pinned} AS b\n")), "{built}");
    assert!(built.contains(&format!("\nFROM {pinned}\n")), "{built}");
    assert!(run.stdout.contains(&format!("FROM fedora:42 -> {pinned}")), "{run}");
    // One image, one question.
    let asked = world.registry.requests().drain(before..).filter(|line| line.contains("/manifests/42")).count();
    assert_eq!(asked, 1);
}
#[test]
fn a_list_is_pinned_by_its_own_digest_and_must_have_the_architecture() {
    let Some(world) = LocalWorld::new() else { return };
    let arch = |name: &str| BaseImage { architecture: name.to_owned(), ..BaseImage::default() };
    let digest = push_list(&world.registry, "multi:1", &[arch("amd64"), arch("arm64")]);
    push_list(&world.registry, "foreign:1", &[arch("s390x"), arch("arm64")]);
    let clone = world.clone(&format!("FROM multi:1\n{LABELS}RUN true\n"));
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    assert!(dockerfile(&world).contains(&format!("/multi@{digest}\n")));
    for image in ["foreign:1", "lone:1"] {
        arch("arm64").push(&world.registry, "lone:1");
        clone.write("Dockerfile", &format!("FROM {image}\n{LABELS}RUN true\n"));
        clone.commit("Another base");
        let run = world.build(&[]);
        assert_eq!(run.status, Some(4), "{run}");
        assert!(run.stderr.contains("not available for arches: x86_64"), "{run}");
    }
}
#[test]
fn a_lone_oci_manifest_is_taken() {
    let Some(world) = LocalWorld::new() else { return };
    let digest = BaseImage::default().push_as(&world.registry, "oci:1", "oci");
    world.clone(&format!("FROM oci:1\n{LABELS}RUN true\n"));
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    assert!(dockerfile(&world).contains(&digest));
}
#[test]
fn images_of_the_source_registry_are_in_the_organization() {
    let Some(world) = LocalWorld::with(crate::support::registry::RegistryOptions::default(), "organization = org\n")
    else {
        return;
    };
    BaseImage::default().push(&world.registry, "org/ns-app:1");
    world.clone(&format!("FROM ns/app:1\n{LABELS}RUN true\n"));
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    assert!(!world.registry.tags("org/demo-app").is_empty(), "{run}");
}

// What else is refused without asking any registry.
#[test]
fn what_cannot_be_built_on_is_refused_before_anybody_is_asked() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone("FROM fedora:42\n");
    let before = world.registry.requests().len();
    for (text, expected) in [
        (
            "FROM evil.example.com/x\n",
            "evil.example.com/x is from evil.example.com, which is not allowed; allowed are 127.0.0.1:",
        ),
        ("FROM koji/image-build\n", "koji/image-build stands for an image that Koji makes first"),
        ("FROM fedora:$NOTHING\n", "uses the variable NOTHING, which has no value"),
        (
            "FROM fedora:42\nCOPY --from=evil.example.com/x /a /b\n",
            "line 2: evil.example.com/x is from evil.example.com",
        ),
        (
            "FROM fedora:42\nRUN --mount=type=bind,from=evil.example.com/x,target=/x true\n",
            "line 2: evil.example.com/x",
        ),
        ("FROM --platform=linux/arm64 fedora:42\n", "--platform=linux/arm64 is not what is built for (x86_64)"),
        ("FROM Fedora:42\n", "is not the name of an image"),
        ("FROM fedora:42\nRUN <<E\ntrue\nE\n", "line 2: buildah 1."),
        ("FROM fedora:42\nRUN true \\\n", "goes on behind the end of the file"),
    ] {
        clone.write("Dockerfile", &format!("{text}{LABELS}"));
        if text.ends_with("\\\n") {
            clone.write("Dockerfile", &format!("FROM fedora:42\n{LABELS}RUN true \\\n"));
        }
        clone.commit("Another one");
        let run = world.build(&["--force"]);
        if text.contains("<<E") && !run.stderr.contains(expected) {
            assert!(run.succeeded(), "an engine that knows here-documents: {run}");
            continue;
        }
        assert_eq!(run.status, Some(4), "{text}: {run}");
        assert!(run.stderr.contains(expected), "{text}: {run}");
        assert_eq!(world.registry.requests().len(), before, "{text}");
    }
}

// Inside the allowed registries.
#[test]
fn files_of_an_allowed_image_may_be_copied_and_are_told_of() {
    let Some(world) = LocalWorld::new() else { return };
    let address = world.registry.address();
    BaseImage::default().file("/tool", b"x").push(&world.registry, "tools:1");
    world.clone(&format!("FROM fedora:42\nCOPY --from={address}/tools:1 /tool /tool\n{LABELS}"));
    let run = world.build(&[]);
    assert!(run.stdout.contains("which is not pinned"), "{run}");
}
#[test]
fn a_base_image_is_built_of_nothing() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone(&format!("FROM scratch\nADD fs.tar.gz /\n{LABELS}CMD [\"/bin/sh\"]\n"));
    BaseImage::default().rootfs(&clone.path.join("fs.tar.gz"));
    clone.commit("A file system");
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stderr.contains("this one is FROM scratch"), "{run}");
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(world.registry.unpack("demo/app:1.0-3", folder.path()).len(), 1);
    assert!(folder.path().join("files/bin/busybox").exists());
}

#[test]
fn a_dry_run_asks_and_pulls_nothing() {
    let Some(world) = LocalWorld::new() else { return };
    world.clone(&format!("FROM fedora:42\n{LABELS}RUN true\n"));
    let before = world.registry.requests().len();
    let run = world.sandbox.finish({
        let mut command = world.sandbox.command(&world.sandbox.root().join("foo"));
        command.arg("-C").arg(world.sandbox.root().join("etc/fedpkg.conf"));
        command.args(["--dry-run", "--output", "json", "container-build", "--build-with", "local", "--push"]);
        command
    });
    assert!(run.succeeded(), "{run}");
    let line = run.stdout.lines().find(|line| line.contains("\"type\":\"dry_run\"")).unwrap();
    let shown: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&shown["builder"], &shown["nvr"]), (&"local".into(), &"foo-container-1.0-3".into()));
    assert!(shown["parents"][0][1].as_str().unwrap().ends_with(&world.base));
    assert!(shown["diff"].as_str().unwrap().contains("\n-FROM fedora:42\n+FROM 127.0.0.1:"), "{shown}");
    let asked: Vec<String> = world.registry.requests().drain(before..).collect();
    assert!(asked.iter().all(|line| line.starts_with("GET ")) && !asked.iter().any(|line| line.contains("uploads")));
    assert!(!world.cache().join("storage").exists() || world.registry.tags("demo/app").is_empty());
}

#[test]
fn what_a_registry_gives_for_a_digest_must_have_it() {
    let Some(world) = LocalWorld::new() else { return };
    let other = BaseImage::default().file("/other", b"x").push(&world.registry, "fedora:other");
    // A registry, or somebody before it, that gives another image than the digest stands for.
    let script = format!(
        "#!/bin/sh\nfor last; do :; done\ncase \"$last\" in *{base}) exec skopeo inspect --raw --tls-verify=false \
         docker://{registry}/fedora@{other};; esac\nexec skopeo \"$@\"\n",
        base = world.base,
        registry = world.registry.address()
    );
    let skopeo = world.sandbox.write("skopeo", &script);
    std::fs::set_permissions(&skopeo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.configure(&format!("skopeo = {}\n", skopeo.display()));
    world.clone(&format!("FROM fedora@{}\n{LABELS}RUN true\n", world.base));
    let run = world.build(&["--scratch"]);
    assert_eq!(run.status, Some(1), "{run}");
    let told = format!("the registry gave content with digest {other} for {}", world.base);
    assert!(run.stderr.contains(&told), "{run}");
    assert!(!run.stdout.contains("STEP 1"), "{run}");
}
