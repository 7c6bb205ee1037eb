//! Reads a checkout through libgit2. It changes nothing, contacts nobody, and starts no program.
//!
//! The rules are those of pyrpkg's `Commands.load_branch_merge`, `load_branch_remote`, `load_push_url` and `check_repo`,
//! which ask the git program. Different on purpose: the repository is searched upward from the folder, the remote is looked
//! up by the local branch's name (rpkg uses the upstream's), and a detached HEAD is looked for on the remote's branches.
//! Filters that need a program (git-lfs) are beyond libgit2: a file under one that was touched counts as changed.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};

use git2::{
    Direction, ErrorCode, FileMode, IndexEntryExtendedFlag, Oid, Repository, RepositoryOpenFlags, Sort, Status,
    StatusEntry, StatusOptions, SubmoduleIgnore, SubmoduleStatus,
};

use super::git_settings::{GitEnvironment, GitSettings};
use super::{Checkout, CheckoutError, Head, Upstream};
use crate::address;

const BRANCH_PREFIX: &str = "refs/heads/";

impl Checkout {
    /// Reads the checkout that `path` is in, with `environment` laid over the settings in git's files.
    ///
    /// # Errors
    /// When there is no checkout, or git cannot read it.
    pub fn read_with(path: &Path, environment: &GitEnvironment) -> Result<Checkout, CheckoutError> {
        let repository = open(path)?;
        let root = work_tree(&repository, path)?;
        let failed = |what: &'static str| {
            let path = root.clone();
            move |source| CheckoutError::Git { what, path, source }
        };
        let settings = GitSettings::new(repository.config().map_err(failed("the settings"))?, environment);
        let head = read_head(&repository, &root)?;
        let commit = commit_at_head(&repository).map_err(failed("HEAD"))?;
        let tracking = Tracking::read(&repository, &settings, &head).map_err(failed("the upstream's name"))?;
        let push_url = match &tracking.remote {
            Some(remote) => settings.push_url(remote).map_err(failed("the push URL"))?,
            None => None,
        };
        let containing = match (&head, commit, &tracking.remote) {
            (Head::Detached, Some(commit), Some(remote)) => {
                branches_containing(&repository, remote, commit).map_err(failed("the remote's branches"))?
            }
            _ => Vec::new(),
        };
        Ok(Checkout {
            commit: commit.map(|commit| commit.to_string()),
            changed: changed_files(&repository).map_err(failed("the changes"))?,
            upstream: tracking.upstream(&repository, commit).map_err(failed("the upstream"))?,
            merge_branch: tracking.merge.as_deref().map(|merge| short(merge).to_owned()),
            // A remote may be an address itself.
            remote: tracking.remote.map(|remote| address::masked(&remote)),
            shallow: repository.is_shallow(),
            head,
            push_url,
            containing,
            root,
        })
    }
}

/// Opens the repository that `path` is in. `FROM_ENV` makes libgit2 heed the same variables as git for settings, index
/// and objects; `GIT_DIR` does not count because a path is given, and rpkg ignores it too.
pub(super) fn open(path: &Path) -> Result<Repository, CheckoutError> {
    let ceilings = env::var_os("GIT_CEILING_DIRECTORIES").unwrap_or_default();
    Repository::open_ext(path, RepositoryOpenFlags::FROM_ENV, env::split_paths(&ceilings)).map_err(|source| {
        let path = path.to_path_buf();
        match source.code() {
            ErrorCode::NotFound => CheckoutError::NotARepository { path },
            ErrorCode::Owner => CheckoutError::NotOwned { path, source },
            _ => CheckoutError::Git { what: "the format", path, source },
        }
    })
}

/// The top of the work tree.
pub(super) fn work_tree(repository: &Repository, path: &Path) -> Result<PathBuf, CheckoutError> {
    let root = repository.workdir().ok_or_else(|| CheckoutError::Bare { path: path.to_path_buf() })?;
    // libgit2 gives folders a slash at the end; collecting the components drops it.
    Ok(root.components().collect())
}

