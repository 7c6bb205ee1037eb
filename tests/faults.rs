//! What makes the tests' servers honest.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::koji_hub::{Fault, Hub, HubOptions};
use crate::support::kube_api::{self, KubeApi};
use crate::support::lookaside::{self, Lookaside};

#[test]
fn a_server_with_a_fault_that_never_happened_fails_its_test() {
    let hub = Hub::start(HubOptions::default());
    hub.inject("getTaskInfo", Fault::Reset, 1);
    let cluster = KubeApi::start();
    cluster.trick("GET /apis", kube_api::Trick::LoseAnswer);
    let files = Lookaside::start();
    files.tricks("/a", [lookaside::Trick::Reset]);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(hub))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(cluster))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(files))).is_err());
}
