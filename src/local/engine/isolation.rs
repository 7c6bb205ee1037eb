//! How what `RUN` starts is kept apart from this machine.

use std::fs;
use std::path::Path;

use super::setup::identity;
use super::store::write_private;
use super::{Engine, EngineError, limits, output};
use crate::child;

/// How `RUN` is kept from the rest of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Isolation {
    /// buildah's word for it.
    pub name: String,
    /// Why it is this one.
    pub why: String,
}

/// What the container that is tried sees of this machine: as much as the smallest program needs.
const FOLDERS: [&str; 3] = ["/usr", "/lib", "/lib64"];
/// The smallest program.
const PROGRAM: &str = "/usr/bin/true";

impl Isolation {
    /// What the configuration says, else what this machine can do: a changed root works everywhere, a container not. What it
    /// needs changes with the machine (a runtime, cgroups, a network, limits that may be raised, not to be in a container
    /// itself), so one is started to see. The answer is kept below `cache` until the programs change or the machine is
    /// started again.
    pub(crate) async fn choose(configured: Option<&str>, engine: &Engine, cache: &Path) -> Isolation {
        if let Some(name) = configured {
            return Isolation { name: name.to_owned(), why: "configured".to_owned() };
        }
        let why = match runtime() {
            Err(why) => why.to_owned(),
            Ok(runtime) => {
                let name = if rustix::process::geteuid().is_root() { "oci" } else { "rootless" };
                match hindrance(name, runtime, engine, cache).await {
                    None => {
                        return Isolation { name: name.to_owned(), why: "this machine can run containers".to_owned() };
                    }
                    Some(hindrance) => format!("no container starts here: {hindrance}"),
                }
            }
        };
        Isolation { name: "chroot".to_owned(), why }
    }

    /// What it does not keep apart.
    pub(crate) fn shares(&self) -> Option<&'static str> {
        (self.name == "chroot").then_some("RUN shares network, processes and users with this machine")
    }
}

/// The runtime that would start a container here, or why none need be tried.
fn runtime() -> Result<&'static str, &'static str> {
    if Path::new("/run/.containerenv").exists() || Path::new("/.dockerenv").exists() {
        return Err("this is a container itself");
    }
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        return Err("no cgroups of version 2 here");
    }
    let here = ["crun", "runc"].into_iter().find(|runtime| child::is_in_path(runtime));
    here.ok_or("neither crun nor runc is here")
}

/// What keeps a container from being started, in one line; `None` where it starts.
async fn hindrance(isolation: &str, runtime: &str, engine: &Engine, cache: &Path) -> Option<String> {
    let path = cache.join("containers");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let programs = [identity(&engine.buildah), identity(Path::new(runtime))].map(Option::unwrap_or_default);
    let asked = format!("{isolation} {} {}", programs.join(" "), boot.trim());
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let answer = match kept.split_once('\n') {
        Some((question, answer)) if question == asked => answer.to_owned(),
        _ => {
            let answer = match start(isolation, engine).await {
                Ok(()) => String::new(),
                Err(error) => error.to_string().lines().next().unwrap_or("of a reason without a name").to_owned(),
            };
            // Not being able to keep it costs a try next time.
            let _ = write_private(&path, format!("{asked}\n{answer}").as_bytes());
            answer
        }
    };
    (!answer.is_empty()).then_some(answer)
}

/// Starts a program in a container as `RUN` would.
async fn start(isolation: &str, engine: &Engine) -> Result<(), EngineError> {
    let what = "trying a container";
    let mut from = engine.buildah();
    from.args(["from", "--pull=never"]).args(limits::ulimits().iter().flat_map(|limit| ["--ulimit", limit]));
    let name = output(from.arg("scratch"), what).await?;
    let name = String::from_utf8_lossy(&name).trim().to_owned();
    let mut run = engine.buildah();
    run.args(["run", "--isolation", isolation]);
    for folder in FOLDERS.iter().filter(|folder| Path::new(folder).exists()) {
        run.arg("--volume").arg(format!("{folder}:{folder}:ro"));
    }
    let started = output(run.args([&name, "--", PROGRAM]), what).await;
    // What is left of it is removed with what other builds leave.
    let _ = output(engine.buildah().args(["rm", &name]), what).await;
    started.map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::local::engine::Storage;

    /// An engine that writes down what it is asked, and whose containers end as `run` says.
    fn engine(folder: &Path, run: &str) -> Engine {
        let buildah = folder.join("buildah");
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> {0}/asked\ncase \"$*\" in *\" from \"*) echo c ;; *\" run \"*) {run} ;; esac\n",
            folder.display()
        );
        fs::write(&buildah, script).unwrap();
        fs::set_permissions(&buildah, fs::Permissions::from_mode(0o755)).unwrap();
        let storage = Storage {
            root: folder.join("root"),
            runroot: folder.join("runroot"),
            driver: "vfs".to_owned(),
            options: Vec::new(),
        };
        let (skopeo, temporary) = ("skopeo".into(), folder.to_owned());
        Engine { buildah, skopeo, guard: None, storage, temporary, registries: None, authfile: None }
    }

    fn asked(folder: &Path) -> Vec<String> {
        fs::read_to_string(folder.join("asked")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_container_that_does_not_start_is_a_hindrance_and_is_tried_once() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(
            folder.path(),
            "echo 'error running container: no limits' >&2; \
            echo 'Error: while running runtime: exit status 1' >&2; exit 1",
        );
        for _ in 0..2 {
            let why = hindrance("oci", "crun", &engine, folder.path()).await.unwrap();
            assert!(why.starts_with("trying a container: no limits ("), "{why}");
        }
        let asked = asked(folder.path());
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert!(asked[1].contains(" run --isolation oci --volume /usr:/usr:ro "), "{asked:?}");
        assert!(asked[1].ends_with(" c -- /usr/bin/true"), "{asked:?}");
        assert!(asked[2].ends_with(" rm c"), "{asked:?}");
    }

    #[tokio::test]
    async fn what_was_found_holds_for_this_engine_and_this_isolation() {
        let folder = tempfile::tempdir().unwrap();
        let good = engine(folder.path(), "exit 0");
        assert_eq!(hindrance("oci", "crun", &good, folder.path()).await, None);
        assert_eq!(hindrance("oci", "crun", &good, folder.path()).await, None);
        assert_eq!(asked(folder.path()).len(), 3);
        assert_eq!(hindrance("rootless", "crun", &good, folder.path()).await, None);
        assert_eq!(asked(folder.path()).len(), 6);
        let changed = engine(folder.path(), "echo 'Error: it is broken by now' >&2; exit 1");
        assert!(hindrance("rootless", "crun", &changed, folder.path()).await.unwrap().contains("broken by now"));
    }
}
