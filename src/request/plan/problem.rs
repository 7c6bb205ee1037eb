//! Why there is no plan.

use std::path::PathBuf;

use crate::address;
use crate::checkout::{Checkout, Head};
use crate::error::{Error, ErrorKind};

/// How many changed files a hint lists.
const LISTED_FILES: usize = 5;

/// Why a request could not be made. The texts begin as rpkg's do where rpkg finds the same fault.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// `--namespace` without `--name`.
    #[error("missing --name: using --namespace requires --name option")]
    NamespaceWithoutName,
    /// `--namespace` is not one of the configured words.
    #[error("namespace {namespace} is not valid")]
    UnknownNamespace {
        /// The value given.
        namespace: String,
        /// The configured words.
        known: Vec<String>,
    },
    /// `--isolated` without `--build-release`.
    #[error("missing --build-release: using --isolated requires --build-release option")]
    IsolatedWithoutRelease,
    /// `--compose-id` and `--signing-intent`.
    #[error("argument --compose-id: not allowed with argument --signing-intent")]
    ComposeIdWithSigningIntent,
    /// `--isolated` and `--scratch`: rpkg submits it, and the builder refuses it.
    #[error("Build cannot be both isolated and scratch")]
    IsolatedScratch,
    /// `--arches` without `--scratch` or `--isolated`.
    #[error("Cannot override arches for non-scratch and non-isolated builds")]
    Arches,
    /// `flatpak-build` without `--target`.
    #[error(
        "the target of a flatpak build depends on its module's platform, which only the module build service knows"
    )]
    FlatpakWithoutTarget,
    /// Tracked files have changes.
    #[error("{} has uncommitted changes.  Use git status to see details", .root.display())]
    Uncommitted {
        /// The top of the work tree.
        root: PathBuf,
        /// The changed files.
        changed: Vec<PathBuf>,
    },
    /// The branch has no upstream.
    #[error(
        "Branch {branch} does not track remote branch.\nUse the following command to fix that:\n    \
         git branch -u origin/REMOTE_BRANCH_NAME"
    )]
    NotTracking {
        /// The local branch.
        branch: String,
    },
    /// The upstream is another branch of the same clone.
    #[error("Branch {branch} tracks the local branch {upstream}, not a branch of the dist-git server")]
    LocalUpstream {
        /// The local branch.
        branch: String,
        /// The branch it tracks.
        upstream: String,
    },
    /// The upstream is not known in this clone, or is no branch.
    #[error("Branch {branch} tracks {upstream} of {remote}, which is not known in this clone")]
    UnknownUpstream {
        /// The local branch.
        branch: String,
        /// Name of the remote.
        remote: String,
        /// The branch on the remote.
        upstream: String,
    },
    /// The local branch has commits that the server lacks.
    #[error("There are unpushed changes in your repo: {}", standing(.branch, .remote, .upstream, *.ahead, *.behind))]
    Unpushed {
        /// The local branch.
        branch: String,
        /// Name of the remote.
        remote: String,
        /// The branch on the remote.
        upstream: String,
        /// How many commits only the local branch has.
        ahead: usize,
        /// How many commits only the upstream has.
        behind: usize,
        /// Whether the history is cut, so that the numbers may be wrong.
        shallow: bool,
    },
    /// HEAD is detached, and which branch the commit is for cannot be said.
    #[error("Repo in inconsistent state: HEAD is a detached symbolic reference as it points to '{commit}', {problem}")]
    Detached {
        /// The commit at HEAD.
        commit: String,
        /// Name of the remote.
        remote: Option<String>,
        /// What is wrong with that.
        problem: DetachedProblem,
    },
    /// There is nothing at HEAD yet.
    #[error("branch {branch} has no commit yet")]
    NoCommits {
        /// The local branch.
        branch: String,
    },
    /// There is no server that could have the commit.
    #[error("the checkout has no remote")]
    NoRemote {
        /// What the remote's URL could be; `None` where the configuration does not tell.
        url: Option<String>,
    },
    /// There is no URL that names the repository on the server.
    #[error("Could not find current repository name: {}", nameless(.remote.as_deref(), .push_url.as_deref()))]
    NoRepositoryName {
        /// Name of the remote, if there is one.
        remote: Option<String>,
        /// Its push URL, if it has one.
        push_url: Option<String>,
    },
    /// The configuration's `anongiturl` is missing or malformed.
    #[error(transparent)]
    SourceUrl(Error),
}

/// What is wrong with a detached HEAD.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetachedProblem {
    /// No branch of the remote has the commit.
    #[error("and no branch of the remote has that commit")]
    NotPushed,
    /// Several have it, and none was named.
    #[error("and several branches of the remote have that commit: {}", .0.join(", "))]
    Ambiguous(Vec<String>),
}

impl PlanError {
    /// The branch at HEAD has no commit.
    pub(crate) fn no_commit(checkout: &Checkout) -> Self {
        let branch = match &checkout.head {
            Head::Branch(branch) => branch.clone(),
            Head::Detached => "HEAD".to_owned(),
        };
        PlanError::NoCommits { branch }
    }

