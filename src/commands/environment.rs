//! What the process was given besides its arguments, read once and passed down: folders, and the words of a few variables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::koji::target_cache::TargetCache;
use crate::submissions::{Submissions, SubmissionsError};

/// The process's surroundings.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// `XDG_CACHE_HOME`.
    pub cache_home: Option<PathBuf>,
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
            state_home: variable("XDG_STATE_HOME").map(PathBuf::from),
            cache_home: variable("XDG_CACHE_HOME").map(PathBuf::from),
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

    /// The cache of build targets.
    pub fn targets(&self) -> TargetCache {
        TargetCache::locate(self.cache_home.as_deref(), self.home.as_deref())
    }

    /// The user's name on servers: what `~/.fedora.upn` says, else the login name (fedpkg's `Commands.load_user`).
    pub fn user(&self) -> Option<String> {
        let upn = self.home.as_deref().map(|home: &Path| home.join(".fedora.upn"));
        let upn = upn.and_then(|path| std::fs::read_to_string(path).ok()).map(|text| text.trim().to_owned());
        upn.filter(|user| !user.is_empty()).or_else(|| self.login.clone())
    }
}
