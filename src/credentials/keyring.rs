//! Passwords in the desktop's Secret Service. A machine without one (a server, CI) simply has no passwords stored.

use super::Secret;

/// Under what name the entries are kept; the user's part is `USER@SERVER`.
const SERVICE: &str = "fedpkg-container-build";

/// Looks up the password of `user` at `server` (a hub URL). `None` when there is none or no Secret Service runs.
///
/// Blocks while the desktop asks to unlock the keyring: call it where blocking is allowed.
pub(crate) fn password(user: &str, server: &str) -> Option<Secret> {
    let entry = keyring::v1::Entry::new(SERVICE, &format!("{user}@{server}")).ok()?;
    match entry.get_password() {
        Ok(password) => Some(Secret::new(password)),
        Err(reason) => {
            tracing::debug!(%reason, "no password in the keyring");
            None
        }
    }
}
