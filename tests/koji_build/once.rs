//! Exactly one build: whatever goes wrong, at whatever call, a submit makes one build or none, and what is told of it is true.
//!
//! Each round has a hub of its own with random faults at random calls from the login to the submit. Its seed is printed when
//! it fails. More rounds, and one of them again:
//!
//! ```sh
//! SUBMIT_ROUNDS=10000 cargo test --test main koji_build::once
//! SUBMIT_ROUNDS=1 SUBMIT_SEED=123 cargo test --test main koji_build::once::whatever
//! ```

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fedpkg_container_build::builder::{Creation, Interrupt};
use fedpkg_container_build::credentials::Secret;
use fedpkg_container_build::event::{EventReceiver, channel};
use fedpkg_container_build::http::ClientOptions;
use fedpkg_container_build::koji::auth::Credentials;
use fedpkg_container_build::koji::questions;
use fedpkg_container_build::koji::retry::RetryPolicy;
use fedpkg_container_build::koji::session::{HubSettings, Session};
use fedpkg_container_build::koji::submit::{Baseline, SubmitError, submit};
use fedpkg_container_build::koji::target_cache::TargetCache;
use fedpkg_container_build::request::check::answers::Questions;
use fedpkg_container_build::request::{Artifact, BuildOptions, BuildRequest};

use crate::support::koji_hub::xmlrpc::{Value, record};
use crate::support::koji_hub::{Callnum, Fault, Hub, HubOptions};
use crate::support::world::World;

/// Rounds of an ordinary run, as far as there is time for them.
const ROUNDS: u64 = 300;
const TIME: Duration = Duration::from_secs(12);
/// How many of them run at once.
const AT_ONCE: u64 = 4;
/// How long a client of a round waits for an answer, and how long an answer takes that comes too late.
const PATIENCE: Duration = Duration::from_millis(100);
const TOO_LATE: Duration = Duration::from_millis(300);

const SOURCE: &str = "git+https://src.example.com/container/foo#aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const TARGET: &str = "f42-container-candidate";

/// A generator of random numbers (SplitMix64): a seed always gives the same ones.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("a small number")
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn first_seed() -> u64 {
    environment("SUBMIT_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ (now.as_secs() << 20)
    })
}

/// Says which round it was when it panics.
struct Round(u64);

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again with SUBMIT_ROUNDS=1 SUBMIT_SEED={}", self.0);
        }
    }
}

/// What may go wrong with a request.
fn faults() -> Vec<Fault> {
    vec![
        Fault::LoseAnswer,
        Fault::CutBody,
        Fault::Reset,
        Fault::Html200,
        Fault::Status(500, "broken"),
        Fault::Status(502, "<html>Bad gateway"),
        Fault::Status(503, "busy"),
        Fault::Status(403, "<html>Forbidden"),
        Fault::Offline,
        Fault::OtherShape,
        Fault::Delay(TOO_LATE),
        Fault::Refuse(1, "<class 'psycopg2.OperationalError'>: server closed the connection unexpectedly"),
        Fault::Refuse(1000, "No such channel: container-binary"),
        Fault::Refuse(1002, "Invalid session or bad credentials"),
        Fault::Refuse(1004, "policy violation"),
        Fault::Refuse(1007, "session \"115\" has expired"),
        Fault::Refuse(1008, "7 > 3 (session 115)"),
    ]
}

/// The calls between the beginning and the submit; those around the submit come more often.
const CALLS: &[&str] = &[
    "login",
    "multiCall",
    "getBuildTarget",
    "buildContainer",
    "buildContainer",
    "buildContainer",
    "buildContainer",
    "listTasks",
    "getTaskInfo",
    "*",
];

fn inject(hub: &Hub, random: &mut Random) -> Vec<String> {
    let all = faults();
    let orders = (0..=random.below(4)).map(|_| {
        let (call, fault) = (random.one_of(CALLS), random.one_of(&all));
        let (spared, times) = (random.one_of(&[0, 0, 0, 1, 2]), random.one_of(&[1, 1, 1, 2, 4]));
        let order = format!("{fault:?} of {call}, {times} times after {spared}");
        hub.inject_after(spared, call, fault, times);
        order
    });
    orders.collect()
}

