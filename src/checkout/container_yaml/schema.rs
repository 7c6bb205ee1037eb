//! The keys of `container.yaml` and what each may hold: osbs-client's `schemas/container.json`, as tables.

/// What a value may be.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    /// Text that a rule accepts; the words say which.
    TextThat(fn(&str) -> bool, &'static str),
    Choice(&'static [&'static str]),
    Bool,
    /// A whole number between two others, both included.
    Integer(i128, i128),
    /// A list of at least so many items.
    List(&'static Shape, usize),
    /// A mapping with these keys only.
    Object(&'static [Field]),
    /// A mapping whose keys are free.
    MapOf(&'static Shape),
    /// A mapping whose keys are free, with at least one.
    FreeMap {
        at_least: usize,
    },
    /// The first of these that is of the value's kind.
    Either(&'static [Shape]),
    OrNull(&'static Shape),
}

/// A key of a mapping.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
    /// Why the key had better not be used.
    pub(super) deprecated: Option<&'static str>,
}

const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false, deprecated: None }
}

const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true, deprecated: None }
}

const fn deprecated(name: &'static str, shape: Shape, why: &'static str) -> Field {
    Field { name, shape, required: false, deprecated: Some(why) }
}

/// The whole file.
pub(super) static FILE: Shape = Shape::OrNull(&Shape::Object(KEYS));

/// Keys of which a file may have one.
pub(super) const EXCLUSIVE: [&str; 3] = ["go", "remote_source", "remote_sources"];

static KEYS: &[Field] = &[
    field("platforms", Shape::OrNull(&Shape::Object(PLATFORMS))),
    field("compose", Shape::OrNull(&Shape::Object(COMPOSE))),
    field("flatpak", Shape::OrNull(&Shape::FreeMap { at_least: 0 })),
    field("remote_source", REMOTE_SOURCE),
    field("remote_sources", Shape::List(&Shape::Object(NAMED_REMOTE_SOURCE), 1)),
    field("remote_sources_version", Shape::Integer(1, 2)),
    deprecated("go", Shape::Object(GO), "OSBS suggests `remote_source` instead"),
    field("operator_manifests", Shape::Object(OPERATOR_MANIFESTS)),
    field("tags", TEXTS),
    field("set_release_env", Shape::Text),
    field("buildtime_limit", Shape::Integer(0, i128::MAX)),
    deprecated("autorebuild", Shape::OrNull(&Shape::Object(AUTOREBUILD)), "OSBS drops it with a warning"),
    deprecated(
        "image_build_method",
        Shape::Choice(&["docker_api", "imagebuilder", "buildah_bud"]),
        "OSBS drops it with a warning",
    ),
    field("version", Shape::Integer(1, i128::MAX)),
];

const TEXTS: Shape = Shape::List(&Shape::Text, 0);
const TEXTS_OR_NULL: Shape = Shape::OrNull(&TEXTS);
const ONE_OR_MORE: Shape = Shape::Either(&[Shape::Text, TEXTS]);
const TAGS_OR_SWITCH: Shape = Shape::OrNull(&Shape::Either(&[TEXTS, Shape::Bool]));

static PLATFORMS: &[Field] = &[field("only", ONE_OR_MORE), field("not", ONE_OR_MORE)];

static COMPOSE: &[Field] = &[
    field("packages", TEXTS_OR_NULL),
    field("pulp_repos", Shape::Bool),
    field("modules", Shape::OrNull(&Shape::List(&MODULE, 0))),
    field("signing_intent", Shape::Text),
    field("inherit", Shape::Bool),
    field("ignore_absent_pulp_repos", Shape::Bool),
    field("include_unpublished_pulp_repos", Shape::Bool),
    field(
        "multilib_method",
        Shape::OrNull(&Shape::List(&Shape::Choice(&["none", "iso", "runtime", "devel", "all"]), 0)),
    ),
    field("multilib_arches", TEXTS_OR_NULL),
    field("modular_koji_tags", TAGS_OR_SWITCH),
    field("module_resolve_tags", TAGS_OR_SWITCH),
    field("build_only_content_sets", Shape::OrNull(&Shape::MapOf(&Shape::List(&CONTENT_SET, 1)))),
];

