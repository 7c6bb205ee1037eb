//! The clean folder that is built from: the files of the commit, or with `--dirty` those of the work tree, and nothing else. The
//! checkout is only read.
//!
//! Links stay links. What is neither file nor link (a pipe, a device) is refused, because reading it might never end. Submodules
//! are copied at the commit that the checkout records, where they are there. Git's own folder is not copied.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use git2::build::CheckoutBuilder;
use git2::{ObjectType, Oid, Repository, StatusOptions, TreeWalkMode, TreeWalkResult};

use crate::blocking::{Stop, Stopped};

/// How many files are written before it is looked whether they are still wanted.
const BATCH: usize = 500;
/// Files that tell the engine what not to copy, in the order in which they count.
const IGNORE_FILES: [&str; 2] = [".containerignore", ".dockerignore"];

/// A folder to build from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuildContext {
    pub path: PathBuf,
    /// Submodules that are not there, by their paths.
    pub missing_submodules: Vec<PathBuf>,
}

/// Why there is nothing to build from.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// Git cannot give the files.
    #[error("cannot take the files of commit {commit} out of {}", root.display())]
    Git {
        /// The checkout.
        root: PathBuf,
        /// The commit.
        commit: String,
        /// What libgit2 says.
        source: git2::Error,
    },
    /// A file could not be copied or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something that is neither file nor link.
    #[error("{} is neither a file nor a link, and cannot be part of a build", path.display())]
    Special {
        /// What it is.
        path: PathBuf,
    },
    /// A name that the build needs for itself.
    #[error("{name} already exists in repo; the build adds a file of that name")]
    Taken {
        /// The name.
        name: String,
    },
    /// Nobody wants it any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A link that leads out of the checkout.
    #[error("{} is a link that leads out of the checkout", path.display())]
    OutsideLink {
        /// The link.
        path: PathBuf,
    },
}

impl BuildContext {
    /// Takes the files of a commit.
    ///
    /// # Errors
    /// When git cannot give them.
    pub(crate) fn of_commit(root: &Path, commit: &str, to: &Path, stop: &Stop) -> Result<BuildContext, ContextError> {
        create_folder(to)?;
        let git = |source| ContextError::Git { root: root.to_owned(), commit: commit.to_owned(), source };
        let repository = Repository::open(root).map_err(git)?;
        let mut missing_submodules = Vec::new();
        let mut exports = vec![(repository, commit.to_owned(), PathBuf::new())];
        while let Some((repository, commit, below)) = exports.pop() {
            let listed = Listed::of(&repository, &commit).map_err(git)?;
            for batch in listed.files.chunks(BATCH) {
                stop.check()?;
                export(&repository, &commit, batch, &to.join(&below)).map_err(git)?;
            }
            for (path, commit) in listed.submodules {
                let folder = to.join(&below).join(&path);
                fs::create_dir_all(&folder).map_err(|source| ContextError::Io {
                    what: "create",
                    path: folder,
                    source,
                })?;
                let inner = repository.workdir().and_then(|root| Repository::open(root.join(&path)).ok());
                match inner.filter(|inner| inner.find_commit(commit).is_ok()) {
                    Some(inner) => exports.push((inner, commit.to_string(), below.join(&path))),
                    None => missing_submodules.push(below.join(&path)),
                }
            }
        }
        Ok(BuildContext { path: to.to_owned(), missing_submodules })
    }

