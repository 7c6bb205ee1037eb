//! OpenShift's own builds, as far as creating them goes.

use axum::body::Body;
use axum::http::Response;
use serde_json::json;

use super::Shared;
use super::answers::{json_answer, not_found};
use super::state::Collection;

/// `POST …/buildconfigs/CONFIG/instantiate`: a build of a configuration.
pub fn instantiate(shared: &Shared, config: &str) -> Response<Body> {
    let configs = Collection::new("build.openshift.io", "buildconfigs");
    let builds = Collection::new("build.openshift.io", "builds");
    let built = shared.change(|state| {
        let owner = state.get(&configs, config)?.clone();
        let name = format!("{config}-1");
        let object = json!({
            "apiVersion": "build.openshift.io/v1", "kind": "Build",
            "metadata": {"name": name, "annotations": {"openshift.io/build.pod-name": format!("{name}-build")},
                         "ownerReferences": [{"uid": owner["metadata"]["uid"]}]},
            "spec": owner["spec"], "status": {"phase": "New"}});
        Some(state.put(&builds, object))
    });
    built.map_or_else(|| not_found(&configs, config), |object| json_answer(201, &object))
}
