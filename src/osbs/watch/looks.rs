//! Looking at the run itself, by its name: seldom while a watch tells of it, and often enough where none does.
//!
//! A watch that is forbidden, broken, or of something else tells nothing, and that nothing is told looks like a build that works. So
//! the run is looked at, and only what such a look says ends the watching: that the run has ended, that it is gone, or, after many
//! looks in a row that went wrong while nothing else told of it either, that it cannot be watched any more.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::collections::Change;
use crate::event::Retry;
use crate::osbs::cluster::{Cluster, Expected};
use crate::osbs::error::ClusterError;
use crate::osbs::run::kind::RunKind;

/// After so many looks in a row that went wrong, waits between them included a quarter of an hour, the watching ends.
pub const GIVE_UP_AFTER: u32 = 30;
/// The same where nobody knows us any more, or looking is forbidden and always was; three minutes.
const GIVE_UP_REFUSED_AFTER: u32 = 10;
/// So many times in a row a run has to be missing before it is gone: a server that has just begun may not know it yet.
const GONE_AFTER: u32 = 3;

/// Looks at a run.
pub struct Looker<T> {
    /// The server.
    pub cluster: Arc<Cluster>,
    /// What it is.
    pub kind: RunKind,
    /// Its name.
    pub name: String,
    /// Where changes go.
    pub changes: mpsc::Sender<T>,
    /// Makes one out of a change.
    pub tell: fn(Change) -> T,
    /// Whether changes are seen when they happen.
    pub sees: watch::Receiver<bool>,
}

/// What looks in a row have come to.
#[derive(Debug, Default)]
struct Looks {
    /// Looks since something else told of the run.
    blind: u32,
    failures: u32,
    missing: u32,
    was_answered: bool,
}

impl<T> Looker<T> {
    /// Looks as long as somebody listens.
    ///
    /// # Errors
    /// Why the last look went wrong, when it makes no sense to look any more.
    pub async fn look(mut self) -> Result<(), ClusterError> {
        let path = format!("{}/{}", self.kind.collection(self.cluster.namespace()), self.name);
        let what = format!("get {}", self.kind.plural());
        let mut looks = Looks::default();
        loop {
            if !self.is_time(&mut looks).await {
                continue;
            }
            let expected = Expected::Object { kind: self.kind.label(), name: &self.name };
            let change = match self.cluster.ask(&what, http::Method::GET, &path, None, expected).await {
                Ok(run) => {
                    looks = Looks { blind: looks.blind, was_answered: true, ..Looks::default() };
                    self.cluster.answers_again().await;
                    Change::Seen(run)
                }
                Err(ClusterError::Refused { code: 404, by_api: true, .. }) if looks.missing + 1 >= GONE_AFTER => {
                    Change::Gone(self.name.clone())
                }
                Err(error) => {
                    self.failed(&what, &mut looks, error).await?;
                    continue;
                }
            };
            if self.changes.send((self.tell)(change)).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Waits until the next look may be due; whether it is.
    async fn is_time(&mut self, looks: &mut Looks) -> bool {
        let pace = self.cluster.pace();
        if *self.sees.borrow_and_update() && looks.missing == 0 {
            let changed = timeout(pace.longest.saturating_mul(2), self.sees.changed()).await;
            (looks.blind, looks.failures) = (0, 0);
            return changed.is_err();
        }
        looks.blind += 1;
        tokio::time::sleep(pace.after(looks.blind)).await;
        true
    }

    async fn failed(&self, what: &str, looks: &mut Looks, error: ClusterError) -> Result<(), ClusterError> {
        let is_missing = matches!(error, ClusterError::Refused { code: 404, by_api: true, .. });
        looks.missing = if is_missing { looks.missing + 1 } else { 0 };
        if *self.sees.borrow() {
            return Ok(());
        }
        looks.failures += 1;
        let is_refused = error.code() == Some(401) || (error.code() == Some(403) && !looks.was_answered);
        let most = if is_refused { GIVE_UP_REFUSED_AFTER } else { GIVE_UP_AFTER };
        if looks.failures >= most {
            return Err(error);
        }
        let (operation, why) = (what.to_owned(), error.why());
        let delay = self.cluster.pace().after(looks.blind + 1);
        self.cluster.tell(Retry { operation, attempt: looks.failures, of: Some(most), delay, why }).await;
        Ok(())
    }
}
