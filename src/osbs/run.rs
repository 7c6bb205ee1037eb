//! Runs: what they are made of, and what is done with them.
//!
//! [`user_params`] and [`naming`] say what is to be built; [`template`], [`conversion`] and [`pipeline_run`] make the object of it, or
//! [`docker_build`] where there is no Tekton. [`kind`] is what the two differ in.

pub mod conversion;
pub mod docker_build;
pub mod kind;
pub mod naming;
pub mod pipeline_run;
pub mod template;
pub mod user_params;

use http::Method;
use serde_json::Value;

use super::cluster::{Cluster, Patience};
use super::error::ClusterError;
use crate::event::TaskState;
use kind::RunKind;

/// What to do about a run that is not there.
pub const NOT_THERE_HINT: &str = "is it the right cluster and namespace? Runs that ended well may have been deleted";
/// How often a wish is told that may not have arrived.
const TRIES: u32 = 5;

/// Asks for a run to be cancelled. Returns it as the cluster has it.
///
/// # Errors
/// When the run is not there, has ended, or the cluster cannot be reached.
pub async fn cancel(cluster: &Cluster, kind: RunKind, name: &str) -> Result<Value, ClusterError> {
    let what = format!("patch {}", kind.plural());
    let path = format!("{}/{name}", kind.collection(cluster.namespace()));
    let patch = kind.cancel_patch(name);
    let mut attempt = 0;
    loop {
        // The same wish twice is one wish: it may be repeated.
        let error = match cluster.ask(&what, Method::PATCH, &path, Some(&patch)).await {
            Ok(run) => return Ok(run),
            Err(error) => error,
        };
        attempt += 1;
        if attempt >= TRIES || !(error.is_transient() || error.code() == Some(409)) {
            return Err(error);
        }
        cluster.wait(&what, attempt, &error, Patience::Some).await;
    }
}

/// How a run stands; `None` when it is not there.
///
/// # Errors
/// When the cluster says no, or cannot be reached.
pub async fn state(cluster: &Cluster, kind: RunKind, name: &str) -> Result<Option<TaskState>, ClusterError> {
    let path = format!("{}/{name}", kind.collection(cluster.namespace()));
    match cluster.get(&format!("get {}", kind.plural()), &path, Patience::Some).await {
        Ok(run) => Ok(kind.read(run).map(|(run, _)| run.state())),
        Err(error) if error.code() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a run is there and has ended.
///
/// # Errors
/// As [`state`].
pub async fn has_ended(cluster: &Cluster, kind: RunKind, name: &str) -> Result<bool, ClusterError> {
    Ok(state(cluster, kind, name).await?.is_some_and(TaskState::is_final))
}

/// Deletes a run, and with it everything that it made. One that is gone already is fine.
///
/// # Errors
/// When the cluster says no, or cannot be reached.
pub async fn delete(cluster: &Cluster, kind: RunKind, name: &str) -> Result<(), ClusterError> {
    let path = kind.whole(cluster.namespace(), name);
    match cluster.ask(&format!("delete {}", kind.plural()), Method::DELETE, &path, None).await {
        Err(error) if error.code() != Some(404) => Err(error),
        _ => Ok(()),
    }
}
