//! The one interface behind which builds are made: [`Builder`], [`Order`], [`Site`]; and what all builders share.
//!
//! ```text
//! Builder ── order(what is wanted) ──▶ Order ── ask · preview · submit · watch
//!    └────── site(where a build is) ──▶ Site ── watch · cancel · state
//! ```
//!
//! [`crate::commands`] uses these and never asks which builder it has. A new builder is a room of its own, its files in
//! [`crate::config`] and [`crate::cli`], and one line in [`crate::builders`].

pub(crate) mod change;
pub(crate) mod interrupt;
pub(crate) mod logs;
pub(crate) mod options;

use std::path::PathBuf;

use futures_util::future::LocalBoxFuture;

use crate::checkout::Checkout;
use crate::config::rpkg::RpkgConfig;
use crate::credentials::Secret;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuildOutcome, BuilderName, DryRun, EventSender, Manner, Outcome, TaskId, TaskState};
use crate::request::BuildRequest;
use crate::request::check::FileReport;
use crate::request::check::answers::Answers;
use crate::submissions::Submission;

pub use change::{Change, Unhappened};
pub use interrupt::{Creation, Hold, Interrupt, Interrupted, Signal};
pub use logs::LogChoice;
pub use options::{OwnOptions, Page};

/// What a builder gives when it is asked for something that takes time.
pub type Answer<'a, T> = LocalBoxFuture<'a, Result<T>>;

/// A way to build. There is one value of each, for ever.
pub trait Builder: Sync {
    /// The word of `--build-with` and of the list of submissions.
    fn name(&self) -> BuilderName;

    /// Where it builds, for messages: `on a Koji hub`, `on OSBS`, `on this machine`.
    fn place(&self) -> &'static str;

    /// How its builds are told.
    fn manner(&self) -> &'static Manner;

    /// What holds for its builds before they are submitted.
    fn rules(&self) -> Rules;

    /// What in options or configuration has builds go there that name no builder; `None` where nothing does. Quiet, and asks nobody.
    fn configured_by(&self, _setting: &Setting<'_>) -> Option<String> {
        None
    }

    /// The Koji target of builds that name none, where the builder's own configuration has one.
    fn target(&self, _setting: &Setting<'_>) -> Option<String> {
        None
    }

    /// Resolves what the builder needs out of options and configuration. Nobody is asked for anything but what a login needs.
    fn order<'a>(&'a self, setting: Setting<'a>, wish: Wish<'a>) -> Answer<'a, Box<dyn Order + 'a>>;

    /// The server that builds are on, as the options and the configuration say; with `known`, the server that a build was submitted
    /// to from here. Nothing is asked of it yet.
    fn site<'a>(&'a self, setting: Setting<'a>, known: Option<&'a Known>) -> Answer<'a, Box<dyn Site + 'a>>;

    /// Whether a word can be the id of one of its builds.
    fn is_id(&self, word: &str) -> bool;

    /// The build that a page is about; `None` where the page is none of this builder's, an error where it looks like one of its pages, and
    /// no server is known to have it.
    fn page<'a>(&'a self, setting: &'a Setting<'_>, page: &'a Page) -> Answer<'a, Option<Known>>;

    /// The values in force of what this builder alone reads, those that no file has included, for `config show`.
    ///
    /// # Errors
    /// When a file is missing that was asked for by name, or is malformed.
    fn settings(&self, _setting: &Setting<'_>) -> Result<Vec<crate::event::ConfigValue>> {
        Ok(Vec::new())
    }
}

/// A build of which it is known where it is: it was submitted from here, or a page names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: TaskId,
    /// The server it is on, where that is remembered: whatever leads there must still lead there.
    pub server: Option<String>,
    /// The way to the server.
    pub way: Way,
    /// How it ended, if that was seen.
    pub outcome: Option<Outcome>,
}

impl From<&Submission> for Known {
    fn from(submission: &Submission) -> Self {
        let Submission { profile, namespace, config, .. } = submission.clone();
        Known {
            id: TaskId::from(submission.id.as_str()),
            server: Some(submission.server.clone()),
            way: Way { profile, namespace, config },
            outcome: submission.outcome,
        }
    }
}

/// What holds for a builder's builds.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether the server fetches the commit from dist-git, so that it has to be there.
    pub fetches: bool,
    /// Whether architectures may be chosen for scratch and isolated builds only.
    pub arches_of_target: bool,
    /// Whether Greenwave is asked about gating.yaml, as rpkg does.
    pub gating: bool,
    /// Findings that are rules of other builders.
    pub forgiven: &'static [&'static str],
    /// Whether its server is the one of the Koji profile, which `--profile` and the tool's configuration name.
    pub is_of_profile: bool,
    /// Whether and how what is not committed can be built.
    pub work_tree: Option<WorkTree>,
}

/// How a builder is told to build what is not committed.
#[derive(Debug, Clone, Copy)]
pub struct WorkTree {
    /// Whether the options ask for it.
    pub is_wanted: fn(&OwnOptions) -> bool,
    /// What to type for it.
    pub hint: &'static str,
}

