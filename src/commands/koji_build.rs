//! Building on Koji: ask what the builder would refuse, submit once, watch.

use std::path::Path;

use crate::config::koji::KojiProfile;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuildOutcome, BuilderKind, EventSender, TaskId};
use crate::exit_code::ExitCode;
use crate::koji::api;
use crate::koji::logs::LogFilter;
use crate::koji::questions;
use crate::koji::session::Session;
use crate::koji::submit::{self, Baseline, SubmitError};
use crate::koji::watch::{WatchError, WatchOptions};
use crate::koji::xmlrpc::Value;
use crate::report::LogView;
use crate::report::text::{self, DryRun};
use crate::request::BuildRequest;
use crate::request::check::answers::Answers;
use crate::request::check::{self, FileReport};
use crate::request::findings::Finding;
use crate::submissions::Submission;

use super::environment::Environment;
use super::{Context, koji_hub, records};

/// What a build on Koji needs besides the request.
pub struct KojiBuild<'a> {
    /// The hub.
    pub profile: &'a KojiProfile,
    /// Folders.
    pub environment: &'a Environment,
}

impl KojiBuild<'_> {
    /// Asks the hub what it would refuse.
    ///
    /// # Errors
    /// When the hub cannot be asked.
    pub async fn ask(
        &self,
        session: &mut Session,
        request: &BuildRequest,
        files: &FileReport,
    ) -> Result<(Answers, Baseline)> {
        let questions = check::questions(request, files);
        Ok(questions::ask(session, &questions, &self.environment.targets()).await?)
    }

    /// Submits and remembers the submission. The hub's id of the task comes back.
    ///
    /// # Errors
    /// When the hub refuses, or it is not known whether it took the build.
    pub async fn submit(&self, session: &mut Session, request: &BuildRequest, baseline: Baseline) -> Result<i64> {
        let task =
            submit::submit(session, request, baseline).await.map_err(|error| self.not_submitted(error, request))?;
        let url = koji_hub::links(self.profile).task(task);
        self.remember(session.events(), request, task, url.clone()).await;
        session.events().send(BuildEvent::Submitted { builder: BuilderKind::Koji, id: TaskId::from(task), url }).await;
        Ok(task)
    }

    async fn remember(&self, events: &EventSender, request: &BuildRequest, task: i64, url: Option<String>) {
        let server = self.profile.server.bare().to_string();
        let submission = Submission {
            profile: self.profile.name.clone(),
            url,
            ..records::submission(request, BuilderKind::Koji, task.to_string(), server)
        };
        records::remember(self.environment, events, submission, "watch --last").await;
    }

    fn not_submitted(&self, error: SubmitError, request: &BuildRequest) -> Error {
        let is_refusal = matches!(error, SubmitError::Session(_));
        let error = Error::from(error);
        if is_refusal {
            return error;
        }
        let page = format!("{}/tasks?method=buildContainer&order=-id", self.profile.weburl);
        error.hint(format!("look for {} at {page} before submitting again", request.source))
    }
}

/// How a build on a profile's hub is watched.
pub fn watch_options(profile: &KojiProfile, view: &LogView, tail: Option<u64>) -> WatchOptions {
    WatchOptions {
        logs: LogFilter { none: view.none, names: view.names.clone(), arches: view.arches.clone() },
        tail,
        poll_interval: profile.poll_interval,
        links: koji_hub::links(profile),
    }
}

/// Ends the watching of a task: notes how it ended in the list of submissions, and tells it.
///
/// # Errors
/// The reason why watching failed.
pub async fn finish(
    session: &Session,
    task: i64,
    watched: Result<BuildOutcome, WatchError>,
    context: &Context,
) -> Result<BuildOutcome> {
    let outcome = watched.map_err(|error| watching_failed(error, task, context))?;
    records::ended(&context.environment, session.events(), session.server(), &outcome).await;
    Ok(outcome)
}

/// Prints the request and submits nothing.
///
/// # Errors
/// When nobody reads it.
pub fn dry_run(context: &Context, profile: &KojiProfile, request: &BuildRequest) -> Result<ExitCode> {
    let call = api::build_container(request);
    let json = |values: &[Value]| serde_json::Value::Array(values.iter().map(Value::to_json).collect());
    let run = DryRun {
        version: 1,
        builder: "koji",
        hub: profile.server.to_string(),
        method: call.method,
        params: json(call.args()),
        kwargs: call.named_args().iter().map(|(name, value)| (name.clone(), value.to_json())).collect(),
    };
    text::dry_run(&context.mode, &run).map_err(|source| Error::new(ErrorKind::Io, source))?;
    Ok(ExitCode::Success)
}

fn watching_failed(error: WatchError, task: i64, context: &Context) -> Error {
    let goes_on = matches!(error, WatchError::Session(_));
    let error = Error::from(error);
    if goes_on {
        return error.hint(format!("the build goes on; come back with `{} watch {task}`", context.program));
    }
    error
}

/// The error that ends a build or a check in which errors were found.
pub fn refused(findings: &[Finding], root: &Path) -> Error {
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let error = RefusedError { errors, root: root.display().to_string() };
    Error::new(ErrorKind::Refused, error).hint("--force submits all the same")
}

/// Checks found errors.
#[derive(Debug, thiserror::Error)]
#[error("the build would be refused: {errors} error(s) found in {root}")]
struct RefusedError {
    errors: usize,
    root: String,
}
