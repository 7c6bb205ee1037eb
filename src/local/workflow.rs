//! The steps strung together: what needs nothing from each other goes on at the same time, and everything that would be refused
//! later is refused before the first byte is fetched.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::artifacts::{Cache, Download, FetchEvent, FetchStep, Fetcher, Provenance, lookaside_downloads, url_list};
use super::base_image::{self, BaseImage, BaseImages};
use super::build::{self, BuildLog, BuiltImage, Isolation, Layers, Order};
use super::content_manifest;
use super::contents::{self, Contents};
use super::context::Context;
use super::dockerfile::{self, Author, Changes, StoredNames, Written};
use super::engine::{Engine, EngineError, output};
use super::error::LocalError;
use super::image_name::ImageName;
use super::import;
use super::inspect::{self, Inspection, KeyId, Policy};
use super::journal::{Journal, Step, StepName};
use super::labels::{self, Automatic};
use super::order::{Hub, LocalOrder};
use super::prepare::{self, Prepared};
use super::push::{self, Pushed, Tags, ToPush};
use super::release::{self, Source};
use super::sbom;
use super::setup::Machine;
use super::store::{Store, Work, write_private};
use super::yum_repos::{self, RepoFile};
use crate::builder::Interrupt;
use crate::checkout::dockerfile::Dockerfile;
use crate::checkout::sources;
use crate::error::ErrorKind;
use crate::event::{
    BuildEvent, BuildOutcome, BuilderKind, EventSender, Failure, FailureLog, KojiBuild, Outcome, TaskId, TaskState,
    Warning,
};
use crate::http::{self, ClientOptions, Redirects};
use crate::koji::call::Call;
use crate::koji::xmlrpc::Value;
use crate::request::nvr::{Nvr, RELEASE, is_additional_tag};

/// The program that makes manual pages.
pub const GO_MD2MAN: &str = "go-md2man";

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
struct Identity {
    /// The build's id here.
    id: String,
    /// The tag that only this build has.
    unique: String,
    /// The release of a scratch build.
    scratch_release: String,
    started: jiff::Timestamp,
}

impl Identity {
    fn new(target: &str, timestamp: Option<i64>) -> Identity {
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
        Identity {
            id: format!("local-{stamp}-{digits}"),
            unique: format!("{target}-{digits}-{stamp}"),
            scratch_release,
            started,
        }
    }
}

/// A build that is going on.
struct Run<'a> {
    order: &'a LocalOrder<'a>,
    machine: Machine,
    isolation: Isolation,
    store: &'a Store,
    work: &'a Work,
    results: PathBuf,
    journal: Journal,
    identity: Identity,
    interrupt: Interrupt,
}

/// What is known when everything is there to build with.
struct Ready {
    prepared: Prepared,
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
    context: Context,
    /// The name in the storage.
    name: String,
    /// Whether repositories are mounted instead of copied.
    mounted_repos: Option<PathBuf>,
    written: Written,
    labels: Vec<(String, String)>,
    content_manifest: Vec<u8>,
}

/// An image that was built and looked at.
pub struct Finished {
    /// Koji's name of the architecture.
    pub arch: String,
    /// The storage it is in.
    pub engine: Engine,
    /// The image.
    pub image: BuiltImage,
    /// What is in it.
    pub contents: Contents,
    /// Its content manifest, and that file's name.
    pub content_manifest: (String, Vec<u8>),
    /// The engine's log.
    pub log: PathBuf,
}

/// Builds, and tells how it goes. The last event says how it ended.
///
/// # Errors
/// When it could not even begin.
pub async fn run(
    order: &LocalOrder<'_>,
    hub: &mut Option<Hub>,
    events: EventSender,
    interrupt: Interrupt,
) -> Result<Ended, LocalError> {
    prepare::check_options(order, hub.is_some())?;
    let store = Store::open(order.places.clone())?;
    let identity = Identity::new(&order.request.target, order.timestamp);
    let work = store.work(&identity.id)?;
    let machine = Machine::probe(order, &store, work.path()).await?;
    let engines = all_storages(&machine);
    let left_over = store.tidy(&engines).await?;
    let prepared = prepare::prepare(order, machine.version, &work.path().join("context"))?;
    let results = store.results(&identity.id)?;
    let log = File::create(results.join("workflow.log"))
        .map_err(|source| LocalError::Result { what: "the log of the build", source })?;
    let id = TaskId::from(identity.id.as_str());
    let journal = Journal::new(events.clone(), id.clone(), log);
    events.send(BuildEvent::Submitted { builder: BuilderKind::Local, id: id.clone(), url: None }).await;
    let opened = BuildEvent::TaskOpened {
        task: id.clone(),
        parent: None,
        label: format!("{} ({})", order.request.repo_name, prepared.arches.join(", ")),
        arch: None,
        state: TaskState::Open,
        host: None,
    };
    events.send(opened).await;
    if left_over > 0 {
        let text = format!("what {left_over} killed build(s) had left here was removed");
        journal.warn(Warning::User { text }).await;
    }
    let isolation = Isolation::choose(order.config.isolation.as_deref());
    let run = Run { order, machine, isolation, store: &store, work: &work, results, journal, identity, interrupt };
    let mut failed_log = None;
    let ended = run.steps(prepared, hub, &mut failed_log).await;
    if ended.is_err() {
        // What was under way may have left a container.
        let _ = store.sweep(&engines).await;
    }
    Ok(run.end(ended, failed_log).await)
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
    prepare::check_options(order, hub.is_some())?;
    let store = Store::open(order.places.clone())?;
    let identity = Identity::new(&order.request.target, order.timestamp);
    let work = store.work(&identity.id)?;
    let machine = Machine::probe(order, &store, work.path()).await?;
    let prepared = prepare::prepare(order, machine.version, &work.path().join("context"))?;
    let log = File::create(work.path().join("workflow.log"))
        .map_err(|source| LocalError::Result { what: "the log of the build", source })?;
    let journal = Journal::new(events, TaskId::from(identity.id.as_str()), log);
    let isolation = Isolation::choose(order.config.isolation.as_deref());
    let (_never, interrupt) = crate::builder::interrupt();
    let results = work.path().to_owned();
    let run = Run { order, machine, isolation, store: &store, work: &work, results, journal, identity, interrupt };
    run.preview(prepared, hub).await
}

