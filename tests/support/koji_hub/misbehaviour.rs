//! How the hub can be made to fail.

use std::time::Duration;

use super::state::State;
use super::xmlrpc::Call;

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// Another HTTP status, with this body; nothing is executed.
    Status(u16, &'static str),
    /// Success, and a proxy's page instead of an answer; nothing is executed.
    Html200,
    /// An answer with this status that never ends; nothing is executed.
    Endless(u16),
    /// The connection is closed; nothing is executed.
    Reset,
    /// The call is executed, and the connection closed without an answer.
    LoseAnswer,
    /// The call is executed, and half of the answer comes.
    CutBody,
    /// The connection is closed when half of an upload has come; the file keeps what came.
    CutRequest,
    /// One byte of an upload changes on its way.
    Corrupt,
    /// Everything goes well, later.
    Delay(Duration),
    /// Fault 1014 `database outage`; nothing is executed.
    Offline,
    /// Another fault; nothing is executed.
    Refuse(i64, &'static str),
    /// In a multiCall the calls of this method meet a fault, and the others go well.
    RefuseEntries(&'static str, i64, &'static str),
    /// A well-formed answer of another shape; nothing is executed.
    OtherShape,
    /// A range of a file begins elsewhere than it was asked for.
    OtherRange,
    /// Fault 1001, as while another request writes to the file; nothing is executed.
    Locked,
}

/// A fault that is in store.
#[derive(Debug, Clone)]
pub(crate) struct Injection {
    /// A method, the beginning of a path (`/kojifiles`), or `*`.
    pub matching: String,
    pub fault: Fault,
    /// How many matching requests go well first.
    pub spared: usize,
    /// How many meet the fault; `None` for all from then on.
    pub times: Option<usize>,
    /// How many met it.
    pub met: usize,
}

impl Injection {
    fn is_spent(&self) -> bool {
        self.times.is_some_and(|times| self.met >= times)
    }

    /// What a test counted on and did not get.
    fn missed(&self) -> Option<String> {
        let Injection { matching, fault, times, met, .. } = self;
        let wanted = times.unwrap_or(1);
        (*met < wanted).then(|| format!("{fault:?} of {matching}: {met} times, and not {wanted}"))
    }
}

impl State {
    /// The faults that never happened, or not as often as they were to.
    pub(crate) fn missed_faults(&self) -> Vec<String> {
        self.injections.iter().filter_map(Injection::missed).collect()
    }

    /// Takes the next fault for a request out of the store.
    pub(crate) fn next_fault(&mut self, path: &str, top: Option<&str>, calls: &[Call]) -> Option<Fault> {
        let hit = |injection: &&mut Injection| {
            let wanted = injection.matching.as_str();
            !injection.is_spent()
                && (wanted == "*"
                    || top == Some(wanted)
                    || (wanted.starts_with('/') && path.starts_with(wanted))
                    || calls.iter().any(|(method, _)| method == wanted))
        };
        let injection = self.injections.iter_mut().find(hit)?;
        if injection.spared > 0 {
            injection.spared -= 1;
            return None;
        }
        injection.met += 1;
        Some(injection.fault.clone())
    }
}
