//! Names for builds in Koji of which only the number is known.

use std::time::Duration;

use super::{api, hub, outcome};
use crate::builder::Setting;
use crate::event::{self, BuildOutcome};

/// How long the hub is asked about a build that is done.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the hub of the tool's profile what the builds are that came out of another builder's work. The build is done: where there is no
/// profile, or its hub does not answer, their numbers have to do.
pub async fn name_builds(setting: &Setting<'_>, outcome: &mut BuildOutcome) {
    if outcome.builds.is_empty() {
        return;
    }
    let Ok(profile) = hub::quietly(setting) else { return };
    // Nobody listens: a hub that does not answer is no trouble of this build.
    let (events, _) = event::channel();
    let mut session = hub::connect(&profile, events);
    session.be_patient_for(PATIENCE);
    let links = hub::links(&profile);
    for build in &mut outcome.builds {
        match tokio::time::timeout(PATIENCE, session.call(&api::get_build(&build.id))).await {
            Ok(Ok(answer)) => {
                build.nvr = outcome::nvr(&answer);
                build.url = links.build(&build.id);
            }
            Ok(Err(error)) => tracing::debug!(%error, "the hub does not tell of a build"),
            Err(_) => tracing::debug!("the hub does not answer"),
        }
    }
}
