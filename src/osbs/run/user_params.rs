//! `user_params`: what OSBS is told about a build, as osbs-client computes it (`user_params.BuildUserParams`).
//!
//! Keys are sorted, and what is empty is left out, as there. The values come from the request and from what the checks read in the
//! checkout: nothing is cloned again. Unlike there, the commit is sent as its hash, and `additional_tags` in a steady order.
//!
//! Which options exclude or need each other is not looked at here: [`crate::request::check`] refuses what osbs-client would.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::naming::{self, Kind, Postfix};
use crate::error::{Error, ErrorKind};
use crate::request::check::FileReport;
use crate::request::{Artifact, BuildRequest};

/// What a site and a user add to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The first part of the image's name.
    pub user: String,
    /// The ConfigMap of atomic-reactor's configuration, for this kind of build.
    pub reactor_config_map: Option<String>,
    /// Seconds where container.yaml does not say.
    pub default_buildtime_limit: u64,
    /// The most seconds that container.yaml may ask for.
    pub max_buildtime_limit: u64,
}

/// Why there are no parameters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UserParamsError {
    /// container.yaml wants more time than there is (osbs-client's words).
    #[error("Build limit cannot be more than {most} and is set to {wanted}")]
    BuildLimit {
        /// The most seconds.
        most: u64,
        /// What container.yaml says.
        wanted: u64,
    },
    /// Without it there is no name for the image.
    #[error("required label missing from Dockerfile: com.redhat.component")]
    NoComponent,
}

impl From<UserParamsError> for Error {
    fn from(error: UserParamsError) -> Self {
        let hint = match &error {
            UserParamsError::BuildLimit { most, .. } => {
                format!("set buildtime_limit in container.yaml to {most} or less")
            }
            UserParamsError::NoComponent => "add LABEL com.redhat.component=NAME to the last stage".to_owned(),
        };
        Error::new(ErrorKind::Refused, error).hint(hint)
    }
}

/// The name and the parameters of a build.
#[derive(Debug, Clone, PartialEq)]
pub struct UserParams {
    /// The run's name.
    pub run: String,
    /// The parameters.
    pub values: Map<String, Value>,
    /// How long the run may take, in seconds.
    pub buildtime_limit: u64,
}

/// Puts the parameters together.
///
/// # Errors
/// When the checkout does not say enough, or wants too much.
pub fn user_params(
    request: &BuildRequest,
    files: &FileReport,
    settings: &Settings,
    postfix: &Postfix,
) -> Result<UserParams, UserParamsError> {
    let options = &request.options;
    let component = files.nvr.component.clone().ok_or(UserParamsError::NoComponent)?;
    let buildtime_limit = buildtime_limit(files.buildtime_limit, settings)?;
    let kind = match (options.isolated, options.scratch) {
        (true, _) => Kind::Isolated,
        (false, true) => Kind::Scratch,
        (false, false) => Kind::Regular,
    };
    let git_uri = git_uri(&request.source);
    let name = |kind| naming::run_name(kind, git_uri, &request.git_branch, postfix);
    let target = Some(request.target.as_str()).filter(|target| !target.is_empty());
    let values = json!({
        "additional_tags": files.additional_tags,
        "base_image": files.base_images.last(),
        "component": component,
        "compose_ids": options.compose_ids,
        "dependency_replacements": options.dependency_replacements,
        "flatpak": request.artifact == Artifact::Flatpak,
        "git_branch": request.git_branch,
        // What osbs-client's arithmetic comes to in every full clone.
        "git_commit_depth": 1,
        "git_ref": request.commit,
        "git_uri": git_uri,
        "image_tag": naming::image_tag(&settings.user, &component, target, postfix),
        "isolated": options.isolated,
        "kind": "build_user_params",
        "koji_parent_build": options.koji_parent_build,
        "koji_target": target,
        // Even where the run is called after its kind.
        "name": name(Kind::Regular),
        "operator_csv_modifications_url": options.operator_csv_modifications_url,
        "platforms": options.arches,
        "reactor_config_map": settings.reactor_config_map,
        "release": options.release,
        "scratch": options.scratch,
        "signing_intent": options.signing_intent,
        "tags_from_yaml": files.tags_from_yaml,
        "user": settings.user,
        "userdata": options.userdata,
        "yum_repourls": options.yum_repourls,
    });
    let Value::Object(all) = values else { return Err(UserParamsError::NoComponent) };
    let values = all.into_iter().filter(|(_, value)| !is_empty(value)).collect();
    Ok(UserParams { run: name(kind), values, buildtime_limit })
}

/// What git clones: the source without the commit, and without the `git+` that only Koji understands (`My_SCM.get_git_uri` of
/// koji-containerbuild).
fn git_uri(source: &str) -> &str {
    let source = source.strip_prefix("git+").unwrap_or(source);
    source.split(['?', '#']).next().unwrap_or_default()
}

