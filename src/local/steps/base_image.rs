//! The base images. Each `FROM` becomes a digest in an allowed registry; what is read of an image is checked against the
//! digest, and kept, because it can never change. Nothing is pulled before everything is known to be there.
//!
//! As atomic-reactor's `check_base_image`, which takes the digest of the manifest list where there is one. Different on
//! purpose: a lone OCI manifest is taken (there it fails), `--platform` of a foreign architecture is an error, and images that
//! `COPY --from` names have to be from allowed registries too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::arch;
use crate::checkout::dockerfile::{BuildFile, BuildFileError};
use crate::config::local::LocalConfig;
use crate::digest::sha256;
use crate::local::engine::journal::Step;
use crate::local::engine::store::write_private;
use crate::local::engine::{Engine, EngineError, output};
use crate::local::image::config::ImageConfig;
use crate::local::image::name::{ImageName, is_digest};
use crate::local::registry::registries::{self, RegistryError};

/// Not an image but a request to make one in Koji; only the build service can do that.
const KOJI_IMAGE_BUILD: &str = "koji/image-build";
/// The image that is none.
pub const SCRATCH: &str = "scratch";

/// The base image of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    /// `FROM scratch`.
    Scratch,
    /// An earlier stage, by its index.
    Stage(usize),
    /// An image, by its place in [`BaseImages::images`].
    Image(usize),
}

/// All base images of a Dockerfile.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseImages {
    /// What each stage begins with.
    pub parents: Vec<Parent>,
    /// The images, each once, in the order in which they are first named.
    pub images: Vec<BaseImage>,
}

/// An image that stages begin with.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseImage {
    /// As the Dockerfile names it, variables replaced.
    pub written: String,
    /// The full name, with tag or digest as it was asked for.
    pub name: ImageName,
    /// The digest that `FROM` is pinned to: of the manifest list, where there is one.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// What there is for each architecture, by Koji's names.
    pub variants: BTreeMap<String, Variant>,
}

/// An image for one architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// The digest of its configuration, which is the image's id.
    pub config_digest: String,
    /// Its configuration.
    pub config: ImageConfig,
    /// How many layers it has.
    pub layers: usize,
}

impl BaseImage {
    /// The name that `FROM` is pinned to.
    pub fn pinned(&self) -> ImageName {
        self.name.by_digest(&self.digest)
    }
}

impl BaseImages {
    /// The image that a stage comes from in the end, through earlier stages; `None` for scratch.
    pub fn image_of(&self, stage: usize) -> Option<&BaseImage> {
        match self.parents.get(stage)? {
            Parent::Scratch => None,
            Parent::Stage(earlier) => self.image_of(*earlier),
            Parent::Image(at) => self.images.get(*at),
        }
    }

    /// The image that the last stage comes from; `None` for scratch.
    pub fn last(&self) -> Option<&BaseImage> {
        self.image_of(self.parents.len().checked_sub(1)?)
    }
}

