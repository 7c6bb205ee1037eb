//! The test hub is a hub: Koji's own client works with it, its answers have the shapes of recorded ones, and it misbehaves
//! only when told to.

mod builders;
mod imports;
mod product;
mod shapes;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value as Json, json};

use crate::support::koji_hub::xmlrpc::{HubFault, Value, parse_response, record, write_call};
use crate::support::koji_hub::{Callnum, End, Fault, Hub, HubOptions, Script, TaskState};
use crate::support::peers;

const SOURCE: &str = "git+https://127.0.0.1/container/hello#aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const TARGET: &str = "f42-container-candidate";
const PATIENCE: Duration = Duration::from_secs(20);

/// Koji's own client in a process of its own.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Option<Peer> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/koji_peer.py");
        let mut command = Command::new(peers::python()?);
        let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Some(Peer { child, input, output: BufReader::new(output) })
    }

    /// Logged in at the hub by certificate; the hub's certificates are in `folder`.
    fn logged_in(hub: &Hub, folder: &std::path::Path) -> Option<Peer> {
        let mut peer = Peer::start()?;
        let options = json!({"cert": folder.join("packager.pem"), "serverca": folder.join("ca.crt"),
                             "max_retries": 2, "retry_interval": 0});
        peer.ask(json!(["open", hub.https_url(), options]));
        assert_eq!(peer.ask(json!(["ssl_login"])), json!({"value": true}));
        Some(peer)
    }

    fn ask(&mut self, command: Json) -> Json {
        writeln!(self.input, "{command}").expect("the peer listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the peer answers");
        serde_json::from_str(&line).expect("the peer answers in JSON")
    }

    fn call(&mut self, method: &str, args: Json, named: Json) -> Json {
        self.ask(json!(["call", method, args, named]))
    }

    fn build(&mut self) -> i64 {
        let answer = self.call("buildContainer", json!([SOURCE, TARGET, {"scratch": false}]), json!({}));
        answer["value"].as_i64().unwrap_or_else(|| panic!("no task: {answer}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with_tls() -> (Hub, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    (Hub::start(HubOptions::default().tls(folder.path())), folder)
}

#[test]
fn kojis_client_logs_in_by_certificate_and_asks_many_things_at_once() {
    let (hub, folder) = with_tls();
    let Some(mut peer) = Peer::logged_in(&hub, folder.path()) else { return };
    let user = peer.call("getLoggedInUser", json!([]), json!({}));
    assert_eq!((&user["value"]["name"], &user["value"]["authtype"]), (&json!("packager"), &json!(2)));
    let calls = json!([
        ["getBuildTarget", [TARGET], {}],
        ["getTag", ["nope"], {"strict": true}],
        ["getPackageConfig", [TARGET, "hello-container"], {}],
        ["getBuild", ["x-1-1"], {}],
    ]);
    let answers = peer.ask(json!(["multicall", calls]))["value"].clone();
    assert_eq!(answers[0]["value"]["dest_tag_name"], TARGET);
    assert_eq!(answers[1], json!({"fault": 1000, "text": "No such tagInfo: 'nope'"}));
    assert_eq!(answers[2]["value"]["blocked"], false);
    assert_eq!(answers[3]["value"], Json::Null);
    let last = hub.requests().pop().expect("a request");
    assert_eq!(last.calls.len(), 4, "{last:?}");
    assert_eq!(last.header("koji-session-callnum"), Some("1"));
}

#[test]
fn kojis_client_builds_watches_and_reads_every_byte_of_the_logs() {
    let (hub, folder) = with_tls();
    let Some(mut peer) = Peer::logged_in(&hub, folder.path()) else { return };
    let arches = ["x86_64", "aarch64"].map(str::to_owned).to_vec();
    hub.script(Script { arches, steps: 5, step: Duration::from_millis(40), end: End::Close });
    let task = peer.build();
    let (mut log, deadline) = (String::new(), Instant::now() + PATIENCE);
    loop {
        assert!(Instant::now() < deadline, "the task does not end");
        let done = peer.call("taskFinished", json!([task]), json!({}))["value"] == true;
        let named = json!({"offset": log.len(), "size": 100});
        let piece = peer.call("downloadTaskOutput", json!([task, "x86_64.log"]), named);
        let piece = piece["value"].as_str().unwrap_or_default().to_owned();
        log.push_str(&piece);
        if done && piece.is_empty() {
            break;
        }
    }
    let in_hub = &hub.task(task).get().files[&("DEFAULT".to_owned(), "x86_64.log".to_owned())].bytes;
    assert_eq!(log.as_bytes(), &in_hub[..]);
    assert_eq!(log.matches(" STEP ").count(), 5, "{log}");
    let info = peer.call("getTaskInfo", json!([task]), json!({"request": true}))["value"].clone();
    assert_eq!((&info["state"], &info["host_id"], &info["request"][0]), (&json!(2), &json!(1), &json!(SOURCE)));
    let output = peer.call("listTaskOutput", json!([task]), json!({"stat": true, "all_volumes": true}));
    assert_eq!(output["value"]["x86_64.log"]["DEFAULT"]["st_size"], log.len().to_string());
    let result = peer.call("getTaskResult", json!([task]), json!({}))["value"].clone();
    assert_eq!(result["koji_builds"], json!(["1"]));
}

#[test]
fn a_task_that_failed_raises_its_own_fault_in_kojis_client() {
    let (hub, folder) = with_tls();
    let Some(mut peer) = Peer::logged_in(&hub, folder.path()) else { return };
    let task = peer.build();
    assert_eq!(hub.wait_for_task(PATIENCE), task);
    hub.task(task).open("builder7");
    hub.task(task).fail(1005, "no space left");
    let raised = peer.call("getTaskResult", json!([task]), json!({}));
    assert_eq!((&raised["fault"], &raised["text"]), (&json!(1005), &json!("no space left")));
    let told = peer.call("getTaskResult", json!([task]), json!({"raise_fault": false}));
    assert_eq!(told["value"], json!({"faultCode": 1005, "faultString": "no space left"}));
}

#[test]
fn kojis_client_cancels_its_own_tasks_only() {
    let (hub, folder) = with_tls();
    let Some(mut peer) = Peer::logged_in(&hub, folder.path()) else { return };
    let (own, other) = (peer.build(), hub.add_task("buildContainer", 2, Vec::new()));
    let child = hub.task(own).add_child("createrepo", "x86_64");
    assert_eq!(peer.call("cancelTask", json!([own]), json!({}))["value"], Json::Null);
    assert_eq!((hub.task(own).state(), child.state()), (TaskState::Canceled, TaskState::Canceled));
    assert_eq!(peer.call("getTaskResult", json!([own]), json!({}))["text"], format!("Task {own} is canceled"));
    assert_eq!(peer.call("cancelTask", json!([other.id]), json!({}))["fault"], 1004);
    assert_eq!(peer.call("cancelTask", json!([99999]), json!({}))["text"], "No such task: 99999");
    assert_eq!(other.state(), TaskState::Free);
}

#[test]
fn a_session_that_expired_is_renewed_and_one_that_is_forgotten_is_not() {
    let (hub, folder) = with_tls();
    let Some(mut peer) = Peer::logged_in(&hub, folder.path()) else { return };
    let before = peer.ask(json!(["session"]))["value"]["id"].clone();
    hub.expire_sessions();
    peer.build();
    assert_eq!(peer.ask(json!(["session"]))["value"]["id"], before, "a renewed session keeps its id");
    assert_eq!(hub.calls("sslLogin").len(), 2);
    hub.forget_sessions();
    let refused = peer.call("getLoggedInUser", json!([]), json!({}));
    assert_eq!(refused["fault"], 1002, "{refused}");
}

#[test]
fn passwords_are_checked_and_old_hubs_take_the_session_from_the_query() {
    for (old_sessions, password, accepted) in [(false, "secret", true), (true, "secret", true), (false, "x", false)] {
        let hub = Hub::start(HubOptions { old_sessions, ..HubOptions::default() });
        let Some(mut peer) = Peer::start() else { return };
        peer.ask(json!(["open", hub.url(), {"user": "packager", "password": password}]));
        let login = peer.ask(json!(["login"]));
        if !accepted {
            assert_eq!(login["fault"], 1002);
            continue;
        }
        let user = peer.call("getLoggedInUser", json!([]), json!({}));
        assert_eq!(user["value"]["name"], "packager");
        let last = hub.requests().pop().expect("a request");
        assert_eq!(last.path.contains("session-id="), old_sessions, "{}", last.path);
    }
}

async fn post(request: RequestBuilder, method: &str, params: &[Value]) -> Result<Result<Value, HubFault>, String> {
    let sent = request.body(write_call(method, params)).send().await.map_err(|error| error.to_string())?;
    let status = sent.status();
    let body = sent.bytes().await.map_err(|error| error.to_string())?;
    if status.is_success() { parse_response(&body) } else { Err(status.to_string()) }
}

/// Logs in by password and gives the session's headers.
async fn session(hub: &Hub) -> (String, String) {
    let login = post(Client::new().post(hub.url()), "login", &["packager".into(), "secret".into()]).await;
    let login = login.expect("an answer").expect("a session");
    let id = login.get("session-id").and_then(Value::as_int).expect("an id");
    (id.to_string(), login.get("session-key").and_then(Value::as_str).expect("a key").to_owned())
}

#[tokio::test]
async fn a_call_number_is_checked_where_the_hub_reads_it_and_used_up_by_changes_only() {
    let cases = [
        (Callnum::Session, "koji-session-callnum", true),
        (Callnum::Session, "koji-callnum", true),
        (Callnum::Old, "koji-callnum", true),
        (Callnum::Old, "koji-session-callnum", false),
        (Callnum::Off, "koji-callnum", false),
    ];
    for (callnum, header, checked) in cases {
        let hub = Hub::start(HubOptions { callnum, ..HubOptions::default() });
        let (id, key) = session(&hub).await;
        let request = |number: &str| {
            let request = Client::new().post(hub.url()).header("koji-session-id", &id);
            request.header("koji-session-key", &key).header(header, number)
        };
        let build = [SOURCE.into(), TARGET.into()];
        for _ in 0..2 {
            post(request("5"), "getLoggedInUser", &[]).await.expect("an answer").expect("reads may be repeated");
        }
        post(request("5"), "buildContainer", &build).await.expect("an answer").expect("a task");
        let again = post(request("5"), "buildContainer", &build).await.expect("an answer");
        let lower = post(request("3"), "getLoggedInUser", &[]).await.expect("an answer");
        let text = format!("unable to retry call 5 (method buildContainer) for session {id}");
        let expected = if checked { Some(HubFault::new(1009, text)) } else { None };
        assert_eq!(again.err(), expected, "{callnum:?} {header}");
        let expected = if checked { Some(HubFault::new(1008, format!("5 > 3 (session {id})"))) } else { None };
        assert_eq!(lower.err(), expected, "{callnum:?} {header}");
        assert_eq!(hub.tasks().len(), if checked { 1 } else { 2 }, "{callnum:?} {header}");
    }
}

#[tokio::test]
async fn every_fault_happens_as_often_as_it_was_ordered_and_executes_only_what_it_says() {
    // What the client sees of the first attempt, and whether the call was carried out.
    let cases = [
        (Fault::Status(503, "<h1>busy</h1>"), "503", false),
        (Fault::Html200, "no param", false),
        (Fault::Reset, "error sending request", false),
        (Fault::LoseAnswer, "error sending request", true),
        (Fault::CutBody, "error decoding response body", true),
        (Fault::Offline, "database outage", false),
    ];
    for (fault, seen, executed) in cases {
        let hub = Hub::start(HubOptions { callnum: Callnum::Off, ..HubOptions::default() });
        let (id, key) = session(&hub).await;
        // A client that repeats by itself would hide the fault; a fresh connection is not repeated.
        let build = async || {
            let request = Client::new().post(hub.url()).header("koji-session-id", &id);
            post(request.header("koji-session-key", &key), "buildContainer", &[SOURCE.into(), TARGET.into()]).await
        };
        hub.inject("buildContainer", fault.clone(), 1);
        let first = format!("{:?}", build().await);
        assert!(first.contains(seen), "{fault:?}: {first}");
        assert_eq!(hub.tasks().len(), usize::from(executed), "{fault:?}");
        assert!(matches!(build().await, Ok(Ok(Value::Int(_)))), "{fault:?} happens once");
    }
}

#[tokio::test]
async fn a_hub_that_stopped_listening_refuses_connections_until_it_listens_again() {
    let hub = Hub::start(HubOptions::default());
    let client = Client::new();
    let version = async || post(client.post(hub.url()), "getAPIVersion", &[]).await;
    assert_eq!(version().await, Ok(Ok(Value::Int(1))));
    hub.stop_listening();
    assert!(version().await.is_err());
    hub.listen_again();
    assert_eq!(version().await, Ok(Ok(Value::Int(1))));
}

#[tokio::test]
async fn files_are_served_whole_and_in_parts_and_not_at_all_when_switched_off() {
    let hub = Hub::start(HubOptions::default());
    let task = hub.add_task("buildContainer", 1, Vec::new());
    task.append("x86_64.log", "0123456789");
    task.append_on("fast", "x86_64.log", "fast");
    let name = format!("work/tasks/{}/{}/x86_64.log", task.id % 10000, task.id);
    let get = async |path: &str, range: Option<&str>| {
        let mut request = Client::new().get(format!("{}/{path}", hub.topurl()));
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    };
    let cases = [
        (None, 200, "0123456789"),
        (Some("bytes=2-4"), 206, "234"),
        (Some("bytes=7-"), 206, "789"),
        (Some("bytes=-3"), 206, "789"),
        (Some("bytes=8-100"), 206, "89"),
        (Some("bytes=10-"), 416, ""),
    ];
    for (range, status, body) in cases {
        assert_eq!(get(&name, range).await, (status, body.to_owned()), "{range:?}");
    }
    assert_eq!(get(&format!("vol/fast/{name}"), None).await, (200, "fast".to_owned()));
    assert_eq!(get("work/tasks/1/1/x86_64.log", None).await.0, 404);
    hub.serve_files(false);
    assert_eq!(get(&name, None).await.0, 404);
}

#[tokio::test]
async fn greenwave_answers_what_it_was_told_and_keeps_what_it_was_sent() {
    let hub = Hub::start(HubOptions::default());
    hub.greenwave_answers(400, r#"{"message": "Missing decision_context"}"#);
    let url = format!("{}/api/v1.0/validate-gating-yaml", hub.greenwave_url());
    let answer = Client::new().post(url).body("--- !Policy\n").send().await.expect("an answer");
    assert_eq!(answer.status(), 400);
    assert_eq!(hub.greenwave_bodies(), ["--- !Policy\n".as_bytes()]);
}

#[tokio::test]
async fn task_output_is_listed_in_four_shapes() {
    let hub = Hub::start(HubOptions::default());
    let task = hub.add_task("buildContainer", 1, Vec::new());
    task.append("a.log", "12345");
    task.append_on("fast", "b.log", "1");
    let cases =
        [(false, false, "array a.log"), (true, false, "st_size 5"), (false, true, "DEFAULT"), (true, true, "5")];
    for (stat, all_volumes, expected) in cases {
        let named = record([("stat", stat.into()), ("all_volumes", all_volumes.into()), ("__starstar", true.into())]);
        let answer = post(Client::new().post(hub.url()), "listTaskOutput", &[task.id.into(), named]).await;
        let answer = answer.expect("an answer").expect("a list");
        let a_log = answer.get("a.log");
        let seen = match (stat, all_volumes) {
            (false, false) => format!("array {}", answer.as_array().expect("names")[0].as_str().expect("a name")),
            (true, false) => format!("st_size {}", text(a_log.and_then(|stat| stat.get("st_size")))),
            (false, true) => text(a_log.and_then(Value::as_array).and_then(<[Value]>::first)),
            (true, true) => text(a_log.and_then(|held| held.get("DEFAULT")).and_then(|stat| stat.get("st_size"))),
        };
        assert_eq!(seen, expected);
        assert_eq!(answer.get("b.log").is_some(), all_volumes);
    }
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or("(nothing)").to_owned()
}
