//! Submitting a build exactly once, whatever happens to the answer.
//!
//! `buildContainer` makes a new task each time it runs. When an answer is lost, the hub may or may not have run the call.
//! Then the task is looked for and adopted; only when it is not there is the call repeated, with its number, which a hub
//! refuses (fault 1009) if the lost call was carried out after all.

use super::api::{self, TaskInfo};
use super::call::{Call, Posted};
use super::fault::FaultKind;
use super::session::{Session, SessionError};
use super::xmlrpc::{Answer, Value};
use crate::event::{BuildEvent, Warning};
use crate::request::BuildRequest;

/// What was known before the submit, by which a task of ours is told from older ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Id of the newest `buildContainer` task of anybody.
    pub newest_task: Option<i64>,
    /// Our user id.
    pub user: Option<i64>,
}

impl Baseline {
    /// The calls that find it out, to be made with a session and bundled with others.
    pub fn calls() -> [Call; 2] {
        [Call::new("getLoggedInUser"), api::newest_tasks("buildContainer", None, 1)]
    }

    /// Reads the answers to [`Baseline::calls`].
    pub fn from_answers(user: Option<&Value>, tasks: Option<&Value>) -> Baseline {
        let newest = tasks.and_then(Value::as_array).and_then(<[Value]>::first);
        Baseline {
            newest_task: newest.and_then(|task| task.get("id")).and_then(Value::as_int).or(tasks.map(|_| 0)),
            user: user.and_then(|user| user.get("id")).and_then(Value::as_int),
        }
    }
}

/// Why it is not known, or not so, that a build was submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Nothing was submitted.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The hub may have taken the build, and the task could not be found or looked for.
    #[error("it is not known whether the hub took the build")]
    Unknown {
        /// What happened last.
        source: SessionError,
    },
    /// The hub says it took the build, and the task is not to be found.
    #[error("the hub says it took the build, but the task is not among the newest of yours")]
    NotFound,
}

/// Submits the build and gives the task's id.
///
/// # Errors
/// [`SubmitError::Session`] when nothing was submitted.
pub async fn submit(session: &mut Session, request: &BuildRequest, baseline: Baseline) -> Result<i64, SubmitError> {
    let call = api::build_container(request);
    let posted = Posted::call(&call).map_err(SessionError::from)?;
    let mut number = session.take_number();
    let mut attempts = session.attempts();
    let mut may_have_run = false;
    let mut fresh_login = false;
    loop {
        let outcome = session.attempt(&posted, number).await;
        let Some(answer) = settle(session, &call, outcome, &mut attempts, &mut may_have_run).await? else {
            if may_have_run && let Some(task) = look(session, &call, baseline).await? {
                return Ok(task);
            }
            continue;
        };
        match answer {
            Ok(value) => {
                session.answered_well().await;
                let unexpected = || SessionError::Unexpected {
                    operation: "buildContainer",
                    what: "the answer is no task id".into(),
                };
                return Ok(value.as_int().ok_or_else(unexpected)?);
            }
            Err(fault) if fault.kind() == FaultKind::Retry => {
                return look(session, &call, baseline).await?.ok_or(SubmitError::NotFound);
            }
            Err(fault)
                if matches!(fault.kind(), FaultKind::AuthExpired | FaultKind::Auth)
                    && session.is_logged_in()
                    && !fresh_login =>
            {
                // The fault comes before the hub runs anything, so only an earlier attempt can have made a task.
                session.log_in_again(fault.kind()).await?;
                fresh_login = true;
                if may_have_run && let Some(task) = look(session, &call, baseline).await? {
                    return Ok(task);
                }
                number = session.take_number();
            }
            Err(fault) => {
                let error = SessionError::Fault { operation: call.method, fault };
                if may_have_run && let Some(task) = look(session, &call, baseline).await? {
                    return Ok(task);
                }
                return Err(error.into());
            }
        }
    }
}

/// Gives the answer of an attempt, or `None` after the wait before the next one.
async fn settle(
    session: &mut Session,
    call: &Call,
    outcome: Result<Answer, super::session::AttemptError>,
    attempts: &mut super::retry::Attempts,
    may_have_run: &mut bool,
) -> Result<Option<Answer>, SubmitError> {
    match outcome {
        Ok(Err(fault)) if fault.kind() == FaultKind::Offline => {
            session.pause_after_fault(call.method, fault, attempts).await?;
            Ok(None)
        }
        Ok(answer) => Ok(Some(answer)),
        Err(error) => {
            *may_have_run |= error.may_have_run();
            match session.pause(call.method, error, attempts).await {
                Ok(()) => Ok(None),
                Err(source) if *may_have_run => Err(SubmitError::Unknown { source }),
                Err(source) => Err(source.into()),
            }
        }
    }
}

/// Looks for the task that a lost call made, and tells when it is there.
///
/// The look goes through the same session, whose calls the hub runs one after the other: it cannot overtake the lost call.
async fn look(session: &mut Session, call: &Call, baseline: Baseline) -> Result<Option<i64>, SubmitError> {
    const HOW_MANY: i64 = 20;
    let tasks = session
        .call(&api::newest_tasks(call.method, baseline.user, HOW_MANY))
        .await
        .map_err(|source| SubmitError::Unknown { source })?;
    let found = tasks
        .as_array()
        .unwrap_or_default()
        .iter()
        .filter_map(|task| TaskInfo::from_value(task).ok().flatten())
        .find(|task| baseline.newest_task.is_some_and(|newest| task.id > newest) && is_request(task, call));
    if let Some(task) = &found {
        session.events().send(BuildEvent::Warned(Warning::Adopted { task: task.id.into() })).await;
    }
    Ok(found.map(|task| task.id))
}

/// Whether the task's arguments are the call's. Koji's hub stores source, target and options.
fn is_request(task: &TaskInfo, call: &Call) -> bool {
    task.request.as_deref().is_some_and(|request| request.iter().take(call.args().len()).eq(call.args()))
}
