//! Watches and logs, and how they end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::kube_api::{Collection, KubeApi, NAMESPACE, Run, TOKEN, Task};

/// An answer as it comes over a connection of its own.
struct Stream {
    socket: TcpStream,
    raw: Vec<u8>,
}

impl Stream {
    fn open(server: &KubeApi, path: &str) -> Stream {
        let address = server.url().strip_prefix("http://").unwrap().to_owned();
        let mut socket = TcpStream::connect(&address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").unwrap();
        Stream { socket, raw: Vec::new() }
    }

    fn status(&mut self) -> u16 {
        self.until(b"\r\n\r\n");
        String::from_utf8_lossy(&self.raw[9..12]).parse().unwrap()
    }

    /// Reads until the raw answer ends like this.
    fn until(&mut self, end: &[u8]) {
        let mut byte = [0];
        while !self.raw.ends_with(end) {
            assert_eq!(
                self.socket.read(&mut byte).expect("the answer goes on"),
                1,
                "{}",
                String::from_utf8_lossy(&self.raw)
            );
            self.raw.push(byte[0]);
        }
    }

    /// Reads to the end: the body without the frames of its chunks, and whether it ended cleanly.
    fn rest(mut self) -> (String, bool) {
        let mut byte = [0];
        while !self.raw.ends_with(b"\r\n0\r\n\r\n") {
            match self.socket.read(&mut byte) {
                Ok(1) => self.raw.push(byte[0]),
                _ => break,
            }
        }
        let begin = self.raw.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
        let (mut rest, mut body) = (&self.raw[begin..], Vec::new());
        while let Some(end) = rest.windows(2).position(|part| part == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            body.extend_from_slice(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 2 + size + 2..];
            if size == 0 {
                return (String::from_utf8(body).unwrap(), true);
            }
        }
        (String::from_utf8(body).unwrap(), false)
    }
}

fn runs() -> Collection {
    Collection::new("tekton.dev", "pipelineruns")
}

/// A server with a run that has begun, and a task of it.
fn with_task() -> (KubeApi, Run, Task) {
    let server = KubeApi::start();
    server.put(
        &runs(),
        json!({"kind": "PipelineRun", "metadata": {"name": "built"}, "spec": {"pipelineRef": {"name": "p"}}}),
    );
    let run = server.await_run();
    run.start(&["clone"], &["exit"]);
    let task = run.begin("clone", &["clone"]);
    (server, run, task)
}

fn watch(server: &KubeApi, query: &str) -> Stream {
    Stream::open(server, &format!("/apis/tekton.dev/v1beta1/namespaces/{NAMESPACE}/pipelineruns?watch=true&{query}"))
}

fn log(server: &KubeApi, task: &Task, query: &str) -> Stream {
    Stream::open(
        server,
        &format!("/api/v1/namespaces/{NAMESPACE}/pods/{}/log?container=step-clone&{query}", task.pod()),
    )
}

/// Types and names of events.
fn events(body: &str) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let events = body.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    events.map(|event| (text(&event["type"]), text(&event["object"]["metadata"]["name"]))).collect()
}

fn version(server: &KubeApi) -> u64 {
    server.read(|state| state.version)
}

#[test]
fn a_watch_begins_with_what_there_is_or_with_what_was_missed() {
    let server = KubeApi::start();
    let run = |name: &str| json!({"kind": "PipelineRun", "metadata": {"name": name}, "spec": {}});
    server.put(&runs(), run("a"));
    let seen = version(&server);
    server.put(&runs(), run("b"));
    server.put(&runs(), run("b"));
    server.change(|state| state.remove(&runs(), "a"));
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect()
    };
    for (query, expected) in [
        ("timeoutSeconds=0".to_owned(), pairs(&[("ADDED", "b")])),
        (
            format!("timeoutSeconds=0&resourceVersion={seen}"),
            pairs(&[("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a")]),
        ),
        (
            format!("timeoutSeconds=0&resourceVersion={seen}&fieldSelector=metadata.name%3Da"),
            pairs(&[("DELETED", "a")]),
        ),
        ("timeoutSeconds=0&allowWatchBookmarks=1".to_owned(), pairs(&[("ADDED", "b"), ("BOOKMARK", "")])),
        ("timeoutSeconds=0&resourceVersion=999999".to_owned(), pairs(&[])),
    ] {
        let mut stream = watch(&server, &query);
        assert_eq!(stream.status(), 200);
        let (body, is_clean) = stream.rest();
        assert!(is_clean, "{query}");
        assert_eq!(events(&body), expected, "{query}");
    }
    assert_eq!(watch(&server, "resourceVersion=abc").status(), 500);
}

