//! Which API server, and who we are there: from options, osbs.conf, kubeconfig and a pod's service account.
//!
//! Which token counts is [`super::token`]'s decision. A kubeconfig's token never goes to another server than the one that it is for.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use futures_util::FutureExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use url::Url;

use super::kerberos::Kerberos;
use super::oauth::{Challenge, Method};
use super::token::{
    self, Chosen, ConfiguredLogin, FileRole, Identity, Token, TokenError, TokenOrder, TokenSource, TokenWarning,
};
use super::{LOGIN_HINT, Login, LoginError, Nobody};
use crate::address::{self, Address};
use crate::child;
use crate::config::osbs::OsbsInstance;
use crate::credentials::{Secret, keyring};
use crate::error::{Error, ErrorKind};
use crate::event::EventSender;
use crate::file;
use crate::http::{ClientOptions, Redirects};
use crate::wait::{self, LOCAL, Patience, WaitError};

/// Where a pod finds its service account.
const IN_POD: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Who we are, in a file.
const CERTIFICATE: &str = "the client certificate";
/// What shows that we are.
const KEY: &str = "the client key";
/// The namespace where nobody names one (osbs-client).
const DEFAULT_NAMESPACE: &str = "default";
/// How long the files may take, and the keyring, which has a limit of its own, after them.
const PATIENCE: Patience = Patience { within: LOCAL.within.saturating_mul(2), ..LOCAL };

/// Everything that says where and who.
#[derive(Debug, Clone)]
pub(crate) struct Sources<'a> {
    /// The instance of osbs.conf.
    pub instance: &'a OsbsInstance,
    /// `--openshift-url`.
    pub url: Option<Address>,
    /// `--osbs-namespace`.
    pub namespace: Option<String>,
    /// `--token`.
    pub token: Option<Secret>,
    /// `--token-file`.
    pub token_file: Option<PathBuf>,
    pub home: Option<&'a Path>,
}

