//! Which bearer token an OpenShift API server gets, and from where it can be had again.
//!
//! The order is that of osbs-client's `Configuration.get_oauth2_token`, and then what it does not know: the keyring, the
//! kubeconfig that `oc login` writes, and last the token of the pod this runs in. Unlike there, a token file that cannot be
//! used is an error that names it; osbs-client sends the *path* as the token. Nothing is sent here, and nothing but files and
//! the keyring is asked: a login by user and password or by Kerberos is [`super::oauth`]'s.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use futures_util::future::LocalBoxFuture;
use kube::config::Kubeconfig;
use url::Url;

use crate::credentials::Secret;
use crate::file;
use crate::wait::WaitError;

pub(crate) mod kubeconfig;
#[cfg(test)]
mod tests;

pub use kubeconfig::KubeconfigUser;

/// Where a pod finds the token of its service account.
pub const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The most bytes a token file may have. The largest tokens, signed ones with many groups, have some thousand.
const MOST_BYTES: u64 = 64 * 1024;

/// A look into the keyring.
pub type LookUp<'a> = LocalBoxFuture<'a, Result<Option<Secret>, WaitError>>;

/// All places a token may come from, in the order in which they count.
#[derive(Clone, Copy)]
pub struct TokenOrder<'a> {
    /// The API server the token is for.
    pub server: &'a Url,
    /// The instance's `use_auth`: `false` switches every token off, `true` asks for one even where there is a certificate.
    pub use_auth: Option<bool>,
    /// The token given on the command line.
    pub option_token: Option<&'a Secret>,
    /// The token file given on the command line.
    pub option_token_file: Option<&'a Path>,
    /// The instance's `token`.
    pub token: Option<&'a Secret>,
    /// The instance's `token_file`.
    pub token_file: Option<&'a Path>,
    /// `~/.osbs/<instance>.token` ([`instance_file`]); need not exist.
    pub instance_file: Option<&'a Path>,
    /// The way to log in that is configured instead of a token.
    pub configured: Option<ConfiguredLogin>,
    /// Looks into the keyring. Called only when its turn comes: the desktop may ask to unlock it.
    pub keyring: Option<&'a dyn Fn() -> LookUp<'a>>,
    /// The user's kubeconfig, which is used only for the server it is for.
    pub kubeconfig: Option<&'a Kubeconfig>,
    /// [`POD_TOKEN`]; need not exist.
    pub pod_file: Option<&'a Path>,
}

impl<'a> TokenOrder<'a> {
    /// No candidates at all.
    pub fn new(server: &'a Url) -> TokenOrder<'a> {
        TokenOrder {
            server,
            use_auth: None,
            option_token: None,
            option_token_file: None,
            token: None,
            token_file: None,
            instance_file: None,
            configured: None,
            keyring: None,
            kubeconfig: None,
            pod_file: None,
        }
    }

    /// Where credentials were looked for when there are none.
    pub fn places(&self) -> Vec<String> {
        if self.use_auth == Some(false) {
            return vec!["`use_auth` in osbs.conf switches them off".to_owned()];
        }
        let mut places = vec!["not in osbs.conf".to_owned()];
        places.extend(self.instance_file.map(|path| format!("no {}", path.display())));
        places.push(match self.keyring {
            Some(_) => "nothing in the keyring".to_owned(),
            None => "no keyring".to_owned(),
        });
        places.push(match self.kubeconfig {
            Some(_) => "nobody for this server in the kubeconfig".to_owned(),
            None => "no kubeconfig".to_owned(),
        });
        places.extend(self.pod_file.map(|_| "no token of a pod".to_owned()));
        places
    }
}

/// How the instance says to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfiguredLogin {
    /// With user and password or Kerberos, at the OAuth server.
    Challenge,
    /// With a client certificate: at the API server itself, and at the OAuth server only with `use_auth`.
    Certificate,
}

/// Who we are to the API server.
#[derive(Debug)]
pub enum Identity {
    /// The bearer of a token.
    Token(Token),
    /// Whoever the OAuth server says: a token has to be asked for (see [`super::oauth`]).
    Challenge,
    /// The owner of the configured client certificate; no token is sent.
    Certificate,
    /// A user of the kubeconfig without a token, for the `kube` crate to see to.
    Kubeconfig(KubeconfigUser),
    /// There is nothing to show, or nothing is to be shown: where it was looked for.
    Nobody(Vec<String>),
}

/// What was chosen, and what to tell the user about it.
#[derive(Debug)]
pub struct Chosen {
    /// Who we are.
    pub identity: Identity,
    /// What is odd about it.
    pub warnings: Vec<TokenWarning>,
}

/// A token and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The token, fit for a header.
    pub secret: Secret,
    /// Where it is from.
    pub source: TokenSource,
}