#[test]
fn a_forgotten_version_is_an_event_in_an_answer_of_success() {
    let (server, ..) = with_task();
    let seen = version(&server);
    let mut old = watch(&server, &format!("resourceVersion={seen}&timeoutSeconds=20"));
    assert_eq!(old.status(), 200);
    server.compact();
    server.cut_watches();
    assert!(!old.rest().1, "a watch that is cut ends uncleanly");
    let mut stream = watch(&server, &format!("resourceVersion={seen}"));
    assert_eq!(stream.status(), 200);
    let (body, is_clean) = stream.rest();
    let event: Json = serde_json::from_str(&body).unwrap();
    assert_eq!((event["type"].as_str(), event["object"]["code"].as_u64()), (Some("ERROR"), Some(410)), "{body}");
    assert!(is_clean && body.contains(&format!("too old resource version: {seen} ({})", seen + 1)), "{body}");
}

#[test]
fn bookmarks_tell_of_versions_that_have_nothing_for_a_watch() {
    let (server, ..) = with_task();
    let seen = version(&server);
    let query = format!("resourceVersion={seen}&fieldSelector=metadata.name%3Dother&timeoutSeconds=20");
    let mut told = watch(&server, &format!("{query}&allowWatchBookmarks=true"));
    let mut untold = watch(&server, &query);
    assert_eq!([told.status(), untold.status()], [200, 200]);
    server.put(&runs(), json!({"kind": "PipelineRun", "metadata": {"name": "third"}, "spec": {}}));
    server.bookmark();
    told.until(b"\n\r\n");
    server.cut_watches();
    let (body, _) = told.rest();
    let bookmark: Json = serde_json::from_str(&body).unwrap();
    let expected = json!({"type": "BOOKMARK", "object": {"apiVersion": "tekton.dev/v1beta1", "kind": "PipelineRun",
        "metadata": {"resourceVersion": (seen + 1).to_string()}}});
    assert_eq!(bookmark, expected);
    assert_eq!(untold.rest().0, "");
}

