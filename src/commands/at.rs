//! Going to a build that exists, the same for `watch` and `cancel`: which one, where it is, and the end of what was begun with its server.

use crate::builder::{Builder, Hold, LogChoice, OwnOptions, Site, Watched};
use crate::error::Result;
use crate::event::{BuildEvent, BuildId};

use super::watching::read_by_somebody;
use super::which::{Found, Which};
use super::{Context, End};

/// A build, and the server that it is on.
pub(super) struct At<'a> {
    pub(super) builder: &'static dyn Builder,
    pub(super) site: Box<dyn Site + 'a>,
    pub(super) build: BuildId,
    holds: Vec<Hold>,
}

/// Goes to the build that is meant, does there what is to be done, and takes leave of its server.
///
/// # Errors
/// When it is not clear which build is meant, nothing leads to its server, or what is to be done there cannot be.
pub(super) async fn at(
    context: &Context,
    own: &OwnOptions,
    which: Which<'_>,
    work: impl AsyncFnOnce(&mut At<'_>) -> Result<End>,
) -> Result<End> {
    let config = context.rpkg_config().await;
    let setting = context.setting(config.as_ref(), own);
    let Found { builder, id, known } = which.find(context, &setting).await?;
    let site = builder.site(setting, known.as_ref()).await?;
    let build = BuildId { builder: builder.name(), server: site.server(), id };
    let mut at = At { builder, site, build, holds: Vec::new() };
    let ended = work(&mut at).await;
    at.site.close().await;
    ended
}

impl At<'_> {
    /// From now on there is something to tell, which a signal must not throw away.
    ///
    /// # Errors
    /// When a signal came first.
    pub(super) fn hold(&mut self, context: &Context) -> Result<()> {
        self.holds.push(context.interrupt.hold()?);
        Ok(())
    }

    /// Watches the build as long as somebody reads what is told of it.
    ///
    /// # Errors
    /// When its end was not seen.
    pub(super) async fn watch(&mut self, context: &Context, logs: &LogChoice) -> Result<Watched> {
        let manner = self.builder.manner();
        let url = self.site.url(&self.build.id);
        context.tell(BuildEvent::Attached { build: self.build.clone(), url, manner }).await;
        self.hold(context)?;
        let mut interrupt = context.interrupt.clone();
        read_by_somebody(context, manner, self.site.watch(&self.build.id, logs, &mut interrupt)).await
    }
}
