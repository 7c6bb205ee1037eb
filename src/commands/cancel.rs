//! `cancel`: cancel a build and see it end.

use crate::builder::{LogChoice, Unhappened};
use crate::cli::CancelArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildId, Outcome};
use crate::exit_code::ExitCode;
use crate::wait::said;

use super::at::{At, at};
use super::watching::watched;
use super::which::Which;
use super::{Context, End};

/// `cancel [ID|URL]`, `cancel --last`. Success means that the build is cancelled.
///
/// # Errors
/// When it is not said what to cancel, the server refuses, or the build ended otherwise.
pub(super) async fn run(context: &Context, arguments: &CancelArgs) -> Result<End> {
    let own = arguments.own_options();
    let which = Which { build: arguments.build.as_ref(), builder: arguments.build_with.as_ref() };
    at(context, &own, which, async |at| cancel(context, at).await).await
}

async fn cancel(context: &Context, at: &mut At<'_>) -> Result<End> {
    let build = at.build.clone();
    let what = format!("{} to cancel the build", at.site.server());
    said(&context.events, what, at.site.cancel(&build.id)).await.map_err(|error| not_cancelled(error, &build))?;
    at.hold(context)?;
    let logs = LogChoice::nothing();
    let outcome = at.watch(context, &logs).await;
    let end = watched(context, at.builder.manner(), build.clone(), &logs, outcome).await?;
    match end.outcome.as_ref().map(|outcome| outcome.outcome) {
        Some(Outcome::Cancelled) => Ok(End { code: Some(ExitCode::Success), ..end }),
        Some(outcome @ (Outcome::Succeeded | Outcome::Failed)) => {
            let error = TooLate { build: build.id.to_string(), outcome };
            Err(Error::new(ErrorKind::Server, error).about(build))
        }
        Some(Outcome::Detached) | None => Ok(end),
    }
}

fn not_cancelled(error: Unhappened, build: &BuildId) -> Error {
    match error {
        Unhappened::NotDone(error) => error.about(build.clone()),
        Unhappened::NotKnown(error) => {
            error.hint("it is not known whether the build was cancelled: look at it with `watch`").about(build.clone())
        }
    }
}

/// The build had ended before it could be cancelled.
#[derive(Debug, thiserror::Error)]
#[error("build {build} was not cancelled: it had {outcome} already", outcome = outcome.past_tense())]
struct TooLate {
    build: String,
    outcome: Outcome,
}
