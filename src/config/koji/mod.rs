//! Koji profiles: how to reach a hub, as Koji's `read_config` puts it together from its configuration files.
//!
//! Unlike there, `no_ssl_verify` is a boolean, `anon_retry` is on unless turned off (as in Koji since 1.36), `pkgurl` is
//! already turned into `topurl` as the `koji` command does, and a key that is not used here cannot make a profile
//! unusable. Keys that today's Koji ignores (`user`, `password`, `ca`, `krb_rdns`, …) are ignored here too.

mod files;

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::address::{self, Address};

use super::ini::{Ini, IniError, Origin, Sourced};
use super::nearest::nearest;
use super::{ConfigError, ConfigWarning, unreadable_files};

/// The keys that are read from a profile.
pub const PROFILE_KEYS: &[&str] = &[
    "server",
    "weburl",
    "topurl",
    "pkgurl",
    "topdir",
    "authtype",
    "cert",
    "serverca",
    "no_ssl_verify",
    "principal",
    "keytab",
    "max_retries",
    "retry_interval",
    "anon_retry",
    "offline_retry",
    "offline_retry_interval",
    "timeout",
    "auth_timeout",
    "use_fast_upload",
    "upload_blocksize",
    "poll_interval",
    "plugin_paths",
    "pyver",
    "debug",
    "debug_xmlrpc",
    "force_auth",
];

const DEFAULT_SERVER: &str = "http://localhost/kojihub";
const DEFAULT_WEBURL: &str = "http://localhost/koji";

/// What holds for keys that a profile does not have, as far as they are of use here, as it would stand there.
pub(crate) const PROFILE_DEFAULTS: [(&str, &str); 12] = [
    ("anon_retry", "true"),
    ("auth_timeout", "60"),
    ("force_auth", "false"),
    ("max_retries", "30"),
    ("offline_retry", "false"),
    ("offline_retry_interval", "20"),
    ("poll_interval", "6"),
    ("retry_interval", "20"),
    ("server", DEFAULT_SERVER),
    ("timeout", "43200"),
    ("upload_blocksize", "1048576"),
    ("weburl", DEFAULT_WEBURL),
];

/// Where the configuration files and the user's certificates are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KojiRoots {
    /// `/etc`.
    pub etc: PathBuf,
    /// The home folder; without one no user's files are read.
    pub home: Option<PathBuf>,
}

/// How a profile wants logins to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthType {
    /// `noauth`: not at all.
    NoAuth,
    /// `ssl`: with a client certificate.
    Ssl,
    /// `password`: with user name and password.
    Password,
    /// `kerberos`: through GSSAPI.
    Kerberos,
    /// Another word, which no login can be made with. Words are case-sensitive.
    Other(String),
}

/// A profile: one section of Koji's configuration, with defaults for what it lacks.
#[derive(Debug, Clone)]
pub struct KojiProfile {
    /// The profile's name, which is the section's.
    pub name: String,
    /// The hub, an http or https URL. Default: `http://localhost/kojihub`.
    pub server: Address,
    /// The web pages, for links; as written, without user and password. Default: `http://localhost/koji`.
    pub weburl: String,
    /// The static files (logs, packages), as written; derived from `pkgurl` if only that is set.
    pub topurl: Option<String>,
    /// Where the static files are mounted. Default: `/mnt/koji`.
    pub topdir: PathBuf,
    /// How to log in; `None` leaves the choice to what credentials there are.
    pub authtype: Option<AuthType>,
    /// PEM file with the client's certificate and key. Default: `~/.koji/client.crt` if that exists. An empty value means
    /// none, whatever exists.
    pub cert: Option<PathBuf>,
    /// PEM file with the certificates that are trusted *instead of* the system's. Default: `~/.koji/serverca.crt` if that
    /// exists. An empty value means none, whatever exists.
    pub serverca: Option<PathBuf>,
    /// Whether the hub's certificate is left unverified. Never true when `serverca` is set.
    pub no_ssl_verify: bool,
    /// Kerberos principal to log in as.
    pub principal: Option<String>,
    /// Key table to log in with, as written; used together with `principal`.
    pub keytab: Option<PathBuf>,
    /// How often a failed call is repeated. Default: 30.
    pub max_retries: u32,
    /// Wait between repetitions. Default: 20 s.
    pub retry_interval: Duration,
    /// Whether calls are repeated without a login too. Default: true.
    pub anon_retry: bool,
    /// Whether a hub that says it is offline is waited for. Default: false.
    pub offline_retry: bool,
    /// Wait before an offline hub is asked again. Default: 20 s.
    pub offline_retry_interval: Duration,
    /// Time a request may take. Default: 12 h.
    pub timeout: Duration,
    /// Time a login may take. Default: 60 s.
    pub auth_timeout: Duration,
    /// Whether uploads use the raw protocol. Default: true.
    pub use_fast_upload: bool,
    /// Bytes in a piece of an upload. Default: 1 MiB.
    pub upload_blocksize: u32,
    /// Wait between looks at a task. Default: 6 s.
    pub poll_interval: Duration,
    /// Folders of plug-ins for the `koji` command; no use here.
    pub plugin_paths: Vec<PathBuf>,
    /// Version of Python for the `koji` command; no use here.
    pub pyver: Option<i64>,
    /// Whether the `koji` command tells more; no use here.
    pub debug: bool,
    /// Whether the `koji` command shows calls; no use here.
    pub debug_xmlrpc: bool,
    /// Whether the `koji` command logs in for reading too; no use here.
    pub force_auth: bool,
    ini: Ini,
    warnings: Vec<ConfigWarning>,
}

