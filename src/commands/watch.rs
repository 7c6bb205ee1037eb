//! `watch`: attach to a build that runs, or look at one that has ended.

use crate::builder::{Interrupted, LogChoice, Watched};
use crate::cli::WatchArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuildId, Manner, Outcome};
use crate::exit_code::ExitCode;

use super::which::{Found, Which};
use super::{Context, End, OutputGone, records};

/// `watch [ID|URL]`, `watch --last`.
///
/// # Errors
/// When it is not said what to watch, or the server cannot be asked.
pub(super) async fn run(context: &Context, arguments: &WatchArgs) -> Result<End> {
    let config = context.rpkg_config().await;
    let own = arguments.own_options();
    let setting = context.setting(config.as_ref(), &own);
    let which = Which { build: arguments.build.as_ref(), builder: arguments.build_with.as_ref() };
    let Found { builder, id, known } = which.find(context, &setting).await?;
    let mut site = builder.site(setting, known.as_ref()).await?;
    let build = BuildId { builder: builder.name(), server: site.server(), id };
    let manner = builder.manner();
    context.tell(BuildEvent::Attached { build: build.clone(), url: site.url(&build.id), manner }).await;
    let logs = context.logs(&arguments.follow, &arguments.arch, arguments.tail);
    let hold = context.interrupt.hold()?;
    let mut interrupt = context.interrupt.clone();
    let watching = site.watch(&build.id, &logs, &mut interrupt);
    let outcome = read_by_somebody(context, manner, watching).await;
    site.close().await;
    // Nothing was created here: until something was seen of the build, an error is just that, and a signal, too.
    let outcome = match (outcome, context.interrupt.signal()) {
        (Err(error), _) if !context.events.saw_build() => return Err(error.about(build)),
        (Ok(_), Some(signal)) if !context.events.saw_build() => return Err(Interrupted(signal).into()),
        (outcome, _) => outcome,
    };
    let end = watched(context, manner, build, &logs, outcome).await;
    drop(hold);
    end
}

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
