//! All steps in one build, seen in what they leave: the image in the registry and run, the archive, the build in Koji.

use std::fs;
use std::process::Command;

use openssl::hash::MessageDigest;

use crate::support::digests::digest;
use crate::support::images::{BaseImage, tree_with_rpm};
use crate::support::koji_hub::HubOptions;
use crate::support::local_world::LocalWorld;
use crate::support::lookaside::Lookaside;
use crate::support::rpms::{Rpms, key_id};

const NVR: &str = "foo-container-1.0-1";
const DOCKERFILE: &str = "\
# Everything at once.
ARG VERSION=42
FROM fedora:${VERSION} AS build
RUN ls /etc/yum.repos.d > /seen
FROM fedora:${VERSION}
LABEL com.redhat.component=foo-container name=demo/app \\
      version=1.0 # not a comment
COPY bar.rpm artifacts/tool.txt /tmp/
COPY --from=build /seen /seen
RUN /usr/bin/rpm --dbpath /var/lib/rpm -i --nodeps --nosignature /tmp/bar.rpm && rm /tmp/bar.rpm
USER 48
CMD [\"/usr/bin/rpm\", \"--dbpath\", \"/var/lib/rpm\", \"-qa\"]
";

#[test]
fn all_steps_in_one_build() {
    let Some(rpms) = Rpms::shared() else { return };
    let options = HubOptions::default().content_generator("fedpkg-container-build");
    let Some(world) = LocalWorld::with_hub(options, "image_labels =\n  vendor = Example\n") else { return };
    let tree = tempfile::tempdir().unwrap();
    tree_with_rpm(tree.path());
    rpms.install(tree.path(), &["foo"]);
    let base =
        BaseImage { trees: vec![tree.path().to_owned()], ..BaseImage::default() }.push(&world.registry, "fedora:42");

    let server = Lookaside::start();
    let (package, tool) = (fs::read(rpms.path("bar")).unwrap(), b"a tool\n");
    let sum = digest(MessageDigest::sha512(), &package);
    server.file(&format!("/lookaside/foo/bar.rpm/sha512/{sum}/bar.rpm"), &package);
    server.file("/files/tool.txt", tool);
    server.file("/repos/extra.repo", b"[extra]\nbaseurl=https://repos.example.com/\n");
    let config = world.sandbox.root().join("etc/fedpkg.conf");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("https://src.example.com/repo/pkgs\n", &format!("{}/lookaside\n", server.url()));
    fs::write(&config, text).unwrap();

    let clone = world.clone(&DOCKERFILE.replace(" # not a comment", ""));
    clone.write("sources", &format!("SHA512 (bar.rpm) = {sum}\n"));
    let list = format!(
        "- url: {0}/files/tool.txt\n  sha256: {1}\n  source-url: {0}/files/src.tar\n  source-sha256: {1}\n",
        server.url(),
        digest(MessageDigest::sha256(), tool)
    );
    clone.write("fetch-artifacts-url.yaml", &list);
    clone.commit("Use what is fetched");

    let archive = world.sandbox.root().join("image.tar");
    let export = format!("docker-archive:{}", archive.display());
    let repo = format!("{}/repos/extra.repo", server.url());
    let run = world.build(&[
        "--push",
        "--import",
        "--export",
        &export,
        "--repo-url",
        &repo,
        "--signed-by",
        &key_id(&rpms.key),
    ]);
    assert!(run.succeeded(), "{run}");

    // The registry: one image under its tags, the base's layer below one new one.
    let tags = world.registry.tags("demo/app");
    assert!(["1.0-1", "latest", "1.0"].iter().all(|tag| tags.iter().any(|known| known == tag)), "{tags:?}");
    let digest = world.registry.digest("demo/app:1.0-1").unwrap();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(world.registry.unpack("demo/app:1.0-1", folder.path()).len(), 2);
    let files = folder.path().join("files");
    let read = |path: &str| fs::read_to_string(files.join(path)).unwrap();
    assert!(read("seen").contains("extra-"), "the repository was there while it was built: {}", read("seen"));
    let repos: Vec<_> =
        fs::read_dir(files.join("etc/yum.repos.d")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(repos, ["base.repo"], "and is gone");
    assert_eq!(read("tmp/tool.txt"), "a tool\n");
    let stored = read("root/buildinfo/Dockerfile-demo-app-1.0-1");
    assert!(
        stored.contains("FROM fedora:${VERSION} AS build\n") && stored.contains("\"vendor\"=\"Example\""),
        "{stored}"
    );
    let manifest: serde_json::Value =
        serde_json::from_str(&read(&format!("root/buildinfo/content_manifests/{NVR}.json"))).unwrap();
    assert_eq!(manifest["metadata"]["image_layer_index"], 1);
    let config = world.registry.config("demo/app:1.0-1");
    assert_eq!((&config["config"]["User"], &config["config"]["Labels"]["release"]), (&"48".into(), &"1".into()));

    // What was built, and what the packages in it are.
    let built = fs::read_to_string(world.results().join("Dockerfile")).unwrap();
    assert_eq!(built.matches(&format!("/fedora@{base}")).count(), 2, "{built}");
    let address = world.registry.address();
    let container = world.buildah(&["from", "--quiet", "--tls-verify=false", &format!("{address}/demo/app@{digest}")]);
    let query = ["run", "--isolation", "chroot", "--user", "0", container.trim(), "--"];
    let packages = world.buildah(&[&query[..], &["/usr/bin/rpm", "--dbpath", "/var/lib/rpm", "-qa"]].concat());
    let mut packages: Vec<&str> = packages.lines().collect();
    packages.sort_unstable();
    assert_eq!(packages, ["bar-2.0-3.fc42.noarch", "foo-1.2-3.fc42.noarch"]);
    world.buildah(&["rm", "--all"]);
    assert!(run.stdout.contains("packages: 2, of them new: 1"), "{run}");

    // The archive, and Koji.
    let archive = format!("docker-archive:{}", archive.display());
    let inspected = Command::new("skopeo").args(["inspect", "--config", &archive]).output().unwrap();
    assert!(inspected.status.success(), "{}", String::from_utf8_lossy(&inspected.stderr));
    let metadata = world.hub().imported(NVR).expect("it is in Koji");
    let images: Vec<_> =
        metadata["output"].as_array().unwrap().iter().filter(|o| o["type"] == "docker-image").collect();
    assert_eq!(images[0]["components"].as_array().unwrap().len(), 2);
    assert!(images[0]["extra"]["docker"]["repositories"].to_string().contains(&digest));
    assert_eq!(clone.git(&["status", "--porcelain"]), "", "the checkout is as it was");
}
