//! OpenShift's own builds, as far as creating them goes.

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::Shared;
use super::answers::{bad_request, json_answer, not_found};
use super::state::Collection;

/// `POST …/buildconfigs/CONFIG/instantiate`: a build of a configuration.
pub(super) fn instantiate(shared: &Shared, config: &str, request: &[u8]) -> Response<Body> {
    let configs = Collection::new("build.openshift.io", "buildconfigs");
    let builds = Collection::new("build.openshift.io", "builds");
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let wanted = request["lastVersion"].as_u64();
    let built = shared.change(|state| {
        let owner = state.get(&configs, config)?.clone();
        // The number of the last build, which a request may name, keeps two requests from making one build each.
        let last = owner["status"]["lastVersion"].as_u64().unwrap_or(0);
        if wanted.is_some_and(|wanted| wanted != last) {
            let what =
                format!("the LastVersion({last}) on build config osbs/{config} does not match the build request");
            return Some(Err(bad_request(&what)));
        }
        let name = format!("{config}-{}", last + 1);
        let mut changed = owner.clone();
        changed["status"]["lastVersion"] = json!(last + 1);
        state.put(&configs, changed);
        let object = json!({
            "apiVersion": "build.openshift.io/v1", "kind": "Build",
            "metadata": {"name": name, "annotations": {"openshift.io/build.pod-name": format!("{name}-build")},
                         "ownerReferences": [{"uid": owner["metadata"]["uid"]}]},
            "spec": owner["spec"], "status": {"phase": "New"}});
        Some(Ok(state.put(&builds, object)))
    });
    match built {
        Some(Ok(object)) => json_answer(201, &object),
        Some(Err(refusal)) => refusal,
        None => not_found(&configs, config),
    }
}
