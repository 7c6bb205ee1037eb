//! What is built of a Dockerfile, whatever it looks like; and what of it stays in the image.

use std::fs;
use std::path::PathBuf;

use crate::support::images::BaseImage;
use crate::support::local_world::LocalWorld;
use crate::support::lookaside::Lookaside;
use crate::support::sandbox::Finished;

const LABELS: &str = "LABEL com.redhat.component=foo-container name=demo/app version=1.0 release=3\n";

/// The image's files, and the paths of its last layer.
fn image(world: &LocalWorld, folder: &tempfile::TempDir) -> (PathBuf, Vec<String>) {
    let mut layers = world.registry.unpack("demo/app:1.0-3", folder.path());
    (folder.path().join("files"), layers.pop().unwrap())
}

fn pushed(world: &LocalWorld, arguments: &[&str]) -> Finished {
    let run = world.build(&[&["--push"], arguments].concat());
    assert!(run.succeeded(), "{run}");
    run
}

fn user(world: &LocalWorld) -> String {
    world.registry.config("demo/app:1.0-3")["config"]["User"].as_str().unwrap_or_default().to_owned()
}
#[test]
fn odd_dockerfiles_are_built_and_stored() {
    for (text, ignore) in [
        (format!("FROM fedora:42\n{LABELS}CMD [\"/bin/cat\", \\\n  \"/x\"]"), ("a", "")),
        (format!("FROM fedora:42\r\n{}RUN true\r\n", LABELS.replace('\n', "\r\n")), (".dockerignore", "*")),
        (
            format!("# escape=`\nFROM fedora:42\n{}RUN true `\n  ; true\n", LABELS.replace(" name", " `\n name")),
            (".containerignore", "*\n"),
        ),
        (format!("from fedora:42\nlabel a=b\n{LABELS}# the end"), ("Dockerfile.dockerignore", "**")),
        (format!("FROM fedora:42\n{LABELS}RUN echo \\\n\n  x > /x\n"), ("a", "")),
    ] {
        let Some(world) = LocalWorld::new() else { return };
        let clone = world.clone(&text);
        clone.write(ignore.0, ignore.1);
        clone.commit("An odd one");
        let run = world.build(&["--push", "--force"]);
        assert!(run.succeeded(), "{text:?}: {run}");
        let folder = tempfile::tempdir().unwrap();
        let (files, _) = image(&world, &folder);
        let stored = fs::read_to_string(files.join("root/buildinfo/Dockerfile-demo-app-1.0-3")).unwrap();
        assert!(stored.starts_with(text.trim_end_matches('\n')), "{stored}");
        assert!(!stored.contains("@sha256:"), "{stored}");
    }
}
#[test]
fn a_file_that_the_build_would_add_may_not_be_there() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone(&format!("FROM fedora:42\n{LABELS}"));
    clone.write("foo-container-1.0-3.json", "{}");
    clone.commit("In the way");
    let run = world.build(&[]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("foo-container-1.0-3.json already exists in repo"), "{run}");
    assert!(!run.stdout.contains("STEP 1/"), "{run}");
}
#[test]
fn repositories_are_there_while_it_is_built_and_gone_afterwards() {
    let server = Lookaside::start();
    server.file("/a/extra.repo", b"[a]\n");
    server.file("/b/extra.repo", b"[b]\n");
    let urls = [format!("{}/a/extra.repo", server.url()), format!("{}/b/extra.repo", server.url())];
    for (text, base_user, expected_user) in [
        (format!("FROM fedora:42\n{LABELS}RUN ls /etc/yum.repos.d > /tmp/seen\n"), "1001", "1001"),
        (format!("FROM fedora:42\nUSER 1001\nRUN ls /etc/yum.repos.d > /tmp/seen\n{LABELS}USER 48\n"), "", "48"),
        (
            format!(
                "FROM fedora:42 AS a\nRUN ls /etc/yum.repos.d > /tmp/seen\nFROM scratch AS b\nFROM fedora:42\n{LABELS}\
                 COPY --from=a /tmp/seen /tmp/seen\nRUN ls /etc/yum.repos.d | grep -q extra\n"
            ),
            "",
            "",
        ),
    ] {
        let Some(world) = LocalWorld::new() else { return };
        BaseImage { user: base_user.to_owned(), ..BaseImage::default() }.push(&world.registry, "fedora:42");
        world.clone(&text);
        let _ = pushed(&world, &["--repo-url", &urls[0], &urls[1]]);
        let folder = tempfile::tempdir().unwrap();
        let (files, layer) = image(&world, &folder);
        let seen = fs::read_to_string(files.join("tmp/seen")).unwrap();
        assert_eq!(seen.matches("extra-").count(), 2, "{seen}");
        assert!(!layer.iter().any(|path| path.contains("extra-") || path.contains("yum.repos.d/.wh")), "{layer:?}");
        assert_eq!(user(&world), expected_user, "{text}");
    }
}
#[test]
fn repositories_that_cannot_be_had_or_may_not_be_used_are_named() {
    let server = Lookaside::start();
    server.file("/a.repo", b"[a]\n");
    server.file("/page.repo", b"<html>");
    let Some(world) = LocalWorld::new() else { return };
    world.clone(&format!("FROM fedora:42\n{LABELS}RUN true\n"));
    let url = |path: &str| format!("{}{path}", server.url());
    for (path, expected) in [("/none.repo", "HTTP status 404"), ("/page.repo", "it is no repository file")] {
        let run = world.build(&["--repo-url", &url(path)]);
        assert_eq!(run.status, Some(1), "{run}");
        assert!(
            run.stderr.contains(&format!("Failed to fetch yum repo {}", url(path))) && run.stderr.contains(expected),
            "{run}"
        );
        assert!(!run.stdout.contains("STEP 1/"), "{run}");
    }
    world.configure("yum_repo_allowed_domains = repos.example.com\n");
    let run = world.build(&["--repo-url", &url("/a.repo")]);
    assert!(
        run.stderr.contains("yum repositories must be from repos.example.com; these are not: http://127.0.0.1"),
        "{run}"
    );
    assert!(world.build(&["--scratch", "--repo-url", &url("/a.repo")]).succeeded());
}
#[test]
fn a_base_without_a_shell_gets_its_repositories_mounted() {
    let server = Lookaside::start();
    server.file("/a.repo", b"[a]\n");
    let Some(world) = LocalWorld::new() else { return };
    BaseImage { shell: false, ..BaseImage::default() }.push(&world.registry, "bare:1");
    let clone = world.clone(&format!("FROM bare:1\n{LABELS}COPY file /file\n"));
    clone.write("file", "x");
    clone.commit("A file");
    let run = pushed(&world, &["--repo-url", &format!("{}/a.repo", server.url())]);
    assert!(run.stdout.contains("the base has no shell, so repositories are mounted and not copied"), "{run}");
    let folder = tempfile::tempdir().unwrap();
    assert!(image(&world, &folder).0.join("file").exists());
}