/// A server, and how to get in.
pub(crate) struct Access {
    /// The connection's settings.
    pub config: kube::Config,
    /// The server.
    pub url: Url,
    /// The namespace of builds.
    pub namespace: String,
    pub login: Login,
    /// What is odd about the token.
    pub warnings: Vec<TokenWarning>,
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
    Kubeconfig(#[source] Box<KubeconfigError>),
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
    /// The files that name it cannot be read, or that went wrong in this program.
    #[error(transparent)]
    Wait(#[from] WaitError),
}

impl From<TokenError> for AccessError {
    fn from(error: TokenError) -> Self {
        AccessError::Login(error.into())
    }
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Self {
        let kind = match &error {
            AccessError::NoServer { .. } | AccessError::Url { .. } => ErrorKind::Config,
            AccessError::Kubeconfig(source) => match **source {
                KubeconfigError::LoadClientCertificate(_)
                | KubeconfigError::LoadClientKey(_)
                | KubeconfigError::ParseCertificates(_) => ErrorKind::Authentication,
                _ => ErrorKind::Config,
            },
            AccessError::Pem { what: CERTIFICATE | KEY, .. } => ErrorKind::Authentication,
            // Whom to trust is no credential.
            AccessError::Pem { .. } => ErrorKind::Config,
            AccessError::Login(error) if error.is_refusal() => ErrorKind::Authentication,
            AccessError::Login(_) => ErrorKind::Network,
            AccessError::Wait(error) => error.kind(),
        };
        let hint = match &error {
            AccessError::NoServer { instance } => Some(format!(
                "set openshift_url in [{instance}] of osbs.conf, give --openshift-url, or log in with `oc login`"
            )),
            AccessError::Login(error) => Some(error.hint().unwrap_or(LOGIN_HINT).to_owned()),
            AccessError::Wait(error) => error.hint().map(str::to_owned),
            AccessError::Url { .. } | AccessError::Kubeconfig(_) | AccessError::Pem { .. } => None,
        };
        Error::new(kind, error).hint_if(hint)
    }
}

/// Finds the server and a way in. Reads files, which may be pipes, and asks the keyring, which may ask the user: so it is done where
/// waiting holds up nothing else. Asks no server.
///
/// # Errors
/// When no server is named, or what is named cannot be read.
pub(crate) async fn access(sources: Sources<'_>, events: &EventSender) -> Result<Access, AccessError> {
    let (instance, home) = (sources.instance.clone(), sources.home.map(Path::to_owned));
    let Sources { url, namespace, token, token_file, .. } = sources;
    let (runtime, inner) = (tokio::runtime::Handle::current(), events.clone());
    let find = move || {
        let (instance, home) = (&instance, home.as_deref());
        runtime.block_on(find(Sources { instance, url, namespace, token, token_file, home }, &inner))
    };
    wait::blocking_for(PATIENCE, events, "the files of the login", find).await?
}

async fn find(sources: Sources<'_>, events: &EventSender) -> Result<Access, AccessError> {
    let instance = sources.instance;
    let wanted = sources.url.clone().or_else(|| instance.openshift_url.clone());
    let wanted = wanted.map(|address| address.bare());
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
    let chosen = identity(&sources, &url, kubeconfig.as_ref(), events).await?;
    let mut config = match (kubeconfig.as_ref(), &chosen.identity) {
        (Some(kubeconfig), Identity::Kubeconfig(user)) => of_context(kubeconfig, &user.context).await?,
        // What the kubeconfig knows of the server holds, whoever we are; who we are there does not.
        _ => match matching {
            Some(mut config) => {
                config.auth_info = kube::config::AuthInfo::default();
                config
            }
            None => kube::Config::new(uri(&url)?),
        },
    };
    config.cluster_url = uri(&url)?;
    if config.proxy_url.is_none() {
        config.proxy_url = proxy(&config.cluster_url);
    }
    certificates(instance, &mut config)?;
    if is_pods(&chosen.identity) && instance.verify_ssl && instance.ca_file.is_none() {
        config.root_cert = Some(pem("the pod's certificate", &in_pod.join("ca.crt"))?);
    }
    let login = match chosen.identity {
        Identity::Token(token) => Login::Token(token),
        Identity::Challenge => login(instance, &url),
        Identity::Certificate | Identity::Kubeconfig(_) => Login::Elsewhere,
        Identity::Nobody(places) => Login::Nobody(Nobody(places)),
    };
    let from_pod = || file::read_text(&in_pod.join("namespace")).ok().map(|text| text.trim().to_owned());
    let from_context = Some(config.default_namespace.clone()).filter(|namespace| namespace != DEFAULT_NAMESPACE);
    let namespace = sources.namespace.or_else(|| instance.namespace.clone()).or(from_context).or_else(from_pod);
    Ok(Access {
        config,
        url,
        namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
        login,
        warnings: chosen.warnings,
    })
}

/// Who we are at this very server.
async fn identity(
    sources: &Sources<'_>,
    url: &Url,
    kubeconfig: Option<&Kubeconfig>,
    events: &EventSender,
) -> Result<Chosen, TokenError> {
    let instance = sources.instance;
    let configured_token = instance.credentials.token.as_deref().map(Secret::new);
    let instance_file = sources.home.and_then(|home| token::instance_file(home, &instance.name));
    let keyring = || keyring::stored(events, instance.name.clone(), url.to_string()).boxed_local();
    token::choose(&TokenOrder {
        server: url,
        use_auth: instance.use_auth,
        option_token: sources.token.as_ref(),
        option_token_file: sources.token_file.as_deref(),
        token: configured_token.as_ref(),
        token_file: instance.credentials.token_file.as_deref(),
        instance_file: instance_file.as_deref(),
        configured: configured(instance),
        keyring: cfg!(feature = "keyring").then_some(&keyring),
        kubeconfig,
        pod_file: Some(Path::new(token::POD_TOKEN)),
    })
    .await
}

fn is_pods(identity: &Identity) -> bool {
    let Identity::Token(Token { source: TokenSource::File { role, .. }, .. }) = identity else { return false };
    *role == FileRole::Pod
}

/// The login that the instance says instead of a token. With a certificate alone there is no token, unless the instance says
/// that there is an authorization endpoint for it.
fn configured(instance: &OsbsInstance) -> Option<ConfiguredLogin> {
    let credentials = &instance.credentials;
    if credentials.use_kerberos || (credentials.username.is_some() && credentials.password.is_some()) {
        return Some(ConfiguredLogin::Challenge);
    }
    credentials.client_cert.as_ref().map(|_| match instance.oauth_url {
        Some(_) => ConfiguredLogin::Challenge,
        None => ConfiguredLogin::Certificate,
    })
}

/// The login at the OAuth server.
fn login(instance: &OsbsInstance, url: &Url) -> Login {
    let credentials = &instance.credentials;
    let method = match (&credentials.username, &credentials.password) {
        (Some(username), Some(password)) => {
            Method::Basic { username: username.clone(), password: Secret::new(password.clone()) }
        }
        _ if credentials.use_kerberos => Method::Kerberos(Kerberos {
            principal: credentials.kerberos_principal.clone(),
            keytab: credentials.kerberos_keytab.clone(),
            ccache: credentials.kerberos_ccache.clone(),
        }),
        _ => Method::Certificate,
    };
    let client = ClientOptions {
        serverca: instance.ca_file.clone().filter(|_| instance.verify_ssl),
        certificate_pair: credentials.client_cert.clone().zip(credentials.client_key.clone()),
        insecure: !instance.verify_ssl,
        redirects: Redirects::Refuse,
        ..ClientOptions::default()
    };
    let challenge = Challenge { api: url.clone(), oauth_url: instance.oauth_url.as_ref().map(Address::bare), method };
    Login::OAuth { challenge: Box::new(challenge), client }
}

/// The kubeconfig, if there is one. A broken one matters only where nothing else names the server.
fn kubeconfig(is_needed: bool) -> Result<Option<Kubeconfig>, AccessError> {
    match token::kubeconfig::read() {
        Ok(kubeconfig) => Ok(Some(kubeconfig)),
        Err(KubeconfigError::FindPath) => Ok(None),
        Err(KubeconfigError::ReadConfig(error, _)) if error.kind() != io::ErrorKind::InvalidInput => Ok(None),
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
        Some(url) => {
            all.into_iter().find(|context| server_of(context).is_some_and(|server| token::is_same_server(&server, url)))
        }
        None => current.filter(|context| server_of(context).is_some()),
    };
    match context {
        Some(context) => of_context(kubeconfig, &context).await.map(Some),
        None => Ok(None),
    }
}

/// Refuses what a context names and is no file.
fn check_files(kubeconfig: &Kubeconfig, context: &str) -> Result<(), AccessError> {
    let named = kubeconfig.contexts.iter().find(|named| named.name == context);
    let Some(context) = named.and_then(|named| named.context.as_ref()) else { return Ok(()) };
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster);
    let cluster = cluster.and_then(|named| named.cluster.as_ref());
    let user = kubeconfig.auth_infos.iter().find(|named| Some(&named.name) == context.user.as_ref());
    let user = user.and_then(|named| named.auth_info.as_ref());
    let files = [
        ("the CA file", cluster.and_then(|cluster| cluster.certificate_authority.as_ref())),
        (CERTIFICATE, user.and_then(|user| user.client_certificate.as_ref())),
        (KEY, user.and_then(|user| user.client_key.as_ref())),
    ];
    for (what, path) in files {
        let Some(path) = path.map(Path::new) else { continue };
        if let Some(error) = token::kubeconfig::irregular(path) {
            return Err(AccessError::Pem { what, path: path.to_owned(), why: error.to_string() });
        }
    }
    Ok(())
}

async fn of_context(kubeconfig: &Kubeconfig, context: &str) -> Result<kube::Config, AccessError> {
    check_files(kubeconfig, context)?;
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await;
    let mut config = config.map_err(|error| AccessError::Kubeconfig(Box::new(error)))?;
    if let Some(plugin) = &mut config.auth_info.exec {
        // It is the user's program, and gets what the user has set.
        plugin.drop_env.get_or_insert_default().extend(child::foreign().map(str::to_owned));
    }
    Ok(config)
}

/// The proxy that the environment names for a server (`HTTPS_PROXY`, `NO_PROXY` and their like), as for every other connection.
fn proxy(server: &http::Uri) -> Option<http::Uri> {
    let found = hyper_util::client::proxy::matcher::Matcher::from_env().intercept(server)?;
    let mut proxy = Url::parse(&found.uri().to_string()).ok()?;
    if let Some(authorization) =
        found.basic_auth().and_then(|value| value.to_str().ok()?.strip_prefix("Basic ").map(str::to_owned))
    {
        let pair = base64::engine::general_purpose::STANDARD.decode(authorization).ok()?;
        let (user, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
        proxy.set_username(user).ok()?;
        proxy.set_password(Some(password)).ok()?;
    }
    proxy.as_str().parse().ok()
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
        for (what, path) in [(CERTIFICATE, certificate), (KEY, key)] {
            let unreadable =
                |error: std::io::Error| AccessError::Pem { what, path: path.clone(), why: error.to_string() };
            file::open(path).map_err(unreadable)?;
        }
        config.auth_info.client_certificate = Some(certificate.display().to_string());
        config.auth_info.client_key = Some(key.display().to_string());
    }
    Ok(())
}

/// The certificates of a PEM file, in DER.
fn pem(what: &'static str, path: &Path) -> Result<Vec<Vec<u8>>, AccessError> {
    let wrong = |why: String| AccessError::Pem { what, path: path.to_owned(), why };
    let text = file::read(path, file::LONGEST).map_err(|error| wrong(error.to_string()))?;
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
    let refused = |error: url::ParseError| AccessError::Url { url: address::masked(text), why: error.to_string() };
    Ok(text.parse::<Address>().map_err(refused)?.bare())
}
