//! The dist-git checkout: what git says, what the remote is called, and what the files in it say.

use std::path::PathBuf;

/// What a build needs to know of a checkout, read once and before planning. Reading it changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkout {
    /// The top of the work tree.
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
    /// Tracked files with staged or unstaged changes, submodules included; untracked files do not count.
    pub changed: Vec<PathBuf>,
    /// How the local branch stands to its upstream.
    pub upstream: Upstream,
    /// For a detached HEAD: the remote branches (without the remote's name) that contain the commit.
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
    /// It tracks a branch that does not exist here.
    Missing { remote: String, branch: String },
    /// Commits that only the local branch has (`ahead`) and that only the upstream has (`behind`).
    Tracked { remote: String, branch: String, ahead: usize, behind: usize },
}
