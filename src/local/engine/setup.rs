//! What this machine has for building: which buildah and skopeo, what storage works, whether users can be mapped.

use std::fs;
use std::path::{Path, PathBuf};

use super::registry_files::{self, RegistryFileError};
use super::store::{Store, StoreError, write_private};
use super::trouble::EngineTrouble;
use super::{Engine, EngineError, output};
use crate::child;
use crate::config::local::LocalConfig;
use crate::environment::passwd;

/// The program that makes manual pages.
pub(crate) const GO_MD2MAN: &str = "go-md2man";
/// The oldest buildah that this was tried with.
const OLDEST: Version = Version { major: 1, minor: 28 };
/// The first buildah that knows here-documents.
pub(crate) const HERE_DOCUMENTS: Version = Version { major: 1, minor: 33 };

/// A buildah that is known to read build arguments from a file.
pub(crate) const BUILD_ARG_FILES: Version = Version { major: 1, minor: 33 };

/// A version, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A machine that can build.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// The programs and the storage.
    pub engine: Engine,
    /// buildah's version.
    pub version: Version,
    /// buildah's version in its own words.
    pub version_text: String,
}

/// Why this machine cannot build.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A program is missing or does not work.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The settings of registries cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryFileError),
    /// buildah is too old.
    #[error("buildah {found} is too old; {OLDEST} is the oldest that this was tried with")]
    TooOld {
        /// Its version.
        found: Version,
    },
    /// No storage driver works here.
    #[error("no storage driver works here: {reason}")]
    NoDriver {
        /// What buildah said of the last one.
        reason: String,
    },
    /// buildah refuses to work for a user without a name.
    #[error("user {uid} has no entry in the list of users (/etc/passwd), which buildah needs")]
    UnknownUser {
        /// The user's id.
        uid: u32,
    },
    /// The user may not map further user ids, which `RUN` needs.
    #[error("{user} has no range of ids in {file}, which RUN needs when it is not root's")]
    NoSubordinateIds {
        /// The user.
        user: String,
        /// Where it should be.
        file: &'static str,
    },
}

impl SetupError {
    /// The engine's error below this one.
    pub fn engine(&self) -> Option<&EngineError> {
        match self {
            SetupError::Engine(error) => Some(error),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self, section: &str) -> Option<String> {
        Some(match self {
            SetupError::Engine(EngineError::NotFound { program }) => {
                format!("install it: dnf install {program}, or apt-get install {program}; or name it in [{section}]")
            }
            SetupError::TooOld { .. } => "install a newer buildah".to_owned(),
            SetupError::NoDriver { .. } => {
                format!("choose one as storage_driver in [{section}], or another folder with XDG_CACHE_HOME")
            }
            SetupError::NoSubordinateIds { user, .. } => {
                format!("as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}")
            }
            SetupError::UnknownUser { .. } => "build as a user that `getent passwd` knows".to_owned(),
            SetupError::Store(error) => error.hint(),
            SetupError::Engine(_) | SetupError::Registry(_) => return None,
        })
    }
}

impl Machine {
    /// Looks at this machine. `work` is the build's own folder.
    ///
    /// # Errors
    /// When it cannot build.
    pub(crate) async fn probe(
        config: &LocalConfig,
        guard: Option<PathBuf>,
        store: &Store,
        work: &Path,
    ) -> Result<Machine, SetupError> {
        let temporary = work.join("tmp");
        let io = |source| StoreError::Io { what: "create", path: temporary.clone(), source };
        fs::create_dir(&temporary).map_err(io)?;
        let driver = config.storage_driver.clone().or_else(|| store.driver()).unwrap_or_else(|| "overlay".to_owned());
        let mut engine = Engine {
            buildah: config.buildah.clone(),
            skopeo: config.skopeo.clone(),
            guard,
            storage: store.storage(&driver)?,
            temporary,
            registries: registry_files::settings(&config.insecure_registries, &config.registry_mirrors, work)?,
            authfile: registry_files::credentials(config.authfile.as_deref(), work)?,
        };
        check_present(&engine.buildah)?;
        check_present(&engine.skopeo)?;
        if config.storage_driver.is_none() && store.driver().is_none() {
            choose_driver(&mut engine, store).await?;
        }
        let version_text = version_text(&engine, store).await?;
        let version = version(&version_text).unwrap_or(OLDEST);
        if version < OLDEST {
            return Err(SetupError::TooOld { found: version });
        }
        Ok(Machine { engine, version, version_text })
    }

