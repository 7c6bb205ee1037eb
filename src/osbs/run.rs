//! Runs: what they are made of, and what is done with them.
//!
//! [`user_params`] and [`naming`] say what is to be built; [`template`], [`conversion`] and [`pipeline_run`] make the object of it, or
//! [`docker_build`] where there is no Tekton. [`once`] creates it; [`kind`] is what the two differ in.

pub(crate) mod conversion;
pub(crate) mod docker_build;
pub mod kind;
pub mod naming;
pub mod once;
pub mod pipeline_run;
pub mod template;
pub mod user_params;

use http::Method;
use serde_json::Value;

use super::cluster::{Cluster, Expected, Patience};
use super::error::ClusterError;
use crate::builder::Creation;
use crate::error::{Error, ErrorKind};
use crate::event::TaskState;
use kind::RunKind;
use once::{CreateError, Created};

/// What to do about a run that is not there.
pub const NOT_THERE_HINT: &str = "is it the right cluster and namespace? Runs that ended well may have been deleted";
/// How often a wish is told that may not have arrived.
const TRIES: u32 = 5;

/// Creates a run, and says whether it did. `object` is a PipelineRun, or a build config, whose first build is of `commit`.
///
/// # Errors
/// When it was not created, or it is not known whether it was.
pub async fn create(
    cluster: &Cluster,
    kind: RunKind,
    object: &Value,
    commit: &str,
    creation: &mut Creation,
) -> Result<Created, CreateError> {
    match kind {
        RunKind::Tekton(version) => pipeline_run::create(cluster, version, object, creation).await,
        RunKind::Build => docker_build::create(cluster, object, commit, creation).await,
    }
}

/// Why it cannot be said that a run was asked to end.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// It was not.
    #[error(transparent)]
    NotDone(ClusterError),
    /// It is not there (osbs-client's words).
    #[error("Pipeline run '{run}' can't be canceled, because it doesn't exist")]
    NotThere {
        /// Its name.
        run: String,
    },
    /// No answer said so, and looking at it did not help.
    #[error("it is not known whether {run} was cancelled: {}", why.why())]
    NotKnown {
        /// Its name.
        run: String,
        /// What became of the last look.
        why: Box<ClusterError>,
    },
}

impl From<CancelError> for Error {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::NotDone(error) => error.into(),
            CancelError::NotThere { .. } => Error::new(ErrorKind::Server, error).hint(NOT_THERE_HINT),
            CancelError::NotKnown { .. } => Error::new(ErrorKind::Network, error).hint("try again: it may be repeated"),
        }
    }
}

/// Sees to it that a run was asked to end, or has ended.
///
/// # Errors
/// When it was not, or it is not known.
pub async fn cancel(cluster: &Cluster, kind: RunKind, name: &str) -> Result<(), CancelError> {
    let what = format!("patch {}", kind.plural());
    let (path, patch) = (path(cluster, kind, name), kind.cancel_patch(name));
    let expected = Expected::Object { kind: kind.label(), name };
    let (mut attempt, mut is_doubtful) = (0, false);
    loop {
        // The same wish twice is one wish: it may be repeated.
        let error = match cluster.ask(&what, Method::PATCH, &path, Some(&patch), expected).await {
            Ok(_) => return Ok(()),
            Err(ClusterError::Refused { code: 404, by_api: true, .. }) => {
                return Err(CancelError::NotThere { run: name.to_owned() });
            }
            Err(error) => error,
        };
        attempt += 1;
        is_doubtful |= !error.is_certain();
        let may_be_repeated = !error.is_certain() || error.code() == Some(409) || error.is_transient();
        if attempt >= TRIES || !may_be_repeated {
            return is_cancelled(cluster, kind, name, error, is_doubtful).await;
        }
        cluster.wait(&what, attempt, Some(TRIES), &error).await;
    }
}

/// Whether a wish that has got no clear answer is known to the cluster all the same. A run that has ended takes no wishes.
async fn is_cancelled(
    cluster: &Cluster,
    kind: RunKind,
    name: &str,
    error: ClusterError,
    is_doubtful: bool,
) -> Result<(), CancelError> {
    match look(cluster, kind, name, Patience::Look).await {
        Ok(Some(run)) => {
            let is_done = kind.is_asked_to_end(&run) || kind.read(run).is_ok_and(|(run, _)| run.state().is_final());
            if is_done { Ok(()) } else { Err(CancelError::NotDone(error)) }
        }
        Ok(None) => Err(CancelError::NotThere { run: name.to_owned() }),
        Err(_) if !is_doubtful => Err(CancelError::NotDone(error)),
        Err(why) => Err(CancelError::NotKnown { run: name.to_owned(), why: Box::new(why) }),
    }
}

/// How a run stands; `None` when it is not there.
///
/// # Errors
/// When the cluster says no, or cannot be reached.
pub async fn state(cluster: &Cluster, kind: RunKind, name: &str) -> Result<Option<TaskState>, ClusterError> {
    let run = look(cluster, kind, name, Patience::Some).await?;
    Ok(run.and_then(|run| kind.read(run).ok()).map(|(run, _)| run.state()))
}

/// A run as it is; `None` when it is not there.
async fn look(cluster: &Cluster, kind: RunKind, name: &str, patience: Patience) -> Result<Option<Value>, ClusterError> {
    let expected = Expected::Object { kind: kind.label(), name };
    match cluster.object(kind.plural(), &path(cluster, kind, name), expected, patience).await {
        Ok(run) => Ok(Some(run)),
        Err(ClusterError::Refused { code: 404, by_api: true, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn path(cluster: &Cluster, kind: RunKind, name: &str) -> String {
    format!("{}/{name}", kind.collection(cluster.namespace()))
}

/// Deletes a run, and with it everything that it made. One that is gone already is fine.
///
/// # Errors
/// When the cluster says no, or does not say that it is gone.
pub async fn delete(cluster: &Cluster, kind: RunKind, name: &str) -> Result<(), ClusterError> {
    let what = format!("delete {}", kind.plural());
    let path = kind.whole(cluster.namespace(), name);
    let mut attempt = 0;
    loop {
        // What is gone cannot be deleted twice: an answer that was lost is no answer yet.
        let error = match cluster.ask(&what, Method::DELETE, &path, None, Expected::Json).await {
            Ok(_) | Err(ClusterError::Refused { code: 404, by_api: true, .. }) => return Ok(()),
            Err(error) => error,
        };
        attempt += 1;
        if attempt >= TRIES || (error.is_certain() && !error.is_transient()) {
            return Err(error);
        }
        cluster.wait(&what, attempt, Some(TRIES), &error).await;
    }
}
