//! What a cluster can build with: Tekton, and in which version, or OpenShift's own builds.

use serde_json::Value;

use super::cluster::{Cluster, Expected, Patience};
use super::error::ClusterError;
use super::run::kind::RunKind;
use super::tekton::Version;
use crate::config::osbs::Backend;
use crate::error::{Error, ErrorKind};

/// Why it is not known what a cluster builds with.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The cluster could not be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster lacks what builds are made with.
    #[error("{server} serves no {groups}")]
    NoBuilds {
        /// The server.
        server: String,
        /// The groups of the API that it does not serve.
        groups: &'static str,
    },
}

impl From<DiscoveryError> for Error {
    fn from(error: DiscoveryError) -> Self {
        match error {
            DiscoveryError::Cluster(error) => error.into(),
            error @ DiscoveryError::NoBuilds { .. } => Error::new(ErrorKind::Server, error).hint(
                "is it the right cluster? `openshift_url` in osbs.conf says which; --build-with koji builds on the Koji hub",
            ),
        }
    }
}

/// Asks what the cluster can build with; Tekton where it has both and nothing else is configured.
///
/// # Errors
/// When it has neither, or not what is configured.
pub async fn discover(cluster: &Cluster, wanted: Option<Backend>) -> Result<RunKind, DiscoveryError> {
    if wanted != Some(Backend::Build) {
        match group(cluster, "tekton.dev").await? {
            Some(group) => return Ok(RunKind::Tekton(version(&group, cluster)?)),
            None if wanted.is_some() => return Err(no_builds(cluster, "tekton.dev")),
            None => {}
        }
    }
    match group(cluster, "build.openshift.io").await? {
        Some(_) => Ok(RunKind::Build),
        None if wanted.is_some() => Err(no_builds(cluster, "build.openshift.io")),
        None => Err(no_builds(cluster, "tekton.dev nor build.openshift.io")),
    }
}

/// A group of the API; `None` where the server has none of that name.
async fn group(cluster: &Cluster, name: &str) -> Result<Option<Value>, ClusterError> {
    match cluster.object("apis", &format!("/apis/{name}"), Expected::Group { name }, Patience::Some).await {
        Ok(group) => Ok(Some(group)),
        Err(error) if error.is_nothing_there() => Ok(None),
        Err(error) => Err(error),
    }
}

fn version(group: &Value, cluster: &Cluster) -> Result<Version, DiscoveryError> {
    let versions = group.get("versions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let serves = |version: Version| {
        versions.iter().any(|served| served.get("version").and_then(Value::as_str) == Some(version.name()))
    };
    [Version::V1, Version::V1Beta1]
        .into_iter()
        .find(|version| serves(*version))
        .ok_or_else(|| no_builds(cluster, "tekton.dev/v1 nor tekton.dev/v1beta1"))
}

fn no_builds(cluster: &Cluster, groups: &'static str) -> DiscoveryError {
    DiscoveryError::NoBuilds { server: cluster.url().to_string(), groups }
}
