//! Building on this machine: the configuration and the checkout become an order, which [`crate::local`] carries out.

use std::time::Duration;

use crate::checkout::{Checkout, Upstream};
use crate::cli::BuildArgs;
use crate::config::local::LocalConfig;
use crate::config::rpkg::RpkgConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{self, BuilderKind, EventSender};
use crate::exit_code::ExitCode;
use crate::fetch::AllowedDomains;
use crate::http::ClientOptions;
use crate::koji::retry::RetryPolicy;
use crate::koji::session::Session;
use crate::local::image::inspect::KeyId;
use crate::local::order::{Hub, LocalOptions, LocalOrder, Lookaside};
use crate::local::steps;
use crate::report::text::{self, LocalDryRun};
use crate::request::check;
use crate::request::findings::Finding;
use crate::request::plan::PlanError;
use crate::request::{Artifact, BuildOptions, BuildRequest};
use crate::submissions::Submission;

use super::build::{planned, stop_on_errors};
use super::{Context, exit_code, koji_hub, records};

/// How long a hub is waited for that is only asked whether a release is free.
const HUB_PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may be silent while something is fetched from it.
const FETCH_SILENCE: Duration = Duration::from_secs(60);
/// The variable that makes builds repeatable.
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// The server's name in the list of submissions.
const THIS_MACHINE: &str = "this machine";

/// Builds a checkout on this machine.
///
/// # Errors
/// Whatever keeps the build from being begun.
pub async fn run(
    context: &Context,
    arguments: &BuildArgs,
    config: &RpkgConfig,
    checkout: &Checkout,
    artifact: Artifact,
    options: BuildOptions,
) -> Result<ExitCode> {
    if artifact == Artifact::Flatpak {
        return Err(Error::new(ErrorKind::Usage, FlatpakHere).hint("--build-with koji builds flatpaks"));
    }
    let local = LocalConfig::of(config)?;
    context.config_warnings(&local.warnings);
    let request = request(context, arguments, config, checkout, options)?;
    let order = order(context, arguments, config, &local, checkout, &request)?;
    let findings = findings(checkout, &request);
    context.findings(&findings);
    stop_on_errors(arguments, checkout, &findings)?;
    if context.globals.dry_run {
        return dry_run(context, config, &order).await;
    }
    if arguments.nowait {
        context.warn(&"--nowait means nothing here: a build on this machine ends with this command");
    }
    if let Upstream::Tracked { ahead: 1.., .. } | Upstream::Missing { .. } | Upstream::None = checkout.upstream {
        context.note(&format_args!("commit {} is not on the dist-git server", short(&request.commit)));
    }
    context.note(&format_args!("Building on this machine from {}", checkout.root.display()));
    let view = context.log_view(&arguments.follow, &[]);
    context
        .reporting(view, async |events| {
            let mut hub = hub(context, config, &events)?;
            if let Some(hub) = hub.as_mut().filter(|_| order.options.import) {
                // Credentials that do not work are better known before the build than after it.
                let profile = context.koji_profile(config)?;
                koji_hub::log_in(&mut hub.session, &profile, &context.globals, &context.environment).await?;
            }
            let ended = steps::run(&order, &mut hub, events.clone(), context.interrupt.clone()).await;
            if let Some(hub) = &mut hub {
                hub.session.log_out().await;
            }
            let ended = ended.map_err(|error| error.into_error(&order.section))?;
            remember(context, &events, &request, &ended).await;
            Ok(match ended.kind {
                Some(kind) => kind.into(),
                None => exit_code(&ended.outcome),
            })
        })
        .await
}

/// The request, for which nothing has to be pushed; without `--dirty` everything has to be committed.
fn request(
    context: &Context,
    arguments: &BuildArgs,
    config: &RpkgConfig,
    checkout: &Checkout,
    options: BuildOptions,
) -> Result<BuildRequest> {
    if !checkout.changed.is_empty() && !arguments.local.dirty {
        let (root, changed) = (checkout.root.clone(), checkout.changed.clone());
        return Err(Error::from(PlanError::Uncommitted { root, changed })
            .hint("--scratch --dirty builds what is not committed"));
    }
    let arches = options.arches.clone();
    // That architectures are chosen for scratch builds only is a rule of Koji's.
    let options = BuildOptions { arches: Vec::new(), ..options };
    let pushed = checkout.as_if_pushed();
    let mut request = planned(context, arguments, config, &pushed, Artifact::Container, options)?;
    request.options.arches = arches;
    Ok(request)
}

