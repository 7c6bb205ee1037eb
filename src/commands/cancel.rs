//! `cancel`: cancel a build and see it end.

use crate::builder::{LogChoice, Unhappened};
use crate::cli::CancelArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuildId, Outcome};
use crate::exit_code::ExitCode;

use super::watch::{read_by_somebody, watched};
use super::which::{Found, Which};
use super::{Context, End, said};

/// `cancel [ID|URL]`, `cancel --last`. Success means that the build is cancelled.
///
/// # Errors
/// When it is not said what to cancel, the server refuses, or the build ended otherwise.
pub(super) async fn run(context: &Context, arguments: &CancelArgs) -> Result<End> {
    let config = context.rpkg_config().await;
    let own = arguments.own_options();
    let setting = context.setting(config.as_ref(), &own);
    let which = Which { build: arguments.build.as_ref(), builder: arguments.build_with.as_ref() };
    let Found { builder, id, known } = which.find(context, &setting).await?;
    let mut site = builder.site(setting, known.as_ref()).await?;
    let build = BuildId { builder: builder.name(), server: site.server(), id };
    let cancelled = said(context, format!("{} to cancel the build", site.server()), site.cancel(&build.id)).await;
    cancelled.map_err(|error| not_cancelled(error, &build))?;
    let hold = context.interrupt.hold()?;
    let manner = builder.manner();
    context.tell(BuildEvent::Attached { build: build.clone(), url: site.url(&build.id), manner }).await;
    let mut interrupt = context.interrupt.clone();
    let logs = LogChoice::nothing();
    let outcome = read_by_somebody(context, manner, site.watch(&build.id, &logs, &mut interrupt)).await;
    let end = watched(context, manner, build.clone(), &logs, outcome).await;
    site.close().await;
    drop(hold);
    let end = end?;
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
