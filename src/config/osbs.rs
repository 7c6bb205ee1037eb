//! osbs.conf: how to reach an OSBS cluster and what builds there need, one section an *instance*.
//!
//! The keys are osbs-client's (`osbs/conf.py`), with the meaning they have there. Unlike there: the file is looked for in more
//! places, `yes` and `on` are true, old names of keys are taken with a warning, and a file that was asked for by name must exist.
//! Nothing is read but the file: tokens in files and other credentials are looked for by [`crate::osbs`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use crate::address::{self, Address};

use super::ini::{Ini, IniError, Sourced};
use super::section::Section;
use super::show::section_values;
use super::{ConfigError, ConfigWarning, unreadable_files};
use crate::event::ConfigValue;

/// The keys of an instance, each with a line for people.
pub(crate) const INSTANCE_KEYS: &[(&str, &str)] = &[
    ("backend", "tekton or build (OpenShift's own builds); without it what the cluster has, tekton where it has both."),
    ("ca_file", "PEM file with the certificates that are trusted instead of the system's."),
    ("cleanup_used_resources", "Whether the PipelineRun of a build that succeeded is deleted (true)."),
    ("client_cert", "PEM file with a client certificate; needs client_key."),
    ("client_key", "PEM file with the client certificate's key."),
    ("console_url", "The web console, whose pages `watch` and `cancel` take; else the one beside the API server."),
    ("default_buildtime_limit", "Seconds that a build may take where container.yaml does not say (10800)."),
    ("kerberos_ccache", "Credential cache to log in with."),
    ("kerberos_keytab", "Key table to log in with; needs kerberos_principal."),
    ("kerberos_principal", "Principal to log in as."),
    ("max_buildtime_limit", "The most seconds that container.yaml may ask for (21600)."),
    ("namespace", "The namespace that builds are made in (default)."),
    ("oauth_url", "The authorization endpoint, where the cluster does not name it itself."),
    ("openshift_url", "The API server, https://HOST[:PORT]/."),
    ("output_image", "Where OpenShift's own builds push to; without it the image is not kept."),
    ("password", "Password for username. Better: leave it out and log in with `oc login`."),
    ("pipeline", "The Pipeline that builds run, where there is no template (binary-container-0-2)."),
    ("pipeline_run_path", "The site's template of a PipelineRun."),
    ("reactor_config_map", "The ConfigMap of atomic-reactor's configuration."),
    ("reactor_config_map_scratch", "The same for scratch builds."),
    ("service_account", "The service account that runs work as, where there is no template."),
    ("target", "The Koji target where none is given."),
    ("token", "A bearer token. Better: token_file."),
    ("token_file", "A file with a bearer token."),
    ("use_auth", "Whether to log in at all; without it: where there are credentials."),
    ("use_kerberos", "Whether to get a token with a Kerberos ticket."),
    ("user", "The first part of the image's name (your user name)."),
    ("username", "Name to get a token with; needs password."),
    ("verify_ssl", "Whether the server's certificate is verified (true)."),
];

/// What holds for keys that an instance does not have.
pub(crate) const INSTANCE_DEFAULTS: [(&str, &str); 5] = [
    ("cleanup_used_resources", "true"),
    ("default_buildtime_limit", "10800"),
    ("max_buildtime_limit", "21600"),
    ("pipeline", DEFAULT_PIPELINE),
    ("verify_ssl", "true"),
];

/// Old names of keys, and the name they have now.
const OLD_NAMES: &[(&str, &str)] =
    &[("openshift_uri", "openshift_url"), ("koji_target", "target"), ("git_ref", "git_commit")];

