//! Where builds on this machine keep things: images in a storage of their own, a folder for each build while it runs, its logs
//! and results afterwards. And the tidying after builds that were killed.
//!
//! Every running build holds a shared lock. Whoever gets it exclusively knows that no other build runs: then every working
//! container in the storage is left over from a killed one.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::guard::GUARD;
use super::orphans;
use super::{Engine, EngineError, Storage, output};
use crate::blocking::{self, Stop, Stopped};
use crate::digest::sha256_hex;
use crate::environment::Environment;
use crate::lock;

/// How many builds' logs and results are kept.
const KEPT_RESULTS: usize = 20;
/// How long another's lock of a folder is waited for. It is held for as long as a small file takes.
const FOLDER_WITHIN: Duration = Duration::from_secs(5);
/// How long another build's tidying is waited for: the engine removes the containers that killed builds have left.
const TIDYING_WITHIN: Duration = Duration::from_secs(60);

/// The folders that belong to builds on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// What can be fetched or made again.
    pub cache: PathBuf,
    /// What stays: logs and results.
    pub state: PathBuf,
    /// What need not survive a reboot.
    pub runtime: PathBuf,
}

impl Places {
    /// Those of a user; `None` where neither the XDG variables nor `HOME` are absolute paths.
    pub fn of(environment: &Environment) -> Option<Places> {
        Some(Places { cache: environment.cache()?, state: environment.state()?, runtime: environment.runtime() })
    }
}

/// Why there is no place for a build.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system said no.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another build holds the lock and does not give it back.
    #[error("{path} is locked by another build", path = path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// Nobody wants it any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The folder for temporary things is not ours.
    #[error("{path} belongs to somebody else, or others may write to it", path = path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
}

impl StoreError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let others = "choose other folders with XDG_CACHE_HOME, XDG_STATE_HOME and XDG_RUNTIME_DIR";
        match self {
            StoreError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                format!("make room there, or {others}")
            }
            StoreError::Io { .. } => others.to_owned(),
            StoreError::Stopped(_) => "run it again".to_owned(),
            StoreError::Locked { .. } => "is a build on this machine stopped? `fg` lets it go on".to_owned(),
            StoreError::NotOurs { .. } => format!("remove it, or {others}"),
        }
    }
}

/// The storage, locked for a build.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    places: Places,
    /// Held shared as long as the build runs.
    lock: Arc<File>,
}

/// The folder of one build while it runs; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Work {
    path: PathBuf,
    /// Held as long as the build runs.
    _lock: File,
}

impl Store {
    /// Makes what is missing, and takes the shared lock.
    ///
    /// # Errors
    /// When a folder cannot be made or is not ours alone.
    pub(crate) fn open(places: Places) -> Result<Store, StoreError> {
        for folder in [&places.cache, &places.state, &places.runtime] {
            private_folder(folder)?;
        }
        let path = places.cache.join("builds.lock");
        let lock = Arc::new(lock_file(&path)?);
        let store = Store { places, lock };
        store.work_folder()?;
        store.share(&path)?;
        Ok(store)
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    fn share(&self, path: &Path) -> Result<(), StoreError> {
        locked(path, lock::within(TIDYING_WITHIN, || self.lock.try_lock_shared()))
    }

    fn work_folder(&self) -> Result<PathBuf, StoreError> {
        let folder = self.places.cache.join("work");
        private_folder(&folder)?;
        Ok(folder)
    }

    /// Where the images are. Each folder of images has one of its own for what is mounted at the moment.
    ///
    /// # Errors
    /// When the folder for what is mounted cannot be made.
    pub(crate) fn storage(&self, driver: &str) -> Result<Storage, StoreError> {
        // Storage of one driver cannot be read by another.
        let root =
            self.places.cache.join(if driver == "overlay" { "storage".into() } else { format!("storage-{driver}") });
        let name = name_of(root.as_os_str().as_encoded_bytes());
        let runroot = self.places.runtime.join(format!("storage-{name}"));
        private_folder(&runroot)?;
        // Else the engine mounts the folder onto itself and leaves it so, and nobody could remove it.
        let options = if driver == "overlay" { vec!["overlay.skip_mount_home=true".to_owned()] } else { Vec::new() };
        Ok(Storage { root, runroot, driver: driver.to_owned(), options })
    }

    /// The driver that this storage was begun with.
    pub(crate) fn driver(&self) -> Option<String> {
        let text = fs::read_to_string(self.places.cache.join("storage-driver")).ok()?;
        Some(text.trim().to_owned()).filter(|driver| !driver.is_empty())
    }

    /// Remembers the driver that this storage is begun with.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn set_driver(&self, driver: &str) -> Result<(), StoreError> {
        let path = self.places.cache.join("storage-driver");
        write_private(&path, driver.as_bytes())
    }

