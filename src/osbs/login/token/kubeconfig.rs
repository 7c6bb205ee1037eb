//! Whom a kubeconfig knows at a server. Its tokens go to the server it names, and to no other.

use std::io;
use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, Context, Kubeconfig, KubeconfigError, NamedContext};
use url::Url;

use crate::config::show::unwritten;
use crate::event::ConfigValue;
use crate::file;

use super::{FileRole, Identity, TokenError, TokenSource, TokenWarning, checked, is_same_server};

/// A user without a token, whose login the `kube` crate can do: `KubeConfigOptions { context, .. }` names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeconfigUser {
    /// The context that is for our server.
    pub context: String,
    /// The user's name in the kubeconfig.
    pub user: String,
    /// How they log in.
    pub login: KubeconfigLogin,
}

/// How a user of a kubeconfig logs in without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubeconfigLogin {
    /// A program is run, which gives a token or a certificate. It can be run again when the server refuses that.
    Plugin,
    /// A client certificate.
    Certificate,
}

/// The context of a kubeconfig that is for this server: the current one, else the one of which there are no two users. Also
/// says where certificates of authorities and the namespace may be taken from.
///
/// # Errors
/// When several users could be meant.
pub(crate) fn context<'k>(kubeconfig: &'k Kubeconfig, server: &Url) -> Result<Option<&'k NamedContext>, TokenWarning> {
    let ours: Vec<(&NamedContext, &Context)> = kubeconfig
        .contexts
        .iter()
        .filter_map(|named| named.context.as_ref().map(|context| (named, context)))
        .filter(|(_, context)| is_for(kubeconfig, context, server))
        .collect();
    let current = ours.iter().find(|(named, _)| Some(&named.name) == kubeconfig.current_context.as_ref());
    if let Some((named, _)) = current {
        return Ok(Some(named));
    }
    let mut users: Vec<String> = ours.iter().filter_map(|(_, context)| context.user.clone()).collect();
    users.sort();
    users.dedup();
    if users.len() > 1 {
        return Err(TokenWarning::SeveralUsers { server: server.clone(), users });
    }
    Ok(ours.first().map(|(named, _)| *named))
}

/// What counts of the kubeconfig where `server` is the one that builds go to, or none is named; nothing of it where it is for others only.
pub(crate) fn shown(server: Option<&Url>) -> Vec<ConfigValue> {
    let place = place();
    let kubeconfig = match read() {
        Ok(kubeconfig) => kubeconfig,
        Err(KubeconfigError::FindPath) => return Vec::new(),
        Err(KubeconfigError::ReadConfig(error, _)) if error.kind() != io::ErrorKind::InvalidInput => return Vec::new(),
        Err(_) => {
            // What is wrong with it may quote it, tokens and all.
            let error = Some("it cannot be read as a kubeconfig".to_owned());
            return vec![ConfigValue { value: None, error, ..unwritten(SECTION, "context", "", place) }];
        }
    };
    let named = match server {
        // That several users could be meant is told when one is needed.
        Some(server) => context(&kubeconfig, server).unwrap_or_default(),
        None => kubeconfig.contexts.iter().find(|named| Some(&named.name) == kubeconfig.current_context.as_ref()),
    };
    let Some((name, context)) = named.and_then(|named| Some((&named.name, named.context.as_ref()?))) else {
        return Vec::new();
    };
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster);
    let server = cluster.and_then(|named| named.cluster.as_ref()?.server.clone());
    let values = [
        ("context", Some(name.clone())),
        ("namespace", context.namespace.clone()),
        ("server", server),
        ("user", context.user.clone()),
    ];
    values.into_iter().filter_map(|(key, value)| Some(unwritten(SECTION, key, &value?, place.as_str()))).collect()
}

/// The kubeconfig. Its reader, the `kube` crate, would wait for a pipe, so what is no file is refused before.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(crate) fn read() -> Result<Kubeconfig, KubeconfigError> {
    let named = std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty());
    let paths: Vec<PathBuf> = match &named {
        Some(paths) => std::env::split_paths(paths).collect(),
        None => std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
    };
    let refused = paths.into_iter().find_map(|path| Some(KubeconfigError::ReadConfig(irregular(&path)?, path)));
    refused.map_or_else(Kubeconfig::read, Err)
}

/// Why something is not to be read that is no file, and that the `kube` crate would wait for.
pub(crate) fn irregular(path: &Path) -> Option<io::Error> {
    file::open(path).err().filter(|error| error.kind() == io::ErrorKind::InvalidInput)
}

/// What `config show` calls it.
const SECTION: &str = "kubeconfig";

/// The files that are read, as the variable has them.
fn place() -> String {
    let variable = std::env::var("KUBECONFIG").ok().filter(|files| !files.is_empty());
    variable.unwrap_or_else(|| "~/.kube/config".to_owned())
}

fn is_for(kubeconfig: &Kubeconfig, context: &Context, server: &Url) -> bool {
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster);
    let address = cluster.and_then(|named| named.cluster.as_ref()?.server.as_deref());
    address.and_then(|address| Url::parse(address).ok()).is_some_and(|address| is_same_server(&address, server))
}

/// Who we are at the server, if the kubeconfig knows.
pub(super) fn identity(
    kubeconfig: &Kubeconfig,
    server: &Url,
    warnings: &mut Vec<TokenWarning>,
) -> Result<Option<Identity>, TokenError> {
    let context = match context(kubeconfig, server) {
        Ok(Some(context)) => context,
        Ok(None) => return Ok(None),
        Err(warning) => {
            warnings.push(warning);
            return Ok(None);
        }
    };
    let Some(user) = context.context.as_ref().and_then(|context| context.user.as_deref()) else { return Ok(None) };
    let named = kubeconfig.auth_infos.iter().find(|named| named.name == user);
    let Some(info) = named.and_then(|named| named.auth_info.as_ref()) else { return Ok(None) };
    if let Some(path) = token_file(info) {
        return super::file(path, FileRole::Kubeconfig, warnings).map(Identity::Token).map(Some);
    }
    if let Some(token) = inline_token(info) {
        let source = TokenSource::Kubeconfig { context: context.name.clone() };
        return checked(token, source).map(Identity::Token).map(Some);
    }
    let login = login(info);
    Ok(login.map(|login| {
        Identity::Kubeconfig(KubeconfigUser { context: context.name.clone(), user: user.to_owned(), login })
    }))
}

fn inline_token(info: &AuthInfo) -> Option<&str> {
    info.token.as_ref().map(secrecy::ExposeSecret::expose_secret).filter(|token| !token.is_empty())
}

/// The token file, where it counts: as for kubectl it goes before a token beside it, unless it is gone.
fn token_file(info: &AuthInfo) -> Option<&Path> {
    let path = info.token_file.as_deref().filter(|path| !path.is_empty()).map(Path::new)?;
    (inline_token(info).is_none() || path.exists()).then_some(path)
}

fn login(info: &AuthInfo) -> Option<KubeconfigLogin> {
    if info.exec.is_some() {
        return Some(KubeconfigLogin::Plugin);
    }
    let certificate = info.client_certificate.is_some() || info.client_certificate_data.is_some();
    let key = info.client_key.is_some() || info.client_key_data.is_some();
    (certificate && key).then_some(KubeconfigLogin::Certificate)
}