impl KojiProfile {
    /// Loads a profile from the system's and the user's files.
    ///
    /// # Errors
    ///
    /// When a file is malformed, a folder cannot be listed, no file has the profile, or a value of it cannot be used.
    pub fn load(name: &str, roots: &KojiRoots) -> Result<Self, ConfigError> {
        Self::from_ini(name, files::read_all(roots, None)?, roots)
    }

    /// The names of all profiles.
    ///
    /// # Errors
    ///
    /// When a file is malformed, or a folder cannot be listed.
    pub fn names(roots: &KojiRoots) -> Result<Vec<String>, ConfigError> {
        Ok(files::read_all(roots, None)?.sections().map(str::to_owned).collect())
    }

    /// As [`KojiProfile::load`], with a file or folder in place of the user's (the `koji` command's `--config`). It must
    /// exist and be readable; a leading `~` is replaced.
    ///
    /// # Errors
    ///
    /// As [`KojiProfile::load`], and when `explicit` is missing, unreadable, or a folder without `*.conf`.
    pub fn load_with(name: &str, roots: &KojiRoots, explicit: &Path) -> Result<Self, ConfigError> {
        Self::from_ini(name, files::read_all(roots, Some(explicit))?, roots)
    }

    /// Where the value of a key stands; `None` when it is a default.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.ini.raw(&self.name, key).map(|value| &value.origin)
    }

    /// All sections of the merged files.
    pub fn ini(&self) -> &Ini {
        &self.ini
    }

    /// What a user should know about this profile.
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    fn from_ini(name: &str, ini: Ini, roots: &KojiRoots) -> Result<Self, ConfigError> {
        if !ini.has_section(name) {
            let nearest = nearest(name, ini.sections()).map(str::to_owned);
            return Err(ConfigError::NoKojiProfile { name: name.to_owned(), files: ini.files().to_vec(), nearest });
        }
        let home = roots.home.as_deref();
        let mut warnings: Vec<ConfigWarning> = unreadable_files(&ini).chain(broken_unused_values(&ini, name)).collect();
        let section = Section { ini: &ini, name };
        let serverca = section.certificate("serverca", ".koji/serverca.crt", home)?;
        Ok(KojiProfile {
            name: name.to_owned(),
            server: section.server()?,
            weburl: section.text("weburl")?.map_or_else(|| DEFAULT_WEBURL.to_owned(), |text| address::bare(&text)),
            topurl: section.topurl(&mut warnings)?,
            topdir: section.text("topdir")?.unwrap_or_else(|| "/mnt/koji".to_owned()).into(),
            authtype: section.filled("authtype")?.map(AuthType::from),
            cert: section.certificate("cert", ".koji/client.crt", home)?,
            no_ssl_verify: section.no_ssl_verify(serverca.is_some(), &mut warnings)?,
            serverca,
            principal: section.filled("principal")?,
            keytab: section.filled("keytab")?.map(PathBuf::from),
            max_retries: section.number("max_retries", 30)?,
            retry_interval: section.seconds("retry_interval", 20)?,
            anon_retry: section.flag("anon_retry", true)?,
            offline_retry: section.flag("offline_retry", false)?,
            offline_retry_interval: section.seconds("offline_retry_interval", 20)?,
            timeout: section.seconds("timeout", 60 * 60 * 12)?,
            auth_timeout: section.seconds("auth_timeout", 60)?,
            use_fast_upload: section.flag("use_fast_upload", true)?,
            upload_blocksize: section.number("upload_blocksize", 1 << 20)?,
            poll_interval: section.seconds("poll_interval", 6)?,
            plugin_paths: section.plugin_paths(home)?,
            pyver: ini.int(name, "pyver")?.map(|pyver| pyver.value),
            debug: section.flag("debug", false)?,
            debug_xmlrpc: section.flag("debug_xmlrpc", false)?,
            force_auth: section.flag("force_auth", false)?,
            warnings,
            ini,
        })
    }
}

