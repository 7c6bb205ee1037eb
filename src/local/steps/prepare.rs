//! What can be said of a build before anything is fetched: its files taken out of the checkout, its Dockerfile read, and everything
//! refused that would fail later.

use std::path::Path;

use super::base_image::{self, BaseImageError, Parent};
use super::context::{BuildContext, ContextError};
use crate::arch;
use crate::blocking;
use crate::checkout::container_yaml::ContainerYaml;
use crate::checkout::dockerfile::{BuildFile, BuildFileError};
use crate::child::is_in_path;
use crate::local::engine::platform;
use crate::local::engine::setup::{self, GO_MD2MAN, HERE_DOCUMENTS, SetupError, Version};
use crate::local::image::export::ExportError;
use crate::local::image::name::ImageName;
use crate::local::order::LocalOrder;

/// Names of the file that is built, the first that is there.
const DOCKERFILES: [&str; 2] = ["Dockerfile", "Containerfile"];
/// Instructions that run programs of the image.
const RUNNING: [&str; 1] = ["RUN"];
/// Files that ask for artifacts in ways that only the build service knows.
const REFUSED_FILES: [&str; 2] = ["fetch-artifacts-koji.yaml", "fetch-artifacts-pnc.yaml"];

/// A build whose files are known.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The folder to build from.
    pub context: BuildContext,
    /// The name of the Dockerfile in it.
    pub dockerfile: &'static str,
    pub text: String,
    /// The same, as the engine reads it.
    pub file: BuildFile,
    /// What each stage begins with.
    pub parents: Vec<Parent>,
    /// The base images: as they are written, and by their full names.
    pub images: Vec<(String, ImageName)>,
    /// Images that are used without being a base, and their lines.
    pub unpinned: Vec<(usize, String)>,
    /// `container.yaml`; empty where there is none.
    pub yaml: ContainerYaml,
    /// Koji's names of the architectures to build for.
    pub arches: Vec<String>,
    /// What the build service would do and this build does not: what, and why.
    pub omitted: Vec<(String, String)>,
}

/// Why a build would fail.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The files cannot be taken.
    #[error(transparent)]
    BuildContext(#[from] ContextError),
    /// There is no Dockerfile.
    #[error("no Dockerfile in {}", folder.display())]
    NoDockerfile {
        /// The checkout.
        folder: std::path::PathBuf,
    },
    /// It is not UTF-8.
    #[error("{file} is not UTF-8")]
    NotUtf8 {
        /// The file.
        file: &'static str,
    },
    /// The engine would refuse it.
    #[error("{file}, {source}")]
    Malformed {
        /// The file.
        file: &'static str,
        /// What is wrong.
        source: BuildFileError,
    },
    /// It has no `FROM`.
    #[error("{file} has no FROM instruction")]
    NoStage {
        /// The file.
        file: &'static str,
    },
    /// It has a here-document, which the engine does not know.
    #[error("{file}, line {line}: buildah {found} does not know here-documents; {HERE_DOCUMENTS} and newer do")]
    HereDocument {
        /// The file.
        file: &'static str,
        /// The line, from 1.
        line: usize,
        /// buildah's version.
        found: Version,
    },
    /// A base image cannot be used.
    #[error("{file}: {source}")]
    BaseImage {
        /// The file.
        file: &'static str,
        /// What is wrong.
        source: BaseImageError,
    },
    /// Something that only the build service can do, and without which the image would be another one.
    #[error("{what} cannot be done on this machine")]
    OnlyThere {
        /// What.
        what: String,
    },
    /// Nothing is left to build for.
    #[error("container.yaml excludes {} from its platforms", arches.join(", "))]
    Excluded {
        /// The architectures that were asked for.
        arches: Vec<String>,
    },
    /// Programs of a foreign architecture cannot run here.
    #[error("programs for {arch} do not run on this machine ({})", arch::host())]
    NotEmulated {
        /// The architecture.
        arch: String,
    },
    /// There is nowhere to push to.
    #[error("no registry is configured to push to")]
    NoRegistry,
    /// An import needs an image that others can pull.
    #[error("--import needs --push, and no scratch build")]
    ImportWithoutPush,
    /// There is no hub to import into.
    #[error("no Koji hub is configured to import into")]
    NoHub,
    /// What is not committed must not look as if it were.
    #[error("--dirty and --cache are for scratch builds: what they make cannot be made again")]
    OnlyScratch,
    /// It cannot be exported so.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// `RUN` could not switch users.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl PrepareError {
    /// What to do about it.
    pub fn hint(&self, section: &str) -> Option<String> {
        Some(match self {
            PrepareError::BaseImage {
                source:
                    BaseImageError::Registry(crate::local::registry::registries::RegistryError::NotAllowed {
                        registry, ..
                    }),
                ..
            } => {
                format!("if it is to be trusted, add {registry} to pull_registries in [{section}]")
            }
            PrepareError::HereDocument { .. } => "write it as RUN with && and \\, or as a file of its own".to_owned(),
            PrepareError::OnlyThere { .. } => "build on Koji (--build-with koji), or leave it out".to_owned(),
            PrepareError::NotEmulated { .. } => {
                "install qemu-user-static, and let the kernel use it (systemctl restart systemd-binfmt)".to_owned()
            }
            PrepareError::NoRegistry => format!("set `registry` in [{section}]"),
            PrepareError::ImportWithoutPush => "add --push".to_owned(),
            PrepareError::OnlyScratch => "add --scratch".to_owned(),
            PrepareError::Setup(error) => return error.hint(section),
            _ => return None,
        })
    }
}