/// Why a base image cannot be built on.
#[derive(Debug, thiserror::Error)]
pub enum BaseImageError {
    /// It has no name to ask for.
    #[error(transparent)]
    Dockerfile(#[from] BuildFileError),
    /// It is from a place that it must not be from.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry could not be asked, or does not have it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A custom base image.
    #[error("line {line}: {KOJI_IMAGE_BUILD} stands for an image that Koji makes first; builds on this machine cannot")]
    KojiImageBuild {
        /// The line, from 1.
        line: usize,
    },
    /// `--platform` asks for something else than is built for.
    #[error("line {line}: --platform={platform} is not what is built for ({})", arches.join(", "))]
    Platform {
        /// The line, from 1.
        line: usize,
        /// What `--platform` says.
        platform: String,
        /// What is built for.
        arches: Vec<String>,
    },
    /// It is not there for an architecture.
    #[error("base image {image} not available for arches: {}; it is there for {}", missing.join(", "), available.join(", "))]
    NotForArch {
        /// The image.
        image: String,
        /// The architectures that it lacks.
        missing: Vec<String>,
        /// Those that it has.
        available: Vec<String>,
    },
    /// The registry gave something else than what the digest stands for.
    #[error("{image}: the registry gave content with digest {found} for {expected}")]
    Digest {
        /// The image.
        image: String,
        /// The digest that was asked for.
        expected: String,
        /// The digest of what came.
        found: String,
    },
    /// A manifest or configuration that is none.
    #[error("{image}: the registry's answer is no image manifest: {reason}")]
    Malformed {
        /// The image.
        image: String,
        /// What is wrong.
        reason: String,
    },
}

/// What stages begin with, and the images that they name: as they are written, and in full.
pub type Named = (Vec<Parent>, Vec<(String, ImageName)>);

/// Which stages begin with what, and the images' full names. Nobody is asked.
///
/// # Errors
/// When a name has no value, or is not allowed.
pub fn name(file: &BuildFile, arches: &[String], config: &LocalConfig) -> Result<Named, BaseImageError> {
    let mut names: Vec<(String, ImageName)> = Vec::new();
    let mut parents = Vec::new();
    for (at, stage) in file.stages.iter().enumerate() {
        check_platform(stage.platform.as_deref(), stage.line, arches)?;
        let image = file.image(stage)?;
        parents.push(if image == SCRATCH {
            Parent::Scratch
        } else if let Some(earlier) = file.earlier_stage(at, &image) {
            Parent::Stage(earlier)
        } else if image.split(':').next() == Some(KOJI_IMAGE_BUILD) {
            return Err(BaseImageError::KojiImageBuild { line: stage.line });
        } else {
            let name = registries::resolve(&image, stage.line, config)?;
            let known = names.iter().position(|(_, known)| *known == name);
            Parent::Image(known.unwrap_or_else(|| {
                names.push((image, name));
                names.len() - 1
            }))
        });
    }
    Ok((parents, names))
}

fn check_platform(platform: Option<&str>, line: usize, arches: &[String]) -> Result<(), BaseImageError> {
    let Some(platform) = platform.filter(|platform| !platform.contains('$')) else { return Ok(()) };
    let wanted = platform.split('/').nth(1).unwrap_or(platform);
    if arches.iter().any(|arch| arch::to_go(arch) == wanted || arch == wanted) {
        return Ok(());
    }
    Err(BaseImageError::Platform { line, platform: platform.to_owned(), arches: arches.to_vec() })
}

/// Images that `COPY --from` and `RUN --mount=from=` name: allowed as they are, but not pinned. Their names come back.
///
/// # Errors
/// When one is from a registry that is not allowed.
pub fn unpinned(file: &BuildFile, config: &LocalConfig) -> Result<Vec<(usize, String)>, BaseImageError> {
    let mut found = Vec::new();
    for (at, stage) in file.stages.iter().enumerate() {
        for instruction in &stage.instructions {
            for image in &instruction.from {
                let is_stage = file.earlier_stage(at, image).is_some() || image.parse::<usize>().is_ok_and(|n| n < at);
                if is_stage || image == SCRATCH {
                    continue;
                }
                let name = registries::resolve(image, instruction.line, config)?;
                found.push((instruction.line, name.to_string()));
            }
        }
    }
    Ok(found)
}

/// Asks the registry about an image.
///
/// # Errors
/// When it does not have it for all architectures, or gives something else.
pub async fn find(
    engine: &Engine,
    cache: &Path,
    written: &str,
    name: &ImageName,
    arches: &[String],
) -> Result<BaseImage, BaseImageError> {
    let images = Images { engine, blobs: cache.join("blobs"), name };
    let (digest, bytes) = images.manifest().await?;
    let manifest = images.parse(&bytes)?;
    let mut variants = BTreeMap::new();
    if manifest.manifests.is_empty() {
        let variant = images.variant(&digest, &manifest).await?;
        let arch = arch::from_go(&variant.config.architecture).to_owned();
        images.check_arches(arches, std::slice::from_ref(&arch))?;
        variants.insert(arch, variant);
    } else {
        let entries: BTreeMap<String, &Entry> =
            manifest.manifests.iter().rev().filter_map(|entry| Some((entry.arch()?, entry))).collect();
        images.check_arches(arches, &entries.keys().cloned().collect::<Vec<_>>())?;
        for arch in arches {
            let Some(entry) = entries.get(arch) else { continue };
            let bytes = images.by_digest(&entry.digest, &[]).await?;
            variants.insert(arch.clone(), images.variant(&entry.digest, &images.parse(&bytes)?).await?);
        }
    }
    Ok(BaseImage { written: written.to_owned(), name: name.clone(), digest, media_type: manifest.media_type, variants })
}

/// Pulls an image into the storage, unless it is there.
///
/// # Errors
/// When it cannot be pulled.
pub async fn pull(engine: &Engine, image: &BaseImage, arch: &str) -> Result<(), EngineError> {
    let name = image.pinned().to_string();
    let mut command = engine.buildah();
    command.args(["pull", "--quiet", "--policy", "missing"]);
    if arch != arch::host() {
        command.args(["--arch", arch::to_go(arch)]);
    }
    output(command.arg(&name), &format!("pulling {name}")).await.map(drop)
}

/// Tells which images were found.
pub async fn tell(step: &mut Step, images: &[BaseImage]) {
    for image in images {
        step.say(format_args!("FROM {} -> {} ({})", image.written, image.pinned(), image.media_type)).await;
        for (arch, variant) in &image.variants {
            step.say(format_args!("  {arch}: image {}, {} layers", variant.config_digest, variant.layers)).await;
        }
    }
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    #[serde(default)]
    manifests: Vec<Entry>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

impl Entry {
    fn arch(&self) -> Option<String> {
        let platform = self.platform.as_ref()?;
        (platform.os == "linux").then(|| arch::from_go(&platform.architecture).to_owned())
    }
}

/// One image, and where what is known of it by digest is kept.
struct Images<'a> {
    engine: &'a Engine,
    blobs: PathBuf,
    name: &'a ImageName,
}

impl Images<'_> {
    /// The manifest as the registry has it at the moment.
    async fn manifest(&self) -> Result<(String, Vec<u8>), BaseImageError> {
        if let Some(digest) = &self.name.digest {
            return Ok((digest.clone(), self.by_digest(digest, &[]).await?));
        }
        let bytes = self.ask(self.name, &[]).await?;
        let digest = sha256(&bytes);
        self.keep(&digest, &bytes);
        Ok((digest, bytes))
    }

