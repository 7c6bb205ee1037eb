//! What builds on this machine take besides.

use super::image::export::Export;

/// The options of this builder, as they were given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GivenOptions {
    pub push: bool,
    /// Where to export to.
    pub exports: Vec<Export>,
    /// Whether to import into Koji.
    pub import: bool,
    /// Whether to build the work tree.
    pub dirty: bool,
    /// Whether to keep layers.
    pub cache: bool,
    /// Keys that packages must be signed with.
    pub signed_by: Vec<String>,
    /// Whether builds see the repository of the Koji target.
    pub target_repo: bool,
    /// `NAME[=VALUE]`.
    pub build_args: Vec<String>,
    /// Secrets for `RUN`.
    pub secrets: Vec<String>,
}
