//! The dist-git checkout: what git says, what the remote is called, and what the files in it say.

pub mod autorebuild;
pub mod container_yaml;
pub mod dockerfile;
pub(crate) mod file;
mod git;
mod git_settings;
pub(crate) mod remote;
pub mod sources;

use std::path::{Path, PathBuf};

pub use git_settings::GitEnvironment;

use crate::error::{Error, ErrorKind};

/// What a build needs to know of a checkout, read once and before planning. Reading it changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkout {
    /// The top of the work tree, absolute.
    pub root: PathBuf,
    /// Where HEAD points.
    pub head: Head,
    /// Full hash of the commit at HEAD; `None` in a repository without commits.
    pub commit: Option<String>,
    /// `branch.<local>.merge` without `refs/heads/`, where it is set.
    pub merge_branch: Option<String>,
    /// The remote that counts: `branch.<local>.remote`, else `origin`, else the only one there is.
    pub remote: Option<String>,
    /// The URL git would push to, after `pushurl`, `insteadOf` and `pushInsteadOf`.
    pub push_url: Option<String>,
    /// Tracked files with staged or unstaged changes, relative to `root`, submodules included; untracked files do not
    /// count, neither here nor inside submodules.
    pub changed: Vec<PathBuf>,
    /// How the local branch stands to its upstream.
    pub upstream: Upstream,
    /// For a detached HEAD: the branches of `remote` (without the remote's name) that contain the commit, sorted.
    pub containing: Vec<String>,
    /// Whether the history is cut (`git clone --depth`).
    pub shallow: bool,
}

/// Where HEAD points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// A local branch, by its short name.
    Branch(String),
    /// A commit without a branch.
    Detached,
}

/// How a local branch stands to its upstream, as of the last fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// The branch tracks nothing (also for a detached HEAD).
    None,
    /// It tracks another branch of this same clone (remote `.`), which says nothing about the server.
    Local {
        /// Short name of the tracked branch.
        branch: String,
    },
    /// It tracks a branch that was never fetched, or that is not a branch.
    Missing {
        /// Name of the remote.
        remote: String,
        /// `branch.<local>.merge` without `refs/heads/`.
        branch: String,
    },
    /// It tracks a branch that is known here.
    Tracked {
        /// Name of the remote.
        remote: String,
        /// Short name of the branch on the remote.
        branch: String,
        /// How many commits only the local branch has.
        ahead: usize,
        /// How many commits only the upstream has.
        behind: usize,
    },
}

/// Why a checkout could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// Neither the folder nor one above it is a git work tree.
    #[error("Unable to find Git repo: {} is not inside a git work tree", .path.display())]
    NotARepository {
        /// Where the search began.
        path: PathBuf,
    },
    /// A repository without a work tree.
    #[error("{} is a bare git repository, without files to build from", .path.display())]
    Bare {
        /// Where the search began.
        path: PathBuf,
    },
    /// The repository belongs to another user, and git's protection against that (`safe.directory`) applies.
    #[error("git refuses to read {}, because it belongs to another user", .path.display())]
    NotOwned {
        /// Where the search began.
        path: PathBuf,
        /// What libgit2 says; it names the folder that belongs to somebody else.
        source: git2::Error,
    },
    /// A variable that hands settings to git does not have the form that git wants.
    #[error("{variable} in the environment is not a setting for git: {value:?}")]
    Environment {
        /// Name of the variable.
        variable: String,
        /// Its value; empty when it is missing.
        value: String,
    },
    /// A name in the repository is not UTF-8, so that no server could be told of it.
    #[error("the git {what} {name:?} is not UTF-8")]
    NotUtf8 {
        /// What is named (`branch`).
        what: &'static str,
        /// The name, with what was not UTF-8 replaced.
        name: String,
    },
    /// Anything else that libgit2 reports.
    #[error("could not read {what} of the git repository {}", .path.display())]
    Git {
        /// What was being read.
        what: &'static str,
        /// The repository.
        path: PathBuf,
        /// What libgit2 says.
        source: git2::Error,
    },
}

impl From<CheckoutError> for Error {
    fn from(error: CheckoutError) -> Self {
        let hint = match &error {
            CheckoutError::NotARepository { .. } => Some(
                "run this inside a dist-git checkout, or name one with --path; `fedpkg clone container/NAME` makes one"
                    .to_owned(),
            ),
            CheckoutError::Bare { .. } => Some("clone it, and run this in the clone".to_owned()),
            CheckoutError::NotOwned { path, source } => Some(format!(
                "if you trust it: git config --global --add safe.directory {}",
                refused_folder(source).unwrap_or(&path.display().to_string())
            )),
            CheckoutError::Git { source, .. } => remedy_for_format(source).map(str::to_owned),
            CheckoutError::Environment { .. } | CheckoutError::NotUtf8 { .. } => None,
        };
        Error::new(ErrorKind::Checkout, error).hint_if(hint)
    }
}

/// What helps against a format that git writes when asked to and libgit2 cannot read; only its texts tell which it is.
fn remedy_for_format(error: &git2::Error) -> Option<&'static str> {
    let said = |text| error.message().contains(text);
    if said("mandatory extension: 'link'") {
        Some("git update-index --no-split-index")
    } else if said("mandatory extension: 'sdir'") {
        Some("git sparse-checkout reapply --no-sparse-index")
    } else {
        said("unsupported extension").then_some("build from an ordinary `git clone`, without settings for its format")
    }
}

/// The folder that `safe.directory` must name: the top of the work tree, which may be above where the search began.
/// Only the text of libgit2's error has it: `repository path 'PATH' is not owned by current user`.
fn refused_folder(error: &git2::Error) -> Option<&str> {
    let (_, rest) = error.message().split_once('\'')?;
    let (folder, _) = rest.rsplit_once('\'')?;
    Some(folder.strip_suffix('/').unwrap_or(folder))
}

impl Checkout {
    /// The name of its folder.
    pub fn folder_name(&self) -> String {
        self.root.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Reads the checkout that `path` is in, with the settings that the environment of this process has for git.
    ///
    /// `path` may be any folder of the work tree (rpkg's `Commands.load_repo` wants its top).
    ///
    /// # Errors
    /// When there is no checkout, or git cannot read it.
    pub fn read(path: &Path) -> Result<Checkout, CheckoutError> {
        Checkout::read_with(path, &GitEnvironment::of_this_process()?)
    }
}
