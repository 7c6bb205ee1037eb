//! From the command line, the configuration and the checkout to the build request: a pure function.
//!
//! It asks nobody, reads no file and prints nothing: what a user should know comes back as [`PlanWarning`]s. The rules are
//! those of pyrpkg's `cliClient.container_build`, `Commands.check_repo`, `construct_build_url` and
//! `load_container_build_target`, in the order in which rpkg finds fault. Different on purpose: a branch that is only behind
//! its upstream is fine, a detached HEAD is fine when the server has the commit, the contradictions that only the builder
//! would notice are refused here, and a module's platform is not looked up for flatpaks.

mod problem;
#[cfg(test)]
mod tests;
mod warning;

use serde::Serialize;

pub use problem::{DetachedProblem, PlanError};
pub use warning::PlanWarning;

use super::{Artifact, BuildOptions, BuildRequest};
use crate::checkout::remote::RemotePath;
use crate::checkout::{Checkout, Head, Upstream};

/// Fills a URL template of the configuration (`anongiturl`, `gitbaseurl`) with `NAMESPACE/NAME` or `NAME`.
pub type UrlTemplate<'a> = &'a dyn Fn(&str) -> crate::error::Result<String>;

/// The namespace that dist-git puts a repository in when none is named.
const DEFAULT_NAMESPACE: &str = "rpms";
/// The namespace that a repository for containers most likely is in.
const LIKELY_NAMESPACE: &str = "container";

/// Where the builder takes the files from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// From the dist-git server, which has to have the commit.
    DistGit,
    /// From the dist-git server, some day: what is not there yet, or not known, is no obstacle to checks.
    DistGitLater,
    /// From this checkout. What it is called in dist-git may be of use, and is not needed.
    Checkout,
}

/// What the command line and the configuration say. An empty string in an option counts as not given, as it does for rpkg.
#[derive(Clone)]
pub struct PlanInput<'a> {
    /// What is to come out of it.
    pub artifact: Artifact,
    /// Where the builder takes the files from.
    pub files: Files,
    /// The tool whose configuration is used (`fedpkg`, `fedpkg-stage`, `rhpkg`).
    pub tool: &'a str,
    /// `--release`: stands in for the branch's name.
    pub release: Option<&'a str>,
    /// `--name`: stands in for the repository's name.
    pub name: Option<&'a str>,
    /// `--namespace`: goes with `name`.
    pub namespace: Option<&'a str>,
    /// `--target`.
    pub target: Option<&'a str>,
    /// `--git-branch`: the branch the builder is told of; also names the target where `release` is not given.
    pub git_branch: Option<&'a str>,
    /// The options that are handed on.
    pub options: BuildOptions,
    /// Offset to the default task priority.
    pub priority: Option<i64>,
    /// Koji channel.
    pub channel: Option<&'a str>,
    /// `distgit_namespaced` of the configuration.
    pub distgit_namespaced: bool,
    /// `distgit_namespaces` of the configuration: what `namespace` may be; anything when it is not set.
    pub distgit_namespaces: Option<&'a [String]>,
    /// `anongiturl` of the configuration: where the builder fetches from.
    pub anongiturl: UrlTemplate<'a>,
    /// `gitbaseurl` of the configuration: where packagers push to; only suggested to the user.
    pub gitbaseurl: UrlTemplate<'a>,
}

/// A build request, and what the user should know before it is submitted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// What to submit.
    pub request: BuildRequest,
    /// In the order in which they were noticed.
    pub warnings: Vec<PlanWarning>,
}

/// Makes the build request for `checkout`, or says why there is none.
///
/// # Errors
/// When options and checkout do not make a build.
pub fn plan(input: &PlanInput<'_>, checkout: &Checkout) -> Result<Plan, PlanError> {
    let input = PlanInput {
        release: given(input.release),
        name: given(input.name),
        namespace: given(input.namespace),
        target: given(input.target),
        git_branch: given(input.git_branch),
        channel: given(input.channel),
        options: without_empty(&input.options),
        ..input.clone()
    };
    let mut warnings = Vec::new();
    check_namespace(&input)?;
    check_beginnings(&input, checkout)?;
    let branches = Branches::choose(&input, checkout, &mut warnings)?;
    check_combinations(&input.options)?;
    check_repository(&input, checkout, &branches, &mut warnings)?;
    let commit = checkout.commit.clone().unwrap_or_default();
    let repository = DistGitRepository::choose(&input, checkout, &mut warnings)?;
    // For `--name`, rpkg names the target after `rpms` even where dist-git has no namespaces.
    let target_namespace = repository.namespace.as_deref().or(input.name.map(|_| DEFAULT_NAMESPACE));
    let target = build_target(&input, &branches.of_target, target_namespace, &mut warnings)?;
    let source = source_url(&input, &repository, &commit)?;
    check_arches(&input.options)?;
    let request = BuildRequest {
        artifact: input.artifact,
        source,
        target,
        namespace: repository.namespace,
        repo_name: repository.name,
        git_branch: branches.of_commit,
        commit,
        options: input.options,
        priority: input.priority,
        channel: input.channel.map(str::to_owned),
    };
    Ok(Plan { request, warnings })
}

