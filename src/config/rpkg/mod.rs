//! The tool's own configuration: `/etc/rpkg/<tool>.conf`, and the user's file over it; where the system has no file, what the
//! tool's distribution publishes (`built_in.rs`).
//!
//! The keys are those of pyrpkg's `cliClient.load_cmd` and of fedpkg's `main`, as far as a container build uses them; keys
//! that rpkg demands and never uses for it (`lookaside`, `branchre`, …) may be missing here. Values are looked up when they
//! are asked for, so that a build that needs no Koji profile does not fail for want of one.
//!
//! `[<tool>.container-build]` is honoured: rpkg 1.70 reads its `kojiprofile` and `build_client` and then uses those of
//! `[<tool>]` all the same. `build_with` there is this program's own key.

mod built_in;

use std::path::{Path, PathBuf};

use super::ini::{Ini, IniError, RawValue, Sourced};
use super::nearest::nearest;
use super::{ConfigError, ConfigWarning, unreadable_files, url_template};

/// The keys of `[<tool>.container-build]`.
pub(crate) const CONTAINER_BUILD_KEYS: &[&str] = &["kojiprofile", "build_client", "build_with"];

/// Which files are read. The user's file comes second and overrides the system's key by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpkgFiles {
    /// The system's file; `--config` replaces it.
    pub system: PathBuf,
    /// Whether that is the file of `--config`, which must exist.
    pub is_named: bool,
    /// The user's file, which may be missing; `--user-config` replaces it.
    pub user: Option<PathBuf>,
}

impl RpkgFiles {
    /// `/etc/rpkg/<tool>.conf`, and `.config/rpkg/<tool>.conf` below `home` (`XDG_CONFIG_HOME` has no say, as in fedpkg).
    pub fn of_tool(tool: &str, home: Option<&Path>) -> Self {
        let name = format!("{tool}.conf");
        RpkgFiles {
            system: Path::new("/etc/rpkg").join(&name),
            is_named: false,
            user: home.map(|home| home.join(".config/rpkg").join(&name)),
        }
    }

    /// One file that must exist, and none of the user's.
    #[cfg(test)]
    pub(crate) fn only(file: PathBuf) -> Self {
        RpkgFiles { system: file, is_named: true, user: None }
    }
}

/// The configuration of one tool.
#[derive(Debug, Clone)]
pub struct RpkgConfig {
    tool: String,
    ini: Ini,
    distgit_namespaced: bool,
    warnings: Vec<ConfigWarning>,
}

impl RpkgConfig {
    /// Reads the files. `tool` is the name the program was called by, and the name of the section.
    ///
    /// # Errors
    ///
    /// When the system's file is unreadable, or missing although it was named or nothing else has the section; a file is malformed,
    /// the section is missing, or `distgit_namespaced` is not a boolean.
    pub fn load(tool: &str, files: &RpkgFiles) -> Result<Self, ConfigError> {
        let mut ini = Ini::new();
        let has_system = ini.read_file(&files.system)?;
        let unreadable = ini.unreadable().first().map(|(_, reason)| reason.clone());
        if unreadable.is_some() || (!has_system && files.is_named) {
            return Err(ConfigError::InvalidFile { path: files.system.clone(), source: unreadable });
        }
        if let Some(user) = &files.user {
            ini.read_file(user)?;
        }
        if !has_system || has_only_subsections(&ini, tool) {
            built_in::fill(&mut ini, tool);
        }
        if !has_system && !ini.has_section(tool) {
            let (tool, path, user) = (tool.to_owned(), files.system.clone(), files.user.clone());
            return Err(ConfigError::NoFile { tool, path, user });
        }
        Self::new(tool, ini)
    }

