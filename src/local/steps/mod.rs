//! The steps strung together: what needs nothing from each other goes on at the same time, and everything that would be refused
//! later is refused before the first byte is fetched.

pub mod base_image;
pub(crate) mod build;
pub(crate) mod context;
mod deliver;
pub mod dockerfile;
pub(crate) mod edits;
pub(crate) mod error;
mod finished;
mod gather;
pub(crate) mod import;
pub(crate) mod labels;
mod make;
pub(crate) mod prepare;
pub(crate) mod release;
mod write;
pub(crate) mod yum_repos;

use std::path::{Path, PathBuf};

use crate::arch;
use crate::blocking::{self, Stopped};
use crate::builder::Interrupt;
use crate::child;
use crate::error::ErrorKind;
use crate::event::{
    BuildEvent, BuildOutcome, EventSender, Failure, FailureLog, KojiBuild, Outcome, TaskId, TaskState, Warning,
};
use crate::fetch::Download;
use crate::local::engine::isolation::Isolation;
use crate::local::engine::journal::{Journal, StepName};
use crate::local::engine::setup::{GO_MD2MAN, Machine};
use crate::local::engine::store::{Store, Work, create_private, write_private};
use crate::local::engine::{Engine, EngineError};
use crate::local::order::{Hub, LocalOrder};
use crate::local::registry::push::Pushed;
use crate::local::steps::error::LocalError;
use crate::request::nvr::Nvr;
use crate::wait;
use base_image::{BaseImage, BaseImages};
use context::BuildContext;
use dockerfile::{StoredNames, Written};
use prepare::Prepared;
use yum_repos::RepoFile;

/// How a build ended.
#[derive(Debug)]
pub struct Ended {
    /// What is known of it.
    pub outcome: BuildOutcome,
    /// What kind of error ended it.
    pub kind: Option<ErrorKind>,
}

/// What a build would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// `NAME-VERSION-RELEASE`.
    pub nvr: String,
    /// Each base image as it is written, and what it is pinned to.
    pub parents: Vec<(String, String)>,
    /// The Dockerfile that would be built.
    pub dockerfile: String,
    /// The same, as a diff to the author's.
    pub diff: String,
    /// What the image would be pushed as; the names, even when nothing would be pushed.
    pub tags: Vec<String>,
    /// Files that would be fetched.
    pub artifacts: Vec<String>,
    /// What would not be done on this machine, and why.
    pub omitted: Vec<(String, String)>,
}

/// Names of this build, made once.
#[derive(Debug, Clone)]
struct BuildNames {
    /// The build's id here.
    id: String,
    /// The tag that only this build has.
    unique: String,
    /// The release of a scratch build.
    scratch_release: String,
    started: jiff::Timestamp,
}

impl BuildNames {
    fn new(target: &str, timestamp: Option<i64>) -> BuildNames {
        let started = jiff::Timestamp::now();
        let stamp = started.strftime("%Y%m%d%H%M%S").to_string();
        let mut bytes = [0; 4];
        // Only to tell two builds of one second apart.
        let _ = openssl::rand::rand_bytes(&mut bytes);
        let digits = format!("{:05}", u32::from_ne_bytes(bytes) % 100_000);
        let target = if target.is_empty() { "none" } else { target };
        let scratch_release = match timestamp {
            Some(seconds) => format!("scratch-{seconds}"),
            None => format!("scratch-{digits}-{stamp}"),
        };
        BuildNames {
            id: format!("local-{stamp}-{digits}"),
            unique: format!("{target}-{digits}-{stamp}"),
            scratch_release,
            started,
        }
    }
}

/// This machine, made ready for one build.
struct Site {
    work: Work,
    store: Store,
    machine: Machine,
    isolation: Isolation,
    prepared: Prepared,
}

/// A build that is going on.
struct Run<'a> {
    order: &'a LocalOrder<'a>,
    site: &'a Site,
    results: PathBuf,
    journal: Journal,
    names: BuildNames,
    interrupt: Interrupt,
}

/// Where the image is by now. What is there is told, whatever comes after it.
#[derive(Default)]
struct Delivered {
    pushed: Option<Pushed>,
    imported: Option<KojiBuild>,
}

/// What is known when everything is there to build with.
struct Ready {
    bases: BaseImages,
    nvr: Nvr,
    /// The `name` label.
    repository: String,
    repos: Vec<RepoFile>,
    downloads: Vec<Download>,
}

