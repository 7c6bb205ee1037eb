//! Finding the task that a call has made whose answer was lost.
//!
//! The look goes through the session of the lost call, whose calls a hub runs one after the other (it locks the session's row):
//! it cannot overtake a call that has reached the hub.

use super::api::{self, TaskInfo};
use super::session::{Session, SessionError};
use super::xmlrpc::Value;
use crate::error::ErrorKind;

/// How many tasks are listed at once.
const PAGE: i64 = 20;
/// How many pages are looked through.
const PAGES: i64 = 5;

/// Looks through the tasks of `method` that `owner` has made after the task `newest`, from the newest on, for one with the
/// arguments that are `wanted`.
///
/// The arguments are asked for task by task. What another task holds may keep the hub from telling about it; such a task is
/// none that was made a moment ago, and is passed over.
///
/// # Errors
/// When the hub cannot be asked, or there are too many tasks to be sure.
pub(super) async fn task(
    session: &mut Session,
    method: &'static str,
    owner: Option<i64>,
    newest: i64,
    wanted: impl Fn(&[Value]) -> bool,
) -> Result<Option<i64>, SessionError> {
    for page in 0..PAGES {
        let answer = session.call(&api::newest_tasks(method, owner, PAGE, page * PAGE)).await?;
        let ids = api::task_ids(&answer);
        for id in &ids {
            if *id <= newest {
                return Ok(None);
            }
            if arguments(session, *id).await?.is_some_and(|arguments| wanted(&arguments)) {
                return Ok(Some(*id));
            }
        }
        if ids.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            return Ok(None);
        }
    }
    let what = format!("more than {} tasks that were made since", PAGES * PAGE);
    Err(SessionError::Unexpected { operation: "listTasks", what })
}

/// A task's arguments; `None` when the hub refuses to tell them.
async fn arguments(session: &mut Session, task: i64) -> Result<Option<Vec<Value>>, SessionError> {
    match session.call(&api::get_task_info(task, true)).await {
        Ok(answer) => Ok(TaskInfo::from_value(&answer).ok().flatten().and_then(|info| info.request)),
        Err(error @ SessionError::Fault { .. }) if error.kind() == ErrorKind::Server => Ok(None),
        Err(error) => Err(error),
    }
}
