//! The tags that an image would get: `checkLabels` of koji-containerbuild for their length, osbs-client for their form.

use std::io;
use std::path::Path;

use crate::checkout::container_yaml::{self, ContainerYaml, Tag};
use crate::checkout::file;
use crate::event::Finding;
use crate::request::nvr::{self, LONGEST_TAG, PartialNvr};

const ADDITIONAL_TAGS: &str = "additional-tags";

/// How much of `additional-tags` is read, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// Everything wrong with the tags.
pub(super) fn check(root: &Path, yaml: Option<&ContainerYaml>, nvr: &PartialNvr) -> Vec<Finding> {
    let from_yaml = yaml.map(|yaml| yaml.tags.as_slice()).unwrap_or_default();
    let mut findings: Vec<Finding> = primary(nvr).into_iter().collect();
    findings.extend(dropped(from_yaml, container_yaml::FILE_NAME));
    let from_file = match additional_tags(root) {
        Ok(tags) => tags,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return findings,
        Err(error) => {
            let message = format!("{ADDITIONAL_TAGS} cannot be read: {error}");
            findings.push(Finding::error("unreadable-file", message).at(ADDITIONAL_TAGS, None));
            return findings;
        }
    };
    findings.extend(too_long(&from_file));
    if from_yaml.is_empty() {
        findings.extend(dropped(&from_file, ADDITIONAL_TAGS));
        let note = Finding::note("deprecated-additional-tags", format!("{ADDITIONAL_TAGS} is deprecated"));
        findings.push(note.at(ADDITIONAL_TAGS, None).hint("list the tags under `tags` in container.yaml"));
    } else {
        let message = format!("{ADDITIONAL_TAGS} is ignored, because container.yaml has `tags`");
        let finding = Finding::warning("additional-tags-ignored", message).at(ADDITIONAL_TAGS, None);
        findings.push(finding.hint("move its tags to container.yaml, and remove the file"));
    }
    findings
}

/// The floating tags of container.yaml, else those of `additional-tags`, as far as OSBS takes them, and whether they are the former
/// (osbs-client's `RepoInfo` and `AdditionalTagsConfig`).
pub(super) fn set_by_osbs(root: &Path, yaml: Option<&ContainerYaml>) -> (Vec<String>, bool) {
    let from_yaml = yaml.map(|yaml| yaml.tags.clone()).unwrap_or_default();
    let is_yaml = !from_yaml.is_empty();
    let tags = if is_yaml { from_yaml } else { additional_tags(root).unwrap_or_default() };
    let taken = tags.into_iter().map(|tag| tag.name).filter(|name| nvr::is_additional_tag(name));
    let sorted: std::collections::BTreeSet<String> = taken.collect();
    (sorted.into_iter().collect(), is_yaml)
}

fn primary(nvr: &PartialNvr) -> Option<Finding> {
    let tag = format!("{}-{}", nvr.version.as_deref()?, nvr.release.as_deref()?);
    (tag.chars().count() > LONGEST_TAG).then(|| {
        let message =
            format!("the tag VERSION-RELEASE has {} characters, of {LONGEST_TAG} allowed", tag.chars().count());
        Finding::error("tag-too-long", message).hint("shorten the version or the release")
    })
}

fn dropped(tags: &[Tag], file: &str) -> Vec<Finding> {
    let bad = tags.iter().filter(|tag| !nvr::is_additional_tag(&tag.name));
    let finding = |tag: &Tag| {
        Finding::warning("bad-tag", format!("the image will not be tagged {:?}, which OSBS drops", tag.name))
            .at(file, tag.line)
            .hint("use up to 127 letters, digits, `.` and `_`")
    };
    bad.map(finding).collect()
}

/// The Koji builder measures this file's tags even when OSBS ignores them; only those with a `-` escape it.
fn too_long(tags: &[Tag]) -> Vec<Finding> {
    let long = tags.iter().filter(|tag| !tag.name.contains('-') && tag.name.chars().count() > LONGEST_TAG);
    let finding = |tag: &Tag| {
        let message = format!("the tag has {} characters, of {LONGEST_TAG} allowed", tag.name.chars().count());
        Finding::error("tag-too-long", message).at(ADDITIONAL_TAGS, tag.line)
    };
    long.map(finding).collect()
}

/// One tag a line.
fn additional_tags(root: &Path) -> io::Result<Vec<Tag>> {
    let bytes = file::read_whole(root, ADDITIONAL_TAGS, MOST_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    let tags = text.lines().enumerate().map(|(index, line)| Tag { name: line.trim().to_owned(), line: index + 1 });
    Ok(tags.filter(|tag| !tag.name.is_empty()).collect())
}