/// Where HEAD points, also when that branch does not exist yet.
fn read_head(repository: &Repository, root: &Path) -> Result<Head, CheckoutError> {
    let head = repository.find_reference("HEAD").map_err(|source| CheckoutError::Git {
        what: "HEAD",
        path: root.to_path_buf(),
        source,
    })?;
    let Some(target) = head.symbolic_target_bytes() else {
        return Ok(Head::Detached);
    };
    match std::str::from_utf8(target) {
        Ok(target) => Ok(Head::Branch(short(target).to_owned())),
        Err(_) => Err(CheckoutError::NotUtf8 { what: "branch", name: String::from_utf8_lossy(target).into_owned() }),
    }
}

fn commit_at_head(repository: &Repository) -> Result<Option<Oid>, git2::Error> {
    match repository.head() {
        Ok(head) => Ok(Some(head.peel_to_commit()?.id())),
        Err(error) if error.code() == ErrorCode::UnbornBranch => Ok(None),
        Err(error) => Err(error),
    }
}

fn short(reference: &str) -> &str {
    reference.strip_prefix(BRANCH_PREFIX).unwrap_or(reference)
}

/// What the settings say about the upstream of the branch at HEAD.
struct Tracking {
    /// `branch.<local>.remote` as it is set.
    tracked: Option<String>,
    /// `branch.<local>.merge` as it is set: a full reference name.
    merge: Option<String>,
    /// The remote that counts for the push URL.
    remote: Option<String>,
}

impl Tracking {
    fn read(repository: &Repository, settings: &GitSettings<'_>, head: &Head) -> Result<Self, git2::Error> {
        let (mut tracked, mut merge, mut of_upstream) = (None, None, None);
        if let Head::Branch(local) = head {
            tracked = settings.of_branch(local, "remote")?;
            merge = settings.of_branch(local, "merge")?;
            if let Some(merge) = &merge {
                of_upstream = settings.of_branch(short(merge), "remote")?;
            }
        }
        let named = [&tracked, &of_upstream].into_iter().flatten().find(|remote| *remote != ".").cloned();
        let remote = match named {
            Some(remote) => Some(remote),
            None => default_remote(repository, settings)?,
        };
        Ok(Tracking { tracked, merge, remote })
    }

    fn upstream(&self, repository: &Repository, commit: Option<Oid>) -> Result<Upstream, git2::Error> {
        let (Some(remote), Some(merge)) = (&self.tracked, &self.merge) else {
            return Ok(Upstream::None);
        };
        let branch = short(merge).to_owned();
        if remote == "." {
            return Ok(Upstream::Local { branch });
        }
        let remote = remote.clone();
        let (Some(local), Some(upstream)) = (commit, tracking_commit(repository, &remote, merge)) else {
            return Ok(Upstream::Missing { remote, branch });
        };
        let (ahead, behind) = repository.graph_ahead_behind(local, upstream)?;
        Ok(Upstream::Tracked { remote, branch, ahead, behind })
    }
}

/// `origin` where it exists, else the only remote there is.
fn default_remote(repository: &Repository, settings: &GitSettings<'_>) -> Result<Option<String>, git2::Error> {
    let remotes = repository.remotes()?;
    let names: Vec<&str> = remotes.iter().filter_map(|name| name.ok().flatten()).collect();
    Ok(match names[..] {
        _ if names.contains(&"origin") => Some("origin".to_owned()),
        [only] => Some(only.to_owned()),
        // A remote may also come from the environment, which libgit2's list does not show.
        _ => settings.push_url("origin")?.map(|_| "origin".to_owned()),
    })
}

/// The commit of the remote-tracking branch for `merge`: by the remote's fetch rules, else by the usual place.
fn tracking_commit(repository: &Repository, remote: &str, merge: &str) -> Option<Oid> {
    let by_rule = repository.find_remote(remote).ok().and_then(|remote| {
        let rules = remote.refspecs().filter(|rule| rule.direction() == Direction::Fetch && rule.src_matches(merge));
        let mut names = rules.filter_map(|rule| rule.transform(merge).ok()?.as_str().ok().map(str::to_owned));
        names.find_map(|name| commit_of(repository, &name))
    });
    by_rule.or_else(|| commit_of(repository, &format!("refs/remotes/{remote}/{}", merge.strip_prefix(BRANCH_PREFIX)?)))
}

