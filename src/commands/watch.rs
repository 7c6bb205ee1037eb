//! `watch`: attach to a build that runs, or look at one that has ended.

use crate::cli::{BuildRef, WatchArgs};
use crate::config::koji::KojiProfile;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuilderKind, TaskId};
use crate::exit_code::ExitCode;
use crate::koji::watch::{wants_login, watch};
use crate::submissions::Submission;

use super::{Context, exit_code, koji_build, koji_hub};

/// `watch [ID|URL]`, `watch --last`.
///
/// # Errors
/// When it is not said what to watch, or the hub cannot be asked.
pub async fn run(context: &Context, arguments: &WatchArgs) -> Result<ExitCode> {
    let build = Build::find(context, arguments.build.as_ref())?;
    let view = context.log_view(&arguments.follow, &arguments.arch);
    context
        .reporting(view.clone(), async |events| {
            let mut session = koji_hub::connect(&build.profile, events.clone());
            let options = koji_build::watch_options(&build.profile, &view, arguments.tail);
            if build.profile.force_auth {
                koji_hub::log_in(&mut session, &build.profile, &context.globals, &context.environment).await?;
            }
            let url = options.links.task(build.task);
            events.send(BuildEvent::Attached { builder: BuilderKind::Koji, id: TaskId::from(build.task), url }).await;
            let mut interrupt = context.interrupt.clone();
            let mut watched = watch(&mut session, build.task, options.clone(), &mut interrupt).await;
            if !session.is_logged_in() && watched.as_ref().is_err_and(wants_login) {
                koji_hub::log_in(&mut session, &build.profile, &context.globals, &context.environment).await?;
                watched = watch(&mut session, build.task, options, &mut interrupt).await;
            }
            session.log_out().await;
            Ok(exit_code(&koji_build::finish(&session, build.task, watched, context).await?))
        })
        .await
}

/// A build that the user points at.
pub(super) struct Build {
    /// The hub it runs on.
    pub profile: KojiProfile,
    /// Its Koji task.
    pub task: i64,
}

impl Build {
    /// Finds the build: the one named, else the one that was submitted last. Its hub is the one it was submitted to from
    /// here, else the configured one.
    pub fn find(context: &Context, build: Option<&BuildRef>) -> Result<Build> {
        let submissions = context.environment.submissions()?.list()?;
        let task = build.map(task_id).transpose()?;
        let mut watchable = submissions.iter().rev().filter(|known| known.builder != BuilderKind::Local);
        let known = watchable.find(|known| task.is_none_or(|task| known.id == task.to_string()));
        let task = match (task, known.map(|known| known.id.parse())) {
            (Some(task), _) | (None, Some(Ok(task))) => task,
            (None, Some(Err(_)) | None) => {
                return Err(Error::new(ErrorKind::Usage, WhichError::NothingSubmitted).hint(HINT));
            }
        };
        Ok(Build { profile: profile(context, known)?, task })
    }
}

fn profile(context: &Context, known: Option<&Submission>) -> Result<KojiProfile> {
    match known {
        Some(known) => context.koji_profile_named(&known.profile),
        None => context.koji_profile(&context.rpkg_config()?),
    }
}

/// What ids of builds on this machine begin with.
const LOCAL_PREFIX: &str = "local-";
const HINT: &str = "give a Koji task id or the address of its page";

/// The Koji task that is meant.
fn task_id(build: &BuildRef) -> Result<i64> {
    match build {
        BuildRef::Task(task) | BuildRef::Page { task: Some(task), .. } => Ok(*task),
        BuildRef::Page { task: None, url } => Err(no_task(url.as_str())),
        BuildRef::Name(name) => Err(no_task(name)),
    }
}

fn no_task(text: &str) -> Error {
    if text.starts_with(LOCAL_PREFIX) {
        return Error::new(ErrorKind::Usage, WhichError::Local(text.to_owned()))
            .hint("Ctrl-C cancels it where it runs; its logs are in the state folder (~/.local/state), under builds/");
    }
    Error::new(ErrorKind::Usage, WhichError::NoTask(text.to_owned())).hint(HINT)
}

/// Why it is not clear which build is meant.
#[derive(Debug, thiserror::Error)]
enum WhichError {
    /// A build on this machine.
    #[error("{0} is a build on this machine, which ends with the command that began it")]
    Local(String),
    /// The list of submissions is empty.
    #[error("nothing was submitted from here yet")]
    NothingSubmitted,
    /// Neither a number nor the address of a task's page.
    #[error("{0:?} is no Koji task id and no address of a task's page")]
    NoTask(String),
}