/// The storages that there are: this machine's architecture's, and those of others that were built for.
fn all_storages(machine: &Machine) -> Vec<Engine> {
    let arches = [super::platform::host(), "x86_64", "aarch64", "ppc64le", "s390x", "i686", "armhfp"];
    let mut engines: Vec<Engine> = Vec::new();
    for engine in arches.iter().map(|arch| machine.for_arch(arch)) {
        if engine.storage.root.exists() && engines.iter().all(|known| known.storage != engine.storage) {
            engines.push(engine);
        }
    }
    engines
}

impl Run<'_> {
    async fn steps(
        &self,
        prepared: Prepared,
        hub: &mut Option<Hub>,
        failed_log: &mut Option<FailureLog>,
    ) -> Result<(Option<Pushed>, Option<KojiBuild>), LocalError> {
        let downloads = self.downloads(&prepared)?;
        self.journal.announce(&self.plan(&prepared, &downloads)).await;
        for (what, why) in &prepared.omitted {
            self.journal.warn(Warning::Omitted { what: what.clone(), why: why.clone() }).await;
        }
        let ready = self.stoppable(self.ready(prepared, downloads, hub)).await?;
        let builds = self.stoppable(self.write(&ready)).await?;
        let logs = self.build(&builds, failed_log).await?;
        let finished = self.stoppable(self.look(&ready, builds, logs)).await?;
        let tags = self.tags(&ready);
        let pushed = if self.order.options.push {
            Some(self.stoppable(self.push(&ready, &finished, &tags)).await?)
        } else {
            None
        };
        if !self.order.options.exports.is_empty() {
            self.stoppable(self.export(&ready, &finished)).await?;
        }
        let imported = match (hub, &pushed) {
            (Some(hub), Some(pushed)) if self.order.options.import => {
                self.import(hub, &ready, &finished, pushed, &tags).await?
            }
            _ => None,
        };
        Ok((pushed, imported))
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

    /// Does `work` unless the user stops it.
    async fn stoppable<T>(&self, work: impl Future<Output = Result<T, LocalError>>) -> Result<T, LocalError> {
        let mut interrupt = self.interrupt.clone();
        tokio::select! {
            result = work => result,
            () = interrupt.raised() => Err(LocalError::Interrupted),
        }
    }

    /// Steps 1 to 5: base images and everything that is fetched.
    async fn ready(
        &self,
        prepared: Prepared,
        downloads: Vec<Download>,
        hub: &mut Option<Hub>,
    ) -> Result<Ready, LocalError> {
        self.check_repo_domains()?;
        let (bases, mut step) = self.bases(&prepared).await?;
        let pulls = async {
            let pulled = self.pull(&bases, &prepared.arches, step.as_mut()).await;
            match step {
                Some(step) => step.end_with(pulled).await,
                None => pulled,
            }
        };
        let artifacts = self.artifacts(&downloads, &prepared.context);
        let questions = async {
            let mut hub = hub.as_mut();
            let named = self.name(&prepared, &bases, hub.as_deref_mut()).await?;
            Ok((named, self.repos(hub).await?))
        };
        let ((), (), ((nvr, repository), repos)) = tokio::try_join!(pulls, artifacts, questions)?;
        Ok(Ready { prepared, bases, nvr, repository, repos, downloads })
    }

    /// Step 1: asks for the base images. The step goes on while they are pulled.
    async fn bases(&self, prepared: &Prepared) -> Result<(BaseImages, Option<Step>), LocalError> {
        if prepared.images.is_empty() {
            let why =
                "Koji makes base images from kickstart files; the build service refuses nothing, and builds it so";
            let what = "FROM scratch only: an image without a parent".to_owned();
            self.journal.warn(Warning::Omitted { what, why: why.to_owned() }).await;
            return Ok((BaseImages { parents: prepared.parents.clone(), images: Vec::new() }, None));
        }
        let mut step = self.journal.begin(StepName::BaseImage).await;
        for (line, image) in &prepared.unpinned {
            step.say(format_args!("line {line}: files are taken from {image}, which is not pinned")).await;
        }
        let cache = &self.order.places.cache;
        let asked = prepared
            .images
            .iter()
            .map(|(written, name)| base_image::find(&self.machine.engine, cache, written, name, &prepared.arches));
        match futures_util::future::try_join_all(asked).await {
            Ok(images) => {
                base_image::tell(&mut step, &images).await;
                Ok((BaseImages { parents: prepared.parents.clone(), images }, Some(step)))
            }
            Err(error) => {
                Err(step.end_with(Err::<(), _>(LocalError::from(error))).await.err().unwrap_or(LocalError::Interrupted))
            }
        }
    }

    async fn pull(&self, bases: &BaseImages, arches: &[String], step: Option<&mut Step>) -> Result<(), LocalError> {
        for arch in arches {
            let engine = self.machine.for_arch(arch);
            let pulls = bases.images.iter().map(|image| base_image::pull(&engine, image, arch));
            futures_util::future::try_join_all(pulls).await?;
        }
        if let Some(step) = step {
            step.say("all of them are in the storage").await;
        }
        Ok(())
    }

    /// Files that git does not hold.
    fn downloads(&self, prepared: &Prepared) -> Result<Vec<Download>, LocalError> {
        let root = &prepared.context.path;
        let mut downloads = Vec::new();
        if let Some(sources) = sources::read(root).transpose()?.filter(|sources| !sources.is_empty()) {
            let lookaside = self.order.lookaside.as_ref().ok_or_else(|| LocalError::NoLookaside)?;
            downloads.extend(lookaside_downloads(&lookaside.base, &lookaside.repository, &sources)?);
        }
        let allowed = &self.order.artifacts_allowed;
        if let Some(artifacts) = url_list::read(root, allowed).transpose()? {
            downloads.extend(artifacts.iter().map(|artifact| artifact.download(allowed)));
        }
        Ok(downloads)
    }

    /// Step 3: fetches them.
    async fn artifacts(&self, downloads: &[Download], context: &Context) -> Result<(), LocalError> {
        if downloads.is_empty() {
            return Ok(());
        }
        let mut step = self.journal.begin(StepName::Artifacts).await;
        let fetched = self.fetch(downloads, context, Some(&mut step)).await;
        step.end_with(fetched).await
    }

    async fn fetch(
        &self,
        downloads: &[Download],
        context: &Context,
        step: Option<&mut Step>,
    ) -> Result<(), LocalError> {
        let client = http::client(&ClientOptions { redirects: Redirects::Refuse, ..self.order.client.clone() })?;
        let cache = Cache::new(self.order.places.cache.join("artifacts"));
        let fetcher = Fetcher::new(&client, &cache);
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let tell = move |event: FetchEvent<'_>| {
            // Whoever listens is beside us, and ends after us.
            let _ = sender.send((event.download.target.clone(), event.step));
        };
        let fetching = async {
            let fetched = fetcher.fetch(downloads, &context.path, &tell).await;
            drop(tell);
            fetched
        };
        let (fetched, ()) = tokio::join!(fetching, told(receiver, downloads.len(), step));
        fetched?;
        Ok(())
    }

    /// Step 4: release and names.
    async fn name(
        &self,
        prepared: &Prepared,
        bases: &BaseImages,
        hub: Option<&mut Hub>,
    ) -> Result<(Nvr, String), LocalError> {
        let mut step = self.journal.begin(StepName::Labels).await;
        let named = self.find_name(prepared, bases, hub, &mut step).await;
        step.end_with(named).await
    }

    async fn find_name(
        &self,
        prepared: &Prepared,
        bases: &BaseImages,
        hub: Option<&mut Hub>,
        step: &mut Step,
    ) -> Result<(Nvr, String), LocalError> {
        let arch = prepared.arches.first().map(String::as_str).unwrap_or_default();
        let service = self.service(prepared, bases, arch)?;
        let (nvr, repository) = labels::identity(&service, "")?;
        // Refused now and not when it is pushed.
        ImageName::parse(&format!("localhost/{repository}"))?;
        let options = &self.order.request.options;
        let source = match (&options.release, labels::named(&service, RELEASE)) {
            (Some(release), _) => Source::Option(release.clone()),
            (None, _) if options.scratch => Source::Scratch(self.identity.scratch_release.clone()),
            (None, Some(release)) => Source::Label(release.to_owned()),
            (None, None) => Source::Next,
        };
        let hub = hub.map(|hub| &mut hub.session).filter(|_| !options.scratch);
        let release = release::find(source, &nvr.name, &nvr.version, hub, step).await?;
        let nvr = Nvr { release, ..nvr };
        step.say(format_args!("this is {nvr}")).await;
        Ok((nvr, repository))
    }

    /// The Dockerfile as the build service reads it, with the variables of its base.
    fn service(&self, prepared: &Prepared, bases: &BaseImages, arch: &str) -> Result<Dockerfile, LocalError> {
        let env = variant(bases.last(), arch).map(|variant| variant.config.env()).unwrap_or_default();
        let name = Path::new(prepared.dockerfile);
        Ok(Dockerfile::parse_with(prepared.text.as_bytes(), name, &env)?)
    }

    fn check_repo_domains(&self) -> Result<(), LocalError> {
        let options = &self.order.request.options;
        if !options.scratch {
            yum_repos::check_domains(&options.yum_repourls, &self.order.config.yum_repo_allowed_domains)?;
        }
        Ok(())
    }

    /// Step 5: repository files.
    async fn repos(&self, hub: Option<&mut Hub>) -> Result<Vec<RepoFile>, LocalError> {
        if !self.has_repos() {
            return Ok(Vec::new());
        }
        let mut step = self.journal.begin(StepName::YumRepos).await;
        let found = self.find_repos(hub, &mut step).await;
        step.end_with(found).await
    }

    async fn find_repos(&self, hub: Option<&mut Hub>, step: &mut Step) -> Result<Vec<RepoFile>, LocalError> {
        let client = http::client(&ClientOptions { redirects: Redirects::Follow, ..self.order.client.clone() })?;
        let mut files = yum_repos::fetch(&client, &self.order.request.options.yum_repourls).await?;
        if self.order.options.target_repo {
            match hub {
                Some(hub) => files.extend(self.target_repo(hub).await?),
                None => {
                    let what = "the repository of the Koji target".to_owned();
                    let why = "no Koji hub is configured".to_owned();
                    self.journal.warn(Warning::Omitted { what, why }).await;
                }
            }
        }
        let mut files: Vec<RepoFile> = yum_repos::by_name(files).into_values().collect();
        if let Some(name) = self.ca_bundle_name() {
            yum_repos::trust(&mut files, &Path::new("/tmp").join(name));
        }
        for file in &files {
            step.say(format_args!("{} from {}", file.name, file.origin)).await;
            let unsigned = file.content.split(|byte| *byte == b'\n').any(|line| {
                let line: Vec<u8> = line.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
                line == b"gpgcheck=0"
            });
            if unsigned {
                step.say(format_args!("  {} does not have the signatures of packages checked (gpgcheck=0)", file.name))
                    .await;
            }
        }
        Ok(files)
    }

    /// The newest repository of the target's build tag.
    async fn target_repo(&self, hub: &mut Hub) -> Result<Option<RepoFile>, LocalError> {
        let target = self.order.request.target.as_str();
        let answer = hub.session.call(&Call::new("getBuildTarget").arg(target)).await?;
        let Some(build_tag) = answer.get("build_tag_name").and_then(Value::as_str).map(str::to_owned) else {
            return Err(LocalError::NoTarget(target.to_owned()));
        };
        let repo = hub.session.call(&Call::new("getRepo").arg(build_tag.as_str())).await?;
        let id = repo.get("id").and_then(Value::as_int);
        let (Some(id), Some(topurl)) = (id, &hub.topurl) else {
            let (what, why) = (format!("the repository of {target}"), format!("there is none for the tag {build_tag}"));
            self.journal.warn(Warning::Omitted { what, why }).await;
            return Ok(None);
        };
        Ok(Some(yum_repos::of_target(target, topurl, &build_tag, id, self.order.config.yum_proxy.as_deref())))
    }

    fn ca_bundle_name(&self) -> Option<String> {
        let bundle = self.order.config.builder_ca_bundle.as_deref()?;
        Some(bundle.file_name()?.to_string_lossy().into_owned())
    }

    /// Step 6: writes what is built, for each architecture.
    async fn write(&self, ready: &Ready) -> Result<Vec<ArchBuild>, LocalError> {
        let mut step = self.journal.begin(StepName::Dockerfile).await;
        let written = self.write_all(ready, &mut step).await;
        step.end_with(written).await
    }

    async fn write_all(&self, ready: &Ready, step: &mut Step) -> Result<Vec<ArchBuild>, LocalError> {
        let mut builds: Vec<ArchBuild> = Vec::new();
        for arch in &ready.prepared.arches {
            let context = if builds.is_empty() {
                ready.prepared.context.clone()
            } else {
                self.another_context(ready, arch).await?
            };
            let build = self.write_one(ready, arch, context).await?;
            if builds.is_empty() {
                for (name, value) in &build.labels {
                    step.say(format_args!("label {name}={value}")).await;
                }
                step.say(diff(ready.prepared.dockerfile, &ready.prepared.text, &build.written.built)).await;
            }
            if build.mounted_repos.is_some() {
                step.say(format_args!("{arch}: the base has no shell, so repositories are mounted and not copied"))
                    .await;
            }
            builds.push(build);
        }
        if let Some(build) = builds.first() {
            let stored = [("Dockerfile.original", &ready.prepared.text), ("Dockerfile", &build.written.built)];
            for (name, text) in stored {
                write_private(&self.results.join(name), text.as_bytes())?;
            }
        }
        Ok(builds)
    }

    /// The files once more: each architecture's build adds its own.
    async fn another_context(&self, ready: &Ready, arch: &str) -> Result<Context, LocalError> {
        let context = prepare::take(self.order, &self.work.path().join(format!("context-{arch}")))?;
        if !ready.downloads.is_empty() {
            self.fetch(&ready.downloads, &context, None).await?;
        }
        Ok(context)
    }

    async fn write_one(&self, ready: &Ready, arch: &str, context: Context) -> Result<ArchBuild, LocalError> {
        let engine = self.machine.for_arch(arch);
        let shell = match ready.bases.last() {
            Some(base) if !ready.repos.is_empty() => self.base_contents(&engine, base, arch).await?.shell,
            _ => true,
        };
        let help = context.has("help.md") && build::is_in_path(GO_MD2MAN);
        let names = StoredNames::of(&ready.nvr, &ready.repository, help);
        let bundle = self.ca_bundle_name().filter(|_| !ready.repos.is_empty());
        context.check_free(&dockerfile::injected_names(&names, bundle.as_deref()))?;
        let copied: Vec<String> =
            if shell { ready.repos.iter().map(|file| file.name.clone()).collect() } else { Vec::new() };
        let (written, labels) = self.texts(ready, arch, &names, &copied, bundle.as_deref())?;
        let content_manifest = self.content_manifest(ready, arch)?;
        if help {
            let what = "making help.1 of help.md";
            let mut command = tokio::process::Command::new(GO_MD2MAN);
            command.arg("-in").arg(context.path.join("help.md")).process_group(0);
            context.add("help.1", &output(&mut command, what).await?)?;
        }
        context.add(&names.content_manifest, &content_manifest)?;
        context.add(&names.dockerfile, written.stored.as_bytes())?;
        let mut mounted_repos = None;
        if shell && !ready.repos.is_empty() {
            context.add_folder(dockerfile::REPOS_FOLDER)?;
            self.put_repos(ready, &context, dockerfile::REPOS_FOLDER)?;
        } else if !ready.repos.is_empty() {
            let folder =
                Context { path: self.work.path().join(format!("repos-{arch}")), missing_submodules: Vec::new() };
            fs::create_dir(&folder.path).map_err(|source| LocalError::Result { what: "repository files", source })?;
            self.put_repos(ready, &folder, "")?;
            mounted_repos = Some(folder.path);
        }
        if let (Some(name), Some(path)) = (&bundle, &self.order.config.builder_ca_bundle) {
            let content = fs::read(path).map_err(|source| LocalError::Result { what: "the CA bundle", source })?;
            context.add(name, &content)?;
        }
        context.unignore(ready.prepared.dockerfile, &dockerfile::injected_names(&names, bundle.as_deref()))?;
        // What the image gets with `COPY .` is what is built, as in the build service.
        context.replace(ready.prepared.dockerfile, written.built.as_bytes())?;
        let repository = ImageName::parse(&format!("localhost/{}", ready.repository))?;
        let name = repository.with_tag(&self.identity.unique).to_string();
        Ok(ArchBuild { arch: arch.to_owned(), engine, context, name, mounted_repos, written, labels, content_manifest })
    }

    fn put_repos(&self, ready: &Ready, context: &Context, folder: &str) -> Result<(), LocalError> {
        for file in &ready.repos {
            let name = Path::new(folder).join(&file.name);
            context.add(&name.to_string_lossy(), &file.content)?;
        }
        Ok(())
    }

    /// The Dockerfiles, and the labels that are added.
    fn texts(
        &self,
        ready: &Ready,
        arch: &str,
        names: &StoredNames,
        repos: &[String],
        bundle: Option<&str>,
    ) -> Result<(Written, Vec<(String, String)>), LocalError> {
        let service = self.service(&ready.prepared, &ready.bases, arch)?;
        let base = variant(ready.bases.last(), arch);
        let base_labels = base.map(|variant| variant.config.labels()).unwrap_or_default();
        let commit = &self.order.request.commit;
        let dirty = if self.order.options.dirty { "-dirty" } else { "" };
        let date = match self.order.timestamp {
            Some(seconds) => jiff::Timestamp::from_second(seconds).unwrap_or(self.identity.started),
            None => self.identity.started,
        };
        let automatic = Automatic {
            build_date: date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            architecture: arch.to_owned(),
            vcs_ref: format!("{commit}{dirty}"),
        };
        let labels = labels::find(&service, &base_labels, &ready.nvr.release, &automatic, self.order.config)?;
        let author = Author { text: &ready.prepared.text, file: &ready.prepared.file, service: &service };
        let changes = Changes {
            bases: &ready.bases,
            release: &ready.nvr.release,
            release_env: ready.prepared.yaml.set_release_env.as_deref(),
            labels: &labels.added,
            stored: names,
            repos,
            ca_bundle: bundle,
            base_user: base.map_or("", |variant| variant.config.config.user.as_str()),
        };
        Ok((dockerfile::write(author, &changes)?, labels.added))
    }

    fn content_manifest(&self, ready: &Ready, arch: &str) -> Result<Vec<u8>, LocalError> {
        let layers = variant(ready.bases.last(), arch).map_or(0, |variant| variant.layers);
        let sets = content_manifest::content_sets(&ready.prepared.context.path, arch)?;
        Ok(content_manifest::build(layers, &sets))
    }

    /// What is in a base image; it never changes, so it is looked at once.
    async fn base_contents(&self, engine: &Engine, base: &BaseImage, arch: &str) -> Result<Contents, LocalError> {
        let Some(variant) = base.variants.get(arch) else { return Ok(Contents::default()) };
        let folder = self.order.places.cache.join("contents");
        let path = folder.join(format!("{}.json", variant.config_digest.trim_start_matches("sha256:")));
        if let Some(known) = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
            return Ok(known);
        }
        let found = contents::of(engine, &base.pinned().to_string(), self.work.path()).await?;
        if let (Ok(()), Ok(text)) = (fs::create_dir_all(&folder), serde_json::to_vec(&found)) {
            let _ = write_private(&path, &text);
        }
        Ok(found)
    }

    /// Step 7: all architectures at once. What the base images hold is found out meanwhile.
    async fn build(
        &self,
        builds: &[ArchBuild],
        failed_log: &mut Option<FailureLog>,
    ) -> Result<Vec<PathBuf>, LocalError> {
        let mut step = self.journal.begin(StepName::Build).await;
        let shares = self.isolation.shares().map(|shares| format!("; {shares}")).unwrap_or_default();
        step.say(format_args!(
            "buildah {}, isolation {} ({}){shares}",
            self.machine.version_text, self.isolation.name, self.isolation.why
        ))
        .await;
        for argument in &self.order.options.build_args {
            let (name, value) = argument.split_once('=').map_or((argument.as_str(), "(environment)"), |(n, v)| (n, v));
            let secret = is_secret_name(name);
            step.say(format_args!("build argument {name}={}", if secret { "***" } else { value })).await;
            if secret {
                let text = format!(
                    "build argument {name} looks like a secret, and stays in the image's history: use --secret"
                );
                self.journal.warn(Warning::User { text }).await;
            }
        }
        let all = futures_util::future::join_all(builds.iter().map(|build| self.build_one(build))).await;
        let mut logs = Vec::new();
        let mut failure = None;
        for (log, result) in all {
            if let (Err(error), None) = (result, &failure) {
                *failed_log = log.as_ref().map(failure_log);
                failure = Some(error);
            }
            logs.extend(log.map(|log| log.path().to_owned()));
        }
        let ended = failure.map_or(Ok(logs), Err);
        step.end_with(ended).await
    }

    async fn build_one(&self, build: &ArchBuild) -> (Option<BuildLog>, Result<(), LocalError>) {
        let mut log = match BuildLog::open(&self.journal, &build.arch, &self.results).await {
            Ok(log) => log,
            Err(source) => return (None, Err(LocalError::Result { what: "the log of the engine", source })),
        };
        let options = &self.order.options;
        let dockerfile = build.context.path.join(self.dockerfile_of(build));
        let order = Order {
            arch: &build.arch,
            isolation: &self.isolation.name,
            dockerfile: &dockerfile,
            context: &build.context.path,
            name: &build.name,
            cache: options.cache,
            repos: build.mounted_repos.as_deref(),
            http_proxy: self.order.config.http_proxy,
            build_args: &options.build_args,
            secrets: &options.secrets,
            timestamp: self.order.timestamp,
        };
        let mut interrupt = self.interrupt.clone();
        let built = build::build(&build.engine, &order, &mut log, &mut interrupt).await;
        (Some(log), built.map_err(LocalError::from))
    }

    fn dockerfile_of(&self, build: &ArchBuild) -> &'static str {
        if build.context.has("Dockerfile") { "Dockerfile" } else { "Containerfile" }
    }

    /// Steps 8 and 9: looks at what came out.
    async fn look(
        &self,
        ready: &Ready,
        builds: Vec<ArchBuild>,
        logs: Vec<PathBuf>,
    ) -> Result<Vec<Finished>, LocalError> {
        let mut step = self.journal.begin(StepName::Squash).await;
        let squashed = self.squashed(ready, &builds, &mut step).await;
        let images = step.end_with(squashed).await?;
        let mut step = self.journal.begin(StepName::Inspect).await;
        let inspected = self.inspected(ready, builds, images, logs, &mut step).await;
        step.end_with(inspected).await
    }

    async fn squashed(
        &self,
        ready: &Ready,
        builds: &[ArchBuild],
        step: &mut Step,
    ) -> Result<Vec<BuiltImage>, LocalError> {
        let mut images = Vec::new();
        for build in builds {
            let image = build::image(&build.engine, &build.name).await?;
            let base = ready.bases.last();
            let arch = &build.arch;
            match build::layers(&image.config, variant(base, arch).map(|variant| &variant.config)) {
                Layers::OnTop(1) => step.say(format_args!("{arch}: the parent's layers, and one new layer")).await,
                Layers::OnTop(new) => {
                    step.say(format_args!(
                        "{arch}: the parent's layers, and {new} new layers, kept for the cache; OSBS has one"
                    ))
                    .await;
                }
                Layers::Rewritten => {
                    let base = base.map(|base| base.pinned().to_string()).unwrap_or_default();
                    return Err(LocalError::LayersRewritten { base });
                }
            }
            let size: u64 = image.layer_sizes.iter().sum();
            step.say(format_args!("{arch}: image {}, {size} bytes in {} layers", image.id, image.layer_sizes.len()))
                .await;
            if let Some(limit) = self.order.config.image_size_limit.filter(|limit| size > *limit) {
                return Err(LocalError::TooLarge { size, limit });
            }
            self.forget_earlier(build).await;
            images.push(image);
        }
        Ok(images)
    }

    /// Removes the images of earlier builds of the same thing, whose place is taken.
    async fn forget_earlier(&self, build: &ArchBuild) {
        for earlier in self.store.take_earlier_images(&build.what, self.work).unwrap_or_default() {
            let removed =
                output(build.engine.buildah().args(["rmi", &earlier]), "removing the last build's image").await;
            if let Err(error) = removed {
                tracing::debug!(%error, earlier, "an old image stays");
            }
        }
    }

    async fn inspected(
        &self,
        ready: &Ready,
        builds: Vec<ArchBuild>,
        images: Vec<BuiltImage>,
        logs: Vec<PathBuf>,
        step: &mut Step,
    ) -> Result<Vec<Finished>, LocalError> {
        let mut finished = Vec::new();
        let mut verdict = Ok(());
        for ((build, image), log) in builds.into_iter().zip(images).zip(logs) {
            let base = match ready.bases.last() {
                Some(base) => Some(self.base_contents(&build.engine, base, &build.arch).await?),
                None => None,
            };
            let contents = contents::of(&build.engine, &image.name, self.work.path()).await?;
            let inspection = self.classify(&contents, base.as_ref());
            self.tell(&build.arch, &contents, &inspection, step).await;
            let judged = inspection.verdict(&self.policy());
            for text in judged.warnings {
                self.journal.warn(Warning::User { text }).await;
            }
            verdict = verdict.and(judged.result);
            self.keep_contents(ready, &build, &image, &contents, &inspection)?;
            let name = StoredNames::of(&ready.nvr, &ready.repository, false).content_manifest;
            finished.push(Finished {
                arch: build.arch,
                engine: build.engine,
                image,
                contents,
                content_manifest: (name, build.content_manifest),
                log,
            });
        }
        verdict?;
        Ok(finished)
    }
}

