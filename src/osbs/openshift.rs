//! Which API server, and who we are there: from options, osbs.conf, kubeconfig and a pod's service account.
//!
//! The token that is named first in this order counts: option, option's file, the instance's own, `~/.osbs/INSTANCE.token`, the
//! keyring, the instance's login (password or ticket), the kubeconfig's user of the *same* server, the pod's service account. A
//! kubeconfig's token never goes to another server than the one that it is for.

use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig};
use url::Url;

use super::login::{Login, LoginError};
use super::oauth::{Challenge, Method};
use crate::config::osbs::OsbsInstance;
use crate::credentials::Secret;

/// Where a pod finds its service account.
const IN_POD: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The namespace where nobody names one (osbs-client).
const DEFAULT_NAMESPACE: &str = "default";

/// Everything that says where and who.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The instance of osbs.conf.
    pub instance: &'a OsbsInstance,
    /// `--openshift-url`.
    pub url: Option<Url>,
    /// `--osbs-namespace`.
    pub namespace: Option<String>,
    /// `--token`.
    pub token: Option<Secret>,
    /// `--token-file`.
    pub token_file: Option<PathBuf>,
    /// The home folder.
    pub home: Option<&'a Path>,
}

/// A server, and how to get in.
pub struct Access {
    /// The connection's settings.
    pub config: kube::Config,
    /// The server.
    pub url: Url,
    /// The namespace of builds.
    pub namespace: String,
    /// Who we are.
    pub login: Login,
}