    fn new(tool: &str, ini: Ini) -> Result<Self, ConfigError> {
        if !ini.has_section(tool) {
            let nearest = nearest(tool, ini.sections()).map(str::to_owned);
            return Err(ConfigError::NoSection { tool: tool.to_owned(), files: ini.files().to_vec(), nearest });
        }
        let distgit_namespaced = flag(&ini, tool, "distgit_namespaced")?;
        let section = container_build_section(tool);
        let warnings = unreadable_files(&ini).chain(unknown_keys(&ini, &section)).collect();
        Ok(RpkgConfig { tool: tool.to_owned(), ini, distgit_namespaced, warnings })
    }

    /// The name the program was called by.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// All sections of the merged files.
    pub fn ini(&self) -> &Ini {
        &self.ini
    }

    /// What a user should know about these files.
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// Whether repositories have a namespace on the dist-git server (`container/foo`); false when not set.
    pub fn distgit_namespaced(&self) -> bool {
        self.distgit_namespaced
    }

    /// The valid namespaces; `None` when any is.
    ///
    /// # Errors
    ///
    /// When the value cannot be interpolated.
    pub fn distgit_namespaces(&self) -> Result<Option<Vec<String>>, ConfigError> {
        let words = self.ini.get(&self.tool, "distgit_namespaces")?;
        Ok(words.map(|words| words.value.split_whitespace().map(str::to_owned).collect()))
    }

    /// The Kerberos realms to look for a user's name in, in that order. Separated by commas; blanks around a realm are part
    /// of it, empty ones are dropped, nothing is interpolated, as in rpkg.
    pub fn kerberos_realms(&self) -> Vec<String> {
        let raw = self.ini.raw(&self.tool, "kerberos_realms").map_or("", |value| &value.text);
        raw.split(',').filter(|realm| !realm.is_empty()).map(str::to_owned).collect()
    }

    /// The name of the Koji profile in force: that of `[<tool>.container-build]`, else that of `[<tool>]`. An empty one
    /// counts as not set. The result says where it came from.
    ///
    /// # Errors
    ///
    /// When there is none, or the value cannot be interpolated.
    pub fn koji_profile_name(&self) -> Result<Sourced<String>, ConfigError> {
        self.container_build_value("kojiprofile")?.ok_or_else(|| ConfigError::MissingKojiProfile {
            tool: self.tool.clone(),
            origin: self.ini.raw(&self.tool, "kojiprofile").map(|value| value.origin.clone()),
        })
    }

    /// The name of the Koji client that is named in messages: that of `[<tool>.container-build]`, else that of `[<tool>]`.
    ///
    /// # Errors
    ///
    /// When the value cannot be interpolated.
    pub fn build_client(&self) -> Result<Option<Sourced<String>>, ConfigError> {
        Ok(self.container_build_value("build_client")?)
    }

    /// The name of the builder that builds are given to unless the command line says: `build_with` of `[<tool>.container-build]`.
    ///
    /// # Errors
    ///
    /// When it cannot be interpolated.
    pub fn build_with(&self) -> Result<Option<Sourced<String>>, ConfigError> {
        Ok(self.ini.get(&container_build_section(&self.tool), "build_with")?)
    }

    /// The address of Greenwave, which validates `gating.yaml`: `url` of `[<tool>.greenwave]`, as it is written.
    ///
    /// # Errors
    ///
    /// When the value cannot be interpolated.
    pub fn greenwave_url(&self) -> Result<Option<Sourced<String>>, ConfigError> {
        Ok(self.ini.get(&format!("{}.greenwave", self.tool), "url")?)
    }

    /// The address of the lookaside cache, which has the files of `sources`.
    ///
    /// # Errors
    ///
    /// When the value cannot be interpolated.
    pub fn lookaside(&self) -> Result<Option<Sourced<String>>, ConfigError> {
        Ok(self.ini.get(&self.tool, "lookaside")?.filter(|value| !value.value.is_empty()))
    }

    /// Whether repositories have their namespace in the lookaside cache; false when not set.
    ///
    /// # Errors
    ///
    /// When the value is not a boolean.
    pub fn lookaside_namespaced(&self) -> Result<bool, ConfigError> {
        flag(&self.ini, &self.tool, "lookaside_namespaced")
    }