/// The image of one architecture on its way.
struct ArchBuild {
    arch: String,
    engine: Engine,
    context: BuildContext,
    /// The name in the storage.
    name: String,
    /// Whether repositories are mounted instead of copied.
    mounted_repos: Option<PathBuf>,
    written: Written,
    labels: Vec<(String, String)>,
    content_manifest: Vec<u8>,
}

impl ArchBuild {
    /// What each new build of it takes the place of: an image of this name for this architecture.
    fn what(&self) -> String {
        let repository = self.name.rsplit_once(':').map_or(self.name.as_str(), |(repository, _)| repository);
        format!("{repository} {}", self.arch)
    }
}

/// A build that has its id, and of which nothing else is there yet.
#[derive(Debug)]
pub struct Begun {
    names: BuildNames,
}

/// Gives a build its id. Nothing is asked, written or made.
pub fn begin(order: &LocalOrder<'_>) -> Begun {
    Begun { names: BuildNames::new(&order.request.target, order.timestamp) }
}

impl Begun {
    /// The build's id on this machine.
    pub fn id(&self) -> TaskId {
        TaskId::from(self.names.id.as_str())
    }

    /// Builds, and tells how it goes.
    ///
    /// # Errors
    /// When the work could not even begin.
    pub async fn run(
        self,
        order: &LocalOrder<'_>,
        hub: &mut Option<Hub>,
        events: EventSender,
        interrupt: Interrupt,
    ) -> Result<Ended, LocalError> {
        let site = stoppable(&interrupt, Site::prepare(order, &self.names.id, hub.is_some(), &events)).await?;
        let engines = all_storages(&site.machine);
        let left_over = stoppable(&interrupt, async { Ok(site.store.tidy(&engines).await?) }).await?;
        let (store, id) = (site.store.clone(), self.names.id.clone());
        let made = async { Ok(blocking::run(move |_| store.results(&id)).await?) };
        let results = stoppable(&interrupt, made).await?;
        let run = Run {
            order,
            journal: journal(events, &self.names.id, &results)?,
            site: &site,
            results,
            names: self.names,
            interrupt,
        };
        run.tell_begin(left_over).await;
        let (mut failed_log, mut delivered) = (None, Delivered::default());
        let ended = run.steps(hub, &mut failed_log, &mut delivered).await;
        if ended.is_err() {
            // What was under way may have left a container.
            let _ = site.store.sweep(&engines).await;
        }
        let ended = run.end(ended, delivered, failed_log).await;
        site.leave().await;
        Ok(ended)
    }
}

/// Says what a build would do. Registries and the hub are asked, nothing is pulled, fetched or built.
///
/// # Errors
/// What would keep it from being built.
pub async fn preview(
    order: &LocalOrder<'_>,
    hub: &mut Option<Hub>,
    events: EventSender,
) -> Result<Preview, LocalError> {
    let names = begin(order).names;
    let site = Site::prepare(order, &names.id, hub.is_some(), &events).await?;
    let results = site.work.path().to_owned();
    let interrupt = Interrupt::new();
    let run = Run { order, journal: journal(events, &names.id, &results)?, site: &site, results, names, interrupt };
    let preview = run.preview(hub).await;
    site.leave().await;
    preview
}

impl Site {
    async fn prepare(order: &LocalOrder<'_>, id: &str, hub: bool, events: &EventSender) -> Result<Site, LocalError> {
        prepare::check_options(order, hub)?;
        let (places, id) = (order.places.clone(), id.to_owned());
        // Another build may hold the lock of the storage, for as long as it takes to tidy up.
        let opened = blocking::run(move |_| {
            let store = Store::open(places)?;
            let work = store.work(&id)?;
            Ok::<_, LocalError>((store, work))
        });
        let (store, work) = wait::said(events, "another build on this machine, which tidies up", opened).await?;
        let machine = Machine::probe(order.config, order.guard.clone(), &store, work.path()).await?;
        let prepared = prepare::prepare(order, machine.version, &work.path().join("context")).await?;
        let configured = order.config.isolation.as_deref();
        let isolation = Isolation::choose(configured, &machine.engine, &store.places().cache).await;
        Ok(Site { work, store, machine, isolation, prepared })
    }

    /// Removes the build's folder, which may have very many files.
    async fn leave(self) {
        let removed = blocking::run(move |_| {
            drop(self.work);
            Ok::<_, Stopped>(())
        });
        // It always happens: only work that has not begun can be stopped.
        let _ = removed.await;
    }
}