/// Why there is no way in.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Nothing names a server.
    #[error("no OpenShift server is known")]
    NoServer {
        /// The instance that could name one.
        instance: String,
    },
    /// The address is of no use to the client.
    #[error("{url} is no address of an API server: {why}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig")]
    Kubeconfig(#[source] Box<kube::config::KubeconfigError>),
    /// A PEM file cannot be read.
    #[error("cannot use {what} {}: {why}", path.display())]
    Pem {
        /// What it is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The token is no token.
    #[error(transparent)]
    Login(#[from] LoginError),
}

/// Finds the server and a way in. Reads files; asks nobody.
///
/// # Errors
/// When no server is named, or what is named cannot be read.
pub async fn access(sources: Sources<'_>) -> Result<Access, AccessError> {
    let instance = sources.instance;
    let wanted = sources.url.clone().or_else(|| instance.openshift_url.clone());
    let kubeconfig = kubeconfig(wanted.is_none())?;
    let matching = match &kubeconfig {
        Some(kubeconfig) => of_server(kubeconfig, wanted.as_ref()).await?,
        None => None,
    };
    let in_pod = Path::new(IN_POD);
    let url = match (&wanted, &matching) {
        (Some(url), _) => url.clone(),
        (None, Some(config)) => parsed(&config.cluster_url.to_string())?,
        (None, None) => pod_server(in_pod).ok_or_else(|| AccessError::NoServer { instance: instance.name.clone() })?,
    };
    let own = own_login(&sources, &url)?;
    let auth = instance.use_auth != Some(false);
    let mut config = match (&own, matching) {
        // What the kubeconfig knows of the server holds, whoever we are.
        (Some(_), Some(mut config)) => {
            config.auth_info = kube::config::AuthInfo::default();
            config
        }
        (None, Some(config)) => config,
        (_, None) => kube::Config::new(uri(&url)?),
    };
    config.cluster_url = uri(&url)?;
    certificates(instance, &mut config)?;
    let has_own_identity = config.auth_info.token.is_some()
        || config.auth_info.token_file.is_some()
        || config.auth_info.exec.is_some()
        || config.auth_info.client_certificate_data.is_some()
        || config.auth_info.client_certificate.is_some();
    let login = match own {
        _ if !auth => Login::Elsewhere,
        Some(login) => login,
        None if !has_own_identity && in_pod.join("token").is_file() => {
            if instance.verify_ssl && instance.ca_file.is_none() {
                config.root_cert = Some(pem("the pod's certificate", &in_pod.join("ca.crt"))?);
            }
            Login::File(in_pod.join("token"))
        }
        None => Login::Elsewhere,
    };
    let from_pod = || std::fs::read_to_string(in_pod.join("namespace")).ok().map(|text| text.trim().to_owned());
    let from_context = Some(config.default_namespace.clone()).filter(|namespace| namespace != DEFAULT_NAMESPACE);
    let namespace = sources.namespace.or_else(|| instance.namespace.clone()).or(from_context).or_else(from_pod);
    Ok(Access { config, url, namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()), login })
}

/// The credentials that were given for this very server.
fn own_login(sources: &Sources<'_>, url: &Url) -> Result<Option<Login>, AccessError> {
    let credentials = &sources.instance.credentials;
    if let Some(token) = &sources.token {
        return Ok(Some(Login::Fixed(token.clone())));
    }
    if let Some(path) = &sources.token_file {
        return Ok(Some(Login::File(path.clone())));
    }
    if let Some(token) = &credentials.token {
        return Ok(Some(Login::Fixed(Secret::new(token.trim()))));
    }
    if let Some(path) = &credentials.token_file {
        return Ok(Some(Login::File(path.clone())));
    }
    let instance_file = sources.home.map(|home| home.join(".osbs").join(format!("{}.token", sources.instance.name)));
    if let Some(path) = instance_file.filter(|path| path.is_file()) {
        return Ok(Some(Login::File(path)));
    }
    if let Some(token) = in_keyring(&sources.instance.name, url) {
        return Ok(Some(Login::Fixed(token)));
    }
    Ok(challenge(sources, url).map(|challenge| Login::OAuth(Box::new(challenge))))
}

/// The login that the instance says, where it is one that gets a token.
fn challenge(sources: &Sources<'_>, url: &Url) -> Option<Challenge> {
    let instance = sources.instance;
    let credentials = &instance.credentials;
    let method = match (&credentials.username, &credentials.password) {
        (Some(username), Some(password)) => {
            Method::Basic { username: username.clone(), password: Secret::new(password.clone()) }
        }
        _ if credentials.use_kerberos => Method::Kerberos {
            principal: credentials.kerberos_principal.clone(),
            keytab: credentials.kerberos_keytab.clone(),
            ccache: credentials.kerberos_ccache.clone(),
        },
        // With a certificate alone there is no token, unless the instance says that there is an authorization endpoint for it.
        _ if credentials.client_cert.is_some() && instance.oauth_url.is_some() => Method::Certificate,
        _ => return None,
    };
    Some(Challenge {
        api: url.clone(),
        oauth_url: instance.oauth_url.clone(),
        method,
        verify_ssl: instance.verify_ssl,
        ca_file: instance.ca_file.clone(),
        client_cert: credentials.client_cert.clone(),
        client_key: credentials.client_key.clone(),
    })
}

#[cfg(feature = "keyring")]
fn in_keyring(instance: &str, url: &Url) -> Option<Secret> {
    crate::credentials::keyring::password(instance, url.as_str())
}

#[cfg(not(feature = "keyring"))]
fn in_keyring(_: &str, _: &Url) -> Option<Secret> {
    None
}

/// The kubeconfig, if there is one. A broken one matters only where nothing else names the server.
fn kubeconfig(is_needed: bool) -> Result<Option<Kubeconfig>, AccessError> {
    match Kubeconfig::read() {
        Ok(kubeconfig) => Ok(Some(kubeconfig)),
        Err(kube::config::KubeconfigError::FindPath | kube::config::KubeconfigError::ReadConfig(..)) => Ok(None),
        Err(error) if is_needed => Err(AccessError::Kubeconfig(Box::new(error))),
        Err(error) => {
            tracing::debug!(%error, "the kubeconfig cannot be used");
            Ok(None)
        }
    }
}

/// What the kubeconfig says of a server, without one of its current context's. The current context is preferred.
async fn of_server(kubeconfig: &Kubeconfig, wanted: Option<&Url>) -> Result<Option<kube::Config>, AccessError> {
    let server_of = |context: &str| {
        let named = kubeconfig.contexts.iter().find(|named| named.name == context)?;
        let cluster = named.context.as_ref()?.cluster.clone();
        let cluster = kubeconfig.clusters.iter().find(|named| named.name == cluster)?;
        Url::parse(cluster.cluster.as_ref()?.server.as_deref()?).ok()
    };
    let current = kubeconfig.current_context.clone();
    let all = current.iter().cloned().chain(kubeconfig.contexts.iter().map(|named| named.name.clone()));
    let context = match wanted {
        Some(url) => all.into_iter().find(|context| server_of(context).is_some_and(|server| is_same(&server, url))),
        None => current.filter(|context| server_of(context).is_some()),
    };
    let Some(context) = context else { return Ok(None) };
    let options = KubeConfigOptions { context: Some(context), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await;
    config.map(Some).map_err(|error| AccessError::Kubeconfig(Box::new(error)))
}

/// Whether two addresses are of the same server: the parser has folded case and default ports already.
fn is_same(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin() && one.path().trim_end_matches('/') == other.path().trim_end_matches('/')
}

/// The server that a pod is told of by its environment.
fn pod_server(in_pod: &Path) -> Option<Url> {
    let host = std::env::var("KUBERNETES_SERVICE_HOST").ok().filter(|_| in_pod.join("token").is_file())?;
    let port = std::env::var("KUBERNETES_SERVICE_PORT").unwrap_or_else(|_| "443".to_owned());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Url::parse(&format!("https://{host}:{port}/")).ok()
}

/// The instance's certificates and whom it trusts.
fn certificates(instance: &OsbsInstance, config: &mut kube::Config) -> Result<(), AccessError> {
    if !instance.verify_ssl {
        config.accept_invalid_certs = true;
    } else if let Some(path) = &instance.ca_file {
        config.root_cert = Some(pem("the CA file", path)?);
    }
    let credentials = &instance.credentials;
    if let (Some(certificate), Some(key)) = (&credentials.client_cert, &credentials.client_key) {
        for (what, path) in [("the client certificate", certificate), ("the client key", key)] {
            let unreadable =
                |error: std::io::Error| AccessError::Pem { what, path: path.clone(), why: error.to_string() };
            std::fs::metadata(path).map_err(unreadable)?;
        }
        config.auth_info.client_certificate = Some(certificate.display().to_string());
        config.auth_info.client_key = Some(key.display().to_string());
    }
    Ok(())
}

/// The certificates of a PEM file, in DER.
fn pem(what: &'static str, path: &Path) -> Result<Vec<Vec<u8>>, AccessError> {
    let wrong = |why: String| AccessError::Pem { what, path: path.to_owned(), why };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates = openssl::x509::X509::stack_from_pem(&text).map_err(|_| wrong("it is malformed".to_owned()))?;
    if certificates.is_empty() {
        return Err(wrong("it holds no PEM certificate".to_owned()));
    }
    certificates
        .iter()
        .map(|certificate| certificate.to_der().map_err(|_| wrong("it is malformed".to_owned())))
        .collect()
}

fn uri(url: &Url) -> Result<http::Uri, AccessError> {
    let text = url.as_str();
    text.parse()
        .map_err(|error: http::uri::InvalidUri| AccessError::Url { url: text.to_owned(), why: error.to_string() })
}

fn parsed(text: &str) -> Result<Url, AccessError> {
    Url::parse(text).map_err(|error| AccessError::Url { url: text.to_owned(), why: error.to_string() })
}
