//! Building on an OSBS cluster, behind the one interface of builders.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use url::Url;

use super::cluster::{Cluster, Patience};
use super::connect;
use super::discovery::discover;
use super::login::openshift::Access;
use super::login::token::kubeconfig;
use super::options::{Cleanup, OsbsOptions};
use super::run::kind::RunKind;
use super::run::naming::Postfix;
use super::run::once::CreateError;
use super::run::pipeline_run::{self, Ingredients};
use super::run::template;
use super::run::user_params::{self, Settings, UserParams};
use super::run::{self, CancelError, docker_build};
use super::tekton::Version;
use super::watch::{WatchOptions, Watched, watch};
use crate::builder::{
    self, Answer, Builder, Change, Created, Creation, Interrupt, Known, LogChoice, Order, Page, Rules, Setting, Site,
    Unhappened, Way, Wish,
};
use crate::config::ConfigError;
use crate::config::osbs::{DEFAULT_INSTANCE, INSTANCE_DEFAULTS, OsbsInstance};
use crate::config::show;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{
    BuildEvent, BuildOutcome, BuilderName, ConfigValue, DryRun, Manner, Outcome, ProgressFrom, TaskId, TaskState,
    Warning,
};
use crate::koji;
use crate::request::check::answers::Answers;

/// A PipelineRun on OpenShift, or one of OpenShift's own builds.
#[derive(Debug)]
pub(crate) struct Osbs;

/// The name of this builder.
pub(crate) const NAME: BuilderName = BuilderName::of("osbs");

const MANNER: Manner = Manner {
    created: Some("build"),
    outlives_us: true,
    ids_in_lines: false,
    counters: false,
    progress: ProgressFrom::Counted,
    logs_by_name: true,
    whole_result: true,
};

impl Builder for Osbs {
    fn name(&self) -> BuilderName {
        NAME
    }