fn order<'a>(
    context: &Context,
    arguments: &BuildArgs,
    config: &RpkgConfig,
    local: &'a LocalConfig,
    checkout: &Checkout,
    request: &'a BuildRequest,
) -> Result<LocalOrder<'a>> {
    let environment = &context.environment;
    let places = environment.build_places().ok_or_else(|| {
        Error::new(ErrorKind::Io, NoFolders).hint("set HOME, or XDG_CACHE_HOME and XDG_STATE_HOME, to absolute paths")
    })?;
    let keys = if arguments.local.signed_by.is_empty() { &local.signed_by } else { &arguments.local.signed_by };
    let keys: std::result::Result<Vec<KeyId>, _> = keys.iter().map(|key| key.parse()).collect();
    let keys = keys.map_err(|error| Error::new(ErrorKind::Usage, error))?;
    let allowed = if local.artifacts_allowed_domains.is_empty() {
        AllowedDomains::any()
    } else {
        AllowedDomains::only(&local.artifacts_allowed_domains).map_err(|error| Error::new(ErrorKind::Config, error))?
    };
    let flags = &arguments.local;
    Ok(LocalOrder {
        request,
        config: local,
        section: format!("{}.local-build", config.tool()),
        root: checkout.root.clone(),
        places,
        // Still there when the file is replaced while we run.
        guard: Some("/proc/self/exe".into()),
        options: LocalOptions {
            arches: request.options.arches.clone(),
            push: flags.push || local.push,
            exports: flags.export.clone(),
            import: flags.import || (local.koji_import && !request.options.scratch),
            dirty: flags.dirty,
            cache: flags.cache,
            keys,
            target_repo: flags.target_repo || local.target_repo,
            build_args: flags.build_args.clone(),
            secrets: flags.secrets.clone(),
        },
        lookaside: lookaside(config, request)?,
        artifacts_allowed: allowed,
        client: ClientOptions { read_timeout: Some(FETCH_SILENCE), ..ClientOptions::default() },
        timestamp: timestamp()?,
        user: environment.user(),
    })
}

fn lookaside(config: &RpkgConfig, request: &BuildRequest) -> Result<Option<Lookaside>> {
    let Some(base) = config.lookaside()? else { return Ok(None) };
    let repository = match &request.namespace {
        Some(namespace) if config.lookaside_namespaced()? => format!("{namespace}/{}", request.repo_name),
        _ => request.repo_name.clone(),
    };
    Ok(Some(Lookaside { base: base.value, repository }))
}

fn timestamp() -> Result<Option<i64>> {
    let Some(text) = std::env::var_os(SOURCE_DATE_EPOCH).filter(|text| !text.is_empty()) else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.trim().parse().ok()).filter(|seconds| *seconds >= 0);
    let bad = || Error::new(ErrorKind::Usage, BadEpoch(text.to_string_lossy().into_owned()));
    seconds.map(Some).ok_or_else(bad)
}

/// Rules of Koji's that do not hold here: architectures are anybody's choice, and a Containerfile alone is fine.
const ONLY_THERE: [&str; 2] = ["arches-not-allowed", "no-dockerfile"];

/// What the build service would refuse, but for what only it would.
fn findings(checkout: &Checkout, request: &BuildRequest) -> Vec<Finding> {
    let mut findings = check::check_files(&checkout.root, request).findings;
    let is_there = checkout.root.join("Dockerfile").is_file() || checkout.root.join("Containerfile").is_file();
    findings.retain(|finding| !ONLY_THERE.contains(&finding.id) || !is_there);
    findings
}

/// The configured hub; `None` where none is. Nothing is asked yet.
fn hub(context: &Context, config: &RpkgConfig, events: &EventSender) -> Result<Option<Hub>> {
    let Ok(name) = config.koji_profile_name() else { return Ok(None) };
    let profile = match koji_hub::profile(&name.value, &context.environment) {
        Ok(profile) => profile,
        Err(error) => {
            context.note(&format_args!("no Koji hub is asked: {error}"));
            return Ok(None);
        }
    };
    let mut settings = koji_hub::settings(&profile);
    settings.retry = RetryPolicy { max_retries: 1, interval: Duration::from_secs(1), ..settings.retry };
    let mut session = Session::new(settings, events.clone());
    session.be_patient_for(HUB_PATIENCE);
    let links = koji_hub::links(&profile);
    Ok(Some(Hub { session, topurl: links.topurl, weburl: profile.weburl.clone() }))
}

async fn dry_run(context: &Context, config: &RpkgConfig, order: &LocalOrder<'_>) -> Result<ExitCode> {
    // Nobody listens: what is found out is printed as a whole.
    let (events, _) = event::channel();
    let mut hub = hub(context, config, &events)?;
    let preview = steps::preview(order, &mut hub, events).await.map_err(|error| error.into_error(&order.section))?;
    let run = LocalDryRun {
        version: 1,
        builder: "local",
        nvr: preview.nvr,
        parents: preview.parents,
        dockerfile: preview.dockerfile,
        diff: preview.diff,
        push: order.options.push,
        tags: preview.tags,
        artifacts: preview.artifacts,
        omitted: preview.omitted,
    };
    text::local_dry_run(&context.mode, &run).map_err(|source| Error::new(ErrorKind::Io, source))?;
    Ok(ExitCode::Success)
}

/// Puts the build into the list that `status` shows.
async fn remember(context: &Context, events: &EventSender, request: &BuildRequest, ended: &steps::Ended) {
    let id = ended.outcome.id.to_string();
    let submission = Submission {
        outcome: Some(ended.outcome.outcome),
        ..records::submission(request, BuilderKind::Local, id, THIS_MACHINE.to_owned())
    };
    records::remember(&context.environment, events, submission, "status").await;
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// Flatpaks need what only the build service has.
#[derive(Debug, thiserror::Error)]
#[error("flatpaks cannot be built on this machine")]
struct FlatpakHere;

/// There is no home folder.
#[derive(Debug, thiserror::Error)]
#[error("there is no folder for images and results: neither HOME nor the XDG variables are set")]
struct NoFolders;

/// `SOURCE_DATE_EPOCH` is no number.
#[derive(Debug, thiserror::Error)]
#[error("{SOURCE_DATE_EPOCH} is no number of seconds since 1970: {0:?}")]
struct BadEpoch(String);
