//! How what `RUN` starts is kept apart from this machine.

use std::path::Path;

use crate::child::is_in_path;

/// How `RUN` is kept from the rest of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Isolation {
    /// buildah's word for it.
    pub name: String,
    /// Why it is this one.
    pub why: String,
}

impl Isolation {
    /// What the configuration says, else what this machine can do: a container needs cgroups of version 2 and a runtime, and
    /// must not be in a container itself; a changed root works everywhere.
    pub(crate) fn choose(configured: Option<&str>) -> Isolation {
        if let Some(name) = configured {
            return Isolation { name: name.to_owned(), why: "configured".to_owned() };
        }
        let why = if Path::new("/run/.containerenv").exists() || Path::new("/.dockerenv").exists() {
            "this is a container itself"
        } else if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            "no cgroups of version 2 here"
        } else if !["crun", "runc"].iter().any(|runtime| is_in_path(runtime)) {
            "neither crun nor runc is here"
        } else {
            let name = if rustix::process::geteuid().is_root() { "oci" } else { "rootless" };
            return Isolation { name: name.to_owned(), why: "this machine can run containers".to_owned() };
        };
        Isolation { name: "chroot".to_owned(), why: why.to_owned() }
    }

    /// What it does not keep apart.
    pub(crate) fn shares(&self) -> Option<&'static str> {
        (self.name == "chroot").then_some("RUN shares network, processes and users with this machine")
    }
}