/// Keys of earlier versions of osbs-client, and those that it takes for each build from its caller: they mean nothing here.
const DEAD_KEYS: &[&str] = &[
    "openshift_required_version",
    "build_json_dir",
    "builder_build_json_dir",
    "build_type",
    "build_from",
    "arrangement_version",
    "can_orchestrate",
    "cpu_limit",
    "memory_limit",
    "storage_limit",
    "builder_use_auth",
    "token_secrets",
    "client_config_secret",
    "worker_max_run_hours",
    "orchestrator_max_run_hours",
    "scratch_build_node_selector",
    "explicit_build_node_selector",
    "auto_build_node_selector",
    "isolated_build_node_selector",
    "flatpak_base_image",
    "component",
    "git_ref",
    "git_url",
    "git_commit",
    "git_branch",
    "tag",
    "registry_uri",
    "source_registry_uri",
    "scratch",
    "flatpak",
    "verbose",
    "yum_repourls",
    "dependency_replacements",
];

/// The instance whose name nobody gave.
pub(crate) const DEFAULT_INSTANCE: &str = "default_binary";
const DEFAULT_PIPELINE: &str = "binary-container-0-2";
const DEFAULT_BUILDTIME: u64 = 10_800;
const MAX_BUILDTIME: u64 = 21_600;
/// A year: more is a slip of the finger.
const MOST_SECONDS: i64 = 31_622_400;

/// Where osbs.conf is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct OsbsFiles {
    /// The file asked for by name (`--osbs-config`, `$OSBS_CONFIG`); it must exist.
    pub explicit: Option<PathBuf>,
    /// Where it may be, in the order in which it is looked for.
    pub candidates: Vec<PathBuf>,
}

impl OsbsFiles {
    /// `option`, else `$OSBS_CONFIG`, else the user's file, else `/etc/osbs.conf`.
    pub(crate) fn of(option: Option<&Path>, variable: Option<&Path>, config_home: Option<&Path>) -> OsbsFiles {
        let user = config_home.map(|folder| folder.join("osbs.conf"));
        OsbsFiles {
            explicit: option.or(variable).map(Path::to_owned),
            candidates: user.into_iter().chain([PathBuf::from("/etc/osbs.conf")]).collect(),
        }
    }
}

/// Which of the two ways to build in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A PipelineRun.
    Tekton,
    /// A Build of OpenShift's own.
    Build,
}

/// One instance, with defaults for what its section lacks.
#[derive(Debug, Clone)]
pub(crate) struct OsbsInstance {
    /// Its name, which is the section's.
    pub name: String,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// The API server.
    pub openshift_url: Option<Address>,
    /// Namespace of every object.
    pub namespace: Option<String>,
    /// The site's template of a PipelineRun.
    pub pipeline_run_path: Option<PathBuf>,
    /// The Pipeline that builds run where there is no template.
    pub pipeline: String,
    /// The service account that runs work as where there is no template.
    pub service_account: Option<String>,
    /// `param.NAME`: parameters of runs that are made without a template.
    pub params: BTreeMap<String, String>,
    /// `workspace.NAME`: workspaces of runs that are made without a template, as `KIND:NAME`.
    pub workspaces: BTreeMap<String, String>,
    /// ConfigMap of atomic-reactor's configuration.
    pub reactor_config_map: Option<String>,
    /// The same for scratch builds.
    pub reactor_config_map_scratch: Option<String>,
    /// Whether to log in at all; `None` for "where there are credentials".
    pub use_auth: Option<bool>,
    /// Credentials, as far as the file has them.
    pub credentials: InstanceCredentials,
    /// Whether the server's certificate is verified.
    pub verify_ssl: bool,
    /// PEM file of certificates that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The authorization endpoint, where it is not to be asked for.
    pub oauth_url: Option<Address>,
    /// The web console, whose pages `watch` and `cancel` take; else the one that OpenShift puts beside the API server.
    pub console_url: Option<Address>,
    /// Whether runs that succeeded are deleted.
    pub cleanup_used_resources: bool,
    /// Seconds that a build may take where container.yaml does not say.
    pub default_buildtime_limit: u64,
    /// The most seconds that container.yaml may ask for.
    pub max_buildtime_limit: u64,
    /// First part of the image's name.
    pub user: Option<String>,
    /// The Koji target where none is given.
    pub target: Option<String>,
    /// Where OpenShift's own builds push to.
    pub output_image: Option<String>,
    /// The way to build, where it is not left to what the cluster has.
    pub backend: Option<Backend>,
    /// What a user should know.
    pub warnings: Vec<ConfigWarning>,
}

