//! A sandbox with a clone, a registry with a base image in it, and configuration that leads from one to the other: what tests of
//! builds on this machine begin with.

use std::path::PathBuf;
use std::process::Command;

use super::images::BaseImage;
use super::koji_hub::{Hub, HubOptions};
use super::processes;
use super::registry::{Registry, RegistryOptions, image_tools};
use super::sandbox::{Finished, Repository, Sandbox};
use super::world::{PASSWORD, Running, write_profile};

/// A Dockerfile that builds.
pub(crate) const DOCKERFILE: &str = "\
# A demo.
FROM fedora:42
LABEL com.redhat.component=demo-container \\
      name=demo/app version=1.0 release=3
RUN echo hello > /hello
CMD [\"/bin/cat\", \"/hello\"]
";

/// A sandbox and a registry.
pub(crate) struct LocalWorld {
    /// Folders, git, the program.
    pub sandbox: Sandbox,
    /// The registry that the program's configuration names.
    pub registry: Registry,
    /// The digest of `fedora:42` in it.
    pub base: String,
    hub: Option<Hub>,
}

impl LocalWorld {
    /// A world with a registry of plain http; `None` when this machine lacks something, which is told.
    pub(crate) fn new() -> Option<LocalWorld> {
        LocalWorld::with(RegistryOptions::default(), "")
    }

    /// The same with another registry, and more lines for the section of local builds.
    pub(crate) fn with(options: RegistryOptions, section: &str) -> Option<LocalWorld> {
        if !image_tools() {
            return None;
        }
        // Whoever loses his parent when a build is killed is still a test's.
        processes::adopt();
        let registry = Registry::with(options);
        let base = BaseImage::default().push(&registry, "fedora:42");
        let sandbox = Sandbox::new();
        let world = LocalWorld { sandbox, registry, base, hub: None };
        world.configure(section);
        Some(world)
    }

    /// A world with a Koji hub as well.
    pub(crate) fn with_hub(options: HubOptions, section: &str) -> Option<LocalWorld> {
        let mut world = LocalWorld::new()?;
        let hub = Hub::start(options);
        write_profile(&world.sandbox, &hub, "");
        world.sandbox.set_variable("FEDPKG_CONTAINER_BUILD_PASSWORD", PASSWORD);
        world.hub = Some(hub);
        world.configure(section);
        Some(world)
    }

    /// The hub of [`LocalWorld::with_hub`].
    pub(crate) fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("a world with a hub")
    }

    /// Writes the configuration anew, with more lines for the section of local builds.
    pub(crate) fn configure(&self, section: &str) {
        let address = self.registry.address();
        let insecure =
            if section.contains("insecure_registries") { "" } else { &format!("insecure_registries = {address}\n") };
        self.sandbox.write_config(
            "fedpkg",
            &format!("[fedpkg.local-build]\nsource_registry = {address}\nregistry = {address}\n{insecure}{section}"),
        );
        if self.hub.is_some() {
            return;
        }
        // No hub: what is asked of one has tests of its own.
        let config = self.sandbox.root().join("etc/fedpkg.conf");
        let text = std::fs::read_to_string(&config).unwrap().replace("kojiprofile = koji\n", "");
        std::fs::write(config, text).unwrap();
    }

    /// A clone of `container/foo` with this Dockerfile, committed and not pushed.
    pub(crate) fn clone(&self, dockerfile: &str) -> Repository<'_> {
        let clone = self.sandbox.container();
        clone.write("Dockerfile", dockerfile);
        clone.commit("Build this");
        clone
    }

    /// Our program in the clone's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(&self.sandbox.root().join("foo"));
        command.arg("-C").arg(self.sandbox.root().join("etc/fedpkg.conf"));
        if self.hub.is_some() {
            command.args(["--user", "packager"]);
        }
        command.args(["--user-config", "/dev/null", "container-build", "--build-with", "local"]).args(arguments);
        command
    }

    /// Builds, to the end.
    pub(crate) fn build(&self, arguments: &[&str]) -> Finished {
        self.sandbox.finish(self.command(arguments))
    }

    /// Begins to build, in a process group of its own.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running<'_> {
        Running::start(self.command(arguments), &self.sandbox)
    }

    /// The folder of everything that can be made again.
    pub(crate) fn cache(&self) -> PathBuf {
        self.sandbox.home().join(".cache/fedpkg-container-build")
    }

    /// The only folder of results, or the newest.
    pub(crate) fn results(&self) -> PathBuf {
        let folder = self.sandbox.home().join(".local/state/fedpkg-container-build/builds");
        let mut builds: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        builds.sort();
        builds.pop().expect("a build")
    }

    /// buildah on the storage of the builds.
    pub(crate) fn buildah(&self, arguments: &[&str]) -> String {
        let runroot = std::fs::read_dir(self.sandbox.root().join("run/fedpkg-container-build"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let output = Command::new("buildah")
            .arg("--root")
            .arg(self.cache().join("storage"))
            .arg("--runroot")
            .arg(runroot)
            .args(["--storage-driver", "overlay", "--storage-opt", "overlay.skip_mount_home=true"])
            .args(arguments)
            .output()
            .expect("buildah");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Working containers that are in the storage.
    pub(crate) fn containers(&self) -> usize {
        self.buildah(&["containers", "--quiet"]).lines().count()
    }

    /// Mounts below the sandbox.
    pub(crate) fn mounts(&self) -> usize {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        mounts.lines().filter(|line| line.contains(&*self.sandbox.root().to_string_lossy())).count()
    }
}