/// Checks what the command line asks for, whatever the files say.
///
/// # Errors
/// When something is missing for it.
pub(crate) fn check_options(order: &LocalOrder<'_>, hub: bool) -> Result<(), PrepareError> {
    let options = &order.options;
    let asked = &order.request.options;
    if (options.dirty || options.cache) && !asked.scratch {
        return Err(PrepareError::OnlyScratch);
    }
    if options.push && order.config.registry.is_none() {
        return Err(PrepareError::NoRegistry);
    }
    if options.import && (!options.push || asked.scratch) {
        return Err(PrepareError::ImportWithoutPush);
    }
    if options.import && !hub {
        return Err(PrepareError::NoHub);
    }
    let only_there = [
        (!asked.compose_ids.is_empty(), "--compose-id"),
        (asked.signing_intent.is_some(), "--signing-intent"),
        (!asked.dependency_replacements.is_empty(), "--replace-dependency"),
        (asked.operator_csv_modifications_url.is_some(), "--operator-csv-modifications-url"),
        (asked.koji_parent_build.is_some(), "--koji-parent-build"),
    ];
    if let Some((_, option)) = only_there.into_iter().find(|(given, _)| *given) {
        return Err(PrepareError::OnlyThere { what: option.to_owned() });
    }
    let arches = options.arches.len().max(1);
    options.exports.iter().try_for_each(|export| export.check(arches)).map_err(PrepareError::from)
}

/// Takes the files of the checkout into `folder`, and reads them.
///
/// # Errors
/// When the build would fail.
pub(crate) async fn prepare(order: &LocalOrder<'_>, engine: Version, folder: &Path) -> Result<Prepared, PrepareError> {
    let context = take(order, folder).await?;
    let dockerfile = DOCKERFILES
        .into_iter()
        .find(|name| context.has(name))
        .ok_or_else(|| PrepareError::NoDockerfile { folder: order.root.clone() })?;
    let text = String::from_utf8(context.read(dockerfile)?).map_err(|_| PrepareError::NotUtf8 { file: dockerfile })?;
    let file = BuildFile::parse(&text).map_err(|source| PrepareError::Malformed { file: dockerfile, source })?;
    if file.stages.is_empty() {
        return Err(PrepareError::NoStage { file: dockerfile });
    }
    if let Some(line) = file.here_document.filter(|_| engine < HERE_DOCUMENTS) {
        return Err(PrepareError::HereDocument { file: dockerfile, line, found: engine });
    }
    if let Some(name) = REFUSED_FILES.into_iter().find(|name| context.has(name)) {
        return Err(PrepareError::OnlyThere { what: format!("what {name} asks for") });
    }
    let yaml = ContainerYaml::read(&context.path).unwrap_or_default();
    if yaml.flatpak.is_some() {
        return Err(PrepareError::OnlyThere { what: "a flatpak".to_owned() });
    }
    let arches = arches(order, &yaml)?;
    check_running(&file, &arches, order)?;
    let base = |source| PrepareError::BaseImage { file: dockerfile, source };
    let (parents, images) = base_image::name(&file, &arches, order.config).map_err(base)?;
    let unpinned = base_image::unpinned(&file, order.config).map_err(base)?;
    let omitted = omitted(order, &context, &yaml);
    Ok(Prepared { context, dockerfile, text, file, parents, images, unpinned, yaml, arches, omitted })
}

