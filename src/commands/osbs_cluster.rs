//! From the options and osbs.conf to a cluster that answers.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::cli::ClusterArgs;
use crate::config::osbs::{Backend, OsbsFiles, OsbsInstance};
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventSender;
use crate::osbs::cluster::{Cluster, ClusterError, Patience};
use crate::osbs::docker_build::DockerBuildError;
use crate::osbs::login::LoginError;
use crate::osbs::openshift::{self, AccessError, Sources};
use crate::osbs::pipeline_run::CreateError;
use crate::osbs::run_kind::RunKind;
use crate::osbs::tekton::Version;
use crate::osbs::template::TemplateError;
use crate::osbs::user_params::UserParamsError;
use crate::osbs::watch::WatchError;

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

/// Asks what the cluster can build with; Tekton where it has both and nothing else is configured.
///
/// # Errors
/// When it has neither, or not what is configured.
pub async fn discover(cluster: &Cluster, wanted: Option<Backend>) -> Result<RunKind> {
    if wanted != Some(Backend::Build) {
        match cluster.get("get apis", "/apis/tekton.dev", Patience::Some).await {
            Ok(group) => return Ok(RunKind::Tekton(version(&group, cluster)?)),
            Err(error) if error.code() == Some(404) && wanted.is_none() => {}
            Err(error) if error.code() == Some(404) => return Err(no_builds(cluster, "tekton.dev")),
            Err(error) => return Err(error.into()),
        }
    }
    match cluster.get("get apis", "/apis/build.openshift.io", Patience::Some).await {
        Ok(_) => Ok(RunKind::Build),
        Err(error) if error.code() == Some(404) => {
            let groups = if wanted.is_some() { "build.openshift.io" } else { "tekton.dev nor build.openshift.io" };
            Err(no_builds(cluster, groups))
        }
        Err(error) => Err(error.into()),
    }
}

fn version(group: &Value, cluster: &Cluster) -> Result<Version> {
    let versions = group.get("versions").and_then(Value::as_array).cloned().unwrap_or_default();
    let serves = |version: Version| {
        versions.iter().any(|served| served.get("version").and_then(Value::as_str) == Some(version.name()))
    };
    [Version::V1, Version::V1Beta1]
        .into_iter()
        .find(|version| serves(*version))
        .ok_or_else(|| no_builds(cluster, "tekton.dev/v1 nor tekton.dev/v1beta1"))
}

fn no_builds(cluster: &Cluster, groups: &str) -> Error {
    Error::new(ErrorKind::Server, NoBuilds { server: cluster.url().to_string(), groups: groups.to_owned() })
        .hint("is it the right cluster? `config show` tells which is used; --build-with koji builds on the Koji hub")
}

/// The cluster lacks what builds are made with.
#[derive(Debug, thiserror::Error)]
#[error("{server} serves no {groups}")]
struct NoBuilds {
    server: String,
    groups: String,
}

impl From<ClusterError> for Error {
    fn from(error: ClusterError) -> Self {
        let (kind, hint) = match &error {
            ClusterError::Login(LoginError::OAuth(error)) if !error.is_refusal() => {
                (ErrorKind::Network, error.hint().or(Some("check openshift_url in osbs.conf, and the network")))
            }
            ClusterError::Network { .. } => {
                (ErrorKind::Network, Some("check openshift_url in osbs.conf, and the network"))
            }
            ClusterError::Certificate { .. } => (
                ErrorKind::Network,
                Some("set ca_file in osbs.conf to the certificates that the server's is signed with"),
            ),
            ClusterError::Login(error) => (ErrorKind::Authentication, error.hint().or(Some(LOGIN_HINT))),
            ClusterError::Refused { code: 401, .. } => (ErrorKind::Authentication, Some(LOGIN_HINT)),
            ClusterError::Refused { code: 403, .. } => (
                ErrorKind::Refused,
                Some(
                    "ask the cluster's administrators for that right, or check the namespace and who you are (`oc whoami`)",
                ),
            ),
            ClusterError::Refused { .. } => (ErrorKind::Server, None),
            ClusterError::Setup { .. } => (ErrorKind::Config, None),
            ClusterError::Malformed { .. } => (ErrorKind::Server, Some("is openshift_url that of an API server?")),
        };
        let error = Error::new(kind, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// What to do about a run that is not there.
pub const NOT_THERE_HINT: &str = "is it the right cluster and namespace? Runs that ended well may have been deleted";

const LOGIN_HINT: &str =
    "log in with `oc login`, or set token_file, username and password, or use_kerberos in osbs.conf";

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Self {
        let hint = match &error {
            AccessError::NoServer { instance } => Some(format!(
                "set openshift_url in [{instance}] of osbs.conf, give --openshift-url, or log in with `oc login`"
            )),
            AccessError::Login(error) => Some(error.hint().unwrap_or(LOGIN_HINT).to_owned()),
            AccessError::Url { .. } | AccessError::Kubeconfig(_) | AccessError::Pem { .. } => None,
        };
        let kind = if matches!(error, AccessError::Login(_)) { ErrorKind::Authentication } else { ErrorKind::Config };
        let error = Error::new(kind, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<WatchError> for Error {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Cluster(error) => error.into(),
            error @ WatchError::NoSuchRun { .. } => Error::new(ErrorKind::Server, error).hint(NOT_THERE_HINT),
        }
    }
}

impl From<CreateError> for Error {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Cluster(error) => error.into(),
            error @ (CreateError::Missing { .. } | CreateError::Binding { .. }) => Error::new(ErrorKind::Config, error)
                .hint("set these keys in the instance's section of osbs.conf, or pipeline_run_path to the site's template"),
            error @ CreateError::Taken { .. } => Error::new(ErrorKind::Server, error).hint("try again"),
        }
    }
}

impl From<DockerBuildError> for Error {
    fn from(error: DockerBuildError) -> Self {
        Error::new(ErrorKind::Refused, error).hint("leave them out, or build on a cluster with Tekton, or on Koji")
    }
}

impl From<TemplateError> for Error {
    fn from(error: TemplateError) -> Self {
        Error::new(ErrorKind::Config, error)
    }
}

impl From<UserParamsError> for Error {
    fn from(error: UserParamsError) -> Self {
        let hint = match &error {
            UserParamsError::BuildLimit { most, .. } => {
                format!("set buildtime_limit in container.yaml to {most} or less")
            }
            UserParamsError::NoComponent => "add LABEL com.redhat.component=NAME to the last stage".to_owned(),
        };
        Error::new(ErrorKind::Refused, error).hint(hint)
    }
}