/// What the file says of who we are. Secrets are kept as they are and shown by nobody.
#[derive(Clone, Default)]
pub(crate) struct InstanceCredentials {
    /// A bearer token.
    pub token: Option<String>,
    /// A file with one.
    pub token_file: Option<PathBuf>,
    /// Name for the OAuth challenge.
    pub username: Option<String>,
    /// Password for the OAuth challenge.
    pub password: Option<String>,
    /// Whether to answer the OAuth challenge with a ticket.
    pub use_kerberos: bool,
    /// Key table to get a ticket with.
    pub kerberos_keytab: Option<PathBuf>,
    /// Principal to get a ticket for.
    pub kerberos_principal: Option<String>,
    /// Credential cache.
    pub kerberos_ccache: Option<String>,
    pub client_cert: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
}

impl std::fmt::Debug for InstanceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceCredentials")
            .field("token", &self.token.is_some())
            .field("token_file", &self.token_file)
            .field("username", &self.username)
            .field("password", &self.password.is_some())
            .field("use_kerberos", &self.use_kerberos)
            .field("kerberos_principal", &self.kerberos_principal)
            .field("client_cert", &self.client_cert)
            .finish_non_exhaustive()
    }
}

/// The osbs.conf that is in force, as it was read.
pub(crate) struct OsbsConf {
    ini: Ini,
    /// The file, if there is any.
    file: Option<PathBuf>,
    /// Where the last of those was looked for that are not there.
    missing: Option<PathBuf>,
}

impl OsbsConf {
    /// Reads the file.
    ///
    /// # Errors
    /// When one that was asked for is missing, or it is malformed.
    pub(crate) fn read(files: &OsbsFiles) -> Result<OsbsConf, ConfigError> {
        let (ini, file) = read(files)?;
        Ok(OsbsConf { ini, file, missing: files.candidates.last().cloned() })
    }

    /// The values of an instance as they stand in the file; none where there is no file.
    pub(crate) fn values(&self, instance: &str) -> Vec<ConfigValue> {
        section_values(&self.ini, instance)
    }

