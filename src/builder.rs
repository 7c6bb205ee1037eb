//! What all builders share: the user's wish to stop.
//!
//! The closed set of builders is [`crate::event::BuilderKind`]; [`crate::commands`] chooses one.

use tokio::sync::watch;

/// Told once when the user presses Ctrl-C (or the process is asked to end). What a builder makes of it is its own affair:
/// one that only watches stops watching.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<bool>);

/// The other end of an [`Interrupt`].
#[derive(Debug)]
pub struct InterruptSender(watch::Sender<bool>);

/// Makes both ends.
pub fn interrupt() -> (InterruptSender, Interrupt) {
    let (sender, receiver) = watch::channel(false);
    (InterruptSender(sender), Interrupt(receiver))
}

impl InterruptSender {
    /// Raises it. Stays raised.
    pub fn raise(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        *self.0.borrow()
    }
}

impl Interrupt {
    /// Completes when it is raised; never when the other end is gone.
    pub async fn raised(&mut self) {
        if self.0.wait_for(|raised| *raised).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
