//! Work that may block (files, hashing), done on threads of its own, none of which outlives the fetch it is for.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::error::FetchProblem;

/// Whether work is still wanted.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// An error once the work is not wanted any more; long work asks at every piece.
    pub(super) fn check(&self) -> Result<(), FetchProblem> {
        if self.0.load(Ordering::Relaxed) { Err(FetchProblem::Stopped) } else { Ok(()) }
    }
}

/// Starts blocking work. When it is dropped, all of it is told to stop.
pub(super) struct Work {
    stop: Stop,
    /// Every piece of work holds a copy until its end.
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
}

impl Work {
    pub(super) fn new() -> Work {
        let (alive, ended) = mpsc::channel(1);
        Work { stop: Stop::default(), alive, ended }
    }

    /// Starts a piece of work at once. The future may be dropped; the work goes on until it looks at its [`Stop`].
    pub(super) fn run<T: Send + 'static>(
        &self,
        piece: impl FnOnce(&Stop) -> Result<T, FetchProblem> + Send + 'static,
    ) -> impl Future<Output = Result<T, FetchProblem>> {
        let (stop, alive) = (self.stop.clone(), self.alive.clone());
        // What nobody waits for any more is dropped together with `alive`, and before it.
        let running = tokio::task::spawn_blocking(move || (stop.check().and_then(|()| piece(&stop)), alive));
        async move {
            match running.await {
                Ok((done, _)) => done,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => Err(FetchProblem::Stopped),
            }
        }
    }

    /// Tells all work to stop, and waits until it has.
    pub(super) async fn end(mut self) {
        self.stop.0.store(true, Ordering::Relaxed);
        let (unused, _) = mpsc::channel(1);
        self.alive = unused;
        let _ = self.ended.recv().await;
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Relaxed);
    }
}
