//! Builds on Koji: the real program against the test hub.

mod clear_text;
mod figures;
mod interrupt;
mod logs;
mod once;
mod refusals;
mod submit;
mod trouble;

use std::time::Duration;

use crate::support::koji_hub::{End, Script};

/// A build of three arches that takes a second or so.
pub(crate) fn quick_script(end: End) -> Script {
    let arches = ["x86_64", "aarch64", "ppc64le"].map(str::to_owned).to_vec();
    Script { arches, steps: 3, step: Duration::from_millis(200), end }
}
