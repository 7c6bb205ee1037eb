//! Building on a Koji hub, behind the one interface of builders.

use futures_util::future::LocalBoxFuture;
use serde_json::Value as Json;
use url::Url;

use super::api::{self, TaskInfo};
use super::call::Call;
use super::cancel::{CancelError, cancel};
use super::session::Session;
use super::submit::{self, Baseline, SubmitError};
use super::watch::{WatchOptions, wants_login, watch};
use super::xmlrpc::Value;
use super::{hub, questions};
use crate::builder::{
    Answer, Builder, Change, Created, Creation, Interrupt, Known, LogChoice, Order, Page, Rules, Setting, Site,
    Unhappened, Watched, Way, Wish,
};
use crate::config::koji::{KojiProfile, PROFILE_DEFAULTS};
use crate::config::show::{add_defaults, section_values};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildOutcome, BuilderName, ConfigValue, DryRun, Manner, ProgressFrom, TaskId, TaskState};
use crate::request::check;
use crate::request::check::answers::Answers;

/// A `buildContainer` task on a Koji hub.
#[derive(Debug)]
pub(crate) struct Koji;

/// The name of this builder.
pub(crate) const NAME: BuilderName = BuilderName::of("koji");

const MANNER: Manner = Manner {
    created: Some("task"),
    outlives_us: true,
    ids_in_lines: true,
    counters: true,
    progress: ProgressFrom::Tasks,
    logs_by_name: false,
    whole_result: true,
};

impl Builder for Koji {
    fn name(&self) -> BuilderName {
        NAME
    }

    fn place(&self) -> &'static str {
        "on Koji"
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
            is_of_profile: true,
            work_tree: None,
        }
    }

    fn order<'a>(&'a self, setting: Setting<'a>, wish: Wish<'a>) -> Answer<'a, Box<dyn Order + 'a>> {
        Box::pin(async move {
            let profile = hub::profile(&setting).await?;
            let session = hub::connect(&profile, setting.events.clone());
            let order = KojiOrder { setting, wish, profile, session, baseline: Baseline::default(), task: None };
            Ok(Box::new(order) as Box<dyn Order>)
        })
    }

    fn site<'a>(&'a self, setting: Setting<'a>, known: Option<&'a Known>) -> Answer<'a, Box<dyn Site + 'a>> {
        Box::pin(async move {
            let profile = match known {
                Some(known) => hub::profile_of(&setting, known).await?,
                None => hub::profile(&setting).await?,
            };
            let session = hub::connect(&profile, setting.events.clone());
            Ok(Box::new(KojiSite { setting, profile, session }) as Box<dyn Site>)
        })
    }

    fn is_id(&self, word: &str) -> bool {
        task_id(word).is_ok()
    }

    fn settings(&self, setting: &Setting<'_>) -> Result<Vec<ConfigValue>> {
        let profile = hub::quietly(setting)?;
        let mut values = section_values(profile.ini(), &profile.name);
        add_defaults(&mut values, &profile.name, &PROFILE_DEFAULTS);
        let found = [("cert", &profile.cert), ("serverca", &profile.serverca)];
        let found = found.into_iter().filter_map(|(key, path)| Some((key, path.as_ref()?.display().to_string())));
        for (key, path) in found {
            add_defaults(&mut values, &profile.name, &[(key, &path)]);
        }
        Ok(values)
    }

    fn page<'a>(&'a self, setting: &'a Setting<'_>, page: &'a Page) -> Answer<'a, Option<Known>> {
        Box::pin(async move { on_page(setting, page) })
    }
}

/// The task that a page is about (`…/taskinfo?taskID=42`), on the hub whose pages these are.
fn on_page(setting: &Setting<'_>, page: &Page) -> Result<Option<Known>> {
    let task = page.0.url().query_pairs().find(|(key, _)| key == "taskID").map(|(_, id)| id.into_owned());
    let Some(task) = task.filter(|task| task_id(task).is_ok()) else { return Ok(None) };
    let configured = hub::quietly(setting);
    let is_its = |profile: &KojiProfile| profile.weburl.parse::<Url>().is_ok_and(|weburl| page.is_of(&weburl));
    let found = |profile: &KojiProfile| Known {
        id: TaskId::from(task.as_str()),
        server: None,
        way: Way { profile: profile.name.clone(), ..Way::default() },
        outcome: None,
    };
    if let Some(profile) = configured.as_ref().ok().filter(|profile| is_its(profile)) {
        return Ok(Some(found(profile)));
    }
    // A profile that was asked for by name is the only one.
    let roots = hub::roots(setting);
    let names = if setting.profile.is_none() { KojiProfile::names(&roots)? } else { Vec::new() };
    let profile = names.iter().filter_map(|name| KojiProfile::load(name, &roots).ok()).find(is_its);
    if let Some(profile) = profile {
        return Ok(Some(found(&profile)));
    }
    let configured =
        configured.ok().map(|profile| format!("; the profile {} has them at {}", profile.name, profile.weburl));
    let strange = StrangePage { page: site(page.0.url()), configured: configured.unwrap_or_default() };
    Err(Error::new(ErrorKind::Usage, strange)
        .hint("is `weburl` set in that hub's Koji profile? Name the profile with --profile"))
}

