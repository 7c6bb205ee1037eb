//! `watch`: attach to a build that runs, or look at one that has ended.

use url::Url;

use crate::cli::{BuildRef, ClusterArgs, WatchArgs};
use crate::config::koji::KojiProfile;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuilderKind, TaskId};
use crate::exit_code::ExitCode;
use crate::koji::watch::{wants_login, watch};
use crate::report::LogView;
use crate::submissions::Submission;

use super::osbs_build::{self, ExistingRun};
use super::{Context, exit_code, koji_build, koji_hub};

/// `watch [ID|URL]`, `watch --last`.
///
/// # Errors
/// When it is not said what to watch, or the server cannot be asked.
pub async fn run(context: &Context, arguments: &WatchArgs) -> Result<ExitCode> {
    let view = context.log_view(&arguments.follow, &arguments.arch);
    match Build::find(context, arguments.build.as_ref(), &arguments.cluster)? {
        Build::Koji { profile, task } => on_koji(context, &profile, task, view, arguments.tail).await,
        Build::Osbs(run) => on_osbs(context, &run, view, arguments.tail).await,
    }
}

async fn on_koji(
    context: &Context,
    profile: &KojiProfile,
    task: i64,
    view: LogView,
    tail: Option<u64>,
) -> Result<ExitCode> {
    context
        .reporting(view.clone(), async |events| {
            let mut session = koji_hub::connect(profile, events.clone());
            let options = koji_build::watch_options(profile, &view, tail);
            if profile.force_auth {
                koji_hub::log_in(&mut session, profile, &context.globals, &context.environment).await?;
            }
            let url = options.links.task(task);
            events.send(BuildEvent::Attached { builder: BuilderKind::Koji, id: TaskId::from(task), url }).await;
            let mut interrupt = context.interrupt.clone();
            let mut watched = watch(&mut session, task, options.clone(), &mut interrupt).await;
            if !session.is_logged_in() && watched.as_ref().is_err_and(wants_login) {
                koji_hub::log_in(&mut session, profile, &context.globals, &context.environment).await?;
                watched = watch(&mut session, task, options, &mut interrupt).await;
            }
            session.log_out().await;
            Ok(exit_code(&koji_build::finish(&session, task, watched, context).await?))
        })
        .await
}

async fn on_osbs(context: &Context, run: &ExistingRun, view: LogView, tail: Option<u64>) -> Result<ExitCode> {
    context
        .reporting(view.clone(), async |events| {
            let (cluster, kind) = run.connect(context, events).await?;
            Ok(exit_code(&osbs_build::follow(context, &cluster, kind, &run.name, &view, tail).await?))
        })
        .await
}

/// A build that the user points at.
pub(super) enum Build {
    /// A task on a hub.
    Koji {
        /// The hub it runs on.
        profile: Box<KojiProfile>,
        /// Its Koji task.
        task: i64,
    },
    /// A run in a cluster.
    Osbs(Box<ExistingRun>),
}

impl Build {
    /// Finds the build: the one named, else the one that was submitted last. Its server is the one it was submitted to from
    /// here, else the configured one.
    pub fn find(context: &Context, build: Option<&BuildRef>, cluster: &ClusterArgs) -> Result<Build> {
        let submissions = context.environment.submissions()?.list()?;
        let wanted = build.map(id_of).transpose()?;
        let mut watchable = submissions.iter().rev().filter(|known| known.builder != BuilderKind::Local);
        let known = watchable.find(|known| wanted.as_ref().is_none_or(|wanted| known.id == *wanted));
        let Some(id) = wanted.or_else(|| known.map(|known| known.id.clone())) else {
            return Err(Error::new(ErrorKind::Usage, WhichError::NothingSubmitted).hint(HINT));
        };
        let is_run = known.map_or(id.parse::<i64>().is_err(), |known| known.builder == BuilderKind::Osbs);
        if is_run {
            return Ok(Build::Osbs(Box::new(ExistingRun::find(&id, known, cluster))));
        }
        let task = id.parse().map_err(|_| no_task(&id))?;
        Ok(Build::Koji { profile: Box::new(profile(context, known)?), task })
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
const HINT: &str = "give a Koji task id, the name of a PipelineRun, or the address of its page";

/// The id of the build that is meant: a Koji task's, or a PipelineRun's name.
fn id_of(build: &BuildRef) -> Result<String> {
    match build {
        BuildRef::Task(task) | BuildRef::Page { task: Some(task), .. } => Ok(task.to_string()),
        BuildRef::Page { task: None, url } => run_of_page(url).ok_or_else(|| no_task(url.as_str())),
        BuildRef::Name(name) if is_run_name(name) => Ok(name.clone()),
        BuildRef::Name(name) => Err(no_task(name)),
    }
}

/// The run that a page of OpenShift's console is about (`…/tekton.dev~v1~PipelineRun/NAME`).
fn run_of_page(url: &Url) -> Option<String> {
    let mut parts = url.path_segments()?.skip_while(|part| !part.ends_with("~PipelineRun"));
    parts.next()?;
    parts.next().filter(|name| is_run_name(name)).map(str::to_owned)
}

/// Whether a run may be called so: a name of Kubernetes, and none of ours for builds on this machine.
fn is_run_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_part) && !name.starts_with(LOCAL_PREFIX)
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
    #[error("{0:?} is no Koji task id, no name of a PipelineRun, and no address of the page of one")]
    NoTask(String),
}
