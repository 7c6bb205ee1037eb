//! From the configuration to a hub: which profile, how it is reached, who we are there.

use super::auth::{self, Available, Credentials};
use super::outcome::HubLinks;
use super::retry::RetryPolicy;
use super::session::{HubSettings, Session};
use super::target_cache::TargetCache;
use crate::builder::{Known, Setting};
use crate::config::ini::Origin;
use crate::config::koji::{AuthType, KojiProfile, KojiRoots};
use crate::credentials::{PASSWORD_VARIABLE, Secret, keyring};
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventSender;
use crate::http::ClientOptions;

/// Where Koji's own configuration files are.
pub(crate) fn roots(setting: &Setting<'_>) -> KojiRoots {
    KojiRoots { etc: "/etc".into(), home: setting.environment.home.clone() }
}

/// The profile in use, its warnings told: `--profile`, else the configuration's.
///
/// # Errors
/// When none is named, or no file has it.
pub(crate) async fn profile(setting: &Setting<'_>) -> Result<KojiProfile> {
    let profile = quietly(setting)?;
    for warning in profile.warnings() {
        setting.warn(warning).await;
    }
    Ok(profile)
}

/// The same for those who can do without it.
///
/// # Errors
/// As [`profile`].
pub(crate) fn quietly(setting: &Setting<'_>) -> Result<KojiProfile> {
    let name = match setting.profile {
        Some(name) => name.to_owned(),
        None => setting.config()?.koji_profile_name()?.value,
    };
    Ok(KojiProfile::load(&name, &roots(setting))?)
}

/// Whether there is a hub for those who can do without one: a profile that somebody named, or the one that is built in, where a file
/// has it.
pub(crate) fn is_configured(setting: &Setting<'_>) -> bool {
    if setting.profile.is_some() {
        return true;
    }
    let Ok(name) = setting.config().and_then(|config| Ok(config.koji_profile_name()?)) else { return false };
    // What is wrong with Koji's files is told when the profile is read.
    name.origin != Origin::BuiltIn || KojiProfile::names(&roots(setting)).map_or(true, |all| all.contains(&name.value))
}

/// The profile that leads to a build of which it is known where it is.
///
/// # Errors
/// When no file has it, or it leads somewhere else by now.
pub(crate) async fn profile_of(setting: &Setting<'_>, known: &Known) -> Result<KojiProfile> {
    let profile = KojiProfile::load(&known.way.profile, &roots(setting))?;
    for warning in profile.warnings() {
        setting.warn(warning).await;
    }
    let now = server(&profile);
    match &known.server {
        Some(hub) if *hub != now => {
            let moved = Moved { profile: profile.name, now, id: known.id.to_string(), hub: hub.clone() };
            Err(Error::new(ErrorKind::Config, moved).hint("name a profile of that hub with --profile"))
        }
        _ => Ok(profile),
    }
}

/// The hub's address, by which its builds are known.
pub(crate) fn server(profile: &KojiProfile) -> String {
    profile.server.bare().to_string()
}

/// How a profile's hub is reached.
pub(crate) fn settings(profile: &KojiProfile) -> HubSettings {
    HubSettings {
        server: profile.server.clone(),
        client: ClientOptions {
            serverca: profile.serverca.clone(),
            insecure: profile.no_ssl_verify,
            read_timeout: Some(profile.timeout),
            ..ClientOptions::default()
        },
        retry: RetryPolicy {
            max_retries: profile.max_retries,
            interval: profile.retry_interval,
            anonymous: profile.anon_retry,
            offline: profile.offline_retry.then_some(profile.offline_retry_interval),
        },
        auth_timeout: profile.auth_timeout,
    }
}

/// Where the hub's pages and files are.
pub(crate) fn links(profile: &KojiProfile) -> HubLinks {
    let trimmed = |url: &str| url.trim_end_matches('/').to_owned();
    HubLinks { weburl: Some(trimmed(&profile.weburl)), topurl: profile.topurl.as_deref().map(trimmed) }
}

/// The build targets seen so far.
pub(crate) fn targets(setting: &Setting<'_>) -> TargetCache {
    let environment = setting.environment;
    TargetCache::locate(environment.cache_home.as_deref(), environment.home.as_deref())
}

/// Prepares an anonymous connection.
pub(crate) fn connect(profile: &KojiProfile, events: EventSender) -> Session {
    Session::new(settings(profile), events)
}

/// Logs in as the profile and the command line say.
///
/// # Errors
/// Without usable credentials, or when the hub refuses them.
pub(crate) async fn log_in(session: &mut Session, profile: &KojiProfile, setting: &Setting<'_>) -> Result<()> {
    let credentials = credentials(profile, setting).await?;
    Ok(session.log_in(credentials).await?)
}

async fn credentials(profile: &KojiProfile, setting: &Setting<'_>) -> Result<Credentials> {
    let user = setting.user_name();
    let mut available = Available {
        authtype: profile.authtype.as_ref().map(authtype_word),
        cert: profile.cert.as_deref(),
        principal: profile.principal.as_deref(),
        user: user.as_deref(),
        password: setting.password.cloned(),
        runas: setting.runas,
    };
    if profile.authtype == Some(AuthType::Password) && available.password.is_none() {
        available.password = stored_password(setting.events, user.as_deref(), profile).await?;
    }
    auth::choose(&available).map_err(|error| error.of_profile(&profile.name))
}

fn authtype_word(authtype: &AuthType) -> &str {
    match authtype {
        AuthType::NoAuth => "noauth",
        AuthType::Ssl => "ssl",
        AuthType::Password => "password",
        AuthType::Kerberos => "kerberos",
        AuthType::Other(word) => word,
    }
}

/// The keyring's password.
async fn stored_password(events: &EventSender, user: Option<&str>, profile: &KojiProfile) -> Result<Option<Secret>> {
    let Some(user) = user else { return Ok(None) };
    let stored = keyring::stored(events, user.to_owned(), profile.server.url().as_str().to_owned()).await;
    let hint = format!("unlock the keyring, or give the password in {PASSWORD_VARIABLE}");
    stored.map_err(|error| Error::new(ErrorKind::Authentication, error).hint(hint))
}

/// The configuration has changed since the build was submitted.
#[derive(Debug, thiserror::Error)]
#[error("the Koji profile {profile} leads to {now}, and {id} was submitted to {hub}")]
struct Moved {
    profile: String,
    now: String,
    id: String,
    hub: String,
}