    fn place(&self) -> &'static str {
        "on OSBS"
    }

    fn manner(&self) -> &'static Manner {
        &MANNER
    }

    fn rules(&self) -> Rules {
        Rules {
            fetches: true,
            arches_of_target: true,
            gating: true,
            forgiven: &[],
            is_of_profile: false,
            work_tree: None,
        }
    }

    fn configured_by(&self, setting: &Setting<'_>) -> Option<String> {
        if setting.own.names(&NAME) {
            return Some("its options".to_owned());
        }
        // What is wrong with the file is told when it is needed.
        quietly(setting).ok().filter(OsbsInstance::is_configured)?;
        let values = self.settings(setting).unwrap_or_default();
        let server = values.into_iter().find(|value| SERVER_KEYS.contains(&value.key.as_str()));
        Some(server.map_or_else(|| "osbs.conf".to_owned(), |server| format!("{} at {}", server.key, server.place)))
    }

    fn target(&self, setting: &Setting<'_>) -> Option<String> {
        quietly(setting).ok().and_then(|instance| instance.target)
    }

    fn order<'a>(&'a self, setting: Setting<'a>, wish: Wish<'a>) -> Answer<'a, Box<dyn Order + 'a>> {
        Box::pin(async move {
            let options: OsbsOptions = setting.own.get();
            let instance = connect::instance(&setting, &options.cluster).await?;
            let params = user_params(&setting, &instance, &wish)?;
            let access = connect::access(&setting, &options.cluster, &instance).await?;
            let server = (access.url.to_string(), access.namespace.clone());
            let order = OsbsOrder {
                setting,
                wish,
                options,
                instance,
                params,
                server,
                access: Some(access),
                made: None,
                created: None,
            };
            Ok(Box::new(order) as Box<dyn Order>)
        })
    }

    fn site<'a>(&'a self, setting: Setting<'a>, known: Option<&'a Known>) -> Answer<'a, Box<dyn Site + 'a>> {
        Box::pin(async move {
            let given = setting.own.get::<OsbsOptions>().cluster;
            let options = known.map_or_else(|| given.clone(), |known| connect::way_to(known, &given));
            let instance = connect::instance(&setting, &options).await?;
            let access = connect::access(&setting, &options, &instance).await?;
            let server = access.url.to_string();
            let site = OsbsSite { setting, instance, server, access: Some(access), cluster: None };
            Ok(Box::new(site) as Box<dyn Site>)
        })
    }

    /// A name of Kubernetes that is no number: those are Koji's.
    fn is_id(&self, word: &str) -> bool {
        is_run_name(word) && !word.bytes().all(|byte| byte.is_ascii_digit())
    }

    fn page<'a>(&'a self, setting: &'a Setting<'_>, page: &'a Page) -> Answer<'a, Option<Known>> {
        Box::pin(async move {
            let Some((namespace, run)) = run_of_page(page.0.url()) else { return Ok(None) };
            let options = setting.own.get::<OsbsOptions>().cluster;
            let instance = connect::instance(setting, &options).await?;
            let access = connect::access(setting, &options, &instance).await?;
            if is_console_of(page, &instance, &access.url) {
                let config = options.osbs_config.and(instance.file);
                let way = Way { profile: instance.name, namespace, config };
                let server = Some(access.url.to_string());
                return Ok(Some(Known { id: TaskId::from(run.as_str()), server, way, outcome: None }));
            }
            let host = page.0.url().host_str().unwrap_or_default().to_owned();
            let strange = StrangeConsole { host, instance: instance.name, server: access.url.to_string() };
            let hint = "name the run instead, and its cluster with --instance; or set console_url in osbs.conf";
            Err(Error::new(ErrorKind::Usage, strange).hint(hint))
        })
    }

    fn settings(&self, setting: &Setting<'_>) -> Result<Vec<ConfigValue>> {
        let options = setting.own.get::<OsbsOptions>().cluster;
        let instance = options.instance.as_deref().unwrap_or(DEFAULT_INSTANCE);
        let mut values = connect::conf(setting, &options)?.values(instance);
        if let Some(server) = &options.openshift_url {
            show::decide(&mut values, instance, SERVER_KEYS[0], server.bare().as_str(), "--openshift-url");
        }
        if let Some(namespace) = &options.namespace {
            show::decide(&mut values, instance, "namespace", namespace, "--osbs-namespace");
        }
        // Where nothing names a cluster, what would hold for its builds is of no interest.
        if !values.is_empty() {
            show::add_defaults(&mut values, instance, &INSTANCE_DEFAULTS);
        }
        let server = server_in(&values);
        values.extend(kubeconfig::shown(server.as_ref()));
        Ok(values)
    }
}

/// The instance that the options name, without a word about it.
fn quietly(setting: &Setting<'_>) -> std::result::Result<OsbsInstance, ConfigError> {
    let options = setting.own.get::<OsbsOptions>().cluster;
    connect::conf(setting, &options)?.instance(options.instance.as_deref())
}

/// The key of the API server, and its old name.
const SERVER_KEYS: [&str; 2] = ["openshift_url", "openshift_uri"];

/// The API server that an instance names.
fn server_in(values: &[ConfigValue]) -> Option<Url> {
    let value = values.iter().find(|value| SERVER_KEYS.contains(&value.key.as_str()))?;
    value.value.as_deref()?.trim().parse().ok()
}

/// Whether a run may be called so: a name of Kubernetes.
fn is_run_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_part)
}

/// The namespace and the run that a page of OpenShift's console is about (`/k8s/ns/NAMESPACE/tekton.dev~v1~PipelineRun/NAME`).
fn run_of_page(url: &Url) -> Option<(Option<String>, String)> {
    let parts: Vec<&str> = url.path_segments()?.collect();
    let kind = parts.iter().position(|part| part.ends_with("~PipelineRun"))?;
    let run = parts.get(kind + 1).filter(|name| is_run_name(name))?;
    let namespace = parts[..kind].windows(2).find(|pair| pair[0] == "ns").map(|pair| pair[1].to_owned());
    Some((namespace, (*run).to_owned()))
}