/// A page's site, without the user that an address may have.
fn site(page: &Url) -> String {
    let port = page.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", page.scheme(), page.host_str().unwrap_or_default(), page.path())
}

fn task_id(word: &str) -> Result<i64> {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let id = if is_number { word.parse().ok() } else { None };
    id.ok_or_else(|| Error::new(ErrorKind::Usage, NoTaskId(word.to_owned())))
}

fn watch_options(profile: &KojiProfile, logs: &LogChoice) -> WatchOptions {
    WatchOptions { logs: logs.clone(), poll_interval: profile.poll_interval, links: hub::links(profile) }
}

struct KojiOrder<'a> {
    setting: Setting<'a>,
    wish: Wish<'a>,
    profile: KojiProfile,
    session: Session,
    /// What tells our task from older ones, should the answer to the submit be lost.
    baseline: Baseline,
    task: Option<i64>,
}

impl Order for KojiOrder<'_> {
    fn place(&self) -> String {
        format!("Koji, profile {} ({})", self.profile.name, hub::server(&self.profile))
    }

    fn server(&self) -> String {
        hub::server(&self.profile)
    }

    fn ask(&mut self) -> Answer<'_, Option<Answers>> {
        Box::pin(async move {
            if !self.wish.is_dry || self.profile.force_auth {
                hub::log_in(&mut self.session, &self.profile, &self.setting).await?;
            }
            let cache = hub::targets(&self.setting);
            let questions = check::questions(self.wish.request, self.wish.files);
            let (answers, baseline) = questions::ask(&mut self.session, &questions, &cache).await?;
            self.baseline = baseline;
            Ok(Some(answers))
        })
    }

    fn preview(&mut self) -> Answer<'_, DryRun> {
        let call = api::build_container(self.wish.request);
        let run = dry_run(&call, &hub::server(&self.profile));
        Box::pin(async move { run })
    }

    fn submit<'a>(&'a mut self, creation: &'a mut Creation) -> LocalBoxFuture<'a, Change<Created>> {
        Box::pin(async move {
            let task = submit::submit(&mut self.session, self.wish.request, self.baseline, creation).await?;
            self.task = Some(task);
            let way = Way { profile: self.profile.name.clone(), ..Way::default() };
            Ok(Created { id: TaskId::from(task), url: hub::links(&self.profile).task(task), way })
        })
    }

    fn watch<'a>(&'a mut self, logs: &'a LogChoice, interrupt: &'a mut Interrupt) -> Answer<'a, Watched> {
        Box::pin(async move {
            // Watching needs no session, and one that ends in the middle would only have to be renewed.
            if !self.profile.force_auth {
                self.session.log_out().await;
            }
            let task = self.task.ok_or_else(|| Error::new(ErrorKind::Internal, NotSubmitted))?;
            let mut site = Watching { setting: &self.setting, profile: &self.profile, session: &mut self.session };
            Ok(site.watch(task, logs, interrupt).await?.into())
        })
    }

    fn look(&self) -> String {
        let page = format!("{}/tasks?method=buildContainer&order=-id", self.profile.weburl.trim_end_matches('/'));
        format!("look for {} at {page} before submitting again", self.wish.request.source)
    }

    fn close(&mut self) -> LocalBoxFuture<'_, ()> {
        Box::pin(self.session.log_out())
    }
}

impl From<SubmitError> for Unhappened {
    fn from(error: SubmitError) -> Self {
        let is_known = error.is_certain();
        let error = Error::from(error);
        if is_known { Unhappened::NotDone(error) } else { Unhappened::NotKnown(error) }
    }
}

impl From<CancelError> for Unhappened {
    fn from(error: CancelError) -> Self {
        let is_known = matches!(error, CancelError::NotDone(_));
        let error = Error::from(error);
        if is_known { Unhappened::NotDone(error) } else { Unhappened::NotKnown(error) }
    }
}

