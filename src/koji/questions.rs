//! What a hub can say about a build before it is submitted: target, tags, package, NVR, and whether it builds containers at
//! all. Everything is asked in one multiCall; a second one only when the target's tags are not those that were expected.

use super::api;
use super::call::Call;
use super::fault::{Fault, FaultKind};
use super::session::{Session, SessionError};
use super::submit::Baseline;
use super::target_cache::TargetCache;
use super::xmlrpc::Value;
use crate::request::check::answers::{Answers, ExistingBuild, Package, Questions, Tag, TargetTags};

/// Asks. The [`Baseline`] tells our task from older ones, should the answer to the submit be lost; without a session nothing is
/// in it.
///
/// # Errors
/// When the hub cannot be asked.
pub async fn ask(
    session: &mut Session,
    questions: &Questions,
    cache: &TargetCache,
) -> Result<(Answers, Baseline), SessionError> {
    let hub = session.server().to_owned();
    let expected = cache.tags(&hub, &questions.target);
    let mut calls = vec![Call::new("getBuildTarget").arg(questions.target.as_str()), Call::new("system.listMethods")];
    calls.extend(about_tags(&expected, questions));
    let tags_end = calls.len();
    calls.extend(questions.nvr.as_deref().map(api::get_build));
    let nvr_end = calls.len();
    if session.is_logged_in() {
        calls.extend(Baseline::calls());
    }
    let mut said = session.multi_call(&calls).await?;
    let baseline = Baseline::from_answers(value(said.get(nvr_end)), value(said.get(nvr_end + 1)));
    let build = value(said.get(tags_end)).filter(|_| nvr_end > tags_end).and_then(existing_build);
    let builds_containers = value(said.get(1)).map(|methods| offers(methods, "buildContainer"));
    let target = found(&said[0], "getBuildTarget")?.and_then(target_tags);
    if let Some(actual) = &target {
        if *actual != expected {
            said.splice(2..tags_end, session.multi_call(&about_tags(actual, questions)).await?);
        }
        cache.remember(&hub, &questions.target, actual);
    }
    let known = target.is_some();
    let about = |at: usize| value(said.get(at)).filter(|_| known);
    let answers = Answers {
        target,
        build_tag: about(2).and_then(tag),
        dest_tag: about(3).and_then(tag),
        package: about(4).filter(|_| questions.package.is_some()).and_then(package),
        build,
        builds_containers,
    };
    Ok((answers, baseline))
}

fn about_tags(tags: &TargetTags, questions: &Questions) -> Vec<Call> {
    let mut calls =
        vec![Call::new("getTag").arg(tags.build_tag.as_str()), Call::new("getTag").arg(tags.dest_tag.as_str())];
    let config = |package: &String| Call::new("getPackageConfig").arg(tags.dest_tag.as_str()).arg(package.as_str());
    calls.extend(questions.package.as_ref().map(config));
    calls
}

/// A value that is there: no fault, not nil, not missing.
fn value(answer: Option<&Result<Value, Fault>>) -> Option<&Value> {
    answer.and_then(|answer| answer.as_ref().ok()).filter(|value| **value != Value::Nil)
}

/// The answer to the one question that must have one; a hub's "no such target" as a fault means the same as nil.
fn found<'a>(answer: &'a Result<Value, Fault>, operation: &'static str) -> Result<Option<&'a Value>, SessionError> {
    match answer {
        Ok(value) => Ok(Some(value).filter(|value| **value != Value::Nil)),
        Err(fault) if fault.kind() == FaultKind::Other => Ok(None),
        Err(fault) => Err(SessionError::Fault { operation, fault: fault.clone() }),
    }
}

fn target_tags(value: &Value) -> Option<TargetTags> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(TargetTags { build_tag: text("build_tag_name")?, dest_tag: text("dest_tag_name")? })
}

fn tag(value: &Value) -> Option<Tag> {
    let arches = value.get("arches").and_then(Value::as_str).unwrap_or_default();
    Some(Tag {
        name: value.get("name")?.as_str()?.to_owned(),
        arches: arches.split_whitespace().map(str::to_owned).collect(),
        locked: value.get("locked").and_then(Value::as_bool).unwrap_or(false),
    })
}

fn package(value: &Value) -> Option<Package> {
    Some(Package {
        name: value.get("package_name")?.as_str()?.to_owned(),
        blocked: value.get("blocked").and_then(Value::as_bool).unwrap_or(false),
    })
}

fn existing_build(value: &Value) -> Option<ExistingBuild> {
    Some(ExistingBuild { id: value.get("id")?.as_int()?, state: value.get("state")?.as_int()? })
}

fn offers(methods: &Value, method: &str) -> bool {
    methods.as_array().unwrap_or_default().iter().any(|known| known.as_str() == Some(method))
}
