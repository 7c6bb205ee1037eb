//! Others' clients.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::kube_api::play::Play;
use crate::support::kube_api::{Collection, KubeApi, Options, TOKEN};
use crate::support::peers;

/// What the Python client was told in a scenario; `None` where there is no such client.
fn python(server: &KubeApi, scenario: &str, argument: &str) -> Option<Json> {
    let python = peers::python()?;
    let has_client =
        Command::new(&python).args(["-c", "import kubernetes"]).output().is_ok_and(|run| run.status.success());
    if !has_client {
        // Says that it is missing, or fails where nothing is skipped.
        peers::present(Path::new("the Python package kubernetes"));
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/kube_peer.py");
    let mut command = Command::new(python);
    command.arg(script).args([scenario, &server.url(), TOKEN]);
    if !argument.is_empty() {
        command.arg(argument);
    }
    let run = command.output().expect("Python runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    Some(serde_json::from_slice(&run.stdout).expect("JSON"))
}

#[test]
fn pythons_client_creates_reads_changes_and_deletes_objects() {
    let server = KubeApi::start();
    let Some(told) = python(&server, "objects", "") else { return };
    assert_eq!(told["created"], json!([1, "3h0m0s"]));
    assert_eq!(told["old version"], json!(["tekton.dev/v1beta1", "default"]));
    assert_eq!(told["all"], json!(["one", "three", "two"]));
    assert_eq!(told["by label"], json!(["three", "two"]));
    assert_eq!(told["by field"], json!(["two"]));
    assert_eq!(told["pages"], json!([["one", "three"], ["two"]]));
    assert_eq!(told["patched"], json!([2, "CancelledRunFinally"]));
    assert_eq!(told["deleted"], json!(["Success", ["one", "three"]]));
    let refusals: Vec<String> = told["refused"].as_array().unwrap().iter().map(ToString::to_string).collect();
    for (refusal, expected) in refusals.iter().zip([
        r#"[409,"AlreadyExists","pipelineruns.tekton.dev \"one\" already exists"]"#,
        r#"[422,"Invalid","PipelineRun.tekton.dev \"Bad_Name\" is invalid: metadata.name: Invalid value"#,
        r#"[400,"BadRequest","admission webhook \"validation.webhook.pipeline.tekton.dev\" denied"#,
        r#"[409,"Conflict","Operation cannot be fulfilled on pipelineruns.tekton.dev \"one\": the object has been modified"#,
        r#"[400,"BadRequest","admission webhook \"validation.webhook.pipeline.tekton.dev\" denied"#,
        r#"[404,"NotFound","pipelineruns.tekton.dev \"four\" not found"]"#,
        r#"[403,"Forbidden","pipelineruns.tekton.dev is forbidden: User \"packager\" cannot list"#,
        r#"[404,null,"404 page not found"]"#,
        r#"[400,"BadRequest","found ',', expected: identifier after ','"]"#,
    ]) {
        assert!(refusal.starts_with(expected), "{refusal}\n{expected}");
    }
    assert_eq!(refusals.len(), 9);
}

#[test]
fn pythons_client_watches_a_played_build_and_reads_its_logs() {
    let server = KubeApi::start();
    server.play(Play { arches: vec!["x86-64", "s390x"], ..Play::default() });
    let Some(told) = python(&server, "build", "") else { return };
    let reasons = told["reasons"].as_array().unwrap();
    assert_eq!(reasons.last(), Some(&json!("Succeeded")), "{told}");
    assert!(reasons.contains(&json!("Running")), "{told}");
    let tasks = told["tasks"].as_object().unwrap();
    assert_eq!(tasks.len(), 8, "{told}");
    assert!(tasks.values().all(|reason| reason == "Succeeded"), "{told}");
    let log = &told["logs"]["played-binary-container-build-s390x-pod Succeeded"];
    assert_eq!(log.as_str().map(|log| log.lines().count()), Some(3), "{told}");
}

#[test]
fn pythons_client_is_told_that_a_version_is_too_old() {
    let server = KubeApi::start();
    server.compact();
    let Some(told) = python(&server, "expired", "2") else { return };
    assert_eq!(told[0], 410, "{told}");
    assert!(told[1].as_str().is_some_and(|reason| reason.contains("too old resource version: 2 (101)")), "{told}");
}

/// `kubectl` with a configuration that leads to a server.
struct Kubectl {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Kubectl {
    /// With a server of its own, which speaks https: to no other one kubectl shows a token.
    fn new() -> Option<(KubeApi, Kubectl)> {
        let program = peers::program("kubectl")?;
        let folder = tempfile::tempdir().expect("a folder");
        let server = KubeApi::with(Options { tls: Some(folder.path().to_owned()), ..Options::default() });
        let cluster = json!({"server": server.url(), "certificate-authority": folder.path().join("ca.crt")});
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}], "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "osbs"}}]});
        fs::write(folder.path().join("config"), config.to_string()).expect("a configuration");
        Some((server, Kubectl { program, folder }))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", self.folder.path().join("config")).env("HOME", self.folder.path());
        command.env("KUBECACHEDIR", self.folder.path().join("cache"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn try_run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).spawn().expect("kubectl starts");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("kubectl reads");
        child.wait_with_output().expect("kubectl ends")
    }

    fn run(&self, arguments: &[&str], input: &str) -> String {
        let run = self.try_run(arguments, input);
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).expect("text")
    }
}

/// A PipelineRun as a file has it.
const RUN: &str = "apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: built, labels: {team: a}}
spec: {pipelineRef: {name: binary-container-0-2}}
";

#[test]
fn kubectl_creates_lists_shows_patches_and_deletes() {
    let Some((server, kubectl)) = Kubectl::new() else { return };
    let created = kubectl.run(&["create", "--validate=false", "-f", "-"], RUN);
    assert_eq!(created, "pipelinerun.tekton.dev/built created\n");
    let again = kubectl.try_run(&["create", "--validate=false", "-f", "-"], RUN);
    assert!(String::from_utf8_lossy(&again.stderr).contains("(AlreadyExists)"), "{again:?}");
    let yaml = kubectl.run(&["get", "pr", "built", "-o", "yaml"], "");
    for line in ["  generation: 1\n", "    pipeline: 1h0m0s\n", "    name: binary-container-0-2\n", "    team: a\n"] {
        assert!(yaml.contains(line), "{line}: {yaml}");
    }
    let old = kubectl
        .run(&["get", "pipelineruns.v1beta1.tekton.dev", "built", "-o", "jsonpath={.spec.serviceAccountName}"], "");
    assert_eq!(old, "default");
    let listed = kubectl.run(&["get", "pipelineruns", "-l", "team=a", "-o", "name"], "");
    assert_eq!(listed, "pipelinerun.tekton.dev/built\n");
    assert_eq!(kubectl.run(&["get", "pipelineruns", "-l", "team=b", "-o", "name"], ""), "");
    let wish = r#"{"spec": {"status": "CancelledRunFinally"}}"#;
    kubectl.run(&["patch", "pipelinerun", "built", "--type", "merge", "-p", wish], "");
    assert_eq!(server.await_run().await_cancel(), "CancelledRunFinally");
    let deleted = kubectl.run(&["delete", "pipelinerun", "built"], "");
    assert!(deleted.starts_with("pipelinerun.tekton.dev \"built\" deleted"), "{deleted}");
    let gone = kubectl.try_run(&["get", "pipelinerun", "built"], "");
    assert!(String::from_utf8_lossy(&gone.stderr).contains("pipelineruns.tekton.dev \"built\" not found"), "{gone:?}");
    let resources = kubectl.run(&["api-resources", "--api-group=tekton.dev", "-o", "name"], "");
    assert!(resources.contains("taskruns.tekton.dev\n"), "{resources}");
}

#[test]
fn kubectl_watches_a_build_and_waits_for_its_end() {
    let Some((server, kubectl)) = Kubectl::new() else { return };
    kubectl.run(&["create", "--validate=false", "-f", "-"], RUN);
    let watch =
        kubectl.command(&["get", "pr", "--watch", "-o", "jsonpath={.status.conditions[0].reason}{'\\n'}"]).spawn();
    let mut watch = watch.expect("kubectl starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    assert_eq!(lines.next().as_deref(), Some(""), "a run without a status");
    server.play(Play { pause: Duration::from_millis(20), ..Play::default() });
    assert_eq!(lines.next().as_deref(), Some("Started"));
    assert_eq!(lines.next().as_deref(), Some("Running"));
    kubectl.run(&["wait", "pr/built", "--for=condition=Succeeded", "--timeout=20s"], "");
    assert_eq!(lines.find(|line| line != "Running").as_deref(), Some("Succeeded"));
    let tasks = kubectl.run(&["get", "taskruns", "-l", "tekton.dev/pipelineRun=built", "-o", "name"], "");
    assert_eq!(tasks.lines().count(), 7, "{tasks}");
    watch.kill().expect("kubectl is ours");
    watch.wait().expect("kubectl ends");
}

#[test]
fn kubectl_follows_a_log_to_its_end() {
    let Some((server, kubectl)) = Kubectl::new() else { return };
    kubectl.run(&["create", "--validate=false", "-f", "-"], RUN);
    let run = server.await_run();
    run.start(&["clone"], &[]);
    let task = run.pending("clone", &["clone", "check"]);
    let unknown = kubectl.try_run(&["logs", "built-clone-pod", "-c", "nothing"], "");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("container nothing is not valid"), "{unknown:?}");
    task.schedule();
    let waiting = kubectl.try_run(&["logs", "built-clone-pod", "-c", "step-clone"], "");
    let expected = "container \"step-clone\" in pod \"built-clone-pod\" is waiting to start: PodInitializing";
    assert!(String::from_utf8_lossy(&waiting.stderr).contains(expected), "{waiting:?}");
    task.run_steps();
    task.log("clone", b"one\ntwo");
    let mut logs =
        kubectl.command(&["logs", "-f", "built-clone-pod", "-c", "step-clone"]).spawn().expect("kubectl starts");
    let mut lines = BufReader::new(logs.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    assert_eq!(lines.next().as_deref(), Some("one"));
    task.log("clone", b" and a half\n");
    assert_eq!(lines.next().as_deref(), Some("two and a half"));
    task.log("clone", "Kůň".as_bytes());
    task.succeed();
    assert_eq!(lines.collect::<Vec<_>>(), ["Kůň"]);
    assert!(logs.wait().expect("kubectl ends").success());
    let tail = kubectl.run(&["logs", "built-clone-pod", "-c", "step-clone", "--tail=1", "--timestamps"], "");
    assert!(tail.ends_with("Z Kůň") && tail.lines().count() == 1, "{tail}");
}

#[test]
fn pythons_client_follows_a_log_with_times() {
    let server = KubeApi::start();
    let object = json!({"kind": "PipelineRun", "metadata": {"name": "built"}, "spec": {"pipelineRef": {"name": "p"}}});
    server.put(&Collection::new("tekton.dev", "pipelineruns"), object);
    let run = server.await_run();
    run.start(&["clone"], &[]);
    let task = run.begin("clone", &["clone"]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..50 {
                task.log("clone", format!("line {number}\n").as_bytes());
                std::thread::sleep(Duration::from_millis(10));
            }
            task.succeed();
        });
        let Some(told) = python(&server, "follow", "built-clone-pod") else { return };
        let expected: Vec<String> = (0..50).map(|number| format!("line {number}")).collect();
        assert_eq!(told, json!(expected));
    });
}