// A Containerfile alone
#[test]
fn a_dockerfile_comes_before_a_containerfile() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone(&format!("FROM fedora:42\n{LABELS}RUN echo d > /which\n"));
    clone.write("Containerfile", &format!("FROM fedora:42\n{LABELS}RUN echo c > /which\n"));
    clone.commit("Both");
    for expected in ["d\n", "c\n"] {
        let run = pushed(&world, &[]);
        assert!(run.stdout.contains("the parent's layers, and one new layer"), "{run}");
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(fs::read_to_string(image(&world, &folder).0.join("which")).unwrap(), expected);
        clone.git(&["rm", "-q", "--ignore-unmatch", "Dockerfile"]);
        clone.commit("One");
    }
}

#[test]
fn triggers_of_the_base_and_the_release_in_the_environment_are_heeded() {
    let Some(world) = LocalWorld::new() else { return };
    BaseImage { onbuild: vec!["RUN echo t > /trigger".to_owned()], ..BaseImage::default() }
        .push(&world.registry, "fedora:42");
    let clone = world.clone(&format!("FROM fedora:42\nRUN echo $REL > /release\n{LABELS}"));
    clone.write("container.yaml", "set_release_env: REL\n");
    clone.commit("Settings");
    let _ = pushed(&world, &[]);
    let folder = tempfile::tempdir().unwrap();
    let files = image(&world, &folder).0;
    assert_eq!(fs::read_to_string(files.join("trigger")).unwrap(), "t\n");
    assert_eq!(fs::read_to_string(files.join("release")).unwrap(), "3\n");
}

