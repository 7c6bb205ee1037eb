//! Everything that comes from elsewhere, as much of it as possible at the same time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::base_image::{self, BaseImages};
use super::context::BuildContext;
use super::labels;
use super::prepare::Prepared;
use super::release::{self, ReleaseSource};
use super::yum_repos::{self, RepoFile};
use super::{Ready, Run};
use crate::address::Address;
use crate::checkout::sources;
use crate::event::Warning;
use crate::fetch::url_list::UrlArtifact;
use crate::fetch::{Cache, Download, FetchEvent, FetchStep, Fetcher, Provenance, lookaside_downloads, url_list};
use crate::http::{self, ClientOptions, Redirects};
use crate::koji::call::Call;
use crate::koji::xmlrpc::Value;
use crate::local::engine::journal::{Step, StepName};
use crate::local::image::name::ImageName;
use crate::local::order::Hub;
use crate::local::steps::error::LocalError;
use crate::request::nvr::{Nvr, RELEASE};

/// How much of what is told of files may wait for its reader.
const TOLD_AHEAD: usize = 1024;

impl Run<'_> {
    /// Base images and everything that is fetched.
    pub(super) async fn ready(&self, downloads: Vec<Download>, hub: &mut Option<Hub>) -> Result<Ready, LocalError> {
        let prepared = &self.site.prepared;
        self.check_repo_domains()?;
        let (bases, mut step) = self.bases(prepared).await?;
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
            let named = self.name(prepared, &bases, hub.as_deref_mut()).await?;
            Ok((named, self.repos(hub).await?))
        };
        let ((), (), ((nvr, repository), repos)) = tokio::try_join!(pulls, artifacts, questions)?;
        Ok(Ready { bases, nvr, repository, repos, downloads })
    }

    /// Asks for the base images. The step goes on while they are pulled.
    pub(super) async fn bases(&self, prepared: &Prepared) -> Result<(BaseImages, Option<Step>), LocalError> {
        if prepared.images.is_empty() {
            let what = "how distributions make base images".to_owned();
            let why = "this one is FROM scratch; theirs are made in Koji, of kickstart files or image descriptions"
                .to_owned();
            self.journal.warn(Warning::Omitted { what, why }).await;
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
            .map(|(written, name)| base_image::find(&self.site.machine.engine, cache, written, name, &prepared.arches));
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
            let engine = self.site.machine.for_arch(arch);
            let pulls = bases.images.iter().map(|image| base_image::pull(&engine, image, arch));
            futures_util::future::try_join_all(pulls).await?;
        }
        if let Some(step) = step {
            step.say("all of them are in the storage").await;
        }
        Ok(())
    }

    /// Files that git does not hold.
    pub(super) fn downloads(&self, prepared: &Prepared) -> Result<Vec<Download>, LocalError> {
        let root = &prepared.context.path;
        let mut downloads = Vec::new();
        if let Some(sources) = sources::read(root).transpose()?.filter(|sources| !sources.is_empty()) {
            let lookaside = self.order.lookaside.as_ref().ok_or_else(|| LocalError::NoLookaside)?;
            downloads.extend(lookaside_downloads(&lookaside.base, &lookaside.repository, &sources)?);
        }
        let allowed = &self.order.artifacts_allowed;
        downloads.extend(self.listed(prepared)?.iter().map(|artifact| artifact.download(allowed)));
        Ok(downloads)
    }

    fn listed(&self, prepared: &Prepared) -> Result<Vec<UrlArtifact>, LocalError> {
        let listed = url_list::read(&prepared.context.path, &self.order.artifacts_allowed).transpose()?;
        Ok(listed.unwrap_or_default())
    }

    /// Warns of what is fine for now.
    pub(super) async fn warn_of_lists(&self, prepared: &Prepared) -> Result<(), LocalError> {
        for artifact in self.listed(prepared)?.iter().filter(|artifact| artifact.source.is_none()) {
            let url = Address::from(artifact.url.clone());
            let text = format!("fetch-artifacts-url.yaml: {url} has no source-url, which is deprecated");
            self.journal.warn(Warning::User { text }).await;
        }
        Ok(())
    }

    /// Fetches them.
    async fn artifacts(&self, downloads: &[Download], context: &BuildContext) -> Result<(), LocalError> {
        if downloads.is_empty() {
            return Ok(());
        }
        let mut step = self.journal.begin(StepName::Artifacts).await;
        step.say(format_args!("{} files that git does not hold", downloads.len())).await;
        let fetched = self.fetch(downloads, context, Some(&mut step)).await;
        step.end_with(fetched).await
    }

    pub(super) async fn fetch(
        &self,
        downloads: &[Download],
        context: &BuildContext,
        step: Option<&mut Step>,
    ) -> Result<(), LocalError> {
        let client = http::client(&ClientOptions { redirects: Redirects::Refuse, ..self.order.client.clone() })?;
        let cache = Cache::new(self.order.places.cache.join("artifacts"));
        let fetcher = Fetcher::new(&client, &cache);
        let (sender, receiver) = tokio::sync::mpsc::channel(TOLD_AHEAD);
        let tell = move |event: FetchEvent<'_>| {
            // A reader that falls behind misses how far a file was on its way, and nothing else: room is kept for the rest.
            let matters = !matches!(event.step, FetchStep::Receiving { .. });
            if matters || sender.capacity() > TOLD_AHEAD / 2 {
                let _ = sender.try_send((event.download.target.clone(), event.step));
            }
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

    /// Release and names.
    pub(super) async fn name(
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
            (Some(release), _) => ReleaseSource::Option(release.clone()),
            (None, _) if options.scratch => ReleaseSource::Scratch(self.names.scratch_release.clone()),
            (None, Some(release)) => ReleaseSource::Label(release.to_owned()),
            (None, None) => ReleaseSource::Next,
        };
        let hub = hub.map(|hub| &mut hub.session).filter(|_| !options.scratch);
        let release = release::find(source, &nvr.name, &nvr.version, hub, step).await?;
        let nvr = Nvr { release, ..nvr };
        step.say(format_args!("this is {nvr}")).await;
        Ok((nvr, repository))
    }

    pub(super) fn check_repo_domains(&self) -> Result<(), LocalError> {
        let options = &self.order.request.options;
        if !options.scratch {
            yum_repos::check_domains(&options.yum_repourls, &self.order.config.yum_repo_allowed_domains)?;
        }
        Ok(())
    }

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
            if yum_repos::is_unchecked(file) {
                step.say(format_args!("  {} does not have the signatures of packages checked (gpgcheck)", file.name))
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
}

/// How often it is told how far fetching is.
const PROGRESS_PERIOD: std::time::Duration = std::time::Duration::from_millis(100);

/// Tells what happens to files that are fetched, and how far all of them are.
async fn told(
    mut events: tokio::sync::mpsc::Receiver<(PathBuf, FetchStep)>,
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
                step.say(format_args!("{name}: what the cache had was damaged, and is removed")).await;
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
