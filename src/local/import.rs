//! Step 12: the image becomes a build in Koji, as if a builder had made it: an NVR is reserved, metadata and files are uploaded and
//! imported by a content generator, and the build gets the target's tag.
//!
//! The metadata are those of atomic-reactor's `koji_import`, version 0 of Koji's content generator format. The image itself stays
//! in the registry; Koji gets a small archive that says where, or the whole of it where the site wants that.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use openssl::hash::{Hasher, MessageDigest};
use serde_json::{Map, Value, json};

use super::base_image::{BaseImage, BaseImages};
use super::engine::{EngineError, output};
use super::inspect::component;
use super::journal::Step;
use super::order::{Hub, LocalOrder};
use super::push::{Pushed, Tags};
use super::workflow::Finished;
use crate::builder::Interrupt;
use crate::config::local::KojiArchive;
use crate::event::{KojiBuild, TaskState};
use crate::koji::api;
use crate::koji::call::Call;
use crate::koji::fault::{Fault, FaultKind};
use crate::koji::import::{self, ImportedBuild, RefundState, Reservation};
use crate::koji::session::{Session, SessionError};
use crate::koji::upload::{self, UploadError};
use crate::koji::xmlrpc::Value as KojiValue;
use crate::request::nvr::Nvr;

/// Koji's name of the metadata among the files.
const METADATA: &str = "metadata.json";
/// How often the hub is asked whether the build is tagged.
const TAG_POLL: std::time::Duration = std::time::Duration::from_secs(1);
/// How long that may take.
const TAG_PATIENCE: std::time::Duration = std::time::Duration::from_secs(300);

/// Why an image is not in Koji.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The hub could not be asked.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The hub refused the reservation or the import.
    #[error(transparent)]
    Import(#[from] import::ImportError),
    /// A file could not be uploaded.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The image could not be written to an archive.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file for the hub could not be made.
    #[error("cannot prepare {what} for the import")]
    File {
        /// The file.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// The user stopped it; the reservation was given back.
    #[error("the import was interrupted")]
    Interrupted,
    /// The build is in Koji, and the hub refuses the tag.
    #[error("{nvr} is imported as build {id}, but cannot be tagged with {tag}")]
    NotTagged {
        /// The build.
        nvr: String,
        /// Its id.
        id: i64,
        /// The tag.
        tag: String,
        /// Why not.
        source: import::ImportError,
    },
    /// The build is in Koji, and the task that tags it failed, or takes too long.
    #[error("{nvr} is imported as build {id}, but tagging it with {tag} ended as task {task} in state {state}")]
    Tagging {
        /// The build.
        nvr: String,
        /// Its id.
        id: i64,
        /// The tag.
        tag: String,
        /// The task.
        task: i64,
        /// The task's state.
        state: String,
    },
}

impl ImportError {
    /// Whether the hub said no to the user, not to the build.
    pub fn is_refusal(&self) -> bool {
        self.fault().is_some_and(|fault| fault.kind() == FaultKind::NotAllowed)
    }

    /// The hub's refusal of the import itself.
    fn fault(&self) -> Option<&Fault> {
        match self {
            ImportError::Session(SessionError::Fault { fault, .. })
            | ImportError::Import(import::ImportError::Session(SessionError::Fault { fault, .. })) => Some(fault),
            _ => None,
        }
    }

    /// What to do about it. `section` is that of the configuration.
    pub fn hint(&self, section: &str) -> Option<String> {
        Some(match self {
            ImportError::NotTagged { nvr, tag, .. } | ImportError::Tagging { nvr, tag, .. } => {
                format!("when the reason is gone: koji tag-build {tag} {nvr}")
            }
            ImportError::Import(import::ImportError::Unknown { nvr, .. }) => format!(
                "ask the hub later: koji buildinfo {nvr}; should it stay in state BUILDING, koji cancel {nvr} frees its name"
            ),
            _ if self.fault().is_some_and(|fault| fault.text.contains("table content_generator")) => {
                format!("name one that the hub knows as `content_generator` in [{section}]")
            }
            _ => return None,
        })
    }
}

/// What is imported.
pub struct Import<'a> {
    /// The build that was asked for.
    pub order: &'a LocalOrder<'a>,
    /// Its name in Koji.
    pub nvr: &'a Nvr,
    /// What it was built on.
    pub bases: &'a BaseImages,
    /// The images, one an architecture.
    pub images: &'a [Finished],
    /// What the registry has.
    pub pushed: &'a Pushed,
    /// The tags that were asked for.
    pub tags: &'a Tags,
    /// When the build began, in seconds since 1970.
    pub started: i64,
    /// buildah's version.
    pub buildah: &'a str,
    /// Folder for files on their way.
    pub work: &'a Path,
    /// Folder for the results: the metadata stay there.
    pub results: &'a Path,
    /// The log of the steps.
    pub workflow_log: PathBuf,
}

