//! What was submitted from here: the file behind `watch`, `status`, `cancel` and `--last`.
//!
//! One JSON file per user in the state folder (`$XDG_STATE_HOME`, else `~/.local/state`), mode 0600, replaced atomically
//! under a lock, so that several builds at once lose nothing. It holds ids and addresses, no secrets.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::event::{BuildId, BuilderName, Outcome, TaskId};
use crate::lock;

/// How many submissions are remembered; the oldest are forgotten first.
const KEPT: usize = 100;
/// The version of the file's format.
const VERSION: u32 = 1;
/// How large the file can be at most, in bytes: far more than the entries that are kept.
const LARGEST: u64 = 4 * 1024 * 1024;
/// How long another's lock is waited for. It is held for as long as a small file takes.
const LOCK_WITHIN: Duration = Duration::from_secs(5);

/// A build that was submitted from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// The builder it was given to.
    pub builder: BuilderName,
    /// The builder's id of it: a Koji task id, a PipelineRun's name.
    pub id: String,
    /// The server it runs on (a hub's or cluster's address).
    pub server: String,
    /// Name of the Koji profile or OSBS instance that leads to the server.
    pub profile: String,
    /// The cluster's namespace that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The osbs.conf that was asked for by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// Page about it.
    pub url: Option<String>,
    /// What is built: `namespace/name`.
    pub component: String,
    /// The branch on the dist-git server.
    pub branch: String,
    /// The full commit hash.
    pub commit: String,
    /// The Koji build target.
    pub target: String,
    /// When it was submitted.
    pub submitted: jiff::Timestamp,
    /// How it ended, once that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl Submission {
    /// What names the build.
    pub fn build(&self) -> BuildId {
        let (builder, server) = (self.builder.clone(), self.server.clone());
        BuildId { builder, server, id: TaskId::from(self.id.as_str()) }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    version: u32,
    submissions: Vec<Submission>,
}

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionsError {
    /// No home folder and no `XDG_STATE_HOME`.
    #[error("no folder for the list of submissions: neither XDG_STATE_HOME nor HOME is set")]
    NoFolder,
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
    /// Another process holds the lock and does not give it back.
    #[error("{path} is locked by another process", path = path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// It is no file, or one that is far too large.
    #[error("{path} is no list of submissions: it is {what}", path = path.display())]
    NoList {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The file holds something else.
    #[error("{path} is not a list of submissions", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the JSON reader says.
        source: serde_json::Error,
    },
    /// The file was written by a newer version of this program.
    #[error("{path} has format version {version}; this program knows version {VERSION}", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

impl From<SubmissionsError> for Error {
    fn from(error: SubmissionsError) -> Self {
        let path = match &error {
            SubmissionsError::Malformed { path, .. } | SubmissionsError::NoList { path, .. } => Some(path.clone()),
            _ => None,
        };
        let error = Error::new(ErrorKind::Io, error);
        match path {
            Some(path) => error.hint(format!("move {} away; watch and cancel also take a task id", path.display())),
            None => error,
        }
    }
}

/// The list of submissions.
#[derive(Debug, Clone)]
pub struct Submissions {
    path: PathBuf,
}

impl Submissions {
    /// The list of the user whose `XDG_STATE_HOME` or `HOME` these are.
    ///
    /// # Errors
    /// When neither is set to an absolute path.
    pub fn locate(state_home: Option<&Path>, home: Option<&Path>) -> Result<Submissions, SubmissionsError> {
        let state = state_home
            .filter(|path| path.is_absolute())
            .map(Path::to_owned)
            .or_else(|| home.filter(|path| path.is_absolute()).map(|home| home.join(".local/state")))
            .ok_or(SubmissionsError::NoFolder)?;
        Ok(Submissions { path: state.join("fedpkg-container-build").join("submissions.json") })
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// When the file is there and unreadable or malformed.
    pub fn list(&self) -> Result<Vec<Submission>, SubmissionsError> {
        let file = match Submissions::open(&self.path, OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(SubmissionsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let mut text = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut text).map_err(|source| self.io("read", source))?;
        if text.len() as u64 > LARGEST {
            return Err(SubmissionsError::NoList { path: self.path.clone(), what: "too large" });
        }
        let contents: Contents = serde_json::from_slice(&text)
            .map_err(|source| SubmissionsError::Malformed { path: self.path.clone(), source })?;
        if contents.version > VERSION {
            return Err(SubmissionsError::Newer { path: self.path.clone(), version: contents.version });
        }
        Ok(contents.submissions)
    }

    /// Remembers a submission.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn add(&self, submission: Submission) -> Result<(), SubmissionsError> {
        self.update(|submissions| {
            submissions.push(submission);
            let surplus = submissions.len().saturating_sub(KEPT);
            submissions.drain(..surplus);
        })
    }

    /// Notes how a build ended; one that was not submitted from here is passed over.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn ended(&self, build: &BuildId, outcome: Outcome) -> Result<(), SubmissionsError> {
        if !self.path.exists() {
            return Ok(());
        }
        self.update(|submissions| {
            for submission in submissions.iter_mut().filter(|known| known.build() == *build) {
                submission.outcome = Some(outcome);
            }
        })
    }

    fn update(&self, change: impl FnOnce(&mut Vec<Submission>)) -> Result<(), SubmissionsError> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| SubmissionsError::Io {
            what: "create",
            path: folder.to_owned(),
            source,
        })?;
        let _lock = self.lock()?;
        let mut submissions = self.list()?;
        change(&mut submissions);
        let text = serde_json::to_vec_pretty(&Contents { version: VERSION, submissions })
            .map_err(|source| SubmissionsError::Malformed { path: self.path.clone(), source })?;
        // Temporary files are made with mode 0600, and a rename leaves either the old list or the new one.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|source| self.io("write", source))?;
        file.write_all(&text).map_err(|source| self.io("write", source))?;
        // A rename that reaches the disk before the text does would leave an empty list after a power cut.
        file.as_file().sync_all().map_err(|source| self.io("write", source))?;
        file.persist(&self.path).map_err(|error| self.io("write", error.error))?;
        Ok(())
    }

    /// Held until dropped. A process that was stopped while it held the lock keeps nobody waiting for long.
    fn lock(&self) -> Result<File, SubmissionsError> {
        let path = self.path.with_extension("lock");
        let file = Submissions::open(&path, OpenOptions::new().create(true).append(true).mode(0o600))?;
        match lock::within(LOCK_WITHIN, || file.try_lock()) {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(SubmissionsError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(SubmissionsError::Io { what: "lock", path, source }),
        }
    }

    /// Opens a file that must be one: a pipe would be waited for without end.
    fn open(path: &Path, options: &mut OpenOptions) -> Result<File, SubmissionsError> {
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let opened = options.custom_flags(flags).open(path);
        let failed = |source| SubmissionsError::Io { what: "open", path: path.to_owned(), source };
        let file = opened.map_err(failed)?;
        match file.metadata().map_err(failed)?.is_file() {
            true => Ok(file),
            false => Err(SubmissionsError::NoList { path: path.to_owned(), what: "no regular file" }),
        }
    }

    fn io(&self, what: &'static str, source: io::Error) -> SubmissionsError {
        SubmissionsError::Io { what, path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn submission(id: usize) -> Submission {
        Submission {
            builder: BuilderName::of("koji"),
            id: id.to_string(),
            server: "https://hub/kojihub".into(),
            profile: "koji".into(),
            namespace: None,
            config: None,
            url: None,
            component: "container/foo".into(),
            branch: "f42".into(),
            commit: "0".repeat(40),
            target: "f42-container-candidate".into(),
            submitted: jiff::Timestamp::UNIX_EPOCH,
            outcome: None,
        }
    }

    #[test]
    fn the_newest_are_kept_and_nobody_else_may_read_them() {
        let home = tempfile::tempdir().unwrap();
        let submissions = Submissions::locate(None, Some(home.path())).unwrap();
        assert_eq!(submissions.list().unwrap(), []);
        for id in 0..KEPT + 5 {
            submissions.add(submission(id)).unwrap();
        }
        let list = submissions.list().unwrap();
        assert_eq!((list.len(), list[0].id.as_str()), (KEPT, "5"));
        let mode = fs::metadata(&submissions.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        submissions.ended(&submission(7).build(), Outcome::Failed).unwrap();
        assert_eq!(submissions.list().unwrap()[2].outcome, Some(Outcome::Failed));
    }

    #[test]
    fn several_writers_lose_nothing() {
        let home = tempfile::tempdir().unwrap();
        let submissions = Submissions::locate(None, Some(home.path())).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let submissions = &submissions;
                scope.spawn(move || (0..10).for_each(|n| submissions.add(submission(writer * 10 + n)).unwrap()));
            }
        });
        assert_eq!(submissions.list().unwrap().len(), 40);
    }

    #[test]
    fn a_malformed_file_is_named_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let submissions = Submissions::locate(Some(home.path()), None).unwrap();
        submissions.add(submission(1)).unwrap();
        fs::write(&submissions.path, "{").unwrap();
        assert!(matches!(submissions.add(submission(2)), Err(SubmissionsError::Malformed { .. })));
        assert_eq!(fs::read_to_string(&submissions.path).unwrap(), "{");
    }

    #[test]
    fn lists_of_newer_versions_and_endless_ones_are_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let submissions = Submissions::locate(Some(home.path()), None).unwrap();
        submissions.add(submission(1)).unwrap();
        let newer = fs::read_to_string(&submissions.path).unwrap().replace("\"version\": 1", "\"version\": 2");
        fs::write(&submissions.path, &newer).unwrap();
        assert!(matches!(submissions.add(submission(2)), Err(SubmissionsError::Newer { version: 2, .. })));
        assert_eq!(fs::read_to_string(&submissions.path).unwrap(), newer);
        let long = newer.replace("\"version\": 2", "\"version\": 1") + &" ".repeat(usize::try_from(LARGEST).unwrap());
        fs::write(&submissions.path, long).unwrap();
        assert!(matches!(submissions.list(), Err(SubmissionsError::NoList { what: "too large", .. })));
    }

    #[test]
    fn the_end_of_a_build_is_not_that_of_its_namesake_on_another_server() {
        let home = tempfile::tempdir().unwrap();
        let submissions = Submissions::locate(Some(home.path()), None).unwrap();
        let elsewhere = Submission { server: "https://other/kojihub".into(), ..submission(1) };
        submissions.add(submission(1)).unwrap();
        submissions.add(elsewhere.clone()).unwrap();
        submissions.ended(&elsewhere.build(), Outcome::Failed).unwrap();
        let outcomes: Vec<_> = submissions.list().unwrap().iter().map(|submission| submission.outcome).collect();
        assert_eq!(outcomes, [None, Some(Outcome::Failed)]);
    }

    #[test]
    fn pipes_and_locks_that_are_not_given_back_keep_nobody_waiting() {
        let home = tempfile::tempdir().unwrap();
        let submissions = Submissions::locate(Some(home.path()), None).unwrap();
        submissions.add(submission(1)).unwrap();
        let lock = submissions.lock().unwrap();
        assert!(matches!(submissions.add(submission(2)), Err(SubmissionsError::Locked { .. })));
        drop(lock);
        fs::remove_file(&submissions.path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &submissions.path, rustix::fs::Mode::RWXU).unwrap();
        assert!(matches!(submissions.list(), Err(SubmissionsError::NoList { .. })));
        assert!(matches!(submissions.add(submission(2)), Err(SubmissionsError::NoList { .. })));
    }
}
