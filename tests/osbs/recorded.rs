//! From a request and a checkout to the PipelineRun: what osbs-client posted for the same input, and what Python makes of templates.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use fedpkg_container_build::osbs::run::naming::Postfix;
use fedpkg_container_build::osbs::run::pipeline_run::{Ingredients, of_pipeline};
use fedpkg_container_build::osbs::run::template::{self, Filled, TemplateError};
use fedpkg_container_build::osbs::run::user_params::{self, Settings, UserParams};
use fedpkg_container_build::osbs::tekton::Version;
use fedpkg_container_build::request::check::{FileReport, check_files};
use fedpkg_container_build::request::{Artifact, BuildOptions, BuildRequest};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::support::peers;

const DOCKERFILE: &str = "FROM registry.example.test/fedora:41\n\
                          LABEL com.redhat.component=hello-container name=hello version=1.0\n";

/// A build that was recorded.
struct Recorded {
    run: String,
    command: Vec<String>,
    request: Value,
}

impl Recorded {
    fn all() -> Vec<Recorded> {
        let lines = data("requests.jsonl");
        let recorded = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            Recorded {
                run: line["run"].as_str().unwrap().to_owned(),
                command: serde_json::from_value(line["command"].take()).unwrap(),
                request: line["request"].take(),
            }
        };
        lines.lines().map(recorded).collect()
    }

    fn given(&self, option: &str) -> Option<&str> {
        let at = self.command.iter().position(|word| word == option)?;
        self.command.get(at + 1).map(String::as_str)
    }

    fn has(&self, flag: &str) -> bool {
        self.command.iter().any(|word| word == flag)
    }

    fn namespace(&self) -> &str {
        self.given("--namespace").unwrap_or("osbs")
    }

    fn template(&self) -> String {
        match self.run.as_str() {
            "template_rejected" => data("pipeline-run-docs-configmap.yaml"),
            "no_such_pipeline" => data("pipeline-run.yaml").replace("binary-container-0-2", "binary-container-9-9"),
            _ => data("pipeline-run.yaml"),
        }
    }

    fn params(&self) -> UserParams {
        let commit = self.given("--git-commit").unwrap();
        let request = BuildRequest {
            artifact: Artifact::Container,
            source: format!("git+{}#{commit}", self.given("-g").unwrap()),
            target: self.given("-t").unwrap().to_owned(),
            namespace: None,
            repo_name: "hello".to_owned(),
            git_branch: self.given("-b").unwrap().to_owned(),
            commit: commit.to_owned(),
            options: BuildOptions {
                scratch: self.has("--scratch"),
                isolated: self.has("--isolated"),
                release: self.given("--release").map(str::to_owned),
                ..BuildOptions::default()
            },
            priority: None,
            channel: None,
        };
        let config_map = if self.has("--scratch") { "reactor-config-map-scratch" } else { "reactor-config-map" };
        let settings = Settings {
            user: self.given("-u").unwrap().to_owned(),
            reactor_config_map: Some(config_map.to_owned()),
            default_buildtime_limit: 10_800,
            max_buildtime_limit: 21_600,
        };
        let postfix = Postfix { number: 10_000, at: "2000-01-01T00:00:00Z".parse().unwrap() };
        user_params::user_params(&request, &checkout(&request), &settings, &postfix).unwrap()
    }

    fn filled(&self, version: Version) -> Result<Filled, TemplateError> {
        let params = self.params();
        let (json, limit) = (user_params::embed(&params.values), format!("{}s", params.buildtime_limit));
        let variables = [
            ("osbs_pipeline_run_name", params.run.as_str()),
            ("osbs_namespace", self.namespace()),
            ("osbs_configmap_name", params.values["reactor_config_map"].as_str().unwrap()),
            ("osbs_user_params_json", json.as_str()),
            ("osbs_buildtime_limit", limit.as_str()),
        ];
        template::fill(&self.template(), Path::new("pipeline-run.yaml"), &variables, &params.run, version)
    }

    /// What was posted, with the time-out where today's Tekton has it.
    fn posted(&self) -> Value {
        let mut request = self.request.clone();
        let limit = request["spec"].as_object_mut().unwrap().remove("timeout").unwrap();
        request["spec"]["timeouts"] = json!({"pipeline": limit});
        request
    }
}

fn data(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/osbs");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn checkout(request: &BuildRequest) -> FileReport {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("Dockerfile"), DOCKERFILE).unwrap();
    let files = check_files(root.path(), request);
    assert_eq!(files.findings, []);
    files
}

/// Writes one number and time in place of whichever the names in a text end with: `48213-20250301101500`.
fn steady(value: &mut Value) {
    match value {
        Value::String(text) => *text = steady_text(text),
        Value::Array(items) => items.iter_mut().for_each(steady),
        Value::Object(fields) => fields.values_mut().for_each(steady),
        _ => {}
    }
}

fn steady_text(text: &str) -> String {
    const LENGTH: usize = "48213-20250301101500".len();
    let is_postfix = |postfix: &[u8]| {
        postfix.iter().enumerate().all(|(at, byte)| if at == 5 { *byte == b'-' } else { byte.is_ascii_digit() })
    };
    let mut steady = text.to_owned();
    for at in 0..text.len().saturating_sub(LENGTH - 1) {
        if is_postfix(&text.as_bytes()[at..at + LENGTH]) {
            steady.replace_range(at..at + LENGTH, "NNNNN-YYYYMMDDhhmmss");
        }
    }
    steady
}

