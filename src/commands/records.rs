//! The list of submissions as builds come and end, the same for every builder.
//!
//! A build is submitted, or has ended, whatever becomes of the list: a full disk must not make it look otherwise, so it is told and no
//! more.

use crate::event::{BuildEvent, BuildOutcome, BuilderKind, EventSender, Outcome};
use crate::request::BuildRequest;
use crate::submissions::Submission;

use super::Environment;

/// A submission of a request; what only some builders have is not set.
pub fn submission(request: &BuildRequest, builder: BuilderKind, id: String, server: String) -> Submission {
    let component = match &request.namespace {
        Some(namespace) => format!("{namespace}/{}", request.repo_name),
        None => request.repo_name.clone(),
    };
    Submission {
        builder,
        id,
        server,
        profile: String::new(),
        namespace: None,
        config: None,
        url: None,
        component,
        branch: request.git_branch.clone(),
        commit: request.commit.clone(),
        target: request.target.clone(),
        submitted: jiff::Timestamp::now(),
        outcome: None,
    }
}

/// Puts a submission into the list. `reader` is the sub-command that will miss it when that fails.
pub async fn remember(environment: &Environment, events: &EventSender, submission: Submission, reader: &str) {
    let kept = environment.submissions().and_then(|submissions| submissions.add(submission));
    if let Err(error) = kept {
        super::degraded(events, &format!("remembering the build for `{reader}`"), &error).await;
    }
}

/// Notes how a build on a server ended, and tells it: the last event.
pub async fn ended(environment: &Environment, events: &EventSender, server: &str, outcome: &BuildOutcome) {
    if outcome.outcome != Outcome::Detached {
        let submissions = environment.submissions();
        let noted = submissions.and_then(|list| list.ended(server, &outcome.id.0, outcome.outcome));
        if let Err(error) = noted {
            super::degraded(events, "remembering how the build ended", &error).await;
        }
    }
    events.send(BuildEvent::Finished(Box::new(outcome.clone()))).await;
}
