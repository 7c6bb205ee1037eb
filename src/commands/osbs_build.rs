//! Building on an OSBS cluster: check, create the run once, watch, clean up.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::checkout::Checkout;
use crate::cli::{BuildArgs, Cleanup, ClusterArgs};
use crate::config::osbs::OsbsInstance;
use crate::config::rpkg::RpkgConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{self, BuildEvent, BuildOutcome, BuilderKind, EventSender, Outcome, TaskId, Warning};
use crate::exit_code::ExitCode;
use crate::koji::api;
use crate::koji::outcome as koji_outcome;
use crate::osbs::cluster::{Cluster, Patience};
use crate::osbs::discovery;
use crate::osbs::run as osbs_run;
use crate::osbs::run::docker_build;
use crate::osbs::run::kind::RunKind;
use crate::osbs::run::naming::Postfix;
use crate::osbs::run::pipeline_run::{self, Ingredients};
use crate::osbs::run::template;
use crate::osbs::run::user_params::{self, Settings, UserParams};
use crate::osbs::tekton::Version;
use crate::osbs::watch::{LogChoice, WatchError, WatchOptions, Watched, watch};
use crate::report::LogView;
use crate::report::text::{self, ObjectDryRun};
use crate::request::BuildRequest;
use crate::request::check::{self, FileReport};
use crate::submissions::Submission;

use super::build::stop_on_errors;
use super::{Context, exit_code, koji_hub, osbs_cluster, records};

/// How long the hub is asked about a build that is done.
const HUB_PATIENCE: Duration = Duration::from_secs(10);

/// Builds on the cluster that the options and osbs.conf name.
///
/// # Errors
/// Whatever keeps the build from being created or watched.
pub async fn run(
    context: &Context,
    arguments: &BuildArgs,
    config: &RpkgConfig,
    checkout: &Checkout,
    request: &BuildRequest,
) -> Result<ExitCode> {
    let instance = osbs_cluster::instance(context, &arguments.osbs.cluster)?;
    let files = check::check_files(&checkout.root, request);
    context.findings(&files.findings);
    stop_on_errors(arguments, checkout, &files.findings)?;
    let params = user_params(context, &instance, request, &files)?;
    let view = context.log_view(&arguments.follow, &[]);
    context
        .reporting(view.clone(), async |events| {
            let cluster = osbs_cluster::connect(context, &arguments.osbs.cluster, &instance, events.clone()).await?;
            let kind = discovery::discover(&cluster, instance.backend).await?;
            let object = match kind {
                RunKind::Tekton(version) => {
                    pipeline_run(context, arguments, &instance, &cluster, version, &params).await?
                }
                RunKind::Build => {
                    docker_build::check(request)?;
                    docker_build::build_config(request, &params, instance.output_image.as_deref())
                }
            };
            if context.globals.dry_run {
                return dry_run(context, &cluster, &object);
            }
            let server = format!("{}, namespace {}", cluster.url(), cluster.namespace());
            context.note(&format_args!("Building on OSBS, instance {} ({server})", instance.name));
            if kind == RunKind::Build {
                omitted(&events).await;
            }
            let created = osbs_run::create(&cluster, kind, &object, &request.commit, &mut |_| true).await?;
            let (name, object) = (created.name, created.object);
            remember(context, arguments, &instance, &cluster, request, &name).await;
            let id = TaskId::from(name.as_str());
            events.send(BuildEvent::Submitted { builder: BuilderKind::Osbs, id, url: None }).await;
            if arguments.nowait {
                return Ok(ExitCode::Success);
            }
            let options = watch_options(&name, kind, Some(object), &view, None);
            let mut interrupt = context.interrupt.clone();
            let mut watched = watch(&cluster, &options, &mut interrupt).await;
            if let Ok(watched) = &mut watched {
                name_builds(context, config, &mut watched.outcome).await;
            }
            let watched = finish(context, &cluster, &name, watched).await?;
            clean_up(arguments.osbs.cleanup, &instance, &cluster, kind, &watched).await;
            Ok(exit_code(&watched.outcome))
        })
        .await
}

/// Tells what OSBS would do with a build and OpenShift's own builds do not.
async fn omitted(events: &EventSender) {
    let why = "the cluster serves no tekton.dev; OpenShift builds the Dockerfile as it is, on one node";
    for what in ["labels, yum repositories and composes of OSBS", "other architectures", "the import into Koji"] {
        let warning = Warning::Omitted { what: what.to_owned(), why: why.to_owned() };
        events.send(BuildEvent::Warned(warning)).await;
    }
}

