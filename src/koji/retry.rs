//! When to repeat a request, and after how long: a state machine without clock or sockets.
//!
//! Koji's `ClientSession` repeats everything alike, at once and then every 20 s, thirty times. Ours tells apart what cannot
//! get better by itself, begins with short waits that double up to the profile's `retry_interval`, and gives up early on a
//! hub that has never answered: a mistyped address should not take ten minutes to be told.

use std::time::Duration;

use crate::backoff::Backoff;

/// What the profile says about repeating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often at most, once the hub has been seen to answer (`max_retries`).
    pub max_retries: u32,
    /// The longest wait between two attempts (`retry_interval`).
    pub interval: Duration,
    /// Whether to repeat at all without a session (`anon_retry`).
    pub anonymous: bool,
    /// Wait between attempts while the hub says it is offline; `None` gives up (`offline_retry`, `offline_retry_interval`).
    pub offline: Option<Duration>,
}

/// What went wrong with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No connection.
    NotSent,
    /// The connection broke or went silent after sending.
    Lost,
    /// An HTTP status that is not success.
    Status(u16),
    /// HTTP 200, but no XML-RPC: most likely a proxy's page.
    NotXmlRpc,
    /// The hub said it is offline (fault 1014).
    Offline,
    /// A poll of a build was answered with a fault, or with something of another shape.
    Odd,
    /// The file that is written to is still held by an attempt that was given up (fault 1001).
    Locked,
}

/// Attempts at a hub that has never answered.
const FIRST_CONTACT_RETRIES: u32 = 2;
/// Repetitions after an answer that is no XML-RPC.
const NOT_XML_RPC_RETRIES: u32 = 2;
/// The second wait; the first repetition comes at once, for a connection that was merely idle too long.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The repetitions of one request.
#[derive(Debug, Clone)]
pub struct Attempts {
    policy: RetryPolicy,
    answered_before: bool,
    made: u32,
}

/// What to do about a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait and repeat; this is repetition `attempt` of at most `of`.
    Repeat {
        /// How long to wait first.
        delay: Duration,
        /// Which repetition this is, from 1.
        attempt: u32,
        /// How many there will be at most; `None` for no end.
        of: Option<u32>,
    },
    /// It is no use.
    GiveUp,
}

impl Attempts {
    /// Begins a request. `answered_before`: whether this hub has answered anything yet.
    pub fn new(policy: RetryPolicy, answered_before: bool, logged_in: bool) -> Attempts {
        let max_retries = if logged_in || policy.anonymous { policy.max_retries } else { 0 };
        Attempts { policy: RetryPolicy { max_retries, ..policy }, answered_before, made: 0 }
    }

    /// Decides what follows a failed attempt.
    pub fn after(&mut self, trouble: Trouble) -> Next {
        let most = match trouble {
            Trouble::Offline => match self.policy.offline {
                Some(delay) => {
                    self.made += 1;
                    return Next::Repeat { delay, attempt: self.made, of: None };
                }
                None => 0,
            },
            Trouble::Status(408 | 429) => self.most(),
            // The hub answers 4xx to requests it cannot read; they will not become readable.
            Trouble::Status(status) if status < 500 => 0,
            Trouble::NotXmlRpc => self.most().min(NOT_XML_RPC_RETRIES),
            Trouble::NotSent | Trouble::Lost | Trouble::Odd | Trouble::Locked | Trouble::Status(_) => self.most(),
        };
        if self.made >= most {
            return Next::GiveUp;
        }
        self.made += 1;
        Next::Repeat { delay: self.delay(), attempt: self.made, of: Some(most) }
    }

    /// How many repetitions there have been.
    pub fn made(&self) -> u32 {
        self.made
    }

    fn most(&self) -> u32 {
        if self.answered_before { self.policy.max_retries } else { self.policy.max_retries.min(FIRST_CONTACT_RETRIES) }
    }

    fn delay(&self) -> Duration {
        match self.made {
            0 | 1 => Duration::ZERO,
            made => Backoff::doubling(FIRST_WAIT, self.policy.interval).after(made - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy { max_retries: 30, interval: Duration::from_secs(20), anonymous: true, offline: None };

    fn delays(mut attempts: Attempts, trouble: Trouble) -> Vec<u64> {
        let mut delays = Vec::new();
        while let Next::Repeat { delay, .. } = attempts.after(trouble) {
            delays.push(delay.as_secs());
            assert!(delays.len() <= 100, "no end");
        }
        delays
    }

    #[test]
    fn waits_double_up_to_the_interval() {
        let delays = delays(Attempts::new(POLICY, true, true), Trouble::Lost);
        assert_eq!(delays[..8], [0, 1, 2, 4, 8, 16, 20, 20]);
        assert_eq!(delays.len(), 30);
    }

    #[test]
    fn how_often_a_request_is_repeated() {
        let quiet = RetryPolicy { anonymous: false, ..POLICY };
        let cases = [
            ("a hub that never answered", POLICY, false, false, Trouble::NotSent, 2),
            ("a refused request", POLICY, true, true, Trouble::Status(400), 0),
            ("forbidden", POLICY, true, true, Trouble::Status(403), 0),
            ("too many requests", POLICY, true, true, Trouble::Status(429), 30),
            ("a broken gateway", POLICY, true, true, Trouble::Status(502), 30),
            ("a login page with status 200", POLICY, true, true, Trouble::NotXmlRpc, 2),
            ("a file that is locked", POLICY, true, true, Trouble::Locked, 30),
            ("offline, not asked to wait", POLICY, true, true, Trouble::Offline, 0),
            ("anonymous, anon_retry off", quiet, true, false, Trouble::Lost, 0),
            ("logged in, anon_retry off", quiet, true, true, Trouble::Lost, 30),
        ];
        for (what, policy, answered, logged_in, trouble, count) in cases {
            assert_eq!(delays(Attempts::new(policy, answered, logged_in), trouble).len(), count, "{what}");
        }
    }

    #[test]
    fn an_offline_hub_is_waited_for_without_end_when_asked() {
        let policy = RetryPolicy { offline: Some(Duration::from_secs(20)), ..POLICY };
        let mut attempts = Attempts::new(policy, true, true);
        for attempt in 1..=1000 {
            let next = attempts.after(Trouble::Offline);
            assert_eq!(next, Next::Repeat { delay: Duration::from_secs(20), attempt, of: None });
        }
    }
}