    /// What a digest stands for: a manifest, or with `--config` the configuration of the image with the manifest `digest`.
    async fn by_digest(&self, digest: &str, options: &[&str]) -> Result<Vec<u8>, BaseImageError> {
        if let Some(bytes) = self.kept(digest) {
            return Ok(bytes);
        }
        let bytes = self.ask(&self.name.by_digest(digest), options).await?;
        self.verified(digest, bytes)
    }

    fn verified(&self, digest: &str, bytes: Vec<u8>) -> Result<Vec<u8>, BaseImageError> {
        let found = sha256(&bytes);
        if found != digest {
            let (image, expected) = (self.name.to_string(), digest.to_owned());
            return Err(BaseImageError::Digest { image, expected, found });
        }
        self.keep(digest, &bytes);
        Ok(bytes)
    }

    async fn ask(&self, name: &ImageName, options: &[&str]) -> Result<Vec<u8>, EngineError> {
        let reference = format!("docker://{name}");
        let mut command = self.engine.skopeo();
        command.args(["inspect", "--raw", "--retry-times", "2"]).args(options).arg(&reference);
        output(&mut command, &format!("looking for {name}")).await
    }

    async fn variant(&self, digest: &str, manifest: &Manifest) -> Result<Variant, BaseImageError> {
        let config = manifest.config.as_ref().ok_or_else(|| self.malformed("it has no configuration".to_owned()))?;
        let bytes = match self.kept(&config.digest) {
            Some(bytes) => bytes,
            None => {
                let bytes = self.ask(&self.name.by_digest(digest), &["--config"]).await?;
                self.verified(&config.digest, bytes)?
            }
        };
        let parsed = ImageConfig::parse(&bytes).map_err(|error| self.malformed(error.to_string()))?;
        Ok(Variant { config_digest: config.digest.clone(), config: parsed, layers: manifest.layers.len() })
    }

    fn parse(&self, bytes: &[u8]) -> Result<Manifest, BaseImageError> {
        let mut manifest: Manifest =
            serde_json::from_slice(bytes).map_err(|error| self.malformed(error.to_string()))?;
        if manifest.media_type.is_empty() {
            let oci = if manifest.manifests.is_empty() { "manifest" } else { "index" };
            manifest.media_type = format!("application/vnd.oci.image.{oci}.v1+json");
        }
        Ok(manifest)
    }

    fn check_arches(&self, wanted: &[String], available: &[String]) -> Result<(), BaseImageError> {
        let missing: Vec<String> = wanted.iter().filter(|arch| !available.contains(arch)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(BaseImageError::NotForArch { image: self.name.to_string(), missing, available: available.to_vec() })
    }

    fn malformed(&self, reason: String) -> BaseImageError {
        BaseImageError::Malformed { image: self.name.to_string(), reason }
    }

    /// A damaged entry is as good as none.
    fn kept(&self, digest: &str) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path(digest)?).ok()?;
        (sha256(&bytes) == digest).then_some(bytes)
    }

    /// Not being able to keep something only costs a question next time.
    fn keep(&self, digest: &str, bytes: &[u8]) {
        if let Some(path) = self.path(digest) {
            let _ = fs::create_dir_all(&self.blobs);
            let _ = write_private(&path, bytes);
        }
    }

    fn path(&self, digest: &str) -> Option<PathBuf> {
        is_digest(digest).then(|| self.blobs.join(digest.trim_start_matches("sha256:")))
    }
}