impl Run<'_> {
    fn keys(&self) -> Vec<KeyId> {
        self.order.options.keys.clone()
    }

    fn policy(&self) -> Policy {
        Policy {
            keys: self.keys(),
            required: self.order.config.require_signed,
            scratch: self.order.request.options.scratch,
        }
    }

    fn classify(&self, contents: &Contents, base: Option<&Contents>) -> Inspection {
        let inherited = base.and_then(|base| base.packages.as_deref()).unwrap_or_default();
        inspect::classify(contents.packages.as_deref().unwrap_or_default(), inherited, &self.keys())
    }

    async fn tell(&self, arch: &str, contents: &Contents, inspection: &Inspection, step: &mut Step) {
        if contents.packages.is_none() {
            step.say(format_args!("{arch}: the image has no package database")).await;
            return;
        }
        let new = inspection.packages.iter().filter(|found| !found.inherited).count();
        step.say(format_args!("{arch}: {} packages, {new} of them new", inspection.packages.len())).await;
        step.say(table(&inspection.table())).await;
    }

    /// Keeps what was found among the results.
    fn keep_contents(
        &self,
        ready: &Ready,
        build: &ArchBuild,
        image: &BuiltImage,
        contents: &Contents,
        inspection: &Inspection,
    ) -> Result<(), LocalError> {
        let timestamp = self.identity.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let subject = sbom::Subject {
            name: &ready.repository,
            version: &format!("{}-{}", ready.nvr.version, ready.nvr.release),
            arch: &build.arch,
            id: &image.id,
            distribution: contents.distribution.as_deref(),
            timestamp: &timestamp,
        };
        let document = sbom::build(&subject, contents.packages.as_deref().unwrap_or_default());
        let files = [
            (format!("sbom-{}.json", build.arch), serde_json::to_vec_pretty(&document)),
            (format!("packages-{}.json", build.arch), serde_json::to_vec_pretty(&inspection.packages)),
            (format!("icm-{}.json", build.arch), Ok(build.content_manifest.clone())),
        ];
        for (name, content) in files {
            let content = content
                .map_err(|error| LocalError::Result { what: "the results", source: std::io::Error::other(error) })?;
            write_private(&self.results.join(name), &content)?;
        }
        Ok(())
    }

    /// The tags that the image gets.
    fn tags(&self, ready: &Ready) -> Tags {
        let yaml = &ready.prepared.yaml;
        let floating = if yaml.tags.is_empty() {
            let mut floating = vec!["latest".to_owned(), ready.nvr.version.clone()];
            floating.extend(additional_tags(&ready.prepared.context));
            floating
        } else {
            yaml.tags.iter().map(|tag| tag.name.clone()).collect()
        };
        let options = &self.order.request.options;
        let Nvr { version, release, .. } = &ready.nvr;
        Tags::of(&self.identity.unique, version, release, options.scratch, options.isolated, floating)
    }

    /// The name in the registry.
    fn repository(&self, ready: &Ready) -> Result<ImageName, LocalError> {
        let registry = self.order.config.registry.as_deref().unwrap_or("localhost");
        let name = ImageName::parse(&format!("localhost/{}", ready.repository))?.in_registry(registry);
        Ok(match &self.order.config.organization {
            Some(organization) => name.enclosed(organization),
            None => name,
        })
    }

    /// Step 10.
    async fn push(&self, ready: &Ready, finished: &[Finished], tags: &Tags) -> Result<Pushed, LocalError> {
        let mut step = self.journal.begin(StepName::Push).await;
        let pushed = self.push_all(ready, finished, tags, &mut step).await;
        step.end_with(pushed).await
    }

    async fn push_all(
        &self,
        ready: &Ready,
        finished: &[Finished],
        tags: &Tags,
        step: &mut Step,
    ) -> Result<Pushed, LocalError> {
        let repository = self.repository(ready)?;
        let images: Vec<ToPush<'_>> = finished
            .iter()
            .map(|finished| ToPush { arch: &finished.arch, name: &finished.image.name, engine: &finished.engine })
            .collect();
        let oci = self.order.timestamp.is_some();
        let mut pushed = push::unique(&images, &repository, tags, oci, self.work.path(), step).await?;
        push::check_media_types(&pushed, &self.order.config.expected_media_types)?;
        push::tag(&self.machine.engine, &mut pushed, tags, step).await?;
        Ok(pushed)
    }

    /// Step 11.
    async fn export(&self, ready: &Ready, finished: &[Finished]) -> Result<(), LocalError> {
        let mut step = self.journal.begin(StepName::Export).await;
        let exported = self.export_all(ready, finished, &mut step).await;
        step.end_with(exported).await
    }

    async fn export_all(&self, ready: &Ready, finished: &[Finished], step: &mut Step) -> Result<(), LocalError> {
        let Some(first) = finished.first() else { return Ok(()) };
        let tag = format!("{}-{}", ready.nvr.version, ready.nvr.release);
        let name = self.repository(ready)?.with_tag(&tag).to_string();
        for export in &self.order.options.exports {
            let made = export.run(&first.engine, &first.image.name, &name, self.work.path()).await?;
            step.say(format_args!("{name} is in {made}")).await;
        }
        Ok(())
    }

    /// Step 12. An import that the user may not make does not make the image worse.
    async fn import(
        &self,
        hub: &mut Hub,
        ready: &Ready,
        finished: &[Finished],
        pushed: &Pushed,
        tags: &Tags,
    ) -> Result<Option<KojiBuild>, LocalError> {
        let mut step = self.journal.begin(StepName::Import).await;
        let import = import::Import {
            order: self.order,
            nvr: &ready.nvr,
            bases: &ready.bases,
            images: finished,
            pushed,
            tags,
            started: self.identity.started.as_second(),
            buildah: &self.machine.version_text,
            work: self.work.path(),
            results: &self.results,
            workflow_log: self.results.join("workflow.log"),
        };
        let imported = import.run(hub, &self.interrupt, &mut step).await;
        match step.end_with(imported).await {
            Ok(build) => Ok(Some(build)),
            Err(error) if error.is_refusal() => {
                let what = "the import into Koji".to_owned();
                let why = format!(
                    "{error}; what would have been imported is {}",
                    self.results.join("metadata.json").display()
                );
                self.journal.warn(Warning::Omitted { what, why }).await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tells how it ended.
    async fn end(
        &self,
        ended: Result<(Option<Pushed>, Option<KojiBuild>), LocalError>,
        failed_log: Option<FailureLog>,
    ) -> Ended {
        self.journal.cancel_open().await;
        let id = TaskId::from(self.identity.id.as_str());
        let took = jiff::Timestamp::now().duration_since(self.identity.started);
        let mut outcome = BuildOutcome {
            id: id.clone(),
            outcome: Outcome::Succeeded,
            url: None,
            duration: took.try_into().ok(),
            repositories: Vec::new(),
            builds: Vec::new(),
            user_warnings: self.journal.user_warnings(),
            failure: None,
        };
        let mut kind = None;
        match ended {
            Ok((pushed, imported)) => {
                outcome.repositories = pushed.map(|pushed| pushed.pull_specs()).unwrap_or_default();
                outcome.builds.extend(imported);
            }
            Err(error) => {
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
        events.send(BuildEvent::Finished(outcome.clone())).await;
        Ended { outcome, kind }
    }

    /// The results are a convenience: what happened was told.
    fn keep_outcome(&self, outcome: &BuildOutcome) {
        if let Ok(text) = serde_json::to_vec_pretty(outcome) {
            let _ = write_private(&self.results.join("result.json"), &text);
        }
    }

    async fn preview(&self, prepared: Prepared, hub: &mut Option<Hub>) -> Result<Preview, LocalError> {
        let downloads = self.downloads(&prepared)?;
        self.check_repo_domains()?;
        let (bases, _) = self.bases(&prepared).await?;
        let (nvr, repository) = self.name(&prepared, &bases, hub.as_mut()).await?;
        let names: Result<Vec<String>, _> =
            self.order.request.options.yum_repourls.iter().map(|url| yum_repos::file_name(url)).collect();
        let repos =
            names?.into_iter().map(|name| RepoFile { name, content: Vec::new(), origin: String::new() }).collect();
        let ready = Ready { prepared, bases, nvr, repository, repos, downloads };
        let arch = ready.prepared.arches.first().cloned().unwrap_or_default();
        let help = ready.prepared.context.has("help.md") && build::is_in_path(GO_MD2MAN);
        let stored = StoredNames::of(&ready.nvr, &ready.repository, help);
        let bundle = self.ca_bundle_name().filter(|_| !ready.repos.is_empty());
        ready.prepared.context.check_free(&dockerfile::injected_names(&stored, bundle.as_deref()))?;
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
            diff: diff(ready.prepared.dockerfile, &ready.prepared.text, &written.built),
            dockerfile: written.built,
            tags: tags.all().map(|tag| repository.with_tag(tag).to_string()).collect(),
            artifacts: ready.downloads.iter().map(|download| download.target.display().to_string()).collect(),
            omitted: ready.prepared.omitted.clone(),
        })
    }
}

/// The variant of an image for an architecture.
fn variant<'a>(image: Option<&'a BaseImage>, arch: &str) -> Option<&'a base_image::Variant> {
    image?.variants.get(arch)
}

