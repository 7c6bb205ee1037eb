//! The image goes to the registry. First under a tag of its own, then, when the registry has what was sent, under the
//! tags that people use.
//!
//! Names and order are atomic-reactor's (`tag_from_config`, `push_floating_tags`). What the registry has is read back and
//! compared. A failure in between leaves the unique tag only, which nobody relies on.

use std::path::Path;

use serde::Serialize;

use crate::arch;
use crate::digest::sha256;
use crate::local::engine::journal::Step;
use crate::local::engine::{Engine, EngineError, output};
use crate::local::image::name::ImageName;

/// The tags that an image gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tags {
    /// The build's own.
    pub unique: String,
    /// `VERSION-RELEASE`.
    pub primary: Option<String>,
    /// Those that move from build to build.
    pub floating: Vec<String>,
}

impl Tags {
    /// The tags of a build: scratch builds have only their own, isolated ones do not move any.
    pub(crate) fn of(
        unique: &str,
        version: &str,
        release: &str,
        scratch: bool,
        isolated: bool,
        floating: Vec<String>,
    ) -> Tags {
        Tags {
            unique: unique.to_owned(),
            primary: (!scratch).then(|| format!("{version}-{release}")),
            floating: if scratch || isolated { Vec::new() } else { floating },
        }
    }

    /// All of them, in the order in which they are pushed.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        [self.unique.as_str()]
            .into_iter()
            .chain(self.primary.as_deref())
            .chain(self.floating.iter().map(String::as_str))
    }
}

/// An image for one architecture in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushedImage {
    /// Koji's name of the architecture.
    pub arch: String,
    /// The digest of its manifest.
    pub digest: String,
    /// The manifest's media type.
    pub media_type: String,
    /// The tag it has.
    pub tag: String,
}

/// What the registry has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// The repository, without tag.
    pub repository: ImageName,
    /// The images, one an architecture.
    pub images: Vec<PushedImage>,
    /// The digest that the tags stand for: of the manifest list, or of the only image.
    pub digest: String,
    pub media_type: String,
    /// The tags that it has.
    pub tags: Tags,
}

impl Pushed {
    /// What to pull: the digest first, then the tags.
    pub(crate) fn pull_specs(&self) -> Vec<String> {
        let by_tag = self.tags.all().map(|tag| self.repository.with_tag(tag).to_string());
        std::iter::once(self.repository.by_digest(&self.digest).to_string()).chain(by_tag).collect()
    }
}

