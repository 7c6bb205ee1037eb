//! "Exactly one build": random faults at every request of a submit, and what may be said of it afterwards.
//!
//! Each round submits one build, a PipelineRun or one of OpenShift's own, and cancels some of them. Requests are answered oddly, not at
//! all, or refused, before or after they are carried out. Whatever happens, there never are two builds; what is told as created is
//! there; what is told as not created is not; and that it is not known is said only where looking for it went wrong.
//!
//! A round takes a few milliseconds. `OSBS_ROUNDS=10000 cargo test --test main osbs::once` plays more of them; `OSBS_SEED=…` plays
//! those of the seed that a failure names.

use std::time::{SystemTime, UNIX_EPOCH};

use fedpkg_container_build::builder::{Creation, Interrupt};
use fedpkg_container_build::osbs::discovery::discover;
use fedpkg_container_build::osbs::run::kind::RunKind;
use fedpkg_container_build::osbs::run::once::CreateError;
use fedpkg_container_build::osbs::run::{self, CancelError};
use fedpkg_container_build::osbs::tekton::Version;
use serde_json::{Value as Json, json};

use crate::support::kube_api::{Collection, KubeApi, Odd, Options, Trick};
use crate::support::osbs_inside::Inside;

/// Rounds of the ordinary test.
const ROUNDS: u64 = 300;

/// Random enough, and the same for a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.roll() % most
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Something that happens to a request. Clear refusals are true: nothing is done.
    fn trick(&mut self) -> Trick {
        let odd = Odd::ALL[self.below(Odd::ALL.len() as u64) as usize];
        let status = |code: u16| Trick::Status(code, format!("status {code}"));
        match self.below(12) {
            0 => Trick::Reset,
            1 | 2 => Trick::LoseAnswer,
            3 => status([500, 502, 503, 504][self.below(4) as usize]),
            4 => status([408, 429][self.below(2) as usize]),
            5 => status([400, 401, 403, 409, 422][self.below(5) as usize]),
            _ => {
                let is_done = self.one_in(2);
                Trick::Odd(odd, is_done)
            }
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// What is there of a round's build.
fn builds_of(server: &KubeApi, kind: RunKind, name: &str) -> Vec<Json> {
    let collection = match kind {
        RunKind::Tekton(_) => Collection::new("tekton.dev", "pipelineruns"),
        RunKind::Build => Collection::new("build.openshift.io", "builds"),
    };
    let is_of_round = |object: &&Json| object["metadata"]["name"].as_str().is_some_and(|known| known.starts_with(name));
    server.read(|state| state.of(&collection).filter(is_of_round).cloned().collect())
}

fn pipeline_run(name: &str, image: &str) -> Json {
    let params = json!({"image_tag": image}).to_string();
    json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": name}, "spec": {
        "pipelineRef": {"name": "binary-container"}, "params": [{"name": "user-params", "value": params}]}})
}

fn build_config(name: &str, image: &str) -> Json {
    json!({"apiVersion": "build.openshift.io/v1", "kind": "BuildConfig", "metadata": {
        "name": name, "annotations": {"fedpkg-container-build/image-tag": image}}, "spec": {}})
}

/// How often each end was seen.
#[derive(Debug, Default)]
struct Ends {
    created: u64,
    not_done: u64,
    not_known: u64,
    taken: u64,
    cancelled: u64,
    tricks: u64,
}

struct Model<'a> {
    server: &'a KubeApi,
    inside: Inside,
    dice: Dice,
    ends: Ends,
}

