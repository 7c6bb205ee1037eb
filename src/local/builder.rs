//! Building on this machine, behind the one interface of builders.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde_json::json;

use super::engine::store::Places;
use super::image::inspect::KeyId;
use super::options::GivenOptions;
use super::order::{Hub, LocalOptions, LocalOrder, Lookaside};
use super::steps::{self, Begun, Preview};
use crate::builder::{
    Answer, Builder, Change, Created, Creation, Interrupt, Known, LogChoice, Order, Page, Rules, Setting, Site,
    Unhappened, Watched, Way, Wish, WorkTree,
};
use crate::checkout::Upstream;
use crate::config::local::{self, LocalConfig};
use crate::config::rpkg::RpkgConfig;
use crate::config::show::add_defaults;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuilderName, ConfigValue, DryRun, Manner, ProgressFrom, TaskId, TaskState};
use crate::fetch::AllowedDomains;
use crate::http::ClientOptions;
use crate::koji;
use crate::koji::questions;
use crate::koji::retry::RetryPolicy;
use crate::koji::session::Session;
use crate::request::check;
use crate::request::check::answers::Answers;
use crate::request::{Artifact, BuildRequest};

/// The OSBS workflow on this machine.
#[derive(Debug)]
pub(crate) struct Local;

/// The name of this builder.
pub(crate) const NAME: BuilderName = BuilderName::of("local");

/// The server of builds on this machine.
pub(crate) const THIS_MACHINE: &str = "this machine";

/// How long a hub is waited for that is only asked whether a release is free.
const HUB_PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may be silent while something is fetched from it.
const FETCH_SILENCE: Duration = Duration::from_secs(60);
/// The variable that makes builds repeatable.
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// What ids of builds on this machine begin with.
const ID_PREFIX: &str = "local-";

const MANNER: Manner = Manner {
    created: None,
    outlives_us: false,
    ids_in_lines: true,
    counters: false,
    progress: ProgressFrom::Steps,
    logs_by_name: true,
    whole_result: false,
};

impl Builder for Local {
    fn name(&self) -> BuilderName {
        NAME
    }

    fn place(&self) -> &'static str {
        "on this machine"
    }

    fn manner(&self) -> &'static Manner {
        &MANNER
    }

    /// That the commit is on the server, that architectures are chosen for scratch builds only and that the file is called Dockerfile are
    /// rules of others; so is everything that is about builds on a hub's own builders.
    fn rules(&self) -> Rules {
        let work_tree = WorkTree {
            is_wanted: |own| own.get::<GivenOptions>().dirty,
            hint: "--scratch --dirty builds what is not committed",
        };
        Rules {
            fetches: false,
            arches_of_target: false,
            gating: false,
            forgiven: &[
                "arches-not-allowed",
                "no-dockerfile",
                "no-container-plugin",
                "build-tag-without-arches",
                "arch-not-in-tag",
            ],
            is_of_profile: false,
            work_tree: Some(work_tree),
        }
    }

    fn order<'a>(&'a self, setting: Setting<'a>, wish: Wish<'a>) -> Answer<'a, Box<dyn Order + 'a>> {
        Box::pin(async move {
            if wish.request.artifact == Artifact::Flatpak {
                return Err(Error::new(ErrorKind::Usage, FlatpakHere).hint("--build-with koji builds flatpaks"));
            }
            let config = LocalConfig::of(setting.config()?)?;
            for warning in &config.warnings {
                setting.warn(warning).await;
            }
            let options: GivenOptions = setting.own.get();
            let order = LocalBuild { setting, wish, config, options, begun: None, hub: None };
            // What is wrong with options and configuration is better known now.
            order.order()?;
            Ok(Box::new(order) as Box<dyn Order>)
        })
    }

    fn site<'a>(&'a self, _setting: Setting<'a>, known: Option<&'a Known>) -> Answer<'a, Box<dyn Site + 'a>> {
        Box::pin(async move { Ok(Box::new(ThisMachine { known }) as Box<dyn Site>) })
    }

    fn is_id(&self, word: &str) -> bool {
        word.starts_with(ID_PREFIX)
    }

    /// What the section has is told with the rest of its file.
    fn settings(&self, setting: &Setting<'_>) -> Result<Vec<ConfigValue>> {
        let config = setting.config()?;
        let section = format!("{}.local-build", config.tool());
        let mut defaults = local::defaults(config.tool()).to_vec();
        defaults.retain(|(key, _)| !config.ini().has_option(&section, key));
        let mut values = Vec::new();
        add_defaults(&mut values, &section, &defaults);
        Ok(values)
    }

    fn page<'a>(&'a self, _setting: &'a Setting<'_>, _page: &'a Page) -> Answer<'a, Option<Known>> {
        Box::pin(async { Ok(None) })
    }
}