    pub(super) fn detached(checkout: &Checkout, problem: DetachedProblem) -> Self {
        let (commit, remote) = (checkout.commit.clone().unwrap_or_default(), checkout.remote.clone());
        PlanError::Detached { commit, remote, problem }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            PlanError::NamespaceWithoutName
            | PlanError::UnknownNamespace { .. }
            | PlanError::IsolatedWithoutRelease => ErrorKind::Usage,
            PlanError::ComposeIdWithSigningIntent | PlanError::Arches | PlanError::FlatpakWithoutTarget => {
                ErrorKind::Request
            }
            PlanError::IsolatedScratch => ErrorKind::Refused,
            PlanError::Uncommitted { .. }
            | PlanError::NotTracking { .. }
            | PlanError::LocalUpstream { .. }
            | PlanError::UnknownUpstream { .. }
            | PlanError::Unpushed { .. }
            | PlanError::Detached { .. }
            | PlanError::NoCommits { .. }
            | PlanError::NoRemote { .. }
            | PlanError::NoRepositoryName { .. } => ErrorKind::Checkout,
            PlanError::SourceUrl(error) => error.kind(),
        }
    }

    /// What to do about it; `None` where the message says it already.
    fn hint(&self) -> Option<String> {
        Some(match self {
            PlanError::NamespaceWithoutName
            | PlanError::IsolatedWithoutRelease
            | PlanError::NotTracking { .. }
            | PlanError::SourceUrl(_) => return None,
            PlanError::UnknownNamespace { known, .. } if known.is_empty() => "distgit_namespaces is empty".to_owned(),
            PlanError::UnknownNamespace { known, .. } => format!("the configuration knows {}", known.join(", ")),
            PlanError::ComposeIdWithSigningIntent => {
                "a compose has a signing intent of its own; give only one of the two".to_owned()
            }
            PlanError::IsolatedScratch => "give only one of --isolated and --scratch".to_owned(),
            PlanError::Arches => {
                "add --scratch, or --isolated with --build-release; other builds use the target's architectures"
                    .to_owned()
            }
            PlanError::FlatpakWithoutTarget => "name the target: --target f42-flatpak-candidate".to_owned(),
            PlanError::Uncommitted { changed, .. } => {
                format!("commit and push, or `git stash`: {}", listed(changed))
            }
            PlanError::LocalUpstream { branch, .. } => {
                format!("git branch -u origin/REMOTE_BRANCH_NAME {branch}")
            }
            PlanError::UnknownUpstream { remote, branch, upstream } => {
                format!("`git fetch {remote}` if the server has it, else `git push {remote} {branch}:{upstream}`")
            }
            PlanError::Unpushed { shallow: true, remote, behind: 1.., .. } => {
                format!("the history of this clone is cut; `git fetch --unshallow {remote}` tells whether that is true")
            }
            PlanError::Unpushed { behind: 1.., .. } => "git pull --rebase, then git push".to_owned(),
            PlanError::Unpushed { branch, upstream, .. } if branch == upstream => "git push".to_owned(),
            PlanError::Unpushed { remote, upstream, .. } => format!("git push {remote} HEAD:{upstream}"),
            PlanError::Detached { remote, problem: DetachedProblem::NotPushed, .. } => {
                let remote = remote.as_deref().unwrap_or("origin");
                format!("`git fetch {remote}` if the server has it, else push it to a branch")
            }
            PlanError::Detached { problem: DetachedProblem::Ambiguous(_), .. } => {
                "`git switch` to the branch, or name it with --git-branch".to_owned()
            }
            PlanError::NoCommits { .. } => "git add a Dockerfile, and git commit".to_owned(),
            PlanError::NoRemote { url } => {
                let url = url.as_deref().map_or_else(|| "URL".to_owned(), address::masked);
                format!("add one: git remote add origin {url}")
            }
            PlanError::NoRepositoryName { remote, .. } => {
                let remote = remote.as_deref().unwrap_or("origin");
                format!("use --name and --namespace, or `git remote set-url {remote} URL`")
            }
        })
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        let (kind, hint) = (error.kind(), error.hint());
        let error = match error {
            // It comes with its own hints.
            PlanError::SourceUrl(error) => return error,
            error => Error::new(kind, error),
        };
        error.hint_if(hint)
    }
}

fn standing(branch: &str, remote: &str, upstream: &str, ahead: usize, behind: usize) -> String {
    let commits = |count| if count == 1 { "1 commit".to_owned() } else { format!("{count} commits") };
    match behind {
        0 => format!("{branch} is {} ahead of {remote}/{upstream}", commits(ahead)),
        _ => format!(
            "{branch} and {remote}/{upstream} have diverged, by {} here and {} there",
            commits(ahead),
            commits(behind)
        ),
    }
}

fn nameless(remote: Option<&str>, push_url: Option<&str>) -> String {
    match (remote, push_url) {
        (_, Some(url)) => format!("the push URL {} has no path", address::masked(url)),
        (Some(remote), None) => format!("the remote {remote} has no URL"),
        (None, None) => "the git repository has no remote".to_owned(),
    }
}

fn listed(files: &[PathBuf]) -> String {
    let mut names: Vec<String> = files.iter().take(LISTED_FILES).map(|file| file.display().to_string()).collect();
    if files.len() > LISTED_FILES {
        names.push(format!("and {} more", files.len() - LISTED_FILES));
    }
    names.join(", ")
}
