//! The library against the test hub, without a command line: log in, ask, submit, watch to the end.

use std::time::Duration;

use fedpkg_container_build::builder::{Creation, Interrupt, LogChoice};
use fedpkg_container_build::credentials::Secret;
use fedpkg_container_build::error::ErrorKind;
use fedpkg_container_build::event::{BuildEvent, EventReceiver, Outcome, Warning, channel};
use fedpkg_container_build::http::ClientOptions;
use fedpkg_container_build::koji::api::get_task_info;
use fedpkg_container_build::koji::auth::Credentials;
use fedpkg_container_build::koji::cancel::{CancelError, cancel};
use fedpkg_container_build::koji::outcome::HubLinks;
use fedpkg_container_build::koji::questions;
use fedpkg_container_build::koji::retry::RetryPolicy;
use fedpkg_container_build::koji::session::{HubSettings, Session};
use fedpkg_container_build::koji::submit::{Baseline, SubmitError, submit};
use fedpkg_container_build::koji::target_cache::TargetCache;
use fedpkg_container_build::koji::watch::{WatchOptions, watch};
use fedpkg_container_build::request::check::answers::{Answers, Questions};
use fedpkg_container_build::request::{Artifact, BuildOptions, BuildRequest};

use super::{SOURCE, TARGET, with_tls};
use crate::support::koji_hub::xmlrpc::{Value, record};
use crate::support::koji_hub::{Callnum, End, Fault, Hub, HubOptions, Script, TaskState};

pub(super) fn session(hub: &Hub) -> (Session, EventReceiver) {
    session_with(&hub.url(), ClientOptions::default())
}

fn session_with(server: &str, client: ClientOptions) -> (Session, EventReceiver) {
    let (events, receiver) = channel();
    let interval = Duration::from_millis(10);
    let retry = RetryPolicy { max_retries: 5, interval, anonymous: true, offline: Some(interval) };
    let auth_timeout = Duration::from_secs(10);
    let server = server.parse().expect("an address");
    (Session::new(HubSettings { server, client, retry, auth_timeout }, events), receiver)
}

pub(super) fn password() -> Credentials {
    Credentials::Password { user: "packager".to_owned(), password: Secret::new("secret") }
}

fn request() -> BuildRequest {
    BuildRequest {
        artifact: Artifact::Container,
        source: SOURCE.to_owned(),
        target: TARGET.to_owned(),
        namespace: Some("container".to_owned()),
        repo_name: "hello".to_owned(),
        git_branch: "f42".to_owned(),
        commit: "a".repeat(40),
        options: BuildOptions::default(),
        priority: None,
        channel: None,
    }
}

async fn ask(session: &mut Session) -> (Answers, Baseline) {
    let [package, nvr] = ["hello-container", "hello-container-1-1"].map(|text| Some(text.to_owned()));
    let questions = Questions { target: TARGET.to_owned(), package, nvr };
    questions::ask(session, &questions, &TargetCache::locate(None, None)).await.expect("answers")
}

