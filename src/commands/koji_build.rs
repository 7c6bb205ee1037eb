//! Building on Koji: ask what the builder would refuse, submit once, watch.

use std::path::Path;

use crate::builder::Interrupt;
use crate::cli::Globals;
use crate::config::koji::KojiProfile;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuildOutcome, BuilderKind, EventSender, TaskId};
use crate::koji::questions::{self, Answers, Questions};
use crate::koji::session::Session;
use crate::koji::submit::{self, Baseline, SubmitError};
use crate::koji::watch::{self, WatchError, WatchOptions};
use crate::request::BuildRequest;
use crate::request::check::FileReport;
use crate::request::findings::Finding;
use crate::submissions::Submission;

use super::environment::Environment;
use super::koji_hub;

/// What a build on Koji needs besides the request.
pub struct KojiBuild<'a> {
    /// The hub.
    pub profile: &'a KojiProfile,
    /// Login options.
    pub globals: &'a Globals,
    /// Folders.
    pub environment: &'a Environment,
}

impl KojiBuild<'_> {
    /// Asks the hub what it would refuse. Logs in only when `login` says so.
    ///
    /// # Errors
    /// When the hub cannot be asked.
    pub async fn ask(
        &self,
        session: &mut Session,
        request: &BuildRequest,
        files: &FileReport,
    ) -> Result<Answers> {
        let questions = Questions::of(request, files, self.environment.targets());
        Ok(questions::ask(session, &questions).await?)
    }

    /// Submits and remembers the submission. The hub's id of the task comes back.
    ///
    /// # Errors
    /// When the hub refuses, or it is not known whether it took the build.
    pub async fn submit(&self, session: &mut Session, request: &BuildRequest, baseline: Baseline) -> Result<i64> {
        let task = submit::submit(session, request, baseline).await.map_err(|error| self.not_submitted(error, request))?;
        let url = koji_hub::links(self.profile).task(task);
        self.remember(session.events(), request, task, url.clone()).await;
        session.events().send(BuildEvent::Submitted { builder: BuilderKind::Koji, id: TaskId::from(task), url }).await;
        Ok(task)
    }

    async fn remember(&self, events: &EventSender, request: &BuildRequest, task: i64, url: Option<String>) {
        let component = match &request.namespace {
            Some(namespace) => format!("{namespace}/{}", request.repo_name),
            None => request.repo_name.clone(),
        };
        let submission = Submission {
            builder: BuilderKind::Koji,
            id: task.to_string(),
            server: self.profile.server.to_string(),
            profile: self.profile.name.clone(),
            url,
            component,
            branch: request.git_branch.clone(),
            commit: request.commit.clone(),
            target: request.target.clone(),
            submitted: jiff::Timestamp::now(),
            outcome: None,
        };
        // The build is submitted whatever becomes of our list: a full disk must not make it look otherwise.
        let kept = self.environment.submissions().and_then(|submissions| submissions.add(submission));
        if let Err(error) = kept {
            super::degraded(events, "remembering the build for `watch --last`", &error).await;
        }
    }

    fn not_submitted(&self, error: SubmitError, request: &BuildRequest) -> Error {
        match error {
            SubmitError::Session(error) => error.into(),
            error @ (SubmitError::Unknown { .. } | SubmitError::NotFound) => {
                let page = format!("{}/tasks?method=buildContainer&order=-id", self.profile.weburl);
                Error::new(ErrorKind::Network, error)
                    .hint(format!("look for {} at {page} before submitting again", request.source))
            }
        }
    }
}

/// Watches a task to its end and notes the end in the list of submissions.
///
/// # Errors
/// When the hub stays unreachable, or does not know the task.
pub async fn watch_task(
    session: &mut Session,
    task: i64,
    options: WatchOptions,
    interrupt: &mut Interrupt,
    environment: &Environment,
) -> Result<BuildOutcome> {
    let server = session.server().to_owned();
    let outcome = watch::watch(session, task, options, interrupt).await.map_err(|error| watching_failed(error, task))?;
    if outcome.outcome != crate::event::Outcome::Detached {
        let noted = environment
            .submissions()
            .and_then(|submissions| submissions.ended(&server, &task.to_string(), outcome.outcome));
        if let Err(error) = noted {
            super::degraded(session.events(), "remembering how the build ended", &error).await;
        }
    }
    session.events().send(BuildEvent::Finished(outcome.clone())).await;
    Ok(outcome)
}

fn watching_failed(error: WatchError, task: i64) -> Error {
    match error {
        WatchError::Session(error) => {
            let error = Error::from(error);
            if error.kind() == ErrorKind::Network {
                return error.hint(format!("the build goes on; come back with `fedpkg-container-build watch {task}`"));
            }
            error
        }
        error @ WatchError::NoSuchTask(_) => {
            Error::new(ErrorKind::Server, error).hint("is it the right Koji profile? `config show` tells which is used")
        }
    }
}

/// The folder whose files are checked and, for `gating.yaml`, sent to Greenwave.
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