fn journal(events: EventSender, id: &str, folder: &Path) -> Result<Journal, LocalError> {
    let log = create_private(&folder.join("workflow.log"))
        .map_err(|source| LocalError::Result { what: "the log of the build", source })?;
    Ok(Journal::new(events, TaskId::from(id), log))
}

/// Does `work` unless the user stops it.
async fn stoppable<T>(
    interrupt: &Interrupt,
    work: impl Future<Output = Result<T, LocalError>>,
) -> Result<T, LocalError> {
    let mut interrupt = interrupt.clone();
    tokio::select! {
        result = work => result,
        () = interrupt.raised() => Err(LocalError::Interrupted),
    }
}

/// The storages that there are: this machine's architecture's, and those of others that were built for.
fn all_storages(machine: &Machine) -> Vec<Engine> {
    let arches = std::iter::once(arch::host()).chain(arch::KNOWN);
    let mut engines: Vec<Engine> = Vec::new();
    for engine in arches.map(|arch| machine.for_arch(arch)) {
        if engine.storage.root.exists() && engines.iter().all(|known| known.storage != engine.storage) {
            engines.push(engine);
        }
    }
    engines
}

impl Run<'_> {
    async fn steps(
        &self,
        hub: &mut Option<Hub>,
        failed_log: &mut Option<FailureLog>,
        delivered: &mut Delivered,
    ) -> Result<(), LocalError> {
        let prepared = &self.site.prepared;
        let downloads = self.downloads(prepared)?;
        self.journal.announce(&self.plan(prepared, &downloads)).await;
        for (what, why) in &prepared.omitted {
            self.journal.warn(Warning::Omitted { what: what.clone(), why: why.clone() }).await;
        }
        self.warn_of_lists(prepared).await?;
        let ready = self.stoppable(self.ready(downloads, hub)).await?;
        let builds = self.stoppable(self.write(&ready)).await?;
        let logs = self.build(&builds, failed_log).await?;
        let finished = self.stoppable(self.look(&ready, builds, logs)).await?;
        let tags = self.tags(&ready);
        let Delivered { pushed, imported } = delivered;
        if self.order.options.push {
            *pushed = Some(self.stoppable(self.push(&ready, &finished, &tags)).await?);
        }
        if !self.order.options.exports.is_empty() {
            self.stoppable(self.export(&ready, &finished)).await?;
        }
        if let (Some(hub), Some(pushed), true) = (hub, pushed, self.order.options.import) {
            self.import(hub, &ready, &finished, pushed, &tags, imported).await?;
        }
        Ok(())
    }

    /// The steps that this build has.
    fn plan(&self, prepared: &Prepared, downloads: &[Download]) -> Vec<StepName> {
        let options = &self.order.options;
        let asked = [
            (!prepared.images.is_empty(), StepName::BaseImage),
            (!downloads.is_empty(), StepName::Artifacts),
            (true, StepName::Labels),
            (self.has_repos(), StepName::YumRepos),
            (true, StepName::Dockerfile),
            (true, StepName::Build),
            (true, StepName::Squash),
            (true, StepName::Inspect),
            (options.push, StepName::Push),
            (!options.exports.is_empty(), StepName::Export),
            (options.import, StepName::Import),
        ];
        asked.into_iter().filter_map(|(asked, step)| asked.then_some(step)).collect()
    }

    fn has_repos(&self) -> bool {
        !self.order.request.options.yum_repourls.is_empty() || self.order.options.target_repo
    }

    async fn stoppable<T>(&self, work: impl Future<Output = Result<T, LocalError>>) -> Result<T, LocalError> {
        stoppable(&self.interrupt, work).await
    }

    /// Tells what the build is.
    async fn tell_begin(&self, left_over: usize) {
        let id = TaskId::from(self.names.id.as_str());
        let events = self.journal.events();
        let opened = BuildEvent::TaskOpened {
            task: id,
            parent: None,
            label: format!("{} ({})", self.order.request.repo_name, self.site.prepared.arches.join(", ")),
            arch: None,
            state: TaskState::Open,
            host: None,
        };
        events.send(opened).await;
        if left_over > 0 {
            let text = format!("what {left_over} killed build(s) had left here was removed");
            self.journal.warn(Warning::User { text }).await;
        }
    }
}

