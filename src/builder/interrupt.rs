//! The user's wish to stop, from the first moment on.
//!
//! A signal (Ctrl-C, SIGTERM, SIGHUP) raises the interrupt. Whoever carries a command out is then dropped where it waits, whatever
//! it waits for, and nothing happens afterwards: that is right as long as nothing was begun that has to be told. What has to be told
//! is done under a [`Hold`]: the request that creates a build, everything after it, a build on this machine. Under a hold the
//! interrupt drops nothing; the holder looks at it by itself.
//!
//! Raising and holding are one state behind one lock: either the hold comes first, and the holder will see the signal, or the signal
//! does, and there will be no hold. So nothing is created after a signal, whichever threads the two are on.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind};
use crate::exit_code::ExitCode;

/// What asked us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: a CI system's, `timeout`'s.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
}

impl Signal {
    /// The kind of error that a command ends with that was stopped by it.
    pub fn kind(self) -> ErrorKind {
        match self {
            Signal::Interrupt => ErrorKind::Interrupted,
            Signal::Terminate => ErrorKind::Terminated,
            Signal::HangUp => ErrorKind::HungUp,
        }
    }
}

impl From<Signal> for ExitCode {
    fn from(signal: Signal) -> Self {
        signal.kind().into()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    signal: Option<Signal>,
    holds: usize,
}

/// Told once when the process is asked to end.
#[derive(Debug, Clone)]
pub struct Interrupt {
    state: Arc<watch::Sender<State>>,
    seen: watch::Receiver<State>,
}

/// Keeps the interrupt from dropping the work under way, until it is dropped itself.
#[derive(Debug)]
pub struct Hold(Arc<watch::Sender<State>>);

/// The process was asked to end before this could begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted(pub Signal);

impl From<Interrupted> for Error {
    fn from(interrupted: Interrupted) -> Self {
        Error::new(interrupted.0.kind(), interrupted)
    }
}

impl Default for Interrupt {
    fn default() -> Self {
        Interrupt::new()
    }
}

impl Interrupt {
    /// One that was not raised yet. All clones are the same interrupt.
    pub fn new() -> Interrupt {
        let (state, seen) = watch::channel(State::default());
        Interrupt { state: Arc::new(state), seen }
    }

    /// Raises it; the first signal counts. Returns whether this was the first.
    pub fn raise(&self, signal: Signal) -> bool {
        self.state.send_if_modified(|state| {
            let is_first = state.signal.is_none();
            state.signal.get_or_insert(signal);
            is_first
        })
    }

    /// The signal that raised it.
    pub fn signal(&self) -> Option<Signal> {
        self.state.borrow().signal
    }

    /// Completes when it is raised.
    pub async fn raised(&mut self) {
        self.until(|state| state.signal.is_some()).await;
    }

    /// Completes when it is raised and nobody holds it off.
    pub async fn unheld(&mut self) -> Signal {
        self.until(|state| state.signal.is_some() && state.holds == 0).await
    }

    /// Completes when nobody holds it off.
    pub async fn free(&mut self) {
        let _ = self.seen.wait_for(|state| state.holds == 0).await;
    }

    async fn until(&mut self, is_so: impl FnMut(&State) -> bool) -> Signal {
        if let Ok(state) = self.seen.wait_for(is_so).await
            && let Some(signal) = state.signal
        {
            return signal;
        }
        // The sender is in `self`, so that this cannot be; whoever waits here waits for nothing.
        std::future::pending().await
    }

    /// From now on the work is not dropped.
    ///
    /// # Errors
    /// When the process was asked to end already: then nothing may be begun any more.
    pub fn hold(&self) -> Result<Hold, Interrupted> {
        let mut raised = None;
        self.state.send_if_modified(|state| {
            raised = state.signal;
            if raised.is_none() {
                state.holds += 1;
            }
            raised.is_none()
        });
        match raised {
            Some(signal) => Err(Interrupted(signal)),
            None => Ok(Hold(Arc::clone(&self.state))),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.holds = state.holds.saturating_sub(1));
    }
}

/// The stretch of a submit in which a build may come into being.
///
/// A submit may have to wait and to try again. As long as it is certain that no request was carried out, the user may still say no
/// and nothing was submitted; from the first request on of which that is not certain, the truth has to be found out and told.
#[derive(Debug)]
pub struct Creation {
    interrupt: Interrupt,
    hold: Option<Hold>,
}

impl Creation {
    /// Nothing was sent yet.
    pub fn new(interrupt: Interrupt) -> Creation {
        Creation { interrupt, hold: None }
    }

    /// To be called right before each request that may create something.
    ///
    /// # Errors
    /// When the process was asked to end: then nothing may be sent.
    pub fn begins(&mut self) -> Result<(), Interrupted> {
        if self.hold.is_none() {
            self.hold = Some(self.interrupt.hold()?);
        }
        Ok(())
    }

    /// It is certain that nothing was created so far.
    pub fn nothing_happened(&mut self) {
        self.hold = None;
    }

    /// Whether something may have been created.
    pub fn may_have_happened(&self) -> bool {
        self.hold.is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_holds_it_is_not_dropped_and_nobody_begins_after_it() {
        let interrupt = Interrupt::new();
        let hold = interrupt.hold().unwrap();
        assert!(interrupt.raise(Signal::Terminate));
        assert!(!interrupt.raise(Signal::Interrupt), "the first signal counts");
        interrupt.clone().raised().await;
        assert_eq!(interrupt.signal(), Some(Signal::Terminate));
        let mut unheld = interrupt.clone();
        assert!(tokio::time::timeout(Duration::from_millis(20), unheld.unheld()).await.is_err());
        assert_eq!(interrupt.hold().unwrap_err(), Interrupted(Signal::Terminate));
        drop(hold);
        assert_eq!(unheld.unheld().await, Signal::Terminate);
    }

    #[test]
    fn a_creation_that_certainly_made_nothing_may_still_be_given_up() {
        let interrupt = Interrupt::new();
        let mut creation = Creation::new(interrupt.clone());
        creation.begins().unwrap();
        creation.nothing_happened();
        interrupt.raise(Signal::Interrupt);
        assert!(creation.begins().is_err());
        assert!(!creation.may_have_happened());
    }

    #[test]
    fn holding_and_raising_at_once_never_both_win() {
        for _ in 0..200 {
            let interrupt = Interrupt::new();
            let held = std::thread::scope(|scope| {
                let holder = scope.spawn(|| interrupt.hold().is_ok());
                interrupt.raise(Signal::Interrupt);
                holder.join().unwrap()
            });
            assert_eq!(interrupt.signal(), Some(Signal::Interrupt));
            assert!(interrupt.hold().is_err(), "after the signal nobody gets it; before it: {held}");
        }
    }
}
