//! `cancel`: cancel a build and see it end.

use crate::cli::CancelArgs;
use crate::config::koji::KojiProfile;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuildOutcome, BuilderKind, Outcome, TaskId};
use crate::exit_code::ExitCode;
use crate::koji::cancel::cancel;
use crate::koji::watch::watch;
use crate::osbs::run;
use crate::report::LogView;

use super::osbs_build::{self, ExistingRun};
use super::watch::Build;
use super::{Context, koji_build, koji_hub};

/// `cancel [ID|URL]`, `cancel --last`. Success means that the build is cancelled.
///
/// # Errors
/// When it is not said what to cancel, the server refuses, or the build ended otherwise.
pub async fn run(context: &Context, arguments: &CancelArgs) -> Result<ExitCode> {
    let build = Build::find(context, arguments.build.as_ref(), &arguments.cluster)?;
    let view = LogView { none: true, ..LogView::default() };
    let outcome = match &build {
        Build::Koji { profile, task } => on_koji(context, profile, *task, view).await?,
        Build::Osbs(run) => on_osbs(context, run, view).await?,
    };
    match outcome.outcome {
        Outcome::Cancelled => Ok(ExitCode::Success),
        Outcome::Detached => Ok(ExitCode::Detached),
        Outcome::Succeeded | Outcome::Failed => {
            Err(Error::new(ErrorKind::Server, TooLate { build: outcome.id.to_string(), outcome: outcome.outcome }))
        }
    }
}

async fn on_koji(context: &Context, profile: &KojiProfile, task: i64, view: LogView) -> Result<BuildOutcome> {
    context
        .reporting(view.clone(), async |events| {
            let mut session = koji_hub::connect(profile, events.clone());
            koji_hub::log_in(&mut session, profile, &context.globals, &context.environment).await?;
            let cancelled = cancel(&mut session, task).await;
            session.log_out().await;
            cancelled?;
            let options = koji_build::watch_options(profile, &view, None);
            let url = options.links.task(task);
            events.send(BuildEvent::Attached { builder: BuilderKind::Koji, id: TaskId::from(task), url }).await;
            let mut interrupt = context.interrupt.clone();
            let watched = watch(&mut session, task, options, &mut interrupt).await;
            koji_build::finish(&session, task, watched, context).await
        })
        .await
}

async fn on_osbs(context: &Context, existing: &ExistingRun, view: LogView) -> Result<BuildOutcome> {
    context
        .reporting(view.clone(), async |events| {
            let (cluster, kind) = existing.connect(context, events).await?;
            run::cancel(&cluster, kind, &existing.name).await?;
            osbs_build::follow(context, &cluster, kind, &existing.name, &view, None).await
        })
        .await
}

/// The build had ended before it could be cancelled.
#[derive(Debug, thiserror::Error)]
#[error("build {build} was not cancelled: it had {} already", match outcome { Outcome::Succeeded => "succeeded", _ => "failed" })]
struct TooLate {
    build: String,
    outcome: Outcome,
}
