//! Configuration files: Python's ConfigParser dialect, the rpkg configuration, Koji profiles.
//!
//! Everything here only reads files, and every value knows the file and line it came from ([`ini`]). What is odd but usable
//! becomes a [`ConfigWarning`], as data; what cannot be used becomes a [`ConfigError`], whose texts begin as rpkg's and
//! Koji's own do, so that scripts and search engines recognise them.

pub mod ini;
pub mod koji;
pub(crate) mod local;
pub(crate) mod nearest;
pub(crate) mod osbs;
mod redact;
pub(crate) mod rpkg;
mod section;
pub(crate) mod show;
mod url_template;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::error::{Error as AppError, ErrorKind};
use ini::{IniError, Origin};

pub use url_template::TemplateError;

/// Reasons why the configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The tool's own configuration file is missing or cannot be read.
    #[error("Invalid config file {}", path.display())]
    InvalidFile {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read; `None` when it does not exist.
        source: Option<Arc<io::Error>>,
    },
    /// The system has no file for the tool, the user's file has no section for it, and nothing is built in.
    #[error("Invalid config file {}", path.display())]
    NoFile {
        /// The tool.
        tool: String,
        /// The system's file.
        path: PathBuf,
        /// The user's file, which would do as well.
        user: Option<PathBuf>,
    },
    /// The files have no section of the tool's name.
    #[error("No section: '{tool}'")]
    NoSection {
        /// The name the program was called by, which is the section's name.
        tool: String,
        /// The files that were read.
        files: Vec<PathBuf>,
        /// The section whose name is nearest, if any is near.
        nearest: Option<String>,
    },
    /// A file or a value breaks the rules of the format.
    #[error(transparent)]
    Ini(#[from] IniError),
    /// `distgit_namespaced` is another word than `true` or `false` and their like.
    #[error("{key} option must be a boolean")]
    MustBeBoolean {
        /// The key.
        key: &'static str,
        /// What is wrong with the value, and where it is.
        source: IniError,
    },
    /// No Koji profile is named, or an empty one.
    #[error("Missing kojiprofile to load Koji session.")]
    MissingKojiProfile {
        /// The tool, and section that should have it.
        tool: String,
        /// Where the empty value stands; `None` when there is none at all.
        origin: Option<Origin>,
    },
    /// A value that the build needs is not there.
    #[error("no `{key}` in section [{section}]")]
    MissingKey {
        /// The section.
        section: String,
        /// The key.
        key: &'static str,
        /// The files that were read.
        files: Vec<PathBuf>,
    },
    /// `anongiturl` or `gitbaseurl` cannot be filled in.
    #[error("{key} cannot be filled in ({origin})")]
    UrlTemplate {
        /// The key.
        key: &'static str,
        /// Where the template stands.
        origin: Origin,
        /// What is wrong with it.
        source: TemplateError,
    },
    /// `build_with` names a builder that there is not.
    #[error("build_with = `{}` is none of {known} ({origin})", value.escape_debug())]
    UnknownBuilder {
        /// The value.
        value: String,
        /// The builders that there are.
        known: String,
        /// Where it stands.
        origin: Origin,
    },
    /// A word that a key does not know.
    #[error("{key} = `{}` is none of {} ({origin})", value.escape_debug(), words.join(", "))]
    NoneOf {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// The words it may be.
        words: &'static [&'static str],
        /// Where it stands.
        origin: Origin,
    },
    /// A line of a value that is not of the form that its key wants.
    #[error("{key}: `{}` is not of the form {form} ({origin})", value.escape_debug())]
    NotOfForm {
        /// The key.
        key: &'static str,
        /// The line.
        value: String,
        /// The form.
        form: &'static str,
        /// Where the value begins.
        origin: Origin,
    },
    /// No Koji configuration file has the profile.
    #[error("no configuration for profile name: {name}")]
    NoKojiProfile {
        /// The profile.
        name: String,
        /// The files that were read.
        files: Vec<PathBuf>,
        /// The profile whose name is nearest, if any is near.
        nearest: Option<String>,
    },
    /// The Koji configuration that was asked for by name is not there.
    #[error("Config file {} can't be opened.", path.display())]
    MissingKojiConfig {
        /// The file or folder.
        path: PathBuf,
        /// Why, where there is more to tell than that it does not exist.
        source: Option<Arc<io::Error>>,
    },
    /// The OSBS configuration that was asked for by name is not there.
    #[error("Config file {} can't be opened.", path.display())]
    MissingOsbsConfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// Of two keys that need each other one is missing.
    #[error("{message} ([{section}])")]
    Together {
        /// The section.
        section: String,
        /// What osbs-client says of it.
        message: &'static str,
        /// The keys.
        keys: &'static str,
    },
    /// The Koji configuration folder that was asked for by name has no `*.conf` in it.
    #[error("No config files found in directory: {}", path.display())]
    EmptyKojiConfigFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A configuration folder is there and cannot be listed.
    #[error("cannot list the configuration folder {}", path.display())]
    UnreadableFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A number that counts or measures something is below 0, or absurdly large.
    #[error("value for {key} config option must be between 0 and {most}, not {value} ({origin})")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// The value.
        value: i64,
        /// The largest value that makes sense.
        most: i64,
        /// Where it stands.
        origin: Origin,
    },
    /// A server's address is not an address.
    #[error("{key} = `{}` is not an http or https URL ({origin})", value.escape_debug())]
    ServerUrl {
        /// The key.
        key: &'static str,
        /// The value, with user and password in it masked.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// What is wrong with it; `None` when it is a URL of another kind.
        source: Option<url::ParseError>,
    },
}