/// Whether a page is of the console of a cluster: the one that osbs.conf names, else the one that OpenShift puts beside its API server
/// (`api.CLUSTER` and `….apps.CLUSTER`), else one on the API server's own host.
fn is_console_of(page: &Page, instance: &OsbsInstance, api: &Url) -> bool {
    if let Some(console) = &instance.console_url {
        return page.is_of(console.url());
    }
    let (Some(console), Some(api)) = (page.0.url().host_str(), api.host_str()) else { return false };
    let beside = api.strip_prefix("api.").is_some_and(|cluster| console.ends_with(&format!(".apps.{cluster}")));
    beside || console == api
}

fn user_params(setting: &Setting<'_>, instance: &OsbsInstance, wish: &Wish<'_>) -> Result<UserParams> {
    let user = setting.user.map(str::to_owned).or_else(|| instance.user.clone()).or_else(|| setting.environment.user());
    let regular = instance.reactor_config_map.clone();
    let is_scratch = wish.request.options.scratch;
    let config_map = if is_scratch { instance.reactor_config_map_scratch.clone().or(regular) } else { regular };
    let no_user = || Error::new(ErrorKind::Config, NoUser).hint("give --user, or set user in osbs.conf");
    let settings = Settings {
        user: user.ok_or_else(no_user)?,
        reactor_config_map: config_map,
        default_buildtime_limit: instance.default_buildtime_limit,
        max_buildtime_limit: instance.max_buildtime_limit,
    };
    let postfix = Postfix { number: random_number(), at: jiff::Timestamp::now() };
    Ok(user_params::user_params(wish.request, wish.files, &settings, &postfix)?)
}

/// A number of five digits, as osbs-client's postfix has it.
fn random_number() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness the time alone tells two runs apart.
    let _ = openssl::rand::rand_bytes(&mut bytes);
    10_000 + u32::from_ne_bytes(bytes) % 90_000
}

/// What would be created, and where.
struct Made {
    cluster: Arc<Cluster>,
    kind: RunKind,
    object: Value,
}

struct OsbsOrder<'a> {
    setting: Setting<'a>,
    wish: Wish<'a>,
    options: OsbsOptions,
    instance: OsbsInstance,
    params: UserParams,
    /// The server's address, and the namespace.
    server: (String, String),
    access: Option<Access>,
    made: Option<Made>,
    created: Option<(String, Value)>,
}

