//! The smallest builder there can be, to see that nothing else has to know of one: a room of its own, and one line in
//! [`crate::builders`].

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::path::Path;

use futures_util::future::LocalBoxFuture;

use crate::builder::{
    Answer, Builder, Change, Created, Creation, Interrupt, Known, LogChoice, Order, Page, Rules, Setting, Site,
    Unhappened, Watched, Way, Wish,
};
use crate::cli::{self, Invocation};
use crate::commands::{self, Context};
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::event::{
    self, BuildEvent, BuildOutcome, BuilderName, DryRun, Failure, Manner, Outcome, ProgressFrom, TaskId, TaskState,
};
use crate::plugin;
use crate::request::check::answers::Answers;

/// Builds nothing, and says so; the name of the target says what goes wrong.
pub(super) struct Tiny;

const MANNER: Manner = Manner {
    created: Some("nothing"),
    outlives_us: true,
    ids_in_lines: true,
    counters: false,
    progress: ProgressFrom::Tasks,
    logs_by_name: false,
    whole_result: false,
};

impl Builder for Tiny {
    fn name(&self) -> BuilderName {
        BuilderName::of("tiny")
    }

    fn place(&self) -> &'static str {
        "nowhere"
    }

    fn manner(&self) -> &'static Manner {
        &MANNER
    }

    fn rules(&self) -> Rules {
        Rules {
            fetches: false,
            arches_of_target: true,
            gating: false,
            forgiven: &[],
            is_of_profile: false,
            work_tree: None,
        }
    }

    fn order<'a>(&'a self, _setting: Setting<'a>, wish: Wish<'a>) -> Answer<'a, Box<dyn Order + 'a>> {
        Box::pin(async move { Ok(Box::new(TinyOrder(wish)) as Box<dyn Order>) })
    }

    fn site<'a>(&'a self, _setting: Setting<'a>, _known: Option<&'a Known>) -> Answer<'a, Box<dyn Site + 'a>> {
        Box::pin(async { Ok(Box::new(Nowhere) as Box<dyn Site>) })
    }

    fn is_id(&self, word: &str) -> bool {
        word.starts_with("Tiny")
    }

    fn page<'a>(&'a self, _setting: &'a Setting<'_>, _page: &'a Page) -> Answer<'a, Option<Known>> {
        Box::pin(async { Ok(None) })
    }
}

struct TinyOrder<'a>(Wish<'a>);

impl Order for TinyOrder<'_> {
    fn place(&self) -> String {
        "nothing at all".to_owned()
    }

    fn server(&self) -> String {
        "nowhere".to_owned()
    }

    fn ask(&mut self) -> Answer<'_, Option<Answers>> {
        Box::pin(async { Ok(None) })
    }

    fn preview(&mut self) -> Answer<'_, DryRun> {
        let text = "Would do nothing.\n".to_owned();
        let run = DryRun { version: 1, builder: Tiny.name(), fields: serde_json::Map::new(), text };
        Box::pin(async { Ok(run) })
    }

    fn submit<'a>(&'a mut self, creation: &'a mut Creation) -> LocalBoxFuture<'a, Change<Created>> {
        let target = self.0.request.target.clone();
        Box::pin(async move {
            creation.begins().map_err(|stopped| Unhappened::NotDone(stopped.into()))?;
            match target.as_str() {
                "refuse" => Err(Unhappened::NotDone(Error::new(ErrorKind::Server, std::fmt::Error))),
                "lose" => Err(Unhappened::NotKnown(Error::new(ErrorKind::Network, std::fmt::Error))),
                _ => Ok(Created { id: "Tiny-1".into(), url: None, way: Way::default() }),
            }
        })
    }

    fn watch<'a>(&'a mut self, _logs: &'a LogChoice, _interrupt: &'a mut Interrupt) -> Answer<'a, Watched> {
        let target = self.0.request.target.clone();
        Box::pin(async move {
            match target.as_str() {
                "fail" => Ok(ended(Outcome::Failed).into()),
                "vanish" => Err(Error::new(ErrorKind::Network, std::fmt::Error)),
                _ => Ok(ended(Outcome::Succeeded).into()),
            }
        })
    }

    fn look(&self) -> String {
        "look again".to_owned()
    }
}

struct Nowhere;

impl Site for Nowhere {
    fn server(&self) -> String {
        "nowhere".to_owned()
    }

    fn profile(&self) -> String {
        String::new()
    }

    fn watch<'a>(
        &'a mut self,
        _id: &'a TaskId,
        _logs: &'a LogChoice,
        _interrupt: &'a mut Interrupt,
    ) -> Answer<'a, Watched> {
        Box::pin(async { Ok(ended(Outcome::Cancelled).into()) })
    }

    fn cancel<'a>(&'a mut self, _id: &'a TaskId) -> LocalBoxFuture<'a, Change<()>> {
        Box::pin(async { Ok(()) })
    }

    fn state<'a>(&'a mut self, ids: &'a [TaskId]) -> Answer<'a, Vec<Option<TaskState>>> {
        Box::pin(async move { Ok(vec![Some(TaskState::Closed); ids.len()]) })
    }
}