impl Model<'_> {
    /// Puts tricks in store; returns how many of them are for looks.
    fn play_tricks(&mut self, kind: RunKind) -> u64 {
        let (creates, looks): (&[&str], &str) = match kind {
            RunKind::Tekton(_) => (&["POST "], "GET /apis/tekton.dev/v1/namespaces/osbs/pipelineruns/"),
            RunKind::Build => (&["/buildconfigs HTTP", "/instantiate"], "GET /apis/build.openshift.io/v1/namespaces"),
        };
        for create in creates {
            for _ in 0..self.dice.below(4) {
                self.trick(create.trim_end_matches(" HTTP"));
            }
        }
        let count = if self.dice.one_in(2) { self.dice.below(8) } else { 0 };
        for _ in 0..count {
            self.trick(looks);
        }
        count
    }

    fn trick(&mut self, matching: &str) {
        let trick = self.dice.trick();
        self.server.trick(matching, trick);
        self.ends.tricks += 1;
    }

    fn forget_tricks(&mut self) {
        let left = self.server.change(|state| state.tricks.drain(..).count());
        self.ends.tricks -= left as u64;
    }

    fn round(&mut self, round: u64) {
        let kind = if self.dice.one_in(4) { RunKind::Build } else { RunKind::Tekton(Version::V1) };
        let name = format!("round-{round}x");
        let object = match kind {
            RunKind::Tekton(_) => pipeline_run(&name, &name),
            RunKind::Build => build_config(&name, &name),
        };
        let is_taken = kind != RunKind::Build && self.dice.one_in(8);
        if is_taken {
            self.server.put(&Collection::new("tekton.dev", "pipelineruns"), pipeline_run(&name, "of-another"));
        }
        let disturbed_looks = self.play_tricks(kind);
        let cluster = &self.inside.cluster;
        let mut creation = Creation::new(Interrupt::new());
        let created = self.inside.runtime.block_on(run::create(cluster, kind, &object, "1234", &mut creation));
        self.forget_tricks();
        let there = builds_of(self.server, kind, &name);
        assert!(there.len() <= 1, "two builds: {there:#?}");
        match created {
            Ok(created) => {
                assert!(!is_taken, "another's run was taken for ours");
                assert_eq!(there.first().map(|object| &object["metadata"]["name"]), Some(&json!(created.name)));
                self.ends.created += 1;
                if self.dice.one_in(3) {
                    self.cancel(kind, &created.name);
                }
            }
            Err(CreateError::NotKnown { name: told, why, .. }) => {
                assert!(told.starts_with(&name) && disturbed_looks > 0, "not known without need: {why}");
                self.ends.not_known += 1;
            }
            Err(CreateError::Taken { .. }) => {
                assert!(is_taken, "there is no other");
                self.ends.taken += 1;
            }
            Err(error) => {
                assert!(!creation.may_have_happened() || is_taken, "the user cannot stop what did not begin: {error}");
                assert!(there.is_empty() || is_taken, "told as not created, and there it is: {error}");
                self.ends.not_done += 1;
            }
        }
    }

    fn cancel(&mut self, kind: RunKind, name: &str) {
        for _ in 0..self.dice.below(6) {
            self.trick("PATCH ");
        }
        let looks = if self.dice.one_in(2) { self.dice.below(7) } else { 0 };
        for _ in 0..looks {
            self.trick(&format!("/{name}"));
        }
        let cancelled = self.inside.runtime.block_on(run::cancel(&self.inside.cluster, kind, name));
        self.forget_tricks();
        let is_asked = builds_of(self.server, kind, name).first().is_some_and(|run| kind.is_asked_to_end(run));
        match cancelled {
            Ok(()) => assert!(is_asked, "told as cancelled, and is not"),
            Err(CancelError::NotKnown { .. }) => assert!(looks > 0),
            Err(error) => assert!(!is_asked, "told as not cancelled, and is: {error}"),
        }
        self.ends.cancelled += 1;
    }
}

#[test]
fn whatever_happens_there_is_one_build_or_none_and_the_truth_is_told() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("OSBS_SEED").unwrap_or(now.as_nanos() as u64);
    let rounds = number("OSBS_ROUNDS").unwrap_or(ROUNDS);
    println!("OSBS_SEED={seed} OSBS_ROUNDS={rounds}");
    let server = KubeApi::with(Options { builds: true, ..Options::default() });
    let inside = Inside::new(&server);
    let mut model = Model { server: &server, inside, dice: Dice(seed), ends: Ends::default() };
    for round in 0..rounds {
        println!("round {round}");
        model.round(round);
        server.change(|state| {
            state.requests.clear();
            state.objects.clear();
            state.changes.clear();
        });
    }
    println!("{:?}", model.ends);
    let Ends { created, not_done, not_known, taken, cancelled, tricks } = model.ends;
    for (count, what) in
        [(created, "created"), (not_done, "not done"), (taken, "taken"), (cancelled, "cancelled"), (tricks, "tricks")]
    {
        assert!(count > rounds / 100, "{what}: {count} of {rounds}");
    }
    assert!(not_known < rounds / 4, "not known: {not_known} of {rounds}");
}

#[test]
fn what_a_cluster_builds_with_is_found_out_however_odd_it_answers() {
    let server = KubeApi::with(Options { builds: true, ..Options::default() });
    let inside = Inside::new(&server);
    for odd in Odd::ALL {
        for _ in 0..2 {
            server.trick("GET /apis/tekton.dev", Trick::Odd(odd, false));
        }
        let kind = inside.runtime.block_on(discover(&inside.cluster, None));
        assert_eq!(kind.unwrap(), RunKind::Tekton(Version::V1), "{odd:?}");
    }
}
