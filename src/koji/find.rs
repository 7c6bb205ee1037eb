//! Finding the task that a call has made whose answer was lost.
//!
//! The look goes through the session of the lost call, whose calls a hub runs one after the other (it locks the session's row):
//! it cannot overtake a call that has reached the hub.

use super::api;
use super::session::{Session, SessionError};
use super::xmlrpc::Value;

/// How many tasks are listed at once.
const PAGE: i64 = 20;
/// How many pages are looked through.
const PAGES: i64 = 5;

/// Looks through the tasks of `method` that `owner` has made after the task `newest`, from the newest on, for one with the
/// arguments that are `wanted`.
///
/// The arguments are asked for task by task: what one task holds may keep the hub from telling about it, and then the others
/// are still looked at.
///
/// # Errors
/// When the hub cannot be asked; or it is not found, and could be one of those that the hub did not tell about.
pub(super) async fn task(
    session: &mut Session,
    method: &'static str,
    owner: Option<i64>,
    newest: i64,
    wanted: impl Fn(&[Value]) -> bool,
) -> Result<Option<i64>, SessionError> {
    let mut untold = None;
    for page in 0..PAGES {
        let answer = session.call(&api::newest_tasks(method, owner, PAGE, page * PAGE)).await?;
        let ids = api::task_ids(&answer);
        for id in &ids {
            if *id <= newest {
                return untold.map_or(Ok(None), Err);
            }
            match arguments(session, *id).await {
                Ok(arguments) if wanted(&arguments) => return Ok(Some(*id)),
                Ok(_) => {}
                Err(error @ (SessionError::Fault { .. } | SessionError::Unexpected { .. })) => untold = Some(error),
                Err(error) => return Err(error),
            }
        }
        if ids.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            return untold.map_or(Ok(None), Err);
        }
    }
    let what = format!("more than {} tasks that were made since", PAGES * PAGE);
    Err(SessionError::Unexpected { operation: "listTasks", what })
}

async fn arguments(session: &mut Session, task: i64) -> Result<Vec<Value>, SessionError> {
    let call = api::get_task_info(task, true);
    let answer = session.call(&call).await?;
    let arguments = answer.get("request").and_then(Value::as_array).map(<[Value]>::to_vec);
    arguments
        .ok_or_else(|| SessionError::Unexpected { operation: call.method, what: format!("no request of task {task}") })
}