fn failure_log(log: &BuildLog) -> FailureLog {
    FailureLog { log: log.id().clone(), tail: log.last_lines(), url: Some(log.path().display().to_string()) }
}

/// Names that secrets go by.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "PASS", "SECRET", "KEY", "CREDENTIAL"].iter().any(|part| name.contains(part))
}

/// The difference of two texts, as `diff -u` shows it.
fn diff(name: &str, author: &str, built: &str) -> String {
    let diff = TextDiff::from_lines(author, built);
    diff.unified_diff().context_radius(2).header(name, &format!("{name} as it is built")).to_string()
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

/// Floating tags of `additional-tags`, as far as they are tags.
fn additional_tags(context: &Context) -> Vec<String> {
    let text = context.read("additional-tags").unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).filter(|tag| is_additional_tag(tag)).map(str::to_owned).collect()
}

/// Rows as text, each column as wide as its widest cell.
fn table(rows: &[[String; 5]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str("  ");
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Tells what happens to files that are fetched, and how far all of them are.
async fn told(
    mut events: tokio::sync::mpsc::UnboundedReceiver<(PathBuf, FetchStep)>,
    count: usize,
    mut step: Option<&mut Step>,
) {
    let mut sizes: BTreeMap<PathBuf, (u64, Option<u64>)> = BTreeMap::new();
    let mut last = tokio::time::Instant::now();
    while let Some((target, event)) = events.recv().await {
        let Some(step) = step.as_deref_mut() else { continue };
        let name = target.display();
        match event {
            FetchStep::Receiving { received, total } => drop(sizes.insert(target, (received, total))),
            FetchStep::CacheDamaged => {
                step.say(format_args!("{name}: what the cache had was damaged, and is removed")).await
            }
            FetchStep::Waiting => step.say(format_args!("{name}: another build is fetching it")).await,
            FetchStep::Retrying { attempt, of, delay, reason } => {
                step.say(format_args!(
                    "{name}: attempt {attempt} of {of} failed ({reason}); the next one in {delay:?}"
                ))
                .await;
            }
            FetchStep::Done { size, from } => {
                let from = match from {
                    Provenance::Context => "was in the checkout",
                    Provenance::Cache => "was in the cache",
                    Provenance::Server => "fetched",
                };
                step.say(format_args!("{name}: {from}, {size} bytes, checksum as it should be")).await;
                sizes.insert(target, (size, Some(size)));
            }
        }
        // A sum is honest only when the size of every file is known.
        let totals: Option<u64> = sizes.values().map(|(_, total)| *total).sum();
        if let Some(total) = totals.filter(|_| sizes.len() == count && last.elapsed() > PROGRESS_PERIOD) {
            last = tokio::time::Instant::now();
            step.progress(sizes.values().map(|(received, _)| received).sum(), total, "bytes").await;
        }
    }
}

/// How often it is told how far fetching is.
const PROGRESS_PERIOD: std::time::Duration = std::time::Duration::from_millis(100);
