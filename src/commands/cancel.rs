//! `cancel`: cancel a build and see it end.

use crate::cli::CancelArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuilderKind, Outcome, TaskId};
use crate::exit_code::ExitCode;
use crate::koji::api;
use crate::koji::watch::watch;
use crate::report::LogView;

use super::watch::Build;
use super::{Context, koji_build, koji_hub};

/// `cancel [ID|URL]`, `cancel --last`. Success means that the build is cancelled.
///
/// # Errors
/// When it is not said what to cancel, the hub refuses, or the build ended otherwise.
pub async fn run(context: &Context, arguments: &CancelArgs) -> Result<ExitCode> {
    let build = Build::find(context, arguments.build.as_ref())?;
    let view = LogView { none: true, ..LogView::default() };
    let outcome = context
        .reporting(view.clone(), async |events| {
            let mut session = koji_hub::connect(&build.profile, events.clone());
            koji_hub::log_in(&mut session, &build.profile, &context.globals, &context.environment).await?;
            let cancelled = session.call(&api::cancel_task(build.task)).await;
            session.log_out().await;
            cancelled?;
            let options = koji_build::watch_options(&build.profile, &view, None);
            let url = options.links.task(build.task);
            events.send(BuildEvent::Attached { builder: BuilderKind::Koji, id: TaskId::from(build.task), url }).await;
            let mut interrupt = context.interrupt.clone();
            let watched = watch(&mut session, build.task, options, &mut interrupt).await;
            koji_build::finish(&session, build.task, watched, context).await
        })
        .await?;
    match outcome.outcome {
        Outcome::Cancelled => Ok(ExitCode::Success),
        Outcome::Detached => Ok(ExitCode::Detached),
        Outcome::Succeeded | Outcome::Failed => {
            Err(Error::new(ErrorKind::Server, TooLate { task: build.task, outcome: outcome.outcome }))
        }
    }
}

/// The build had ended before it could be cancelled.
#[derive(Debug, thiserror::Error)]
#[error("task {task} was not cancelled: it had {} already", match outcome { Outcome::Succeeded => "succeeded", _ => "failed" })]
struct TooLate {
    task: i64,
    outcome: Outcome,
}
