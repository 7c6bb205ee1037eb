//! From the command line, the configuration and the checkout to a request, and to what speaks against it: the same for `container-build`
//! and `check`.

use std::path::Path;

use crate::builder::{Builder, OwnOptions, Rules, Wish};
use crate::checkout::Checkout;
use crate::cli::{BuildArgs, ContainerBuildArgs};
use crate::config::rpkg::RpkgConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuilderName, Finding};
use crate::request::check::answers::Answers;
use crate::request::check::{self, FileReport};
use crate::request::plan::{self, Files, PlanError, PlanInput};
use crate::request::{Artifact, BuildOptions, BuildRequest};

use super::Context;
use crate::wait::blocking;

/// What `--background` adds to the task's priority, as in rpkg.
const BACKGROUND_PRIORITY: i64 = 5;

/// What is wanted, without the structures of the command line.
pub(crate) struct Wanted {
    pub(crate) artifact: Artifact,
    pub(crate) options: BuildOptions,
    pub(crate) builder: Option<BuilderName>,
    pub(crate) own: OwnOptions,
    target: Option<String>,
    git_branch: Option<String>,
    priority: Option<i64>,
    channel: Option<String>,
    /// Whether errors that checks find keep the build from being submitted.
    pub(crate) force: bool,
    pub(crate) nowait: bool,
    /// Whether Greenwave is left alone.
    pub(crate) skip_gating: bool,
}

impl Wanted {
    /// What `container-build` and `check` were asked for.
    pub(crate) fn container(arguments: &ContainerBuildArgs) -> Wanted {
        let wanted = Wanted::of(&arguments.build, Artifact::Container);
        let options = BuildOptions {
            compose_ids: arguments.compose_ids.clone(),
            dependency_replacements: arguments.dependency_replacements.clone(),
            operator_csv_modifications_url: arguments.operator_csv_modifications_url.clone(),
            ..wanted.options
        };
        Wanted { options, ..wanted }
    }

    /// What `flatpak-build` was asked for.
    pub(crate) fn flatpak(arguments: &BuildArgs) -> Wanted {
        Wanted::of(arguments, Artifact::Flatpak)
    }

    fn of(arguments: &BuildArgs, artifact: Artifact) -> Wanted {
        let options = BuildOptions {
            scratch: arguments.scratch,
            isolated: arguments.isolated,
            release: arguments.build_release.clone(),
            koji_parent_build: arguments.koji_parent_build.clone(),
            yum_repourls: arguments.repo_urls.clone(),
            signing_intent: arguments.signing_intent.clone(),
            arches: arguments.arches.clone(),
            userdata: arguments.userdata.clone(),
            ..BuildOptions::default()
        };
        Wanted {
            artifact,
            options,
            builder: arguments.build_with.clone(),
            own: arguments.own_options(),
            target: arguments.target.clone(),
            git_branch: arguments.git_branch.clone(),
            priority: arguments.background.then_some(BACKGROUND_PRIORITY),
            channel: arguments.channel_override.clone(),
            force: arguments.force,
            nowait: arguments.nowait,
            skip_gating: arguments.skip_remote_rules_validation || arguments.scratch,
        }
    }

    /// Refuses options of another builder than the one that was chosen.
    pub(crate) fn check_options(&self, builder: &dyn Builder) -> Result<()> {
        let Some((owner, option)) = self.own.foreign(&builder.name()) else { return Ok(()) };
        let place = crate::builders::named(owner).map_or("elsewhere", |owner| owner.place());
        Err(Error::new(ErrorKind::Usage, ForeignOption { option, place }).hint(format!("add --build-with {owner}")))
    }
}

