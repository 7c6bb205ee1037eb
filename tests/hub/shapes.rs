//! Sends recorded requests to the test hub and compares its answers with the real hub's: faults by code and text, values by
//! their types and the names and order of members.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use reqwest::Client;
use serde::Deserialize;

use crate::support::koji_hub::xmlrpc::{Call, HubFault, Value, parse_call, parse_response};
use crate::support::koji_hub::{Fault, Hub, HubOptions};

#[derive(Deserialize)]
struct Exchange {
    seq: u32,
    path: String,
    request_headers: BTreeMap<String, String>,
    request_body: String,
    status: u16,
    response_body: String,
    #[serde(default)]
    shortened: bool,
}

/// A recording that is played against a hub.
struct Replay {
    hub: Hub,
    client: Client,
    /// The hub's key for each recorded one.
    keys: BTreeMap<String, String>,
}

#[tokio::test]
async fn recorded_requests_get_answers_of_the_recorded_shapes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/koji");
    let mut compared = 0;
    for entry in fs::read_dir(folder).expect("recordings") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            compared += replay(&path).await;
        }
    }
    assert!(compared >= 60, "only {compared} answers were compared");
}

async fn replay(recording: &Path) -> usize {
    let text = fs::read_to_string(recording).expect("a recording");
    let hub = Hub::start(HubOptions { trust_user_header: true, ..HubOptions::default() });
    let mut replay = Replay { hub, client: Client::new(), keys: BTreeMap::new() };
    let mut compared = 0;
    for line in text.lines() {
        let exchange: Exchange = serde_json::from_str(line).expect("an exchange");
        let place = format!("{} seq {}", recording.display(), exchange.seq);
        if let Some((recorded, actual)) = replay.play(&exchange).await {
            compare(&recorded, &actual, &place);
            compared += 1;
        }
    }
    compared
}

type Answer = Result<Value, HubFault>;

impl Replay {
    /// The recorded answer and the hub's; nothing for requests of sessions that the recording does not open, and for what
    /// was recorded in part.
    async fn play(&mut self, exchange: &Exchange) -> Option<(Answer, Answer)> {
        let key = exchange.request_headers.get("Koji-Session-Key");
        let foreign = key.is_some_and(|key| key != "wrong" && !self.keys.contains_key(key));
        if exchange.shortened || foreign {
            return None;
        }
        let recorded = parse_response(exchange.response_body.as_bytes()).expect("a recorded answer");
        let call = parse_call(exchange.request_body.as_bytes()).expect("a recorded call");
        self.prepare(&call, &recorded, key);
        let mut request = self.client.post(self.hub.url().replace("/kojihub", &exchange.path));
        for (name, value) in &exchange.request_headers {
            request = request.header(name, self.keys.get(value).unwrap_or(value));
        }
        request = request.header("X-Remote-User", "packager").body(exchange.request_body.clone());
        let sent = request.send().await.expect("an answer");
        assert_eq!(sent.status().as_u16(), exchange.status);
        let actual = parse_response(&sent.bytes().await.expect("a body")).expect("an answer");
        self.follow(&call, &recorded, &actual);
        Some((recorded, actual))
    }

    /// Puts the hub into the state that the recorded answer tells of.
    fn prepare(&self, call: &Call, recorded: &Answer, key: Option<&String>) {
        let right_key = key.is_some_and(|key| key != "wrong");
        match recorded {
            Err(fault) if fault.code == 1007 => self.hub.expire_sessions(),
            Err(fault) if fault.code == 1002 && right_key => self.hub.forget_sessions(),
            Err(fault) if fault.code == 1014 => self.hub.inject("*", Fault::Offline, 1),
            Ok(Value::Int(task)) if call.0 == "buildContainer" => self.hub.change(|state| state.next_task = *task),
            Ok(session) if call.0 == "sslLogin" => {
                let id = session.get("session-id").and_then(Value::as_int).expect("an id");
                self.hub.change(|state| state.next_session = id);
            }
            _ => {}
        }
    }

    /// Does what happened to the hub between this request and the next.
    fn follow(&mut self, call: &Call, recorded: &Answer, actual: &Answer) {
        let key = |answer: &Answer| {
            let session = answer.as_ref().ok().and_then(|session| session.get("session-key"));
            session.and_then(Value::as_str).map(str::to_owned)
        };
        if let (Some(recorded), Some(actual)) = (key(recorded), key(actual)) {
            self.keys.insert(recorded, actual);
        }
        // The first look at a task of the watched recording is at a free one, the others at one that has ended.
        if call.0 == "getTaskInfo" && call.1.iter().any(|param| param.get("request").is_some()) {
            let task = self.hub.task(call.1[0].as_int().expect("a task"));
            task.open("builder1");
            for log in ["osbs-client.log", "osbs-build.log", "aarch64.log", "x86_64.log"] {
                task.append(log, "1795440061.757 STEP 1/7: RUN step 1\n");
            }
            task.close_ok();
            self.hub.add_task("buildContainer", 1, task.get().request);
        }
    }
}

fn compare(recorded: &Answer, actual: &Answer, place: &str) {
    match (recorded, actual) {
        (Ok(recorded), Ok(actual)) => same_shape(recorded, actual, place),
        (recorded, actual) => assert_eq!(recorded, actual, "{place}"),
    }
}

/// Within structs, nil may stand for anything that has not happened yet.
fn same_shape(recorded: &Value, actual: &Value, place: &str) {
    match (recorded, actual) {
        (Value::Struct(recorded), Value::Struct(actual)) => {
            let names = |members: &[(String, Value)]| members.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
            let (mut expected, mut found) = (names(recorded), names(actual));
            if expected.iter().any(|name| name.ends_with(".log")) {
                // Files come in no order.
                expected.sort();
                found.sort();
            }
            assert_eq!(expected, found, "{place}");
            for (name, recorded) in recorded {
                let actual = actual.iter().find(|(other, _)| other == name).map(|(_, value)| value);
                let place = format!("{place} {name}");
                if name == "faultString" {
                    assert_eq!(Some(recorded), actual, "{place}");
                }
                same_shape(recorded, actual.expect("compared a moment ago"), &place);
            }
        }
        (Value::Array(recorded), Value::Array(actual)) => {
            assert_eq!(recorded.is_empty(), actual.is_empty(), "{place}");
            recorded.iter().zip(actual).for_each(|(recorded, actual)| same_shape(recorded, actual, place));
        }
        (Value::Nil, _) | (_, Value::Nil) if !place.ends_with(char::is_numeric) => {}
        (recorded, actual) => {
            let kinds = [recorded, actual].map(std::mem::discriminant);
            assert_eq!(kinds[0], kinds[1], "{place}: {recorded:?} and {actual:?}");
        }
    }
}
