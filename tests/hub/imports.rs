//! Uploads and imports of content generators: ours and Koji's own client against the test hub.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fedpkg_container_build::koji::import::{
    ImportError, ImportedBuild, RefundState, Reservation, import, imported, next_release, refund, reserve, tag,
};
use fedpkg_container_build::koji::session::{Session, SessionError};
use fedpkg_container_build::koji::upload::{UploadError, upload};
use fedpkg_container_build::request::nvr::Nvr;
use serde_json::{Value as Json, json};

use super::product::{password, session};
use super::{PATIENCE, TARGET};
use crate::support::koji_hub::content_generator::digest;
use crate::support::koji_hub::{Callnum, Fault, Hub, HubOptions, TaskState};
use crate::support::peers;

const GENERATOR: &str = "fedpkg-container-build";
const FOLDER: &str = "cli-build/1700000000.abcdefgh";
/// What our client sends at once.
const PIECE: usize = 4 * 1024 * 1024;

fn hub() -> Hub {
    hub_with(Callnum::Session)
}

fn hub_with(callnum: Callnum) -> Hub {
    Hub::start(HubOptions { callnum, ..HubOptions::default() }.content_generator(GENERATOR))
}

async fn logged_in(hub: &Hub) -> Session {
    let (mut session, _receiver) = session(hub);
    session.log_in(password()).await.expect("a session");
    session
}

/// Bytes that differ from piece to piece.
fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

fn nvr() -> Nvr {
    "hello-container-1.0-1".parse().expect("an NVR")
}

/// The files of a build and its metadata.
struct Made {
    folder: tempfile::TempDir,
    metadata: Json,
}

impl Made {
    fn new() -> Made {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [("docker-image-sha256:2222.x86_64.tar.gz", "archive"), ("x86_64-build.log", "STEP 1/1\n")];
        let outputs: Vec<Json> = files.iter().map(|(name, text)| Made::output(folder.path(), name, text)).collect();
        let root = |id: &str| {
            json!({"id": id, "host": {"os": null, "arch": "x86_64"},
                   "content_generator": {"name": GENERATOR, "version": "0.1.0"},
                   "container": {"type": "none", "arch": "x86_64"},
                   "tools": [{"name": "buildah", "version": "1.41"}], "components": [rpm()]})
        };
        let build = json!({"name": "hello-container", "version": "1.0", "release": "1",
                           "source": "git+https://src.example.com/container/hello#1111",
                           "start_time": 1_700_000_000, "end_time": 1_700_000_300.5, "owner": "packager",
                           "extra": {"image": {"index": {"tags": ["1.0-1"]}}, "submitter": "packager"}});
        let metadata = json!({"metadata_version": 0, "build": build, "buildroots": [root("1")], "output": outputs});
        Made { folder, metadata }
    }

    fn output(folder: &Path, name: &str, text: &str) -> Json {
        file(folder, name, text.as_bytes());
        let sum = digest("sha256", text.as_bytes()).expect("a known sum");
        let mut output = json!({"buildroot_id": "1", "filename": name, "filesize": text.len(), "arch": "x86_64",
                                "checksum_type": "sha256", "checksum": sum, "type": "log"});
        if name.ends_with(".tar.gz") {
            output["type"] = "docker-image".into();
            output["components"] = json!([rpm()]);
            output["extra"] = json!({"image": {"arch": "x86_64"}, "docker": {"id": "sha256:2222"}});
        }
        output
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).expect("a folder");
        entries.map(|entry| entry.expect("a file").path()).collect()
    }

    async fn upload(&self, session: &mut Session, folder: &str) {
        file(self.folder.path(), "metadata.json", self.metadata.to_string().as_bytes());
        for path in self.files() {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            upload(session, &path, folder, &name).await.expect("an upload");
        }
    }
}

fn rpm() -> Json {
    json!({"type": "rpm", "name": "bash", "version": "5.2", "release": "1.fc42", "arch": "x86_64", "epoch": null,
           "sigmd5": "0", "signature": null})
}

/// How long the hub holds a request for [`meanwhile`].
const MEANWHILE: Duration = Duration::from_millis(300);

