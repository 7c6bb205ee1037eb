//! Shell completion: one small script a shell that asks this program, so that options and values come from the definition.
//!
//! The committed files in `completions/` are clap's registration scripts. On a press of the tab key they run the program
//! with `COMPLETE=<shell>` and the words so far; [`complete`] answers from the definition and from local files (branches of
//! the checkout, the namespaces of the configuration, targets and builds seen before), never from the network. Candidates
//! that depend on the folder could not be in a static file, and a static list of options beside it would be a second truth.
//! The price is that script and program must be of one version, which they are when installed together.
//!
//! The files serve `fedpkg-container-build`. Where a tool's name is a link to this program,
//! `source <(COMPLETE=bash fedpkg)` registers the same for that name. A completion of the real tool that was there before
//! goes on working: it asks by argcomplete's protocol, and such a question is for the real tool
//! ([`crate::plugin::asked_by_argcomplete`]).

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::{env, iter};

use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use crate::arch;
use crate::event::Outcome;
use crate::koji::target_cache::TargetCache;
use crate::plugin::Identity;
use crate::submissions::{Submission, Submissions};

/// The variable that makes the program answer instead of work. clap's own convention.
const VARIABLE: &str = "COMPLETE";

/// The logs of a `buildContainer` task, as the builder names them; those of architectures are added.
const LOGS: &[(&str, &str)] = &[
    ("osbs-build.log", "everything the build says"),
    ("osbs-client.log", "how the build was started"),
    ("checkout-for-labels.log", "cloning the repository"),
    ("remote-sources.log", "fetching remote sources"),
    ("user_warnings.log", "warnings for the packager"),
];

/// Where candidates come from that only other rooms know. All of them look at local files only.
#[derive(Clone, Copy)]
pub struct Sources {
    /// The valid namespaces in the configuration of the tool of this name.
    pub namespaces: fn(tool: &str) -> Vec<String>,
    /// The dist-git namespace in a push URL.
    pub namespace_of: fn(url: &str) -> Option<String>,
    /// Koji targets seen before.
    pub targets: fn() -> Vec<String>,
    /// Builds submitted from here, oldest first.
    pub submissions: fn() -> Vec<Submission>,
}