fn session(hub: &Hub) -> (Session, EventReceiver) {
    let interval = Duration::from_millis(1);
    let retry = RetryPolicy { max_retries: 3, interval, anonymous: true, offline: None };
    let server = hub.url().parse().expect("an address");
    let client = ClientOptions::default();
    let (events, receiver) = channel();
    let mut session = Session::new(HubSettings { server, client, retry, auth_timeout: PATIENCE }, events);
    session.be_patient_for(PATIENCE);
    (session, receiver)
}

fn request() -> BuildRequest {
    BuildRequest {
        artifact: Artifact::Container,
        source: SOURCE.to_owned(),
        target: TARGET.to_owned(),
        namespace: Some("container".to_owned()),
        repo_name: "foo".to_owned(),
        git_branch: "f42".to_owned(),
        commit: "a".repeat(40),
        options: BuildOptions::default(),
        priority: None,
        channel: None,
    }
}

/// A task of the same user that is not ours.
fn add_other(hub: &Hub) {
    let opts = [("git_branch", "f42".into()), ("isolated", false.into()), ("scratch", true.into())];
    hub.add_task("buildContainer", 1, vec![Value::from(SOURCE), TARGET.into(), record(opts)]);
}

/// How a submit ended, as far as its caller is told; with the words, which a failed test shows.
#[derive(Debug)]
#[allow(dead_code, reason = "the words are shown, not read")]
enum Told {
    Created(i64),
    NotCreated(String),
    NotKnown(String),
}

async fn run(session: &mut Session, hub: &Hub, random: &mut Random) -> Told {
    let credentials = Credentials::Password { user: "packager".to_owned(), password: Secret::new("secret") };
    if let Err(error) = session.log_in(credentials).await {
        return Told::NotCreated(error.to_string());
    }
    let questions = Questions { target: TARGET.to_owned(), package: Some("foo-container".to_owned()), nvr: None };
    let asked = questions::ask(session, &questions, &TargetCache::locate(None, None)).await;
    let (_, baseline) = match asked {
        Ok(asked) => asked,
        Err(error) => return Told::NotCreated(error.to_string()),
    };
    match random.below(8) {
        0 => hub.expire_sessions(),
        1 => hub.forget_sessions(),
        2 | 3 => add_other(hub),
        _ => {}
    }
    match submit(session, &request(), baseline, &mut Creation::new(Interrupt::new())).await {
        Ok(task) => Told::Created(task),
        Err(error @ SubmitError::Session(_)) => Told::NotCreated(error.to_string()),
        Err(error) => Told::NotKnown(format!("{error:?}")),
    }
}

/// One round; what was told.
async fn round(seed: u64) -> Told {
    let _round = Round(seed);
    let mut random = Random(seed);
    let callnum = random.one_of(&[Callnum::Session, Callnum::Old, Callnum::Off]);
    let old_sessions = random.below(8) == 0;
    let hub = Hub::start(HubOptions { old_sessions, callnum, ..HubOptions::default() });
    (0..random.below(3)).for_each(|_| add_other(&hub));
    let orders = inject(&hub, &mut random);
    let (mut session, mut receiver) = session(&hub);
    // Nobody reads them, but they must not fill the channel.
    let reader = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    let told = run(&mut session, &hub, &mut random).await;
    drop(session);
    reader.await.expect("a reader of events");
    let is_ours = |request: &[Value]| {
        let scratch = request.get(2).and_then(|opts| opts.get("scratch"));
        scratch.is_some_and(|scratch| !scratch.is_true())
    };
    let built: Vec<i64> = hub.tasks().iter().filter(|task| is_ours(&task.request)).map(|task| task.id).collect();
    let case = format!("{callnum:?} {orders:?}: told {told:?}, the hub has {built:?}");
    match &told {
        Told::Created(task) => assert_eq!(built, [*task], "{case}"),
        Told::NotCreated(_) => assert!(built.is_empty(), "{case}"),
        Told::NotKnown(_) => assert!(built.len() <= 1, "{case}"),
    }
    // Faults that did not happen belong to the game.
    hub.change(|state| state.injections.clear());
    told
}

