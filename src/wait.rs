//! Waiting where it shows: what takes long is said, and what may block is done where blocking is allowed, and not for ever.

use std::fmt::Display;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::event::{BuildEvent, EventSender};

/// How long something is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// After so long it is said what is waited for, and again each time as much has passed once more.
    pub(crate) silent: Duration,
    /// After so long it is given up.
    pub(crate) within: Duration,
}

/// What a local file, lock or keyring gets. None takes that long unless something is wrong with it, or nobody unlocks it.
pub(crate) const LOCAL: Patience = Patience { silent: Duration::from_secs(10), within: Duration::from_secs(120) };

/// Something on this machine gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// It takes too long.
    #[error("{what} took more than {} s", within.as_secs())]
    Hangs {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
    },
    /// It ended in a fault of this program.
    #[error("{what} failed")]
    Broken {
        /// What was waited for.
        what: String,
        /// What happened.
        source: tokio::task::JoinError,
    },
}

impl WaitError {
    /// What kind of error it is.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            WaitError::Hangs { .. } => ErrorKind::Io,
            WaitError::Broken { .. } => ErrorKind::Internal,
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            WaitError::Hangs { .. } => Some("is a file a pipe, or on a file system that does not answer?"),
            WaitError::Broken { .. } => None,
        }
    }
}

impl From<WaitError> for Error {
    fn from(error: WaitError) -> Self {
        let (kind, hint) = (error.kind(), error.hint());
        Error::new(kind, error).hint_if(hint)
    }
}

/// Waits for `work`, and says that it is waited for when it takes long. Of waits within each other the innermost is said: it knows best.
pub(crate) async fn said<T>(events: &EventSender, what: impl Display, work: impl Future<Output = T>) -> T {
    said_after(LOCAL.silent, events, what, work).await
}

async fn said_after<T>(silent: Duration, events: &EventSender, what: impl Display, work: impl Future<Output = T>) -> T {
    let (started, wait) = (Instant::now(), events.begin_wait());
    let mut work = pin!(work);
    let mut after = silent;
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep_until(started + after) => {
                if wait.is_innermost() {
                    events.send(BuildEvent::Waiting { what: what.to_string(), since: started.elapsed() }).await;
                }
                after *= 2;
            }
        }
    }
}

/// Does what may block (files, git, locks) on a thread of its own, says so when it takes long, and gives up in the end. A thread that
/// hangs is left behind; it dies with the process.
///
/// # Errors
/// When it takes too long.
pub(crate) async fn blocking<T: Send + 'static>(
    events: &EventSender,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WaitError> {
    blocking_for(LOCAL, events, what, work).await
}

/// The same with another patience.
///
/// # Errors
/// When it takes too long.
pub(crate) async fn blocking_for<T: Send + 'static>(
    patience: Patience,
    events: &EventSender,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WaitError> {
    let Patience { silent, within } = patience;
    let work = tokio::time::timeout(within, tokio::task::spawn_blocking(work));
    match said_after(silent, events, what, work).await {
        Ok(done) => done.map_err(|source| WaitError::Broken { what: what.to_owned(), source }),
        Err(_) => Err(WaitError::Hangs { what: what.to_owned(), within }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::sync::mpsc;

    use super::*;
    use crate::event;

    const SHORT: Patience = Patience { silent: Duration::from_millis(20), within: Duration::from_millis(100) };

    #[tokio::test]
    async fn what_never_ends_is_said_and_given_up() {
        let (events, mut told) = event::channel();
        // Never sent to: the thread waits until the test has ended.
        let (ends, never) = mpsc::channel::<()>();
        let error = blocking_for(SHORT, &events, "the keyring", move || {
            let _ = never.recv();
        })
        .await
        .unwrap_err();
        assert_eq!(Error::from(error).kind(), ErrorKind::Io);
        let BuildEvent::Waiting { what, since } = told.recv().await.unwrap().event else { panic!("not said") };
        assert!(what == "the keyring" && since >= SHORT.silent, "{what} {since:?}");
        drop(ends);
    }

    #[tokio::test]
    async fn of_waits_within_each_other_the_innermost_is_said() {
        let (events, mut told) = event::channel();
        let (inner_said, is_inner_said) = tokio::sync::oneshot::channel::<()>();
        let (outer_said, is_outer_said) = tokio::sync::oneshot::channel::<()>();
        let silent = Duration::from_millis(5);
        let work = async {
            let _ = said_after(silent, &events, "inner", is_inner_said).await;
            let _ = is_outer_said.await;
        };
        let mut whats = Vec::new();
        let listen = async {
            let (mut inner_said, mut outer_said) = (Some(inner_said), Some(outer_said));
            while outer_said.is_some() {
                let BuildEvent::Waiting { what, .. } = told.recv().await.unwrap().event else {
                    panic!("another event")
                };
                // Either ends when it was said.
                drop(if what == "inner" { inner_said.take() } else { outer_said.take() });
                whats.push(what);
            }
        };
        tokio::join!(said_after(silent, &events, "outer", work), listen);
        whats.dedup();
        assert_eq!(whats, ["inner", "outer"]);
    }

    #[tokio::test]
    async fn who_is_quiet_tells_of_waits_alone() {
        let (events, mut told) = event::channel();
        let quiet = events.quiet();
        drop(events);
        quiet.send(BuildEvent::note("unheard")).await;
        quiet.send(BuildEvent::Waiting { what: "it".to_owned(), since: Duration::ZERO }).await;
        drop(quiet);
        assert!(matches!(told.recv().await.unwrap().event, BuildEvent::Waiting { .. }));
        assert!(told.recv().await.is_none());
    }
}
