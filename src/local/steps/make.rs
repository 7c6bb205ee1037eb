//! The engine builds, and what came out is looked at.

use std::path::PathBuf;

use super::base_image::Parent;
use super::build::{self, BuildCall, BuildLog};
use super::dockerfile::StoredNames;
use super::finished::Finished;
use super::{ArchBuild, Ready, Run, variant};
use crate::checkout::dockerfile::Stage;
use crate::event::{FailureLog, Warning};
use crate::local::engine::journal::{Step, StepName};
use crate::local::engine::output;
use crate::local::engine::setup::BUILD_ARG_FILES;
use crate::local::engine::store::write_private;
use crate::local::image::built::{self, BuiltImage, Layers};
use crate::local::image::contents::{self, Contents};
use crate::local::image::inspect::{self, Inspection, KeyId, Policy};
use crate::local::image::sbom;
use crate::local::steps::error::LocalError;

impl Run<'_> {
    /// Builds: all architectures at once. What the base images hold is found out meanwhile.
    pub(super) async fn build(
        &self,
        builds: &[ArchBuild],
        failed_log: &mut Option<FailureLog>,
    ) -> Result<Vec<PathBuf>, LocalError> {
        let mut step = self.journal.begin(StepName::Build).await;
        let shares = self.site.isolation.shares().map(|shares| format!("; {shares}")).unwrap_or_default();
        step.say(format_args!(
            "buildah {}, isolation {} ({}){shares}",
            self.site.machine.version_text, self.site.isolation.name, self.site.isolation.why
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
                // Who stopped it knows why.
                *failed_log = log.as_ref().filter(|_| !error.is_interruption()).map(failure_log);
                failure = Some(error);
            }
            logs.extend(log.map(|log| log.path().to_owned()));
        }
        let ended = failure.map_or(Ok(logs), Err);
        step.end_with(ended).await
    }

    /// The build arguments: in a file, which other users' processes do not see, where the engine reads one.
    fn build_args(&self, build: &ArchBuild) -> Result<(Option<PathBuf>, Vec<String>), LocalError> {
        let given = &self.order.options.build_args;
        if given.is_empty() || self.site.machine.version < BUILD_ARG_FILES {
            return Ok((None, given.clone()));
        }
        let (lines, others) = build::in_file(given);
        let path = self.site.work.path().join(format!("build-args-{}", build.arch));
        write_private(&path, lines.as_bytes())?;
        Ok((Some(path), others))
    }

    async fn build_one(&self, build: &ArchBuild) -> (Option<BuildLog>, Result<(), LocalError>) {
        let mut log = match BuildLog::open(&self.journal, &build.arch, &self.results).await {
            Ok(log) => log,
            Err(source) => return (None, Err(LocalError::Result { what: "the log of the engine", source })),
        };
        let options = &self.order.options;
        let dockerfile = build.context.path.join(self.dockerfile_of(build));
        let (build_arg_file, build_args) = match self.build_args(build) {
            Ok(build_args) => build_args,
            Err(error) => return (Some(log), Err(error)),
        };
        let order = BuildCall {
            arch: &build.arch,
            isolation: &self.site.isolation.name,
            dockerfile: &dockerfile,
            context: &build.context.path,
            name: &build.name,
            cache: options.cache,
            repos: build.mounted_repos.as_deref(),
            http_proxy: self.order.config.http_proxy,
            build_args: &build_args,
            build_arg_file: build_arg_file.as_deref(),
            secrets: &options.secrets,
            timestamp: self.order.timestamp,
        };
        if let Err(error) = self.site.store.note_image(build.what(), &self.site.work, &build.name).await {
            return (Some(log), Err(error.into()));
        }
        let mut interrupt = self.interrupt.clone();
        let built = build::build(&build.engine, &order, &mut log, &mut interrupt).await;
        (Some(log), built.map_err(LocalError::from))
    }

    fn dockerfile_of(&self, build: &ArchBuild) -> &'static str {
        if build.context.has("Dockerfile") { "Dockerfile" } else { "Containerfile" }
    }

    /// Looks at what came out.
    pub(super) async fn look(
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
            let image = built::image(&build.engine, &build.name).await?;
            let base = ready.bases.last();
            let arch = &build.arch;
            match built::layers(&image.config, variant(base, arch).map(|variant| &variant.config)) {
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
            images.push(image);
        }
        Ok(images)
    }

    /// Removes the images of earlier builds of the same thing, whose place is taken.
    async fn forget_earlier(&self, build: &ArchBuild) {
        let earlier = self.site.store.take_earlier_images(build.what(), &self.site.work).await;
        for earlier in earlier.unwrap_or_default() {
            let removed =
                output(build.engine.quick_buildah().args(["rmi", &earlier]), "removing the last build's image").await;
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
            let looking = async {
                match &base {
                    Some(base) if keeps_files(self.site.prepared.file.stages.last(), ready, &build.arch) => {
                        Ok(base.clone())
                    }
                    _ => {
                        contents::of(&build.engine, &image.name, image.config.has_triggers(), self.site.work.path())
                            .await
                    }
                }
            };
            let (contents, ()) = tokio::join!(looking, self.forget_earlier(&build));
            let contents = contents?;
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
        let inherited = base.and_then(|base| base.packages.as_deref());
        inspect::classify(contents.packages.as_deref(), inherited, &self.keys())
    }

    async fn tell(&self, arch: &str, contents: &Contents, inspection: &Inspection, step: &mut Step) {
        if contents.packages.is_none() {
            step.say(format_args!("{arch}: the image has no package database")).await;
            return;
        }
        let new = inspection.packages.iter().filter(|found| !found.inherited).count();
        step.say(format_args!("{arch}: packages: {}, of them new: {new}", inspection.packages.len())).await;
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
        let timestamp = self.names.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
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
}

/// Instructions that change nothing in the file system of an image, or nothing but a folder.
const METADATA: [&str; 13] = [
    "ARG",
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "WORKDIR",
];

/// Whether an image has the files of its base, and besides only those that this build stores in it.
fn keeps_files(last: Option<&Stage>, ready: &Ready, arch: &str) -> bool {
    let (Some(stage), Some(Parent::Image(_))) = (last, ready.bases.parents.last()) else {
        return false;
    };
    let triggers = variant(ready.bases.last(), arch).is_none_or(|base| base.config.has_triggers());
    let changes = |keyword: &str| !METADATA.contains(&keyword);
    !triggers && !stage.instructions.iter().any(|instruction| changes(&instruction.keyword))
}

fn failure_log(log: &BuildLog) -> FailureLog {
    FailureLog { log: log.id().clone(), tail: log.last_lines(), url: Some(log.path().display().to_string()) }
}

/// Names that secrets go by.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "PASS", "SECRET", "KEY", "CREDENTIAL"].iter().any(|part| name.contains(part))
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