fn user_params(
    context: &Context,
    instance: &OsbsInstance,
    request: &BuildRequest,
    files: &FileReport,
) -> Result<UserParams> {
    let user = context.globals.user.clone().or_else(|| instance.user.clone()).or_else(|| context.environment.user());
    let regular = instance.reactor_config_map.clone();
    let config_map =
        if request.options.scratch { instance.reactor_config_map_scratch.clone().or(regular) } else { regular };
    let settings = Settings {
        user: user
            .ok_or_else(|| Error::new(ErrorKind::Config, NoUser).hint("give --user, or set user in osbs.conf"))?,
        reactor_config_map: config_map,
        default_buildtime_limit: instance.default_buildtime_limit,
        max_buildtime_limit: instance.max_buildtime_limit,
    };
    let postfix = Postfix { number: random_number(), at: jiff::Timestamp::now() };
    Ok(user_params::user_params(request, files, &settings, &postfix)?)
}

/// A number of five digits, as osbs-client's postfix has it.
fn random_number() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness the time alone tells two runs apart.
    let _ = openssl::rand::rand_bytes(&mut bytes);
    10_000 + u32::from_ne_bytes(bytes) % 90_000
}

/// Asks the hub of the tool's profile what the builds are that came out of it. The build is done: where there is no profile, or its
/// hub does not answer, their numbers have to do.
async fn name_builds(context: &Context, config: &RpkgConfig, outcome: &mut BuildOutcome) {
    if outcome.builds.is_empty() {
        return;
    }
    let named = config.koji_profile_name().ok().map(|name| name.value);
    let Some(profile) = named.and_then(|name| koji_hub::profile(&name, &context.environment).ok()) else { return };
    // Nobody listens: a hub that does not answer is no trouble of this build.
    let (events, _) = event::channel();
    let mut session = koji_hub::connect(&profile, events);
    session.be_patient_for(HUB_PATIENCE);
    let links = koji_hub::links(&profile);
    for build in &mut outcome.builds {
        let asked = tokio::time::timeout(HUB_PATIENCE, session.call(&api::get_build(&build.id))).await;
        match asked {
            Ok(Ok(answer)) => {
                build.nvr = koji_outcome::nvr(&answer);
                build.url = links.build(&build.id);
            }
            Ok(Err(error)) => tracing::debug!(%error, "the hub does not tell of a build"),
            Err(_) => tracing::debug!("the hub does not answer"),
        }
    }
}

/// The run: of the template, else of the cluster's pipeline.
async fn pipeline_run(
    context: &Context,
    arguments: &BuildArgs,
    instance: &OsbsInstance,
    cluster: &Cluster,
    version: Version,
    params: &UserParams,
) -> Result<Value> {
    let embedded = user_params::embed(&params.values);
    let config_map = params.values.get("reactor_config_map").and_then(Value::as_str);
    if let Some(path) = arguments.osbs.pipeline_run.as_ref().or(instance.pipeline_run_path.as_ref()) {
        let limit = format!("{}s", params.buildtime_limit);
        let variables = [
            ("osbs_pipeline_run_name", params.run.as_str()),
            ("osbs_namespace", cluster.namespace()),
            ("osbs_configmap_name", config_map.unwrap_or_default()),
            ("osbs_user_params_json", embedded.as_str()),
            ("osbs_buildtime_limit", limit.as_str()),
        ];
        let filled = template::fill(&template::read(path)?, path, &variables, &params.run, version)?;
        for unknown in &filled.unknown {
            context.warn(&format_args!("nothing is known of the variable ${unknown} in {}", path.display()));
        }
        return Ok(filled.run);
    }
    let path = format!("{}/{}", version.collection(cluster.namespace(), "pipelines"), instance.pipeline);
    let pipeline = cluster.get("get pipelines", &path, Patience::Some).await.map_err(|error| {
        let is_missing = error.code() == Some(404);
        let error = Error::from(error);
        if is_missing {
            error.hint("set pipeline in osbs.conf, or pipeline_run_path to the site's template")
        } else {
            error
        }
    })?;
    let ingredients = Ingredients {
        name: &params.run,
        user_params: &embedded,
        buildtime_limit: params.buildtime_limit,
        reactor_config_map: config_map,
        service_account: instance.service_account.as_deref(),
        params: instance.params.clone(),
        workspaces: instance.workspaces.clone(),
    };
    Ok(pipeline_run::of_pipeline(&pipeline, version, &ingredients)?)
}

/// Prints the run and creates nothing.
fn dry_run(context: &Context, cluster: &Cluster, run: &Value) -> Result<ExitCode> {
    let dry_run = ObjectDryRun {
        version: 1,
        builder: "osbs",
        server: cluster.url().to_string(),
        namespace: cluster.namespace().to_owned(),
        object: run.clone(),
    };
    text::object_dry_run(&context.mode, &dry_run).map_err(|source| Error::new(ErrorKind::Io, source))?;
    Ok(ExitCode::Success)
}

