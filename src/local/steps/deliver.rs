//! The image goes where it was asked for.

use super::context::BuildContext;
use super::finished::Finished;
use super::import;
use super::{Ready, Run};
use crate::event::{KojiBuild, Warning};
use crate::local::engine::journal::{Step, StepName};
use crate::local::image::name::ImageName;
use crate::local::order::Hub;
use crate::local::registry::push::{self, Pushed, Tags, ToPush};
use crate::local::steps::error::LocalError;
use crate::request::nvr::{Nvr, is_additional_tag};

impl Run<'_> {
    /// The tags that the image gets.
    pub(super) fn tags(&self, ready: &Ready) -> Tags {
        let yaml = &self.site.prepared.yaml;
        let floating = if yaml.tags.is_empty() {
            let mut floating = vec!["latest".to_owned(), ready.nvr.version.clone()];
            floating.extend(additional_tags(&self.site.prepared.context));
            floating
        } else {
            yaml.tags.iter().map(|tag| tag.name.clone()).collect()
        };
        let options = &self.order.request.options;
        let Nvr { version, release, .. } = &ready.nvr;
        Tags::of(&self.names.unique, version, release, options.scratch, options.isolated, floating)
    }

    /// The name in the registry.
    pub(super) fn repository(&self, ready: &Ready) -> Result<ImageName, LocalError> {
        let registry = self.order.config.registry.as_deref().unwrap_or("localhost");
        let name = ImageName::parse(&format!("localhost/{}", ready.repository))?.in_registry(registry);
        Ok(match &self.order.config.organization {
            Some(organization) => name.enclosed(organization),
            None => name,
        })
    }

    pub(super) async fn push(&self, ready: &Ready, finished: &[Finished], tags: &Tags) -> Result<Pushed, LocalError> {
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
        let mut pushed = push::unique(&images, &repository, tags, oci, self.site.work.path(), step).await?;
        push::check_media_types(&pushed, &self.order.config.expected_media_types)?;
        push::tag(&self.site.machine.engine, &mut pushed, tags, step).await?;
        Ok(pushed)
    }

    pub(super) async fn export(&self, ready: &Ready, finished: &[Finished]) -> Result<(), LocalError> {
        let mut step = self.journal.begin(StepName::Export).await;
        let exported = self.export_all(ready, finished, &mut step).await;
        step.end_with(exported).await
    }

    async fn export_all(&self, ready: &Ready, finished: &[Finished], step: &mut Step) -> Result<(), LocalError> {
        let Some(first) = finished.first() else { return Ok(()) };
        let tag = format!("{}-{}", ready.nvr.version, ready.nvr.release);
        let name = self.repository(ready)?.with_tag(&tag).to_string();
        for export in &self.order.options.exports {
            let made = export.run(&first.engine, &first.image.name, &name, self.site.work.path()).await?;
            step.say(format_args!("{name} is in {made}")).await;
        }
        Ok(())
    }

    /// Imports. An import that the user may not make does not make the image worse.
    pub(super) async fn import(
        &self,
        hub: &mut Hub,
        ready: &Ready,
        finished: &[Finished],
        pushed: &Pushed,
        tags: &Tags,
        imported: &mut Option<KojiBuild>,
    ) -> Result<(), LocalError> {
        let mut step = self.journal.begin(StepName::Import).await;
        let import = import::Import {
            order: self.order,
            nvr: &ready.nvr,
            bases: &ready.bases,
            images: finished,
            pushed,
            tags,
            started: self.names.started.as_second(),
            buildah: &self.site.machine.version_text,
            work: self.site.work.path(),
            results: &self.results,
            workflow_log: self.results.join("workflow.log"),
        };
        let ended = import.run(hub, &self.interrupt, &mut step, imported).await;
        match step.end_with(ended).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_refusal() => {
                let what = "the import into Koji".to_owned();
                let why = format!(
                    "{error}; what would have been imported is {}",
                    self.results.join("metadata.json").display()
                );
                self.journal.warn(Warning::Omitted { what, why }).await;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Floating tags of `additional-tags`, as far as they are tags.
fn additional_tags(context: &BuildContext) -> Vec<String> {
    let text = context.read("additional-tags").unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).filter(|tag| is_additional_tag(tag)).map(str::to_owned).collect()
}