fn buildtime_limit(wanted: Option<u64>, settings: &Settings) -> Result<u64, UserParamsError> {
    match wanted.filter(|wanted| *wanted > 0) {
        None => Ok(settings.default_buildtime_limit),
        Some(wanted) if wanted > settings.max_buildtime_limit => {
            Err(UserParamsError::BuildLimit { most: settings.max_buildtime_limit, wanted })
        }
        Some(wanted) => Ok(wanted),
    }
}

/// What Python takes for false.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// The parameters as JSON that survives its way to the tasks: it stands in a field in which Tekton replaces variables, and then in
/// single quotes in shell scripts. What would begin a variable or end the quotes is written as an escape.
///
/// Otherwise it is the text of Python's `json.dumps(…, sort_keys=True)`, all ASCII: the tasks' locale need not be UTF-8.
pub fn embed(values: &Map<String, Value>) -> String {
    let mut json = String::new();
    write_object(values, &mut json);
    json
}

fn write_value(value: &Value, json: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => json.push_str(&value.to_string()),
        Value::String(text) => write_text(text, json),
        Value::Array(items) => {
            json.push('[');
            for (at, item) in items.iter().enumerate() {
                json.push_str(if at == 0 { "" } else { ", " });
                write_value(item, json);
            }
            json.push(']');
        }
        Value::Object(fields) => write_object(fields, json),
    }
}

fn write_object(fields: &Map<String, Value>, json: &mut String) {
    let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
    json.push('{');
    for (at, (key, value)) in sorted.into_iter().enumerate() {
        json.push_str(if at == 0 { "" } else { ", " });
        write_text(key, json);
        json.push_str(": ");
        write_value(value, json);
    }
    json.push('}');
}