/// A file that is uploaded.
struct Upload {
    path: PathBuf,
    name: String,
}

impl Import<'_> {
    /// Imports. The metadata are kept among the results whatever becomes of it.
    ///
    /// It can be stopped until the hub is asked to import what was uploaded: from then on the hub goes on without us, and a
    /// reservation that is given back meanwhile would leave a build that is there and counts as cancelled.
    ///
    /// # Errors
    /// When the hub refuses; then the NVR is free again.
    pub async fn run(&self, hub: &mut Hub, interrupt: &Interrupt, step: &mut Step) -> Result<KojiBuild, ImportError> {
        let imported = self.import(hub, interrupt, step).await;
        if imported.is_err() {
            let image = self.pushed.repository.by_digest(&self.pushed.digest);
            step.say(format_args!("the image stays in the registry as {image}")).await;
        }
        let build = imported?;
        step.say(format_args!("imported as {} (build {})", build.nvr, build.id)).await;
        self.tag(hub, &build, interrupt, step).await?;
        let url = format!("{}/buildinfo?buildID={}", hub.weburl.trim_end_matches('/'), build.id);
        Ok(KojiBuild { id: build.id.to_string(), nvr: Some(build.nvr), url })
    }

    async fn import(
        &self,
        hub: &mut Hub,
        interrupt: &Interrupt,
        step: &mut Step,
    ) -> Result<ImportedBuild, ImportError> {
        let generator = self.order.config.content_generator.as_str();
        let (uploads, mut metadata) = stoppable(interrupt, self.metadata(hub)).await?;
        self.keep(&metadata)?;
        let reservation = import::reserve(&mut hub.session, generator, self.nvr).await?;
        step.say(format_args!("reserved {} as build {} for {generator}", self.nvr, reservation.build_id)).await;
        metadata["build"]["build_id"] = json!(reservation.build_id);
        let folder = format!("cli-build/{}-{}", self.tags.unique, reservation.build_id);
        let sent = stoppable(interrupt, self.send(hub, &folder, &uploads, &metadata, step)).await;
        let imported = match sent {
            Ok(()) => import::import(&mut hub.session, &folder, self.nvr, Some(&reservation)).await,
            Err(error) => {
                self.refund(hub, &reservation, &error, step).await;
                return Err(error);
            }
        };
        match imported.map_err(ImportError::from) {
            // The hub may be at it still.
            Err(error @ ImportError::Import(import::ImportError::Unknown { .. })) => Err(error),
            Err(error) => {
                self.refund(hub, &reservation, &error, step).await;
                Err(error)
            }
            imported => imported,
        }
    }

    async fn send(
        &self,
        hub: &mut Hub,
        folder: &str,
        uploads: &[Upload],
        metadata: &Value,
        step: &mut Step,
    ) -> Result<(), ImportError> {
        let path = self.work.join(METADATA);
        let text =
            serde_json::to_vec_pretty(metadata).map_err(|error| file_error(METADATA, io::Error::other(error)))?;
        fs::write(&path, text).map_err(|error| file_error(METADATA, error))?;
        let all = uploads.iter().map(|upload| (upload.path.as_path(), upload.name.as_str()));
        for (path, name) in all.chain([(path.as_path(), METADATA)]) {
            upload::upload(&mut hub.session, path, folder, name).await?;
            step.say(format_args!("uploaded {name}")).await;
        }
        Ok(())
    }

    /// An import that did not happen must not keep the NVR.
    async fn refund(&self, hub: &mut Hub, reservation: &Reservation, error: &ImportError, step: &mut Step) {
        let state = match error {
            ImportError::Interrupted => RefundState::Canceled,
            _ => RefundState::Failed,
        };
        let generator = self.order.config.content_generator.as_str();
        let refunded = import::refund(&mut hub.session, generator, reservation, state).await;
        let text = match refunded {
            Ok(()) => format!("the reservation of {} was given back", self.nvr),
            Err(error) => format!("the reservation of {} could not be given back: {error}", self.nvr),
        };
        step.say(text).await;
    }

    /// Waits until the build has the target's destination tag.
    async fn tag(
        &self,
        hub: &mut Hub,
        build: &ImportedBuild,
        interrupt: &Interrupt,
        step: &mut Step,
    ) -> Result<(), ImportError> {
        let session = &mut hub.session;
        let target = session.call(&Call::new("getBuildTarget").arg(self.order.request.target.as_str())).await?;
        let Some(tag) = target.get("dest_tag_name").and_then(KojiValue::as_str).map(str::to_owned) else {
            step.say(format_args!("not tagged: the hub knows no target {}", self.order.request.target)).await;
            return Ok(());
        };
        let (nvr, id) = (&build.nvr, build.id);
        let task = import::tag(session, &tag, build).await.map_err(|source| ImportError::NotTagged {
            nvr: nvr.clone(),
            id,
            tag: tag.clone(),
            source,
        })?;
        match stoppable(interrupt, tagged(session, task)).await {
            Ok(TaskState::Closed) => step.say(format_args!("tagged with {tag}")).await,
            Ok(state) => {
                let (nvr, state) = (nvr.clone(), format!("{state:?}"));
                return Err(ImportError::Tagging { nvr, id, tag, task, state });
            }
            Err(ImportError::Interrupted) => {
                step.say(format_args!("not waited for the tag {tag}: the hub's task {task} goes on")).await;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What is kept here, without what only the hub may know.
    fn keep(&self, metadata: &Value) -> Result<(), ImportError> {
        let text =
            serde_json::to_vec_pretty(metadata).map_err(|error| file_error(METADATA, io::Error::other(error)))?;
        fs::write(self.results.join(METADATA), text).map_err(|error| file_error(METADATA, error))
    }

    async fn metadata(&self, hub: &mut Hub) -> Result<(Vec<Upload>, Value), ImportError> {
        let user = hub.session.call(&Call::new("getLoggedInUser")).await?;
        let owner = user.get("name").and_then(KojiValue::as_str).unwrap_or_default();
        let mut uploads = Vec::new();
        let mut outputs = Vec::new();
        let icm = self.knows_content_manifests(hub).await?;
        for image in self.images {
            let archive = self.archive(image).await?;
            outputs.push(self.image_output(image, &archive)?);
            uploads.push(archive);
            if icm {
                let (path, name) =
                    (self.work.join(format!("icm-{}.json", image.arch)), format!("icm-{}.json", image.arch));
                fs::write(&path, &image.content_manifest.1).map_err(|error| file_error(&name, error))?;
                let mut output = described(&path, &name, buildroot(&image.arch))?;
                output.extend(object(json!({"type": "icm", "extra": {"typeinfo": {"icm": {}}}})));
                outputs.push(Value::Object(output));
                uploads.push(Upload { path, name });
            }
            let name = format!("{}-build.log", image.arch);
            outputs.push(log_output(&image.log, &name, &image.arch, &buildroot(&image.arch))?);
            uploads.push(Upload { path: image.log.clone(), name });
        }
        if let Some(first) = self.images.first() {
            // The log goes on while it is uploaded: what it has now is what is sent.
            let path = self.work.join("workflow.log");
            fs::copy(&self.workflow_log, &path).map_err(|error| file_error("workflow.log", error))?;
            outputs.push(log_output(&path, "workflow.log", "noarch", &buildroot(&first.arch))?);
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
            "yum_repourls": options.yum_repourls.iter().map(|url| super::yum_repos::shown(url)).collect::<Vec<_>>(),
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
            "host": {"os": host_os(), "arch": super::platform::host()},
            "content_generator": {"name": self.order.config.content_generator, "version": env!("CARGO_PKG_VERSION")},
            "container": {"type": "none", "arch": arch},
            "tools": [{"name": "buildah", "version": self.buildah}],
            "components": [],
        })
    }

    fn image_output(&self, image: &Finished, archive: &Upload) -> Result<Value, ImportError> {
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
        let mut output = described(&archive.path, &archive.name, buildroot(arch))?;
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
                let compressed = tokio::task::spawn_blocking(move || compress(&tar, &to)).await;
                compressed.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(error)?;
            }
        }
        Ok(Upload { path, name })
    }
}

