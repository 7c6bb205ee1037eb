//! Waiting where it shows: what takes long is said, and what may block is done where blocking is allowed.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

use super::Context;

/// How long a local file, lock or keyring may take. None takes that long unless something is wrong with it.
const LOCAL_WITHIN: Duration = Duration::from_secs(120);

/// Waits for `work`, and says that it is waited for when it takes long.
pub(super) async fn said<T>(context: &Context, what: impl Display, work: impl Future<Output = T>) -> T {
    context.events.said(what, work).await
}

/// Does what may block (files, git, locks) on a thread of its own, says so when it takes long, and gives up in the end. A thread that
/// hangs is left behind; it dies with the process.
///
/// # Errors
/// When it takes too long.
pub(super) async fn blocking<T: Send + 'static>(
    context: &Context,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let work = tokio::time::timeout(LOCAL_WITHIN, tokio::task::spawn_blocking(work));
    match said(context, what, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(panicked)) => Err(Error::new(ErrorKind::Internal, panicked)),
        Err(_) => Err(Error::new(ErrorKind::Io, Hangs { what: what.to_owned() })
            .hint("is a file a pipe, or on a file system that does not answer?")),
    }
}

/// Something on this machine does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{what} took more than {} s", LOCAL_WITHIN.as_secs())]
struct Hangs {
    what: String,
}
