//! From a Koji profile to a connection, and from a connection to a session.

use crate::cli::Globals;
use crate::config::koji::{AuthType, KojiProfile, KojiRoots};
use crate::credentials::Secret;
use crate::error::Result;
use crate::event::EventSender;
use crate::http::ClientOptions;
use crate::koji::auth::{self, Available, ChoiceError, Credentials};
use crate::koji::outcome::HubLinks;
use crate::koji::retry::RetryPolicy;
use crate::koji::session::{HubSettings, Session};

use super::environment::Environment;

/// Reads a profile out of Koji's own configuration files.
///
/// # Errors
/// When no file has it, or it is unusable.
pub fn profile(name: &str, environment: &Environment) -> Result<KojiProfile> {
    let roots = KojiRoots { etc: "/etc".into(), home: environment.home.clone() };
    Ok(KojiProfile::load(name, &roots)?)
}

/// How a profile's hub is reached.
pub fn settings(profile: &KojiProfile) -> HubSettings {
    HubSettings {
        server: profile.server.url().clone(),
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
pub fn links(profile: &KojiProfile) -> HubLinks {
    let trimmed = |url: &str| url.trim_end_matches('/').to_owned();
    HubLinks { weburl: Some(trimmed(&profile.weburl)), topurl: profile.topurl.as_deref().map(trimmed) }
}

/// Prepares an anonymous connection.
pub fn connect(profile: &KojiProfile, events: EventSender) -> Session {
    Session::new(settings(profile), events)
}

/// Logs in as the profile and the command line say.
///
/// # Errors
/// Without usable credentials, or when the hub refuses them.
pub async fn log_in(
    session: &mut Session,
    profile: &KojiProfile,
    globals: &Globals,
    environment: &Environment,
) -> Result<()> {
    let credentials =
        credentials(profile, globals, environment).await.map_err(|error| error.of_profile(&profile.name))?;
    Ok(session.log_in(credentials).await?)
}

async fn credentials(
    profile: &KojiProfile,
    globals: &Globals,
    environment: &Environment,
) -> Result<Credentials, ChoiceError> {
    let user = globals.user.clone().or_else(|| environment.user());
    let mut available = Available {
        authtype: profile.authtype.as_ref().map(authtype_word),
        cert: profile.cert.as_deref(),
        principal: profile.principal.as_deref(),
        user: user.as_deref(),
        password: globals.password.clone(),
        runas: globals.runas.as_deref(),
    };
    if profile.authtype == Some(AuthType::Password) && available.password.is_none() {
        available.password = stored_password(user.clone(), profile.server.url().as_str().to_owned()).await;
    }
    auth::choose(&available)
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

/// The keyring's password; asking for it may wait for the desktop to unlock the keyring.
#[cfg(feature = "keyring")]
async fn stored_password(user: Option<String>, server: String) -> Option<Secret> {
    let user = user?;
    let lookup = tokio::task::spawn_blocking(move || crate::credentials::keyring::password(&user, &server));
    lookup.await.ok().flatten()
}

#[cfg(not(feature = "keyring"))]
async fn stored_password(_user: Option<String>, _server: String) -> Option<Secret> {
    None
}
