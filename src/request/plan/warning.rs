//! What a plan found worth saying.

use std::fmt;

use serde::Serialize;

use crate::address;

/// Something to know before a build is submitted; none of these stops it. The text form is rpkg's where rpkg says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum PlanWarning {
    /// `--release` was given, so that the builder looks for the commit on another branch than the checked-out one.
    ReleaseOverridesGitBranch {
        /// The value given.
        release: String,
    },
    /// The push URL has no namespace, and `rpms` was assumed.
    NoNamespaceInRemote {
        /// Name of the remote.
        remote: String,
        /// What the remote's URL could be; `None` where the configuration does not tell.
        suggested_url: Option<String>,
    },
    /// The push URL is that of a fork, and the repository it was forked from is built.
    ForkIgnored {
        /// Path of the fork on the server.
        fork: String,
        /// Path of the repository that is built.
        built: String,
    },
    /// The local branch lacks commits of its upstream, so that an older commit than the newest is built.
    Behind {
        /// The local branch.
        branch: String,
        /// The upstream, as `REMOTE/BRANCH`.
        upstream: String,
        /// How many commits it lacks.
        behind: usize,
    },
    /// HEAD is detached, and the only branch on the remote that has the commit was taken.
    DetachedHead {
        /// The branch taken.
        branch: String,
    },
    /// HEAD is detached, and the branch that was asked for does not have the commit.
    CommitNotOnBranch {
        /// The branch asked for.
        branch: String,
        /// The branches that have the commit.
        containing: Vec<String>,
    },
    /// The remote does not lead to a repository of dist-git.
    NotOfDistGit {
        /// What the repository is called here.
        name: String,
        /// Its namespace, as far as the push URL has one.
        namespace: Option<String>,
        /// The push URL, if there is one.
        push_url: Option<String>,
        /// The namespaces of dist-git.
        known: Vec<String>,
        /// Whether the builder fetches from dist-git.
        is_needed: bool,
    },
    /// dist-git has no namespaces, so that the default target has none in its name.
    TargetWithoutNamespace {
        /// The target, with `None` in the place of the namespace.
        target: String,
    },
}

impl PlanWarning {
    /// Whether it is only good to know.
    pub fn is_note(&self) -> bool {
        matches!(self, PlanWarning::NotOfDistGit { is_needed: false, .. })
    }
}

impl fmt::Display for PlanWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanWarning::ReleaseOverridesGitBranch { .. } => f.write_str(
                "using --release with container-build will cause git_branch to be overridden, and if the specified commit \
                 is not present in the overridden branch, the build will fail.  Use --target to avoid this behavior",
            ),
            PlanWarning::NoNamespaceInRemote { remote, suggested_url } => {
                f.write_str("Your git configuration does not use a namespace.")?;
                match suggested_url {
                    Some(url) => write!(
                        f,
                        "\nConsider updating your git configuration by running:\n  git remote set-url {remote} {}",
                        address::masked(url)
                    ),
                    None => Ok(()),
                }
            }
            PlanWarning::ForkIgnored { fork, built } => {
                write!(f, "the remote is the fork {fork}, but {built} is built: the commit must be there too")
            }
            PlanWarning::Behind { branch, upstream, behind } => {
                let commits = if *behind == 1 { "commit" } else { "commits" };
                write!(f, "{branch} lacks {behind} {commits} of {upstream}; an older commit than the newest is built")
            }
            PlanWarning::DetachedHead { branch } => {
                write!(f, "HEAD is detached; building for {branch}, the only branch of the remote that has the commit")
            }
            PlanWarning::CommitNotOnBranch { branch, containing } => write!(
                f,
                "the commit is not on {branch}, as far as this clone knows, but on {}; the build may fail",
                containing.join(", ")
            ),
            PlanWarning::NotOfDistGit { name, namespace, push_url, known, is_needed } => {
                let why = not_of_dist_git(namespace.as_deref(), push_url.as_deref(), known);
                match is_needed {
                    true => write!(f, "{why}; is this a dist-git checkout? If not, --name and --namespace name one"),
                    false => write!(f, "{why}; building {name} without what dist-git knows of it (--name, --namespace)"),
                }
            }
            PlanWarning::TargetWithoutNamespace { target } => {
                write!(f, "Could not find ns, distgit is not namespaced: the target is {target}; name another with --target")
            }
        }
    }
}

fn not_of_dist_git(namespace: Option<&str>, push_url: Option<&str>, known: &[String]) -> String {
    let url = push_url.map(address::masked);
    match (namespace, url) {
        (_, None) => "the checkout has no remote that it is pushed to".to_owned(),
        (None, Some(url)) => format!("the push URL {url} has no namespace of dist-git"),
        (Some(namespace), Some(url)) => {
            format!("{namespace}, of the push URL {url}, is none of dist-git's namespaces ({})", known.join(", "))
        }
    }
}