    /// Takes the work tree: what git tracks as it is now, and what it neither tracks nor ignores.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub(crate) fn of_work_tree(root: &Path, to: &Path, stop: &Stop) -> Result<BuildContext, ContextError> {
        create_folder(to)?;
        let git = |source| ContextError::Git { root: root.to_owned(), commit: "HEAD".to_owned(), source };
        for path in work_tree_files(root).map_err(git)? {
            stop.check()?;
            copy(&root.join(&path), &to.join(&path))?;
        }
        Ok(BuildContext { path: to.to_owned(), missing_submodules: Vec::new() })
    }

    /// Whether a name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path.join(name)).is_ok()
    }

    /// Refuses names that the build adds itself.
    ///
    /// # Errors
    /// When one is there.
    pub(crate) fn check_free(&self, names: &[String]) -> Result<(), ContextError> {
        match names.iter().find(|name| self.has(name)) {
            Some(name) => Err(ContextError::Taken { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// The content of a file; a link counts as what it leads to, within the folder.
    ///
    /// # Errors
    /// When it cannot be read, or leads elsewhere.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, ContextError> {
        let path = self.path.join(name);
        let io = |what: &'static str| {
            let path = path.clone();
            move |source| ContextError::Io { what, path, source }
        };
        let real = fs::canonicalize(&path).map_err(io("read"))?;
        let top = fs::canonicalize(&self.path).map_err(io("read"))?;
        if !real.starts_with(top) {
            return Err(ContextError::OutsideLink { path: name.into() });
        }
        fs::read(real).map_err(io("read"))
    }

    /// Adds a file that is not there yet, readable for all.
    ///
    /// # Errors
    /// When it is there, or cannot be written.
    pub(crate) fn add(&self, name: &str, content: &[u8]) -> Result<(), ContextError> {
        let path = self.path.join(name);
        let written = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path).and_then(|mut file| {
            // Whatever the umask, the image gets the same mode.
            file.set_permissions(fs::Permissions::from_mode(0o644))?;
            file.write_all(content)
        });
        written.map_err(|source| ContextError::Io { what: "write", path, source })
    }

    /// Adds a folder that is not there yet.
    ///
    /// # Errors
    /// When it is there, or cannot be made.
    pub(crate) fn add_folder(&self, name: &str) -> Result<(), ContextError> {
        let path = self.path.join(name);
        fs::create_dir(&path).map_err(|source| ContextError::Io { what: "create", path, source })
    }

    /// Has the engine copy `names` whatever the checkout's ignore file says: that file is the first that the engine looks for,
    /// of those that are there.
    ///
    /// # Errors
    /// When it cannot be changed.
    pub(crate) fn unignore(&self, dockerfile: &str, names: &[String]) -> Result<(), ContextError> {
        let own = format!("{dockerfile}.dockerignore");
        let candidates = [own.as_str()].into_iter().chain(IGNORE_FILES);
        let Some(name) = candidates.into_iter().find(|name| self.has(name)) else { return Ok(()) };
        let mut content = self.read(name)?;
        if !content.ends_with(b"\n") {
            content.push(b'\n');
        }
        for added in names {
            content.extend_from_slice(format!("!{added}\n").as_bytes());
        }
        self.replace(name, &content)
    }

    /// Puts a new file in the place of one that is there; if that is a link, what it leads to stays.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) -> Result<(), ContextError> {
        let path = self.path.join(name);
        fs::remove_file(&path).map_err(|source| ContextError::Io { what: "replace", path, source })?;
        self.add(name, content)
    }
}

/// What a commit has.
#[derive(Default)]
struct Listed {
    files: Vec<PathBuf>,
    submodules: Vec<(PathBuf, Oid)>,
}

impl Listed {
    fn of(repository: &Repository, commit: &str) -> Result<Listed, git2::Error> {
        let tree = repository.find_commit(Oid::from_str(commit)?)?.tree()?;
        let mut listed = Listed::default();
        tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            let path = Path::new(folder).join(std::ffi::OsStr::from_bytes(entry.name_bytes()));
            match entry.kind() {
                Some(ObjectType::Commit) => listed.submodules.push((path, entry.id())),
                Some(ObjectType::Blob) => listed.files.push(path),
                _ => {}
            }
            TreeWalkResult::Ok
        })?;
        Ok(listed)
    }
}

/// Writes some files of a commit. libgit2 cannot be stopped while it does.
fn export(repository: &Repository, commit: &str, files: &[PathBuf], to: &Path) -> Result<(), git2::Error> {
    let tree = repository.find_commit(Oid::from_str(commit)?)?.tree()?;
    let mut options = CheckoutBuilder::new();
    options.target_dir(to).force().recreate_missing(true).update_index(false).remove_untracked(false);
    options.disable_pathspec_match(true);
    for file in files {
        options.path(file);
    }
    repository.checkout_tree(tree.as_object(), Some(&mut options))
}

