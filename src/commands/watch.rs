//! `watch`: attach to a build that runs, or look at one that has ended.

use crate::builder::Interrupted;
use crate::cli::WatchArgs;
use crate::error::Result;

use super::at::at;
use super::watching::watched;
use super::which::Which;
use super::{Context, End};

/// `watch [ID|URL]`, `watch --last`.
///
/// # Errors
/// When it is not said what to watch, or the server cannot be asked.
pub(super) async fn run(context: &Context, arguments: &WatchArgs) -> Result<End> {
    let own = arguments.own_options();
    let which = Which { build: arguments.build.as_ref(), builder: arguments.build_with.as_ref() };
    let logs = context.logs(&arguments.follow, &arguments.arch, arguments.tail);
    at(context, &own, which, async |at| {
        // Nothing was created here: until something was seen of the build, an error is just that, and a signal, too.
        let outcome = match (at.watch(context, &logs).await, context.interrupt.signal()) {
            (Err(error), _) if !context.events.saw_build() => return Err(error.about(at.build.clone())),
            (Ok(_), Some(signal)) if !context.events.saw_build() => return Err(Interrupted(signal).into()),
            (outcome, _) => outcome,
        };
        watched(context, at.builder.manner(), at.build.clone(), &logs, outcome).await
    })
    .await
}