impl Sources {
    /// Targets and submissions out of the user's files, the rest as given.
    pub fn of_this_user(namespaces: fn(&str) -> Vec<String>, namespace_of: fn(&str) -> Option<String>) -> Sources {
        Sources { namespaces, namespace_of, targets: known_targets, submissions: known_submissions }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

fn known_targets() -> Vec<String> {
    let (cache, home) = (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"));
    TargetCache::locate(cache.as_ref().map(Path::new), home.as_ref().map(Path::new)).names()
}

fn known_submissions() -> Vec<Submission> {
    let (state, home) = (env::var_os("XDG_STATE_HOME"), env::var_os("HOME"));
    let known = Submissions::locate(state.as_ref().map(Path::new), home.as_ref().map(Path::new));
    // In the middle of a line there is no good place for an error; the command itself will tell it.
    known.and_then(|known| known.list()).unwrap_or_default()
}

/// Answers a shell that asks for candidates or for its script, on standard output. `false` means that no shell asked and
/// the program is to do its work. To be called before there are threads.
///
/// # Errors
/// When the shell is unknown or standard output is closed.
pub fn complete(identity: &Identity, argv: &[OsString], sources: Sources) -> Result<bool, clap::Error> {
    if env::var_os(VARIABLE).is_none() {
        return Ok(false);
    }
    let folder = env::current_dir().ok();
    CompleteEnv::with_factory(|| definition(identity, sources))
        .var(VARIABLE)
        .try_complete(argv.iter().cloned(), folder.as_deref())
}

/// The definition with candidates for values. Kept apart from [`super::command`], which every start pays for.
pub fn definition(identity: &Identity, sources: Sources) -> Command {
    with_candidates(super::command(identity), identity, sources)
}

fn with_candidates(command: Command, identity: &Identity, sources: Sources) -> Command {
    let cancelling = command.get_name() == "cancel";
    command
        .mut_args(|option| match candidates(option.get_id().as_str(), cancelling, identity, sources) {
            Some(candidates) => option.add(candidates),
            None => option,
        })
        .mut_subcommands(|command| with_candidates(command, identity, sources))
}

/// The candidates for the values of an option, by its id in the definition.
fn candidates(id: &str, cancelling: bool, identity: &Identity, sources: Sources) -> Option<ArgValueCandidates> {
    Some(match id {
        "target" => ArgValueCandidates::new(move || plain(targets(sources))),
        "git_branch" | "release" => ArgValueCandidates::new(|| plain(Checkout::here().branches)),
        "namespace" => {
            let tool = identity.tool.clone();
            ArgValueCandidates::new(move || plain((sources.namespaces)(&tool)))
        }
        "arches" | "arch" => ArgValueCandidates::new(|| plain(arch::OFFERED.iter().copied())),
        "log" => ArgValueCandidates::new(logs),
        "build" => ArgValueCandidates::new(move || builds((sources.submissions)(), cancelling)),
        _ => return None,
    })
}

fn plain<T: Into<OsString>>(values: impl IntoIterator<Item = T>) -> Vec<CompletionCandidate> {
    values.into_iter().map(CompletionCandidate::new).collect()
}

fn logs() -> Vec<CompletionCandidate> {
    let of_builder = LOGS.iter().map(|(name, help)| CompletionCandidate::new(*name).help(Some((*help).into())));
    let of_arches = arch::OFFERED
        .iter()
        .map(|arch| CompletionCandidate::new(format!("{arch}.log")).help(Some(format!("the build for {arch}").into())));
    of_builder.chain(of_arches).collect()
}

/// Builds, the newest first; for cancelling, only those not seen to end.
fn builds(submissions: Vec<Submission>, cancelling: bool) -> Vec<CompletionCandidate> {
    let ended = |submission: &Submission| submission.outcome.is_some_and(|outcome| outcome != Outcome::Detached);
    let wanted = submissions.into_iter().rev().filter(|submission| !cancelling || !ended(submission));
    let candidate = |(place, submission): (usize, Submission)| {
        let Submission { id, component, branch, .. } = submission;
        CompletionCandidate::new(id).help(Some(format!("{component} {branch}").into())).display_order(Some(place))
    };
    wanted.enumerate().map(candidate).collect()
}

/// Targets seen before, and those that the branches of the checkout have by rpkg's rule.
fn targets(sources: Sources) -> Vec<String> {
    let checkout = Checkout::here();
    let namespace = checkout.push_url.as_deref().and_then(sources.namespace_of);
    let derived =
        checkout.branches.iter().filter_map(|branch| Some(format!("{branch}-{}-candidate", namespace.as_ref()?)));
    let mut targets: Vec<String> = derived.chain((sources.targets)()).collect();
    targets.sort();
    targets.dedup();
    targets
}

/// What candidates need of the checkout in the current folder. Whatever cannot be read is left out.
#[derive(Default)]
struct Checkout {
    /// Branches of all remotes, without the remote's name, sorted.
    branches: Vec<String>,
    push_url: Option<String>,
}

impl Checkout {
    fn here() -> Checkout {
        git2::Repository::discover(".").map(|repository| Checkout::of(&repository)).unwrap_or_default()
    }

    fn of(repository: &git2::Repository) -> Checkout {
        let remotes = repository.remotes().ok();
        let remotes: Vec<String> = remotes
            .iter()
            .flat_map(|names| names.iter())
            .filter_map(|name| name.ok().flatten().map(ToOwned::to_owned))
            .collect();
        let mut branches: Vec<String> = remotes.iter().flat_map(|remote| branches_of(repository, remote)).collect();
        branches.sort();
        branches.dedup();
        let remote = iter::once("origin").chain(remotes.iter().map(String::as_str));
        let push_url = remote.filter_map(|name| repository.find_remote(name).ok()).find_map(|remote| {
            let pushed = remote.pushurl().ok().flatten().map(ToOwned::to_owned);
            pushed.or_else(|| remote.url().ok().map(ToOwned::to_owned))
        });
        Checkout { branches, push_url }
    }
}

fn branches_of(repository: &git2::Repository, remote: &str) -> Vec<String> {
    let prefix = format!("refs/remotes/{remote}/");
    let Ok(references) = repository.references_glob(&format!("{prefix}*")) else { return Vec::new() };
    references
        .flatten()
        .filter_map(|reference| reference.name().ok()?.strip_prefix(&prefix).map(ToOwned::to_owned))
        .filter(|branch| branch != "HEAD")
        .collect()
}

/// A shell that gets a committed script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// GNU Bash, with or without the bash-completion package.
    Bash,
    /// The Z shell.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// All of them.
    pub const ALL: &'static [Shell] = &[Shell::Bash, Shell::Zsh, Shell::Fish];

    /// The name its script must have for the shell to find it by itself.
    pub fn file_name(self, program: &str) -> String {
        match self {
            // bash-completion looks for the bare name, and for this one.
            Shell::Bash => format!("{program}.bash"),
            Shell::Zsh => format!("_{program}"),
            Shell::Fish => format!("{program}.fish"),
        }
    }

    /// The script that makes the shell ask `program`, which is looked for on `PATH`.
    ///
    /// # Errors
    /// None in practice: it is written into memory.
    pub fn script(self, program: &str) -> io::Result<String> {
        let shell: &dyn EnvCompleter = match self {
            Shell::Bash => &Bash,
            Shell::Zsh => &Zsh,
            Shell::Fish => &Fish,
        };
        let mut script = Vec::new();
        shell.write_registration(VARIABLE, program, program, program, &mut script)?;
        let mut script = String::from_utf8_lossy(&script).trim().to_owned() + "\n";
        if self == Shell::Zsh {
            script.push_str(&first_press(program));
        }
        Ok(script)
    }
}

/// zsh runs the file as the completion function on the first press of the tab key; clap's script then only defines the
/// real one, and the press would be lost.
fn first_press(program: &str) -> String {
    let function = format!("_clap_dynamic_completer_{}", program.replace('-', "_"));
    format!("if [ \"$funcstack[1]\" = \"_{program}\" ]; then\n    {function} \"$@\"\nfi\n")
}