/// Does something to the hub while it holds the request that is the so-many-th call of `method`.
fn meanwhile(
    hub: &Arc<Hub>,
    method: &'static str,
    times: usize,
    change: impl FnOnce(&Hub) + Send + 'static,
) -> JoinHandle<()> {
    let hub = Arc::clone(hub);
    thread::spawn(move || {
        hub.wait_for_calls(method, times, PATIENCE);
        change(&hub);
    })
}

/// The hub's refusal.
fn refusal(error: ImportError) -> (i64, String) {
    match error {
        ImportError::Session(SessionError::Fault { fault, .. }) => (fault.code, fault.text),
        other => panic!("no refusal: {other:?}"),
    }
}

#[tokio::test]
async fn files_of_every_size_arrive_in_as_many_pieces_as_they_need() {
    let (hub, folder) = (hub(), tempfile::tempdir().expect("a folder"));
    let mut session = logged_in(&hub).await;
    for (size, pieces) in [(0, 1), (1, 1), (PIECE - 1, 1), (PIECE, 1), (PIECE + 1, 2), (2 * PIECE + 5, 3)] {
        let bytes = content(size);
        let path = file(folder.path(), "image.tar", &bytes);
        hub.forget_requests();
        // The file of the size before is replaced.
        upload(&mut session, &path, FOLDER, "image.tar").await.unwrap_or_else(|error| panic!("{size}: {error}"));
        assert!(hub.uploads()[&format!("{FOLDER}/image.tar")] == bytes, "{size}");
        assert_eq!(hub.calls("rawUpload").len(), pieces, "{size}");
    }
}

#[tokio::test]
async fn a_piece_that_fails_is_sent_again_at_the_same_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = content(2 * PIECE + 5);
    let path = file(folder.path(), "image.tar", &bytes);
    let faults = [
        Fault::Reset,
        Fault::CutRequest,
        Fault::LoseAnswer,
        Fault::CutBody,
        Fault::Status(503, "busy"),
        Fault::Status(408, "slow"),
        Fault::Html200,
        Fault::Offline,
        Fault::Locked,
        Fault::Corrupt,
    ];
    for fault in faults {
        for spared in [0, 1, 2] {
            let hub = hub();
            let mut session = logged_in(&hub).await;
            hub.inject_after(spared, "rawUpload", fault.clone(), 2);
            upload(&mut session, &path, FOLDER, "image.tar").await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            assert!(hub.uploads()[&format!("{FOLDER}/image.tar")] == bytes, "{fault:?}, piece {spared}");
            assert_eq!(hub.calls("rawUpload").len(), 5, "{fault:?}, piece {spared}");
        }
    }
}

#[tokio::test]
async fn a_session_that_is_lost_in_the_middle_of_a_file_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = content(2 * PIECE + 5);
    let path = file(folder.path(), "image.tar", &bytes);
    for how in ["expired", "forgotten"] {
        let hub = Arc::new(hub());
        let mut session = logged_in(&hub).await;
        hub.inject_after(1, "rawUpload", Fault::Delay(MEANWHILE), 1);
        let meddler = meanwhile(&hub, "rawUpload", 2, move |hub| match how {
            "expired" => hub.expire_sessions(),
            _ => hub.forget_sessions(),
        });
        upload(&mut session, &path, FOLDER, "image.tar").await.expect("an upload");
        meddler.join().expect("an end");
        assert!(hub.uploads()[&format!("{FOLDER}/image.tar")] == bytes, "{how}");
        assert_eq!(hub.calls("login").len(), 2, "{how}");
    }
}