impl From<String> for AuthType {
    fn from(word: String) -> Self {
        match word.as_str() {
            "noauth" => AuthType::NoAuth,
            "ssl" => AuthType::Ssl,
            "password" => AuthType::Password,
            "kerberos" => AuthType::Kerberos,
            _ => AuthType::Other(word),
        }
    }
}

/// The section of the profile, while it is being read.
struct Section<'a> {
    ini: &'a Ini,
    name: &'a str,
}

impl Section<'_> {
    fn sourced(&self, key: &str) -> Result<Option<Sourced<String>>, IniError> {
        self.ini.get(self.name, key)
    }

    fn text(&self, key: &str) -> Result<Option<String>, IniError> {
        Ok(self.sourced(key)?.map(|text| text.value))
    }

    /// A text that counts as not set when it is empty.
    fn filled(&self, key: &str) -> Result<Option<String>, IniError> {
        Ok(self.text(key)?.filter(|text| !text.is_empty()))
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, IniError> {
        Ok(self.ini.boolean(self.name, key)?.map_or(default, |flag| flag.value))
    }

    fn number(&self, key: &'static str, default: u32) -> Result<u32, ConfigError> {
        let Some(number) = self.ini.int(self.name, key)? else { return Ok(default) };
        u32::try_from(number.value).map_err(|_| ConfigError::OutOfRange {
            key,
            value: number.value,
            most: u32::MAX.into(),
            origin: number.origin,
        })
    }

    fn seconds(&self, key: &'static str, default: u32) -> Result<Duration, ConfigError> {
        Ok(Duration::from_secs(self.number(key, default)?.into()))
    }

    fn server(&self) -> Result<Address, ConfigError> {
        let Some(text) = self.sourced("server")? else {
            return Ok(DEFAULT_SERVER.parse().expect("the default is a URL"));
        };
        let refused = |source| ConfigError::ServerUrl {
            key: "server",
            value: address::masked(&text.value),
            origin: text.origin.clone(),
            source,
        };
        let url = Url::parse(&text.value).map_err(|error| refused(Some(error)))?;
        if matches!(url.scheme(), "http" | "https") { Ok(url.into()) } else { Err(refused(None)) }
    }

    /// `topurl`, or what the `koji` command makes of the obsolete `pkgurl`: the folder that `packages` is in.
    fn topurl(&self, warnings: &mut Vec<ConfigWarning>) -> Result<Option<String>, IniError> {
        let topurl = self.filled("topurl")?;
        let Some(pkgurl) = self.sourced("pkgurl")?.filter(|pkgurl| !pkgurl.value.is_empty()) else { return Ok(topurl) };
        let derived = match topurl {
            Some(_) => None,
            None => pkgurl.value.trim_end_matches('/').strip_suffix("/packages").map(str::to_owned),
        };
        warnings.push(ConfigWarning::ObsoletePkgurl {
            origin: pkgurl.origin,
            topurl: derived.as_deref().map(address::masked),
        });
        Ok(topurl.or(derived))
    }

    /// A file that the profile names, or the one at `default` below the home folder if that exists.
    fn certificate(&self, key: &str, default: &str, home: Option<&Path>) -> Result<Option<PathBuf>, IniError> {
        Ok(match self.text(key)? {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(files::expand_home(Path::new(&text), home)),
            None => home.map(|home| home.join(default)).filter(|path| path.exists()),
        })
    }

    fn no_ssl_verify(&self, has_serverca: bool, warnings: &mut Vec<ConfigWarning>) -> Result<bool, IniError> {
        let Some(word) = self.sourced("no_ssl_verify")?.filter(|word| !word.value.is_empty()) else { return Ok(false) };
        let wanted = self.flag("no_ssl_verify", false)?;
        if has_serverca {
            return Ok(false);
        }
        warnings.push(if wanted {
            ConfigWarning::CertificateNotVerified { origin: word.origin }
        } else {
            ConfigWarning::NoSslVerifyMeansYesInKoji { value: word.value, origin: word.origin }
        });
        Ok(wanted)
    }

    fn plugin_paths(&self, home: Option<&Path>) -> Result<Vec<PathBuf>, IniError> {
        let paths = self.text("plugin_paths")?.unwrap_or_default();
        Ok(paths
            .split(':')
            .filter(|path| !path.is_empty())
            .map(|path| files::expand_home(Path::new(path), home))
            .collect())
    }
}

/// Koji interpolates every value of a profile when it loads it, so one that fails there is worth a word.
fn broken_unused_values(ini: &Ini, section: &str) -> Vec<ConfigWarning> {
    let keys = ini.keys(section).unwrap_or_default();
    keys.into_iter()
        .filter(|key| !PROFILE_KEYS.contains(key))
        .filter_map(|key| ini.get(section, key).err())
        .map(|error| ConfigWarning::BrokenUnusedValue { error })
        .collect()
}

#[cfg(test)]
mod tests;
