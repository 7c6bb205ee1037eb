//! A file that somebody named and that is none: a pipe that nobody writes to is refused, and not waited for.

use std::path::Path;

use super::hold_all;
use crate::support::osbs_world::OsbsWorld;
use crate::support::sandbox::{Finished, Sandbox};
use crate::support::world::{World, write_profile};

/// What is named, the code that refusing it has, and how that comes about with a pipe.
type Named = (&'static str, i32, fn(&Path) -> Finished);

const BUILD: &[&str] = &["container-build", "--build-with", "koji"];

const NAMED: &[Named] = &[
    ("token_file in osbs.conf", 5, |pipe| osbs(&format!("token_file = {}\n", pipe.display()), &[])),
    ("--token-file", 5, |pipe| osbs("", &["--token-file", word(pipe)])),
    ("tokenFile in a kubeconfig", 5, |pipe| kubeconfig("", &format!("tokenFile: '{}'", pipe.display()))),
    ("certificate-authority in a kubeconfig", 1, |pipe| {
        kubeconfig(&format!(", certificate-authority: '{}'", pipe.display()), "token: x")
    }),
    ("client-certificate in a kubeconfig", 5, |pipe| {
        let path = pipe.display();
        kubeconfig("", &format!("client-certificate: '{path}', client-key: '{path}'"))
    }),
    ("the kubeconfig", 1, osbs_without_server),
    ("ca_file in osbs.conf", 1, |pipe| osbs(&format!("token = x\nca_file = {}\n", pipe.display()), &[])),
    ("client_cert in osbs.conf", 5, |pipe| {
        osbs(&format!("client_cert = {0}\nclient_key = {0}\n", pipe.display()), &[])
    }),
    ("the template of a PipelineRun", 1, |pipe| osbs_with_token(&["--pipeline-run", word(pipe)])),
    ("--osbs-config", 1, |pipe| osbs_with_token(&["--osbs-config", word(pipe)])),
    ("the tool's configuration", 1, |pipe| koji("", &[&["-C", word(pipe)], BUILD].concat())),
    ("serverca in a Koji profile", 1, |pipe| koji(&format!("serverca = {}\n", pipe.display()), BUILD)),
    ("cert in a Koji profile", 5, |pipe| koji(&format!("cert = {}\n", pipe.display()), BUILD)),
];

#[test]
fn a_pipe_that_is_named_as_a_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    hold_all(2, NAMED.iter(), |(what, code, provoke)| {
        let run = provoke(&pipe);
        let is_told = run.stderr.contains("is not a regular file") && run.stderr.contains(word(&pipe));
        let is_right = run.status == Some(*code) && is_told;
        (!is_right).then(|| format!("{what}: {:?} and not {code}\n{run}", run.status))
    });
}

#[test]
fn that_there_is_no_file_may_be_said_with_the_null_device() {
    let mut world = World::new();
    world.sandbox.set_variable("OSBS_CONFIG", "/dev/null");
    world.sandbox.set_variable("KUBECONFIG", "/dev/null");
    world.clone();
    let run = world.run(&["--user-config", "/dev/null", "container-build", "--nowait"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(world.hub.tasks().len(), 1);
}

fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn koji(profile: &str, arguments: &[&str]) -> Finished {
    let world = World::new();
    write_profile(&world.sandbox, &world.hub, "");
    let known = std::fs::read_to_string(world.sandbox.home().join(".koji/config")).unwrap();
    let known = if profile.starts_with("cert") { known.replace("= password", "= ssl") } else { known };
    world.sandbox.write("home/.koji/config", &(known + profile));
    world.clone();
    world.run(arguments)
}

/// A build with a template and nobody in particular, and more lines in osbs.conf.
fn osbs(more: &str, arguments: &[&str]) -> Finished {
    let world = OsbsWorld::new();
    world.clone();
    world.configure(&format!("pipeline_run_path = {}\n{more}", template(&world.sandbox)));
    world.build(arguments)
}

fn osbs_with_token(arguments: &[&str]) -> Finished {
    let world = OsbsWorld::new();
    world.clone();
    world.build(arguments)
}

fn template(sandbox: &Sandbox) -> String {
    sandbox.root().join("etc/template.yaml").display().to_string()
}

/// A build with what a kubeconfig says of the cluster and of its user.
fn kubeconfig(cluster: &str, user: &str) -> Finished {
    let world = OsbsWorld::new();
    world.clone();
    world.configure(&format!("pipeline_run_path = {}\n", template(&world.sandbox)));
    let text = format!(
        "current-context: c\nclusters:\n- name: k\n  cluster: {{server: '{}'{cluster}}}\ncontexts:\n- name: c\n  \
         context: {{cluster: k, user: u}}\nusers:\n- name: u\n  user: {{{user}}}\n",
        world.server.url()
    );
    world.sandbox.write("home/.kube/config", &text);
    world.build(&[])
}

/// A build whose server only a kubeconfig could name.
fn osbs_without_server(pipe: &Path) -> Finished {
    let mut world = OsbsWorld::new();
    world.sandbox.set_variable("KUBECONFIG", word(pipe));
    world.clone();
    world.sandbox.write("home/.config/osbs.conf", "[default_binary]\n");
    world.build(&[])
}
