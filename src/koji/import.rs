//! Bringing a build that was made elsewhere into Koji: the calls of a content generator (`kojihub.CG_Importer`).
//!
//! The order is: [`reserve`] the NVR, upload the files and `metadata.json` into one fresh folder ([`super::upload`]),
//! [`import`], [`tag`]. What was reserved and cannot be imported is given back by [`refund`].
//!
//! # When an answer is lost
//!
//! The session repeats a call with its number, and a hub that has carried it out already says so (fault 1009) instead of
//! doing it again. Then:
//!
//! * the reservation is ours, but its token is gone for good: it is cancelled and made anew, in [`reserve`];
//! * the build is looked up, and only when the hub shows it as complete the import has succeeded, in [`import`];
//! * the refund is done;
//! * the tagging task is looked for among the newest, in [`tag`].
//!
//! When no answer comes at all, [`ImportError::Unknown`] says so. Whoever gets it should ask [`imported`] later, and not
//! import again: the hub would refuse that anyway, for an NVR that exists.
//!
//! Composing the metadata is not done here. A token is a [`Secret`]: who has it decides about the reserved build.

use std::time::Duration;

use super::api;
use super::call::{Call, Posted};
use super::fault::FaultKind;
use super::session::{Session, SessionError};
use super::xmlrpc::Value;
use crate::credentials::Secret;
use crate::request::nvr::Nvr;

/// The name that the metadata of a build has in its folder.
pub const METADATA: &str = "metadata.json";

/// Koji's `BUILD_STATES['COMPLETE']`.
const COMPLETE: i64 = 1;

/// How long an import may take beyond the session's patience: the hub sums up and moves every file.
const IMPORT_SLACK: Duration = Duration::from_secs(30 * 60);

/// How many tasks are looked at when the answer to [`tag`] was lost.
const NEWEST: i64 = 50;

/// Why it is not known, or not so, that a build was reserved, imported or tagged.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The hub refused, or nothing was sent.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The hub may have imported the build.
    #[error("it is not known whether the hub imported {nvr}")]
    Unknown {
        /// The build.
        nvr: String,
        /// What happened last.
        source: SessionError,
    },
    /// The hub says the call was carried out, and what it should have made is not there.
    #[error("the hub says it carried {operation} out for {nvr}, but does not show it")]
    NotFound {
        /// The hub's name of the call.
        operation: &'static str,
        /// The build.
        nvr: String,
    },
}

/// An NVR that is kept for us: a build in state `BUILDING`.
#[derive(Debug)]
pub struct Reservation {
    /// The build's id, which belongs into the metadata as `build_id`.
    pub build_id: i64,
    /// What proves that it is ours.
    pub token: Secret,
}

/// A build that is in Koji.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedBuild {
    /// Its id.
    pub id: i64,
    /// Its name there.
    pub nvr: String,
}

/// What becomes of a reserved build that is not imported. Either way its NVR can be reserved again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundState {
    /// Koji's `BUILD_STATES['FAILED']`.
    Failed = 3,
    /// Koji's `BUILD_STATES['CANCELED']`.
    Canceled = 4,
}

/// Asks for the release that follows the newest build of this name and version; `1` for the first one.
///
/// # Errors
/// When the hub cannot count on from the release that is there (fault 1005).
pub async fn next_release(session: &mut Session, name: &str, version: &str) -> Result<String, SessionError> {
    let build = Value::record([("name", name.into()), ("version", version.into())]);
    let call = Call::new("getNextRelease").arg(build);
    let answer = session.call(&call).await?;
    let text = answer.as_str().map(str::to_owned);
    text.ok_or_else(|| SessionError::Unexpected { operation: call.method, what: "the release is no text".to_owned() })
}

/// Reserves an NVR for the content generator `generator`.
///
/// # Errors
/// When the hub refuses: the build exists or is reserved (fault 1000), or the user may not use the content generator
/// (fault 1002, [`FaultKind::NotAllowed`]).
pub async fn reserve(session: &mut Session, generator: &str, nvr: &Nvr) -> Result<Reservation, ImportError> {
    let call = Call::new("CGInitBuild").arg(generator).arg(fields(nvr));
    let answer = match session.call(&call).await {
        Err(error) if carried_out(&error) => {
            cancel(session, nvr).await?;
            session.call(&call).await?
        }
        answer => answer?,
    };
    let id = answer.get("build_id").and_then(Value::as_int);
    let token = answer.get("token").and_then(Value::as_str).map(Secret::new);
    let (Some(build_id), Some(token)) = (id, token) else {
        let what = "no build_id and token".to_owned();
        return Err(SessionError::Unexpected { operation: call.method, what }.into());
    };
    Ok(Reservation { build_id, token })
}