/// Takes the files of the checkout.
///
/// # Errors
/// When they cannot be copied.
pub(crate) async fn take(order: &LocalOrder<'_>, folder: &Path) -> Result<BuildContext, ContextError> {
    let (root, folder, commit) = (order.root.clone(), folder.to_owned(), order.request.commit.clone());
    if order.options.dirty {
        blocking::run(move |stop| BuildContext::of_work_tree(&root, &folder, stop)).await
    } else {
        blocking::run(move |stop| BuildContext::of_commit(&root, &commit, &folder, stop)).await
    }
}

fn arches(order: &LocalOrder<'_>, yaml: &ContainerYaml) -> Result<Vec<String>, PrepareError> {
    let asked = &order.options.arches;
    let wanted = if asked.is_empty() { vec![arch::host().to_owned()] } else { asked.clone() };
    let mut arches: Vec<String> = Vec::new();
    for arch in wanted.iter().map(|arch| arch::from_go(arch)) {
        if yaml.platforms.includes(arch) && !arches.iter().any(|known| known == arch) {
            arches.push(arch.to_owned());
        }
    }
    if arches.is_empty() { Err(PrepareError::Excluded { arches: wanted }) } else { Ok(arches) }
}

/// Programs run for `RUN`, and for removing repositories.
fn check_running(file: &BuildFile, arches: &[String], order: &LocalOrder<'_>) -> Result<(), PrepareError> {
    let mut instructions = file.stages.iter().flat_map(|stage| &stage.instructions);
    let runs = instructions.any(|instruction| RUNNING.contains(&instruction.keyword.as_str()))
        || !order.request.options.yum_repourls.is_empty()
        || order.options.target_repo;
    if !runs {
        return Ok(());
    }
    setup::check_subordinate_ids(order.user.as_deref())?;
    match arches.iter().find(|arch| *arch != arch::host() && !platform::is_emulated(arch)) {
        Some(arch) => Err(PrepareError::NotEmulated { arch: arch.clone() }),
        None => Ok(()),
    }
}

/// What the build service would do with these files and this request, and this build does not.
fn omitted(order: &LocalOrder<'_>, context: &BuildContext, yaml: &ContainerYaml) -> Vec<(String, String)> {
    let mut omitted = Vec::new();
    let mut omit = |what: &str, why: &str| omitted.push((what.to_owned(), why.to_owned()));
    if yaml.packages.is_some() || !yaml.modules.is_empty() || yaml.signing_intent.is_some() {
        omit(
            "the composes of container.yaml",
            "only the build service asks ODCS for them; give repositories with --repo-url",
        );
    }
    for (asked, key) in [(yaml.remote_source, "remote_source"), (yaml.operator_manifests, "operator_manifests")] {
        if asked {
            omit(&format!("`{key}` of container.yaml"), "only the build service can do that");
        }
    }
    for missing in &context.missing_submodules {
        omit(&format!("submodule {}", missing.display()), "it is not in the checkout: git submodule update --init");
    }
    if context.has("help.md") && !is_in_path(GO_MD2MAN) {
        omit("help.1 from help.md", "go-md2man is not installed");
    }
    if order.request.priority.is_some() {
        omit("--background", "there is no queue on this machine");
    }
    if order.request.channel.is_some() {
        omit("--channel-override", "there are no channels on this machine");
    }
    if order.request.options.userdata.is_some() && !order.options.import {
        omit("--userdata", "it is stored with builds in Koji only");
    }
    omitted
}