/// Where a token is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// The command line.
    CommandLine,
    /// The instance's `token` in osbs.conf.
    Configuration,
    /// The desktop's keyring.
    Keyring,
    /// A token written in the kubeconfig.
    Kubeconfig {
        /// The name of its context.
        context: String,
    },
    /// A file.
    File {
        /// The file.
        path: PathBuf,
        /// Who names it.
        role: FileRole,
    },
}

/// Who names a token file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// The command line.
    CommandLine,
    /// The instance's `token_file`.
    Configuration,
    /// Its place in the home: `~/.osbs/<instance>.token`.
    Instance,
    /// A user's `tokenFile` in the kubeconfig.
    Kubeconfig,
    /// Kubernetes, in each pod.
    Pod,
}

impl TokenSource {
    /// Whether there may be a newer token after the server has refused this one.
    pub fn can_be_read_again(&self) -> bool {
        matches!(self, TokenSource::File { .. })
    }

    /// The token that is there now. `None` where there is nothing to read: an option stays what it is.
    ///
    /// # Errors
    /// When the file cannot be used (any more).
    pub fn read_again(&self) -> Result<Option<Secret>, TokenError> {
        match self {
            TokenSource::File { path, role } => read(path, *role).map(|(secret, _)| Some(secret)),
            _ => Ok(None),
        }
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenSource::CommandLine => f.write_str("the token on the command line"),
            TokenSource::Configuration => f.write_str("`token` in osbs.conf"),
            TokenSource::Keyring => f.write_str("the token in the keyring"),
            TokenSource::Kubeconfig { context } => write!(f, "the token of the kubeconfig's context {context}"),
            TokenSource::File { path, role } => write!(f, "the token file {} ({role})", path.display()),
        }
    }
}

impl fmt::Display for FileRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileRole::CommandLine => "given on the command line",
            FileRole::Configuration => "`token_file` in osbs.conf",
            FileRole::Instance => "the OSBS instance's",
            FileRole::Kubeconfig => "`tokenFile` in the kubeconfig",
            FileRole::Pod => "this pod's",
        })
    }
}

/// Why a token cannot be used. None of these shows any of it.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token file {path} ({role})", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Who names it.
        role: FileRole,
        /// What the system says.
        source: io::Error,
    },
    /// The keyring gives no answer.
    #[error(transparent)]
    Keyring(#[from] WaitError),
    /// The text is no token.
    #[error("{origin} cannot be used: {flaw}")]
    Unusable {
        /// Where the text is from.
        origin: Box<TokenSource>,
        /// What is wrong with it.
        flaw: TokenFlaw,
    },
}

impl TokenError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            TokenError::Read { .. } => "make the file readable for you, or name another one",
            TokenError::Keyring(_) => "unlock the keyring, or name a token with --token-file",
            TokenError::Unusable { .. } => "put a token there, and nothing else: `oc whoami --show-token` prints yours",
        }
    }
}

/// What is wrong with a text that should be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFlaw {
    /// Nothing but blanks.
    #[error("it is empty")]
    Empty,
    /// A file of another kind, most likely.
    #[error("it has more than one line")]
    Lines,
    /// Blanks, control characters or letters that cannot be sent.
    #[error("it has characters that no token has")]
    Characters,
    /// More than any token.
    #[error("it is longer than {MOST_BYTES} bytes")]
    TooLong,
}

/// What the user should know about a token that is used, or not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenWarning {
    /// Whoever has an account here can be the user at the cluster.
    #[error("other users of this machine can read the token file {path} (mode {mode:04o}): `chmod 600` it", path = path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Nobody says which one is meant.
    #[error(
        "the kubeconfig has several users for {server} ({users}) and another server's context is current: none is used; \
         choose one with `oc config use-context`",
        users = users.join(", ")
    )]
    SeveralUsers {
        /// The server.
        server: Url,
        /// Their names in the kubeconfig.
        users: Vec<String>,
    },
}

/// The file in which an instance's token is looked for. `None` for a name that cannot be that of a file.
pub fn instance_file(home: &Path, instance: &str) -> Option<PathBuf> {
    let is_name = !instance.is_empty() && !instance.contains(['/', '\0']);
    is_name.then(|| home.join(".osbs").join(format!("{instance}.token")))
}

/// Whether two addresses are the same API server: scheme, host, port and path, however they are written.
pub fn is_same_server(one: &Url, other: &Url) -> bool {
    let path = |url: &'_ Url| url.path().trim_end_matches('/').to_owned();
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
        && path(one) == path(other)
}