    /// An instance; without a name the default one.
    ///
    /// # Errors
    /// When a value is malformed.
    pub(crate) fn instance(&self, name: Option<&str>) -> Result<OsbsInstance, ConfigError> {
        let OsbsConf { ini, file, missing } = self;
        let wanted = name.unwrap_or(DEFAULT_INSTANCE);
        let mut warnings: Vec<ConfigWarning> = unreadable_files(ini).collect();
        if !ini.has_section(wanted)
            && (name.is_some() || file.is_some())
            && let Some(file) = file.as_ref().or(missing.as_ref())
        {
            warnings.push(ConfigWarning::NoInstance { name: wanted.to_owned(), file: file.clone() });
        }
        let keys = Section { ini, name: wanted };
        let openshift_url = renamed(&keys, "openshift_url", &mut warnings)?;
        let openshift_url = openshift_url.map(|value| web_address("openshift_url", &value)).transpose()?;
        let target = renamed(&keys, "target", &mut warnings)?.map(|target| target.value);
        let instance = OsbsInstance {
            name: wanted.to_owned(),
            openshift_url,
            namespace: keys.text("namespace")?,
            pipeline_run_path: keys.path("pipeline_run_path")?,
            pipeline: keys.text("pipeline")?.unwrap_or_else(|| DEFAULT_PIPELINE.to_owned()),
            service_account: keys.text("service_account")?,
            params: prefixed(&keys, "param.")?,
            workspaces: prefixed(&keys, "workspace.")?,
            reactor_config_map: keys.text("reactor_config_map")?,
            reactor_config_map_scratch: keys.text("reactor_config_map_scratch")?,
            use_auth: flag(&keys, "use_auth", &mut warnings)?,
            credentials: InstanceCredentials {
                token: keys.text("token")?,
                token_file: keys.path("token_file")?,
                username: keys.text("username")?,
                password: keys.text("password")?,
                use_kerberos: flag(&keys, "use_kerberos", &mut warnings)?.unwrap_or(false),
                kerberos_keytab: keys.path("kerberos_keytab")?,
                kerberos_principal: keys.text("kerberos_principal")?,
                kerberos_ccache: keys.text("kerberos_ccache")?,
                client_cert: keys.path("client_cert")?,
                client_key: keys.path("client_key")?,
            },
            verify_ssl: flag(&keys, "verify_ssl", &mut warnings)?.unwrap_or(true),
            ca_file: keys.path("ca_file")?,
            console_url: keys.value("console_url")?.map(|value| web_address("console_url", &value)).transpose()?,
            oauth_url: keys.value("oauth_url")?.map(|value| web_address("oauth_url", &value)).transpose()?,
            cleanup_used_resources: flag(&keys, "cleanup_used_resources", &mut warnings)?.unwrap_or(true),
            default_buildtime_limit: seconds(&keys, "default_buildtime_limit", DEFAULT_BUILDTIME)?,
            max_buildtime_limit: seconds(&keys, "max_buildtime_limit", MAX_BUILDTIME)?,
            user: keys.text("user")?,
            target,
            output_image: keys.text("output_image")?,
            backend: keys.choice("backend", &["tekton", "build"])?.map(|word| match word.as_str() {
                "build" => Backend::Build,
                _ => Backend::Tekton,
            }),
            file: file.clone(),
            warnings: Vec::new(),
        };
        warnings.extend(keys.unknown(INSTANCE_KEYS).into_iter().filter(is_truly_unknown));
        instance.check_pairs()?;
        Ok(OsbsInstance { warnings, ..instance })
    }
}

impl OsbsInstance {
    /// Whether there is anything to reach a server with.
    pub(crate) fn is_configured(&self) -> bool {
        self.openshift_url.is_some()
    }

    /// Keys that need each other.
    fn check_pairs(&self) -> Result<(), ConfigError> {
        let credentials = &self.credentials;
        if credentials.client_cert.is_some() != credentials.client_key.is_some() {
            return Err(ConfigError::Together {
                section: self.name.clone(),
                message: "You need to provide both client certificate and key.",
                keys: "client_cert and client_key",
            });
        }
        if credentials.kerberos_keytab.is_some() && credentials.kerberos_principal.is_none() {
            return Err(ConfigError::Together {
                section: self.name.clone(),
                message: "You need to provide both keytab and principal.",
                keys: "kerberos_keytab and kerberos_principal",
            });
        }
        Ok(())
    }
}

fn read(files: &OsbsFiles) -> Result<(Ini, Option<PathBuf>), ConfigError> {
    let mut ini = Ini::new();
    if let Some(path) = &files.explicit {
        if !ini.read_file(path)? {
            let source = match ini.unreadable().first() {
                Some((_, source)) => Arc::clone(source),
                None => Arc::new(io::Error::from(io::ErrorKind::NotFound)),
            };
            return Err(ConfigError::MissingOsbsConfig { path: path.clone(), source });
        }
        return Ok((ini, Some(path.clone())));
    }
    for path in &files.candidates {
        if ini.read_file(path)? {
            return Ok((ini, Some(path.clone())));
        }
    }
    Ok((ini, None))
}