#[test]
fn recorded_builds_are_requested_as_osbs_client_did() {
    let recorded = Recorded::all();
    assert_eq!(recorded.len(), 22);
    for build in recorded.iter().filter(|build| build.run != "template_rejected") {
        let Filled { run: mut ours, unknown } = build.filled(Version::V1Beta1).unwrap();
        let mut theirs = build.posted();
        steady(&mut ours);
        steady(&mut theirs);
        // The parameters are compared as text: each byte is as Python writes it.
        assert_eq!(ours, theirs, "{}", build.run);
        assert!(theirs["metadata"]["name"].as_str().unwrap().contains("NNNNN-YYYYMMDDhhmmss"), "{}", build.run);
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

#[test]
fn a_template_of_the_documentation_is_refused_with_the_right_name() {
    let recorded = Recorded::all();
    let build = recorded.iter().find(|build| build.run == "template_rejected").unwrap();
    let error = build.filled(Version::V1).unwrap_err().to_string();
    let expected = "workspace ws-reactor-config-map in the template pipeline-run.yaml has the field `configmap`, \
                    which Tekton does not know; it is called `configMap`";
    assert_eq!(error, expected);
}

/// What OSBS's pipeline declares.
fn pipeline() -> Value {
    let named = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<Value>>();
    let mut workspaces = named(&[
        "ws-container",
        "ws-home-dir",
        "ws-registries-secret",
        "ws-koji-secret",
        "ws-reactor-config-map",
        "ws-remote-host-auth",
        "ws-autobot-keytab",
    ]);
    workspaces.push(json!({"name": "netrc", "optional": true}));
    let params = named(&["osbs-image", "hermeto-image", "user-params"]);
    json!({"metadata": {"name": "binary-container-0-2"}, "spec": {"params": params, "workspaces": workspaces}})
}

#[test]
fn without_a_template_the_same_run_is_made_of_the_pipeline() {
    let recorded = Recorded::all();
    for build in recorded.iter().filter(|build| ["success", "scratch", "isolated"].contains(&build.run.as_str())) {
        let params = build.params();
        let images = [("osbs-image", "builder:latest"), ("hermeto-image", "hermeto:latest")];
        let image = |(name, image): (&str, &str)| (name.to_owned(), format!("registry.example.test/osbs/{image}"));
        let with = Ingredients {
            name: &params.run,
            user_params: &user_params::embed(&params.values),
            buildtime_limit: params.buildtime_limit,
            reactor_config_map: params.values["reactor_config_map"].as_str(),
            service_account: None,
            params: images.map(image).into(),
            workspaces: BTreeMap::from([("ws-container".to_owned(), "volumeClaimTemplate:100Mi".to_owned())]),
        };
        let mut ours = of_pipeline(&pipeline(), Version::V1Beta1, &with).unwrap();
        let mut theirs = build.posted();
        // The template says more of its volume than it must.
        theirs["spec"]["workspaces"][0]["volumeClaimTemplate"].as_object_mut().unwrap().remove("metadata");
        steady(&mut ours);
        steady(&mut theirs);
        assert_eq!(ours, theirs, "{}", build.run);
    }
}

/// As many values of a strategy as asked for, the same each time.
fn some<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// What Python's string.Template and json make of texts and values; `None` where there is no Python.
fn python(variables: &[(&str, &str)], texts: &[String], values: &[Value]) -> Option<Value> {
    let python = peers::python()?;
    let variables: Map<String, Value> =
        variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    let given = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&given, &json!({"variables": variables, "texts": texts, "values": values})).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/template_peer.py");
    let output = Command::new(python).arg(script).arg(given.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn variables_in_scalars_are_replaced_as_python_does() {
    let variables = [("osbs_a", "it's $osbs_b"), ("osbs_b", ""), ("a", "$$"), ("_9", "${a}")];
    let piece = prop_oneof![
        Just("$".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        prop::sample::select(vec!["osbs_a", "osbs_b", "a", "_9", "A", "Osbs_a", "ſ", "K", "é", "1", "(", " ", "\n"])
            .prop_map(str::to_owned),
        prop::sample::select(vec!["$osbs_a", "${osbs_a}", "$a", "${_9}", "$$", "${a", "$(a)"]).prop_map(str::to_owned),
    ];
    let texts = some(prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat()), 2_000);
    let Some(theirs) = python(&variables, &texts, &[]) else { return };
    // JSON is YAML.
    let template =
        json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "x"}, "texts": texts});
    let filled = template::fill(&template.to_string(), Path::new("t"), &variables, "x", Version::V1).unwrap();
    for ((text, ours), theirs) in
        texts.iter().zip(filled.run["texts"].as_array().unwrap()).zip(theirs["texts"].as_array().unwrap())
    {
        assert_eq!(ours, theirs, "{text:?}");
    }
}

#[test]
fn parameters_are_written_as_python_does_but_for_what_would_break_out() {
    let text = prop_oneof![any::<String>(), r"[$('{}\\\\)é😀\\x00-\\x20\\x7f]{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from)
    ];
    let nested = leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    let values = some(nested.prop_map(|value| json!({"userdata": value})), 500);
    let Some(theirs) = python(&[], &[], &values) else { return };
    for (value, theirs) in values.iter().zip(theirs["values"].as_array().unwrap()) {
        let ours = user_params::embed(value.as_object().unwrap());
        let escaped = theirs.as_str().unwrap().replace('\'', "\\u0027").replace("$(", "\\u0024(");
        assert_eq!(ours, escaped);
    }
}
