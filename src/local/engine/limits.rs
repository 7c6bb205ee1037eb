//! The limits of what `RUN` starts, where buildah's own cannot be had.
//!
//! For root, buildah raises the numbers of open files and of processes to 1048576 (`RLimitDefaultValue`), and gives up where the
//! kernel does not let it: in a container or a sandbox that has a lower limit and no right to raise it. There this machine's own
//! limits are named instead; of processes no more than `pid_max`, to which buildah lowers its own limit where it can.

use std::fs;

use rustix::process::{Resource, geteuid, getrlimit};

/// What buildah raises limits to unless it is told otherwise.
const WANTED: u64 = 1 << 20;
/// The bit of `CAP_SYS_RESOURCE`, the right to raise limits.
const SYS_RESOURCE: u32 = 24;

/// The limits to name, as `--ulimit` takes them.
pub(crate) fn ulimits() -> Vec<String> {
    // For others buildah looks at what may be had.
    if !geteuid().is_root() || may_raise(&fs::read_to_string("/proc/self/status").unwrap_or_default()) {
        return Vec::new();
    }
    let most = fs::read_to_string("/proc/sys/kernel/pid_max").ok().and_then(|most| most.trim().parse().ok());
    let processes = [getrlimit(Resource::Nproc).maximum, most].into_iter().flatten().min();
    let limits = [("nofile", getrlimit(Resource::Nofile).maximum), ("nproc", processes)];
    limits.into_iter().filter_map(|(name, limit)| ulimit(name, limit)).collect()
}

fn ulimit(name: &str, hard: Option<u64>) -> Option<String> {
    hard.filter(|hard| *hard < WANTED).map(|hard| format!("{name}={hard}:{hard}"))
}

/// Whether a process with this `/proc/PID/status` may raise limits; taken for granted where it does not say.
fn may_raise(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .is_none_or(|bits| bits >> SYS_RESOURCE & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_to_raise_limits_is_read() {
        assert!(may_raise("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        assert!(!may_raise("CapPrm:\t000001ffffffffff\nCapEff:\t00000000a80425fb\n"));
        assert!(may_raise("Name:\tx\n"));
    }

    #[test]
    fn only_limits_that_are_lower_are_named() {
        assert_eq!(ulimit("nofile", Some(20_000)).as_deref(), Some("nofile=20000:20000"));
        assert_eq!(ulimit("nofile", Some(WANTED)), None);
        assert_eq!(ulimit("nproc", None), None);
    }
}
