//! Files put into the build context, which is made of a checkout that anybody may have written.
//!
//! A target is walked down to one component at a time, each opened in the folder before it with `O_NOFOLLOW`: what is
//! written ends up beneath the context, and no symbolic link of the checkout leads it elsewhere. This is what openat2's
//! `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS` promise, and holds as well where a container's filter hides openat2.

use std::fs::{File, FileTimes, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::checksums::Digests;
use super::error::FetchProblem;
use crate::blocking::{self, Stop};
use crate::checkout::sources::Checksum;

/// How much of a file is in memory at a time.
pub(super) const PIECE: usize = 128 * 1024;

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The build context, opened.
#[derive(Clone)]
pub(super) struct ContextFolder(Arc<OwnedFd>);

/// A path beneath the context, of plain components.
#[derive(Clone)]
pub(super) struct Target {
    folders: Vec<PathBuf>,
    name: PathBuf,
    path: PathBuf,
}

/// What is in the context already.
pub(super) enum Existing {
    /// The file that is wanted, with its size in bytes.
    Valid(u64),
    /// Nothing, or another file.
    Other,
}

impl Target {
    pub(super) fn new(path: &Path) -> Result<Target, FetchProblem> {
        let plain = |component| match component {
            Component::Normal(name) => Some(PathBuf::from(name)),
            _ => None,
        };
        let mut folders = path.components().map(plain).collect::<Option<Vec<_>>>().ok_or(FetchProblem::BadTarget)?;
        let name = folders.pop().ok_or(FetchProblem::BadTarget)?;
        Ok(Target { folders, name, path: path.to_owned() })
    }
}

impl ContextFolder {
    pub(super) fn open(path: &Path) -> Result<ContextFolder, FetchProblem> {
        let opened = rustix::fs::openat(CWD, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let opened = opened.map_err(io::Error::from).map_err(FetchProblem::file("open", path))?;
        Ok(ContextFolder(Arc::new(opened)))
    }

    /// Looks at what stands where the file is to be.
    pub(super) fn existing(
        &self,
        target: &Target,
        checksums: &[Checksum],
        stop: &Stop,
    ) -> Result<Existing, FetchProblem> {
        let Some(folder) = self.folder(target, false)? else { return Ok(Existing::Other) };
        // Without NONBLOCK a pipe would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match rustix::fs::openat(&*folder, &target.name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(Existing::Other),
            Err(Errno::LOOP) => return Err(FetchProblem::SymbolicLink { path: target.path.clone() }),
            Err(error) => return Err(FetchProblem::file("read", &target.path)(error.into())),
        };
        let metadata = file.metadata().map_err(FetchProblem::file("read", &target.path))?;
        if !metadata.is_file() {
            return Err(FetchProblem::InTheWay { path: target.path.clone(), wanted: "regular file" });
        }
        let mut digests = Digests::new(checksums)?;
        hash(&mut file, &target.path, &mut digests, stop)?;
        Ok(digests.verify().map_or(Existing::Other, |()| Existing::Valid(metadata.len())))
    }

    /// Copies a file into the context, whole or not at all; blocks are shared where the file system can do that. Never a
    /// hard link: the build could write into it, and so into the cache. Returns the size in bytes.
    ///
    /// With `verified_by`, what was copied has to have these checksums.
    pub(super) fn put(
        &self,
        target: &Target,
        from: &mut File,
        modified: SystemTime,
        verified_by: Option<&[Checksum]>,
        stop: &Stop,
    ) -> Result<u64, FetchProblem> {
        let Some(folder) = self.folder(target, true)? else { return Err(FetchProblem::BadTarget) };
        let mut new = NewFile::in_folder(folder, target)?;
        let writing = || FetchProblem::file("write", &target.path);
        let digests = verified_by.map(Digests::new).transpose()?;
        let size = fill(&mut new.file, from, digests, target, stop)?;
        new.file.set_permissions(Permissions::from_mode(0o644)).map_err(writing())?;
        new.file.set_times(FileTimes::new().set_modified(modified)).map_err(writing())?;
        new.rename(target)?;
        Ok(size)
    }

    /// Opens the folder that a target is in; `None` if there is none and none is to be made.
    fn folder(&self, target: &Target, make: bool) -> Result<Option<Arc<OwnedFd>>, FetchProblem> {
        let mut folder = Arc::clone(&self.0);
        let mut path = PathBuf::new();
        for name in &target.folders {
            path.push(name);
            let made = make && make_folder(&folder, name).map_err(FetchProblem::file("make the folder", &path))?;
            folder = match rustix::fs::openat(&*folder, name, FOLDER, Mode::empty()) {
                Ok(opened) => Arc::new(opened),
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::NOTDIR | Errno::LOOP) => return Err(in_the_way(&folder, name, path)),
                Err(error) => return Err(FetchProblem::file("open", path)(error.into())),
            };
            if made {
                // Whatever the umask: the image gets the folder as it is here.
                let mode = rustix::fs::fchmod(&*folder, Mode::from_raw_mode(0o755)).map_err(io::Error::from);
                mode.map_err(FetchProblem::file("write", &path))?;
            }
        }
        Ok(Some(folder))
    }
}

