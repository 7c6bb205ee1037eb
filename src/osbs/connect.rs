//! From the options and osbs.conf to a cluster that answers.

use std::path::PathBuf;
use std::sync::Arc;

use super::cluster::Cluster;
use super::login::openshift::{self, Access, Sources};
use super::options::ClusterOptions;
use crate::builder::{Known, Setting};
use crate::config::osbs::{OsbsFiles, OsbsInstance};
use crate::error::Result;

/// The variable that names osbs.conf.
const CONFIG_VARIABLE: &str = "OSBS_CONFIG";

/// The instance that the options name, its warnings told.
///
/// # Errors
/// When its file is missing or malformed.
pub(crate) async fn instance(setting: &Setting<'_>, options: &ClusterOptions) -> Result<OsbsInstance> {
    let instance = OsbsInstance::load(options.instance.as_deref(), &files(setting, options))?;
    for warning in &instance.warnings {
        setting.warn(warning).await;
    }
    if !instance.verify_ssl {
        setting.warn("the API server's certificate is not verified, because of verify_ssl in osbs.conf").await;
    }
    if options.token.is_some() {
        setting.warn("other users of this machine can see the token on the command line; --token-file is better").await;
    }
    Ok(instance)
}

/// Whether an instance is configured. Quiet: the files may be of no concern.
pub(crate) fn is_configured(setting: &Setting<'_>, options: &ClusterOptions) -> bool {
    OsbsInstance::load(None, &files(setting, options)).is_ok_and(|instance| instance.is_configured())
}

/// Where osbs.conf is looked for.
pub(crate) fn files(setting: &Setting<'_>, options: &ClusterOptions) -> OsbsFiles {
    let variable = std::env::var_os(CONFIG_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    OsbsFiles::of(options.osbs_config.as_deref(), variable.as_deref(), setting.environment.config_home().as_deref())
}

/// The way to a build of which it is known where it is, as far as the options do not say otherwise.
pub(crate) fn way_to(known: &Known, given: &ClusterOptions) -> ClusterOptions {
    let server = known.server.as_ref().and_then(|server| server.parse().ok());
    ClusterOptions {
        instance: given.instance.clone().or_else(|| Some(known.way.profile.clone())),
        osbs_config: given.osbs_config.clone().or_else(|| known.way.config.clone()),
        namespace: given.namespace.clone().or_else(|| known.way.namespace.clone()),
        openshift_url: given.openshift_url.clone().or(server),
        ..given.clone()
    }
}

/// Finds the server and the way in. Reads files, and asks nobody but for a login.
///
/// # Errors
/// When no server is known, or what is named cannot be read.
pub(crate) async fn access(setting: &Setting<'_>, options: &ClusterOptions, instance: &OsbsInstance) -> Result<Access> {
    let sources = Sources {
        instance,
        url: options.openshift_url.clone(),
        namespace: options.namespace.clone(),
        token: options.token.clone(),
        token_file: options.token_file.clone(),
        home: setting.environment.home.as_deref(),
    };
    let access = openshift::access(sources).await?;
    for warning in &access.warnings {
        setting.warn(warning).await;
    }
    Ok(access)
}

/// Gets ready to ask the cluster.
///
/// # Errors
/// When the login fails, or no client can be made.
pub(crate) async fn connect(setting: &Setting<'_>, access: Access) -> Result<Arc<Cluster>> {
    let Access { config, url, namespace, login, .. } = access;
    Ok(Arc::new(Cluster::connect(config, url, namespace, login, setting.events.clone()).await?))
}