#[test]
fn the_work_tree_is_built_only_where_that_is_asked_for() {
    let Some(world) = LocalWorld::new() else { return };
    let clone = world.clone(&format!("FROM fedora:42\n{LABELS}COPY . /src/\n"));
    clone.write(".gitignore", "ignored\n");
    clone.write("tool", "#!/bin/sh\n");
    std::os::unix::fs::symlink("tool", clone.path.join("link")).unwrap();
    fs::set_permissions(clone.path.join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    clone.commit("Files");
    clone.write("new", "n");
    clone.write("ignored", "i");
    let commit = pushed(&world, &[]);
    assert!(commit.stderr.contains("is not on the dist-git server"), "{commit}");
    let folder = tempfile::tempdir().unwrap();
    let source = image(&world, &folder).0.join("src");
    assert!(!source.join("new").exists() && !source.join(".git").exists());
    assert_eq!(fs::read_link(source.join("link")).unwrap(), PathBuf::from("tool"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(source.join("tool")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o755);
    assert!(
        fs::read_to_string(source.join("Dockerfile")).unwrap().contains("@sha256:"),
        "what is built is what is copied"
    );

    clone.write("tool", "#!/bin/sh\nchanged\n");
    let refused = world.build(&[]);
    assert_eq!(refused.status, Some(1), "{refused}");
    assert!(
        refused.stderr.contains("uncommitted changes") && refused.stderr.contains("--scratch --dirty"),
        "{refused}"
    );
    let refused = world.build(&["--dirty"]);
    assert!(refused.stderr.contains("--dirty and --cache are for scratch builds"), "{refused}");
    let run = world.build(&["--scratch", "--dirty", "--push"]);
    assert!(run.succeeded(), "{run}");
    let tag =
        world.registry.tags("demo/app").into_iter().find(|tag| tag.len() > 20 && !commit.stdout.contains(tag.as_str()));
    let reference = format!("demo/app:{}", tag.unwrap());
    let folder = tempfile::tempdir().unwrap();
    world.registry.unpack(&reference, folder.path());
    let source = folder.path().join("files/src");
    assert!(fs::read_to_string(source.join("tool")).unwrap().ends_with("changed\n"));
    assert!(source.join("new").exists() && !source.join("ignored").exists());
    let labels = &world.registry.config(&reference)["config"]["Labels"];
    assert_eq!(labels["vcs-ref"], format!("{}-dirty", clone.head()));
}

#[test]
fn packages_are_found_in_images_with_triggers_and_no_trigger_runs() {
    let Some(rpms) = crate::support::rpms::Rpms::shared() else { return };
    let Some(world) = LocalWorld::new() else { return };
    let tree = rpms.tree(&["foo"]);
    let onbuild = vec!["RUN test -e /from-a-build || exit 9".to_owned()];
    let base = BaseImage { onbuild, trees: vec![tree.path().to_owned()], ..BaseImage::default() };
    base.file("/from-a-build", b"").push(&world.registry, "fedora:42");
    world.clone(&format!("FROM fedora:42\n{LABELS}ONBUILD RUN exit 8\nRUN echo 1 > /one\n"));
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stdout.contains("packages: 1, of them new: 0"), "{run}");
    assert_eq!((world.containers(), world.mounts()), (0, 0));
    assert!(!world.buildah(&["images"]).contains("contents"), "what was made for looking is gone");
}
