//! Which build is meant: `watch` and `cancel` name one by an id, a page or nothing, and a build is (builder, server, id).
//!
//! What was submitted from here is on the server it was submitted to. A page is on the server whose pages those are, as the configuration
//! says, or it is refused. Where options name a server (`--profile`, `-C`, `--build-with`, a cluster's), an id is that server's, whatever else is
//! remembered.

use std::collections::BTreeSet;

use crate::builder::{Builder, Known, Page, Setting};
use crate::builders;
use crate::cli::BuildRef;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuilderName, TaskId};
use crate::submissions::Submission;

use super::{Context, records};

/// What the command line says of it.
pub(super) struct Which<'a> {
    /// The build; the last one where there is none.
    pub(super) build: Option<&'a BuildRef>,
    /// `--build-with`.
    pub(super) builder: Option<&'a BuilderName>,
}

/// A build that the user points at.
pub(super) struct Found {
    pub(super) builder: &'static dyn Builder,
    pub(super) id: TaskId,
    /// Where it is; else it is where the options and the configuration say.
    pub(super) known: Option<Known>,
}

const HINT: &str = "give a Koji task id, the name of a PipelineRun, or the address of its page";

impl Which<'_> {
    /// Finds it.
    ///
    /// # Errors
    /// When nothing was submitted from here, nobody has such builds or such pages, or several servers have one of that id.
    pub(super) async fn find(&self, context: &Context, setting: &Setting<'_>) -> Result<Found> {
        let list = records::list(context).await;
        match self.build {
            None => self.last(setting, &list?),
            Some(BuildRef::Page(url)) => self.of_page(setting, &Page(url.clone())).await,
            Some(BuildRef::Id(id)) => {
                // Who names a build needs no list.
                let list = match list {
                    Ok(list) => list,
                    Err(error) => {
                        context.warn(format_args!("what was submitted from here is not known: {error}")).await;
                        Vec::new()
                    }
                };
                self.of_id(context, setting, id, &list).await
            }
        }
    }

    fn last(&self, setting: &Setting<'_>, list: &[Submission]) -> Result<Found> {
        let is_meant = |known: &&Submission| {
            self.builder.is_none_or(|builder| known.builder == *builder)
                && setting.profile.is_none_or(|profile| known.profile == profile)
        };
        match list.iter().rev().find(is_meant) {
            Some(known) => found(known),
            None => Err(Error::new(ErrorKind::Usage, WhichError::NothingSubmitted).hint(HINT)),
        }
    }

    async fn of_page(&self, setting: &Setting<'_>, page: &Page) -> Result<Found> {
        for builder in builders::all().filter(|builder| self.builder.is_none_or(|name| builder.name() == *name)) {
            if let Some(known) = builder.page(setting, page).await? {
                return Ok(Found { builder, id: known.id.clone(), known: Some(known) });
            }
        }
        Err(no_build(&page.0.to_string()))
    }

    async fn of_id(&self, context: &Context, setting: &Setting<'_>, id: &str, list: &[Submission]) -> Result<Found> {
        let of_builder = |known: &&Submission| self.builder.is_none_or(|name| known.builder == *name);
        let mut remembered: Vec<&Submission> =
            list.iter().rev().filter(|known| known.id == id).filter(of_builder).collect();
        let names_profile = setting.profile.is_some() || context.globals.config.is_some() || self.builder.is_some();
        self.keep_those_on_named_servers(setting, names_profile, &mut remembered).await;
        let servers: BTreeSet<&str> = remembered.iter().map(|known| known.server.as_str()).collect();
        if servers.len() > 1 {
            let servers = servers.into_iter().map(str::to_owned).collect();
            return Err(Error::new(ErrorKind::Usage, WhichError::Several { id: id.to_owned(), servers })
                .hint("name the server with --profile or --instance, or give the address of the build's page"));
        }
        match remembered.first() {
            Some(known) => found(known),
            None => Ok(Found { builder: self.builder_of(setting, id)?, id: TaskId::from(id), known: None }),
        }
    }

    /// Drops what is remembered of servers that the options do not mean. What leads to a builder's server is the builder's affair.
    async fn keep_those_on_named_servers(
        &self,
        setting: &Setting<'_>,
        names_profile: bool,
        remembered: &mut Vec<&Submission>,
    ) {
        // Whatever there is to warn of is told when the build is gone to.
        let quiet = setting.events.quiet();
        let setting = Setting { events: &quiet, ..setting.clone() };
        for builder in builders::all() {
            let (name, is_of_profile) = (builder.name(), builder.rules().is_of_profile);
            let is_named = setting.own.names(&name) || (is_of_profile && names_profile);
            if !is_named || !remembered.iter().any(|known| known.builder == name) {
                continue;
            }
            let server = builder.site(setting.clone(), None).await.map(|site| site.server());
            let is_meant = |known: &Submission| server.as_ref().is_ok_and(|server| known.server == *server);
            // Options that name no server leave what is remembered as the way there.
            let keeps_all = !is_of_profile && !remembered.iter().any(|known| known.builder == name && is_meant(known));
            remembered.retain(|known| known.builder != name || keeps_all || is_meant(known));
        }
    }

    /// The builder that has builds of such an id: the one asked for, else one whose options were given, else the first that can.
    fn builder_of(&self, setting: &Setting<'_>, id: &str) -> Result<&'static dyn Builder> {
        let named = |builder: &&'static dyn Builder| match self.builder {
            Some(name) => builder.name() == *name,
            None => setting.own.names(&builder.name()),
        };
        let asked = builders::all().find(named);
        let able = asked.into_iter().chain(builders::all()).find(|builder| builder.is_id(id));
        match (able, asked) {
            (Some(able), Some(asked)) if able.name() != asked.name() => Err(no_build(id)),
            (Some(able), _) => Ok(able),
            (None, _) => Err(no_build(id)),
        }
    }
}

fn found(known: &Submission) -> Result<Found> {
    let unknown = || Error::new(ErrorKind::Config, WhichError::NoBuilder(known.builder.clone()));
    let builder = builders::named(&known.builder).ok_or_else(unknown)?;
    Ok(Found { builder, id: TaskId::from(known.id.as_str()), known: Some(Known::from(known)) })
}

fn no_build(text: &str) -> Error {
    Error::new(ErrorKind::Usage, WhichError::NoBuild(text.to_owned())).hint(HINT)
}

/// Why it is not clear which build is meant.
#[derive(Debug, thiserror::Error)]
enum WhichError {
    /// The list of submissions is empty.
    #[error("nothing was submitted from here yet")]
    NothingSubmitted,
    /// Neither an id nor the address of a page.
    #[error("{0:?} is no Koji task id, no name of a PipelineRun, and no address of the page of one")]
    NoBuild(String),
    /// The same number on several hubs.
    #[error("{id} was submitted from here to several servers: {}", servers.join(", "))]
    Several {
        id: String,
        /// Their addresses.
        servers: Vec<String>,
    },
    /// A builder of another version of this program.
    #[error("there is no builder {0}")]
    NoBuilder(BuilderName),
}