fn ended(outcome: Outcome) -> BuildOutcome {
    let failure = Failure { reason: "it was to fail".to_owned(), code: None, task: None, log: None };
    BuildOutcome { failure: (outcome == Outcome::Failed).then_some(failure), ..BuildOutcome::of("Tiny-1", outcome) }
}

/// A checkout with a commit, and a configuration.
fn checkout(folder: &Path) {
    let repository = git2::Repository::init(folder.join("hello")).unwrap();
    let dockerfile = "FROM base:1\nLABEL com.redhat.component=hello-container name=hello version=1 release=1\n";
    std::fs::write(folder.join("hello/Dockerfile"), dockerfile).unwrap();
    let mut index = repository.index().unwrap();
    index.add_path(Path::new("Dockerfile")).unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let author = git2::Signature::now("somebody", "somebody@example.org").unwrap();
    repository.commit(Some("HEAD"), &author, &author, "hello", &tree, &[]).unwrap();
    repository.remote("origin", "ssh://git.example.org/container/hello").unwrap();
    let config = "[fedpkg]\nanongiturl = https://git.example.org/%(repo)s\ngitbaseurl = ssh://%(user)s@git.example.org/%(repo)s\n";
    std::fs::write(folder.join("fedpkg.conf"), config).unwrap();
}

/// Carries a command line out. Gives the exit code and everything that was told.
fn run(folder: &Path, words: &[&str]) -> (u8, Vec<BuildEvent>) {
    let identity = plugin::identify(Some("fedpkg-container-build".as_ref()));
    let config = folder.join("fedpkg.conf").display().to_string();
    let checkout = folder.join("hello").display().to_string();
    let argv = ["fedpkg-container-build", "-C", &config, "--path", &checkout].into_iter().chain(words.iter().copied());
    let Ok(Invocation::Run(cli)) = cli::parse(&identity, &argv.map(Into::into).collect::<Vec<_>>()) else {
        panic!("{words:?} is not understood")
    };
    let (events, mut told) = event::channel();
    let environment = Environment { home: Some(folder.to_owned()), ..Environment::default() };
    let context = Context {
        tool: identity.tool,
        program: identity.program,
        globals: cli.globals,
        environment,
        events,
        interrupt: Interrupt::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut seen = Vec::new();
        let work = async {
            let last = commands::run(&cli.command, &context).await;
            drop(context);
            last
        };
        let listen = async {
            while let Some(stamped) = told.recv().await {
                seen.push(stamped.event);
            }
        };
        let (last, ()) = futures_util::join!(work, listen);
        (last.exit_code().unwrap(), seen)
    })
}

#[test]
fn a_builder_that_nobody_knows_of_builds_from_argv_to_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    checkout(folder.path());
    let build = |words: &[&str]| {
        let words: Vec<&str> =
            ["container-build", "--build-with", "tiny"].into_iter().chain(words.iter().copied()).collect();
        run(folder.path(), &words)
    };
    let (code, told) = build(&["--target", "fine"]);
    assert_eq!(code, 0, "{told:?}");
    let submitted =
        |event: &BuildEvent| matches!(event, BuildEvent::Submitted { build, .. } if build.id == "Tiny-1".into());
    assert!(told.iter().any(submitted), "{told:?}");
    assert!(matches!(told.last(), Some(BuildEvent::Finished(_))), "{told:?}");
    for (target, expected) in [("fail", 1), ("refuse", 4), ("lose", 7), ("vanish", 7)] {
        assert_eq!(build(&["--target", target]).0, expected, "{target}");
    }
    let (code, told) = build(&["--target", "x", "--dry-run"]);
    assert_eq!(code, 0, "{told:?}");
    assert!(told.iter().any(|event| matches!(event, BuildEvent::DryRun(_))), "{told:?}");
    assert_eq!(build(&["--target", "x", "--push"]).0, 2, "an option of another builder");
    assert_eq!(run(folder.path(), &["check", "--build-with", "tiny", "--target", "x"]).0, 0);
    assert_eq!(run(folder.path(), &["cancel", "Tiny-1"]).0, 0);
    assert_eq!(run(folder.path(), &["watch", "--last"]).0, 3);
    let (code, told) = run(folder.path(), &["status"]);
    let standing = |event: &BuildEvent| matches!(event, BuildEvent::Standing(standing) if standing.state.is_some());
    assert_eq!((code, told.iter().filter(|event| standing(event)).count()), (0, 3), "{told:?}");
}
