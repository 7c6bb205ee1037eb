//! `status`: what was submitted from here, and how it stands.

use std::collections::BTreeMap;

use crate::builder::{Known, OwnOptions, Setting};
use crate::builders;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuildId, BuilderName, Outcome, Standing, TaskId, TaskState};
use crate::submissions::Submission;
use crate::wait::said;

use super::{Context, End, records};

/// How many builds are listed: the newest.
const LISTED: usize = 20;

/// What is known of builds by now.
type States = BTreeMap<BuildId, TaskState>;

/// `status`. A server that cannot be asked leaves the state unknown; that is no error.
///
/// # Errors
/// When the list is malformed, or the configuration is.
pub(super) async fn run(context: &Context) -> Result<End> {
    let mut list = records::list(context).await?;
    list.drain(..list.len().saturating_sub(LISTED));
    if list.is_empty() {
        context.note("Nothing was submitted from here yet.").await;
        return Ok(End::default());
    }
    let config = context.rpkg_config().await;
    let own = OwnOptions::default();
    let states = ask(context, &context.setting(config.as_ref(), &own), &list).await;
    for submission in &list {
        let build = submission.build();
        let state = states.get(&build).copied();
        if let Some(outcome) = state.and_then(outcome) {
            records::ended(context, &build, outcome).await;
        }
        context.tell(BuildEvent::Standing(Box::new(standing(submission, state)))).await;
    }
    Ok(End::default())
}

/// Asks each server once about the builds whose end is not known.
async fn ask(context: &Context, setting: &Setting<'_>, list: &[Submission]) -> States {
    let mut by_server: BTreeMap<(&BuilderName, &str, &str), Vec<&Submission>> = BTreeMap::new();
    for known in list.iter().filter(|known| known.outcome.is_none()) {
        by_server.entry((&known.builder, &known.server, &known.profile)).or_default().push(known);
    }
    let mut states = States::new();
    for ((builder, server, _), submissions) in by_server {
        let asked = ask_server(setting, builder, &submissions);
        match said(&context.events, format_args!("an answer of {server}"), asked).await {
            Ok(answers) => states.extend(answers),
            Err(error) => context.warn(format_args!("the state of builds on {server} is not known: {error}")).await,
        }
    }
    states
}

async fn ask_server(setting: &Setting<'_>, builder: &BuilderName, submissions: &[&Submission]) -> Result<States> {
    let Some(first) = submissions.first() else { return Ok(States::new()) };
    let known = builders::named(builder).ok_or_else(|| Error::new(ErrorKind::Config, Unknown(builder.clone())))?;
    // One line about a server that does not answer is enough here: nobody listens to retries.
    let quiet = setting.events.quiet();
    let setting = Setting { events: &quiet, ..setting.clone() };
    let way = Known::from(*first);
    let mut site = known.site(setting, Some(&way)).await?;
    let ids: Vec<TaskId> = submissions.iter().map(|known| TaskId::from(known.id.as_str())).collect();
    let states = site.state(&ids).await;
    site.close().await;
    let builds = submissions.iter().map(|known| known.build());
    Ok(builds.zip(states?).filter_map(|(build, state)| Some((build, state?))).collect())
}

fn standing(submission: &Submission, state: Option<TaskState>) -> Standing {
    Standing {
        build: submission.build(),
        state: word(submission.outcome, state),
        profile: submission.profile.clone(),
        component: submission.component.clone(),
        branch: submission.branch.clone(),
        target: submission.target.clone(),
        submitted: submission.submitted,
        url: submission.url.clone(),
    }
}

/// How a build stands in one word: how it ended, else the state of its task.
fn word(ended: Option<Outcome>, state: Option<TaskState>) -> Option<&'static str> {
    let ended = ended.filter(|outcome| *outcome != Outcome::Detached).or_else(|| outcome(state?));
    Some(match (ended, state) {
        (Some(outcome), _) => outcome.past_tense(),
        (None, Some(TaskState::Free)) => "free",
        (None, Some(TaskState::Assigned)) => "assigned",
        (None, Some(_)) => "open",
        (None, None) => return None,
    })
}

fn outcome(state: TaskState) -> Option<Outcome> {
    match state {
        TaskState::Closed => Some(Outcome::Succeeded),
        TaskState::Failed => Some(Outcome::Failed),
        TaskState::Canceled => Some(Outcome::Cancelled),
        TaskState::Free | TaskState::Assigned | TaskState::Open => None,
    }
}

/// A builder of another version of this program.
#[derive(Debug, thiserror::Error)]
#[error("there is no builder {0}")]
struct Unknown(BuilderName);
