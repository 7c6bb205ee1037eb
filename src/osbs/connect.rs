//! From the options and osbs.conf to a cluster that answers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use super::cluster::Cluster;
use super::login::openshift::{self, Access, Sources};
use super::options::ClusterOptions;
use crate::builder::{Known, Setting};
use crate::config::ConfigError;
use crate::config::osbs::{OsbsConf, OsbsFiles, OsbsInstance};
use crate::error;

/// The variable that names osbs.conf.
const CONFIG_VARIABLE: &str = "OSBS_CONFIG";

/// The instance that the options name, its warnings told.
///
/// # Errors
/// When its file is missing or malformed.
pub(crate) async fn instance(setting: &Setting<'_>, options: &ClusterOptions) -> error::Result<OsbsInstance> {
    let instance = conf(setting, options)?.instance(options.instance.as_deref())?;
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

/// The files that this command has read.
#[derive(Default)]
struct Read(RefCell<HashMap<OsbsFiles, Rc<OsbsConf>>>);

/// The osbs.conf in force. It is read once a command: whoever needs it decides by the same text.
///
/// # Errors
/// When one that was asked for is missing, or it is malformed.
pub(crate) fn conf(setting: &Setting<'_>, options: &ClusterOptions) -> Result<Rc<OsbsConf>, ConfigError> {
    let variable = std::env::var_os(CONFIG_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = setting.environment.config_home();
    let files = OsbsFiles::of(options.osbs_config.as_deref(), variable.as_deref(), home.as_deref());
    let Read(known) = &*setting.own.kept::<Read>();
    if let Some(conf) = known.borrow().get(&files) {
        return Ok(Rc::clone(conf));
    }
    let conf = Rc::new(OsbsConf::read(&files)?);
    known.borrow_mut().insert(files, Rc::clone(&conf));
    Ok(conf)
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
pub(crate) async fn access(
    setting: &Setting<'_>,
    options: &ClusterOptions,
    instance: &OsbsInstance,
) -> error::Result<Access> {
    let sources = Sources {
        instance,
        url: options.openshift_url.clone(),
        namespace: options.namespace.clone(),
        token: options.token.clone(),
        token_file: options.token_file.clone(),
        home: setting.environment.home.as_deref(),
    };
    let access = openshift::access(sources, setting.events).await?;
    for warning in &access.warnings {
        setting.warn(warning).await;
    }
    Ok(access)
}

/// Gets ready to ask the cluster.
///
/// # Errors
/// When the login fails, or no client can be made.
pub(crate) async fn connect(setting: &Setting<'_>, access: Access) -> error::Result<Arc<Cluster>> {
    let Access { config, url, namespace, login, .. } = access;
    Ok(Arc::new(Cluster::connect(config, url, namespace, login, setting.events.clone()).await?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::builder::{Builder as _, OwnOptions};
    use crate::environment::Environment;
    use crate::error::{Error, ErrorKind};
    use crate::event;
    use crate::osbs::builder::{NAME, Osbs};
    use crate::osbs::options::OsbsOptions;

    #[tokio::test]
    async fn osbs_conf_is_read_once_whoever_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("osbs.conf");
        std::fs::write(&path, "[default_binary]\nopenshift_url = https://a.example/\ntarget = t\n").unwrap();
        let cluster = ClusterOptions { osbs_config: Some(path.clone()), ..ClusterOptions::default() };
        let options = OsbsOptions { cluster: cluster.clone(), ..OsbsOptions::default() };
        let own = OwnOptions::default().with(NAME, options, None);
        let (events, _told) = event::channel();
        let none = Error::new(ErrorKind::Config, std::fmt::Error);
        let environment = Environment::default();
        let setting = Setting {
            environment: &environment,
            rpkg: Err(&none),
            profile: None,
            user: None,
            password: None,
            runas: None,
            own: &own,
            events: &events,
        };
        let place = format!("openshift_url at {}:2", path.display());
        assert_eq!(Osbs.configured_by(&setting), Some(place));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(Osbs.target(&setting).as_deref(), Some("t"));
        let instance = instance(&setting, &cluster).await.unwrap();
        assert_eq!(instance.openshift_url.unwrap().url().as_str(), "https://a.example/");
        assert!(!Osbs.settings(&setting).unwrap().is_empty());
        let other = ClusterOptions { osbs_config: Some(folder.path().join("other.conf")), ..cluster };
        assert!(conf(&setting, &other).is_err(), "another file is another file");
    }
}