impl OsbsOrder<'_> {
    /// Connects, finds out what the cluster builds with, and makes the object: all that can fail before anything is created.
    async fn make(&mut self) -> Result<&Made> {
        if let Some(access) = self.access.take() {
            let cluster = connect::connect(&self.setting, access).await?;
            let kind = discover(&cluster, self.instance.backend).await?;
            let object = match kind {
                RunKind::Tekton(version) => self.pipeline_run(&cluster, version).await?,
                RunKind::Build => {
                    docker_build::check(self.wish.request)?;
                    docker_build::build_config(self.wish.request, &self.params, self.instance.output_image.as_deref())
                }
            };
            self.made = Some(Made { cluster, kind, object });
        }
        self.made()
    }

    fn made(&self) -> Result<&Made> {
        self.made.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, NotMade))
    }

    /// The run: of the template, else of the cluster's pipeline.
    async fn pipeline_run(&self, cluster: &Cluster, version: Version) -> Result<Value> {
        let (params, instance) = (&self.params, &self.instance);
        let embedded = user_params::embed(&params.values);
        let config_map = params.values.get("reactor_config_map").and_then(Value::as_str);
        if let Some(path) = self.options.pipeline_run.as_ref().or(instance.pipeline_run_path.as_ref()) {
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
                let text = format!("nothing is known of the variable ${unknown} in {}", path.display());
                self.setting.warn(text).await;
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

    fn way(&self) -> Way {
        let config = self.options.cluster.osbs_config.as_ref().and(self.instance.file.as_ref());
        Way {
            profile: self.instance.name.clone(),
            namespace: Some(self.server.1.clone()),
            config: config.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        }
    }

    /// Deletes the run where that is wished for. Its task runs, pods and logs go with it.
    async fn clean_up(&self, made: &Made, outcome: &BuildOutcome, is_read: bool) {
        let configured = if self.instance.cleanup_used_resources { Cleanup::Success } else { Cleanup::Never };
        let wanted = match (self.options.cleanup.unwrap_or(configured), outcome.outcome) {
            (Cleanup::Never, _) | (_, Outcome::Detached) => false,
            (Cleanup::Success, ended) => ended == Outcome::Succeeded,
            (Cleanup::Always, _) => true,
        };
        if !wanted {
            return;
        }
        let why = if is_read {
            match run::delete(&made.cluster, made.kind, &outcome.id.0).await {
                Ok(()) => return,
                Err(error) => error.to_string(),
            }
        } else {
            // What is lost here is lost for good.
            "a log was not read to its end".to_owned()
        };
        let warning = Warning::Degraded { what: "deleting the PipelineRun".to_owned(), why };
        self.setting.events.send(BuildEvent::Warned(warning)).await;
    }
}

impl Order for OsbsOrder<'_> {
    fn place(&self) -> String {
        format!("OSBS, instance {} ({}, namespace {})", self.instance.name, self.server.0, self.server.1)
    }

    fn server(&self) -> String {
        self.server.0.clone()
    }

    fn ask(&mut self) -> Answer<'_, Option<Answers>> {
        Box::pin(async move {
            self.make().await?;
            Ok(None)
        })
    }

    fn preview(&mut self) -> Answer<'_, DryRun> {
        Box::pin(async move {
            let made = self.make().await?;
            dry_run(&made.cluster, &made.object)
        })
    }

    fn submit<'a>(&'a mut self, creation: &'a mut Creation) -> LocalBoxFuture<'a, Change<Created>> {
        Box::pin(async move {
            let made = self.made()?;
            if made.kind == RunKind::Build {
                omitted(&self.setting).await;
            }
            let commit = &self.wish.request.commit;
            let created = run::create(&made.cluster, made.kind, &made.object, commit, creation).await?;
            let id = TaskId::from(created.name.as_str());
            self.created = Some((created.name, created.object));
            Ok(Created { id, url: None, way: self.way() })
        })
    }

    fn watch<'a>(&'a mut self, logs: &'a LogChoice, interrupt: &'a mut Interrupt) -> Answer<'a, builder::Watched> {
        Box::pin(async move {
            let (name, object) = self.created.take().ok_or_else(|| Error::new(ErrorKind::Internal, NotMade))?;
            let made = self.made()?;
            let options = WatchOptions { name, kind: made.kind, created: Some(object), logs: logs.clone() };
            let Watched { mut outcome, is_read } = watch(&made.cluster, &options, interrupt).await?;
            koji::name_builds(&self.setting, &mut outcome).await;
            self.clean_up(made, &outcome, is_read).await;
            Ok(outcome.into())
        })
    }

    fn look(&self) -> String {
        let (_, namespace) = &self.server;
        format!("look for {} with `oc get pipelineruns,builds -n {namespace}` before submitting again", self.params.run)
    }
}

impl From<CreateError> for Unhappened {
    fn from(error: CreateError) -> Self {
        let may_have_happened = error.may_have_happened();
        let error = Error::from(error);
        if may_have_happened { Unhappened::NotKnown(error) } else { Unhappened::NotDone(error) }
    }
}