fn given(option: Option<&str>) -> Option<&str> {
    option.filter(|value| !value.is_empty())
}

/// rpkg sends an empty string where one was given; the builder makes no difference between that and nothing.
fn without_empty(options: &BuildOptions) -> BuildOptions {
    let text = |option: &Option<String>| option.clone().filter(|value| !value.is_empty());
    BuildOptions {
        release: text(&options.release),
        koji_parent_build: text(&options.koji_parent_build),
        signing_intent: text(&options.signing_intent),
        operator_csv_modifications_url: text(&options.operator_csv_modifications_url),
        ..options.clone()
    }
}

/// pyrpkg's `cliClient.parse_cmdline`.
fn check_namespace(input: &PlanInput<'_>) -> Result<(), PlanError> {
    let Some(namespace) = input.namespace else {
        return Ok(());
    };
    if input.name.is_none() {
        return Err(PlanError::NamespaceWithoutName);
    }
    match input.distgit_namespaces {
        Some(known) if !known.iter().any(|known| known == namespace) => {
            Err(PlanError::UnknownNamespace { namespace: namespace.to_owned(), known: known.to_vec() })
        }
        _ => Ok(()),
    }
}

/// What a checkout lacks that was only just begun, first things first. Without them nothing else is worth a word.
fn check_beginnings(input: &PlanInput<'_>, checkout: &Checkout) -> Result<(), PlanError> {
    if input.files != Files::DistGit {
        return Ok(());
    }
    if checkout.commit.is_none() {
        return Err(PlanError::no_commit(checkout));
    }
    if checkout.remote.is_some() {
        return Ok(());
    }
    let name = input.name.map_or_else(|| checkout.folder_name(), str::to_owned);
    let namespace = input.namespace.unwrap_or(LIKELY_NAMESPACE);
    let path = if input.distgit_namespaced { format!("{namespace}/{name}") } else { name };
    Err(PlanError::NoRemote { url: (input.gitbaseurl)(&path).ok() })
}

/// Option combinations that cannot work, but for the architectures, which rpkg looks at last.
fn check_combinations(options: &BuildOptions) -> Result<(), PlanError> {
    if !options.compose_ids.is_empty() && options.signing_intent.is_some() {
        return Err(PlanError::ComposeIdWithSigningIntent);
    }
    if options.isolated && options.release.is_none() {
        return Err(PlanError::IsolatedWithoutRelease);
    }
    if options.isolated && options.scratch {
        return Err(PlanError::IsolatedScratch);
    }
    Ok(())
}

fn check_arches(options: &BuildOptions) -> Result<(), PlanError> {
    if options.arches.is_empty() || options.scratch || options.isolated { Ok(()) } else { Err(PlanError::Arches) }
}

/// The branch names of a request.
struct Branches {
    /// The branch that the target is named after.
    of_target: String,
    /// The branch that the builder is told the commit is on.
    of_commit: String,
}

impl Branches {
    /// pyrpkg's `Commands.load_branch_merge`, and `--git-branch`.
    fn choose(input: &PlanInput<'_>, checkout: &Checkout, warnings: &mut Vec<PlanWarning>) -> Result<Self, PlanError> {
        if let (Some(release), None) = (input.release, input.git_branch) {
            warnings.push(PlanWarning::ReleaseOverridesGitBranch { release: release.to_owned() });
        }
        let (of_target, of_commit) = match (input.release, input.git_branch) {
            (Some(release), git_branch) => (release.to_owned(), git_branch.unwrap_or(release).to_owned()),
            (None, Some(git_branch)) => (git_branch.to_owned(), git_branch.to_owned()),
            (None, None) => {
                let branch = checked_out_branch(input, checkout, warnings)?;
                (branch.clone(), branch)
            }
        };
        Ok(Branches { of_target, of_commit })
    }
}