/// The call that a dry run would have made.
fn dry_run(call: &Call, hub: &str) -> Result<DryRun> {
    let params = Json::Array(call.args().iter().map(Value::to_json).collect());
    let kwargs: serde_json::Map<String, Json> =
        call.named_args().iter().map(|(name, value)| (name.clone(), value.to_json())).collect();
    let shown = serde_json::json!({"params": params, "kwargs": kwargs});
    let pretty = serde_json::to_string_pretty(&shown).map_err(|source| Error::new(ErrorKind::Internal, source))?;
    let text = format!("Would call {} on {hub}:\n{pretty}\nNothing was submitted.\n", call.method);
    let fields = [("hub", hub.into()), ("method", call.method.into()), ("params", params), ("kwargs", kwargs.into())];
    let fields = fields.into_iter().map(|(name, value): (&str, Json)| (name.to_owned(), value)).collect();
    Ok(DryRun { version: 1, builder: NAME, fields, text })
}

struct KojiSite<'a> {
    setting: Setting<'a>,
    profile: KojiProfile,
    session: Session,
}

impl Site for KojiSite<'_> {
    fn server(&self) -> String {
        hub::server(&self.profile)
    }

    fn profile(&self) -> String {
        self.profile.name.clone()
    }

    fn url(&self, id: &TaskId) -> Option<String> {
        hub::links(&self.profile).task(task_id(&id.0).ok()?)
    }

    fn watch<'a>(
        &'a mut self,
        id: &'a TaskId,
        logs: &'a LogChoice,
        interrupt: &'a mut Interrupt,
    ) -> Answer<'a, Watched> {
        Box::pin(async move {
            let task = task_id(&id.0)?;
            if self.profile.force_auth {
                hub::log_in(&mut self.session, &self.profile, &self.setting).await?;
            }
            let mut site = Watching { setting: &self.setting, profile: &self.profile, session: &mut self.session };
            Ok(site.watch(task, logs, interrupt).await?.into())
        })
    }

    fn cancel<'a>(&'a mut self, id: &'a TaskId) -> LocalBoxFuture<'a, Change<()>> {
        Box::pin(async move {
            let task = task_id(&id.0)?;
            hub::log_in(&mut self.session, &self.profile, &self.setting).await?;
            let cancelled = cancel(&mut self.session, task).await;
            self.session.log_out().await;
            Ok(cancelled?)
        })
    }

    fn state<'a>(&'a mut self, ids: &'a [TaskId]) -> Answer<'a, Vec<Option<TaskState>>> {
        Box::pin(async move {
            if self.profile.force_auth {
                hub::log_in(&mut self.session, &self.profile, &self.setting).await?;
            }
            let tasks = ids.iter().map(|id| task_id(&id.0)).collect::<Result<Vec<i64>>>()?;
            let calls: Vec<Call> = tasks.iter().map(|task| api::get_task_info(*task, false)).collect();
            let answers = self.session.multi_call(&calls).await?;
            let state = |answer: std::result::Result<Value, _>| {
                Ok(match answer {
                    Ok(value) => TaskInfo::from_value(&value)?.map(|task| task.state),
                    Err(_) => None,
                })
            };
            answers.into_iter().map(state).collect()
        })
    }

    fn close(&mut self) -> LocalBoxFuture<'_, ()> {
        Box::pin(self.session.log_out())
    }
}

/// A task that is watched: without a login, and with one where the hub wants one.
struct Watching<'a, 'b> {
    setting: &'a Setting<'b>,
    profile: &'a KojiProfile,
    session: &'a mut Session,
}

impl Watching<'_, '_> {
    async fn watch(&mut self, task: i64, logs: &LogChoice, interrupt: &mut Interrupt) -> Result<BuildOutcome> {
        let options = watch_options(self.profile, logs);
        let mut watched = watch(self.session, task, options.clone(), interrupt).await;
        if !self.session.is_logged_in() && watched.as_ref().is_err_and(wants_login) {
            hub::log_in(self.session, self.profile, self.setting).await?;
            watched = watch(self.session, task, options, interrupt).await;
        }
        Ok(watched?)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no Koji task id")]
struct NoTaskId(String);

/// A page of a hub that nothing is known of.
#[derive(Debug, thiserror::Error)]
#[error("no Koji profile has its pages at {page}{configured}")]
struct StrangePage {
    page: String,
    configured: String,
}

/// There is nothing to watch yet.
#[derive(Debug, thiserror::Error)]
#[error("the build was not submitted")]
struct NotSubmitted;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn ids_are_numbers_and_a_page_shows_no_user() {
        assert!(Koji.is_id("42"));
        for word in ["", "x", "-1", "+1", "4 2", "99999999999999999999"] {
            assert!(!Koji.is_id(word), "{word}");
        }
        let page = "https://me:pw@koji.example.org:8443/koji/taskinfo?taskID=1".parse().unwrap();
        assert_eq!(site(&page), "https://koji.example.org:8443/koji/taskinfo");
    }
}