/// The request, the plan's warnings told. With `later` it is one for checks, and what is not on a server yet is no obstacle.
pub(crate) async fn planned(
    context: &Context,
    wanted: &Wanted,
    builder: &dyn Builder,
    config: &RpkgConfig,
    checkout: &Checkout,
    later: bool,
) -> Result<BuildRequest> {
    let rules = builder.rules();
    let target = wanted.target.clone().or_else(|| builder.target(&context.setting(Ok(config), &wanted.own)));
    let globals = &context.globals;
    let user = globals.user.clone().or_else(|| context.environment.user()).unwrap_or_default();
    let namespaces = config.distgit_namespaces()?;
    // That architectures are chosen for scratch builds only is a rule of some builders.
    let arches = if rules.arches_of_target { wanted.options.arches.clone() } else { Vec::new() };
    let plan = plan::plan(
        &PlanInput {
            artifact: wanted.artifact,
            files: match (rules.fetches, later) {
                (true, false) => Files::DistGit,
                (true, true) => Files::DistGitLater,
                (false, _) => Files::Checkout,
            },
            tool: &context.tool,
            release: globals.release.as_deref(),
            name: globals.name.as_deref(),
            namespace: globals.namespace.as_deref(),
            target: target.as_deref(),
            git_branch: wanted.git_branch.as_deref(),
            options: BuildOptions { arches, ..wanted.options.clone() },
            priority: wanted.priority,
            channel: wanted.channel.as_deref(),
            distgit_namespaced: config.distgit_namespaced(),
            distgit_namespaces: namespaces.as_deref(),
            anongiturl: &|repo| Ok(config.anongiturl(repo)?),
            gitbaseurl: &|repo| Ok(config.gitbaseurl(&user, repo)?),
        },
        checkout,
    )?;
    for warning in &plan.warnings {
        match warning.is_note() {
            true => context.note(warning).await,
            false => context.warn(warning).await,
        }
    }
    let mut request = plan.request;
    request.options.arches.clone_from(&wanted.options.arches);
    Ok(request)
}

/// For a builder that fetches nothing from dist-git nothing has to be pushed; what is there has to be committed, or the work tree to be
/// wanted. What others need is the plan's concern.
pub(crate) fn check_committed(checkout: &Checkout, rules: &Rules, own: &OwnOptions) -> Result<()> {
    let takes_work_tree = rules.work_tree.is_some_and(|work_tree| (work_tree.is_wanted)(own));
    if rules.fetches || takes_work_tree {
        return Ok(());
    }
    let problem = if checkout.commit.is_none() {
        PlanError::no_commit(checkout)
    } else if checkout.changed.is_empty() {
        return Ok(());
    } else {
        PlanError::Uncommitted { root: checkout.root.clone(), changed: checkout.changed.clone() }
    };
    let error = Error::from(problem);
    Err(match rules.work_tree {
        Some(work_tree) => error.hint(work_tree.hint),
        None => error,
    })
}

/// What the files say, without what is another builder's rule.
pub(crate) async fn check_files(
    context: &Context,
    root: &Path,
    request: &BuildRequest,
    rules: &Rules,
) -> Result<FileReport> {
    let (root, request) = (root.to_owned(), request.clone());
    let forgiven = rules.forgiven;
    Ok(blocking(&context.events, "reading the files of the checkout", move || {
        let mut files = check::check_files(&root, &request);
        let has_dockerfile = root.join("Dockerfile").is_file() || root.join("Containerfile").is_file();
        files.findings.retain(|finding| !forgiven.contains(&finding.id) || !has_dockerfile);
        files
    })
    .await?)
}

/// What the server's answers say, without what is another builder's rule.
pub(crate) fn check_answers(answers: &Answers, wish: Wish<'_>, rules: &Rules) -> Vec<Finding> {
    let mut findings = check::check_hub(answers, wish.request, wish.files);
    findings.retain(|finding| !rules.forgiven.contains(&finding.id));
    findings
}

/// The error that ends a build or a check in which errors were found.
///
/// # Errors
/// When there are any.
pub(crate) fn stop_on_errors(findings: &[Finding], root: &Path, hint: Option<&str>) -> Result<()> {
    let errors: Vec<Finding> = findings.iter().filter(|finding| finding.is_error()).cloned().collect();
    if errors.is_empty() {
        return Ok(());
    }
    let refused = Refused { errors: errors.len(), root: root.display().to_string() };
    let error = Error::new(ErrorKind::Refused, refused).with_findings(errors);
    Err(error.hint_if(hint))
}

/// Checks found errors.
#[derive(Debug, thiserror::Error)]
#[error("the build would be refused: {errors} error(s) found in {root}")]
struct Refused {
    errors: usize,
    root: String,
}

/// An option that means something to another builder only.
#[derive(Debug, thiserror::Error)]
#[error("{option} is an option of builds {place}")]
struct ForeignOption {
    option: &'static str,
    place: &'static str,
}
