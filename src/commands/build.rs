//! `container-build` and `flatpak-build`: plan, check, submit, watch.

use crate::checkout::Checkout;
use crate::cli::{BuildArgs, ContainerBuildArgs, FlatpakBuildArgs};
use crate::config::rpkg::RpkgConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::event::BuilderKind;
use crate::exit_code::ExitCode;
use crate::gating;
use crate::koji::session::Session;
use crate::koji::watch;
use crate::request::check::{self, FileReport};
use crate::request::findings::Finding;
use crate::request::plan::{self, PlanInput};
use crate::request::{Artifact, BuildOptions, BuildRequest};

use super::koji_build::{self, KojiBuild};
use super::{Context, exit_code, koji_hub, local_build, osbs_build, osbs_cluster};

/// `container-build`.
///
/// # Errors
/// Whatever keeps the build from being submitted or watched.
pub async fn container(context: &Context, arguments: &ContainerBuildArgs) -> Result<ExitCode> {
    build(context, &arguments.build, Artifact::Container, container_options(arguments)).await
}

/// `flatpak-build`.
///
/// # Errors
/// Whatever keeps the build from being submitted or watched.
pub async fn flatpak(context: &Context, arguments: &FlatpakBuildArgs) -> Result<ExitCode> {
    build(context, &arguments.build, Artifact::Flatpak, options(&arguments.build)).await
}

/// The options of `container-build`.
pub(super) fn container_options(arguments: &ContainerBuildArgs) -> BuildOptions {
    BuildOptions {
        compose_ids: arguments.compose_ids.clone(),
        dependency_replacements: arguments.dependency_replacements.clone(),
        operator_csv_modifications_url: arguments.operator_csv_modifications_url.clone(),
        ..options(&arguments.build)
    }
}

/// The options that both have.
fn options(arguments: &BuildArgs) -> BuildOptions {
    BuildOptions {
        scratch: arguments.scratch,
        isolated: arguments.isolated,
        release: arguments.build_release.clone(),
        koji_parent_build: arguments.koji_parent_build.clone(),
        yum_repourls: arguments.repo_urls.clone(),
        signing_intent: arguments.signing_intent.clone(),
        arches: arguments.arches.clone(),
        userdata: arguments.userdata.clone(),
        ..BuildOptions::default()
    }
}

async fn build(
    context: &Context,
    arguments: &BuildArgs,
    artifact: Artifact,
    options: BuildOptions,
) -> Result<ExitCode> {
    if arguments.skip_build {
        return Err(Error::new(ErrorKind::Usage, SkipBuild).hint("leave --skip-build out"));
    }
    let config = context.rpkg_config()?;
    let builder = choose_builder(context, arguments, &config)?;
    if let Some(option) = arguments.osbs.given().filter(|_| builder != BuilderKind::Osbs) {
        return Err(Error::new(ErrorKind::Usage, OnlyOsbs(option)).hint("add --build-with osbs"));
    }
    if let Some(option) = arguments.local.given().filter(|_| builder != BuilderKind::Local) {
        return Err(Error::new(ErrorKind::Usage, OnlyLocal(option)).hint("add --build-with local"));
    }
    let checkout = context.checkout()?;
    if builder == BuilderKind::Local {
        return local_build::run(context, arguments, &config, &checkout, artifact, options).await;
    }
    if let Some(greenwave) = greenwave_url(arguments, context, &config)?
        && gating::validate(&checkout.root, &greenwave).await?
    {
        context.note(&"Found a gating.yaml file in the repo and it is properly configured");
    }
    let request = planned(context, arguments, &config, &checkout, artifact, options)?;
    if builder == BuilderKind::Osbs {
        return osbs_build::run(context, arguments, &config, &checkout, &request).await;
    }
    on_koji(context, arguments, &config, &checkout, &request).await
}

/// The flag, then the configuration's `build_with`, then OSBS where one is configured, else Koji.
fn choose_builder(context: &Context, arguments: &BuildArgs, config: &RpkgConfig) -> Result<BuilderKind> {
    if let Some(builder) = arguments.build_with {
        return Ok(builder.into());
    }
    if let Some(configured) = config.build_with()? {
        return Ok(configured.value);
    }
    let on_osbs = osbs_cluster::is_configured(context, &arguments.osbs.cluster);
    Ok(if on_osbs { BuilderKind::Osbs } else { BuilderKind::Koji })
}