    /// A folder for the build `id`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn work(&self, id: &str) -> Result<Work, StoreError> {
        let folder = self.work_folder()?;
        let _creating = lock_folder(&folder)?;
        let path = folder.join(id);
        DirBuilder::new().mode(0o700).create(&path).map_err(|source| io_error("create", &path, source))?;
        let lock_path = path.join("lock");
        let lock = lock_file(&lock_path)?;
        locked(&lock_path, lock.try_lock())?;
        Ok(Work { path, _lock: lock })
    }

    /// A folder for the logs and results of the build `id`; those of the oldest builds are removed. Blocks.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn results(&self, id: &str) -> Result<PathBuf, StoreError> {
        let folder = self.places.state.join("builds");
        private_folder(&folder)?;
        forget_oldest(&folder);
        let path = folder.join(id);
        private_folder(&path)?;
        Ok(path)
    }

    /// What killed builds have left: their processes, their working containers, their folders. Returns how many builds that
    /// were. While other builds run only processes are ended.
    ///
    /// # Errors
    /// When an engine cannot remove its containers.
    pub(crate) async fn tidy(&self, engines: &[Engine]) -> Result<usize, EngineError> {
        let store = self.clone();
        let Ok(stale) = blocking::run(move |_| store.stale()).await else { return Ok(0) };
        if stale.is_empty() && !self.unswept().exists() {
            return Ok(0);
        }
        for folder in &stale {
            orphans::end_those_of(folder, GUARD).await;
        }
        if !self.sweep(engines).await? {
            return Ok(0);
        }
        let builds = stale.len();
        // Who has no more time leaves the rest to the next run.
        let _ = blocking::run(move |stop| remove_all(&stale, stop)).await;
        Ok(builds)
    }

    /// Removes all working containers, if no other build runs; else it is left to a later one. Returns whether that was so. The
    /// caller must have no container that it still wants.
    ///
    /// # Errors
    /// When an engine cannot remove its containers.
    pub(crate) async fn sweep(&self, engines: &[Engine]) -> Result<bool, EngineError> {
        if self.lock.unlock().and_then(|()| Ok(self.lock.try_lock()?)).is_err() {
            self.share_again().await;
            let _ = write_private(&self.unswept(), b"");
            return Ok(false);
        }
        let mut removed = Ok(true);
        for engine in engines.iter().filter(|engine| engine.storage.root.exists()) {
            if let Err(error) = output(engine.buildah().args(["rm", "--all"]), "removing working containers").await {
                removed = Err(error);
            }
        }
        if removed.is_ok() {
            let _ = fs::remove_file(self.unswept());
        }
        self.share_again().await;
        removed
    }

    /// Takes the shared lock back, where somebody else may have come in between and be tidying up.
    async fn share_again(&self) {
        let lock = Arc::clone(&self.lock);
        let shared =
            blocking::run(move |_| Ok::<_, io::Error>(lock::within(TIDYING_WITHIN, || lock.try_lock_shared())?));
        if let Err(error) = shared.await {
            tracing::debug!(%error, "the storage is not locked any more");
        }
    }

    /// A file that is there when containers may be left that could not be removed while other builds ran.
    fn unswept(&self) -> PathBuf {
        self.places.cache.join("unswept")
    }

    /// Folders of builds that nobody holds.
    fn stale(&self) -> Result<Vec<PathBuf>, StoreError> {
        let folder = self.work_folder()?;
        // Else one that is just being created would look like one whose builder is gone.
        let _creating = lock_folder(&folder)?;
        let entries = fs::read_dir(&folder).map_err(|source| io_error("list", &folder, source))?;
        Ok(entries.flatten().map(|entry| entry.path()).filter(|path| !is_held(path)).collect())
    }
}

