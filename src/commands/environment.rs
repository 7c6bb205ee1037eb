//! What the process was given besides its arguments, read once and passed down: folders, and the words of a few variables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::koji::target_cache::TargetCache;
use crate::local::engine::store::Places;
use crate::submissions::{Submissions, SubmissionsError};

/// The name of our folders.
const PROGRAM: &str = env!("CARGO_PKG_NAME");

/// The process's surroundings.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// `XDG_CACHE_HOME`.
    pub cache_home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// The login name, from `LOGNAME` or `USER`.
    pub login: Option<String>,
}

impl Environment {
    /// Reads the process's own.
    pub fn of_this_process() -> Environment {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| variable(name).and_then(|value: OsString| value.into_string().ok());
        Environment {
            home: variable("HOME").map(PathBuf::from),
            config_home: variable("XDG_CONFIG_HOME").map(PathBuf::from),
            state_home: variable("XDG_STATE_HOME").map(PathBuf::from),
            cache_home: variable("XDG_CACHE_HOME").map(PathBuf::from),
            runtime_dir: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            login: text("LOGNAME").or_else(|| text("USER")),
        }
    }

    /// The list of what was submitted from here.
    ///
    /// # Errors
    /// When there is no folder for it.
    pub fn submissions(&self) -> Result<Submissions, SubmissionsError> {
        Submissions::locate(self.state_home.as_deref(), self.home.as_deref())
    }

    /// The folder of the user's configuration.
    pub fn config_home(&self) -> Option<PathBuf> {
        let absolute = self.config_home.clone().filter(|path| path.is_absolute());
        absolute.or_else(|| self.home.as_ref().map(|home| home.join(".config")))
    }

    /// The cache of build targets.
    pub fn targets(&self) -> TargetCache {
        TargetCache::locate(self.cache_home.as_deref(), self.home.as_deref())
    }

    /// The folders of builds on this machine; `None` where neither the XDG variables nor `HOME` are absolute paths.
    pub fn build_places(&self) -> Option<Places> {
        let absolute = |path: &Option<PathBuf>| path.clone().filter(|path| path.is_absolute());
        let below_home = |folder: &str| absolute(&self.home).map(|home| home.join(folder));
        let runtime = absolute(&self.runtime_dir)
            .map(|folder| folder.join(PROGRAM))
            .unwrap_or_else(|| std::env::temp_dir().join(format!("{PROGRAM}-{}", rustix::process::geteuid().as_raw())));
        Some(Places {
            cache: absolute(&self.cache_home).or_else(|| below_home(".cache"))?.join(PROGRAM),
            state: absolute(&self.state_home).or_else(|| below_home(".local/state"))?.join(PROGRAM),
            runtime,
        })
    }

    /// The user's name on servers: what `~/.fedora.upn` says, else the login name (fedpkg's `Commands.load_user`).
    pub fn user(&self) -> Option<String> {
        let upn = self.home.as_deref().map(|home: &Path| home.join(".fedora.upn"));
        let upn = upn.and_then(|path| std::fs::read_to_string(path).ok()).map(|text| text.trim().to_owned());
        upn.filter(|user| !user.is_empty()).or_else(|| self.login.clone())
    }
}