#[test]
fn a_cancelled_run_moves_as_tekton_moves_it() {
    let (server, run, task) = with_task();
    let mut follow = log(&server, &task, "follow=true");
    assert_eq!(follow.status(), 200);
    server.obey_cancels();
    let from = version(&server);
    server.change(|state| {
        let mut object = state.get(&runs(), "built").unwrap().clone();
        object["spec"]["status"] = json!("CancelledRunFinally");
        state.put(&runs(), object);
    });
    run.await_end();
    let (body, _) = watch(&server, &format!("timeoutSeconds=0&resourceVersion={from}")).rest();
    let mut states: Vec<String> = Vec::new();
    for line in body.lines() {
        let event: Json = serde_json::from_str(line).unwrap();
        let condition = &event["object"]["status"]["conditions"][0];
        let state = format!("{}/{}", condition["status"].as_str().unwrap(), condition["reason"].as_str().unwrap());
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
    assert_eq!(states, ["Unknown/Running", "Unknown/CancelledRunningFinally", "False/Cancelled"]);
    assert_eq!(run.object()["status"]["conditions"][0]["message"], "PipelineRun \"built\" was cancelled");
    let cancelled =
        server.read(|state| state.get(&Collection::new("tekton.dev", "taskruns"), "built-clone").cloned().unwrap());
    assert_eq!(cancelled["status"]["conditions"][0]["reason"], "TaskRunCancelled");
    let told = "Step clone terminated as pod built-clone-pod is terminated";
    assert_eq!(cancelled["status"]["steps"][0]["terminated"]["message"], told);
    assert!(follow.rest().1, "the log of a pod that is removed ends cleanly");
    assert_eq!(log(&server, &task, "").status(), 404);
}

#[test]
fn the_log_of_a_pod_without_a_node_is_empty_and_of_a_waiting_container_refused() {
    let (server, run, _) = with_task();
    let task = run.pending("other", &["clone"]);
    assert_eq!(log(&server, &task, "follow=true").status(), 204);
    task.waiting("clone", "ImagePullBackOff", "Back-off pulling image");
    assert_eq!(log(&server, &task, "follow=true").status(), 400);
    task.run_steps();
    for (query, expected) in [
        ("sinceTime=garbage", 400),
        ("tailLines=-1", 422),
        ("sinceSeconds=-5", 422),
        ("sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z", 422),
        ("sinceTime=2026-01-01T00:00:00.5%2B01:00", 200),
    ] {
        assert_eq!(log(&server, &task, query).status(), expected, "{query}");
    }
    server.nodes_are_down(true);
    assert_eq!(log(&server, &task, "").status(), 500);
}

#[test]
fn a_time_is_cut_to_seconds_and_that_second_is_sent_again() {
    let (server, _, task) = with_task();
    server.change(|state| {
        let log = state.logs.entry((task.pod(), "step-clone".to_owned())).or_default();
        for (time, line) in [("59.9", "a\n"), ("60.1", "b\n"), ("60.7", "c\n")] {
            let (minute, second) = if time.starts_with("59") { (0, time) } else { (1, &time[1..]) };
            let second: f64 = second.parse().unwrap();
            log.lines.push((format!("2026-11-23T10:{minute:02}:{second:012.9}Z"), line.as_bytes().to_vec()));
        }
    });
    for (since, expected) in
        [("2026-11-23T10:01:00.7Z", "b\nc\n"), ("2026-11-23T10:00:59Z", "a\nb\nc\n"), ("2026-11-23T10:01:01Z", "")]
    {
        assert_eq!(log(&server, &task, &format!("sinceTime={since}")).rest(), (expected.to_owned(), true), "{since}");
    }
    let (stamped, _) = log(&server, &task, "timestamps=true&tailLines=1").rest();
    assert_eq!(stamped, "2026-11-23T10:01:00.700000000Z c\n");
    assert_eq!(log(&server, &task, "limitBytes=3").rest().0, "a\nb");
}

#[test]
fn followed_logs_are_cut_cleanly_in_a_line_and_uncleanly_with_the_connection() {
    let (server, _, task) = with_task();
    task.log("clone", b"first line\n");
    let mut stream = log(&server, &task, "follow=true");
    stream.until(b"first line\n\r\n");
    server.cut_logs_after(6);
    task.log("clone", b"second line\n");
    assert_eq!(stream.rest(), ("first line\nsecond".to_owned(), true));
    let mut stream = log(&server, &task, "follow=true");
    stream.until(b"second line\n\r\n");
    server.kill_connections();
    assert_eq!(stream.rest(), ("first line\nsecond line\n".to_owned(), false));
    let mut stream = log(&server, &task, "follow=true");
    stream.until(b"second line\n\r\n");
    server.stop_listening();
    assert!(!stream.rest().1);
    let address = server.url().strip_prefix("http://").unwrap().to_owned();
    assert!(TcpStream::connect(&address).is_err(), "nobody listens");
    server.listen_again();
    task.succeed();
    assert_eq!(log(&server, &task, "follow=true").rest(), ("first line\nsecond line\n".to_owned(), true));
}
