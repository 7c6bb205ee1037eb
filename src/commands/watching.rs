//! Watching a build to its end, whether it was submitted just now or long ago.

use crate::builder::{LogChoice, Watched};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildId, Manner, Outcome};
use crate::exit_code::ExitCode;

use super::{Context, End, OutputGone, records};

/// Watches a build that goes on without us only as long as somebody reads what we tell. One on this machine is brought to its end.
pub(super) async fn read_by_somebody(
    context: &Context,
    manner: &Manner,
    watching: impl Future<Output = Result<Watched>>,
) -> Result<Watched> {
    let unread = async {
        context.events.closed().await;
        if !manner.outlives_us {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        watched = watching => watched,
        () = unread => Err(Error::new(ErrorKind::Io, OutputGone)),
    }
}

/// Ends the watching of a build that exists: notes how it ended in the list of submissions, and says the truth about one whose end was not
/// seen.
pub(super) async fn watched(
    context: &Context,
    manner: &'static Manner,
    build: BuildId,
    logs: &LogChoice,
    watched: Result<Watched>,
) -> Result<End> {
    let unanswered = logs.unanswered(&context.events.opened_logs());
    if !unanswered.is_empty() {
        context.warn(format_args!("no log of the build was shown for {}", unanswered.join(", "))).await;
    }
    let watched = watched.map_err(|error| unseen(context, manner, &build, error))?;
    let outcome = watched.outcome;
    records::ended(context, &build, outcome.outcome).await;
    let signal = context.interrupt.signal();
    if outcome.outcome == Outcome::Detached && signal.is_none() {
        return Err(unseen(context, manner, &build, Error::new(ErrorKind::Io, OutputGone)));
    }
    let stopped = signal.filter(|_| matches!(outcome.outcome, Outcome::Detached) || !manner.outlives_us);
    let code = stopped.filter(|_| outcome.outcome != Outcome::Succeeded).map(ExitCode::from);
    let code = code.or(watched.kind.map(ExitCode::from));
    Ok(End { build: Some(build), outcome: Some(outcome), code })
}

/// The error of a build that goes on without us.
fn unseen(context: &Context, manner: &Manner, build: &BuildId, error: Error) -> Error {
    let error = error.about(build.clone());
    if !manner.outlives_us {
        return error;
    }
    let program = &context.program;
    error.as_kind(ErrorKind::Unseen).hint(format!("the build goes on; come back with `{program} watch {}`", build.id))
}
