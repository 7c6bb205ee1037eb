//! Files that were fetched before, each under its strongest checksum, and parts of files that are being fetched.
//!
//! ```text
//! CACHE/sha512/<hash>            whole and verified when it was put there; verified again at every use
//! CACHE/sha512/<hash>.partial    what has arrived so far; whoever fetches the file holds an exclusive lock on it
//! ```
//!
//! A part is renamed to the whole while it is locked. So whoever gets the lock has to look whether the name still means the
//! file that was opened; that is all it takes for any number of processes to share a cache.

use std::fs::{DirBuilder, File, FileTimes, OpenOptions, Permissions, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

use super::checksums::Digests;
use super::error::FetchProblem;
use super::folder::{ContextFolder, Target, hash};
use super::room;
use crate::blocking::Stop;
use crate::checkout::sources::Checksum;

/// A folder of fetched files that any number of processes may use at once.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// What became of a file that was looked for in the cache.
pub(super) enum Cached {
    /// It is in the context now; its size in bytes.
    Copied(u64),
    /// It is not in the cache.
    Missing,
    /// It was not what its name says, and was removed.
    Damaged,
}

/// What became of the wish to fetch a file.
pub(super) enum Claim {
    /// Nobody else fetches it, and here is what there is of it.
    Mine(Partial),
    /// Somebody else is fetching it.
    Busy,
}

impl Cache {
    /// A cache in this folder, which is made when it is needed, for its owner alone.
    pub fn new(root: impl Into<PathBuf>) -> Cache {
        Cache { root: root.into() }
    }

    /// Where a file with this checksum is kept.
    pub fn path(&self, checksum: &Checksum) -> PathBuf {
        self.root.join(checksum.algorithm().name()).join(checksum.hash())
    }

    /// Copies a file from the cache into the context, if it is there and has all of these checksums.
    pub(super) fn copy(
        &self,
        checksums: &[Checksum],
        context: &ContextFolder,
        target: &Target,
        stop: &Stop,
    ) -> Result<Cached, FetchProblem> {
        let path = self.path(strongest(checksums)?);
        let read = || FetchProblem::file("read", &path);
        let mut file = match options().read(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Cached::Missing),
            Err(error) => return Err(read()(error)),
        };
        let modified = file.metadata().and_then(|metadata| metadata.modified()).map_err(read())?;
        match context.put(target, &mut file, modified, Some(checksums), stop) {
            Ok(size) => Ok(Cached::Copied(size)),
            // Another checksum of the same file may be the wrong one; fetching the file anew tells.
            Err(FetchProblem::Mismatch { .. }) => {
                removed(&path)?;
                Ok(Cached::Damaged)
            }
            Err(problem) => Err(problem),
        }
    }

    /// Takes the right to fetch a file, and hashes what there is of it.
    pub(super) fn claim(&self, checksums: &[Checksum], stop: &Stop) -> Result<Claim, FetchProblem> {
        let finished = self.path(strongest(checksums)?);
        let path = finished.with_extension("partial");
        let folder = finished.parent().unwrap_or(&self.root);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(FetchProblem::file("make", folder))?;
        loop {
            let file = options().read(true).append(true).create(true).mode(0o600).open(&path);
            let file = file.map_err(FetchProblem::file("write", &path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Claim::Busy),
                Err(TryLockError::Error(error)) => return Err(FetchProblem::file("lock", &path)(error)),
            }
            if is_still(&file, &path) {
                return Partial::resume(file, path, finished, checksums, stop).map(Claim::Mine);
            }
        }
    }

    /// Brings it back within its bounds: its size, and the age of what was never finished.
    pub(super) fn tidy(&self) {
        room::tidy(&self.root);
    }

    /// Whether there is a file with the strongest of these checksums.
    pub(super) fn has(&self, checksums: &[Checksum]) -> bool {
        strongest(checksums).is_ok_and(|checksum| self.path(checksum).exists())
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

fn strongest(checksums: &[Checksum]) -> Result<&Checksum, FetchProblem> {
    checksums.iter().max_by_key(|checksum| checksum.algorithm()).ok_or(FetchProblem::NoChecksum)
}

fn is_still(file: &File, path: &Path) -> bool {
    let (Ok(opened), Ok(named)) = (file.metadata(), std::fs::symlink_metadata(path)) else { return false };
    (opened.dev(), opened.ino()) == (named.dev(), named.ino())
}

fn removed(path: &Path) -> Result<(), FetchProblem> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FetchProblem::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The beginning of a file, locked. When it is dropped it stays for the next run, unless it is empty or known to be wrong.
pub(super) struct Partial {
    file: File,
    path: PathBuf,
    finished: PathBuf,
    checksums: Vec<Checksum>,
    digests: Digests,
    size: u64,
    /// How many bytes may be written before the room on the disk is looked at again.
    unlooked: u64,
    /// Whether it was put together from the answers to more than one request.
    pieced: bool,
    keep: Keep,
}

#[derive(PartialEq)]
enum Keep {
    /// For the next run.
    Partial,
    /// It has its final name.
    Finished,
    /// It is of no use.
    Nothing,
}

/// A file that is whole, verified and in the cache.
pub(super) struct Complete {
    pub(super) file: File,
    pub(super) modified: SystemTime,
}

/// What became of a file of which everything was received.
pub(super) enum Finish {
    Complete(Complete),
    /// It is wrong, but the parts may have been of different files; it is empty again.
    Restarted(Partial),
}

impl Partial {
    fn resume(
        mut file: File,
        path: PathBuf,
        finished: PathBuf,
        checksums: &[Checksum],
        stop: &Stop,
    ) -> Result<Partial, FetchProblem> {
        let mut digests = Digests::new(checksums)?;
        file.rewind().map_err(FetchProblem::file("read", &path))?;
        let size = hash(&mut file, &path, &mut digests, stop)?;
        let checksums = checksums.to_vec();
        Ok(Partial {
            file,
            path,
            finished,
            checksums,
            digests,
            size,
            unlooked: 0,
            pieced: size > 0,
            keep: Keep::Partial,
        })
    }

    /// How many bytes there are.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether these bytes are the whole file.
    pub(super) fn is_whole(&self) -> bool {
        self.digests.verify().is_ok()
    }

    /// Notes that the rest comes with another answer.
    pub(super) fn continues(&mut self) {
        self.pieced |= self.size > 0;
    }

    /// Sees to it that so many bytes more leave room on the disk for others. Where they do not, what was received goes, too: it would
    /// only keep the next one from being fetched.
    pub(super) fn has_room(&mut self, more: u64) -> Result<(), FetchProblem> {
        if room::is_enough(&self.file, more).map_err(FetchProblem::file("write", &self.path))? {
            self.unlooked = room::LOOK_AGAIN.max(more);
            return Ok(());
        }
        self.keep = Keep::Nothing;
        Err(FetchProblem::NoRoom { path: self.path.clone(), received: self.size, more })
    }

    /// Adds bytes at the end.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FetchProblem> {
        let length = bytes.len() as u64;
        if self.unlooked < length {
            self.has_room(length)?;
        }
        self.unlooked -= length.min(self.unlooked);
        self.digests.update(bytes)?;
        self.file.write_all(bytes).map_err(FetchProblem::file("write", &self.path))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Forgets everything that was received.
    pub(super) fn restart(&mut self) -> Result<(), FetchProblem> {
        self.digests = Digests::new(&self.checksums)?;
        self.file.set_len(0).map_err(FetchProblem::file("write", &self.path))?;
        (self.size, self.pieced) = (0, false);
        Ok(())
    }

    /// Verifies the file and gives it its name in the cache. `modified` is what the server says of its age.
    pub(super) fn finish(mut self, modified: Option<SystemTime>) -> Result<Finish, FetchProblem> {
        match self.digests.verify() {
            Ok(()) => {}
            Err(FetchProblem::Mismatch { .. }) if self.pieced => {
                self.restart()?;
                return Ok(Finish::Restarted(self));
            }
            Err(problem) => {
                self.keep = Keep::Nothing;
                return Err(problem);
            }
        }
        let modified = self.publish(modified).map_err(FetchProblem::file("finish", &self.path))?;
        self.keep = Keep::Finished;
        let file = self.file.try_clone().map_err(FetchProblem::file("read", &self.finished))?;
        Ok(Finish::Complete(Complete { file, modified }))
    }

    /// The content is on the disk before the name says that it is.
    fn publish(&self, modified: Option<SystemTime>) -> io::Result<SystemTime> {
        if let Some(modified) = modified {
            self.file.set_times(FileTimes::new().set_modified(modified))?;
        }
        self.file.set_permissions(Permissions::from_mode(0o644))?;
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.finished)?;
        self.file.metadata()?.modified()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.keep == Keep::Nothing || (self.keep == Keep::Partial && self.size == 0) {
            // The lock is still held. A file that is left over is looked at by the next run.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