/// Chooses who we are.
///
/// # Errors
/// When the candidate whose turn it is cannot be used. The next one is not tried then: it would be somebody else.
pub async fn choose(order: &TokenOrder<'_>) -> Result<Chosen, TokenError> {
    let mut warnings = Vec::new();
    let identity = identity(order, &mut warnings).await?;
    match &identity {
        Identity::Token(token) => tracing::debug!(source = %token.source, "token chosen"),
        other => tracing::debug!(identity = ?other, "no token chosen"),
    }
    Ok(Chosen { identity, warnings })
}

async fn identity(order: &TokenOrder<'_>, warnings: &mut Vec<TokenWarning>) -> Result<Identity, TokenError> {
    if order.use_auth == Some(false) {
        let certificate = order.configured == Some(ConfiguredLogin::Certificate);
        return Ok(if certificate { Identity::Certificate } else { Identity::Nobody(order.places()) });
    }
    if let Some(token) = configured_token(order, warnings)? {
        return Ok(Identity::Token(token));
    }
    match (order.configured, order.use_auth) {
        (Some(ConfiguredLogin::Challenge), _) | (Some(ConfiguredLogin::Certificate), Some(true)) => {
            return Ok(Identity::Challenge);
        }
        (Some(ConfiguredLogin::Certificate), _) => return Ok(Identity::Certificate),
        (None, _) => {}
    }
    if let Some(look) = order.keyring
        && let Some(secret) = look().await?
    {
        return checked(secret.expose(), TokenSource::Keyring).map(Identity::Token);
    }
    if let Some(kubeconfig) = order.kubeconfig
        && let Some(identity) = kubeconfig::identity(kubeconfig, order.server, warnings)?
    {
        return Ok(identity);
    }
    let pod = order.pod_file.map(|path| file_if_there(path, FileRole::Pod, warnings)).transpose()?.flatten();
    Ok(pod.map_or_else(|| Identity::Nobody(order.places()), Identity::Token))
}

/// What the command line, osbs.conf and the instance's file say.
fn configured_token(order: &TokenOrder<'_>, warnings: &mut Vec<TokenWarning>) -> Result<Option<Token>, TokenError> {
    if let Some(secret) = order.option_token {
        return checked(secret.expose(), TokenSource::CommandLine).map(Some);
    }
    if let Some(path) = order.option_token_file {
        return file(path, FileRole::CommandLine, warnings).map(Some);
    }
    if let Some(secret) = order.token {
        return checked(secret.expose(), TokenSource::Configuration).map(Some);
    }
    if let Some(path) = order.token_file {
        return file(path, FileRole::Configuration, warnings).map(Some);
    }
    match order.instance_file {
        Some(path) => file_if_there(path, FileRole::Instance, warnings),
        None => Ok(None),
    }
}

/// A file that nobody asked for by name may be missing; everything else about it is an error.
fn file_if_there(path: &Path, role: FileRole, warnings: &mut Vec<TokenWarning>) -> Result<Option<Token>, TokenError> {
    match file(path, role, warnings) {
        Err(TokenError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn file(path: &Path, role: FileRole, warnings: &mut Vec<TokenWarning>) -> Result<Token, TokenError> {
    let (secret, mode) = read(path, role)?;
    // Kubernetes makes a pod's file readable for all of its users on purpose.
    if role != FileRole::Pod && mode & 0o044 != 0 {
        warnings.push(TokenWarning::ReadableByOthers { path: path.to_owned(), mode });
    }
    Ok(Token { secret, source: TokenSource::File { path: path.to_owned(), role } })
}

/// A file's token, and the permissions of the very file that was read.
fn read(path: &Path, role: FileRole) -> Result<(Secret, u32), TokenError> {
    let failed = |source| TokenError::Read { path: path.to_owned(), role, source };
    let file = file::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    let bytes = zeroize::Zeroizing::new(file::beginning(&file, MOST_BYTES).map_err(failed)?);
    let source = TokenSource::File { path: path.to_owned(), role };
    let unusable = |flaw| TokenError::Unusable { origin: Box::new(source.clone()), flaw };
    if bytes.len() as u64 > MOST_BYTES {
        return Err(unusable(TokenFlaw::TooLong));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable(TokenFlaw::Characters))?;
    let secret = check(text).map_err(unusable)?;
    Ok((secret, mode))
}

fn checked(text: &str, source: TokenSource) -> Result<Token, TokenError> {
    match check(text) {
        Ok(secret) => Ok(Token { secret, source }),
        Err(flaw) => Err(TokenError::Unusable { origin: Box::new(source), flaw }),
    }
}

/// The token in a text, without the blanks around it.
///
/// # Errors
/// When it cannot be sent in a header, or is none.
pub fn check(text: &str) -> Result<Secret, TokenFlaw> {
    let token = text.trim();
    if token.is_empty() {
        return Err(TokenFlaw::Empty);
    }
    if token.contains(['\n', '\r']) {
        return Err(TokenFlaw::Lines);
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenFlaw::Characters);
    }
    Ok(Secret::new(token))
}