async fn remember(
    context: &Context,
    arguments: &BuildArgs,
    instance: &OsbsInstance,
    cluster: &Cluster,
    request: &BuildRequest,
    run: &str,
) {
    let config = arguments.osbs.cluster.osbs_config.as_ref().and(instance.file.as_ref());
    let submission = Submission {
        profile: instance.name.clone(),
        namespace: Some(cluster.namespace().to_owned()),
        config: config.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        ..records::submission(request, BuilderKind::Osbs, run.to_owned(), cluster.url().to_string())
    };
    records::remember(&context.environment, cluster.events(), submission, "watch --last").await;
}

/// How a run is watched.
fn watch_options(run: &str, kind: RunKind, created: Option<Value>, view: &LogView, tail: Option<u64>) -> WatchOptions {
    WatchOptions {
        name: run.to_owned(),
        kind,
        created,
        logs: LogChoice { none: view.none, names: view.names.clone(), arches: view.arches.clone() },
        tail,
    }
}

/// Ends the watching of a run: notes how it ended in the list of submissions, and tells it.
///
/// # Errors
/// The reason why watching failed.
async fn finish(
    context: &Context,
    cluster: &Cluster,
    run: &str,
    watched: Result<Watched, WatchError>,
) -> Result<Watched> {
    let watched = watched.map_err(|error| {
        let error = Error::from(error);
        let hint = format!("the build may go on; come back with `{} watch {run}`", context.program);
        if matches!(error.kind(), ErrorKind::Network | ErrorKind::Authentication) { error.hint(hint) } else { error }
    })?;
    records::ended(&context.environment, cluster.events(), cluster.url().as_str(), &watched.outcome).await;
    Ok(watched)
}

/// Deletes the run where that is wished for. Its task runs, pods and logs go with it.
async fn clean_up(
    option: Option<Cleanup>,
    instance: &OsbsInstance,
    cluster: &Cluster,
    kind: RunKind,
    watched: &Watched,
) {
    let outcome = &watched.outcome;
    let configured = if instance.cleanup_used_resources { Cleanup::Success } else { Cleanup::Never };
    let wanted = match (option.unwrap_or(configured), outcome.outcome) {
        (Cleanup::Never, _) | (_, Outcome::Detached) => false,
        (Cleanup::Success, ended) => ended == Outcome::Succeeded,
        (Cleanup::Always, _) => true,
    };
    if !wanted {
        return;
    }
    if !watched.is_read {
        // Its logs would go with it.
        return super::degraded(cluster.events(), "deleting the PipelineRun", &"a log was not read to its end").await;
    }
    if let Err(error) = osbs_run::delete(cluster, kind, &outcome.id.0).await {
        super::degraded(cluster.events(), "deleting the PipelineRun", &error).await;
    }
}

/// Watches a run that exists already.
///
/// # Errors
/// The reason why watching failed.
pub async fn follow(
    context: &Context,
    cluster: &Arc<Cluster>,
    kind: RunKind,
    run: &str,
    view: &LogView,
    tail: Option<u64>,
) -> Result<BuildOutcome> {
    let id = TaskId::from(run);
    cluster.events().send(BuildEvent::Attached { builder: BuilderKind::Osbs, id, url: None }).await;
    let options = watch_options(run, kind, None, view, tail);
    let mut interrupt = context.interrupt.clone();
    let watched = watch(cluster, &options, &mut interrupt).await;
    Ok(finish(context, cluster, run, watched).await?.outcome)
}

/// A run that exists: where it is, and how to get there.
pub struct ExistingRun {
    /// Its name.
    pub name: String,
    /// The options that lead to its cluster.
    pub arguments: ClusterArgs,
}

impl ExistingRun {
    /// The way to a run: what was remembered of it, as far as the options do not say otherwise.
    pub fn find(name: &str, known: Option<&Submission>, given: &ClusterArgs) -> ExistingRun {
        let mut arguments = given.clone();
        if let Some(known) = known {
            arguments.instance.get_or_insert_with(|| known.profile.clone());
            if arguments.osbs_config.is_none() {
                arguments.osbs_config.clone_from(&known.config);
            }
            if arguments.osbs_namespace.is_none() {
                arguments.osbs_namespace.clone_from(&known.namespace);
            }
            if arguments.openshift_url.is_none() {
                arguments.openshift_url = known.server.parse().ok();
            }
        }
        ExistingRun { name: name.to_owned(), arguments }
    }

    /// Connects to the run's cluster.
    ///
    /// # Errors
    /// When there is no way in, or the cluster builds nothing.
    pub async fn connect(&self, context: &Context, events: EventSender) -> Result<(Arc<Cluster>, RunKind)> {
        let instance = osbs_cluster::instance(context, &self.arguments)?;
        let cluster = osbs_cluster::connect(context, &self.arguments, &instance, events).await?;
        let kind = discovery::discover(&cluster, instance.backend).await?;
        Ok((cluster, kind))
    }
}

/// Builds are made for somebody.
#[derive(Debug, thiserror::Error)]
#[error("it is not known who you are, which the image is named after")]
struct NoUser;
