//! The list of submissions as builds come and end, the same for every builder.
//!
//! A build is submitted, or has ended, whatever becomes of the list: a full disk or a lock that nobody gives back must not make it look
//! otherwise, so that is told and no more. The list is read and written where blocking is allowed.

use crate::builder::Created;
use crate::error::Result;
use crate::event::{BuildEvent, BuildId, Outcome, Warning};
use crate::request::BuildRequest;
use crate::submissions::{Submission, Submissions};

use super::Context;
use crate::wait::blocking;

/// All of the list, oldest first.
///
/// # Errors
/// When it is there and unreadable or malformed.
pub(super) async fn list(context: &Context) -> Result<Vec<Submission>> {
    let submissions = context.environment.submissions()?;
    Ok(blocking(&context.events, "reading the list of submissions", move || submissions.list()).await??)
}

/// Puts a build into the list.
pub(super) async fn remember(context: &Context, request: &BuildRequest, build: &BuildId, created: &Created) {
    let component = match &request.namespace {
        Some(namespace) => format!("{namespace}/{}", request.repo_name),
        None => request.repo_name.clone(),
    };
    let submission = Submission {
        builder: build.builder.clone(),
        id: build.id.to_string(),
        server: build.server.clone(),
        profile: created.way.profile.clone(),
        namespace: created.way.namespace.clone(),
        config: created.way.config.clone(),
        url: created.url.clone(),
        component,
        branch: request.git_branch.clone(),
        commit: request.commit.clone(),
        target: request.target.clone(),
        submitted: jiff::Timestamp::now(),
        outcome: None,
    };
    change(context, "remembering the build for `watch --last`", move |list| list.add(submission)).await;
}

/// Notes how a build ended.
pub(super) async fn ended(context: &Context, build: &BuildId, outcome: Outcome) {
    if outcome == Outcome::Detached {
        return;
    }
    let build = build.clone();
    change(context, "remembering how the build ended", move |list| list.ended(&build, outcome)).await;
}

/// Changes the list; what keeps it from being changed is a warning.
async fn change<E>(context: &Context, what: &str, work: impl FnOnce(&Submissions) -> Result<(), E> + Send + 'static)
where
    E: std::fmt::Display + Send + 'static,
{
    let why = match context.environment.submissions() {
        Ok(list) => match blocking(&context.events, what, move || work(&list)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    context.tell(BuildEvent::Warned(Warning::Degraded { what: what.to_owned(), why })).await;
}
