//! The metadata of an import, and the files that go with it, as atomic-reactor's `koji_import` makes them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::files::{compress, described, placeholder, printable};
use super::{Import, ImportError, Upload, file_error};
use crate::arch;
use crate::blocking;
use crate::config::local::KojiArchive;
use crate::koji::call::Call;
use crate::koji::xmlrpc::Value as KojiValue;
use crate::local::engine::output;
use crate::local::image::inspect::component;
use crate::local::order::Hub;
use crate::local::steps::base_image::BaseImage;
use crate::local::steps::finished::Finished;
use crate::local::steps::yum_repos;

impl Import<'_> {
    /// The files, and what is said of them and of the build.
    pub(super) async fn metadata(&self, hub: &mut Hub) -> Result<(Vec<Upload>, Value), ImportError> {
        let user = hub.session.call(&Call::new("getLoggedInUser")).await?;
        let owner = user.get("name").and_then(KojiValue::as_str).unwrap_or_default();
        let mut uploads = Vec::new();
        let mut outputs = Vec::new();
        let icm = self.knows_content_manifests(hub).await?;
        for image in self.images {
            let archive = self.archive(image).await?;
            outputs.push(self.image_output(image, &archive).await?);
            uploads.push(archive);
            if icm {
                let (path, name) =
                    (self.work.join(format!("icm-{}.json", image.arch)), format!("icm-{}.json", image.arch));
                fs::write(&path, &image.content_manifest.1).map_err(|error| file_error(&name, error))?;
                let mut output = described(&path, &name, buildroot(&image.arch)).await?;
                output.extend(object(json!({"type": "icm", "extra": {"typeinfo": {"icm": {}}}})));
                outputs.push(Value::Object(output));
                uploads.push(Upload { path, name });
            }
            let name = format!("{}-build.log", image.arch);
            outputs.push(log_output(&image.log, &name, &image.arch, &buildroot(&image.arch)).await?);
            uploads.push(Upload { path: image.log.clone(), name });
        }
        if let Some(first) = self.images.first() {
            // The log goes on while it is uploaded: what it has now is what is sent.
            let path = self.work.join("workflow.log");
            let (from, to) = (self.workflow_log.clone(), path.clone());
            let copied =
                blocking::run(move |stop| blocking::copy(&mut File::open(from)?, &mut File::create(to)?, stop));
            copied.await.map_err(|error| file_error("workflow.log", error))?;
            outputs.push(log_output(&path, "workflow.log", "noarch", &buildroot(&first.arch)).await?);
            uploads.push(Upload { path, name: "workflow.log".to_owned() });
        }
        let metadata = json!({
            "metadata_version": 0,
            "build": self.build(owner, icm),
            "buildroots": self.images.iter().map(|image| self.buildroot(&image.arch)).collect::<Vec<_>>(),
            "output": outputs,
        });
        Ok((uploads, printable(metadata)))
    }

    /// Hubs know the type only if an administrator has added it.
    async fn knows_content_manifests(&self, hub: &mut Hub) -> Result<bool, ImportError> {
        let types = hub.session.call(&Call::new("listBTypes")).await?;
        let known = types.as_array().unwrap_or_default().iter();
        Ok(known.filter_map(|kind| kind.get("name").and_then(KojiValue::as_str)).any(|name| name == "icm"))
    }

    fn build(&self, owner: &str, icm: bool) -> Value {
        let request = self.order.request;
        let source = request.source.strip_prefix("git+").unwrap_or(&request.source);
        let source = Some(source).filter(|source| !source.is_empty());
        let mut extra = json!({
            "submitter": owner,
            "osbs_build": {"kind": "container_build", "engine": "buildah", "subtypes": []},
            "image": self.image_extra(),
        });
        if icm {
            let archives: Vec<String> = self.images.iter().map(|image| format!("icm-{}.json", image.arch)).collect();
            extra["typeinfo"] = json!({"icm": {"name": "icm", "archives": archives}});
        }
        if let Some(userdata) = &request.options.userdata {
            extra["custom_user_metadata"] = Value::Object(userdata.clone());
        }
        json!({
            "name": self.nvr.name,
            "version": self.nvr.version,
            "release": self.nvr.release,
            "source": source,
            "start_time": self.started,
            "end_time": jiff::Timestamp::now().as_second(),
            "owner": owner,
            "extra": extra,
        })
    }

    fn image_extra(&self) -> Value {
        let options = &self.order.request.options;
        let mut media_types: Vec<&str> = vec![&self.pushed.media_type];
        media_types.extend(self.pushed.images.iter().map(|image| image.media_type.as_str()));
        media_types.sort_unstable();
        media_types.dedup();
        let mut image = json!({
            "isolated": options.isolated,
            "help": null,
            "parent_images": self.bases.images.iter().map(|image| image.written.as_str()).collect::<Vec<_>>(),
            "parent_build_id": null,
            "parent_image_builds": {},
            "yum_repourls": options.yum_repourls.iter().map(|url| yum_repos::shown(url)).collect::<Vec<_>>(),
            "media_types": media_types,
        });
        if self.pushed.images.len() > 1 {
            image["index"] = json!({
                "tags": self.tags.primary.iter().collect::<Vec<_>>(),
                "floating_tags": self.tags.floating,
                "unique_tags": [self.tags.unique],
                "pull": self.pull_specs(),
                "digests": {self.pushed.media_type.as_str(): self.pushed.digest},
            });
        }
        image
    }

    /// By digest, and by the tag that stays.
    fn pull_specs(&self) -> Vec<String> {
        let repository = &self.pushed.repository;
        let primary = self.tags.primary.iter().map(|tag| repository.with_tag(tag).to_string());
        std::iter::once(repository.by_digest(&self.pushed.digest).to_string()).chain(primary).collect()
    }

    /// The machine that an architecture's image was built on: this one.
    fn buildroot(&self, arch: &str) -> Value {
        json!({
            "id": buildroot(arch),
            "host": {"os": host_os(), "arch": arch::host()},
            "content_generator": {"name": self.order.config.content_generator, "version": env!("CARGO_PKG_VERSION")},
            "container": {"type": "none", "arch": arch},
            "tools": [{"name": "buildah", "version": self.buildah}],
            "components": [],
        })
    }

    async fn image_output(&self, image: &Finished, archive: &Upload) -> Result<Value, ImportError> {
        let arch = &image.arch;
        let pushed = self.pushed.images.iter().find(|pushed| pushed.arch == *arch);
        let single = self.pushed.images.len() == 1;
        let tags: Vec<&str> =
            if single { self.tags.all().collect() } else { pushed.iter().map(|pushed| pushed.tag.as_str()).collect() };
        let repository = &self.pushed.repository;
        let mut repositories: Vec<String> =
            pushed.iter().map(|pushed| repository.with_tag(&pushed.tag).to_string()).collect();
        repositories.extend(pushed.iter().map(|pushed| repository.by_digest(&pushed.digest).to_string()));
        if single {
            repositories = self.pull_specs();
        }
        let digests: BTreeMap<&str, &str> =
            pushed.iter().map(|pushed| (pushed.media_type.as_str(), pushed.digest.as_str())).collect();
        let mut config: Value = serde_json::from_str(&image.image.raw_config)
            .map_err(|error| file_error("the image's configuration", io::Error::other(error)))?;
        if let Some(config) = config.as_object_mut() {
            // Of the container that was used for building, which means nothing anywhere else.
            config.remove("container_config");
        }
        let diff_ids = &image.image.config.rootfs.diff_ids;
        let layers = diff_ids.iter().zip(&image.image.layer_sizes);
        let packages = image.contents.packages.iter().flatten();
        let mut output = described(&archive.path, &archive.name, buildroot(arch)).await?;
        output.extend(object(json!({
            "type": "docker-image",
            "arch": arch,
            "components": packages.map(component).collect::<Vec<_>>(),
            "extra": {
                "image": {"arch": arch},
                "docker": {
                    "id": image.image.id,
                    "parent_id": self.parent_id(arch),
                    "tags": tags,
                    "floating_tags": if single { json!(self.tags.floating) } else { json!([]) },
                    "unique_tags": if single { json!([self.tags.unique]) } else { json!([]) },
                    "repositories": repositories,
                    "layer_sizes": layers.map(|(diff_id, size)| json!({"diff_id": diff_id, "size": size})).collect::<Vec<_>>(),
                    "config": config,
                    "digests": digests,
                },
            },
        })));
        Ok(Value::Object(output))
    }

    fn parent_id(&self, arch: &str) -> Option<&str> {
        let base: Option<&BaseImage> = self.bases.last();
        Some(base?.variants.get(arch)?.config_digest.as_str())
    }

    /// The archive that stands for the image.
    async fn archive(&self, image: &Finished) -> Result<Upload, ImportError> {
        let name = format!("docker-image-{}.{}.tar.gz", image.image.id, image.arch);
        let path = self.work.join(format!("archive-{}.tar.gz", image.arch));
        let error = |source| file_error(&name, source);
        match self.order.config.koji_archive {
            KojiArchive::Placeholder => {
                let text = format!("The image is in the registry:\n{}\n", self.pull_specs().join("\n"));
                placeholder(&path, &text).map_err(error)?;
            }
            KojiArchive::DockerArchive => {
                let tar = self.work.join(format!("archive-{}.tar", image.arch));
                let target = self.pushed.repository.with_tag(&self.tags.unique);
                let place = format!("docker-archive:{}:{target}", tar.display());
                output(
                    image.engine.buildah().args(["push", "--quiet", &image.image.name, &place]),
                    "writing the archive",
                )
                .await?;
                let to = path.clone();
                blocking::run(move |stop| compress(&tar, &to, stop)).await.map_err(error)?;
            }
        }
        Ok(Upload { path, name })
    }
}

/// The system of this machine, as it calls itself.
fn host_os() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}

fn buildroot(arch: &str) -> String {
    format!("{arch}-1")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

async fn log_output(path: &Path, name: &str, arch: &str, buildroot: &str) -> Result<Value, ImportError> {
    let mut output = described(path, name, buildroot.to_owned()).await?;
    output.extend(object(json!({"type": "log", "arch": arch})));
    Ok(Value::Object(output))
}
