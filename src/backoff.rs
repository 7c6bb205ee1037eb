//! How long to wait before something is tried again: longer each time, up to a limit. Pure; who waits, waits himself.

use std::time::Duration;

/// A schedule of waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
    /// How many times longer each wait is than the one before.
    pub factor: u32,
}

impl Backoff {
    /// Waits that double.
    pub const fn doubling(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, factor: 2 }
    }

    /// The wait after the failure of attempt `attempt`, the first of which is 1.
    pub fn after(&self, attempt: u32) -> Duration {
        let times = self.factor.saturating_pow(attempt.saturating_sub(1));
        self.first.saturating_mul(times).min(self.longest)
    }

    /// The same, made longer by up to half of it, so that many who failed at once do not come back at once. `chance` is
    /// anything that differs between them, such as a random number.
    pub fn jittered(&self, attempt: u32, chance: u32) -> Duration {
        let wait = self.after(attempt);
        let share = (u128::from(chance) * (wait.as_nanos() / 2)) >> 32;
        wait.saturating_add(Duration::from_nanos(u64::try_from(share).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::doubling(Duration::from_secs(1), Duration::from_secs(20));

    #[test]
    fn waits_grow_up_to_the_longest() {
        let waits = |backoff: Backoff| (1..=7).map(|attempt| backoff.after(attempt).as_secs()).collect::<Vec<_>>();
        assert_eq!(waits(BACKOFF), [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!(waits(Backoff { factor: 1, ..BACKOFF }), [1; 7]);
        assert_eq!(waits(Backoff { factor: 3, ..BACKOFF }), [1, 3, 9, 20, 20, 20, 20]);
        for attempt in [0, 1] {
            assert_eq!(BACKOFF.after(attempt), BACKOFF.first);
        }
        assert_eq!(BACKOFF.after(u32::MAX), BACKOFF.longest);
    }

    #[test]
    fn chance_makes_a_wait_longer_by_half_at_most() {
        assert_eq!(BACKOFF.jittered(3, 0), Duration::from_secs(4));
        assert_eq!(BACKOFF.jittered(3, 1 << 31), Duration::from_secs(5));
        let most = BACKOFF.jittered(3, u32::MAX);
        assert!(most > Duration::from_millis(5999) && most < Duration::from_secs(6), "{most:?}");
    }
}
