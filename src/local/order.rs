//! What is asked of a build on this machine: the request, and everything that only this builder needs.

use std::path::PathBuf;

use crate::config::local::LocalConfig;
use crate::fetch::AllowedDomains;
use crate::http::ClientOptions;
use crate::koji::session::Session;
use crate::local::engine::store::Places;
use crate::local::image::export::Export;
use crate::local::image::inspect::KeyId;
use crate::request::BuildRequest;

/// A build on this machine.
#[derive(Debug, Clone)]
pub struct LocalOrder<'a> {
    /// What is to be built.
    pub request: &'a BuildRequest,
    /// How builds run here.
    pub config: &'a LocalConfig,
    /// The section that the configuration is in, for hints.
    pub section: String,
    /// The top of the checkout.
    pub root: PathBuf,
    /// The folders of builds on this machine.
    pub places: Places,
    /// This program, which guards its children; `None` for children without a guard.
    pub guard: Option<PathBuf>,
    /// What the command line asks for besides.
    pub options: LocalOptions,
    /// Where the files of `sources` are; `None` where the configuration does not say.
    pub lookaside: Option<Lookaside>,
    /// Where artifacts may come from.
    pub artifacts_allowed: AllowedDomains,
    /// How files are fetched.
    pub client: ClientOptions,
    /// The time of everything in the image, for builds that can be repeated (`SOURCE_DATE_EPOCH`), in seconds since 1970.
    pub timestamp: Option<i64>,
    /// The user's name on servers.
    pub user: Option<String>,
}

/// What the command line asks of builds on this machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LocalOptions {
    /// Koji's names of the architectures; this machine's when empty.
    pub arches: Vec<String>,
    /// Whether to push.
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
    pub keys: Vec<KeyId>,
    /// Whether builds see the repository of the Koji target.
    pub target_repo: bool,
    /// `NAME[=VALUE]`.
    pub build_args: Vec<String>,
    /// Secrets for `RUN`.
    pub secrets: Vec<String>,
}

/// Where the files of `sources` are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookaside {
    /// The address.
    pub base: String,
    /// The repository's name there.
    pub repository: String,
}

/// A Koji hub that the workflow may ask.
pub struct Hub {
    /// The connection.
    pub session: Session,
    /// Where the hub's files are.
    pub topurl: Option<String>,
    /// Where its pages are.
    pub weburl: String,
}
