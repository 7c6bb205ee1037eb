//! Bringing a build that was made elsewhere into Koji: the calls of a content generator (`kojihub.CG_Importer`).
//!
//! The order is: [`reserve`] the NVR, upload the files and `metadata.json` into one fresh folder ([`super::upload`]),
//! [`import`], [`tag`]. What was reserved and cannot be imported is given back by [`refund`].
//!
//! # When an answer is lost
//!
//! The session repeats a call with its number, and a hub that has carried it out already says so (fault 1009) instead of
//! doing it again. Then, and when no answer comes at all, the thing itself is looked at:
//!
//! * a reservation that the hub says it made is ours, but its token is gone for good: it is cancelled and made anew, in
//!   [`reserve`];
//! * the build is looked up, and only when the hub shows it as complete the import has succeeded, in [`import`];
//! * the state of a build tells whether its reservation was given back, in [`refund`];
//! * the tagging task is looked for among the newest, in [`tag`].
//!
//! When that does not help, [`ImportError::Unknown`] says so. Whoever gets it should ask [`imported`] later, and not import
//! again: the hub would refuse that anyway, for an NVR that exists.
//!
//! Composing the metadata is not done here. A token is a [`Secret`]: who has it decides about the reserved build.

use std::time::Duration;

use super::api;
use super::call::{Call, Posted};
use super::find;
use super::session::{Failed, Session, SessionError};
use super::xmlrpc::Value;
use crate::credentials::Secret;
use crate::error::ErrorKind;
use crate::request::nvr::Nvr;

/// The name that the metadata of a build has in its folder.
pub const METADATA: &str = "metadata.json";

/// Koji's `BUILD_STATES['BUILDING']`.
const BUILDING: i64 = 0;
/// Koji's `BUILD_STATES['COMPLETE']`.
const COMPLETE: i64 = 1;

/// How long an import may take beyond the session's patience: the hub sums up and moves every file.
const IMPORT_SLACK: Duration = Duration::from_secs(30 * 60);

