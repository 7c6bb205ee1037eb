//! The library against the test hub, without a command line: log in, ask, submit, watch to the end.

use std::time::Duration;

use fedpkg_container_build::builder::interrupt;
use fedpkg_container_build::credentials::Secret;
use fedpkg_container_build::event::{BuildEvent, EventReceiver, Outcome, Warning, channel};
use fedpkg_container_build::http::ClientOptions;
use fedpkg_container_build::koji::auth::Credentials;
use fedpkg_container_build::koji::logs::LogFilter;
use fedpkg_container_build::koji::outcome::HubLinks;
use fedpkg_container_build::koji::questions;
use fedpkg_container_build::koji::retry::RetryPolicy;
use fedpkg_container_build::koji::session::{HubSettings, Session};
use fedpkg_container_build::koji::submit::{Baseline, submit};
use fedpkg_container_build::koji::target_cache::TargetCache;
use fedpkg_container_build::koji::watch::{WatchOptions, watch};
use fedpkg_container_build::request::check::answers::{Answers, Questions};
use fedpkg_container_build::request::{Artifact, BuildOptions, BuildRequest};

use super::{SOURCE, TARGET, with_tls};
use crate::support::koji_hub::{Callnum, End, Fault, Hub, HubOptions, Script};

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

    let task = submit(&mut session, &request(), baseline).await.expect("a task");
    let links = HubLinks { weburl: Some(hub.weburl()), topurl: Some(hub.topurl()) };
    let poll_interval = Duration::from_secs(1);
    let options = WatchOptions { logs: LogFilter::default(), tail: None, poll_interval, links };
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
    let (_raise, mut interrupt) = interrupt();
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
            let task = submit(&mut session, &request(), baseline).await.expect("a task");
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
            hub.expire_sessions()
        } else {
            hub.forget_sessions()
        }
        submit(&mut session, &request(), baseline).await.expect("a task");
        assert_eq!((hub.tasks().len(), hub.calls("login").len()), (1, 2), "{how}");
        let event = receiver.recv().await.expect("an event").event;
        assert!(matches!(event, BuildEvent::Warned(Warning::SessionRenewed { .. })), "{how}: {event:?}");
    }
}