impl Run<'_> {
    /// Tells how it ended.
    async fn end(&self, ended: Result<(), LocalError>, delivered: Delivered, failed_log: Option<FailureLog>) -> Ended {
        self.journal.cancel_open().await;
        let id = TaskId::from(self.names.id.as_str());
        let took = jiff::Timestamp::now().duration_since(self.names.started);
        let mut outcome = BuildOutcome {
            duration: took.try_into().ok(),
            repositories: delivered.pushed.map(|pushed| pushed.pull_specs()).unwrap_or_default(),
            builds: delivered.imported.into_iter().collect(),
            user_warnings: self.journal.user_warnings(),
            ..BuildOutcome::of(id.clone(), Outcome::Succeeded)
        };
        let mut kind = None;
        if let Err(error) = ended {
            let interrupted = error.is_interruption();
            outcome.outcome = if interrupted { Outcome::Cancelled } else { Outcome::Failed };
            let code = match error.engine() {
                Some(EngineError::Failed { code, .. }) => Some(i64::from(*code)),
                _ => None,
            };
            let error = error.into_error(&self.order.section);
            kind = Some(error.kind());
            outcome.failure = Some(Failure { reason: said(&error), code, task: None, log: failed_log });
        }
        let to = match outcome.outcome {
            Outcome::Succeeded => TaskState::Closed,
            Outcome::Cancelled | Outcome::Detached => TaskState::Canceled,
            Outcome::Failed => TaskState::Failed,
        };
        let events = self.journal.events();
        let changed = BuildEvent::TaskStateChanged { task: id, from: TaskState::Open, to, host: None, reason: None };
        events.send(changed).await;
        self.keep_outcome(&outcome);
        Ended { outcome, kind }
    }

    /// The results are a convenience: what happened was told.
    fn keep_outcome(&self, outcome: &BuildOutcome) {
        if let Ok(text) = serde_json::to_vec_pretty(outcome) {
            let _ = write_private(&self.results.join("result.json"), &text);
        }
    }

    async fn preview(&self, hub: &mut Option<Hub>) -> Result<Preview, LocalError> {
        let prepared = &self.site.prepared;
        let downloads = self.downloads(prepared)?;
        self.check_repo_domains()?;
        let (bases, _) = self.bases(prepared).await?;
        let (nvr, repository) = self.name(prepared, &bases, hub.as_mut()).await?;
        let names: Result<Vec<String>, _> =
            self.order.request.options.yum_repourls.iter().map(|url| yum_repos::file_name(url)).collect();
        let repos =
            names?.into_iter().map(|name| RepoFile { name, content: Vec::new(), origin: String::new() }).collect();
        let ready = Ready { bases, nvr, repository, repos, downloads };
        let arch = self.site.prepared.arches.first().cloned().unwrap_or_default();
        let help = self.site.prepared.context.has("help.md") && child::is_in_path(GO_MD2MAN);
        let stored = StoredNames::of(&ready.nvr, &ready.repository, help);
        let bundle = self.ca_bundle_name().filter(|_| !ready.repos.is_empty());
        self.site.prepared.context.check_free(&dockerfile::injected_names(&stored, bundle.as_deref()))?;
        let copied: Vec<String> = ready.repos.iter().map(|file| file.name.clone()).collect();
        let (written, _) = self.texts(&ready, &arch, &stored, &copied, bundle.as_deref())?;
        let repository = self.repository(&ready)?;
        let tags = self.tags(&ready);
        Ok(Preview {
            nvr: ready.nvr.to_string(),
            parents: ready
                .bases
                .images
                .iter()
                .map(|image| (image.written.clone(), image.pinned().to_string()))
                .collect(),
            diff: write::diff(self.site.prepared.dockerfile, &self.site.prepared.text, &written.built),
            dockerfile: written.built,
            tags: tags.all().map(|tag| repository.with_tag(tag).to_string()).collect(),
            artifacts: ready.downloads.iter().map(|download| download.target.display().to_string()).collect(),
            omitted: self.site.prepared.omitted.clone(),
        })
    }
}

/// The variant of an image for an architecture.
fn variant<'a>(image: Option<&'a BaseImage>, arch: &str) -> Option<&'a base_image::Variant> {
    image?.variants.get(arch)
}

/// An error with its causes and hints, in lines.
fn said(error: &crate::error::Error) -> String {
    let mut text = error.to_string();
    for cause in error.causes() {
        text.push_str(&format!("\n  caused by: {cause}"));
    }
    for hint in error.hints() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}