const MODULE: Shape = Shape::TextThat(is_module, "NAME:STREAM[:VERSION[:CONTEXT]][/PROFILE]");
const CONTENT_SET: Shape = Shape::TextThat(|name| name.ends_with("-rpms"), "a name that ends in `-rpms`");

const REMOTE_SOURCE: Shape = Shape::OrNull(&Shape::Object(REMOTE_SOURCE_KEYS));

static REMOTE_SOURCE_KEYS: &[Field] = &[
    required("repo", Shape::Text),
    required("ref", Shape::TextThat(is_commit, "a full commit hash of 40 digits and lowercase letters")),
    field("pkg_managers", Shape::OrNull(&Shape::List(&PACKAGE_MANAGER, 0))),
    field("flags", TEXTS_OR_NULL),
    field("packages", Shape::OrNull(&Shape::MapOf(&Shape::List(&Shape::FreeMap { at_least: 1 }, 0)))),
];

const PACKAGE_MANAGER: Shape = Shape::Choice(&["gomod", "rubygems", "pip", "yarn", "npm", "git-submodule"]);

static NAMED_REMOTE_SOURCE: &[Field] = &[
    required("name", Shape::TextThat(is_source_name, "letters, digits, `_` and `-`")),
    required("remote_source", REMOTE_SOURCE),
];

static GO: &[Field] = &[field("modules", Shape::OrNull(&Shape::List(&Shape::Object(GO_MODULE), 0)))];

static GO_MODULE: &[Field] =
    &[required("module", Shape::Text), field("archive", Shape::Text), field("path", Shape::Text)];

static OPERATOR_MANIFESTS: &[Field] = &[
    required(
        "manifests_dir",
        Shape::TextThat(|path| !path.is_empty() && !path.starts_with('/'), "a folder relative to the top"),
    ),
    field("enable_digest_pinning", Shape::Bool),
    field("enable_repo_replacements", Shape::Bool),
    field("enable_registry_replacements", Shape::Bool),
    field("repo_replacements", Shape::List(&Shape::Object(REPO_REPLACEMENT), 0)),
    field("skip_all", Shape::Bool),
];

static REPO_REPLACEMENT: &[Field] =
    &[required("registry", Shape::Text), required("package_mappings", Shape::MapOf(&Shape::Text))];

static AUTOREBUILD: &[Field] = &[
    field("from_latest", Shape::Bool),
    field("add_timestamp_to_release", Shape::Bool),
    field("ignore_isolated_builds", Shape::Bool),
];

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

fn is_source_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// osbs-client's `ModuleSpec.from_str`: two to four fields and perhaps a profile, none of them empty.
fn is_module(text: &str) -> bool {
    let (fields, profile) = text.split_once('/').map_or((text, None), |(fields, profile)| (fields, Some(profile)));
    let fields: Vec<&str> = fields.split(':').collect();
    (2..=4).contains(&fields.len()) && fields.iter().all(|field| !field.is_empty()) && profile != Some("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_have_two_to_four_fields_and_perhaps_a_profile() {
        for good in ["nodejs:10", "a:b:1", "a:b:1:c", "a:b/devel", "a:b:1:c/devel"] {
            assert!(is_module(good), "{good}");
        }
        for bad in ["", "nodejs", "a:", ":b", "a:b:c:d:e", "a:b/", "a::c"] {
            assert!(!is_module(bad), "{bad}");
        }
    }

    #[test]
    fn commits_are_whole() {
        assert!(is_commit(&"0a".repeat(20)));
        for bad in ["", "main", &"A".repeat(40), &"0".repeat(39)] {
            assert!(!is_commit(bad), "{bad}");
        }
    }
}
