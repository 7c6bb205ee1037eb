//! A sandbox with a clone, a cluster, and an osbs.conf that leads from one to the other.

use std::process::Command;

use super::kube_api::{KubeApi, NAMESPACE, Options, Run, TOKEN};
use super::sandbox::{Finished, Repository, Sandbox};
use super::world::Running;

/// A site's template, as osbs-client's documentation has it.
pub(crate) const TEMPLATE: &str = "apiVersion: tekton.dev/v1beta1
kind: PipelineRun
metadata:
  name: '$osbs_pipeline_run_name'
spec:
  pipelineRef:
    name: binary-container-0-2
  timeouts:
    pipeline: $osbs_buildtime_limit
  params:
  - name: osbs-image
    value: registry.example.com/osbs/reactor:prod
  - name: user-params
    value: '$osbs_user_params_json'
  workspaces:
  - name: ws-reactor-config-map
    configMap:
      name: $osbs_configmap_name
";

/// A sandbox and a cluster.
pub(crate) struct OsbsWorld {
    /// Folders, git, the program.
    pub sandbox: Sandbox,
    /// The cluster that osbs.conf names.
    pub server: KubeApi,
}

impl OsbsWorld {
    /// A cluster with Tekton, a template, and a token in osbs.conf.
    pub(crate) fn new() -> OsbsWorld {
        OsbsWorld::with(Options::default(), &format!("token = {TOKEN}\n"))
    }

    /// A cluster as `options` say, and more lines for osbs.conf.
    pub(crate) fn with(options: Options, more: &str) -> OsbsWorld {
        let sandbox = Sandbox::new();
        let server = KubeApi::with(options);
        let template = sandbox.write("etc/template.yaml", TEMPLATE);
        let world = OsbsWorld { sandbox, server };
        world.configure(&format!("pipeline_run_path = {}\n{more}", template.display()));
        world.sandbox.write_user_config("fedpkg", "");
        world.sandbox.write_config("fedpkg", "");
        world
    }

    /// Writes osbs.conf with what leads to the cluster and more lines.
    pub(crate) fn configure(&self, more: &str) {
        let url = self.server.url();
        self.sandbox.write(
            "home/.config/osbs.conf",
            &format!(
                "[default_binary]\nopenshift_url = {url}/\nnamespace = {NAMESPACE}\nreactor_config_map = reactor-config-map\n\
                 reactor_config_map_scratch = reactor-config-map-scratch\n{more}"
            ),
        );
    }

    /// A clone of `container/foo` on branch f40.
    pub(crate) fn clone(&self) -> Repository<'_> {
        self.sandbox.container()
    }

    /// Our program in the clone, with the options that every test needs before `arguments`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.sandbox.command_in_clone(arguments)
    }

    /// Runs our program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        self.sandbox.finish(self.command(arguments))
    }

    /// Runs `container-build --build-with osbs` to its end.
    pub(crate) fn build(&self, arguments: &[&str]) -> Finished {
        self.run(&[&["container-build", "--build-with", "osbs"], arguments].concat())
    }

    /// Starts our program and leaves it running, in a process group of its own.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running<'_> {
        Running::start(self.command(arguments), &self.sandbox)
    }

    /// Starts `container-build --build-with osbs`.
    pub(crate) fn start_build(&self, arguments: &[&str]) -> Running<'_> {
        self.start(&[&["container-build", "--build-with", "osbs"], arguments].concat())
    }

    /// Starts a build of the clone, and begins the run that it creates, of a pipeline with these tasks.
    pub(crate) fn begin(&self, arguments: &[&str], tasks: &[&str]) -> (Running<'_>, Run) {
        self.clone();
        let build = self.start_build(arguments);
        let run = self.server.await_run();
        run.start(tasks, &[]);
        (build, run)
    }
}