/// The value of a key, else that of its old name, about which there is a warning.
fn renamed(
    keys: &Section<'_>,
    key: &'static str,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Option<Sourced<String>>, IniError> {
    let old_names = OLD_NAMES.iter().filter(|(_, new)| *new == key).map(|(old, _)| *old);
    for old in old_names {
        let Some(value) = keys.value(old)? else { continue };
        warnings.push(ConfigWarning::OldName { old, new: key, origin: value.origin.clone() });
        if keys.value(key)?.is_none() {
            return Ok(Some(value));
        }
    }
    keys.value(key)
}

fn web_address(key: &'static str, value: &Sourced<String>) -> Result<Address, ConfigError> {
    let refused = |source| ConfigError::ServerUrl {
        key,
        value: address::masked(&value.value),
        origin: value.origin.clone(),
        source,
    };
    let url = Url::parse(value.value.trim()).map_err(|error| refused(Some(error)))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url.into()) } else { Err(refused(None)) }
}

fn seconds(keys: &Section<'_>, key: &'static str, default: u64) -> Result<u64, ConfigError> {
    Ok(keys.number(key, MOST_SECONDS)?.filter(|seconds| *seconds > 0).unwrap_or(default))
}

/// osbs-client's booleans: a number that is not 0, or `true`. Every other word is false there; `yes` and `on` are taken for what
/// they say, which is told.
fn flag(keys: &Section<'_>, key: &'static str, warnings: &mut Vec<ConfigWarning>) -> Result<Option<bool>, ConfigError> {
    let Some(value) = keys.value(key)? else { return Ok(None) };
    let word = value.value.trim().to_ascii_lowercase();
    let truth = match word.as_str() {
        "true" => true,
        "false" | "no" | "off" | "none" => false,
        "yes" | "on" => {
            warnings.push(ConfigWarning::TrueHereOnly {
                key,
                value: value.value.clone(),
                origin: value.origin.clone(),
            });
            true
        }
        number => match number.parse::<i64>() {
            Ok(number) => number != 0,
            Err(_) => return Err(not_a_boolean(key, &value)),
        },
    };
    Ok(Some(truth))
}

fn not_a_boolean(key: &'static str, value: &Sourced<String>) -> ConfigError {
    const WORDS: &[&str] = &["true", "false", "1", "0"];
    ConfigError::NoneOf { key, value: value.value.clone(), words: WORDS, origin: value.origin.clone() }
}

/// All keys that begin so, without the beginning.
fn prefixed(keys: &Section<'_>, prefix: &str) -> Result<BTreeMap<String, String>, IniError> {
    let names = keys.ini.keys(keys.name).unwrap_or_default();
    let mut found = BTreeMap::new();
    for name in names.into_iter().filter(|name| name.starts_with(prefix)) {
        if let Some(value) = keys.text(name)? {
            found.insert(name[prefix.len()..].to_owned(), value);
        }
    }
    Ok(found)
}