/// Cancels a reservation of this very session whose token was lost. Owners may do that without a token.
async fn cancel(session: &mut Session, nvr: &Nvr) -> Result<(), SessionError> {
    match session.call(&Call::new("cancelBuild").arg(nvr.to_string().as_str())).await {
        Err(error) if !carried_out(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Imports what was uploaded into `folder`, as its [`METADATA`] says, which is about `nvr`.
///
/// # Errors
/// The hub's refusal; nothing is imported then. [`ImportError::Unknown`] when the answer was lost.
pub async fn import(
    session: &mut Session,
    folder: &str,
    nvr: &Nvr,
    reservation: Option<&Reservation>,
) -> Result<ImportedBuild, ImportError> {
    let mut call = Call::new("CGImport").arg(METADATA).arg(folder);
    if let Some(reservation) = reservation {
        call = call.arg(reservation.token.expose());
    }
    let mut posted = Posted::call(&call).map_err(SessionError::from)?;
    posted.slack = IMPORT_SLACK;
    match session.exchange(&posted).await {
        // Old hubs say nothing.
        Ok(Value::Nil) => find(session, nvr, reservation).await,
        Ok(answer) => Ok(build(&answer, call.method)?),
        Err(error) if carried_out(&error) => find(session, nvr, reservation).await,
        Err(error) => settle(session, nvr, reservation, error).await,
    }
}

/// The build that the hub says is there.
async fn find(
    session: &mut Session,
    nvr: &Nvr,
    reservation: Option<&Reservation>,
) -> Result<ImportedBuild, ImportError> {
    let unknown = |source| ImportError::Unknown { nvr: nvr.to_string(), source };
    let found = imported(session, &name(nvr, reservation)).await.map_err(unknown)?;
    found.ok_or_else(|| ImportError::NotFound { operation: "CGImport", nvr: nvr.to_string() })
}

/// Decides what an import without a good answer was.
///
/// A reserved build that is complete is our doing, because nobody else has the token: a refusal then only means that an
/// earlier attempt, the answer to which was lost, has used the reservation. Without a reservation a complete build may be
/// somebody else's.
async fn settle(
    session: &mut Session,
    nvr: &Nvr,
    reservation: Option<&Reservation>,
    error: SessionError,
) -> Result<ImportedBuild, ImportError> {
    if reservation.is_some()
        && let Ok(Some(build)) = imported(session, &name(nvr, reservation)).await
    {
        return Ok(build);
    }
    Err(match error {
        SessionError::Unreachable { .. } | SessionError::Status { .. } | SessionError::NotXmlRpc { .. } => {
            ImportError::Unknown { nvr: nvr.to_string(), source: error }
        }
        refusal => refusal.into(),
    })
}

/// How the hub is asked for the build: by its id where that is known.
fn name(nvr: &Nvr, reservation: Option<&Reservation>) -> String {
    reservation.map_or_else(|| nvr.to_string(), |reservation| reservation.build_id.to_string())
}

/// Asks for a build, by NVR or id; `None` when there is none or it is not complete.
///
/// # Errors
/// When the hub cannot be asked.
pub async fn imported(session: &mut Session, wanted: &str) -> Result<Option<ImportedBuild>, SessionError> {
    let call = api::get_build(wanted);
    let answer = session.call(&call).await?;
    if answer.get("state").and_then(Value::as_int) != Some(COMPLETE) {
        return Ok(None);
    }
    build(&answer, call.method).map(Some)
}

/// Gives a reservation back.
///
/// # Errors
/// When the hub refuses, or the build is no longer in state `BUILDING` (fault 1000).
pub async fn refund(
    session: &mut Session,
    generator: &str,
    reservation: &Reservation,
    state: RefundState,
) -> Result<(), SessionError> {
    let call = Call::new("CGRefundBuild")
        .arg(generator)
        .arg(reservation.build_id)
        .arg(reservation.token.expose())
        .arg(state as i64);
    match session.call(&call).await {
        Err(error) if !carried_out(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Asks for a tag on the build, and gives the id of the task that sets it.
///
/// # Errors
/// When the hub refuses: the tag is locked (fault 1004), or does not list the package (fault 1003).
pub async fn tag(session: &mut Session, tag: &str, build: &ImportedBuild) -> Result<i64, ImportError> {
    let call = Call::new("tagBuild").arg(tag).arg(build.id);
    match session.call(&call).await {
        Err(error) if carried_out(&error) => find_tagging(session, tag, build).await,
        answer => answer?.as_int().ok_or_else(|| {
            SessionError::Unexpected { operation: call.method, what: "the answer is no task id".to_owned() }.into()
        }),
    }
}

/// Looks for the task that a lost [`tag`] has made. Its request holds the ids of tag and build.
async fn find_tagging(session: &mut Session, tag: &str, build: &ImportedBuild) -> Result<i64, ImportError> {
    const METHOD: &str = "tagBuild";
    let tag = session.call(&Call::new("getTag").arg(tag)).await?;
    let tasks = session.call(&api::newest_tasks(METHOD, None, NEWEST)).await?;
    let is_ours = |task: &&Value| {
        let request = task.get("request").and_then(Value::as_array).unwrap_or_default();
        let argument = |at: usize| request.get(at).and_then(Value::as_int);
        argument(0).is_some() && argument(0) == tag.get("id").and_then(Value::as_int) && argument(1) == Some(build.id)
    };
    let task = tasks.as_array().unwrap_or_default().iter().find(is_ours);
    let id = task.and_then(|task| task.get("id")).and_then(Value::as_int);
    id.ok_or_else(|| ImportError::NotFound { operation: METHOD, nvr: build.nvr.clone() })
}

fn fields(nvr: &Nvr) -> Value {
    Value::record([
        ("name", nvr.name.as_str().into()),
        ("version", nvr.version.as_str().into()),
        ("release", nvr.release.as_str().into()),
        ("epoch", Value::Nil),
    ])
}

fn build(value: &Value, operation: &'static str) -> Result<ImportedBuild, SessionError> {
    let id = value.get("id").and_then(Value::as_int);
    let nvr = value.get("nvr").and_then(Value::as_str).map(str::to_owned);
    let (Some(id), Some(nvr)) = (id, nvr) else {
        return Err(SessionError::Unexpected { operation, what: "no id and nvr".to_owned() });
    };
    Ok(ImportedBuild { id, nvr })
}

/// Whether the hub says that an earlier attempt, the answer to which was lost, was carried out.
fn carried_out(error: &SessionError) -> bool {
    matches!(error, SessionError::Fault { fault, .. } if fault.kind() == FaultKind::Retry)
}
