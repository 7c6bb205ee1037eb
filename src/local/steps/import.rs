//! The image becomes a build in Koji, as if a builder had made it: an NVR is reserved, metadata and files are uploaded and
//! imported by a content generator, and the build gets the target's tag.
//!
//! The metadata are those of atomic-reactor's `koji_import`, version 0 of Koji's content generator format. The image itself stays
//! in the registry; Koji gets a small archive that says where, or the whole of it where the site wants that.

mod files;
mod metadata;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::base_image::BaseImages;
use super::finished::Finished;
use crate::builder::Interrupt;
use crate::error::ErrorKind;
use crate::event::{KojiBuild, TaskState};
use crate::koji::api;
use crate::koji::call::Call;
use crate::koji::fault::{Fault, FaultKind};
use crate::koji::import::{self, ImportedBuild, RefundState, Reservation};
use crate::koji::session::{Session, SessionError};
use crate::koji::upload::{self, UploadError};
use crate::koji::xmlrpc::Value as KojiValue;
use crate::local::engine::EngineError;
use crate::local::engine::journal::Step;
use crate::local::order::{Hub, LocalOrder};
use crate::local::registry::push::{Pushed, Tags};
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
    /// The import did not happen, and its reservation keeps the name.
    #[error("{nvr} was not imported ({cause}), and its reservation could not be given back")]
    StaysReserved {
        /// The build.
        nvr: String,
        /// Why it was not imported.
        cause: Box<ImportError>,
        /// Why it could not be given back.
        source: SessionError,
    },
    /// The build is in Koji, and the hub does not know the target that says which tag it gets.
    #[error("{nvr} is imported as build {id}, but not tagged: the hub knows no target {target}")]
    NoTarget {
        /// The build.
        nvr: String,
        /// Its id.
        id: i64,
        /// The target.
        target: String,
    },
    /// The build is in Koji, and the hub said nothing more.
    #[error("{nvr} is imported as build {id}, and was not seen to be tagged")]
    TagNotSeen {
        /// The build.
        nvr: String,
        /// Its id.
        id: i64,
        /// What happened last.
        source: import::ImportError,
    },
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
    /// The build is in Koji, and the task that tags it failed or takes too long.
    #[error("{nvr} is imported as build {id}, but not tagged with {tag}: task {task} is {}", in_capitals(*state))]
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
        state: TaskState,
    },
}

impl ImportError {
    /// Whether the hub said no to the user, not to the build.
    pub fn is_refusal(&self) -> bool {
        self.fault().is_some_and(|fault| fault.kind() == FaultKind::NotAllowed)
    }

    /// What decides the exit code. Where there is a build in Koji, or may be one, it is that this was not seen to its end.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ImportError::Session(error)
            | ImportError::Import(import::ImportError::Session(error))
            | ImportError::Upload(UploadError::Hub { source: error, .. }) => error.kind(),
            ImportError::NotTagged { source: import::ImportError::Session(error), .. }
                if error.kind() == ErrorKind::Server =>
            {
                ErrorKind::Server
            }
            ImportError::Tagging { state, .. } if state.is_final() => ErrorKind::Server,
            ImportError::NoTarget { .. } | ImportError::Upload(_) => ErrorKind::Server,
            ImportError::Import(_)
            | ImportError::NotTagged { .. }
            | ImportError::Tagging { .. }
            | ImportError::TagNotSeen { .. }
            | ImportError::StaysReserved { .. } => ErrorKind::Unseen,
            ImportError::Engine(_) => ErrorKind::BuildFailed,
            ImportError::File { .. } => ErrorKind::Io,
            ImportError::Interrupted => ErrorKind::Cancelled,
        }
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
            ImportError::NoTarget { nvr, .. } => format!("tag it by hand: koji tag-build TAG {nvr}"),
            ImportError::TagNotSeen { nvr, .. } => format!("ask the hub later for its tags: koji buildinfo {nvr}"),
            ImportError::StaysReserved { nvr, .. } => format!("when the hub is back: koji cancel {nvr} frees its name"),
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