/// Does `work` unless the user stops it.
async fn stoppable<T>(
    interrupt: &Interrupt,
    work: impl Future<Output = Result<T, ImportError>>,
) -> Result<T, ImportError> {
    let mut interrupt = interrupt.clone();
    tokio::select! {
        result = work => result,
        () = interrupt.raised() => Err(ImportError::Interrupted),
    }
}

/// Waits for the end of a task, and gives the state that it ended in, or has when patience ends.
async fn tagged(session: &mut Session, task: i64) -> Result<TaskState, ImportError> {
    let deadline = tokio::time::Instant::now() + TAG_PATIENCE;
    let call = api::get_task_info(task, false);
    loop {
        let state = api::TaskInfo::from_value(&session.call(&call).await?)?.map(|info| info.state);
        match state {
            Some(state) if state.is_final() || tokio::time::Instant::now() > deadline => return Ok(state),
            None if tokio::time::Instant::now() > deadline => return Ok(TaskState::Open),
            _ => tokio::time::sleep(TAG_POLL).await,
        }
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

fn file_error(what: &str, source: io::Error) -> ImportError {
    ImportError::File { what: what.to_owned(), source }
}

fn log_output(path: &Path, name: &str, arch: &str, buildroot: &str) -> Result<Value, ImportError> {
    let mut output = described(path, name, buildroot.to_owned())?;
    output.extend(object(json!({"type": "log", "arch": arch})));
    Ok(Value::Object(output))
}

/// What every file has: name, size and checksum. MD5 is the kind that all hubs take.
fn described(path: &Path, name: &str, buildroot: String) -> Result<Map<String, Value>, ImportError> {
    let (size, checksum) = md5(path).map_err(|error| file_error(name, error))?;
    Ok(object(json!({
        "buildroot_id": buildroot,
        "filename": name,
        "filesize": size,
        "checksum": checksum,
        "checksum_type": "md5",
    })))
}

fn md5(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new(MessageDigest::md5()).map_err(io::Error::other)?;
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        hasher.update(&buffer[..read]).map_err(io::Error::other)?;
    }
    let digest = hasher.finish().map_err(io::Error::other)?;
    Ok((size, digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// A compressed archive with one file.
fn placeholder(path: &Path, text: &str) -> io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(File::create(path)?, Compression::default()));
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "README", text.as_bytes())?;
    archive.into_inner()?.finish()?.sync_all()
}

fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let mut encoder = GzEncoder::new(File::create(to)?, Compression::default());
    io::copy(&mut File::open(from)?, &mut encoder)?;
    encoder.finish()?;
    fs::remove_file(from)
}

/// Escapes control characters, which hubs' databases and XML do not take (`escape_non_printable_chars`).
fn printable(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(escaped(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(printable).collect()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(name, value)| (escaped(&name), printable(value))).collect())
        }
        other => other,
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\t' | '\n' | '\r') {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn control_characters_are_escaped_everywhere() {
        let value = json!({"a\u{1}": ["x\u{1b}[0m\n", 1, null]});
        assert_eq!(printable(value), json!({"a\\u{1}": ["x\\u{1b}[0m\n", 1, null]}));
    }

    #[test]
    fn the_placeholder_is_an_archive_with_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar.gz");
        placeholder(&path, "hello\n").unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&path).unwrap()));
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!((entry.path().unwrap().to_str().unwrap(), text.as_str()), ("README", "hello\n"));
        assert_eq!(md5(&path).unwrap().0, fs::metadata(&path).unwrap().len());
    }
}