#[tokio::test]
async fn a_build_is_logged_in_for_asked_about_submitted_and_watched_to_its_end() {
    let (hub, folder) = with_tls();
    let arches = ["x86_64", "aarch64"].map(str::to_owned).to_vec();
    hub.script(Script { arches, steps: 3, step: Duration::from_millis(50), end: End::Close });
    let build = hub.add_build("hello-container-1-1", 1);
    let client = ClientOptions { serverca: Some(folder.path().join("ca.crt")), ..ClientOptions::default() };
    let (mut session, mut receiver) = session_with(&hub.https_url(), client);
    let path = folder.path().join("packager.pem");
    session.log_in(Credentials::Certificate { path, proxy_user: None }).await.expect("a session");

    let (answers, baseline) = ask(&mut session).await;
    assert_eq!(answers.dest_tag.expect("a tag").arches, ["x86_64", "aarch64"]);
    assert_eq!(answers.package.expect("a package").name, "hello-container");
    assert_eq!(answers.build.expect("a build").id, build);
    assert_eq!((answers.builds_containers, baseline.user), (Some(true), Some(1)));

    let task = submit(&mut session, &request(), baseline, &mut Creation::new(Interrupt::new())).await.expect("a task");
    let links = HubLinks { weburl: Some(hub.weburl()), topurl: Some(hub.topurl()) };
    let poll_interval = Duration::from_secs(1);
    let options = WatchOptions { logs: LogChoice::default(), poll_interval, links };
    // Many events fit into the channel, but not all: they are read meanwhile.
    let reader = tokio::spawn(async move {
        let mut log = Vec::new();
        while let Some(stamped) = receiver.recv().await {
            if let BuildEvent::LogAppended { log: id, bytes, .. } = stamped.event
                && &*id.name == "aarch64.log"
            {
                log.extend_from_slice(&bytes);
            }
        }
        log
    });
    let mut interrupt = Interrupt::new();
    let outcome = watch(&mut session, task, options, &mut interrupt).await.expect("an outcome");
    session.log_out().await;
    drop(session);
    assert_eq!(outcome.outcome, Outcome::Succeeded);
    assert_eq!(outcome.builds[0].nvr.as_deref(), Some("hello-container-1-1"));
    let key = ("DEFAULT".to_owned(), "aarch64.log".to_owned());
    assert_eq!(reader.await.expect("the log"), hub.task(task).get().files[&key].bytes);
}