struct LocalBuild<'a> {
    setting: Setting<'a>,
    wish: Wish<'a>,
    config: LocalConfig,
    options: GivenOptions,
    begun: Option<Begun>,
    /// The hub that was asked before the build; for a build that is no dry run there is a session on it.
    hub: Option<Hub>,
}

impl LocalBuild<'_> {
    fn order(&self) -> Result<LocalOrder<'_>> {
        let (setting, request, given) = (&self.setting, self.wish.request, &self.options);
        let config = setting.config()?;
        let keys = if given.signed_by.is_empty() { &self.config.signed_by } else { &given.signed_by };
        let keys: std::result::Result<Vec<KeyId>, _> = keys.iter().map(|key| key.parse()).collect();
        let keys = keys.map_err(|error| Error::new(ErrorKind::Usage, error))?;
        let places = Places::of(setting.environment).ok_or_else(|| {
            Error::new(ErrorKind::Io, NoFolders)
                .hint("set HOME, or XDG_CACHE_HOME and XDG_STATE_HOME, to absolute paths")
        })?;
        Ok(LocalOrder {
            request,
            config: &self.config,
            section: format!("{}.local-build", config.tool()),
            root: self.wish.checkout.root.clone(),
            places,
            // Still there when the file is replaced while we run.
            guard: Some("/proc/self/exe".into()),
            options: LocalOptions {
                arches: request.options.arches.clone(),
                push: given.push || self.config.push,
                exports: given.exports.clone(),
                import: given.import || (self.config.koji_import && !request.options.scratch),
                dirty: given.dirty,
                cache: given.cache,
                keys,
                target_repo: given.target_repo || self.config.target_repo,
                build_args: given.build_args.clone(),
                secrets: given.secrets.clone(),
            },
            lookaside: lookaside(config, request)?,
            artifacts_allowed: allowed_domains(&self.config)?,
            client: ClientOptions { read_timeout: Some(FETCH_SILENCE), ..ClientOptions::default() },
            timestamp: timestamp()?,
            user: setting.environment.user(),
        })
    }

    /// The configured hub; `None` where none is. Nothing is asked yet.
    async fn hub(&self) -> Option<Hub> {
        if !koji::hub::is_configured(&self.setting) {
            return None;
        }
        let profile = match koji::hub::quietly(&self.setting) {
            Ok(profile) => profile,
            Err(error) => {
                self.setting.note(format_args!("no Koji hub is asked: {error}")).await;
                return None;
            }
        };
        let mut settings = koji::hub::settings(&profile);
        settings.retry = RetryPolicy { max_retries: 1, interval: Duration::from_secs(1), ..settings.retry };
        let mut session = Session::new(settings, self.setting.events.clone());
        session.be_patient_for(HUB_PATIENCE);
        let links = koji::hub::links(&profile);
        Some(Hub { session, topurl: links.topurl, weburl: profile.weburl.clone() })
    }

    /// The hub that the build is to be imported into. Credentials that do not work are better known before the build than after it.
    async fn logged_in(&self) -> Result<Option<Hub>> {
        let mut hub = self.hub().await;
        if let Some(hub) = &mut hub {
            let profile = koji::hub::quietly(&self.setting)?;
            koji::hub::log_in(&mut hub.session, &profile, &self.setting).await?;
        }
        Ok(hub)
    }

    /// The hub that was asked already, else the configured one.
    async fn take_hub(&mut self) -> Option<Hub> {
        match self.hub.take() {
            Some(hub) => Some(hub),
            None => self.hub().await,
        }
    }

    async fn build(&mut self, logs: &LogChoice, interrupt: &Interrupt) -> Result<Watched> {
        let begun = self.begun.take().ok_or_else(|| Error::new(ErrorKind::Internal, NotBegun))?;
        let mut hub = self.take_hub().await;
        let order = self.order()?;
        let choice = logs.clone();
        // A log goes by its architecture, too: `x86_64` is short for `x86_64-build`.
        let events = self.setting.events.telling(move |name, arch| choice.wants([name].into_iter().chain(arch), arch));
        let ended = begun.run(&order, &mut hub, events, interrupt.clone()).await;
        if let Some(hub) = &mut hub {
            hub.session.log_out().await;
        }
        let ended = ended.map_err(|error| error.into_error(&order.section))?;
        Ok(Watched { outcome: ended.outcome, kind: ended.kind })
    }
}

