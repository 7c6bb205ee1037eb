//! Waiting where it shows: what takes long is said.

use std::fmt::Display;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use super::{BuildEvent, EventSender};

/// After so long it is said what is waited for, and again each time as much has passed once more.
const SAID_AFTER: Duration = Duration::from_secs(10);

impl EventSender {
    /// Waits for `work`, and says that it is waited for when it takes long.
    pub(crate) async fn said<T>(&self, what: impl Display, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let mut work = pin!(work);
        let mut after = SAID_AFTER;
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep_until(started + after) => {
                    self.send(BuildEvent::Waiting { what: what.to_string(), since: started.elapsed() }).await;
                    after *= 2;
                }
            }
        }
    }
}