#[tokio::test]
async fn an_upload_that_cannot_succeed_says_what_and_where() {
    let (hub, folder) = (hub(), tempfile::tempdir().expect("a folder"));
    let path = file(folder.path(), "a.log", b"log");
    let mut session = logged_in(&hub).await;
    let cases = [
        ("x/y", ".hidden", "Invalid upload filename: .hidden"),
        ("../../etc", "a.log", "Invalid upload directory: ../../etc"),
        ("tasks/1/1", "a.log", "User 1 is not a host"),
        ("others", "a.log", "Invalid upload directory, not owner: others"),
    ];
    hub.change(|state| state.uploads.give_away("others", 2));
    for (to, name, text) in cases {
        let error = upload(&mut session, &path, to, name).await.expect_err(text);
        let UploadError::Hub { source: SessionError::Fault { fault, .. }, .. } = &error else { panic!("{error:?}") };
        assert_eq!(fault.text, text);
        assert!(error.to_string().contains(to), "{error}");
    }
    let error = upload(&mut session, &folder.path().join("none"), FOLDER, "none").await.expect_err("no file");
    assert!(matches!(error, UploadError::Read { .. }), "{error:?}");

    hub.forget_requests();
    hub.inject_for_good("rawUpload", Fault::Corrupt);
    let error = upload(&mut session, &path, FOLDER, "a.log").await.expect_err("corrupted");
    assert!(matches!(error, UploadError::Corrupted { offset: 0, .. }), "{error:?}");
    // What is stored is "Log".
    let sums = "at byte 0: 3 bytes (adler32 022c0123) instead of 3 bytes (adler32 028c0143)";
    assert!(error.to_string().contains(sums), "{error}");
    assert_eq!(hub.calls("rawUpload").len(), 3, "a corrupted piece is sent three times");
}

#[tokio::test]
async fn a_file_that_is_another_one_in_the_end_is_noticed_where_the_hub_can_tell() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "a.log", b"log");
    for (change, noticed) in [("other bytes", "1 bytes"), ("nothing", "no such file")] {
        let hub = Arc::new(hub());
        let mut session = logged_in(&hub).await;
        hub.inject("checkUpload", Fault::Delay(MEANWHILE), 1);
        let meddler = meanwhile(&hub, "checkUpload", 1, move |hub| {
            hub.change(|state| match change {
                "nothing" => state.uploads.files.clear(),
                _ => state.uploads.files.values_mut().for_each(|file| file.bytes.truncate(1)),
            });
        });
        let error = upload(&mut session, &path, FOLDER, "a.log").await.expect_err(noticed);
        meddler.join().expect("an end");
        assert!(matches!(error, UploadError::Incomplete { .. }), "{error:?}");
        assert!(error.to_string().contains(noticed), "{error}");
    }
    let hub = hub();
    hub.hide_method("checkUpload");
    let mut session = logged_in(&hub).await;
    upload(&mut session, &path, FOLDER, "a.log").await.expect("the hub is believed");
}

#[tokio::test]
async fn uploading_needs_a_session() {
    let (hub, folder) = (hub(), tempfile::tempdir().expect("a folder"));
    let path = file(folder.path(), "a.log", b"log");
    let (mut session, _receiver) = session(&hub);
    let error = upload(&mut session, &path, FOLDER, "a.log").await.expect_err("nobody is logged in");
    let UploadError::Hub { source: SessionError::Fault { fault, .. }, .. } = error else { panic!("{error:?}") };
    assert_eq!((fault.code, fault.text.as_str()), (1004, "you must be logged-in to upload a file"));
}

