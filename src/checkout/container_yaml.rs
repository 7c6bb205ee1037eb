//! `container.yaml`: what OSBS reads from it, and what it would refuse.
//!
//! The rules are those of osbs-client (`schemas/container.json`, `RepoConfiguration`), which reads the file with PyYAML's
//! safe loader: YAML 1.1, one document, of equal keys the last one counts. Different on purpose: the size, the nesting and
//! the number of values are limited ([`LONGEST`], [`MAX_DEPTH`], [`MAX_VALUES`]), and a value that holds itself is refused.
//! Not followed: a scalar with the right form that Python cannot convert, such as the date 2026-13-32, counts as one.

mod scalar;
mod schema;
mod tree;
mod validate;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::Deserialize;
use tree::Node;

/// The file's name, at the top of the checkout.
pub const FILE_NAME: &str = "container.yaml";
/// The longest file that is read, in bytes; real ones have a few hundred.
pub const LONGEST: usize = 1 << 20;
/// How many values a file may have, those behind aliases counted at each alias.
pub const MAX_VALUES: usize = 20_000;
/// How deep values may be in each other.
pub const MAX_DEPTH: usize = 64;

/// A file that was read.
#[derive(Debug)]
pub struct Reading {
    /// What it says. All of it is absent where the schema refuses the file.
    pub content: ContainerYaml,
    /// What is wrong with it, in the order of the lines.
    pub problems: Vec<Problem>,
    tree: Option<Rc<Node>>,
}

/// What `container.yaml` says, as far as something here is interested in it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ContainerYaml {
    /// Which of the target's platforms the image is for.
    pub platforms: Option<Platforms>,
    /// What ODCS composes to make.
    pub compose: Option<Compose>,
    /// The flatpak to build; the builder reads it.
    pub flatpak: Option<serde_json::Map<String, serde_json::Value>>,
    /// Floating tags, which replace `latest`, the version and the file `additional-tags`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// A variable that is set to the release in every stage.
    pub set_release_env: Option<String>,
    /// How long the build may take, in seconds; 0 for the site's default.
    pub buildtime_limit: Option<i64>,
    /// Sources that Cachito or Hermeto fetches.
    pub remote_source: Option<RemoteSource>,
    /// Several of them, by name.
    pub remote_sources: Option<Vec<NamedRemoteSource>>,
    /// Where the manifests of an operator bundle are.
    pub operator_manifests: Option<OperatorManifests>,
    /// Go modules; deprecated.
    pub go: Option<Go>,
    /// Ignored by OSBS.
    pub autorebuild: Option<Autorebuild>,
    /// Ignored by OSBS.
    pub image_build_method: Option<String>,
}

/// Which platforms an image is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Platforms {
    /// These only; all where it is absent.
    pub only: Option<OneOrMore>,
    /// Not these.
    pub not: Option<OneOrMore>,
}

/// A text, or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// A list, perhaps empty.
    More(Vec<String>),
}

/// What ODCS composes to make.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Compose {
    /// Packages from the Koji tag; an empty list means all of it.
    pub packages: Option<Vec<String>>,
    /// Modules: `NAME:STREAM[:VERSION[:CONTEXT]][/PROFILE]`.
    pub modules: Option<Vec<String>>,
    /// Whether the repositories of `content_sets.yml` are used.
    #[serde(default)]
    pub pulp_repos: bool,
    /// The signing intent.
    pub signing_intent: Option<String>,
    /// Whether the parent image's repositories and composes are used too.
    #[serde(default)]
    pub inherit: bool,
}

/// Sources that are fetched for the build.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RemoteSource {
    /// The repository's URL.
    pub repo: String,
    /// The full commit hash.
    #[serde(rename = "ref")]
    pub commit: String,
    /// Package managers that resolve dependencies; gomod where it is absent.
    pub pkg_managers: Option<Vec<String>>,
}

/// Sources with a name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NamedRemoteSource {
    /// The name.
    pub name: String,
    /// The sources.
    pub remote_source: Option<RemoteSource>,
}

/// Where the manifests of an operator bundle are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OperatorManifests {
    /// The folder, relative to the top of the checkout.
    pub manifests_dir: String,
}

/// Go modules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Go {
    /// The modules.
    pub modules: Option<Vec<GoModule>>,
}

/// A Go module.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GoModule {
    /// Its name.
    pub module: String,
}

/// When to rebuild by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Autorebuild {
    /// Whether from the latest commit of the branch.
    #[serde(default)]
    pub from_latest: bool,
}

/// Something that is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What.
    pub fault: Fault,
}

