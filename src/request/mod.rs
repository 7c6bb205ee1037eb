//! What is to be built: the request, how it is planned, and what would be refused.

pub mod check;
pub mod nvr;
pub mod plan;

use serde::Serialize;

/// Everything a builder needs to know, independent of which one it is. Made by `plan`, printed by `--dry-run`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BuildRequest {
    /// What comes out of it.
    pub artifact: Artifact,
    /// The source URL the builder fetches: `anongiturl` filled in, `#` and the full commit hash. Empty where the builder fetches nothing
    /// and dist-git is not known to have it.
    pub source: String,
    /// The Koji build target, e.g. `f42-container-candidate`; empty where none is needed and none is known.
    pub target: String,
    /// The namespace on the dist-git server, e.g. `container`; `None` where dist-git has none, or it is not known.
    pub namespace: Option<String>,
    /// The repository's name on the dist-git server.
    pub repo_name: String,
    /// Branch on the dist-git server that the commit is on; empty where none is needed and none is known.
    pub git_branch: String,
    /// Full commit hash; empty where a work tree is built that has no commit yet.
    pub commit: String,
    /// The rest of the options.
    pub options: BuildOptions,
    /// Offset to the default task priority; 5 with `--background`. Higher runs later.
    pub priority: Option<i64>,
    /// Koji channel to build in instead of the hub plugin's default.
    pub channel: Option<String>,
}

/// What a build makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Artifact {
    /// A container image (`container-build`).
    Container,
    /// A flatpak (`flatpak-build`).
    Flatpak,
}

/// The options of a build. Empty lists and `None` were not asked for and are not sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BuildOptions {
    /// Not to be kept: no NVR, no tag.
    pub scratch: bool,
    /// An isolated build: only with `release`, never replaces floating tags.
    pub isolated: bool,
    /// Release to use instead of the next free one.
    pub release: Option<String>,
    /// NVR that overrides the parent image's build.
    pub koji_parent_build: Option<String>,
    /// URLs of yum repository files to add.
    pub yum_repourls: Vec<String>,
    /// Name of the signing intent of ODCS composes.
    pub signing_intent: Option<String>,
    /// Ids of ODCS composes to use.
    pub compose_ids: Vec<i64>,
    /// `PKG_MANAGER:NAME:VERSION[:NEW_NAME]`, as given.
    pub dependency_replacements: Vec<String>,
    /// Architectures to build for instead of the build tag's; only for scratch and isolated builds.
    pub arches: Vec<String>,
    /// A JSON object that the builder stores with the build.
    pub userdata: Option<serde_json::Map<String, serde_json::Value>>,
    /// URL of CSV modifications for operator bundles.
    pub operator_csv_modifications_url: Option<String>,
}
