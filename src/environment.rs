//! What the process was given besides its arguments, read once and passed down: folders, and the words of a few variables.

pub(crate) mod passwd;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::file;
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
    /// The login name, from `LOGNAME` or `USER`, else from the passwd entry.
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
            login: text("LOGNAME").or_else(|| text("USER")).or_else(passwd::name),
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
        absolute(&self.config_home).or_else(|| self.home.as_ref().map(|home| home.join(".config")))
    }

    /// Our folder in the user's cache; `None` where neither `XDG_CACHE_HOME` nor `HOME` is an absolute path.
    pub fn cache(&self) -> Option<PathBuf> {
        Some(absolute(&self.cache_home).or_else(|| self.below_home(".cache"))?.join(PROGRAM))
    }

    /// Our folder in the user's state, likewise.
    pub fn state(&self) -> Option<PathBuf> {
        Some(absolute(&self.state_home).or_else(|| self.below_home(".local/state"))?.join(PROGRAM))
    }

    /// Our folder for what lasts as long as the session.
    pub fn runtime(&self) -> PathBuf {
        let of_user = || std::env::temp_dir().join(format!("{PROGRAM}-{}", rustix::process::geteuid().as_raw()));
        absolute(&self.runtime_dir).map_or_else(of_user, |folder| folder.join(PROGRAM))
    }

    fn below_home(&self, folder: &str) -> Option<PathBuf> {
        absolute(&self.home).map(|home| home.join(folder))
    }

    /// The user's name on servers: what `~/.fedora.upn` says, else the login name (fedpkg's `Commands.load_user`).
    pub fn user(&self) -> Option<String> {
        let upn = self.home.as_deref().map(|home: &Path| home.join(".fedora.upn"));
        let upn = upn.and_then(|path| file::read_text(&path).ok()).map(|text| text.trim().to_owned());
        upn.filter(|user| !user.is_empty()).or_else(|| self.login.clone())
    }
}

fn absolute(path: &Option<PathBuf>) -> Option<PathBuf> {
    path.clone().filter(|path| path.is_absolute())
}
