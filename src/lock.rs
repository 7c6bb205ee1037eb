//! Locks on files, which another process may hold and never give back: they are waited for only so long.

use std::fs::TryLockError;
use std::time::{Duration, Instant};

/// How often it is looked whether a lock is free.
const POLL: Duration = Duration::from_millis(20);

/// Tries to take a lock, `patience` long. Blocks; not for the thread that waits for everything else.
///
/// # Errors
/// When another still holds it then, or the system has no locks there.
pub(crate) fn within(patience: Duration, attempt: impl Fn() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    let until = Instant::now() + patience;
    loop {
        match attempt() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(POLL),
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_lock_is_taken_when_it_is_free_and_given_up_when_it_stays_taken() {
        let left = Cell::new(2);
        let freed_later = || match left.replace(left.get() - 1) {
            0 => Ok(()),
            _ => Err(TryLockError::WouldBlock),
        };
        within(Duration::from_secs(600), freed_later).unwrap();
        let taken = within(Duration::ZERO, || Err(TryLockError::WouldBlock));
        assert!(matches!(taken, Err(TryLockError::WouldBlock)));
        let asked = Cell::new(0);
        let broken = within(Duration::from_secs(600), || {
            asked.set(asked.get() + 1);
            Err(TryLockError::Error(std::io::ErrorKind::Unsupported.into()))
        });
        assert!(matches!(broken, Err(TryLockError::Error(_))));
        assert_eq!(asked.get(), 1);
    }
}
