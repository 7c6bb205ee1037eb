//! What builds on a cluster take besides: which cluster, who we are there, which template.

use std::path::PathBuf;

use crate::address::Address;
use crate::credentials::Secret;

/// The options of this builder.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OsbsOptions {
    /// Which cluster, and who we are there.
    pub cluster: ClusterOptions,
    /// The template to make the PipelineRun of, in place of the configured one.
    pub pipeline_run: Option<PathBuf>,
    /// When the PipelineRun is deleted; else as configured.
    pub cleanup: Option<Cleanup>,
}

/// Which cluster, and who we are there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ClusterOptions {
    /// The osbs.conf to read.
    pub osbs_config: Option<PathBuf>,
    /// The section of osbs.conf.
    pub instance: Option<String>,
    /// The API server.
    pub openshift_url: Option<Address>,
    pub namespace: Option<String>,
    /// A bearer token.
    pub token: Option<Secret>,
    /// A file with one.
    pub token_file: Option<PathBuf>,
}

/// When the PipelineRun is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleanup {
    Never,
    /// When the build succeeded.
    Success,
    /// When it has ended, however that was.
    Always,
}