impl Order for LocalBuild<'_> {
    fn place(&self) -> String {
        format!("this machine from {}", self.wish.checkout.root.display())
    }

    fn server(&self) -> String {
        THIS_MACHINE.to_owned()
    }

    fn ask(&mut self) -> Answer<'_, Option<Answers>> {
        Box::pin(async move {
            let is_pushed =
                matches!(self.wish.checkout.upstream, Upstream::Tracked { ahead: 0, .. } | Upstream::Local { .. });
            // Where dist-git is not known to have the repository, that is told already.
            if !is_pushed && !self.wish.is_dry && !self.wish.request.source.is_empty() {
                let commit = &self.wish.request.commit;
                let short = commit.get(..12).unwrap_or(commit);
                self.setting.note(format_args!("commit {short} is not on the dist-git server")).await;
            }
            if !self.order()?.options.import {
                return Ok(None);
            }
            self.hub = if self.wish.is_dry { self.hub().await } else { self.logged_in().await? };
            let Some(hub) = &mut self.hub else { return Ok(None) };
            let questions = check::questions(self.wish.request, self.wish.files);
            let (answers, _) = questions::ask(&mut hub.session, &questions, &koji::hub::targets(&self.setting)).await?;
            Ok(Some(answers))
        })
    }

    fn preview(&mut self) -> Answer<'_, DryRun> {
        Box::pin(async move {
            let mut hub = self.take_hub().await;
            let order = self.order()?;
            let preview = steps::preview(&order, &mut hub, self.setting.events.clone()).await;
            let preview = preview.map_err(|error| error.into_error(&order.section))?;
            Ok(dry_run(&preview, order.options.push))
        })
    }

    fn submit<'a>(&'a mut self, creation: &'a mut Creation) -> LocalBoxFuture<'a, Change<Created>> {
        Box::pin(async move {
            let begun = steps::begin(&self.order()?);
            creation.begins().map_err(|stopped| Unhappened::NotDone(stopped.into()))?;
            let id = begun.id();
            self.begun = Some(begun);
            Ok(Created { id, url: None, way: Way::default() })
        })
    }

    fn watch<'a>(&'a mut self, logs: &'a LogChoice, interrupt: &'a mut Interrupt) -> Answer<'a, Watched> {
        Box::pin(async move { self.build(logs, interrupt).await })
    }

    fn look(&self) -> String {
        "its logs are in the state folder (~/.local/state), under builds/".to_owned()
    }

    /// A build that was begun has ended its session itself.
    fn close(&mut self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(hub) = &mut self.hub {
                hub.session.log_out().await;
            }
        })
    }
}

fn lookaside(config: &RpkgConfig, request: &BuildRequest) -> Result<Option<Lookaside>> {
    let Some(base) = config.lookaside()? else { return Ok(None) };
    let repository = match &request.namespace {
        Some(namespace) if config.lookaside_namespaced()? => format!("{namespace}/{}", request.repo_name),
        None if config.distgit_namespaced() && config.lookaside_namespaced()? => return Ok(None),
        _ => request.repo_name.clone(),
    };
    Ok(Some(Lookaside { base: base.value, repository }))
}

fn allowed_domains(config: &LocalConfig) -> Result<AllowedDomains> {
    if config.artifacts_allowed_domains.is_empty() {
        return Ok(AllowedDomains::any());
    }
    AllowedDomains::only(&config.artifacts_allowed_domains).map_err(|error| Error::new(ErrorKind::Config, error))
}