fn is_truly_unknown(warning: &ConfigWarning) -> bool {
    let ConfigWarning::UnknownKey { key, .. } = warning else { return true };
    let prefixes = ["param.", "workspace.", "node_selector."];
    !DEAD_KEYS.contains(&key.as_str())
        && !OLD_NAMES.iter().any(|(old, _)| old == key)
        && !prefixes.iter().any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn load(text: &str, instance: Option<&str>) -> Result<OsbsInstance, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("osbs.conf");
        std::fs::write(&path, text).unwrap();
        OsbsConf::read(&OsbsFiles { explicit: Some(path), candidates: Vec::new() })?.instance(instance)
    }

    fn told(instance: &OsbsInstance) -> String {
        instance.warnings.iter().map(|warning| format!("{warning}\n")).collect()
    }

    #[test]
    fn booleans_are_osbs_clients() {
        for (word, truth, warned) in [
            ("0", false, false),
            ("False", false, false),
            ("TRUE", true, false),
            ("1", true, false),
            ("7", true, false),
            ("no", false, false),
            ("yes", true, true),
            ("On", true, true),
        ] {
            let instance = load(&format!("[default_binary]\nverify_ssl = {word}\n"), None).unwrap();
            assert_eq!((instance.verify_ssl, !instance.warnings.is_empty()), (truth, warned), "{word}");
        }
        let error = load("[default_binary]\nverify_ssl = maybe\n", None).unwrap_err().to_string();
        assert!(error.starts_with("verify_ssl = `maybe` is none of true, false, 1, 0"), "{error}");
    }

    #[test]
    fn an_instance_that_is_not_there_is_told_and_has_no_server() {
        let instance = load("[default_binary]\nopenshift_url = https://a/\n", Some("x")).unwrap();
        assert!(!instance.is_configured());
        assert!(told(&instance).starts_with("Specified section 'x' not found in '"), "{}", told(&instance));
    }

    #[test]
    fn old_names_are_taken_with_a_warning_and_dead_keys_without() {
        let text =
            "[default_binary]\nopenshift_uri = https://a:6443/\nbuild_json_dir = /usr\nnode_selector.x86_64 = a=b\n";
        let instance = load(text, None).unwrap();
        assert_eq!(instance.openshift_url.as_ref().map(|address| address.url().as_str()), Some("https://a:6443/"));
        assert_eq!(instance.warnings.len(), 1, "{}", told(&instance));
        assert!(told(&instance).contains("openshift_uri is an old name of openshift_url"), "{}", told(&instance));
        let both = load("[default_binary]\nopenshift_uri = https://a/\nopenshift_url = https://b/\n", None).unwrap();
        assert_eq!(both.openshift_url.as_ref().map(|address| address.url().as_str()), Some("https://b/"));
    }

    #[test]
    fn everything_has_a_default_and_unknown_keys_are_told() {
        let instance = load("[default_binary]\nopenshift_ulr = https://a/\nparam.osbs-image = r/x:1\n", None).unwrap();
        assert!(told(&instance).contains("did you mean `openshift_url`?"), "{}", told(&instance));
        assert_eq!((instance.default_buildtime_limit, instance.max_buildtime_limit), (10_800, 21_600));
        assert!(instance.verify_ssl && instance.cleanup_used_resources && instance.backend.is_none());
        assert_eq!(instance.params["osbs-image"], "r/x:1");
    }

    #[test]
    fn what_belongs_together_must_come_together() {
        let error = load("[default_binary]\nclient_cert = /a\n", None).unwrap_err().to_string();
        assert_eq!(error, "You need to provide both client certificate and key. ([default_binary])");
        let error = load("[default_binary]\nkerberos_keytab = /a\n", None).unwrap_err().to_string();
        assert_eq!(error, "You need to provide both keytab and principal. ([default_binary])");
    }

    #[test]
    fn a_file_that_was_asked_for_must_be_there_and_secrets_are_shown_to_nobody() {
        let files = OsbsFiles { explicit: Some("/nonexistent/osbs.conf".into()), candidates: Vec::new() };
        let error = OsbsConf::read(&files).err().unwrap().to_string();
        assert_eq!(error, "Config file /nonexistent/osbs.conf can't be opened.");
        let instance = load("[default_binary]\ntoken = sha256~abc\nusername = u\npassword = hidden\n", None).unwrap();
        let shown = format!("{instance:?}");
        assert!(!shown.contains("sha256~abc") && !shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn what_is_shown_of_keys_that_are_not_set_is_what_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("osbs.conf");
        let load = |lines: &str| {
            std::fs::write(&path, format!("[default_binary]\n{lines}")).unwrap();
            let files = OsbsFiles { explicit: Some(path.clone()), candidates: Vec::new() };
            format!("{:?}", OsbsConf::read(&files).unwrap().instance(None).unwrap())
        };
        let written: String = INSTANCE_DEFAULTS.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        assert_eq!(load(&written), load(""));
    }
}