    /// The URL that a builder fetches a repository from (pyrpkg's `_get_namespace_anongiturl`). `repo` is
    /// `namespace/name`, or the name alone: where dist-git has namespaces, that is a repository in `rpms`.
    ///
    /// # Errors
    ///
    /// When `anongiturl` is missing or cannot be filled in.
    pub fn anongiturl(&self, repo: &str) -> Result<String, ConfigError> {
        let repo = self.namespaced(repo);
        self.fill("anongiturl", &[("repo", &repo), ("module", &repo)])
    }

    /// The URL that `user` pushes a repository to (pyrpkg's `_get_namespace_giturl`). `repo` as for
    /// [`RpkgConfig::anongiturl`].
    ///
    /// # Errors
    ///
    /// When `gitbaseurl` is missing or cannot be filled in.
    pub fn gitbaseurl(&self, user: &str, repo: &str) -> Result<String, ConfigError> {
        let repo = self.namespaced(repo);
        self.fill("gitbaseurl", &[("user", user), ("repo", &repo), ("module", &repo)])
    }

    fn namespaced(&self, repo: &str) -> String {
        if self.distgit_namespaced && !repo.contains('/') { format!("rpms/{repo}") } else { repo.to_owned() }
    }

    fn fill(&self, key: &'static str, values: &[(&'static str, &str)]) -> Result<String, ConfigError> {
        let template = self.required(key)?;
        url_template::fill(&template.text, values).map_err(|source| ConfigError::UrlTemplate {
            key,
            origin: template.origin.clone(),
            source,
        })
    }

    fn required(&self, key: &'static str) -> Result<&RawValue, ConfigError> {
        self.ini.raw(&self.tool, key).ok_or_else(|| ConfigError::MissingKey {
            section: self.tool.clone(),
            key,
            files: self.ini.files().to_vec(),
        })
    }

    /// A value of `[<tool>.container-build]`, else of `[<tool>]`; an empty one counts as not set.
    fn container_build_value(&self, key: &str) -> Result<Option<Sourced<String>>, IniError> {
        for section in [&container_build_section(&self.tool), &self.tool] {
            if let Some(value) = self.ini.get(section, key)?
                && !value.value.is_empty()
            {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// Whether there are settings for parts of the tool (`[fedpkg.local-build]`) and none for the tool itself.
fn has_only_subsections(ini: &Ini, tool: &str) -> bool {
    let is_sub = |section: &str| section.strip_prefix(tool).is_some_and(|rest| rest.starts_with('.'));
    !ini.has_section(tool) && ini.sections().any(is_sub)
}

/// The section of container builds.
pub(crate) fn container_build_section(tool: &str) -> String {
    format!("{tool}.container-build")
}

/// A boolean that is false when not set (pyrpkg's `_get_bool_opt`).
fn flag(ini: &Ini, section: &str, key: &'static str) -> Result<bool, ConfigError> {
    match ini.boolean(section, key) {
        Ok(value) => Ok(value.is_some_and(|value| value.value)),
        Err(source @ IniError::NotABoolean { .. }) => Err(ConfigError::MustBeBoolean { key, source }),
        Err(other) => Err(other.into()),
    }
}

/// A warning for each key that the section itself has and that is not known. (Inherited ones are meant for others too.)
fn unknown_keys(ini: &Ini, section: &str) -> Vec<ConfigWarning> {
    let keys = ini.keys(section).unwrap_or_default();
    keys.into_iter()
        .filter(|key| !CONTAINER_BUILD_KEYS.contains(key))
        .filter_map(|key| Some((key, ini.own(section, key)?)))
        .map(|(key, value)| ConfigWarning::UnknownKey {
            section: section.to_owned(),
            key: key.to_owned(),
            origin: value.origin.clone(),
            nearest: nearest(key, CONTAINER_BUILD_KEYS.iter().copied()),
        })
        .collect()
}

#[cfg(test)]
mod tests;