fn timestamp() -> Result<Option<i64>> {
    let Some(text) = std::env::var_os(SOURCE_DATE_EPOCH).filter(|text| !text.is_empty()) else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.trim().parse().ok()).filter(|seconds| *seconds >= 0);
    let bad = || Error::new(ErrorKind::Usage, BadEpoch(text.to_string_lossy().into_owned()));
    seconds.map(Some).ok_or_else(bad)
}

/// What a build would do, for programs and for people.
fn dry_run(preview: &Preview, push: bool) -> DryRun {
    let mut text = format!("Would build {} on this machine.\n", preview.nvr);
    let mut list = |head: &str, items: &mut dyn Iterator<Item = String>| {
        let items: Vec<String> = items.map(|item| format!("  {item}\n")).collect();
        if !items.is_empty() {
            text.push_str(&format!("{head}:\n{}", items.concat()));
        }
    };
    list("Base images", &mut preview.parents.iter().map(|(written, pinned)| format!("{written} -> {pinned}")));
    list("Files to fetch", &mut preview.artifacts.iter().cloned());
    let pushed = if push { "Would push" } else { "Would not push; the names would be" };
    list(pushed, &mut preview.tags.iter().cloned());
    list("Would not be done here", &mut preview.omitted.iter().map(|(what, why)| format!("{what}: {why}")));
    text.push_str(&format!("The Dockerfile that would be built:\n{}Nothing was built.\n", preview.diff));
    let fields = [
        ("nvr", json!(preview.nvr)),
        ("parents", json!(preview.parents)),
        ("dockerfile", json!(preview.dockerfile)),
        ("diff", json!(preview.diff)),
        ("push", json!(push)),
        ("tags", json!(preview.tags)),
        ("artifacts", json!(preview.artifacts)),
        ("omitted", json!(preview.omitted)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    DryRun { version: 1, builder: NAME, fields, text }
}

/// Builds that ended with the command that began them.
struct ThisMachine<'a> {
    known: Option<&'a Known>,
}

impl ThisMachine<'_> {
    fn is_over(&self, id: &TaskId) -> Error {
        let outcome = self.known.and_then(|known| known.outcome);
        let ended = outcome.map(|outcome| format!("; it {}", outcome.past_tense())).unwrap_or_default();
        Error::new(ErrorKind::Usage, EndsWithItsCommand { id: id.to_string(), ended })
            .hint("Ctrl-C cancels it where it runs; its logs are in the state folder (~/.local/state), under builds/")
    }
}

impl Site for ThisMachine<'_> {
    fn server(&self) -> String {
        THIS_MACHINE.to_owned()
    }

    fn profile(&self) -> String {
        String::new()
    }

    fn watch<'a>(
        &'a mut self,
        id: &'a TaskId,
        _logs: &'a LogChoice,
        _interrupt: &'a mut Interrupt,
    ) -> Answer<'a, Watched> {
        Box::pin(async move { Err(self.is_over(id)) })
    }

    fn cancel<'a>(&'a mut self, id: &'a TaskId) -> LocalBoxFuture<'a, Change<()>> {
        Box::pin(async move { Err(Unhappened::NotDone(self.is_over(id))) })
    }

    fn state<'a>(&'a mut self, ids: &'a [TaskId]) -> Answer<'a, Vec<Option<TaskState>>> {
        Box::pin(async move { Ok(vec![None; ids.len()]) })
    }
}

/// Flatpaks need what only the build service has.
#[derive(Debug, thiserror::Error)]
#[error("flatpaks cannot be built on this machine")]
struct FlatpakHere;

/// There is no home folder.
#[derive(Debug, thiserror::Error)]
#[error("there is no folder for images and results: neither HOME nor the XDG variables are set")]
struct NoFolders;

/// `SOURCE_DATE_EPOCH` is no number.
#[derive(Debug, thiserror::Error)]
#[error("{SOURCE_DATE_EPOCH} is no number of seconds since 1970: {0:?}")]
struct BadEpoch(String);

/// Something was asked for out of turn.
#[derive(Debug, thiserror::Error)]
#[error("the build was not begun")]
struct NotBegun;

/// Nobody can watch it any more.
#[derive(Debug, thiserror::Error)]
#[error("{id} is a build on this machine, which ends with the command that began it{ended}")]
struct EndsWithItsCommand {
    id: String,
    ended: String,
}
