//! What a hostile or untidy checkout has where a file is to be.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

#[tokio::test]
async fn a_symbolic_link_redirects_no_writes() {
    let world = World::new();
    let outside = world.folder.path().join("outside");
    fs::create_dir_all(outside.join("sub")).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    let context = world.context();
    symlink(&outside, context.join("artifacts")).unwrap();
    fs::create_dir(context.join("real")).unwrap();
    symlink("../../outside/sub", context.join("real/linked")).unwrap();
    symlink(outside.join("file"), context.join("link")).unwrap();
    symlink("nowhere", context.join("dangling")).unwrap();
    for (target, link) in [
        ("artifacts/a", "artifacts"),
        ("artifacts/sub/a", "artifacts"),
        ("real/linked/a", "real/linked"),
        ("link", "link"),
        ("dangling", "dangling"),
    ] {
        let mut download = world.serve("a", b"content");
        download.target = target.into();
        let error = world.fetch(&[download]).await.unwrap_err().to_string();
        assert!(error.contains(&format!("{link} is a symbolic link in the build context")), "{target}: {error}");
    }
    assert_eq!(files(&outside), [outside.join("file")]);
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious");
    assert!(world.server.requests().is_empty(), "it is known before anything is fetched");
}

#[tokio::test]
async fn targets_that_leave_the_context_are_refused() {
    let world = World::new();
    for target in ["../a", "/a", "a/../../b", "..", ".", "", "a/.."] {
        let mut download = world.serve("a", b"content");
        download.target = target.into();
        let error = world.fetch(&[download]).await.unwrap_err().to_string();
        assert!(error.ends_with("beneath the build context, without `.` and `..`"), "{target}: {error}");
    }
    assert!(world.server.requests().is_empty() && world.placed().is_empty());
}

#[tokio::test]
async fn folders_files_and_pipes_in_the_way_are_named() {
    let world = World::new();
    fs::create_dir(world.context().join("folder")).unwrap();
    fs::write(world.context().join("file"), "").unwrap();
    let pipe = world.context().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    for (target, wanted) in [
        ("folder", "folder is in the way in the build context: it is not a regular file"),
        ("pipe", "pipe is in the way in the build context: it is not a regular file"),
        ("file/a", "file is in the way in the build context: it is not a directory"),
    ] {
        let mut download = world.serve("a", b"content");
        download.target = target.into();
        let error = world.fetch(&[download]).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn another_file_of_the_name_is_replaced_and_not_written_into() {
    let world = World::new();
    let download = world.serve("a", b"content");
    fs::write(world.context().join("a"), "stale").unwrap();
    fs::hard_link(world.context().join("a"), world.folder.path().join("elsewhere")).unwrap();
    world.fetch(&[download]).await.unwrap();
    assert_eq!(world.read("a"), b"content");
    assert_eq!(fs::read(world.folder.path().join("elsewhere")).unwrap(), b"stale");
    assert_eq!(world.placed(), [world.context().join("a")]);
}

#[tokio::test]
async fn a_build_that_writes_into_a_file_does_not_damage_the_cache() {
    let world = World::new();
    let download = world.serve("a", b"content");
    world.fetch(std::slice::from_ref(&download)).await.unwrap();
    fs::write(world.context().join("a"), "written").unwrap();
    assert_eq!(fs::read(world.cache_path(&download).0).unwrap(), b"content");
}