#[tokio::test]
async fn a_lost_answer_to_a_submit_makes_one_task_whatever_number_the_hub_reads() {
    for callnum in [Callnum::Session, Callnum::Old, Callnum::Off] {
        for fault in [Fault::LoseAnswer, Fault::CutBody, Fault::Reset, Fault::Status(503, "busy"), Fault::Offline] {
            let hub = Hub::start(HubOptions { callnum, ..HubOptions::default() });
            let (mut session, _receiver) = session(&hub);
            session.log_in(password()).await.expect("a session");
            let (_, baseline) = ask(&mut session).await;
            hub.inject("buildContainer", fault.clone(), 1);
            let task =
                submit(&mut session, &request(), baseline, &mut Creation::new(Interrupt::new())).await.expect("a task");
            let ids: Vec<i64> = hub.tasks().iter().map(|task| task.id).collect();
            assert_eq!(ids, [task], "{callnum:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_session_that_expires_or_is_forgotten_is_replaced_and_that_is_told() {
    for how in ["expired", "forgotten"] {
        let hub = Hub::start(HubOptions::default());
        let (mut session, mut receiver) = session(&hub);
        session.log_in(password()).await.expect("a session");
        let (_, baseline) = ask(&mut session).await;
        if how == "expired" {
            hub.expire_sessions();
        } else {
            hub.forget_sessions();
        }
        submit(&mut session, &request(), baseline, &mut Creation::new(Interrupt::new())).await.expect("a task");
        assert_eq!((hub.tasks().len(), hub.calls("login").len()), (1, 2), "{how}");
        let event = receiver.recv().await.expect("an event").event;
        assert!(matches!(event, BuildEvent::Warned(Warning::SessionRenewed { .. })), "{how}: {event:?}");
    }
}

/// The arguments of the task that `submit` makes, with another source.
fn another_request() -> Vec<Value> {
    let opts = [("git_branch", "f42".into()), ("isolated", false.into()), ("scratch", false.into())];
    vec![SOURCE.replace('a', "b").into(), TARGET.into(), record(opts)]
}

#[tokio::test]
async fn the_look_for_a_lost_submit_passes_over_what_is_not_ours() {
    for lost in [true, false] {
        let hub = Hub::start(HubOptions::default());
        // An older task whose failure holds what XML cannot carry, as the output of a tool that was pasted into it.
        let older = hub.add_task("buildContainer", 1, another_request());
        older.open("builder1");
        older.fail(2001, "\u{1b}[31mboom\u{1b}[0m");
        let (mut session, _receiver) = session(&hub);
        session.log_in(password()).await.expect("a session");
        let (_, baseline) = ask(&mut session).await;
        assert_eq!(baseline.newest_task, Some(older.id));
        let fault = if lost { Fault::LoseAnswer } else { Fault::Reset };
        hub.inject("buildContainer", fault, 1);
        let mut others: Vec<i64> = (0..25).map(|_| hub.add_task("buildContainer", 1, another_request()).id).collect();
        let task =
            submit(&mut session, &request(), baseline, &mut Creation::new(Interrupt::new())).await.expect("a task");
        // One that comes later than ours, too.
        others.push(hub.add_task("buildContainer", 1, another_request()).id);
        assert!(!others.contains(&task), "{task} is somebody else's");
        let ours: Vec<i64> = hub.tasks().iter().map(|task| task.id).filter(|id| !others.contains(id)).collect();
        assert_eq!(ours, [older.id, task], "lost: {lost}");
        assert_eq!(hub.task(task).get().request[0], SOURCE.into());
    }
}

#[tokio::test]
async fn a_newer_task_of_the_same_user_is_not_adopted_when_ours_came_later() {
    let hub = Hub::start(HubOptions { callnum: Callnum::Off, ..HubOptions::default() });
    let (mut session, mut receiver) = session(&hub);
    session.log_in(password()).await.expect("a session");
    let (_, baseline) = ask(&mut session).await;
    let other = hub.add_task("buildContainer", 1, another_request());
    hub.inject("buildContainer", Fault::Reset, 1);
    let task = submit(&mut session, &request(), baseline, &mut Creation::new(Interrupt::new())).await.expect("a task");
    assert_ne!(task, other.id);
    assert_eq!(hub.tasks().len(), 2);
    drop(session);
    while let Some(stamped) = receiver.recv().await {
        assert!(!matches!(stamped.event, BuildEvent::Warned(Warning::Adopted { .. })), "nothing was adopted");
    }
}

#[tokio::test]
async fn a_task_that_the_hub_does_not_tell_about_may_be_ours() {
    let hub = Hub::start(HubOptions { callnum: Callnum::Off, ..HubOptions::default() });
    let (mut session, _receiver) = session(&hub);
    session.log_in(password()).await.expect("a session");
    let (_, baseline) = ask(&mut session).await;
    hub.inject("buildContainer", Fault::LoseAnswer, 1);
    hub.inject("getTaskInfo", Fault::Refuse(1000, "something went wrong"), 1);
    let mut creation = Creation::new(Interrupt::new());
    let error = submit(&mut session, &request(), baseline, &mut creation).await.expect_err("nobody knows");
    assert!(matches!(error, SubmitError::Unknown { .. }), "{error:?}");
    assert_eq!(hub.tasks().len(), 1);
}

#[tokio::test]
async fn without_anything_to_tell_the_task_by_a_lost_submit_is_not_repeated() {
    let hub = Hub::start(HubOptions { callnum: Callnum::Off, ..HubOptions::default() });
    let (mut session, _receiver) = session(&hub);
    session.log_in(password()).await.expect("a session");
    hub.inject("buildContainer", Fault::LoseAnswer, 1);
    let error = submit(&mut session, &request(), Baseline::default(), &mut Creation::new(Interrupt::new()))
        .await
        .expect_err("nobody knows");
    assert!(matches!(error, SubmitError::Unknown { .. }), "{error:?}");
    assert_eq!(hub.tasks().len(), 1);
}

#[tokio::test]
async fn questions_of_a_session_are_asked_again_when_their_answer_was_lost() {
    for fault in [Fault::LoseAnswer, Fault::CutBody] {
        let hub = Hub::start(HubOptions::default());
        let (mut session, _receiver) = session(&hub);
        session.log_in(password()).await.expect("a session");
        hub.inject("multiCall", fault, 2);
        let (answers, baseline) = ask(&mut session).await;
        assert!(answers.dest_tag.is_some());
        assert_eq!(baseline, Baseline { newest_task: Some(0), user: Some(1) });
    }
}

#[tokio::test]
async fn a_cancel_whose_answer_was_lost_is_told_by_the_task() {
    let faults = [
        Fault::LoseAnswer,
        Fault::CutBody,
        Fault::Reset,
        Fault::Html200,
        Fault::Status(502, "bad gateway"),
        Fault::Offline,
    ];
    for callnum in [Callnum::Session, Callnum::Off] {
        for fault in &faults {
            for times in [1, 2] {
                let hub = Hub::start(HubOptions { callnum, ..HubOptions::default() });
                let (mut session, _receiver) = session(&hub);
                session.log_in(password()).await.expect("a session");
                let task = hub.add_task("buildContainer", 1, another_request());
                hub.inject("cancelTask", fault.clone(), times);
                cancel(&mut session, task.id).await.expect("it is cancelled");
                assert_eq!(task.state(), TaskState::Canceled, "{callnum:?} {fault:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_cancel_that_cannot_be_seen_is_not_known_and_one_that_is_refused_is_not_done() {
    let hub = Hub::start(HubOptions::default());
    let (mut session, _receiver) = session(&hub);
    session.log_in(password()).await.expect("a session");
    let [ours, theirs] = [1, 2].map(|owner| hub.add_task("buildContainer", owner, another_request()));
    let refused = cancel(&mut session, theirs.id).await.expect_err("not ours");
    assert!(matches!(refused, CancelError::NotDone(_)), "{refused:?}");
    hub.inject("cancelTask", Fault::LoseAnswer, 1);
    hub.inject_for_good("cancelTask", Fault::Html200);
    hub.inject_for_good("getTaskInfo", Fault::Html200);
    let unknown = cancel(&mut session, ours.id).await.expect_err("nobody knows");
    assert!(matches!(unknown, CancelError::NotKnown { .. }), "{unknown:?}");
    assert_eq!(ours.state(), TaskState::Canceled);
}

#[tokio::test]
async fn a_task_that_is_seen_at_work_after_a_lost_cancel_is_not_called_cancelled() {
    let hub = Hub::start(HubOptions::default());
    let (mut session, _receiver) = session(&hub);
    session.log_in(password()).await.expect("a session");
    let task = hub.add_task("buildContainer", 1, another_request());
    hub.inject_for_good("cancelTask", Fault::Html200);
    let unknown = cancel(&mut session, task.id).await.expect_err("it goes on");
    assert!(matches!(unknown, CancelError::NotKnown { .. }), "{unknown:?}");
    assert_eq!(task.state(), TaskState::Free);
}

#[tokio::test]
async fn an_answer_without_end_is_an_error_and_not_kept() {
    const MIB: usize = 1024 * 1024;
    for (status, most) in [(200, 80 * MIB), (503, 16 * MIB)] {
        let hub = Hub::start(HubOptions::default());
        let (mut session, _receiver) = session(&hub);
        session.log_in(password()).await.expect("a session");
        hub.inject_for_good("getTaskInfo", Fault::Endless(status));
        let error = session.call(&get_task_info(1, false)).await.expect_err("no answer");
        assert_eq!(error.kind(), ErrorKind::Network, "{error}");
        let expected = if status == 200 { "longer than 64 MiB" } else { "HTTP status 503" };
        assert!(error.to_string().contains(expected), "{error}");
        // What the connection holds is counted too, once for each of the six attempts at a busy hub.
        assert!(hub.endless_bytes() < most * if status == 200 { 1 } else { 6 }, "{} bytes", hub.endless_bytes());
    }
}