impl From<CancelError> for Unhappened {
    fn from(error: CancelError) -> Self {
        let may_have_happened = matches!(error, CancelError::NotKnown { .. });
        let error = Error::from(error);
        if may_have_happened { Unhappened::NotKnown(error) } else { Unhappened::NotDone(error) }
    }
}

/// Tells what OSBS would do with a build and OpenShift's own builds do not.
async fn omitted(setting: &Setting<'_>) {
    let why = "the cluster serves no tekton.dev; OpenShift builds the Dockerfile as it is, on one node";
    for what in ["labels, yum repositories and composes of OSBS", "other architectures", "the import into Koji"] {
        let warning = Warning::Omitted { what: what.to_owned(), why: why.to_owned() };
        setting.events.send(BuildEvent::Warned(warning)).await;
    }
}

/// The object that a dry run would have created.
fn dry_run(cluster: &Cluster, object: &Value) -> Result<DryRun> {
    let pretty = serde_json::to_string_pretty(object).map_err(|source| Error::new(ErrorKind::Internal, source))?;
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let (server, namespace) = (cluster.url().to_string(), cluster.namespace());
    let text = format!("Would create a {kind} in namespace {namespace} of {server}:\n{pretty}\nNothing was created.\n");
    let fields = [("server", json!(server)), ("namespace", json!(namespace)), ("object", object.clone())];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(DryRun { version: 1, builder: NAME, fields, text })
}

struct OsbsSite<'a> {
    setting: Setting<'a>,
    instance: OsbsInstance,
    server: String,
    access: Option<Access>,
    cluster: Option<(Arc<Cluster>, RunKind)>,
}

impl OsbsSite<'_> {
    async fn connect(&mut self) -> Result<(Arc<Cluster>, RunKind)> {
        if let Some(access) = self.access.take() {
            let cluster = connect::connect(&self.setting, access).await?;
            let kind = discover(&cluster, self.instance.backend).await?;
            self.cluster = Some((cluster, kind));
        }
        self.cluster.clone().ok_or_else(|| Error::new(ErrorKind::Internal, NotMade))
    }
}

impl Site for OsbsSite<'_> {
    fn server(&self) -> String {
        self.server.clone()
    }

    fn profile(&self) -> String {
        self.instance.name.clone()
    }

    fn watch<'a>(
        &'a mut self,
        id: &'a TaskId,
        logs: &'a LogChoice,
        interrupt: &'a mut Interrupt,
    ) -> Answer<'a, builder::Watched> {
        Box::pin(async move {
            let (cluster, kind) = self.connect().await?;
            let options = WatchOptions { name: id.to_string(), kind, created: None, logs: logs.clone() };
            Ok(watch(&cluster, &options, interrupt).await?.outcome.into())
        })
    }

    fn cancel<'a>(&'a mut self, id: &'a TaskId) -> LocalBoxFuture<'a, Change<()>> {
        Box::pin(async move {
            let (cluster, kind) = self.connect().await?;
            Ok(run::cancel(&cluster, kind, &id.0).await?)
        })
    }

    fn state<'a>(&'a mut self, ids: &'a [TaskId]) -> Answer<'a, Vec<Option<TaskState>>> {
        Box::pin(async move {
            let (cluster, kind) = self.connect().await?;
            let mut states = Vec::new();
            for id in ids {
                states.push(run::state(&cluster, kind, &id.0).await?);
            }
            Ok(states)
        })
    }
}

/// Builds are made for somebody.
#[derive(Debug, thiserror::Error)]
#[error("it is not known who you are, which the image is named after")]
struct NoUser;

/// Something was asked for out of turn.
#[derive(Debug, thiserror::Error)]
#[error("there is no run yet")]
struct NotMade;

/// A page of a console that nothing is known of.
#[derive(Debug, thiserror::Error)]
#[error("{host} is not known as the console of a cluster; instance {instance} is {server}")]
struct StrangeConsole {
    host: String,
    instance: String,
    server: String,
}
