//! From the options and osbs.conf to a cluster that answers.

use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::ClusterArgs;
use crate::config::osbs::{OsbsFiles, OsbsInstance};
use crate::error::Result;
use crate::event::EventSender;
use crate::osbs::cluster::Cluster;
use crate::osbs::login::openshift::{self, Sources};

use super::Context;

/// The variable that names osbs.conf.
const CONFIG_VARIABLE: &str = "OSBS_CONFIG";

/// The instance that the options name, its warnings told.
///
/// # Errors
/// When its file is missing or malformed.
pub fn instance(context: &Context, arguments: &ClusterArgs) -> Result<OsbsInstance> {
    let instance = OsbsInstance::load(arguments.instance.as_deref(), &files(context, arguments))?;
    context.config_warnings(&instance.warnings);
    if !instance.verify_ssl {
        context.warn(&"the API server's certificate is not verified, because of verify_ssl in osbs.conf");
    }
    if arguments.token.is_some() {
        context.warn(&"other users of this machine can see the token on the command line; --token-file is better");
    }
    Ok(instance)
}

/// Whether an instance is configured, so that builds go there unless something else is said. Quiet: the files may be of no concern.
pub fn is_configured(context: &Context, arguments: &ClusterArgs) -> bool {
    arguments.given().is_some()
        || OsbsInstance::load(None, &files(context, arguments)).is_ok_and(|instance| instance.is_configured())
}

fn files(context: &Context, arguments: &ClusterArgs) -> OsbsFiles {
    let variable = std::env::var_os(CONFIG_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    OsbsFiles::of(arguments.osbs_config.as_deref(), variable.as_deref(), context.environment.config_home().as_deref())
}

/// Gets ready to ask the cluster.
///
/// # Errors
/// When no server is known, or there is no way in.
pub async fn connect(
    context: &Context,
    arguments: &ClusterArgs,
    instance: &OsbsInstance,
    events: EventSender,
) -> Result<Arc<Cluster>> {
    let sources = Sources {
        instance,
        url: arguments.openshift_url.clone(),
        namespace: arguments.osbs_namespace.clone(),
        token: arguments.token.clone(),
        token_file: arguments.token_file.clone(),
        home: context.environment.home.as_deref(),
    };
    let access = openshift::access(sources).await?;
    for warning in &access.warnings {
        context.warn(warning);
    }
    let connected = Cluster::connect(access.config, access.url, access.namespace, access.login, events).await;
    Ok(Arc::new(connected?))
}