/// What a command was given to work with. Read once, and handed down.
#[derive(Clone)]
pub struct Setting<'a> {
    /// Folders and names of the process's surroundings.
    pub environment: &'a Environment,
    /// The tool's configuration, or why it cannot be used. See [`Setting::config`].
    pub rpkg: std::result::Result<&'a RpkgConfig, &'a Error>,
    /// `--profile`: the Koji profile to use in place of the configured one.
    pub profile: Option<&'a str>,
    /// `--user`.
    pub user: Option<&'a str>,
    /// `--password`, or its variable.
    pub password: Option<&'a Secret>,
    /// `--runas`.
    pub runas: Option<&'a str>,
    /// What only some builders take.
    pub own: &'a OwnOptions,
    /// Where everything is told.
    pub events: &'a EventSender,
}

impl<'a> Setting<'a> {
    /// The tool's configuration.
    ///
    /// # Errors
    /// When it cannot be used. Commands that may do without it find out here.
    pub fn config(&self) -> Result<&'a RpkgConfig> {
        self.rpkg.map_err(Error::again)
    }

    /// The user's name on servers: what the option says, else what the surroundings say.
    pub fn user_name(&self) -> Option<String> {
        self.user.map(str::to_owned).or_else(|| self.environment.user())
    }

    /// Tells something that does not stop us.
    pub async fn warn(&self, text: impl std::fmt::Display) {
        self.events.send(BuildEvent::warning(text)).await;
    }

    /// Tells something good to know.
    pub async fn note(&self, text: impl std::fmt::Display) {
        self.events.send(BuildEvent::note(text)).await;
    }
}

/// A build that is wanted: the request, and what was found out about it.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// What is to be built.
    pub request: &'a BuildRequest,
    /// What the files of the checkout say.
    pub files: &'a FileReport,
    /// The checkout.
    pub checkout: &'a Checkout,
    /// Whether this is only to see what would be done: nothing is created, and no login is needed for it.
    pub is_dry: bool,
}

/// A build that can be submitted.
pub trait Order {
    /// Where it goes, for people: `Koji, profile koji (https://…)`.
    fn place(&self) -> String;

    /// The server's address, by which the build will be known.
    fn server(&self) -> String;

    /// Logs in, and asks what the server would refuse. `None` where the builder has nothing to ask.
    fn ask(&mut self) -> Answer<'_, Option<Answers>>;

    /// What would be submitted.
    fn preview(&mut self) -> Answer<'_, DryRun>;

    /// Submits it once. [`Creation::begins`] is called before each request that may create it.
    fn submit<'a>(&'a mut self, creation: &'a mut Creation) -> LocalBoxFuture<'a, Change<Created>>;

    /// Watches what was submitted to its end, or until the user has had enough.
    fn watch<'a>(&'a mut self, logs: &'a LogChoice, interrupt: &'a mut Interrupt) -> Answer<'a, Watched>;

    /// Where to look for the build when it is not known whether there is one.
    fn look(&self) -> String;

    /// Ends what was begun with the server (a session). Failing to do so harms nobody.
    fn close(&mut self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A build that was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The server's own id.
    pub id: TaskId,
    /// The page about it.
    pub url: Option<String>,
    /// What else the list of submissions keeps of it.
    pub way: Way,
}

/// The way back to a build's server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// Name of the Koji profile or OSBS instance that leads to the server.
    pub profile: String,
    /// The cluster's namespace that it is in.
    pub namespace: Option<String>,
    /// The osbs.conf that was asked for by name.
    pub config: Option<PathBuf>,
}

/// How a build ended that was watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// What is known of it.
    pub outcome: BuildOutcome,
    /// What kind of error ended it, where that says more than that it failed.
    pub kind: Option<ErrorKind>,
}

impl From<BuildOutcome> for Watched {
    fn from(outcome: BuildOutcome) -> Self {
        Watched { outcome, kind: None }
    }
}

/// A server with builds on it.
pub trait Site {
    /// The server's address, by which its builds are known.
    fn server(&self) -> String;

    /// What leads to it: the name of a Koji profile or OSBS instance.
    fn profile(&self) -> String;

    /// The page about a build.
    fn url(&self, _id: &TaskId) -> Option<String> {
        None
    }

    /// Watches a build to its end, or until the user has had enough.
    fn watch<'a>(
        &'a mut self,
        id: &'a TaskId,
        logs: &'a LogChoice,
        interrupt: &'a mut Interrupt,
    ) -> Answer<'a, Watched>;

    /// Cancels a build. Done means that the server took the wish, or that the build has ended.
    fn cancel<'a>(&'a mut self, id: &'a TaskId) -> LocalBoxFuture<'a, Change<()>>;

    /// How builds stand, in the same order; `None` for those that the server does not know.
    fn state<'a>(&'a mut self, ids: &'a [TaskId]) -> Answer<'a, Vec<Option<TaskState>>>;

    /// Ends what was begun with the server (a session). Failing to do so harms nobody.
    fn close(&mut self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