/// The name that the server has for the branch that is checked out; empty where none is needed and none is known.
fn checked_out_branch(
    input: &PlanInput<'_>,
    checkout: &Checkout,
    warnings: &mut Vec<PlanWarning>,
) -> Result<String, PlanError> {
    match (&checkout.head, &checkout.merge_branch, &checkout.containing[..]) {
        (Head::Branch(_), Some(merge), _) => Ok(merge.clone()),
        (Head::Branch(local), None, _) => Ok(local.clone()),
        (Head::Detached, _, [only]) if input.files == Files::Checkout => Ok(only.clone()),
        (Head::Detached, _, [only]) => {
            warnings.push(PlanWarning::DetachedHead { branch: only.clone() });
            Ok(only.clone())
        }
        (Head::Detached, _, _) if input.files != Files::DistGit => Ok(String::new()),
        (Head::Detached, _, []) => Err(PlanError::detached(checkout, DetachedProblem::NotPushed)),
        (Head::Detached, _, several) => {
            Err(PlanError::detached(checkout, DetachedProblem::Ambiguous(several.to_vec())))
        }
    }
}

/// pyrpkg's `Commands.check_repo`, in its order.
fn check_repository(
    input: &PlanInput<'_>,
    checkout: &Checkout,
    branches: &Branches,
    warnings: &mut Vec<PlanWarning>,
) -> Result<(), PlanError> {
    if input.files == Files::Checkout {
        warnings.extend(behind_warning(checkout));
        return Ok(());
    }
    let must_be_there = input.files == Files::DistGit;
    if must_be_there && !checkout.changed.is_empty() {
        return Err(PlanError::Uncommitted { root: checkout.root.clone(), changed: checkout.changed.clone() });
    }
    warnings.extend(namespace_warning(input, checkout));
    warnings.extend(fork_warning(input, checkout));
    match &checkout.head {
        Head::Branch(local) => {
            warnings.extend(behind_warning(checkout));
            if must_be_there { check_pushed(local, checkout) } else { Ok(()) }
        }
        Head::Detached if checkout.containing.is_empty() => {
            if !must_be_there {
                return Ok(());
            }
            Err(PlanError::detached(checkout, DetachedProblem::NotPushed))
        }
        Head::Detached => {
            if !checkout.containing.contains(&branches.of_commit) {
                let (branch, containing) = (branches.of_commit.clone(), checkout.containing.clone());
                warnings.push(PlanWarning::CommitNotOnBranch { branch, containing });
            }
            Ok(())
        }
    }
}

fn check_pushed(local: &str, checkout: &Checkout) -> Result<(), PlanError> {
    let branch = || local.to_owned();
    match checkout.upstream.clone() {
        Upstream::None => Err(PlanError::NotTracking { branch: branch() }),
        Upstream::Local { branch: upstream } => Err(PlanError::LocalUpstream { branch: branch(), upstream }),
        Upstream::Missing { remote, branch: upstream } => {
            Err(PlanError::UnknownUpstream { branch: branch(), remote, upstream })
        }
        Upstream::Tracked { ahead: 0, .. } => Ok(()),
        Upstream::Tracked { remote, branch: upstream, ahead, behind } => {
            let shallow = checkout.shallow;
            Err(PlanError::Unpushed { branch: branch(), remote, upstream, ahead, behind, shallow })
        }
    }
}

/// Commits that only the server has. A branch that has some of its own, too, is told of otherwise.
fn behind_warning(checkout: &Checkout) -> Option<PlanWarning> {
    let Head::Branch(local) = &checkout.head else { return None };
    match &checkout.upstream {
        Upstream::Tracked { remote, branch, ahead: 0, behind: behind @ 1.. } => {
            Some(PlanWarning::Behind { branch: local.clone(), upstream: format!("{remote}/{branch}"), behind: *behind })
        }
        _ => None,
    }
}

/// A push URL without a namespace. Where dist-git has no namespaces that is as it should be, so nothing is said then
/// (rpkg warns all the same).
fn namespace_warning(input: &PlanInput<'_>, checkout: &Checkout) -> Option<PlanWarning> {
    let path = RemotePath::of(checkout.push_url.as_deref()?)?;
    if !input.distgit_namespaced || path.namespace().is_some() {
        return None;
    }
    let suggested_url = (input.gitbaseurl)(&format!("{DEFAULT_NAMESPACE}/{}", path.last())).ok();
    let remote = checkout.remote.clone().unwrap_or_default();
    Some(PlanWarning::NoNamespaceInRemote { remote, suggested_url })
}

fn fork_warning(input: &PlanInput<'_>, checkout: &Checkout) -> Option<PlanWarning> {
    let path = RemotePath::of(checkout.push_url.as_deref()?)?;
    let (fork, namespace) = (path.fork()?, path.namespace()?);
    let built = if input.distgit_namespaced { format!("{namespace}/{}", path.name()) } else { path.name().to_owned() };
    input.name.is_none().then_some(PlanWarning::ForkIgnored { fork, built })
}