/// Why it is not known, or not so, that a build was reserved, imported or tagged.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The hub refused, or nothing was sent.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The hub may have done it.
    #[error("it is not known whether the hub {what} {nvr}")]
    Unknown {
        /// `reserved`, `imported` or `tagged`.
        what: &'static str,
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
/// (fault 1002, [`FaultKind::NotAllowed`](super::fault::FaultKind::NotAllowed)).
pub async fn reserve(session: &mut Session, generator: &str, nvr: &Nvr) -> Result<Reservation, ImportError> {
    let call = Call::new("CGInitBuild").arg(generator).arg(fields(nvr));
    let posted = Posted::call(&call).map_err(SessionError::from)?;
    let unknown = |source| ImportError::Unknown { what: "reserved", nvr: nvr.to_string(), source };
    let answer = match session.change(&posted).await {
        Err(Failed { error, .. }) if error.says_done() => {
            cancel(session, nvr).await.map_err(unknown)?;
            session.change(&posted).await
        }
        answer => answer,
    };
    // A build that the hub says is reserved already may be so by the lost attempt, or by another process of the same user:
    // it must not be taken away from that one.
    let answer = answer.map_err(|Failed { error, may_have_run }| match may_have_run {
        true => unknown(error),
        false => error.into(),
    })?;
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
        Err(error) if !error.says_done() => Err(error),
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
    match session.change(&posted).await {
        // Old hubs say nothing.
        Ok(Value::Nil) => found(session, nvr, reservation).await,
        Ok(answer) => match build(&answer, call.method) {
            Ok(build) => Ok(build),
            Err(_) => found(session, nvr, reservation).await,
        },
        Err(Failed { error, .. }) if error.says_done() => found(session, nvr, reservation).await,
        Err(failed) => settle(session, nvr, reservation, failed).await,
    }
}

/// The build that the hub says is there.
async fn found(
    session: &mut Session,
    nvr: &Nvr,
    reservation: Option<&Reservation>,
) -> Result<ImportedBuild, ImportError> {
    let unknown = |source| ImportError::Unknown { what: "imported", nvr: nvr.to_string(), source };
    let build = imported(session, &name(nvr, reservation)).await.map_err(unknown)?;
    build.ok_or_else(|| ImportError::NotFound { operation: "CGImport", nvr: nvr.to_string() })
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
    failed: Failed,
) -> Result<ImportedBuild, ImportError> {
    let Failed { error, may_have_run } = failed;
    if !may_have_run {
        return Err(error.into());
    }
    if let Some(reservation) = reservation {
        match look(session, reservation).await {
            Ok(Some(build)) if build.state == COMPLETE => return Ok(build.build),
            // Still reserved, and the hub is at work: the refusal is of the import itself.
            Ok(Some(build)) if build.state == BUILDING && error.kind() == ErrorKind::Server => return Err(error.into()),
            _ => {}
        }
    }
    Err(ImportError::Unknown { what: "imported", nvr: nvr.to_string(), source: error })
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

/// A reserved build as it stands.
struct Standing {
    build: ImportedBuild,
    /// Koji's `BUILD_STATES`.
    state: i64,
}

async fn look(session: &mut Session, reservation: &Reservation) -> Result<Option<Standing>, SessionError> {
    let call = api::get_build(&reservation.build_id.to_string());
    let answer = session.call(&call).await?;
    let Some(state) = answer.get("state").and_then(Value::as_int) else { return Ok(None) };
    Ok(Some(Standing { build: build(&answer, call.method)?, state }))
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
    let posted = Posted::call(&call)?;
    let Err(Failed { error, may_have_run }) = session.change(&posted).await else { return Ok(()) };
    if error.says_done() {
        return Ok(());
    }
    if may_have_run
        && let Ok(Some(standing)) = look(session, reservation).await
        && standing.state == state as i64
    {
        return Ok(());
    }
    Err(error)
}

/// Asks for a tag on the build, and gives the id of the task that sets it.
///
/// # Errors
/// When the hub refuses: the tag is locked (fault 1004), or does not list the package (fault 1003).
pub async fn tag(session: &mut Session, tag: &str, build: &ImportedBuild) -> Result<i64, ImportError> {
    let call = Call::new("tagBuild").arg(tag).arg(build.id);
    let posted = Posted::call(&call).map_err(SessionError::from)?;
    let Failed { error, may_have_run } = match session.change(&posted).await {
        Ok(answer) => match answer.as_int() {
            Some(task) => return Ok(task),
            None => {
                let what = "the answer is no task id".to_owned();
                Failed { error: SessionError::Unexpected { operation: call.method, what }, may_have_run: true }
            }
        },
        Err(failed) => failed,
    };
    if !may_have_run && !error.says_done() {
        return Err(error.into());
    }
    let unknown = |source| ImportError::Unknown { what: "tagged", nvr: build.nvr.clone(), source };
    match find_tagging(session, tag, build).await.map_err(unknown)? {
        Some(task) => Ok(task),
        None if error.says_done() => Err(ImportError::NotFound { operation: call.method, nvr: build.nvr.clone() }),
        // A hub that is at work and refuses the repetition would have refused the lost attempt, too.
        None if error.kind() == ErrorKind::Server => Err(error.into()),
        None => Err(unknown(error)),
    }
}

/// Looks for the task that a lost [`tag`] has made. Its request holds the ids of tag and build; a build that was imported a
/// moment ago has no older one.
async fn find_tagging(session: &mut Session, tag: &str, build: &ImportedBuild) -> Result<Option<i64>, SessionError> {
    let tag = session.call(&Call::new("getTag").arg(tag)).await?;
    let tag = tag.get("id").and_then(Value::as_int);
    let user = session.call(&Call::new("getLoggedInUser")).await?;
    let user = user.get("id").and_then(Value::as_int);
    find::task(session, "tagBuild", user, 0, |request| {
        let argument = |at: usize| request.get(at).and_then(Value::as_int);
        tag.is_some() && argument(0) == tag && argument(1) == Some(build.id)
    })
    .await
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