    /// The machine with storage of its own for an architecture: images of two architectures have the same name.
    pub(crate) fn for_arch(&self, arch: &str) -> Engine {
        if arch == crate::arch::host() {
            return self.engine.clone();
        }
        let mut engine = self.engine.clone();
        for path in [&mut engine.storage.root, &mut engine.storage.runroot] {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(format!("-{arch}"));
            path.set_file_name(name);
        }
        engine
    }
}

/// buildah's version in its own words; it is asked once for each buildah.
async fn version_text(engine: &Engine, store: &Store) -> Result<String, SetupError> {
    let path = store.places().cache.join("buildah-version");
    let identity = identity(&engine.buildah);
    let known = fs::read_to_string(&path).unwrap_or_default();
    if let Some((of, version)) = known.split_once('\n')
        && Some(of) == identity.as_deref()
    {
        return Ok(version.to_owned());
    }
    let answer = output(engine.quick_buildah().arg("--version"), "asking buildah for its version").await?;
    let text = String::from_utf8_lossy(&answer).split_whitespace().nth(2).unwrap_or_default().to_owned();
    if let Some(identity) = identity {
        // Not being able to keep it costs a question next time.
        let _ = write_private(&path, format!("{identity}\n{text}").as_bytes());
    }
    Ok(text)
}

/// What tells one program from another: where it is, how long it is, and from when.
pub(super) fn identity(program: &Path) -> Option<String> {
    let path = if program.components().count() > 1 { program.to_owned() } else { child::in_path(program)? };
    let metadata = fs::metadata(&path).ok()?;
    let changed = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(format!("{} {} {}", path.display(), metadata.len(), changed.as_nanos()))
}

fn check_present(program: &Path) -> Result<(), EngineError> {
    let there = if program.components().count() > 1 {
        program.is_file()
    } else {
        child::is_in_path(&program.to_string_lossy())
    };
    if there { Ok(()) } else { Err(EngineError::NotFound { program: program.display().to_string() }) }
}

/// Overlay mounts where the file system has them, else whole copies, which every file system has.
async fn choose_driver(engine: &mut Engine, store: &Store) -> Result<(), SetupError> {
    let mut reason = String::new();
    for driver in ["overlay", "vfs"] {
        engine.storage = store.storage(driver)?;
        match output(engine.buildah().arg("info"), "trying the storage").await {
            Ok(_) => return Ok(store.set_driver(driver)?),
            // Another driver would not change that.
            Err(error @ EngineError::Failed { trouble: EngineTrouble::NoUserNamespaces, .. }) => {
                return Err(error.into());
            }
            Err(error) => reason = error.to_string(),
        }
        if reason.contains("unknown userid") {
            return Err(SetupError::UnknownUser { uid: rustix::process::geteuid().as_raw() });
        }
    }
    Err(SetupError::NoDriver { reason })
}

fn version(text: &str) -> Option<Version> {
    let mut numbers = text.split(['.', '-', '+']).map(|number| number.parse().ok());
    Some(Version { major: numbers.next()??, minor: numbers.next()?? })
}

/// Whether `RUN` can switch users: root can, others need ranges of ids. A directory service may have them instead of the files.
///
/// # Errors
/// When the user has none.
pub(crate) fn check_subordinate_ids(user: Option<&str>) -> Result<(), SetupError> {
    let uid = rustix::process::geteuid();
    let services = fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    if uid.is_root() || services.lines().any(|line| line.trim_start().starts_with("subid:")) {
        return Ok(());
    }
    let known = passwd::in_file(uid.as_raw());
    let uid = uid.as_raw().to_string();
    let user = known.or_else(|| user.map(str::to_owned)).unwrap_or_else(|| uid.clone());
    for file in ["/etc/subuid", "/etc/subgid"] {
        let text = fs::read_to_string(file).unwrap_or_default();
        let has = text.lines().filter_map(|line| line.split(':').next()).any(|name| name == user || name == uid);
        if !has {
            return Err(SetupError::NoSubordinateIds { user, file });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(version("1.28.2"), Some(Version { major: 1, minor: 28 }));
        assert_eq!(version("1.33.0-dev"), Some(Version { major: 1, minor: 33 }));
        assert!(version("1.9.1").is_some_and(|old| old < OLDEST));
        assert_eq!(version("dev"), None);
    }
}