#[tokio::test]
async fn what_may_be_behind_too_many_other_tasks_is_not_known_and_not_made_again() {
    let hub = Hub::start(HubOptions { callnum: Callnum::Off, ..HubOptions::default() });
    let (mut session, mut receiver) = session(&hub);
    let reader = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    let credentials = Credentials::Password { user: "packager".to_owned(), password: Secret::new("secret") };
    session.log_in(credentials).await.expect("a session");
    (0..100).for_each(|_| add_other(&hub));
    hub.inject("buildContainer", Fault::Reset, 1);
    let baseline = Baseline { newest_task: Some(0), user: Some(1) };
    let submitted = submit(&mut session, &request(), baseline, &mut Creation::new(Interrupt::new())).await;
    assert!(matches!(submitted, Err(SubmitError::Unknown { .. })), "{submitted:?}");
    assert_eq!(hub.tasks().len(), 100);
    drop(session);
    reader.await.expect("a reader of events");
}

#[test]
fn whatever_goes_wrong_a_submit_makes_one_build_or_none_and_says_which() {
    let (wanted, seed) = (environment("SUBMIT_ROUNDS"), first_seed());
    let rounds = wanted.unwrap_or(ROUNDS);
    let began = Instant::now();
    let worker = |number: u64| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut counts = [0; 3];
        for round_number in (number..rounds).step_by(usize::try_from(AT_ONCE).expect("a small number")) {
            if wanted.is_none() && began.elapsed() > TIME {
                break;
            }
            match runtime.block_on(round(seed.wrapping_add(round_number))) {
                Told::Created(_) => counts[0] += 1,
                Told::NotCreated(_) => counts[1] += 1,
                Told::NotKnown(_) => counts[2] += 1,
            }
        }
        counts
    };
    let counts = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|number| scope.spawn(move || worker(number))).collect();
        let counts = workers.into_iter().map(|worker| worker.join().expect("no round failed"));
        counts.fold([0; 3], |sum: [u64; 3], counts| std::array::from_fn(|at| sum[at] + counts[at]))
    });
    let [created, not_created, not_known] = counts;
    let rounds = created + not_created + not_known;
    eprintln!("{rounds} rounds from seed {seed}: {created} created, {not_created} not, {not_known} not known");
    if rounds >= ROUNDS / 2 {
        assert!(created > rounds / 4 && not_created > rounds / 20 && not_known > 0, "the faults are worth something");
    }
}

#[test]
fn the_program_tells_the_truth_about_a_submit_that_went_wrong() {
    let (rounds, seed) = (environment("SUBMIT_ROUNDS").map_or(6, |rounds| (rounds / 100).max(1)), first_seed());
    for first in (0..rounds).step_by(6) {
        std::thread::scope(|scope| {
            for number in first..rounds.min(first + 6) {
                scope.spawn(move || program_round(seed.wrapping_add(number)));
            }
        });
    }
}

fn program_round(seed: u64) {
    let _round = Round(seed);
    let mut random = Random(seed);
    let callnum = random.one_of(&[Callnum::Session, Callnum::Old, Callnum::Off]);
    let world = World::with(HubOptions { callnum, ..HubOptions::default() }, "max_retries = 3\n");
    let _clone = world.clone();
    let mut orders = Vec::new();
    for _ in 0..=random.below(2) {
        // Nothing that takes as long as the program's own patience.
        let all: Vec<Fault> = faults().into_iter().filter(|fault| !matches!(fault, Fault::Delay(_))).collect();
        let (call, fault) = (random.one_of(CALLS), random.one_of(&all));
        orders.push(format!("{fault:?} of {call}"));
        world.hub.inject(call, fault, random.one_of(&[1, 1, 2]));
    }
    let run = world.run(&["--nowait"]);
    let built: Vec<i64> = world.hub.tasks().iter().map(|task| task.id).collect();
    let case = format!("{callnum:?} {orders:?} {built:?} {run}");
    let is_unknown = run.stderr.contains("it is not known whether") || run.stderr.contains("not among the newest");
    match run.status {
        Some(0) => {
            assert_eq!(built.len(), 1, "{case}");
            assert!(run.stdout.starts_with(&format!("Created task: {}\n", built[0])), "{case}");
        }
        Some(_) if is_unknown => assert!(built.len() <= 1, "{case}"),
        Some(_) => assert!(built.is_empty(), "{case}"),
        None => panic!("killed: {case}"),
    }
    world.hub.change(|state| state.injections.clear());
}
