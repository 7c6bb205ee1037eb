//! The keys of `container.yaml` and what each may hold: osbs-client's `schemas/container.json` as tables, and the values
//! that OSBS looks at more closely when it uses them.

/// What a value may be.
#[derive(Debug)]
pub(super) enum Shape {
    /// Also null.
    Nullable(&'static Shape),
    Bool,
    Text,
    /// Text that passes a test, which the words describe.
    TextLike(fn(&str) -> bool, &'static str),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A whole number of at least this.
    Int(i128),
    /// A number, both limits included.
    Number(f64, f64),
    /// A list of at least so many of these.
    List(usize, &'static Shape),
    /// One of these, or a list of them.
    OneOrList(&'static Shape),
    /// A list of these, or a boolean.
    ListOrBool(&'static Shape),
    /// These keys and no others.
    Keys(&'static [Key]),
    /// Keys of the author's own; those that pass the test have values of this shape.
    OwnKeys(fn(&str) -> bool, &'static Shape),
    /// A mapping that nobody looks into here, with at least so many keys.
    Mapping(usize),
}

/// A key of a mapping.
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub presence: Presence,
}

/// Whether a key must, may, or had better not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
    /// OSBS takes it, and says this of it.
    Deprecated(&'static str),
}

const fn key(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, presence: Presence::Optional }
}

const fn required(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, presence: Presence::Required }
}

const fn deprecated(name: &'static str, shape: Shape, why: &'static str) -> Key {
    Key { name, shape, presence: Presence::Deprecated(why) }
}

/// Keys at the top of the file of which there may be one.
pub(super) const ALTERNATIVES: [&str; 3] = ["go", "remote_source", "remote_sources"];

/// The whole file.
pub(super) static FILE: Shape = Shape::Nullable(&Shape::Keys(&[
    key("platforms", Shape::Nullable(&PLATFORMS)),
    key("compose", Shape::Nullable(&COMPOSE)),
    key("flatpak", Shape::Nullable(&Shape::Mapping(0))),
    key("remote_source", Shape::Nullable(&REMOTE_SOURCE)),
    key("remote_sources", Shape::Nullable(&Shape::List(1, &NAMED_REMOTE_SOURCE))),
    key("remote_sources_version", Shape::Number(1.0, 2.0)),
    deprecated("go", GO, "use remote_source"),
    key("operator_manifests", OPERATOR_MANIFESTS),
    key("tags", TEXTS),
    key("set_release_env", Shape::Text),
    key("buildtime_limit", Shape::Int(0)),
    deprecated("autorebuild", Shape::Nullable(&AUTOREBUILD), "OSBS ignores it with a warning"),
    deprecated(
        "image_build_method",
        Shape::OneOf(&["docker_api", "imagebuilder", "buildah_bud"]),
        "OSBS ignores it with a warning",
    ),
    deprecated("version", Shape::Int(1), "OSBS ignores it"),
]));

const TEXTS: Shape = Shape::List(0, &Shape::Text);

const PLATFORMS: Shape =
    Shape::Keys(&[key("only", Shape::OneOrList(&Shape::Text)), key("not", Shape::OneOrList(&Shape::Text))]);

const COMPOSE: Shape = Shape::Keys(&[
    key("packages", Shape::Nullable(&TEXTS)),
    key("pulp_repos", Shape::Bool),
    key("modules", Shape::Nullable(&Shape::List(0, &MODULE))),
    key("signing_intent", Shape::Text),
    key("inherit", Shape::Bool),
    key("ignore_absent_pulp_repos", Shape::Bool),
    key("include_unpublished_pulp_repos", Shape::Bool),
    key(
        "multilib_method",
        Shape::Nullable(&Shape::List(0, &Shape::OneOf(&["none", "iso", "runtime", "devel", "all"]))),
    ),
    key("multilib_arches", Shape::Nullable(&TEXTS)),
    key("modular_koji_tags", Shape::Nullable(&Shape::ListOrBool(&Shape::Text))),
    key("module_resolve_tags", Shape::Nullable(&Shape::ListOrBool(&Shape::Text))),
    key("build_only_content_sets", Shape::Nullable(&Shape::OwnKeys(starts_in_lower_case, &CONTENT_SETS))),
]);

const CONTENT_SETS: Shape = Shape::List(1, &Shape::TextLike(|name| name.ends_with("-rpms"), "a name ending in -rpms"));

const MODULE: Shape = Shape::TextLike(is_module, "NAME:STREAM[:VERSION[:CONTEXT]][/PROFILE]");

const REMOTE_SOURCE: Shape = Shape::Keys(&[
    required("repo", Shape::Text),
    required("ref", Shape::TextLike(is_commit, "a full commit hash: 40 digits and lower-case letters")),
    key(
        "pkg_managers",
        Shape::Nullable(&Shape::List(0, &Shape::OneOf(&["gomod", "rubygems", "pip", "yarn", "npm", "git-submodule"]))),
    ),
    key("flags", Shape::Nullable(&TEXTS)),
    key("packages", Shape::Nullable(&Shape::OwnKeys(any, &Shape::List(0, &Shape::Mapping(1))))),
]);

const NAMED_REMOTE_SOURCE: Shape = Shape::Keys(&[
    required("name", Shape::TextLike(is_source_name, "letters, digits, _ and -")),
    required("remote_source", Shape::Nullable(&REMOTE_SOURCE)),
]);

const GO: Shape = Shape::Keys(&[key("modules", Shape::Nullable(&Shape::List(0, &GO_MODULE)))]);

const GO_MODULE: Shape =
    Shape::Keys(&[required("module", Shape::Text), key("archive", Shape::Text), key("path", Shape::Text)]);

const OPERATOR_MANIFESTS: Shape = Shape::Keys(&[
    required("manifests_dir", Shape::TextLike(is_relative, "a folder, relative to the top of the repository")),
    key("enable_digest_pinning", Shape::Bool),
    key("enable_repo_replacements", Shape::Bool),
    key("enable_registry_replacements", Shape::Bool),
    key("repo_replacements", Shape::List(0, &REPO_REPLACEMENT)),
    key("skip_all", Shape::Bool),
]);

const REPO_REPLACEMENT: Shape =
    Shape::Keys(&[required("registry", Shape::Text), required("package_mappings", Shape::OwnKeys(any, &Shape::Text))]);

const AUTOREBUILD: Shape = Shape::Keys(&[
    key("from_latest", Shape::Bool),
    key("add_timestamp_to_release", Shape::Bool),
    key("ignore_isolated_builds", Shape::Bool),
]);

fn any(_: &str) -> bool {
    true
}

/// The schema looks at these architectures only, and lets any other key pass.
fn starts_in_lower_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

fn is_source_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn is_relative(path: &str) -> bool {
    !path.is_empty() && !path.starts_with(['/', '\n'])
}

/// Not in the schema: what atomic-reactor's `ModuleSpec` makes of it when it resolves composes.
pub(super) fn is_module(text: &str) -> bool {
    let (fields, profile) = text.split_once('/').map_or((text, None), |(fields, profile)| (fields, Some(profile)));
    let count = fields.split(':').count();
    (2..=4).contains(&count) && fields.split(':').all(|field| !field.is_empty()) && profile != Some("")
}