/// What can be wrong. Keys are written with those above them, as in `compose.packages[0]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Fault {
    #[error("not UTF-8")]
    NotUtf8,
    #[error("longer than {LONGEST} bytes")]
    TooLong,
    #[error("more than {MAX_VALUES} values, those behind aliases included")]
    TooMany,
    #[error("values are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("an alias stands within the value that it names")]
    SelfReference,
    #[error("not YAML: {reason}")]
    Syntax { reason: String },
    #[error("a second document begins here; there may be one")]
    ManyDocuments,
    #[error("the tag {tag} is not allowed here")]
    UnknownTag { tag: String },
    #[error("a list or a mapping cannot be a key")]
    CollectionAsKey,
    #[error("`<<` takes a mapping or a list of mappings")]
    BadMerge,
    #[error("the key {key} is set twice, first in line {first}; the last one counts")]
    DuplicateKey { key: String, first: usize },
    #[error("unknown key {key}")]
    UnknownKey { key: String, suggestion: Option<&'static str> },
    #[error("the key {key} is {found}, but must be text")]
    KeyNotText { key: String, found: String },
    #[error("{key} is missing")]
    MissingKey { key: String },
    #[error("{key} is {found}, but must be {expected}")]
    WrongKind { key: String, found: String, expected: String, quoting_helps: bool },
    #[error("{key} is {found}, but must be {expected}")]
    WrongValue { key: String, found: String, expected: String },
    #[error("{key} cannot be used together with {other}")]
    Exclusive { key: String, other: String },
    #[error("{key} is deprecated: {why}")]
    Deprecated { key: String, why: &'static str },
}

impl Fault {
    /// Whether OSBS refuses the file for it; it only warns of the others, or says nothing.
    pub fn is_refused(&self) -> bool {
        !matches!(self, Fault::DuplicateKey { .. } | Fault::Deprecated { .. })
    }
}

/// The file is there and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}", path = path.display())]
pub struct ReadError {
    path: PathBuf,
    source: std::io::Error,
}

impl Reading {
    /// Reads the file of a checkout; `None` where it has none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn of_checkout(root: &Path) -> Result<Option<Reading>, ReadError> {
        let path = root.join(FILE_NAME);
        let limit = LONGEST as u64 + 1;
        let mut content = Vec::new();
        match std::fs::File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut content)) {
            Ok(_) => Ok(Some(Reading::parse(&content))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ReadError { path, source }),
        }
    }

    /// Reads a file's content. This cannot fail: what is wrong is among the problems.
    pub fn parse(content: &[u8]) -> Reading {
        let (tree, mut problems) = match parsed(content) {
            Ok(read) => read,
            Err(problem) => (None, vec![problem]),
        };
        problems.extend(tree.iter().flat_map(|tree| validate::validate(tree)));
        problems.sort_by_key(|problem| problem.line);
        let refused = problems.iter().any(|problem| problem.fault.is_refused());
        let content = tree.as_deref().filter(|_| !refused).map(typed).unwrap_or_default();
        Reading { content, problems, tree }
    }

    /// Whether OSBS refuses the file.
    pub fn is_refused(&self) -> bool {
        self.problems.iter().any(|problem| problem.fault.is_refused())
    }

    /// The line of a key at the top of the file.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        self.tree.as_deref()?.entry(key).map(|entry| entry.key.line)
    }

    /// The lines of the items of a list at the top of the file.
    pub fn lines_of_items(&self, key: &str) -> impl Iterator<Item = usize> {
        let items = self.tree.as_deref().and_then(|tree| tree.get(key)).map(Node::items).unwrap_or_default();
        items.iter().map(|item| item.line)
    }
}

fn parsed(content: &[u8]) -> Result<(Option<Rc<Node>>, Vec<Problem>), Problem> {
    if content.len() > LONGEST {
        return Err(Problem { line: 1, fault: Fault::TooLong });
    }
    let text = std::str::from_utf8(content).map_err(|error| {
        let before = content.get(..error.valid_up_to()).unwrap_or_default();
        Problem { line: 1 + memchr::memchr_iter(b'\n', before).count(), fault: Fault::NotUtf8 }
    })?;
    tree::parse(text)
}

/// A file that the schema takes as the types have it: they ask for nothing that the schema does not. Null is an empty file.
fn typed(file: &Node) -> ContainerYaml {
    serde_json::from_value(file.to_json()).unwrap_or_default()
}

impl Platforms {
    /// Whether an image is built for this platform where the target has it (osbs-client and atomic-reactor's
    /// `check_and_set_platforms`).
    pub fn includes(&self, platform: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(platform))
            && !self.not.as_ref().is_some_and(|not| not.contains(platform))
    }
}

impl OneOrMore {
    fn contains(&self, name: &str) -> bool {
        match self {
            OneOrMore::One(one) => one == name,
            OneOrMore::More(more) => more.iter().any(|one| one == name),
        }
    }
}

#[cfg(test)]
#[path = "container_yaml/tests.rs"]
mod tests;