fn commit_of(repository: &Repository, reference: &str) -> Option<Oid> {
    Some(repository.find_reference(reference).ok()?.peel_to_commit().ok()?.id())
}

/// The branches of `remote` that contain `commit`. One walk over what is newer than the commit answers for all branches,
/// so the cost does not grow with their number.
fn branches_containing(repository: &Repository, remote: &str, commit: Oid) -> Result<Vec<String>, git2::Error> {
    let prefix = format!("refs/remotes/{remote}/");
    let mut tips = Vec::new();
    for reference in repository.references_glob(&format!("{prefix}*"))? {
        let reference = reference?;
        // `origin/HEAD` is another name for a branch that is in the list anyway.
        if let (Ok(name), Some(tip)) = (reference.name(), reference.target()) {
            tips.push((name.strip_prefix(&prefix).unwrap_or(name).to_owned(), tip));
        }
    }
    let newer = descendants(repository, commit, tips.iter().map(|(_, tip)| *tip))?;
    let mut names: Vec<String> =
        tips.into_iter().filter(|(_, tip)| newer.contains(tip)).map(|(name, _)| name).collect();
    names.sort_unstable();
    Ok(names)
}

/// `commit` and everything reachable from `tips` that has it in its history.
fn descendants(
    repository: &Repository,
    commit: Oid,
    tips: impl Iterator<Item = Oid>,
) -> Result<HashSet<Oid>, git2::Error> {
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    for tip in tips {
        walk.push(tip)?;
    }
    walk.hide(commit)?;
    let mut found = HashSet::from([commit]);
    for id in walk {
        let id = id?;
        if repository.find_commit(id)?.parent_ids().any(|parent| found.contains(&parent)) {
            found.insert(id);
        }
    }
    Ok(found)
}

/// Tracked files that differ between HEAD, index and work tree.
fn changed_files(repository: &Repository) -> Result<Vec<PathBuf>, git2::Error> {
    let mut options = StatusOptions::new();
    options.include_untracked(false).include_ignored(false);
    let statuses = repository.statuses(Some(&mut options))?;
    let mut changed = Vec::new();
    for entry in statuses.iter() {
        if !only_untracked_in_submodule(repository, &entry)? && !left_out_on_purpose(repository, &entry)? {
            changed.push(PathBuf::from(String::from_utf8_lossy(entry.path_bytes()).into_owned()));
        }
    }
    Ok(changed)
}

/// Whether the file is missing because of a sparse checkout, which libgit2 takes for a removal.
fn left_out_on_purpose(repository: &Repository, entry: &StatusEntry<'_>) -> Result<bool, git2::Error> {
    let (Status::WT_DELETED, Ok(path)) = (entry.status(), entry.path()) else {
        return Ok(false);
    };
    let indexed = repository.index()?.get_path(Path::new(path), 0);
    let flags = indexed.map_or(0, |indexed| indexed.flags_extended);
    Ok(IndexEntryExtendedFlag::from_bits_truncate(flags).is_skip_worktree())
}

/// Whether all there is to say of the entry is that a submodule has untracked files, which `git diff` does not count.
fn only_untracked_in_submodule(repository: &Repository, entry: &StatusEntry<'_>) -> Result<bool, git2::Error> {
    let is_submodule = entry.index_to_workdir().is_some_and(|delta| delta.old_file().mode() == FileMode::Commit);
    let (true, Ok(path)) = (is_submodule && entry.head_to_index().is_none(), entry.path()) else {
        return Ok(false);
    };
    let status = repository.submodule_status(path, SubmoduleIgnore::Untracked)?;
    let differs = SubmoduleStatus::WD_ADDED
        | SubmoduleStatus::WD_DELETED
        | SubmoduleStatus::WD_MODIFIED
        | SubmoduleStatus::WD_INDEX_MODIFIED
        | SubmoduleStatus::WD_WD_MODIFIED;
    Ok(!status.intersects(differs))
}
