//! Passwords and tokens in the desktop's Secret Service. A machine without one (a server, CI) simply has none stored.

use super::Secret;
use crate::event::EventSender;
use crate::wait::{self, WaitError};

/// What is waited for while the desktop asks its user to unlock the keyring.
const WHAT: &str = "the keyring";

/// What is stored for `user` at `server` (a URL). `None` when there is nothing, or no Secret Service runs.
///
/// # Errors
/// When there is one, and it gives no answer.
pub(crate) async fn stored(events: &EventSender, user: String, server: String) -> Result<Option<Secret>, WaitError> {
    wait::blocking(events, WHAT, move || look_up(&user, &server)).await
}

#[cfg(feature = "keyring")]
fn look_up(user: &str, server: &str) -> Option<Secret> {
    /// Under what name the entries are kept; the user's part is `USER@SERVER`.
    const SERVICE: &str = "fedpkg-container-build";
    let entry = keyring::v1::Entry::new(SERVICE, &format!("{user}@{server}")).ok()?;
    match entry.get_password() {
        Ok(password) => Some(Secret::new(password)),
        Err(reason) => {
            tracing::debug!(%reason, "no password in the keyring");
            None
        }
    }
}

#[cfg(not(feature = "keyring"))]
fn look_up(_: &str, _: &str) -> Option<Secret> {
    None
}
