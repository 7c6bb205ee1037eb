//! Files that git does not hold, in builds: fetched, verified, in the image; or refused before the engine begins.

use std::fs;

use openssl::hash::MessageDigest;

use crate::support::digests::digest;
use crate::support::local_world::LocalWorld;
use crate::support::lookaside::Lookaside;

const DOCKERFILE: &str = "FROM fedora:42\n\
    LABEL com.redhat.component=foo-container name=demo/app version=1.0 release=3\nCOPY . /src/\n";

fn md5(content: &[u8]) -> String {
    digest(MessageDigest::md5(), content)
}

fn world(server: &Lookaside) -> Option<LocalWorld> {
    let world = LocalWorld::new()?;
    let config = world.sandbox.root().join("etc/fedpkg.conf");
    let text = fs::read_to_string(&config).unwrap();
    let lookaside = format!("{}/lookaside\n", server.url());
    fs::write(&config, text.replace("https://src.example.com/repo/pkgs\n", &lookaside)).unwrap();
    Some(world)
}
#[test]
fn what_is_listed_is_fetched_once_and_in_the_image() {
    let server = Lookaside::start();
    let Some(world) = world(&server) else { return };
    let (odd, tool) = (b"odd\n", b"tool\n");
    server.file(&format!("/lookaside/foo/a%20+b%25.bin/md5/{}/a%20+b%25.bin", md5(odd)), odd);
    server.file(&format!("/lookaside/foo/a%20%2Bb%25.bin/md5/{}/a%20%2Bb%25.bin", md5(odd)), odd);
    server.file("/tool.txt", tool);
    let clone = world.clone(DOCKERFILE);
    clone.write("sources", &format!("{}  a +b%.bin\n", md5(odd)));
    clone.write("fetch-artifacts-url.yaml", &format!("- url: {}/tool.txt\n  md5: {}\n", server.url(), md5(tool)));
    clone.commit("Sources");
    let run = world.build(&["--push"]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stdout.contains("2 files that git does not hold"), "{run}");
    assert!(run.stdout.contains("user_warnings:") && run.stdout.contains("no source-url"), "{run}");
    let folder = tempfile::tempdir().unwrap();
    world.registry.unpack("demo/app:1.0-3", folder.path());
    let source = folder.path().join("files/src");
    assert_eq!(fs::read(source.join("a +b%.bin")).unwrap(), odd);
    assert_eq!(fs::read(source.join("artifacts/tool.txt")).unwrap(), tool);
    let asked = server.requests().len();
    let run = world.build(&["--build-release", "4"]);
    assert!(run.succeeded() && run.stdout.contains("a +b%.bin: was in the cache"), "{run}");
    assert_eq!(server.requests().len(), asked);
}
#[test]
fn what_is_wrong_with_a_file_is_told_and_nothing_is_built() {
    let server = Lookaside::start();
    let Some(world) = world(&server) else { return };
    let sum = md5(b"right");
    server.file(&format!("/lookaside/foo/bad/md5/{sum}/bad"), b"wrong");
    server.file("/x", b"right");
    let clone = world.clone(DOCKERFILE);
    let list = |rest: &str| format!("- url: {}/x\n  {rest}\n", server.url());
    for (file, text, status, expected) in [
        ("sources", "# comment\n".to_owned(), 1, "sources"),
        ("sources", format!("MD5 (../x) = {sum}\n"), 1, "../x"),
        ("sources", format!("{sum}  bad\n"), 1, "checksum"),
        ("sources", format!("{sum}  none\n"), 1, "404"),
        ("fetch-artifacts-url.yaml", list("target: y"), 1, "md5"),
        ("fetch-artifacts-url.yaml", list(&format!("sha512: {sum}")), 1, "sha512"),
        ("fetch-artifacts-url.yaml", list(&format!("md5: {sum}\n  target: ../y")), 1, "../y"),
        ("fetch-artifacts-url.yaml", list(&format!("md5: {sum}\n  target: /y")), 1, "/y"),
        ("fetch-artifacts-koji.yaml", "- nvr: a-1-1\n".to_owned(), 4, "fetch-artifacts-koji.yaml"),
    ] {
        let path = clone.write(file, &text);
        clone.commit("Another list");
        let run = world.build(&[]);
        assert!(run.status == Some(status) || run.status == Some(4), "{text}: {run}");
        assert!(run.stderr.contains(expected), "{text}: {run}");
        assert!(!run.stdout.contains("STEP 1/"), "{text}: {run}");
        fs::remove_file(path).unwrap();
    }
    std::os::unix::fs::symlink("/tmp", clone.path.join("artifacts")).unwrap();
    clone.write("fetch-artifacts-url.yaml", &list(&format!("md5: {}\n  target: fcb-escaped", md5(b"right"))));
    clone.commit("A link");
    let run = world.build(&[]);
    assert_eq!(run.status, Some(4), "{run}");
    assert!(!std::path::Path::new("/tmp/fcb-escaped").exists(), "{run}");
    fs::remove_file(clone.path.join("artifacts")).unwrap();
    clone.commit("No link");
    world.configure("artifacts_allowed_domains = 127.0.0.1.example.com\n");
    let run = world.build(&[]);
    assert!(run.stderr.contains("127.0.0.1") && !run.stdout.contains("STEP 1/"), "{run}");
    assert_ne!(run.status, Some(0), "{run}");
}