/// Where to have `gating.yaml` validated; `None` when it is not to be (pyrpkg's `cli.extract_greenwave_url`).
fn greenwave_url(arguments: &BuildArgs, context: &Context, config: &RpkgConfig) -> Result<Option<String>> {
    if arguments.skip_remote_rules_validation || arguments.scratch || context.globals.dry_run {
        return Ok(None);
    }
    Ok(config.greenwave_url()?.map(|url| url.value))
}

/// The build request, the plan's warnings told.
pub(super) fn planned(
    context: &Context,
    arguments: &BuildArgs,
    config: &RpkgConfig,
    checkout: &Checkout,
    artifact: Artifact,
    options: BuildOptions,
) -> Result<BuildRequest> {
    let user = context.globals.user.clone().or_else(|| context.environment.user()).unwrap_or_default();
    let namespaces = config.distgit_namespaces()?;
    let globals = &context.globals;
    let plan = plan::plan(
        &PlanInput {
            artifact,
            tool: &context.tool,
            release: globals.release.as_deref(),
            name: globals.name.as_deref(),
            namespace: globals.namespace.as_deref(),
            target: arguments.target.as_deref(),
            git_branch: arguments.git_branch.as_deref(),
            options,
            priority: arguments.background.then_some(BACKGROUND_PRIORITY),
            channel: arguments.channel_override.as_deref(),
            distgit_namespaced: config.distgit_namespaced(),
            distgit_namespaces: namespaces.as_deref(),
            anongiturl: &|repo| Ok(config.anongiturl(repo)?),
            gitbaseurl: &|repo| Ok(config.gitbaseurl(&user, repo)?),
        },
        checkout,
    )?;
    for warning in &plan.warnings {
        context.warn(warning);
    }
    Ok(plan.request)
}

/// What `--background` adds to the task's priority, as in rpkg.
const BACKGROUND_PRIORITY: i64 = 5;

async fn on_koji(
    context: &Context,
    arguments: &BuildArgs,
    config: &RpkgConfig,
    checkout: &Checkout,
    request: &BuildRequest,
) -> Result<ExitCode> {
    let profile = context.koji_profile(config)?;
    if context.globals.dry_run {
        return koji_build::dry_run(context, &profile, request);
    }
    let files = check::check_files(&checkout.root, request);
    context.findings(&files.findings);
    stop_on_errors(arguments, checkout, &files.findings)?;
    let build = KojiBuild { profile: &profile, environment: &context.environment };
    context.note(&format_args!("Building on Koji, profile {} ({})", profile.name, profile.server));
    let view = context.log_view(&arguments.follow, &[]);
    context
        .reporting(view.clone(), async |events| {
            let mut session = koji_hub::connect(&profile, events);
            koji_hub::log_in(&mut session, &profile, &context.globals, &context.environment).await?;
            let submitted = check_and_submit(&build, &mut session, context, arguments, request, &files, checkout).await;
            session.log_out().await;
            let task = submitted?;
            if arguments.nowait {
                return Ok(ExitCode::Success);
            }
            let options = koji_build::watch_options(&profile, &view, None);
            let mut interrupt = context.interrupt.clone();
            let watched = watch::watch(&mut session, task, options, &mut interrupt).await;
            Ok(exit_code(&koji_build::finish(&session, task, watched, context).await?))
        })
        .await
}

/// Asks the hub what it would refuse, and submits when it would refuse nothing.
async fn check_and_submit(
    build: &KojiBuild<'_>,
    session: &mut Session,
    context: &Context,
    arguments: &BuildArgs,
    request: &BuildRequest,
    files: &FileReport,
    checkout: &Checkout,
) -> Result<i64> {
    let (answers, baseline) = build.ask(session, request, files).await?;
    let findings = check::check_hub(&answers, request, files);
    context.findings(&findings);
    stop_on_errors(arguments, checkout, &findings)?;
    build.submit(session, request, baseline).await
}

pub(super) fn stop_on_errors(arguments: &BuildArgs, checkout: &Checkout, findings: &[Finding]) -> Result<()> {
    if arguments.force || !findings.iter().any(Finding::is_error) {
        return Ok(());
    }
    Err(koji_build::refused(findings, &checkout.root))
}

/// `--skip-build` is a feature of builders long gone.
#[derive(Debug, thiserror::Error)]
#[error("--skip-build is refused: today's builders fail such a build instead of skipping it")]
struct SkipBuild;

/// An option that means something on this machine only.
#[derive(Debug, thiserror::Error)]
#[error("{0} is an option of builds on this machine")]
struct OnlyLocal(&'static str);

/// An option that means something on an OSBS cluster only.
#[derive(Debug, thiserror::Error)]
#[error("{0} is an option of builds on OSBS")]
struct OnlyOsbs(&'static str);
