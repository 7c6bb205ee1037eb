//! The test hub's builders: what a task handle does is what clients see, and scripts end as they should.

use std::time::{Duration, Instant};

use super::{PATIENCE, SOURCE, TARGET, post, text};
use crate::support::koji_hub::xmlrpc::{HubFault, Value};
use crate::support::koji_hub::{End, Fault, Hub, HubOptions, Script, TaskHandle, TaskState};

fn task(hub: &Hub) -> TaskHandle {
    hub.add_task("buildContainer", 1, vec![SOURCE.into(), TARGET.into()])
}

fn script(step: Duration, end: End) -> Script {
    Script { arches: vec!["x86_64".to_owned()], steps: 2, step, end }
}

async fn ask(hub: &Hub, method: &str, params: &[Value]) -> Result<Value, HubFault> {
    post(reqwest::Client::new().post(hub.url()), method, params).await.expect("an answer")
}

#[tokio::test]
async fn a_task_goes_through_its_states_as_its_builder_says() {
    let hub = Hub::start(HubOptions::default());
    let task = task(&hub);
    assert_eq!(hub.wait_for_task(PATIENCE), task.id);
    let look = async || {
        let info = ask(&hub, "getTaskInfo", &[task.id.into()]).await.expect("a task");
        let started = info.get("start_ts").cloned().expect("a start time");
        (info.get("state").and_then(Value::as_int).expect("a state"), info.get("host_id").cloned(), started)
    };
    assert!(task.open("builder7"));
    let opened = look().await;
    assert_eq!((opened.0, opened.1), (1, Some(Value::Int(2))));
    let host = ask(&hub, "getHost", &[2.into()]).await.expect("a host");
    assert_eq!(text(host.get("name")), "builder7");

    task.append("x86_64.log", "0123456789");
    task.truncate_log("x86_64.log", 4);
    let piece = ask(&hub, "downloadTaskOutput", &[task.id.into(), "x86_64.log".into()]).await.expect("a piece");
    assert_eq!(text(Some(&piece)), "MDEyMw==", "0123");
    task.restart();
    let restarted = look().await;
    assert_ne!(opened.2, restarted.2, "a task that begins anew has another start time");
    let output = ask(&hub, "listTaskOutput", &[task.id.into()]).await.expect("a list");
    assert_eq!(output.as_array(), Some(&[][..]), "and no logs");

    task.free();
    assert_eq!(look().await.1, Some(Value::Nil));
    task.cancel();
    assert!(!task.open("builder1"), "nobody takes a cancelled task");
    assert_eq!(look().await.0, 3);
}

#[tokio::test]
async fn a_script_ends_builds_as_it_says_and_leaves_a_cancelled_one_alone() {
    let hub = Hub::start(HubOptions::default());
    let failing = task(&hub);
    hub.script(script(Duration::from_millis(20), End::Fail(2001, "Image build failed".to_owned())));
    failing.wait_for(TaskState::Failed, PATIENCE);
    let raised = ask(&hub, "getTaskResult", &[failing.id.into()]).await;
    assert_eq!(raised, Err(HubFault::new(2001, "Image build failed")));

    let hub = Hub::start(HubOptions::default());
    hub.script(script(Duration::from_millis(300), End::Close));
    let cancelled = task(&hub);
    cancelled.wait_for(TaskState::Open, PATIENCE);
    cancelled.cancel();
    let next = task(&hub);
    next.wait_for(TaskState::Closed, PATIENCE);
    assert_eq!(cancelled.state(), TaskState::Canceled);
}

#[tokio::test]
async fn a_delayed_answer_comes_late_and_whole() {
    let hub = Hub::start(HubOptions::default());
    let delay = Duration::from_millis(150);
    hub.inject("getAPIVersion", Fault::Delay(delay), 1);
    let begin = Instant::now();
    assert_eq!(ask(&hub, "getAPIVersion", &[]).await, Ok(Value::Int(1)));
    assert!(begin.elapsed() >= delay);
}

#[tokio::test]
async fn a_hidden_method_is_neither_listed_nor_known() {
    let hub = Hub::start(HubOptions::default());
    let listed = async || {
        let methods = ask(&hub, "system.listMethods", &[]).await.expect("methods");
        methods.as_array().expect("a list").contains(&"buildContainer".into())
    };
    assert!(listed().await);
    hub.hide_method("buildContainer");
    assert!(!listed().await);
    let refused = ask(&hub, "buildContainer", &[SOURCE.into(), TARGET.into()]).await;
    assert_eq!(refused, Err(HubFault::generic("Invalid method: buildContainer")));
}