/// Which repository on the dist-git server is built.
struct DistGitRepository {
    namespace: Option<String>,
    name: String,
    /// Whether dist-git has it under that name, as far as one can tell.
    is_known: bool,
}

impl DistGitRepository {
    /// pyrpkg's `Commands.load_repo_name` and `load_ns`, and what `cliClient.load_cmd` does with `--name`: that never takes
    /// the namespace of the checkout.
    fn choose(input: &PlanInput<'_>, checkout: &Checkout, warnings: &mut Vec<PlanWarning>) -> Result<Self, PlanError> {
        let with_default = |namespace: Option<&str>| {
            input.distgit_namespaced.then(|| namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned())
        };
        if let Some(name) = input.name {
            let namespace = with_default(input.namespace);
            return Ok(DistGitRepository { namespace, name: name.to_owned(), is_known: true });
        }
        let url = checkout.push_url.as_deref();
        let path = url.and_then(RemotePath::of);
        let (path, name) = match (path, input.files) {
            (Some(path), _) => (Some(path.clone()), path.name().to_owned()),
            (None, Files::DistGit) => {
                let (remote, push_url) = (checkout.remote.clone(), url.map(str::to_owned));
                return Err(PlanError::NoRepositoryName { remote, push_url });
            }
            (None, _) => (None, checkout.folder_name()),
        };
        let namespace = path.as_ref().and_then(RemotePath::namespace);
        let is_strange = namespace.is_some_and(|namespace| is_strange(input, namespace));
        let is_known = path.is_some() && (!input.distgit_namespaced || (namespace.is_some() && !is_strange));
        if !is_known && (is_strange || input.files == Files::Checkout) {
            warnings.push(PlanWarning::NotOfDistGit {
                name: name.clone(),
                namespace: namespace.map(str::to_owned),
                push_url: url.map(str::to_owned),
                known: input.distgit_namespaces.unwrap_or_default().to_vec(),
                is_needed: input.files != Files::Checkout,
            });
        }
        let namespace = if is_known || input.files == Files::DistGit { with_default(namespace) } else { None };
        Ok(DistGitRepository { namespace, name, is_known })
    }

    fn path(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Whether dist-git has namespaces, and this is none of them.
fn is_strange(input: &PlanInput<'_>, namespace: &str) -> bool {
    let known = input.distgit_namespaces.filter(|_| input.distgit_namespaced);
    known.is_some_and(|known| !known.iter().any(|known| known == namespace))
}

/// pyrpkg's `Commands.load_container_build_target`, and fedpkg's exception for the branch `master`.
fn build_target(
    input: &PlanInput<'_>,
    branch: &str,
    namespace: Option<&str>,
    warnings: &mut Vec<PlanWarning>,
) -> Result<String, PlanError> {
    if let Some(target) = input.target {
        return Ok(target.to_owned());
    }
    if input.artifact == Artifact::Flatpak {
        return Err(PlanError::FlatpakWithoutTarget);
    }
    if namespace.is_none() && input.files != Files::DistGit || branch.is_empty() {
        return Ok(String::new());
    }
    let branch = if is_fedpkg(input.tool) && branch == "master" { "rawhide" } else { branch };
    // The word `None` is Python's, and what rpkg has always asked the hub for.
    let target = format!("{branch}-{}-candidate", namespace.unwrap_or("None"));
    if namespace.is_none() {
        warnings.push(PlanWarning::TargetWithoutNamespace { target: target.clone() });
    }
    Ok(target)
}

/// pyrpkg's `Commands.construct_build_url`; fedpkg puts `git+` before it. Empty where nobody fetches from it and it is not known.
fn source_url(input: &PlanInput<'_>, repository: &DistGitRepository, commit: &str) -> Result<String, PlanError> {
    let url = match ((input.anongiturl)(&repository.path()), input.files) {
        (Err(error), Files::DistGit) => return Err(PlanError::SourceUrl(error)),
        (Ok(url), Files::DistGit) => url,
        (Ok(url), _) if repository.is_known && !commit.is_empty() => url,
        _ => return Ok(String::new()),
    };
    let prefix = if is_fedpkg(input.tool) && !url.starts_with("git+") { "git+" } else { "" };
    Ok(format!("{prefix}{url}#{commit}"))
}

/// Whether the tool is fedpkg or one of its kind (`fedpkg-stage`).
fn is_fedpkg(tool: &str) -> bool {
    tool.starts_with("fedpkg")
}