impl From<ConfigError> for AppError {
    fn from(error: ConfigError) -> Self {
        let hint = hint(&error);
        AppError::new(ErrorKind::Config, error).hint_if(hint)
    }
}

/// What to do about an error, where more is known than the message says.
fn hint(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::InvalidFile { source: None, .. } => {
            Some("there is no such file; name another one with --config, or leave that out".to_owned())
        }
        ConfigError::NoFile { tool, user, .. } => Some(no_file_hint(tool, user.as_deref())),
        ConfigError::NoSection { tool, files, nearest } => Some(no_section_hint(tool, files, nearest.as_deref())),
        ConfigError::MustBeBoolean { key, source } => {
            Some(format!("set `{key}` to true or false at {}", source.origin()))
        }
        ConfigError::MissingKojiProfile { tool, origin: None } => {
            Some(format!("set `kojiprofile` in section [{tool}] to the name of a Koji profile, such as `koji`"))
        }
        ConfigError::MissingKojiProfile { origin: Some(origin), .. } => {
            Some(format!("`kojiprofile` is empty at {origin}; set it to the name of a Koji profile, such as `koji`"))
        }
        ConfigError::MissingKey { key, files, .. } => Some(format!("set `{key}` there; {}", were_read(files))),
        ConfigError::UrlTemplate { .. } => Some("write %% for a percent sign".to_owned()),
        ConfigError::NoKojiProfile { files, nearest, .. } => Some(match nearest {
            Some(nearest) => format!("did you mean `{nearest}`? {}", were_read(files)),
            None if files.is_empty() => NO_KOJI_FILES.to_owned(),
            None => were_read(files),
        }),
        ConfigError::MissingOsbsConfig { .. } => {
            Some("name another file with --osbs-config or OSBS_CONFIG, or none".to_owned())
        }
        ConfigError::Together { section, keys, .. } => Some(format!("set {keys} in [{section}], or none of them")),
        ConfigError::Ini(error) => ini_hint(error).map(str::to_owned),
        ConfigError::InvalidFile { .. }
        | ConfigError::UnknownBuilder { .. }
        | ConfigError::NoneOf { .. }
        | ConfigError::NotOfForm { .. }
        | ConfigError::MissingKojiConfig { .. }
        | ConfigError::EmptyKojiConfigFolder { .. }
        | ConfigError::UnreadableFolder { .. }
        | ConfigError::OutOfRange { .. }
        | ConfigError::ServerUrl { .. } => None,
    }
}

/// Where nothing at all was found.
const NO_KOJI_FILES: &str = "there is no Koji configuration at all: looked at /etc/koji.conf.d, /etc/koji.conf, ~/.koji/config.d \
                             and ~/.koji/config; the package koji brings one";

fn no_file_hint(tool: &str, user: Option<&Path>) -> String {
    let own = user.map(|user| format!("write a section [{tool}] to {}, ", user.display())).unwrap_or_default();
    format!("there is no such file: install the package of {tool} that has it, {own}or name another file with --config")
}

