//! What is built, written out for each architecture.

use std::fs;
use std::path::Path;

use similar::TextDiff;

use super::base_image::{BaseImage, BaseImages};
use super::context::BuildContext;
use super::dockerfile::{self, Author, Changes, StoredNames, Written};
use super::labels::{self, Automatic};
use super::prepare::{self, Prepared};
use super::{ArchBuild, Ready, Run, variant};
use crate::blocking::{self, Stopped};
use crate::checkout::dockerfile::Dockerfile;
use crate::child;
use crate::file;
use crate::local::engine::journal::{Step, StepName};
use crate::local::engine::setup::GO_MD2MAN;
use crate::local::engine::store::write_private;
use crate::local::engine::{Engine, output};
use crate::local::image::content_manifest;
use crate::local::image::contents::{self, Contents};
use crate::local::image::name::ImageName;
use crate::local::steps::error::LocalError;

impl Run<'_> {
    /// Writes what is built, for each architecture.
    pub(super) async fn write(&self, ready: &Ready) -> Result<Vec<ArchBuild>, LocalError> {
        let mut step = self.journal.begin(StepName::Dockerfile).await;
        let written = self.write_all(ready, &mut step).await;
        step.end_with(written).await
    }

    async fn write_all(&self, ready: &Ready, step: &mut Step) -> Result<Vec<ArchBuild>, LocalError> {
        let mut builds: Vec<ArchBuild> = Vec::new();
        for arch in &self.site.prepared.arches {
            let context = if builds.is_empty() {
                self.site.prepared.context.clone()
            } else {
                self.another_context(ready, arch).await?
            };
            let build = self.write_one(ready, arch, context).await?;
            if builds.is_empty() {
                for (name, value) in &build.labels {
                    step.say(format_args!("label {name}={value}")).await;
                }
                step.say(diff(self.site.prepared.dockerfile, &self.site.prepared.text, &build.written.built)).await;
            }
            if build.mounted_repos.is_some() {
                step.say(format_args!("{arch}: the base has no shell, so repositories are mounted and not copied"))
                    .await;
            }
            builds.push(build);
        }
        if let Some(build) = builds.first() {
            let stored = [("Dockerfile.original", &self.site.prepared.text), ("Dockerfile", &build.written.built)];
            for (name, text) in stored {
                write_private(&self.results.join(name), text.as_bytes())?;
            }
        }
        Ok(builds)
    }

    /// The files once more: each architecture's build adds its own.
    async fn another_context(&self, ready: &Ready, arch: &str) -> Result<BuildContext, LocalError> {
        let context = prepare::take(self.order, &self.site.work.path().join(format!("context-{arch}"))).await?;
        if !ready.downloads.is_empty() {
            self.fetch(&ready.downloads, &context, None).await?;
        }
        Ok(context)
    }

    async fn write_one(&self, ready: &Ready, arch: &str, context: BuildContext) -> Result<ArchBuild, LocalError> {
        let engine = self.site.machine.for_arch(arch);
        let shell = match ready.bases.last() {
            Some(base) if !ready.repos.is_empty() => self.base_contents(&engine, base, arch).await?.shell,
            _ => true,
        };
        let help = context.has("help.md") && child::is_in_path(GO_MD2MAN);
        let names = StoredNames::of(&ready.nvr, &ready.repository, help);
        let bundle = self.ca_bundle_name().filter(|_| !ready.repos.is_empty());
        context.check_free(&dockerfile::injected_names(&names, bundle.as_deref()))?;
        let copied: Vec<String> =
            if shell { ready.repos.iter().map(|file| file.name.clone()).collect() } else { Vec::new() };
        let (written, labels) = self.texts(ready, arch, &names, &copied, bundle.as_deref())?;
        let content_manifest = self.content_manifest(ready, arch)?;
        if help {
            let what = "making help.1 of help.md";
            let mut command = child::command(GO_MD2MAN);
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
            let folder = BuildContext {
                path: self.site.work.path().join(format!("repos-{arch}")),
                missing_submodules: Vec::new(),
            };
            fs::create_dir(&folder.path).map_err(|source| LocalError::Result { what: "repository files", source })?;
            self.put_repos(ready, &folder, "")?;
            mounted_repos = Some(folder.path);
        }
        if let (Some(name), Some(path)) = (&bundle, &self.order.config.builder_ca_bundle) {
            let path = path.clone();
            let content = blocking::run(move |_| file::read(&path, file::LONGEST)).await;
            let content = content.map_err(|source| LocalError::Result { what: "the CA bundle", source })?;
            context.add(name, &content)?;
        }
        context.unignore(self.site.prepared.dockerfile, &dockerfile::injected_names(&names, bundle.as_deref()))?;
        // What the image gets with `COPY .` is what is built, as in the build service.
        context.replace(self.site.prepared.dockerfile, written.built.as_bytes())?;
        let repository = ImageName::parse(&format!("localhost/{}", ready.repository))?;
        let name = repository.with_tag(&self.names.unique).to_string();
        Ok(ArchBuild { arch: arch.to_owned(), engine, context, name, mounted_repos, written, labels, content_manifest })
    }

    fn put_repos(&self, ready: &Ready, context: &BuildContext, folder: &str) -> Result<(), LocalError> {
        for file in &ready.repos {
            let name = Path::new(folder).join(&file.name);
            context.add(&name.to_string_lossy(), &file.content)?;
        }
        Ok(())
    }

    /// The Dockerfiles, and the labels that are added.
    pub(super) fn texts(
        &self,
        ready: &Ready,
        arch: &str,
        names: &StoredNames,
        repos: &[String],
        bundle: Option<&str>,
    ) -> Result<(Written, Vec<(String, String)>), LocalError> {
        let service = self.service(&self.site.prepared, &ready.bases, arch)?;
        let base = variant(ready.bases.last(), arch);
        let base_labels = base.map(|variant| variant.config.labels()).unwrap_or_default();
        let commit = &self.order.request.commit;
        let dirty = if self.order.options.dirty { "-dirty" } else { "" };
        let date = match self.order.timestamp {
            Some(seconds) => jiff::Timestamp::from_second(seconds).unwrap_or(self.names.started),
            None => self.names.started,
        };
        let automatic = Automatic {
            build_date: date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            architecture: arch.to_owned(),
            vcs_ref: if commit.is_empty() { String::new() } else { format!("{commit}{dirty}") },
        };
        let labels = labels::find(&service, &base_labels, &ready.nvr.release, &automatic, self.order.config)?;
        let author = Author { text: &self.site.prepared.text, file: &self.site.prepared.file, service: &service };
        let changes = Changes {
            bases: &ready.bases,
            release: &ready.nvr.release,
            release_env: self.site.prepared.yaml.set_release_env.as_deref(),
            labels: &labels.added,
            stored: names,
            repos,
            ca_bundle: bundle,
            base_user: base.map_or("", |variant| variant.config.config.user.as_str()),
        };
        Ok((dockerfile::write(author, &changes)?, labels.added))
    }

    /// The Dockerfile as the build service reads it, with the variables of its base.
    pub(super) fn service(
        &self,
        prepared: &Prepared,
        bases: &BaseImages,
        arch: &str,
    ) -> Result<Dockerfile, LocalError> {
        let env = variant(bases.last(), arch).map(|variant| variant.config.env()).unwrap_or_default();
        let name = Path::new(prepared.dockerfile);
        Ok(Dockerfile::parse_with(prepared.text.as_bytes(), name, &env)?)
    }

    fn content_manifest(&self, ready: &Ready, arch: &str) -> Result<Vec<u8>, LocalError> {
        let layers = variant(ready.bases.last(), arch).map_or(0, |variant| variant.layers);
        let sets = content_manifest::content_sets(&self.site.prepared.context.path, arch)?;
        Ok(content_manifest::build(layers, &sets))
    }

    pub(super) fn ca_bundle_name(&self) -> Option<String> {
        let bundle = self.order.config.builder_ca_bundle.as_deref()?;
        Some(bundle.file_name()?.to_string_lossy().into_owned())
    }

    /// What is in a base image; it never changes, so it is looked at once.
    pub(super) async fn base_contents(
        &self,
        engine: &Engine,
        base: &BaseImage,
        arch: &str,
    ) -> Result<Contents, LocalError> {
        let Some(variant) = base.variants.get(arch) else { return Ok(Contents::default()) };
        let name = format!("{}.json", variant.config_digest.trim_start_matches("sha256:"));
        let path = self.order.places.cache.join("contents").join(name);
        let kept = path.clone();
        if let Some(known) = blocking::run(move |_| Ok::<_, Stopped>(kept_contents(&kept))).await? {
            return Ok(known);
        }
        let found =
            contents::of(engine, &base.pinned().to_string(), variant.config.has_triggers(), self.site.work.path())
                .await?;
        let kept = found.clone();
        let keeping = blocking::run(move |_| {
            keep_contents(&path, &kept);
            Ok::<_, Stopped>(())
        });
        keeping.await?;
        Ok(found)
    }
}

/// A damaged file is as good as none.
fn kept_contents(path: &Path) -> Option<Contents> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Not being able to keep them costs another look.
fn keep_contents(path: &Path, contents: &Contents) {
    let made = path.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok());
    if let (true, Ok(text)) = (made, serde_json::to_vec(contents)) {
        let _ = write_private(path, &text);
    }
}

/// The difference of two texts, as `diff -u` shows it.
pub(super) fn diff(name: &str, author: &str, built: &str) -> String {
    let diff = TextDiff::from_lines(author, built);
    diff.unified_diff().context_radius(2).header(name, &format!("{name} as it is built")).to_string()
}
