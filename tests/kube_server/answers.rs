//! Answers, word by word as a real server (kube-apiserver 1.36 with Tekton Pipelines) gave them.

use serde_json::{Value as Json, json};

use crate::support::kube_api::{Collection, KubeApi, OAuth, Options, TOKEN, Trick};

/// A request of a client that adds nothing of its own.
fn ask(server: &KubeApi, method: &str, path: &str, token: Option<&str>, body: Option<(&str, &str)>) -> (u16, Json) {
    let mut headers = Vec::new();
    headers.extend(token.map(|token| ("authorization", token)));
    headers.extend(body.map(|(media_type, _)| ("content-type", media_type)));
    let (status, _, text) = send(server, method, path, &headers, body.map(|(_, body)| body));
    (status, serde_json::from_str(&text).unwrap_or_else(|_| json!(text)))
}

/// Status, headers (`NAME: VALUE`) and text of an answer.
fn send(
    server: &KubeApi,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> (u16, Vec<String>, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let mut request = client.request(method.parse().unwrap(), format!("{}{path}", server.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let headers = answer.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let headers = headers.collect();
        (answer.status().as_u16(), headers, answer.text().await.unwrap())
    })
}

const RUNS: &str = "/apis/tekton.dev/v1beta1/namespaces/osbs/pipelineruns";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

/// A run with a name, and more fields of its spec.
fn run(name: &str, more: &str) -> String {
    format!(r#"{{"metadata": {{"name": "{name}"}}, "spec": {{"pipelineRef": {{"name": "p"}}{more}}}}}"#)
}

/// `Bearer` and the good token.
fn good() -> String {
    format!("Bearer {TOKEN}")
}

#[test]
fn refusals_have_the_words_of_a_real_server() {
    let server = KubeApi::start();
    let good = good();
    let good = Some(good.as_str());
    let failure = |code: u16, reason: &str, message: &str, details: Json| {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                                "reason": reason, "code": code});
        if !details.is_null() {
            status["details"] = details;
        }
        (code, status)
    };
    let hook = "admission webhook \"validation.webhook.pipeline.tekton.dev\" denied the request: validation failed: ";
    ask(&server, "POST", RUNS, good, Some((JSON, &run("there", ""))));
    let there = format!("{RUNS}/there");
    let of_run = |name: &str| json!({"name": name, "group": "tekton.dev", "kind": "pipelineruns"});
    let post = |body: &str| ask(&server, "POST", RUNS, good, Some((JSON, body)));
    for (answer, expected) in [
        (
            ask(&server, "GET", &format!("{RUNS}/nope"), good, None),
            failure(404, "NotFound", "pipelineruns.tekton.dev \"nope\" not found", of_run("nope")),
        ),
        (
            ask(&server, "GET", "/api/v1/namespaces/osbs/pods/nope/log?container=x", good, None),
            failure(404, "NotFound", "pods \"nope\" not found", json!({"name": "nope", "kind": "pods"})),
        ),
        (
            ask(&server, "GET", RUNS, Some("Bearer stale"), None),
            failure(401, "Unauthorized", "Unauthorized", Json::Null),
        ),
        (
            ask(&server, "GET", RUNS, None, None),
            failure(
                403,
                "Forbidden",
                "pipelineruns.tekton.dev is forbidden: User \"system:anonymous\" cannot list resource \
             \"pipelineruns\" in API group \"tekton.dev\" in the namespace \"osbs\"",
                json!({"group": "tekton.dev", "kind": "pipelineruns"}),
            ),
        ),
        (
            post(&run("there", "")),
            failure(409, "AlreadyExists", "pipelineruns.tekton.dev \"there\" already exists", of_run("there")),
        ),
        (
            ask(
                &server,
                "PATCH",
                &there,
                good,
                Some((MERGE, r#"{"metadata": {"resourceVersion": "1"}, "spec": {"status": "Cancelled"}}"#)),
            ),
            failure(
                409,
                "Conflict",
                "Operation cannot be fulfilled on pipelineruns.tekton.dev \"there\": the object has been modified; \
             please apply your changes to the latest version and try again",
                of_run("there"),
            ),
        ),
        (
            ask(&server, "PATCH", &there, good, Some((JSON, "{}"))),
            failure(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                Json::Null,
            ),
        ),
        (
            ask(&server, "POST", RUNS, good, Some(("text/plain", "a: 1"))),
            failure(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: \
             application/json, application/yaml, application/vnd.kubernetes.protobuf",
                Json::Null,
            ),
        ),
        (
            post(r#"{"apiVersion": "tekton.dev/v1beta1", "kind":"#),
            failure(
                400,
                "BadRequest",
                "the object provided is unrecognized (must be of type PipelineRun): couldn't get version/kind; \
             json parse error: unexpected end of JSON input ({\"apiVersion\": \"tekton.dev/v1b ...)",
                Json::Null,
            ),
        ),
        (
            post(r#"{"metadata": {"name": "x"}, "spec": {}}"#),
            failure(
                400,
                "BadRequest",
                &format!("{hook}expected exactly one, got neither: spec.pipelineRef, spec.pipelineSpec"),
                Json::Null,
            ),
        ),
        (
            post(&run("x", r#", "workspaces": [{"name": "w", "configmap": {"name": "c"}}]"#)),
            failure(
                400,
                "BadRequest",
                &format!(
                    "{hook}expected exactly one, got neither: spec.workspaces[0].configmap, \
             spec.workspaces[0].emptydir, spec.workspaces[0].persistentvolumeclaim, spec.workspaces[0].secret, \
             spec.workspaces[0].volumeclaimtemplate"
                ),
                Json::Null,
            ),
        ),
        (
            post(&run("x", r#", "params": "notalist""#)),
            failure(
                400,
                "BadRequest",
                "admission webhook \"webhook.pipeline.tekton.dev\" denied the request: mutation failed: cannot \
             decode incoming new object: json: cannot unmarshal string into Go struct field PipelineRunSpec.spec.params of type \
             v1beta1.Params",
                Json::Null,
            ),
        ),
        (
            post(r#"{"metadata": {"name": "x", "namespace": "default"}, "spec": {"pipelineRef": {"name": "p"}}}"#),
            failure(
                400,
                "BadRequest",
                "the namespace of the provided object does not match the namespace sent on the request",
                Json::Null,
            ),
        ),
        (
            ask(
                &server,
                "POST",
                &format!("{RUNS}?fieldValidation=Strict"),
                good,
                Some((
                    JSON,
                    r#"{"bogusTopLevel": 1, "metadata": {"name": "x"}, "spec": {"pipelineRef": {"name": "p"}}}"#,
                )),
            ),
            failure(
                400,
                "BadRequest",
                "PipelineRun in version \"v1beta1\" cannot be handled as a PipelineRun: strict decoding error: \
             unknown field \"bogusTopLevel\"",
                Json::Null,
            ),
        ),
        (ask(&server, "GET", "/nosuchpath", good, None), (404, json!("404 page not found\n"))),
        (
            ask(&server, "GET", "/apis/tekton.dev/v2/namespaces/osbs/pipelineruns", good, None),
            (404, json!("404 page not found\n")),
        ),
    ] {
        assert_eq!(answer, expected);
    }
    assert_eq!(server.requests("POST ").last().unwrap().header("content-type"), Some(JSON));
}

#[test]
fn a_run_that_is_over_takes_no_other_wish() {
    let server = KubeApi::start();
    let good = good();
    let patch = |status: &str| {
        let body = format!(r#"{{"spec": {{"status": "{status}"}}}}"#);
        ask(&server, "PATCH", &format!("{RUNS}/there"), Some(&good), Some((MERGE, &body)))
    };
    ask(&server, "POST", RUNS, Some(&good), Some((JSON, &run("there", ""))));
    let run = server.await_run();
    assert_eq!(patch("CancelledRunFinally").0, 200);
    run.start(&["clone"], &["binary-container-exit"]);
    run.cancelled();
    assert_eq!(patch("CancelledRunFinally").0, 200);
    let (status, answer) = patch("Bogus");
    let message = "admission webhook \"validation.webhook.pipeline.tekton.dev\" denied the request: validation failed: invalid value: \
        Bogus should be Cancelled, CancelledRunFinally, StoppedRunFinally or PipelineRunPending: spec.status\ninvalid value: Once the \
        PipelineRun is complete, no updates are allowed: spec";
    assert_eq!((status, answer["message"].as_str()), (400, Some(message)));
}

#[test]
fn only_the_versions_that_are_wanted_are_served() {
    for (versions, old, new) in [(vec!["v1", "v1beta1"], 200, 200), (vec!["v1beta1"], 200, 404), (vec!["v1"], 404, 200)]
    {
        let server = KubeApi::with(Options { versions: Some(versions.clone()), ..Options::default() });
        let get = |path: &str| ask(&server, "GET", path, Some(&good()), None);
        assert_eq!(get(RUNS).0, old, "{versions:?}");
        assert_eq!(get(&RUNS.replace("v1beta1", "v1")).0, new, "{versions:?}");
        let (_, group) = get("/apis/tekton.dev");
        assert_eq!(group["preferredVersion"]["version"], json!(versions[0]));
    }
}

#[test]
fn tricks_meet_the_requests_they_are_for() {
    let server = KubeApi::start();
    let get = |path: &str| ask(&server, "GET", path, Some(&good()), None).0;
    server.trick_after("GET /version", 1, Trick::Status(503, "later".into()));
    server.trick("GET /version?b", Trick::Page);
    assert_eq!([get("/version"), get("/api"), get("/version"), get("/version")], [200, 200, 503, 200]);
    let (status, _, page) = send(&server, "GET", "/version?b", &[], None);
    assert!(status == 200 && page.starts_with("<html>"), "{page}");
}

#[test]
fn pages_of_a_forgotten_version_are_refused_and_can_be_gone_on_with() {
    let server = KubeApi::start();
    for name in ["a", "b", "c"] {
        let run = json!({"kind": "PipelineRun", "metadata": {"name": name}, "spec": {}});
        server.put(&Collection::new("tekton.dev", "pipelineruns"), run);
    }
    let list = |query: &str| ask(&server, "GET", &format!("{RUNS}?limit=1{query}"), Some(&good()), None);
    let token = |list: &Json| list["metadata"]["continue"].as_str().unwrap().to_owned();
    let (_, first) = list("");
    assert_eq!(
        (&first["items"][0]["metadata"]["name"], &first["metadata"]["remainingItemCount"]),
        (&json!("a"), &json!(2))
    );
    server.compact();
    let (status, gone) = list(&format!("&continue={}", token(&first)));
    assert_eq!((status, &gone["reason"]), (410, &json!("Expired")));
    let (status, second) = list(&format!("&continue={}", token(&gone)));
    assert_eq!((status, &second["items"][0]["metadata"]["name"]), (200, &json!("b")));
    let (status, late) = list("&resourceVersion=999999999&resourceVersionMatch=NotOlderThan");
    assert_eq!((status, &late["details"]["causes"][0]["reason"]), (504, &json!("ResourceVersionTooLarge")));
}

#[test]
fn tokens_are_given_out_as_openshift_challenges_for_them() {
    let oauth = OAuth {
        user: "osbs".into(),
        password: "osbs-password".into(),
        token: "sha256~new".into(),
        endpoint: None,
        error: None,
    };
    let server = KubeApi::with(Options { oauth: Some(oauth), ..Options::default() });
    let path = "/oauth/authorize?response_type=token&client_id=openshift-challenging-client";
    let csrf = ("x-csrf-token", "1");
    let (right, wrong) =
        (("authorization", "Basic b3Niczpvc2JzLXBhc3N3b3Jk"), ("authorization", "Basic b3Niczp3cm9uZw=="));
    let warning =
        "warning: 199 Origin \"A non-empty X-CSRF-Token header is required to receive basic-auth challenges\"";
    let location = format!(
        "location: {}/oauth/token/implicit#access_token=sha256~new&expires_in=86400&scope=user%3Afull&token_type=Bearer",
        server.url()
    );
    let new = || ask(&server, "GET", RUNS, Some("Bearer sha256~new"), None).0;
    assert_eq!(new(), 401, "a token that was not given out");
    for (headers, status, header) in [
        (&[][..], 401, warning),
        (&[csrf], 401, "www-authenticate: Basic realm=\"openshift\""),
        (&[csrf, wrong], 401, "www-authenticate: Negotiate"),
        (&[csrf, right], 302, &location),
        (&[right], 302, &location),
    ] {
        let (given, answered, _) = send(&server, "GET", path, headers, None);
        assert_eq!(given, status, "{headers:?}");
        assert!(answered.iter().any(|line| line == header), "{headers:?}: {answered:?}");
    }
    assert_eq!(new(), 200, "the token that was given out");
    let (status, refusal) = ask(&server, "GET", &path.replace("challenging", "other"), None, None);
    assert_eq!((status, &refusal["error"]), (400, &json!("unauthorized_client")));
}

#[test]
fn fields_that_are_not_known_are_left_out_with_a_warning() {
    let server = KubeApi::start();
    let token = good();
    let headers = [("authorization", token.as_str()), ("content-type", JSON)];
    let body = r#"{"bogusTopLevel": 1, "metadata": {"generateName": "gen-"}, "spec": {"pipelineRef": {"name": "p"}}}"#;
    let (status, answered, created) = send(&server, "POST", RUNS, &headers, Some(body));
    let created: Json = serde_json::from_str(&created).unwrap();
    assert_eq!(status, 201);
    assert!(answered.contains(&"warning: 299 - \"unknown field \\\"bogusTopLevel\\\"\"".to_owned()), "{answered:?}");
    assert!(created["metadata"]["name"].as_str().unwrap().starts_with("gen-") && created["bogusTopLevel"].is_null());
    let (status, _, _) = send(&server, "POST", &format!("{RUNS}?dryRun=All"), &headers, Some(&run("dry", "")));
    assert_eq!(status, 201);
    assert_eq!(ask(&server, "GET", &format!("{RUNS}/dry"), Some(&token), None).0, 404, "a rehearsal creates nothing");
}