fn no_section_hint(tool: &str, files: &[PathBuf], nearest: Option<&str>) -> String {
    let nearest = nearest.map(|name| format!(", which have [{name}]")).unwrap_or_default();
    format!("the name the program is called by is the section's name; there is no [{tool}] in {}{nearest}", list(files))
}

fn ini_hint(error: &IniError) -> Option<&'static str> {
    match error {
        IniError::InterpolationMissing { .. } | IniError::InterpolationSyntax { .. } => {
            Some("write %% for a percent sign")
        }
        IniError::MissingSectionHeader { byte_order_mark: true, .. } => {
            Some("save the file as UTF-8 without a byte order mark")
        }
        IniError::NotUtf8 { .. } => Some("save the file as UTF-8"),
        IniError::NotABoolean { .. } => Some("the words are true, yes, on, 1 and false, no, off, 0"),
        IniError::NotAnInteger { .. } => Some("a comment needs a line of its own"),
        IniError::MissingSectionHeader { .. }
        | IniError::Parsing { .. }
        | IniError::DuplicateSection { .. }
        | IniError::DuplicateOption { .. }
        | IniError::InterpolationDepth { .. }
        | IniError::InterpolationSize { .. } => None,
    }
}

fn were_read(files: &[PathBuf]) -> String {
    if files.is_empty() { "no configuration file was found".to_owned() } else { format!("read: {}", list(files)) }
}

fn list(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(", ")
}

/// Something in the configuration that a user should know and that does not stop the build. Displays as one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigWarning {
    /// A file exists and could not be read; Python skips it without a word.
    #[error("{} is skipped: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// A key in `[<tool>.container-build]` that means nothing.
    #[error("`{key}` in [{section}] means nothing ({origin}){}", did_you_mean(*.nearest))]
    UnknownKey {
        /// The section.
        section: String,
        /// The key.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The known key it resembles.
        nearest: Option<&'static str>,
    },
    /// A word for "no" that Koji's own client takes for "yes", because it does not read this key as a boolean.
    #[error(
        "no_ssl_verify = {value} turns verification on here, but off in Koji's own client ({origin}): remove the line"
    )]
    NoSslVerifyMeansYesInKoji {
        /// The word.
        value: String,
        /// Where it stands.
        origin: Origin,
    },
    /// The hub's certificate will not be verified.
    #[error("the hub's certificate is not verified, because of no_ssl_verify ({origin})")]
    CertificateNotVerified {
        /// Where that stands.
        origin: Origin,
    },
    /// osbs.conf lacks the instance.
    #[error("Specified section '{name}' not found in '{}'", file.display())]
    NoInstance {
        /// The instance.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// A key has another name today.
    #[error("{old} is an old name of {new} ({origin})")]
    OldName {
        /// The name that is used.
        old: &'static str,
        /// The name today.
        new: &'static str,
        /// Where it stands.
        origin: Origin,
    },
    /// A word that osbs-client takes for "no", because it knows only `true`.
    #[error("{key} = {value} means true here, but false in osbs-client ({origin}): write true")]
    TrueHereOnly {
        /// The key.
        key: &'static str,
        /// The word.
        value: String,
        /// Where it stands.
        origin: Origin,
    },
    /// `pkgurl` is no longer used.
    #[error("the pkgurl option is obsolete ({origin}), {}", instead_of_pkgurl(.topurl.as_deref()))]
    ObsoletePkgurl {
        /// Where it stands.
        origin: Origin,
        /// The `topurl` that was derived from it, with user and password in it masked; `None` when it could not be, or when `topurl` is set.
        topurl: Option<String>,
    },
    /// A key of the Koji profile that we do not use cannot be interpolated, so that Koji's own client refuses the profile.
    #[error("Koji's own client will refuse this profile: {error}")]
    BrokenUnusedValue {
        /// What is wrong, and where.
        error: IniError,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

fn instead_of_pkgurl(topurl: Option<&str>) -> String {
    match topurl {
        Some(topurl) => format!("using topurl = {topurl}"),
        None => "use topurl instead".to_owned(),
    }
}

/// A warning for each file that exists and could not be read.
fn unreadable_files(ini: &ini::Ini) -> impl Iterator<Item = ConfigWarning> {
    ini.unreadable()
        .iter()
        .map(|(path, reason)| ConfigWarning::Unreadable { path: path.clone(), reason: reason.to_string() })
}