/// Makes a folder; `false` when something of the name is there.
fn make_folder(folder: &OwnedFd, name: &Path) -> io::Result<bool> {
    match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Says what stands where a folder should be.
fn in_the_way(folder: &OwnedFd, name: &Path, path: PathBuf) -> FetchProblem {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Symlink => FetchProblem::SymbolicLink { path },
        _ => FetchProblem::InTheWay { path, wanted: "directory" },
    }
}

/// A file under a name that nobody else uses; removed unless it gets its real name.
struct NewFile {
    folder: Arc<OwnedFd>,
    name: String,
    file: File,
    renamed: bool,
}

impl NewFile {
    fn in_folder(folder: Arc<OwnedFd>, target: &Target) -> Result<NewFile, FetchProblem> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let name = format!(".fetched-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            match rustix::fs::openat(&*folder, &name, flags, Mode::from_raw_mode(0o600)) {
                Ok(file) => return Ok(NewFile { folder, name, file: File::from(file), renamed: false }),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(FetchProblem::file("write", &target.path)(error.into())),
            }
        }
    }

    fn rename(mut self, target: &Target) -> Result<(), FetchProblem> {
        match rustix::fs::renameat(&*self.folder, &self.name, &*self.folder, &target.name) {
            Ok(()) => {
                self.renamed = true;
                Ok(())
            }
            Err(Errno::ISDIR) => Err(FetchProblem::InTheWay { path: target.path.clone(), wanted: "regular file" }),
            Err(error) => Err(FetchProblem::file("write", &target.path)(error.into())),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.renamed {
            // A name that is left over is all that can come of an error here.
            let _ = rustix::fs::unlinkat(&*self.folder, &self.name, AtFlags::empty());
        }
    }
}

/// Fills a new file with another's content, and verifies what is in it afterwards.
fn fill(
    to: &mut File,
    from: &mut File,
    digests: Option<Digests>,
    target: &Target,
    stop: &Stop,
) -> Result<u64, FetchProblem> {
    let shared = rustix::fs::ioctl_ficlone(&*to, &*from).is_ok();
    let Some(mut digests) = digests else {
        if !shared {
            let copied = from.rewind().and_then(|()| blocking::copy(from, to, stop));
            copied.map_err(FetchProblem::file("write", &target.path))?;
        }
        return to.metadata().map(|metadata| metadata.len()).map_err(FetchProblem::file("write", &target.path));
    };
    let size = if shared {
        hash(to, &target.path, &mut digests, stop)?
    } else {
        from.rewind().map_err(FetchProblem::file("read", &target.path))?;
        pieces(from, &target.path, stop, |piece| {
            digests.update(piece)?;
            to.write_all(piece).map_err(FetchProblem::file("write", &target.path))
        })?
    };
    digests.verify()?;
    Ok(size)
}

/// Hashes a file from where it stands to its end. Returns how many bytes there were.
pub(super) fn hash(file: &mut File, path: &Path, digests: &mut Digests, stop: &Stop) -> Result<u64, FetchProblem> {
    pieces(file, path, stop, |piece| digests.update(piece))
}

fn pieces(
    file: &mut File,
    path: &Path,
    stop: &Stop,
    mut each: impl FnMut(&[u8]) -> Result<(), FetchProblem>,
) -> Result<u64, FetchProblem> {
    let mut buffer = vec![0; PIECE];
    let mut size = 0;
    loop {
        stop.check()?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(length) => {
                each(&buffer[..length])?;
                size += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FetchProblem::file("read", path)(error)),
        }
    }
}