/// Why an image is not in the registry as it should be.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// There is no image, and so nothing that the tags could stand for.
    #[error("nothing was pushed to {repository}: no image was built")]
    NoImage {
        /// The repository.
        repository: String,
    },
    /// The registry refused it, or could not be reached.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The registry has something else.
    #[error("{name}: pushed {pushed}, but the registry has {found}")]
    Digest {
        /// What was pushed.
        name: String,
        /// The digest that was pushed.
        pushed: String,
        /// The digest of what the registry gives.
        found: String,
    },
    /// The registry does not give the types that the site wants.
    #[error("the registry has no {} of {name}, which expected_media_types asks for", missing.join(", "))]
    MediaTypes {
        /// The image.
        name: String,
        /// The types.
        missing: Vec<String>,
    },
    /// A temporary file could not be used.
    #[error("cannot read the digest of what was pushed")]
    Digestfile(#[source] std::io::Error),
    /// The registry's answer is no manifest.
    #[error("{name}: the registry's answer is no manifest: {reason}")]
    Malformed {
        /// The image.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// An image that is to be pushed: its architecture, its name in the storage, and the storage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToPush<'a> {
    /// Koji's name of the architecture.
    pub arch: &'a str,
    /// Its name in the storage.
    pub name: &'a str,
    /// The storage it is in.
    pub engine: &'a Engine,
}

/// Pushes the images under the unique tag, as a manifest list where there are several.
///
/// # Errors
/// When there are none, or the registry does not take them, or gives back something else.
pub(crate) async fn unique(
    images: &[ToPush<'_>],
    repository: &ImageName,
    tags: &Tags,
    oci: bool,
    folder: &Path,
    step: &mut Step,
) -> Result<Pushed, PushError> {
    let no_image = || PushError::NoImage { repository: repository.to_string() };
    let engine = images.first().ok_or_else(no_image)?.engine;
    let several = images.len() > 1;
    let mut pushed = Vec::new();
    for image in images {
        let tag = if several { format!("{}-{}", tags.unique, image.arch) } else { tags.unique.clone() };
        let name = repository.with_tag(&tag);
        let format = if oci { "oci" } else { "v2s2" };
        let mut command = image.engine.buildah();
        command.args(["push", "--quiet", "--format", format]);
        let digest = push(command, image.name, &name, folder).await?;
        let media_type = verify(image.engine, &name, &digest).await?;
        step.say(format_args!("pushed {name} ({digest})")).await;
        pushed.push(PushedImage { arch: image.arch.to_owned(), digest, media_type, tag });
    }
    let (digest, media_type) = match pushed.as_slice() {
        [one] => (one.digest.clone(), one.media_type.clone()),
        several => {
            let found = list(engine, several, repository, &tags.unique, oci, folder).await?;
            let name = repository.with_tag(&tags.unique);
            step.say(format_args!("pushed {name} ({}), a list of {}", found.0, several.len())).await;
            found
        }
    };
    let tags = Tags { primary: None, floating: Vec::new(), ..tags.clone() };
    Ok(Pushed { repository: repository.clone(), images: pushed, digest, media_type, tags })
}

/// Gives what was pushed the other tags, the floating ones last.
///
/// # Errors
/// When the registry does not take them.
pub(crate) async fn tag(engine: &Engine, pushed: &mut Pushed, tags: &Tags, step: &mut Step) -> Result<(), PushError> {
    let from = format!("docker://{}", pushed.repository.by_digest(&pushed.digest));
    for tag in tags.all().skip(1) {
        let name = pushed.repository.with_tag(tag);
        let mut command = engine.skopeo();
        command.args(["copy", "--all", "--quiet", "--preserve-digests", "--retry-times", "2", &from]);
        output(command.arg(format!("docker://{name}")), &format!("tagging {name}")).await?;
        verify(engine, &name, &pushed.digest).await?;
        step.say(format_args!("tagged {name}")).await;
        if tags.primary.as_deref() == Some(tag) {
            pushed.tags.primary = Some(tag.to_owned());
        } else {
            pushed.tags.floating.push(tag.to_owned());
        }
    }
    Ok(())
}

/// Whether the registry has the media types that the site wants.
///
/// # Errors
/// When it lacks one.
pub(crate) fn check_media_types(pushed: &Pushed, expected: &[String]) -> Result<(), PushError> {
    let has = |wanted: &&String| {
        pushed.media_type == **wanted || pushed.images.iter().any(|image| image.media_type == **wanted)
    };
    let missing: Vec<String> = expected.iter().filter(|wanted| !has(wanted)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(PushError::MediaTypes { name: pushed.repository.with_tag(&pushed.tags.unique).to_string(), missing })
}

/// Runs a push, and reads the digest that it tells.
async fn push(
    mut command: tokio::process::Command,
    from: &str,
    name: &ImageName,
    folder: &Path,
) -> Result<String, PushError> {
    let digestfile = tempfile::NamedTempFile::new_in(folder).map_err(PushError::Digestfile)?;
    command.arg("--digestfile").arg(digestfile.path()).arg(from).arg(format!("docker://{name}"));
    output(&mut command, &format!("pushing {name}")).await?;
    let digest = std::fs::read_to_string(digestfile.path()).map_err(PushError::Digestfile)?;
    Ok(digest.trim().to_owned())
}

/// Makes a manifest list of what was pushed, and pushes it.
async fn list(
    engine: &Engine,
    images: &[PushedImage],
    repository: &ImageName,
    tag: &str,
    oci: bool,
    folder: &Path,
) -> Result<(String, String), PushError> {
    let local = format!("localhost/list:{tag}");
    output(engine.buildah().args(["manifest", "create", &local]), "making a manifest list").await?;
    for image in images {
        let mut command = engine.buildah();
        command.args(["manifest", "add", "--arch", arch::to_go(&image.arch), "--os", "linux", &local]);
        let from = format!("docker://{}", repository.by_digest(&image.digest));
        output(command.arg(from), "making a manifest list").await?;
    }
    let name = repository.with_tag(tag);
    let mut command = engine.buildah();
    command.args(["manifest", "push", "--quiet", "--all", "--format", if oci { "oci" } else { "v2s2" }]);
    let digest = push(command, &local, &name, folder).await;
    // It is only a list of digests, and the registry has it.
    let _ = output(engine.buildah().args(["manifest", "rm", &local]), "removing the list").await;
    let digest = digest?;
    let media_type = verify(engine, &name, &digest).await?;
    Ok((digest, media_type))
}

/// Reads back what the registry has under a name, and returns its media type.
async fn verify(engine: &Engine, name: &ImageName, pushed: &str) -> Result<String, PushError> {
    let mut command = engine.skopeo();
    command.args(["inspect", "--raw", "--retry-times", "2"]).arg(format!("docker://{name}"));
    let bytes = output(&mut command, &format!("reading back {name}")).await?;
    let malformed = |reason: String| PushError::Malformed { name: name.to_string(), reason };
    let found = sha256(&bytes);
    if found != pushed {
        return Err(PushError::Digest { name: name.to_string(), pushed: pushed.to_owned(), found });
    }
    let manifest: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    let media_type = manifest.get("mediaType").and_then(serde_json::Value::as_str);
    let oci = if manifest.get("manifests").is_some() { "index" } else { "manifest" };
    Ok(media_type.map_or_else(|| format!("application/vnd.oci.image.{oci}.v1+json"), str::to_owned))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::event::{self, TaskId};
    use crate::local::engine::journal::{Journal, StepName};

    #[tokio::test]
    async fn without_an_image_nothing_counts_as_pushed() {
        let folder = tempfile::tempdir().unwrap();
        let (events, _receiver) = event::channel();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut step = Journal::new(events, TaskId::from("local"), log).begin(StepName::Push).await;
        let repository = ImageName::parse("registry.example.com/foo").unwrap();
        let tags = Tags::of("unique", "1", "2", false, false, Vec::new());
        let pushed = unique(&[], &repository, &tags, false, folder.path(), &mut step).await;
        let error = pushed.unwrap_err().to_string();
        assert_eq!(error, "nothing was pushed to registry.example.com/foo: no image was built");
    }
}
