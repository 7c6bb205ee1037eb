//! The release of a build, found as the build service finds it (atomic-reactor's `bump_release`): what the user says, what the
//! Dockerfile says, else the next free one. A hub is asked where one is configured, and never waited for long.

use crate::error::Error;
use crate::koji::api;
use crate::koji::fault::FaultKind;
use crate::koji::import;
use crate::koji::session::{Session, SessionError};
use crate::local::engine::journal::Step;
use crate::request::nvr::Nvr;

/// Koji's `BUILD_STATES` of builds that came to nothing, whose NVR is free again.
const FREE_AGAIN: [i64; 2] = [3, 4];
/// How many releases are tried until one is free.
const TRIES: usize = 50;

/// Where a release is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReleaseSource {
    /// `--build-release`.
    Option(String),
    /// The label of the Dockerfile.
    Label(String),
    /// A scratch build's own.
    Scratch(String),
    /// The next free one.
    Next,
}

/// Why there is no release.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The build is there.
    #[error("build already exists in Koji: {nvr} ({id})")]
    Exists {
        /// The build.
        nvr: String,
        /// Its id.
        id: i64,
    },
    /// The hub could not be asked for the next release.
    #[error("the next free release is not known")]
    Unknown(#[source] Error),
    /// None of the releases that were tried is free.
    #[error("no release of {nvr} is free: {TRIES} were tried")]
    NoneFree {
        /// The last one that was tried.
        nvr: String,
    },
}

/// Finds the release of the build `component`-`version`.
///
/// # Errors
/// When the build is there already, or no release can be found.
pub(crate) async fn find(
    source: ReleaseSource,
    component: &str,
    version: &str,
    hub: Option<&mut Session>,
    step: &mut Step,
) -> Result<String, ReleaseError> {
    let nvr =
        |release: &str| Nvr { name: component.to_owned(), version: version.to_owned(), release: release.to_owned() };
    match (source, hub) {
        (ReleaseSource::Scratch(release), _) => {
            step.say(format_args!("release {release}: a scratch build")).await;
            Ok(release)
        }
        (ReleaseSource::Option(release), hub) => given(release, "--build-release", hub, nvr, step).await,
        (ReleaseSource::Label(release), hub) => given(release, "the Dockerfile's label", hub, nvr, step).await,
        (ReleaseSource::Next, None) => {
            step.say("release 1: no Koji hub is configured that knows which are taken").await;
            Ok("1".to_owned())
        }
        (ReleaseSource::Next, Some(hub)) => next(component, version, hub, nvr, step).await,
    }
}

/// A release that was given is checked, where there is somebody to ask and he answers.
async fn given(
    release: String,
    whence: &str,
    hub: Option<&mut Session>,
    nvr: impl Fn(&str) -> Nvr,
    step: &mut Step,
) -> Result<String, ReleaseError> {
    let Some(hub) = hub else {
        step.say(format_args!(
            "release {release}: from {whence}; no Koji hub is configured that knows whether it is taken"
        ))
        .await;
        return Ok(release);
    };
    match taken(hub, &nvr(&release)).await {
        Ok(Some(id)) => Err(ReleaseError::Exists { nvr: nvr(&release).to_string(), id }),
        Ok(None) => {
            step.say(format_args!("release {release}: from {whence}, and free in Koji")).await;
            Ok(release)
        }
        Err(error) => {
            step.say(format_args!("release {release}: from {whence}; whether it is taken is not known: {error}")).await;
            Ok(release)
        }
    }
}

async fn next(
    component: &str,
    version: &str,
    hub: &mut Session,
    nvr: impl Fn(&str) -> Nvr,
    step: &mut Step,
) -> Result<String, ReleaseError> {
    let mut release = match import::next_release(hub, component, version).await {
        Ok(release) => without_minor(&release),
        Err(SessionError::Fault { fault, .. }) if fault.kind() == FaultKind::Other => "1".to_owned(),
        Err(error) => return Err(ReleaseError::Unknown(error.into())),
    };
    for _ in 0..TRIES {
        if taken(hub, &nvr(&release)).await.map_err(|error| ReleaseError::Unknown(error.into()))?.is_none() {
            step.say(format_args!("release {release}: the next free one in Koji")).await;
            return Ok(release);
        }
        release = following(&release);
    }
    Err(ReleaseError::NoneFree { nvr: nvr(&release).to_string() })
}

/// The id of a build that has the NVR, unless it came to nothing.
async fn taken(hub: &mut Session, nvr: &Nvr) -> Result<Option<i64>, SessionError> {
    let build = hub.call(&api::get_build(&nvr.to_string())).await?;
    let state = build.get("state").and_then(crate::koji::xmlrpc::Value::as_int);
    let id = build.get("id").and_then(crate::koji::xmlrpc::Value::as_int);
    Ok(id.filter(|_| !state.is_some_and(|state| FREE_AGAIN.contains(&state))))
}

/// `5.1` becomes `5`, and `5.el7` stays.
fn without_minor(release: &str) -> String {
    match release.split_once('.') {
        Some((major, minor)) if minor.bytes().all(|byte| byte.is_ascii_digit()) => major.to_owned(),
        _ => release.to_owned(),
    }
}

/// One more than the number that a release begins with.
fn following(release: &str) -> String {
    let digits = release.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = release.split_at(digits);
    format!("{}{rest}", number.parse::<u64>().unwrap_or(0).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_count_on() {
        for (release, expected) in [("5.1", "5"), ("5.el7", "5.el7"), ("7", "7")] {
            assert_eq!(without_minor(release), expected);
        }
        for (release, expected) in [("5", "6"), ("9.el7", "10.el7"), ("x", "1x")] {
            assert_eq!(following(release), expected);
        }
    }
}