pub(crate) struct Import<'a> {
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
    /// Imports. The metadata are kept among the results whatever becomes of it, and a build that is in Koji is in `imported` whatever
    /// becomes of its tag.
    ///
    /// It can be stopped until the hub is asked to import what was uploaded: from then on the hub goes on without us, and a
    /// reservation that is given back meanwhile would leave a build that is there and counts as cancelled.
    ///
    /// # Errors
    /// When the hub refuses; then the NVR is free again.
    pub(crate) async fn run(
        &self,
        hub: &mut Hub,
        interrupt: &Interrupt,
        step: &mut Step,
        imported: &mut Option<KojiBuild>,
    ) -> Result<(), ImportError> {
        let build = self.import(hub, interrupt, step).await;
        if build.is_err() {
            let image = self.pushed.repository.by_digest(&self.pushed.digest);
            step.say(format_args!("the image stays in the registry as {image}")).await;
        }
        let build = build?;
        step.say(format_args!("imported as {} (build {})", build.nvr, build.id)).await;
        let url = format!("{}/buildinfo?buildID={}", hub.weburl.trim_end_matches('/'), build.id);
        *imported = Some(KojiBuild { id: build.id.to_string(), nvr: Some(build.nvr.clone()), url });
        self.tag(hub, &build, interrupt, step).await
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
            Err(error) => return Err(self.refund(hub, &reservation, error, step).await),
        };
        match imported.map_err(ImportError::from) {
            // The hub may be at it still.
            Err(error @ ImportError::Import(import::ImportError::Unknown { .. })) => Err(error),
            Err(error) => Err(self.refund(hub, &reservation, error, step).await),
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

    /// An import that did not happen must not keep the NVR. Gives the error that it ends with.
    async fn refund(
        &self,
        hub: &mut Hub,
        reservation: &Reservation,
        error: ImportError,
        step: &mut Step,
    ) -> ImportError {
        let state = match error {
            ImportError::Interrupted => RefundState::Canceled,
            _ => RefundState::Failed,
        };
        let generator = self.order.config.content_generator.as_str();
        let refunded = import::refund(&mut hub.session, generator, reservation, state).await;
        match (refunded, error) {
            (Ok(()), error) => {
                step.say(format_args!("the reservation of {} was given back", self.nvr)).await;
                error
            }
            // Who stopped it is told here; the signal says how the command ends.
            (Err(source), ImportError::Interrupted) => {
                step.say(format_args!("the reservation of {} could not be given back: {source}", self.nvr)).await;
                ImportError::Interrupted
            }
            (Err(source), cause) => {
                ImportError::StaysReserved { nvr: self.nvr.to_string(), cause: Box::new(cause), source }
            }
        }
    }

    /// Waits until the build has the target's destination tag.
    async fn tag(
        &self,
        hub: &mut Hub,
        build: &ImportedBuild,
        interrupt: &Interrupt,
        step: &mut Step,
    ) -> Result<(), ImportError> {
        let (session, target) = (&mut hub.session, self.order.request.target.as_str());
        let (nvr, id) = (&build.nvr, build.id);
        let not_seen = |source| ImportError::TagNotSeen { nvr: nvr.clone(), id, source };
        let answer = session.call(&Call::new("getBuildTarget").arg(target)).await;
        let answer = answer.map_err(|error| not_seen(error.into()))?;
        let Some(tag) = answer.get("dest_tag_name").and_then(KojiValue::as_str).map(str::to_owned) else {
            return Err(ImportError::NoTarget { nvr: nvr.clone(), id, target: target.to_owned() });
        };
        let task = import::tag(session, &tag, build).await.map_err(|source| match source {
            import::ImportError::Session(_) => {
                ImportError::NotTagged { nvr: nvr.clone(), id, tag: tag.clone(), source }
            }
            source => not_seen(source),
        })?;
        step.say(format_args!("waiting for task {task}, which tags it with {tag}")).await;
        match stoppable(interrupt, tagged(session, task)).await {
            Ok(TaskState::Closed) => step.say(format_args!("tagged with {tag}")).await,
            Ok(state) => return Err(ImportError::Tagging { nvr: nvr.clone(), id, tag, task, state }),
            Err(ImportError::Session(error)) => return Err(not_seen(error.into())),
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

/// Koji's name of a state.
fn in_capitals(state: TaskState) -> String {
    format!("{state:?}").to_uppercase()
}

fn file_error(what: &str, source: io::Error) -> ImportError {
    ImportError::File { what: what.to_owned(), source }
}