fn write_text(text: &str, json: &mut String) {
    let quoted = Value::from(text).to_string();
    let mut letters = quoted.chars().peekable();
    while let Some(letter) = letters.next() {
        let begins_variable = letter == '$' && letters.peek() == Some(&'(');
        if letter.is_ascii() && letter != '\'' && !begins_variable {
            json.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            json.push_str(&format!("\\u{unit:04x}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use proptest::prelude::*;

    use super::*;
    use crate::request::BuildOptions;
    use crate::request::nvr::PartialNvr;

    fn request(options: BuildOptions) -> BuildRequest {
        BuildRequest {
            artifact: Artifact::Container,
            source: "https://src.example.test/containers/hello.git#0123".into(),
            target: "candidate".into(),
            namespace: Some("containers".into()),
            repo_name: "hello".into(),
            git_branch: "main".into(),
            commit: "0123".into(),
            options,
            priority: None,
            channel: None,
        }
    }

    fn files() -> FileReport {
        FileReport {
            base_images: vec!["builder".into(), "registry.example.test/fedora:41".into()],
            nvr: PartialNvr { component: Some("hello-container".into()), ..PartialNvr::default() },
            ..FileReport::default()
        }
    }

    fn settings() -> Settings {
        Settings {
            user: "osbs".into(),
            reactor_config_map: Some("reactor-config-map".into()),
            default_buildtime_limit: 10_800,
            max_buildtime_limit: 21_600,
        }
    }

    fn params(options: BuildOptions, files: &FileReport) -> Result<UserParams, UserParamsError> {
        user_params(&request(options), files, &settings(), &postfix())
    }

    fn postfix() -> Postfix {
        Postfix { number: 23186, at: "2026-11-23T11:54:06Z".parse().unwrap() }
    }

    /// As osbs-client 2.8.0 sent it, but for the random number of the image's tag and the commit.
    #[test]
    fn parameters_are_those_that_osbs_client_sent() {
        let params = params(BuildOptions::default(), &files()).unwrap();
        let expected = r#"{"base_image": "registry.example.test/fedora:41", "component": "hello-container", "git_branch": "main", "git_commit_depth": 1, "git_ref": "0123", "git_uri": "https://src.example.test/containers/hello.git", "image_tag": "osbs/hello-container:candidate-23186-20261123115406", "kind": "build_user_params", "koji_target": "candidate", "name": "hello-main-521e323186-20261123115406", "reactor_config_map": "reactor-config-map", "user": "osbs"}"#;
        assert_eq!(embed(&params.values), expected);
        assert_eq!((params.run.as_str(), params.buildtime_limit), ("hello-main-521e323186-20261123115406", 10_800));
    }

    #[test]
    fn git_is_given_what_it_can_clone() {
        for (source, uri) in [
            ("git+https://src.example.test/containers/hello.git#0123", "https://src.example.test/containers/hello.git"),
            ("https://src.example.test/containers/hello?sub/folder#0123", "https://src.example.test/containers/hello"),
            ("git://src.example.test/hello", "git://src.example.test/hello"),
        ] {
            assert_eq!(git_uri(source), uri);
        }
    }

    #[test]
    fn everything_that_was_asked_for_is_sent() {
        let userdata = json!({"ticket": "EX-12"}).as_object().cloned();
        let options = BuildOptions {
            isolated: true,
            release: Some("2.1".into()),
            koji_parent_build: Some("fedora-41-1".into()),
            signing_intent: Some("release".into()),
            dependency_replacements: vec!["gomod:a:v1".into()],
            operator_csv_modifications_url: Some("https://h/csv.json".into()),
            userdata,
            ..BuildOptions::default()
        };
        let files = FileReport { additional_tags: vec!["edge".into()], tags_from_yaml: true, ..files() };
        let request = BuildRequest { artifact: Artifact::Flatpak, target: String::new(), ..request(options) };
        let params = user_params(&request, &files, &settings(), &postfix()).unwrap();
        assert_eq!(params.run, "isolated-23186-20261123115406");
        let expected = json!({
            "additional_tags": ["edge"], "base_image": "registry.example.test/fedora:41", "component": "hello-container",
            "dependency_replacements": ["gomod:a:v1"], "flatpak": true, "git_branch": "main", "git_commit_depth": 1,
            "git_ref": "0123", "git_uri": "https://src.example.test/containers/hello.git",
            "image_tag": "osbs/hello-container:none-23186-20261123115406", "isolated": true, "kind": "build_user_params",
            "koji_parent_build": "fedora-41-1", "name": "hello-main-521e323186-20261123115406",
            "operator_csv_modifications_url": "https://h/csv.json", "reactor_config_map": "reactor-config-map",
            "release": "2.1", "signing_intent": "release", "tags_from_yaml": true, "user": "osbs",
            "userdata": {"ticket": "EX-12"},
        });
        assert_eq!(Value::Object(params.values), expected);
    }

    #[test]
    fn options_are_sent_when_they_were_given() {
        let options = BuildOptions {
            scratch: true,
            arches: vec!["x86_64".into()],
            compose_ids: vec![7],
            yum_repourls: vec!["https://r/x.repo".into()],
            ..BuildOptions::default()
        };
        let params = params(options, &files()).unwrap();
        assert_eq!(params.run, "scratch-23186-20261123115406");
        assert_eq!(params.values["name"], "hello-main-521e323186-20261123115406");
        let values = Value::Object(params.values);
        assert_eq!(values["scratch"], true);
        assert_eq!(values["platforms"], json!(["x86_64"]));
        assert_eq!((&values["compose_ids"], &values["yum_repourls"]), (&json!([7]), &json!(["https://r/x.repo"])));
        assert_eq!(values.get("isolated"), None);
        assert_eq!(values.get("release"), None);
    }

    #[test]
    fn the_time_limit_has_a_default_and_an_end() {
        let of = |seconds| params(BuildOptions::default(), &FileReport { buildtime_limit: seconds, ..files() });
        assert_eq!(of(Some(0)).unwrap().buildtime_limit, 10_800);
        assert_eq!(of(Some(60)).unwrap().buildtime_limit, 60);
        let error = of(Some(99_999)).unwrap_err().to_string();
        assert_eq!(error, "Build limit cannot be more than 21600 and is set to 99999");
    }

    #[test]
    fn without_a_component_there_is_no_name() {
        let nameless = FileReport::default();
        let error = params(BuildOptions::default(), &nameless).unwrap_err();
        assert_eq!(error.to_string(), "required label missing from Dockerfile: com.redhat.component");
    }

    #[test]
    fn what_would_break_out_is_escaped_and_the_rest_is_pythons() {
        let userdata =
            json!({"b": "it's $(x) $$(y) $z (", "a": ["é😀", "\"\\\n\u{7f}", 1.5, -7, null, false, [], {}], "$('": {}});
        let Value::Object(userdata) = userdata else { panic!() };
        let expected = r#"{"\u0024(\u0027": {}, "a": ["\u00e9\ud83d\ude00", "\"\\\n~", 1.5, -7, null, false, [], {}], "b": "it\u0027s \u0024(x) $\u0024(y) $z ("}"#;
        assert_eq!(embed(&userdata), expected.replace('~', "\u{7f}"));
    }

    /// Any JSON of two levels, with what is dangerous more often than chance would have it.
    fn values() -> impl Strategy<Value = Map<String, Value>> {
        let text = prop_oneof![any::<String>(), r"[$('{}\\)é\x00-\x20]{0,12}"];
        let leaf = prop_oneof![text.clone().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
        let list = prop::collection::vec(leaf.clone(), 0..3).prop_map(Value::from);
        prop::collection::vec((text, prop_oneof![leaf, list]), 0..6).prop_map(|pairs| pairs.into_iter().collect())
    }

    proptest! {
        #[test]
        fn embedded_parameters_mean_the_same_and_break_out_of_nothing(values in values()) {
            let embedded = embed(&values);
            prop_assert!(!embedded.contains('\'') && !embedded.contains("$(") && embedded.is_ascii(), "{}", embedded);
            prop_assert_eq!(serde_json::from_str::<Map<String, Value>>(&embedded).unwrap(), values);
        }
    }
}
