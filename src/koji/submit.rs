//! Submitting a build exactly once, whatever happens to the answer.
//!
//! `buildContainer` makes a new task each time it runs. When an answer is lost, the hub may or may not have run the call.
//! Then the task is looked for and adopted; only when it is not there is the call repeated, with its number, which a hub
//! refuses (fault 1009) if the lost call was carried out after all.

use super::api;
use super::call::{Call, Posted};
use super::fault::FaultKind;
use super::find;
use super::session::{Session, SessionError};
use super::xmlrpc::Value;
use crate::builder::{Creation, Interrupted};
use crate::error::{Error, ErrorKind};
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
        [Call::new("getLoggedInUser"), api::newest_tasks("buildContainer", None, 1, 0)]
    }

    /// Reads the answers to [`Baseline::calls`].
    pub fn from_answers(user: Option<&Value>, tasks: Option<&Value>) -> Baseline {
        Baseline {
            newest_task: tasks.map(|tasks| api::task_ids(tasks).first().copied().unwrap_or(0)),
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
    /// The process was asked to end before anything was sent.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
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

impl SubmitError {
    /// Whether it is certain that nothing was submitted.
    pub fn is_certain(&self) -> bool {
        matches!(self, SubmitError::Session(_) | SubmitError::Interrupted(_))
    }
}

impl From<SubmitError> for Error {
    fn from(error: SubmitError) -> Error {
        match error {
            // Nothing was made: a working hub that says no to a build refuses it.
            SubmitError::Session(error) if error.kind() == ErrorKind::Server => Error::new(ErrorKind::Refused, error),
            SubmitError::Session(error) => error.into(),
            SubmitError::Interrupted(interrupted) => interrupted.into(),
            error @ (SubmitError::Unknown { .. } | SubmitError::NotFound) => Error::new(ErrorKind::Unseen, error),
        }
    }
}

/// Submits the build and gives the task's id.
///
/// # Errors
/// [`SubmitError::Session`] when nothing was submitted.
pub async fn submit(
    session: &mut Session,
    request: &BuildRequest,
    baseline: Baseline,
    creation: &mut Creation,
) -> Result<i64, SubmitError> {
    let call = api::build_container(request);
    let posted = Posted::call(&call).map_err(SessionError::from)?;
    let mut number = session.take_number();
    let mut attempts = session.attempts();
    let mut submission = Submission { session, call, baseline, may_have_run: false };
    let mut fresh_login = false;
    loop {
        creation.begins()?;
        let outcome = submission.session.attempt(&posted, number).await;
        let paused = match outcome {
            Ok(Ok(value)) => return submission.answered(&value).await,
            Ok(Err(fault)) => match fault.kind() {
                FaultKind::Retry => return submission.look().await?.ok_or(SubmitError::NotFound),
                FaultKind::AuthExpired | FaultKind::Auth if submission.session.is_logged_in() && !fresh_login => {
                    submission.may_be_given_up(creation);
                    // The fault comes before the hub runs anything, so only an earlier attempt can have made a task.
                    fresh_login = true;
                    let mended = submission.session.log_in_again(fault.kind()).await;
                    number = submission.session.take_number();
                    mended
                }
                kind => {
                    // A database may fail in the moment of committing.
                    submission.may_have_run |= kind == FaultKind::Database;
                    submission.may_be_given_up(creation);
                    submission.session.pause_after_fault(&posted, fault, &mut attempts).await
                }
            },
            Err(error) => {
                submission.may_have_run |= error.may_have_run();
                submission.may_be_given_up(creation);
                submission.session.pause(posted.operation, error, &mut attempts).await
            }
        };
        if let Err(error) = paused {
            return submission.given_up(error).await;
        }
        if submission.may_have_run
            && let Some(task) = submission.look().await?
        {
            return Ok(task);
        }
    }
}

/// A build on its way.
struct Submission<'a> {
    session: &'a mut Session,
    call: Call,
    baseline: Baseline,
    /// Whether the hub may have carried out an attempt that brought no answer.
    may_have_run: bool,
}

impl Submission<'_> {
    /// While it is certain that no attempt was carried out, the user may still say no.
    fn may_be_given_up(&self, creation: &mut Creation) {
        if !self.may_have_run {
            creation.nothing_happened();
        }
    }

    /// Takes the task's id out of the answer. An answer that holds none is as good as a lost one.
    async fn answered(&mut self, value: &Value) -> Result<i64, SubmitError> {
        self.session.answered_well().await;
        if let Some(task) = value.as_int() {
            return Ok(task);
        }
        self.may_have_run = true;
        let what = "the answer is no task id".to_owned();
        self.given_up(SessionError::Unexpected { operation: self.call.method, what }).await
    }

    /// Decides what a submit was that ends in an error.
    async fn given_up(&mut self, error: SessionError) -> Result<i64, SubmitError> {
        if !self.may_have_run {
            return Err(error.into());
        }
        match self.look().await? {
            Some(task) => Ok(task),
            // A hub that is at work and refuses the repetition would have refused the lost attempt, too.
            None if error.kind() == ErrorKind::Server => Err(error.into()),
            None => Err(SubmitError::Unknown { source: error }),
        }
    }

    /// Looks for the task that a lost attempt made, and tells when it is there.
    ///
    /// Another process of the same user may submit the same build in the same moment. Then it does not matter whose task is
    /// taken: both are the build that was asked for, and a hub that has only one of them makes one build of it.
    async fn look(&mut self) -> Result<Option<i64>, SubmitError> {
        let unknown = |source| SubmitError::Unknown { source };
        let Baseline { newest_task: Some(newest), user: Some(user) } = self.baseline else {
            let what = "no list of the tasks before it, by which to tell the new one".to_owned();
            return Err(unknown(SessionError::Unexpected { operation: "listTasks", what }));
        };
        let arguments = self.call.args();
        // Koji's hub stores source, target and options.
        let is_ours = |request: &[Value]| request.iter().take(arguments.len()).eq(arguments);
        let found = find::task(self.session, self.call.method, Some(user), newest, is_ours).await.map_err(unknown)?;
        if let Some(task) = found {
            self.session.events().send(BuildEvent::Warned(Warning::Adopted { task: task.into() })).await;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::koji::fault::Fault;

    #[test]
    fn a_hubs_no_to_a_build_refuses_it_and_its_silence_does_not() {
        let kind = |code, text: &str| {
            let fault = Fault { code, text: text.to_owned() };
            let error = SessionError::Fault { operation: "buildContainer", fault };
            Error::from(SubmitError::from(error)).kind()
        };
        assert_eq!(kind(1000, "No such channel: x"), ErrorKind::Refused);
        assert_eq!(kind(1014, "server is offline"), ErrorKind::Network);
    }
}