impl Work {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn id(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

impl Store {
    /// Notes that a build makes the image `name` of `what`, before it does.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub(crate) async fn note_image(&self, what: String, work: &Work, name: &str) -> Result<(), StoreError> {
        let (store, image) = (self.clone(), (work.id(), name.to_owned()));
        blocking::run(move |_| store.change_images(&what, |images| images.push(image))).await
    }

    /// Takes the images that earlier builds have made of `what`, so that they can be removed. Those of builds that still run stay.
    ///
    /// # Errors
    /// When what is noted cannot be read or written.
    pub(crate) async fn take_earlier_images(&self, what: String, work: &Work) -> Result<Vec<String>, StoreError> {
        let (store, id) = (self.clone(), work.id());
        let taken = blocking::run(move |_| {
            let builds = store.work_folder()?;
            let mut earlier = Vec::new();
            store.change_images(&what, |images| {
                let stays = |(build, _): &(String, String)| *build == id || is_held(&builds.join(build));
                let (stay, gone) = std::mem::take(images).into_iter().partition(stays);
                *images = stay;
                earlier = gone;
            })?;
            Ok::<_, StoreError>(earlier)
        });
        Ok(taken.await?.into_iter().map(|(_, name)| name).collect())
    }

    /// Changes the list of the images of `what`: a line for each, with the build's id and the image's name.
    fn change_images(&self, what: &str, change: impl FnOnce(&mut Vec<(String, String)>)) -> Result<(), StoreError> {
        let folder = self.places.cache.join("images");
        private_folder(&folder)?;
        let _changing = lock_folder(&folder)?;
        let path = folder.join(name_of(what.as_bytes()));
        let text = fs::read_to_string(&path).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        let mut images = pairs.map(|(build, name)| (build.to_owned(), name.to_owned())).collect();
        change(&mut images);
        let text: String = images.iter().map(|(build, name)| format!("{build} {name}\n")).collect();
        write_private(&path, text.as_bytes())
    }
}

/// A short file name that stands for `what`.
fn name_of(what: &[u8]) -> String {
    sha256_hex(what).chars().take(16).collect()
}

/// Whether a build runs whose folder this is.
fn is_held(folder: &Path) -> bool {
    let lock = OpenOptions::new().read(true).write(true).open(folder.join("lock"));
    lock.is_ok_and(|lock| lock.try_lock().is_err())
}

/// Keeps others from changing what is in a folder, as long as they ask too.
fn lock_folder(path: &Path) -> Result<File, StoreError> {
    let folder = File::open(path).map_err(|source| io_error("open", path, source))?;
    locked(path, lock::within(FOLDER_WITHIN, || folder.try_lock()))?;
    Ok(folder)
}

fn remove_all(folders: &[PathBuf], stop: &Stop) -> Result<(), Stopped> {
    folders.iter().try_for_each(|folder| {
        stop.check()?;
        remove(folder);
        Ok(())
    })
}

/// What cannot be removed stays for the next run, and for whoever looks why.
fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::debug!(folder = %folder.display(), %error, "cannot remove");
    }
}

/// Names of results begin with the time of the build, so that their order is that of the builds.
fn forget_oldest(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut by_age: Vec<_> =
        entries.flatten().filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    by_age.sort();
    let surplus = (by_age.len() + 1).saturating_sub(KEPT_RESULTS);
    by_age.iter().take(surplus).for_each(|(_, path)| remove(path));
}

/// Makes a folder that only we may look into, with what is above it; one that is there must be so.
fn private_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| io_error("create", path, source))?;
    let metadata = fs::symlink_metadata(path).map_err(|source| io_error("look at", path, source))?;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let closed = metadata.mode() & 0o022 == 0;
    if metadata.is_dir() && ours && closed { Ok(()) } else { Err(StoreError::NotOurs { path: path.to_owned() }) }
}

fn lock_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(|source| io_error("open", path, source))
}

/// Makes a new file that only we may read, for what is written bit by bit.
///
/// # Errors
/// When it is there, or cannot be made.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes a file that only we may read, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        io::Write::write_all(&mut file, content)?;
        file.persist(path).map_err(|error| error.error)
    });
    written.map(drop).map_err(|source| io_error("write", path, source))
}

fn locked(path: &Path, attempt: Result<(), TryLockError>) -> Result<(), StoreError> {
    attempt.map_err(|error| match error {
        TryLockError::WouldBlock => StoreError::Locked { path: path.to_owned() },
        TryLockError::Error(source) => io_error("lock", path, source),
    })
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn places(folder: &Path) -> Places {
        Places { cache: folder.join("cache"), state: folder.join("state"), runtime: folder.join("run") }
    }

    #[test]
    fn a_builds_folder_goes_with_it_and_a_killed_ones_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(places(folder.path())).unwrap();
        let work = store.work("one").unwrap();
        assert_eq!(store.stale().unwrap(), Vec::<PathBuf>::new());
        let path = work.path().to_owned();
        drop(work);
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("lock"), "").unwrap();
        assert_eq!(store.stale().unwrap(), [path]);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        fs::create_dir(&places.runtime).unwrap();
        fs::set_permissions(&places.runtime, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Store::open(places), Err(StoreError::NotOurs { .. })));
    }

    #[test]
    fn only_the_newest_results_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(places(folder.path())).unwrap();
        for build in 0..KEPT_RESULTS + 3 {
            store.results(&format!("{build:03}")).unwrap();
        }
        let kept = fs::read_dir(folder.path().join("state/builds")).unwrap().count();
        assert_eq!(kept, KEPT_RESULTS);
    }
}