/// Paths relative to the top, of files that are tracked and there, and of untracked ones that are not ignored.
fn work_tree_files(root: &Path) -> Result<Vec<PathBuf>, git2::Error> {
    let repository = Repository::open(root)?;
    let mut paths: Vec<PathBuf> =
        repository.index()?.iter().map(|entry| PathBuf::from(std::ffi::OsStr::from_bytes(&entry.path))).collect();
    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false);
    for status in repository.statuses(Some(&mut options))?.iter() {
        paths.push(PathBuf::from(std::ffi::OsStr::from_bytes(status.path_bytes())));
    }
    paths.sort();
    paths.dedup();
    let plain = |path: &PathBuf| path.components().all(|part| matches!(part, Component::Normal(_)));
    paths.retain(|path| plain(path) && fs::symlink_metadata(root.join(path)).is_ok());
    Ok(paths)
}

fn copy(from: &Path, to: &Path) -> Result<(), ContextError> {
    let io = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| ContextError::Io { what, path, source }
    };
    let metadata = fs::symlink_metadata(from).map_err(io("read", from))?;
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(io("create", folder))?;
    }
    if metadata.is_symlink() {
        let target = fs::read_link(from).map_err(io("read", from))?;
        std::os::unix::fs::symlink(target, to).map_err(io("create", to))
    } else if metadata.is_file() {
        fs::copy(from, to).map(drop).map_err(io("copy", from))
    } else if metadata.is_dir() {
        // A submodule, or a folder that is a repository of its own.
        fs::create_dir_all(to).map_err(io("create", to))
    } else {
        Err(ContextError::Special { path: from.to_owned() })
    }
}

fn create_folder(path: &Path) -> Result<(), ContextError> {
    fs::create_dir(path).map_err(|source| ContextError::Io { what: "create", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    /// A repository with so many files, and its commit.
    fn repository(root: &Path, files: usize) -> String {
        let repository = Repository::init(root).unwrap();
        let mut index = repository.index().unwrap();
        fs::create_dir(root.join("folder")).unwrap();
        for file in 0..files {
            let name = format!("folder/[{file}]*");
            fs::write(root.join(&name), file.to_string()).unwrap();
            index.add_path(Path::new(&name)).unwrap();
        }
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let author = git2::Signature::now("Packager", "packager@example.com").unwrap();
        repository.commit(None, &author, &author, "Files", &tree, &[]).unwrap().to_string()
    }

    #[test]
    fn every_file_of_a_commit_is_written_however_many_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("checkout");
        let commit = repository(&root, 2 * BATCH + 1);
        let to = folder.path().join("context");
        let context = BuildContext::of_commit(&root, &commit, &to, &Stop::default()).unwrap();
        assert_eq!(context.missing_submodules, Vec::<PathBuf>::new());
        for file in [0, BATCH, 2 * BATCH] {
            assert_eq!(fs::read_to_string(to.join(format!("folder/[{file}]*"))).unwrap(), file.to_string());
        }
        assert_eq!(fs::read_dir(to.join("folder")).unwrap().count(), 2 * BATCH + 1);
    }

    #[test]
    fn nothing_is_written_that_nobody_wants_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("checkout");
        let commit = repository(&root, 3);
        let stop = Stop::default();
        stop.raise();
        for (name, of_work_tree) in [("commit", false), ("work-tree", true)] {
            let to = folder.path().join(name);
            let taken = if of_work_tree {
                BuildContext::of_work_tree(&root, &to, &stop)
            } else {
                BuildContext::of_commit(&root, &commit, &to, &stop)
            };
            assert!(matches!(taken, Err(ContextError::Stopped(Stopped))), "{taken:?}");
            assert_eq!(fs::read_dir(&to).unwrap().count(), 0, "{name}");
        }
    }
}
