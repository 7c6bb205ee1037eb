//! Cancelling a task, and knowing whether it was done.
//!
//! A lost answer is no answer: the task itself tells. Cancelling twice does no more than cancelling once, so that a task
//! that is found still at work may be cancelled again.

use super::api::{self, TaskInfo};
use super::call::Posted;
use super::session::{Failed, Session, SessionError};
use crate::error::{Error, ErrorKind};

/// How often a task is cancelled that a lost call has not cancelled.
const ROUNDS: u32 = 2;

/// Why it cannot be said that a task was cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// It certainly was not.
    #[error(transparent)]
    NotDone(#[from] SessionError),
    /// The hub may have cancelled it.
    #[error("it is not known whether task {task} was cancelled")]
    NotKnown {
        /// The task.
        task: i64,
        /// What happened last.
        source: SessionError,
    },
}

impl From<CancelError> for Error {
    fn from(error: CancelError) -> Error {
        match error {
            CancelError::NotDone(error) => error.into(),
            error @ CancelError::NotKnown { .. } => {
                Error::new(ErrorKind::Network, error).hint("cancel it again: that does no harm")
            }
        }
    }
}

/// Cancels a task and what it has started. A task that has ended already is left as it is, and that is no error: how it ended
/// is what there is to tell.
///
/// # Errors
/// When the hub refuses, or it is not known whether it did it.
pub async fn cancel(session: &mut Session, task: i64) -> Result<(), CancelError> {
    let posted = Posted::call(&api::cancel_task(task)).map_err(SessionError::from)?;
    let mut round = 1;
    loop {
        let Err(Failed { error, may_have_run }) = session.change(&posted).await else { return Ok(()) };
        if error.says_done() {
            return Ok(());
        }
        if !may_have_run {
            return Err(error.into());
        }
        match ended(session, task).await {
            Ok(true) => return Ok(()),
            Ok(false) if round < ROUNDS => round += 1,
            Ok(false) | Err(_) => return Err(CancelError::NotKnown { task, source: error }),
        }
    }
}

async fn ended(session: &mut Session, task: i64) -> Result<bool, SessionError> {
    let answer = session.call(&api::get_task_info(task, false)).await?;
    Ok(TaskInfo::from_value(&answer)?.is_some_and(|info| info.state.is_final()))
}
