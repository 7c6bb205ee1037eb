//! Work that may block (files, git, hashing), done on threads of its own, which end soon after nobody wants it any more.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

/// Work was not wanted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was stopped")]
pub struct Stopped;

/// Whether work is still wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// The work is not wanted any more.
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// An error once the work is not wanted any more; long work asks at every piece.
    ///
    /// # Errors
    /// When it is not wanted.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> Self {
        io::Error::new(io::ErrorKind::Interrupted, stopped)
    }
}

/// How many bytes are copied before it is looked whether they are still wanted.
const PIECE: u64 = 4 << 20;

/// Copies what is left to read; from file to file within the kernel, where that can be. Returns how many bytes there were.
///
/// # Errors
/// When something cannot be read or written, or the work is not wanted any more.
pub(crate) fn copy(from: &mut impl Read, to: &mut impl Write, stop: &Stop) -> io::Result<u64> {
    let mut copied = 0;
    loop {
        stop.check()?;
        match io::copy(&mut from.by_ref().take(PIECE), to)? {
            0 => return Ok(copied),
            piece => copied += piece,
        }
    }
}

/// Starts blocking work. When it is dropped, all of it is told to stop.
#[derive(Debug)]
pub(crate) struct Work {
    stop: Stop,
    /// Every piece of work holds a copy until its end.
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
}

impl Work {
    /// Nothing is under way yet.
    pub(crate) fn new() -> Work {
        let (alive, ended) = mpsc::channel(1);
        Work { stop: Stop::default(), alive, ended }
    }

    /// Starts a piece of work at once. The future may be dropped; the work goes on until it looks at its [`Stop`].
    pub(crate) fn run<T: Send + 'static, E: From<Stopped> + Send + 'static>(
        &self,
        piece: impl FnOnce(&Stop) -> Result<T, E> + Send + 'static,
    ) -> impl Future<Output = Result<T, E>> {
        let (stop, alive) = (self.stop.clone(), self.alive.clone());
        // What nobody waits for any more is dropped together with `alive`, and before it.
        let running =
            tokio::task::spawn_blocking(move || (stop.check().map_err(E::from).and_then(|()| piece(&stop)), alive));
        async move {
            match running.await {
                Ok((done, _)) => done,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => Err(Stopped.into()),
            }
        }
    }

    /// Tells all work to stop, and waits until it has.
    pub(crate) async fn end(mut self) {
        self.stop.raise();
        let (unused, _) = mpsc::channel(1);
        self.alive = unused;
        let _ = self.ended.recv().await;
    }
}

/// Does one piece of blocking work. When the future is dropped, the work is told to stop.
///
/// # Errors
/// Those of the work.
pub(crate) async fn run<T: Send + 'static, E: From<Stopped> + Send + 'static>(
    piece: impl FnOnce(&Stop) -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    Work::new().run(piece).await
}

impl Default for Work {
    fn default() -> Work {
        Work::new()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::sync::mpsc as blocking;

    use super::*;

    #[test]
    fn a_copy_ends_with_the_file_or_with_the_wish_for_it() {
        let (mut to, stop) = (Vec::new(), Stop::default());
        let copied = copy(&mut io::repeat(7).take(2 * PIECE + 1), &mut to, &stop).unwrap();
        assert_eq!((copied, to.len() as u64), (2 * PIECE + 1, 2 * PIECE + 1));
        stop.raise();
        let stopped = copy(&mut io::repeat(7), &mut to, &stop).unwrap_err();
        assert!(stopped.get_ref().is_some_and(|cause| cause.is::<Stopped>()));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_ends() {
        let (began, begun) = blocking::channel();
        let (ended, end) = blocking::channel();
        let work = run(move |stop| {
            began.send(()).unwrap();
            while stop.check().is_ok() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
            Ok::<(), Stopped>(())
        });
        let waiting = tokio::spawn(work);
        tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
        waiting.abort();
        tokio::task::spawn_blocking(move || end.recv().unwrap()).await.unwrap();
    }
}
