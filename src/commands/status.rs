//! `status`: what was submitted from here, and how it stands.

use std::collections::BTreeMap;

use crate::cli::ClusterArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{self, BuilderKind, Outcome, TaskState};
use crate::exit_code::ExitCode;
use crate::koji::api::{self, TaskInfo};
use crate::koji::call::Call;
use crate::osbs::run;
use crate::report::text::{self, StatusLine};
use crate::submissions::Submission;

use super::osbs_build::ExistingRun;
use super::{Context, koji_hub};

/// How many builds are listed: the newest.
const LISTED: usize = 20;

/// `status`. A hub that cannot be asked leaves the state unknown; that is no error.
///
/// # Errors
/// When the list is malformed, or cannot be written out.
pub async fn run(context: &Context) -> Result<ExitCode> {
    let submissions = context.environment.submissions()?;
    let mut list = submissions.list()?;
    list.drain(..list.len().saturating_sub(LISTED));
    let mut states = ask_hubs(context, &list).await;
    states.extend(ask_clusters(context, &list).await);
    for submission in &mut list {
        let state = states.get(&(submission.server.clone(), submission.id.clone()));
        if let Some(outcome) = state.and_then(|state| outcome(*state)) {
            submission.outcome = Some(outcome);
            submissions.ended(&submission.server, &submission.id, outcome)?;
        }
    }
    let lines: Vec<StatusLine> = list.iter().map(|submission| line(submission, &states)).collect();
    text::status(&context.mode, &lines).map_err(|source| Error::new(ErrorKind::Io, source))?;
    Ok(ExitCode::Success)
}

fn line(submission: &Submission, states: &States) -> StatusLine {
    let state = states.get(&(submission.server.clone(), submission.id.clone())).copied();
    StatusLine {
        builder: submission.builder,
        id: submission.id.clone(),
        state: text::standing(submission.outcome, state),
        component: submission.component.clone(),
        branch: submission.branch.clone(),
        target: submission.target.clone(),
        submitted: submission.submitted,
        url: submission.url.clone(),
    }
}

type States = BTreeMap<(String, String), TaskState>;

/// Asks each cluster about the runs whose end is not known.
async fn ask_clusters(context: &Context, list: &[Submission]) -> States {
    let mut by_server: BTreeMap<(&str, &str), Vec<&Submission>> = BTreeMap::new();
    let open = list.iter().filter(|known| known.outcome.is_none() && known.builder == BuilderKind::Osbs);
    for submission in open {
        by_server.entry((&submission.profile, &submission.server)).or_default().push(submission);
    }
    let mut states = States::new();
    for ((instance, _), submissions) in by_server {
        match ask_cluster(context, &submissions).await {
            Ok(answers) => states.extend(answers),
            Err(error) => context.warn(&format_args!("the state of builds on {instance} is not known: {error}")),
        }
    }
    states
}

async fn ask_cluster(context: &Context, submissions: &[&Submission]) -> Result<States> {
    let mut states = States::new();
    let Some(first) = submissions.first() else { return Ok(states) };
    let (events, _) = event::channel();
    let (cluster, kind) =
        ExistingRun::find(&first.id, Some(first), &ClusterArgs::default()).connect(context, events).await?;
    for submission in submissions {
        if let Some(state) = run::state(&cluster, kind, &submission.id).await? {
            states.insert((submission.server.clone(), submission.id.clone()), state);
        }
    }
    Ok(states)
}

/// Asks each hub once about the builds whose end is not known.
async fn ask_hubs(context: &Context, list: &[Submission]) -> States {
    let mut by_profile: BTreeMap<&str, Vec<&Submission>> = BTreeMap::new();
    for submission in
        list.iter().filter(|submission| submission.outcome.is_none() && submission.builder == BuilderKind::Koji)
    {
        by_profile.entry(&submission.profile).or_default().push(submission);
    }
    let mut states = States::new();
    for (profile, submissions) in by_profile {
        match ask_hub(context, profile, &submissions).await {
            Ok(answers) => states.extend(answers),
            Err(error) => context.warn(&format_args!("the state of builds on {profile} is not known: {error}")),
        }
    }
    states
}

async fn ask_hub(context: &Context, profile: &str, submissions: &[&Submission]) -> Result<States> {
    let profile = context.koji_profile_named(profile)?;
    // Nobody listens: one line about a hub that does not answer is enough here.
    let (events, _) = event::channel();
    let mut session = koji_hub::connect(&profile, events);
    let ids: Vec<i64> = submissions.iter().filter_map(|submission| submission.id.parse().ok()).collect();
    let calls: Vec<Call> = ids.iter().map(|id| api::get_task_info(*id, false)).collect();
    let answers = session.multi_call(&calls).await?;
    let mut states = States::new();
    for value in answers.into_iter().flatten() {
        if let Some(task) = TaskInfo::from_value(&value)? {
            states.insert((profile.server.bare().to_string(), task.id.to_string()), task.state);
        }
    }
    Ok(states)
}

fn outcome(state: TaskState) -> Option<Outcome> {
    match state {
        TaskState::Closed => Some(Outcome::Succeeded),
        TaskState::Failed => Some(Outcome::Failed),
        TaskState::Canceled => Some(Outcome::Cancelled),
        TaskState::Free | TaskState::Assigned | TaskState::Open => None,
    }
}