#[tokio::test]
async fn a_build_is_reserved_uploaded_imported_and_tagged() {
    let (hub, mut made) = (hub(), Made::new());
    let mut session = logged_in(&hub).await;
    let release = next_release(&mut session, "hello-container", "1.0").await.expect("a release");
    assert_eq!(release, "1");
    let reservation = reserve(&mut session, GENERATOR, &nvr()).await.expect("a reservation");
    let kept = hub.reservations()[&reservation.build_id].clone();
    assert_eq!((kept.nvr.as_str(), kept.token.as_str()), ("hello-container-1.0-1", reservation.token.expose()));
    assert!(!format!("{reservation:?}").contains(&kept.token), "the token is not shown");
    assert_eq!(next_release(&mut session, "hello-container", "1.0").await.expect("a release"), "2");
    assert_eq!(imported(&mut session, "hello-container-1.0-1").await.expect("an answer"), None, "only reserved");

    made.metadata["build"]["build_id"] = reservation.build_id.into();
    made.upload(&mut session, FOLDER).await;
    let build = import(&mut session, FOLDER, &nvr(), Some(&reservation)).await.expect("a build");
    assert_eq!(build, ImportedBuild { id: reservation.build_id, nvr: nvr().to_string() });
    assert_eq!(hub.imported(&build.nvr), Some(made.metadata));
    assert!(hub.reservations().is_empty());
    assert_eq!(imported(&mut session, &build.nvr).await.expect("an answer"), Some(build.clone()));

    let task = tag(&mut session, TARGET, &build).await.expect("a task");
    assert_eq!(hub.task(task).state(), TaskState::Free);
    let deadline = std::time::Instant::now() + PATIENCE;
    while hub.tagged(TARGET).is_empty() {
        assert!(std::time::Instant::now() < deadline, "the build is not tagged");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((hub.tagged(TARGET), hub.task(task).state()), (vec![build.nvr], TaskState::Closed));
}

#[tokio::test]
async fn a_release_is_counted_on_as_far_as_it_can_be() {
    let cases = [
        ("7", 1, Ok("8")),
        ("7.fc42", 1, Ok("8.fc42")),
        ("20240101.nightly.4", 1, Ok("20240101.nightly.5")),
        ("7", 3, Ok("1")),
        ("7", 0, Ok("8")),
        ("a.b.c.d", 1, Err("Unable to increment release value: a.b.c.d")),
    ];
    for (release, state, expected) in cases {
        let hub = hub();
        hub.add_build(&format!("hello-container-1.0-{release}"), state);
        let (mut session, _receiver) = session(&hub);
        let next = next_release(&mut session, "hello-container", "1.0").await;
        match expected {
            Ok(expected) => assert_eq!(next.expect("a release"), expected, "{release} in state {state}"),
            Err(text) => assert!(next.expect_err(text).to_string().contains(text)),
        }
    }
}

#[tokio::test]
async fn a_lost_answer_changes_nothing_about_what_was_done() {
    for callnum in [Callnum::Session, Callnum::Old] {
        for fault in [Fault::LoseAnswer, Fault::CutBody, Fault::Reset, Fault::Status(502, "gateway"), Fault::Offline] {
            let (hub, mut made) = (hub_with(callnum), Made::new());
            let mut session = logged_in(&hub).await;
            for method in ["CGInitBuild", "CGImport", "tagBuild", "CGRefundBuild"] {
                hub.inject(method, fault.clone(), 1);
            }
            let reservation = reserve(&mut session, GENERATOR, &nvr()).await.expect("a reservation");
            made.metadata["build"]["build_id"] = reservation.build_id.into();
            made.upload(&mut session, FOLDER).await;
            let build = import(&mut session, FOLDER, &nvr(), Some(&reservation)).await.expect("a build");
            let task = tag(&mut session, TARGET, &build).await.expect("a task");
            assert_eq!(hub.tasks().iter().map(|task| task.id).collect::<Vec<_>>(), [task], "{callnum:?} {fault:?}");
            assert_eq!(hub.change(|state| state.builds.len()), 1, "{callnum:?} {fault:?}");

            let other = "hello-container-1.0-2".parse().expect("an NVR");
            let reservation = reserve(&mut session, GENERATOR, &other).await.expect("a reservation");
            refund(&mut session, GENERATOR, &reservation, RefundState::Canceled).await.expect("given back");
            assert!(hub.reservations().is_empty(), "{callnum:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_reserved_import_whose_answer_was_lost_is_recognized_where_the_hub_keeps_no_numbers() {
    let (hub, mut made) = (hub_with(Callnum::Off), Made::new());
    let mut session = logged_in(&hub).await;
    let reservation = reserve(&mut session, GENERATOR, &nvr()).await.expect("a reservation");
    made.metadata["build"]["build_id"] = reservation.build_id.into();
    made.upload(&mut session, FOLDER).await;
    hub.inject("CGImport", Fault::LoseAnswer, 1);
    let build = import(&mut session, FOLDER, &nvr(), Some(&reservation)).await.expect("a build");
    assert_eq!((build.id, hub.calls("CGImport").len()), (reservation.build_id, 2));
}

#[tokio::test]
async fn an_import_without_any_answer_is_unknown_and_not_failed() {
    let (hub, made) = (hub(), Made::new());
    let mut session = logged_in(&hub).await;
    made.upload(&mut session, FOLDER).await;
    hub.inject_for_good("CGImport", Fault::Status(502, "gateway"));
    let error = import(&mut session, FOLDER, &nvr(), None).await.expect_err("no answer");
    assert!(matches!(error, ImportError::Unknown { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_given_back_can_be_reserved_again() {
    for (state, number) in [(RefundState::Failed, 3), (RefundState::Canceled, 4)] {
        let hub = hub();
        let mut session = logged_in(&hub).await;
        let first = reserve(&mut session, GENERATOR, &nvr()).await.expect("a reservation");
        let twice = reserve(&mut session, GENERATOR, &nvr()).await.expect_err("it is reserved");
        assert_eq!(refusal(twice), (1000, "Build is already reserved".to_owned()));
        refund(&mut session, GENERATOR, &first, state).await.expect("given back");
        assert_eq!(hub.change(|state| state.builds[0].state), number);
        let again = refund(&mut session, GENERATOR, &first, state).await.expect_err("it is not ours any more");
        assert!(again.to_string().contains("is not in BUILDING state"), "{again}");
        let second = reserve(&mut session, GENERATOR, &nvr()).await.expect("a reservation");
        assert_eq!(second.build_id, first.build_id);
        let stale = refund(&mut session, GENERATOR, &first, state).await.expect_err("the token is an old one");
        assert!(stale.to_string().contains("Token doesn't match build ID 1"), "{stale}");
    }
}

#[tokio::test]
async fn who_may_not_use_the_content_generator_is_told_so_without_another_login() {
    let hub = Hub::start(HubOptions::default().content_generator("another-one"));
    hub.change(|state| state.options.content_generators.insert(GENERATOR.to_owned(), vec!["somebody-else".to_owned()]));
    let mut session = logged_in(&hub).await;
    let made = Made::new();
    made.upload(&mut session, FOLDER).await;
    let expected = (1002, format!("Content generator access required ({GENERATOR})"));
    assert_eq!(refusal(reserve(&mut session, GENERATOR, &nvr()).await.expect_err("no access")), expected);
    assert_eq!(refusal(import(&mut session, FOLDER, &nvr(), None).await.expect_err("no access")), expected);
    assert_eq!(hub.calls("login").len(), 1);
    let unknown = reserve(&mut session, "nobody's", &nvr()).await.expect_err("there is none");
    assert_eq!(refusal(unknown), (1000, "No such entry in table content_generator: nobody's".to_owned()));
}

#[tokio::test]
async fn builds_that_exist_are_imported_again_only_after_failure() {
    for (state, expected) in [(0, false), (1, false), (2, false), (3, true), (4, true)] {
        let (hub, made) = (hub(), Made::new());
        let id = hub.add_build("hello-container-1.0-1", state);
        let mut session = logged_in(&hub).await;
        made.upload(&mut session, FOLDER).await;
        let result = import(&mut session, FOLDER, &nvr(), None).await;
        if expected {
            assert_eq!(result.expect("a build").id, id, "state {state}");
        } else {
            let text = format!("Build already exists: hello-container-1.0-1 (id={id})");
            assert_eq!(refusal(result.expect_err("it exists")), (1000, text), "state {state}");
        }
    }
}

/// Makes metadata wrong.
type Change = fn(&mut Json);

/// Changes of good metadata, and what Koji says about each.
fn refusals() -> Vec<(Change, (i64, String))> {
    let missing = |name: &str| (1, format!("<class 'KeyError'>: '{name}'"));
    let generic = |text: &str| (1000, text.to_owned());
    let archive = "docker-image-sha256:2222.x86_64.tar.gz";
    vec![
        (|m| m["metadata_version"] = 1.into(), generic("No such metadata version: 1")),
        (|m| drop(m.as_object_mut().map(|m| m.remove("metadata_version"))), missing("metadata_version")),
        (|m| drop(m.as_object_mut().map(|m| m.remove("output"))), missing("output")),
        (|m| remove(&mut m["build"], "source"), missing("source")),
        (|m| remove(&mut m["build"], "extra"), missing("extra")),
        (|m| remove(&mut m["build"], "end_time"), missing("end_time")),
        (|m| remove(&mut m["build"], "release"), generic("did not provide name, version, and release")),
        (|m| remove(&mut m["buildroots"][0], "tools"), missing("tools")),
        (|m| remove(&mut m["buildroots"][0]["host"], "os"), missing("os")),
        (|m| remove(&mut m["output"][0], "buildroot_id"), missing("buildroot_id")),
        (|m| remove(&mut m["output"][0], "checksum"), missing("checksum")),
        (|m| m["build"]["release"] = "1-2".into(), generic("The \"-\" character not allowed in release field")),
        (|m| m["build"]["owner"] = "nobody".into(), generic("No such user: 'nobody'")),
        (|m| m["build"]["owner"] = 1.into(), generic("Invalid owner format (expected username): 1")),
        (
            |m| {
                m["build"]["task_id"] = 1.into();
                m["build"]["extra"]["container_koji_task_id"] = 2.into();
            },
            generic("CG provided non-matching task_id 1 and container_koji_task_id 2"),
        ),
        (|m| m["build"]["build_id"] = 7.into(), generic("No such build: 7")),
        (|m| m["build"]["extra"]["typeinfo"] = json!({"image": {}}), generic("Duplicate typeinfo for 'image'")),
        (|m| m["build"]["extra"]["typeinfo"] = json!({"icm": {}}), generic("No such entry in table btype: icm")),
        (
            |m| m["buildroots"][0]["content_generator"]["name"] = "x".into(),
            generic("No such entry in table content_generator: x"),
        ),
        (|m| add_root(m, "2", "fedpkg-container-build"), generic("Buildroot id not used in output: '2'")),
        (|m| add_root(m, "1", "fedpkg-container-build"), generic("Duplicate buildroot id in metadata: '1'")),
        (|m| add_root(m, "2", "another-one"), generic("Koji now support only one content-generator per import")),
        (|m| m["output"][1]["buildroot_id"] = "9".into(), generic("Missing buildroot metadata for id '9'")),
        (
            |m| m["output"][0]["filesize"] = 8.into(),
            (1000, format!("File size 7 for {archive} (expected 8) doesn't match. Corrupted upload?")),
        ),
        (
            |m| m["output"][1]["checksum"] = "00".into(),
            (1000, {
                let sum = digest("sha256", b"STEP 1/1\n").expect("known").expect("a sum");
                format!("File checksum mismatch for x86_64-build.log: 00 != {sum}")
            }),
        ),
        (|m| m["output"][1]["checksum_type"] = "sha512".into(), generic("Unsupported verify type: sha512")),
        (
            |m| m["output"][1]["filename"] = "none.log".into(),
            (
                1,
                format!(
                    "<class 'FileNotFoundError'>: [Errno 2] No such file or directory: '/mnt/koji/work/{FOLDER}/./none.log'"
                ),
            ),
        ),
        (|m| m["output"][1]["type"] = "text".into(), generic("No typeinfo for: x86_64-build.log")),
        (
            |m| m["output"][0]["extra"]["typeinfo"] = json!({"icm": {}}),
            (1000, format!("Output file has multiple types: {archive}")),
        ),
        (
            |m| m["output"][0]["extra"] = json!({"typeinfo": {"win": {}}}),
            generic("Output type win not listed in build types"),
        ),
        (
            |m| {
                m["output"][1]["type"] = "image".into();
                m["output"][1]["extra"] = json!({"image": {"arch": "x86_64"}});
            },
            generic("unsupported file extension: x86_64-build.log"),
        ),
        (|m| m["output"][0]["components"][0]["type"] = "deb".into(), generic("No such component type: deb")),
        (|m| m["output"][0]["components"][0]["location"] = "x".into(), generic("External rpms not allowed")),
        (|m| m["buildroots"][0]["components"][0]["id"] = 1.into(), generic("Unexpected 'id' field in component")),
    ]
}

#[tokio::test]
async fn metadata_is_refused_for_each_of_kojis_reasons() {
    let hub = Hub::start(HubOptions::default().content_generator(GENERATOR).content_generator("another-one"));
    let mut session = logged_in(&hub).await;
    for (change, expected) in refusals() {
        let mut made = Made::new();
        change(&mut made.metadata);
        made.upload(&mut session, FOLDER).await;
        let error = import(&mut session, FOLDER, &nvr(), None).await.expect_err(&expected.1);
        assert_eq!(refusal(error), expected);
        assert_eq!(hub.change(|state| state.builds.len()), 0, "{expected:?}");
    }
    // And nothing but the changes was the reason.
    Made::new().upload(&mut session, FOLDER).await;
    import(&mut session, FOLDER, &nvr(), None).await.expect("a build");
}

fn remove(holder: &mut Json, name: &str) {
    holder.as_object_mut().expect("a struct").remove(name).expect("a member");
}

fn add_root(metadata: &mut Json, id: &str, generator: &str) {
    let mut root = metadata["buildroots"][0].clone();
    (root["id"], root["content_generator"]["name"]) = (id.into(), generator.into());
    metadata["buildroots"].as_array_mut().expect("a list").push(root);
}

#[tokio::test]
async fn a_reservation_and_the_metadata_have_to_be_about_the_same_build() {
    let cases: [(Change, bool, &str); 5] = [
        (|b| remove(b, "build_id"), true, "Reservation token given, but no build_id in metadata"),
        (|_| {}, false, "Token doesn't match build ID 1"),
        (|b| b["release"] = "2".into(), true, "Build (1) NVR is different"),
        (|b| b["epoch"] = 1.into(), true, "Build (1) epoch is different"),
        (|b| b["build_id"] = 2.into(), true, "Token doesn't match build ID 2"),
    ];
    for (change, with_token, text) in cases {
        let (hub, mut made) = (hub(), Made::new());
        let mut session = logged_in(&hub).await;
        let reservation: Reservation = reserve(&mut session, GENERATOR, &nvr()).await.expect("a reservation");
        hub.add_build("other-container-1.0-1", 0);
        made.metadata["build"]["build_id"] = reservation.build_id.into();
        change(&mut made.metadata["build"]);
        made.upload(&mut session, FOLDER).await;
        let reservation = with_token.then_some(&reservation);
        let error = import(&mut session, FOLDER, &nvr(), reservation).await.expect_err(text);
        assert_eq!(refusal(error), (1000, text.to_owned()));
        assert_eq!(hub.reservations().len(), 1, "the reservation is still there: {text}");
    }
}

#[tokio::test]
async fn a_tag_that_must_not_be_set_is_refused_at_once() {
    let (hub, made) = (hub(), Made::new());
    let mut session = logged_in(&hub).await;
    made.upload(&mut session, FOLDER).await;
    let build = import(&mut session, FOLDER, &nvr(), None).await.expect("a build");
    let cases = [
        ("f42-locked", 1004, "tag is locked"),
        ("f42-container-build", 1003, "Package hello-container not in list for f42-container-build"),
        ("nope", 1000, "No such tagInfo: 'nope'"),
    ];
    for (name, code, text) in cases {
        let error = tag(&mut session, name, &build).await.expect_err(text);
        assert_eq!(refusal(error), (code, text.to_owned()));
    }
    let nowhere = ImportedBuild { id: 99, nvr: "no-build-1-1".to_owned() };
    assert_eq!(refusal(tag(&mut session, TARGET, &nowhere).await.expect_err("no build")).1, "No such build: 99");
}

/// Lets Koji's own client do the whole of it, and gives what its calls answered.
fn peer(hub: &Hub, made: &Made, reserve: bool) -> Option<Json> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/cg_peer.py");
    let mut command = Command::new(peers::python()?);
    let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python");
    let job = json!({"server": hub.url(), "user": "packager", "password": "secret", "generator": GENERATOR,
                     "folder": FOLDER, "files": made.files(), "metadata": made.metadata, "reserve": reserve,
                     "tag": TARGET, "blocksize": 4});
    child.stdin.take().expect("a pipe").write_all(job.to_string().as_bytes()).expect("the peer listens");
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "the peer failed");
    Some(serde_json::from_slice(&output.stdout).expect("the peer answers in JSON"))
}

#[tokio::test]
async fn kojis_client_and_ours_bring_the_same_build_to_the_hub() {
    for reserved in [true, false] {
        let (theirs, ours, mut made) = (hub(), hub(), Made::new());
        let Some(told) = peer(&theirs, &made, reserved) else { return };
        assert_eq!((&told["getNextRelease"], &told["CGImport"]["state"]), (&json!("1"), &json!(1)), "{told}");
        assert_eq!(told["CGImport"]["extra"]["typeinfo"]["image"], made.metadata["build"]["extra"]["image"], "{told}");
        let archive = &told["listArchives"][0];
        assert_eq!((&archive["arch"], &archive["type_name"]), (&json!("x86_64"), &json!("tar")), "{told}");
        assert_eq!((&archive["size"], &archive["checksum_type"]), (&json!(7), &json!(2)), "{told}");
        assert!(told["tagBuild"].is_i64(), "{told}");

        let mut session = logged_in(&ours).await;
        let reservation = if reserved {
            let reservation = reserve(&mut session, GENERATOR, &nvr()).await.expect("a reservation");
            made.metadata["build"]["build_id"] = reservation.build_id.into();
            Some(reservation)
        } else {
            None
        };
        made.upload(&mut session, FOLDER).await;
        import(&mut session, FOLDER, &nvr(), reservation.as_ref()).await.expect("a build");

        let parsed = |hub: &Hub| {
            let mut uploads = hub.uploads();
            let metadata = uploads.remove(&format!("{FOLDER}/metadata.json")).expect("metadata");
            (uploads, serde_json::from_slice::<Json>(&metadata).expect("JSON"), hub.imported("hello-container-1.0-1"))
        };
        assert_eq!(parsed(&theirs), parsed(&ours), "reserved: {reserved}");
        assert_eq!(query_of_first_upload(&theirs), query_of_first_upload(&ours), "reserved: {reserved}");
    }
}

/// The names in the query of the first piece, without their values.
fn query_of_first_upload(hub: &Hub) -> BTreeSet<String> {
    let request = hub.requests().into_iter().find(|request| request.has("rawUpload")).expect("an upload");
    assert_eq!(request.header("content-type"), Some("application/octet-stream"));
    let (_, query) = request.path.split_once('?').expect("a query");
    url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

#[test]
fn kojis_client_survives_what_ours_survives_and_is_refused_alike() {
    // A fault that nobody meets would fail the test.
    if peers::python().is_none() {
        return;
    }
    for fault in [Fault::Reset, Fault::CutRequest, Fault::LoseAnswer, Fault::Status(503, "busy")] {
        let (hub, made) = (hub(), Made::new());
        hub.inject_after(1, "rawUpload", fault.clone(), 1);
        let Some(told) = peer(&hub, &made, true) else { return };
        assert_eq!(told["CGImport"]["nvr"], "hello-container-1.0-1", "{fault:?}: {told}");
    }
    let (hub, made) = (hub(), Made::new());
    hub.inject_after(1, "rawUpload", Fault::Corrupt, 1);
    let Some(told) = peer(&hub, &made, true) else { return };
    assert!(told["refused"]["text"].as_str().is_some_and(|text| text.contains("upload checksum failed")), "{told}");

    let (hub, mut made) = (self::hub(), Made::new());
    made.metadata["output"][0]["filesize"] = 8.into();
    let Some(told) = peer(&hub, &made, true) else { return };
    assert!(told["refused"]["text"].as_str().is_some_and(|text| text.contains("(expected 8)")), "{told}");
    assert!(hub.reservations().is_empty(), "the peer gave it back");
}
