//! `container.yaml`: what OSBS reads from it, and what it would refuse.
//!
//! The rules are those of osbs-client's JSON schema (`schemas/container.json`) and of `RepoConfiguration`. Reading never
//! fails: everything that is wrong with a file is a [`Problem`] with its line, and what could be understood is there.

pub(crate) mod node;
mod scalar;
mod schema;
#[cfg(test)]
mod tests;
mod validate;

use std::path::Path;

use super::file;
use node::{Node, Unreadable, Yaml};

/// The file's name, at the top of the checkout.
pub const FILE_NAME: &str = "container.yaml";

/// The longest file that is read, in bytes; real ones have a few hundred.
pub const LONGEST: u64 = 1024 * 1024;

/// A file that was read. What it does not say, or says wrongly, is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerYaml {
    /// `platforms`.
    pub platforms: Platforms,
    /// `tags`: floating tags in place of `latest`, the version and `additional-tags`.
    pub tags: Vec<Tag>,
    /// `flatpak`, where there is one that is not null.
    pub flatpak: Option<Flatpak>,
    /// `compose.modules`.
    pub modules: Vec<String>,
    /// `compose.packages`, where it is a list; an empty one means the whole tag.
    pub packages: Option<Vec<String>>,
    /// `compose.signing_intent`.
    pub signing_intent: Option<String>,
    /// Whether there is a `remote_source` or `remote_sources`.
    pub remote_source: bool,
    /// Whether there are `operator_manifests`.
    pub operator_manifests: bool,
    /// `set_release_env`.
    pub set_release_env: Option<String>,
    /// `buildtime_limit` in seconds, and its line.
    pub buildtime_limit: Option<(u64, usize)>,
    /// Everything that is wrong, in the order of the lines.
    pub problems: Vec<Problem>,
}

/// Which platforms an image is built for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Platforms {
    /// `platforms.only`; `None` for all.
    pub only: Option<Vec<String>>,
    /// `platforms.not`.
    pub not: Vec<String>,
}

impl Platforms {
    /// Whether an image is built for this platform, if the target has it.
    pub fn includes(&self, platform: &str) -> bool {
        let has = |list: &[String]| list.iter().any(|name| name == platform);
        self.only.as_deref().is_none_or(has) && !has(&self.not)
    }
}

/// A floating tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The tag.
    pub name: String,
    /// Its line, from 1.
    pub line: usize,
}

/// What the `flatpak` mapping says of names; the rest is the builder's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flatpak {
    /// `flatpak.name`, the name of the image.
    pub name: Option<String>,
    /// `flatpak.component`, the Koji package.
    pub component: Option<String>,
    /// `flatpak.base_image`, the image to build in instead of the site's.
    pub base_image: Option<String>,
    /// The mapping's line, from 1.
    pub line: usize,
}

/// Something wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, from 1; `None` when it is about the whole file.
    pub line: Option<usize>,
    /// What.
    pub kind: ProblemKind,
}

/// What can be wrong. Keys are written with the keys above them, as in `compose.packages[0]`; empty for the whole file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// The file is there and cannot be read.
    #[error("{FILE_NAME} cannot be read: {reason}")]
    Unreadable {
        /// What the system says.
        reason: String,
    },
    /// The file is longer than [`LONGEST`].
    #[error("{FILE_NAME} is longer than {LONGEST} bytes, and was not read")]
    TooLong,
    /// It is not YAML, or nested or repeated without measure.
    #[error("{FILE_NAME} is not valid YAML: {reason}")]
    Syntax {
        /// What the YAML reader says.
        reason: String,
    },
    /// OSBS does not know the key, and refuses it.
    #[error("unknown key `{key}` in {FILE_NAME}")]
    UnknownKey {
        /// The key.
        key: String,
        /// A key there is, and that resembles it.
        suggestion: Option<&'static str>,
    },
    /// A key is there twice; Python's yaml takes the last.
    #[error("`{key}` is set twice, first on line {first}; the last one counts")]
    DuplicateKey {
        /// The key.
        key: String,
        /// The line of the earlier one.
        first: usize,
    },
    /// A key that must be there is not.
    #[error("`{key}` is missing")]
    MissingKey {
        /// The key.
        key: String,
    },
    /// The value is of the wrong kind.
    #[error("{} is {found}, but must be {expected}", describe(.key))]
    WrongType {
        /// The key.
        key: String,
        /// What it is.
        found: String,
        /// What it may be.
        expected: String,
        /// Whether quotes would make the value right.
        quote: bool,
    },
    /// The value is of the right kind, and none of those allowed.
    #[error("{} is {found}, but must be {expected}", describe(.key))]
    WrongValue {
        /// The key.
        key: String,
        /// What it is.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// Two keys that exclude each other.
    #[error("`{first}` and `{second}` exclude each other")]
    Exclusive {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// OSBS still takes the key.
    #[error("`{key}` is deprecated: {why}")]
    Deprecated {
        /// The key.
        key: String,
        /// What OSBS says of it.
        why: &'static str,
    },
}

fn describe(key: &str) -> String {
    if key.is_empty() { FILE_NAME.to_owned() } else { format!("`{key}`") }
}

impl ContainerYaml {
    /// Reads the file of a checkout; `None` when it has none.
    pub fn read(root: &Path) -> Option<ContainerYaml> {
        match file::read(root, FILE_NAME, LONGEST) {
            Ok(bytes) => Some(ContainerYaml::parse(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => Some(failed(None, ProblemKind::Unreadable { reason: error.to_string() })),
        }
    }

    /// Reads a file's content.
    pub fn parse(content: &[u8]) -> ContainerYaml {
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > LONGEST {
            return failed(None, ProblemKind::TooLong);
        }
        let text = match std::str::from_utf8(content) {
            Ok(text) => text,
            Err(error) => {
                let line = content[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
                return failed(Some(line), ProblemKind::Syntax { reason: "it is not UTF-8".to_owned() });
            }
        };
        match node::parse(text) {
            Ok(file) => ContainerYaml { problems: validate::validate(&file), ..extract(&file) },
            Err(Unreadable { line, reason }) => failed(Some(line), ProblemKind::Syntax { reason }),
        }
    }
}

fn failed(line: Option<usize>, kind: ProblemKind) -> ContainerYaml {
    ContainerYaml { problems: vec![Problem { line, kind }], ..ContainerYaml::default() }
}

fn extract(file: &Node) -> ContainerYaml {
    let text = |node: Option<&Node>| node.and_then(Node::text).map(str::to_owned);
    let platforms = file.get("platforms");
    let compose = file.get("compose");
    let from_compose = |key| compose.and_then(|compose| compose.get(key));
    ContainerYaml {
        platforms: Platforms {
            only: platforms.and_then(|platforms| platforms.get("only")).map(one_or_more),
            not: platforms.and_then(|platforms| platforms.get("not")).map(one_or_more).unwrap_or_default(),
        },
        tags: file.get("tags").map(tags).unwrap_or_default(),
        flatpak: file.get("flatpak").and_then(flatpak),
        modules: from_compose("modules").map(one_or_more).unwrap_or_default(),
        packages: from_compose("packages").filter(|node| matches!(node.value, Yaml::List(_))).map(one_or_more),
        signing_intent: text(from_compose("signing_intent")),
        remote_source: ["remote_source", "remote_sources"].iter().any(|key| file.get(key).is_some()),
        operator_manifests: file.get("operator_manifests").is_some(),
        set_release_env: text(file.get("set_release_env")),
        buildtime_limit: file.get("buildtime_limit").and_then(seconds),
        problems: Vec::new(),
    }
}

/// A lone text stands for a list of one.
fn one_or_more(node: &Node) -> Vec<String> {
    let lone = node.text().into_iter();
    lone.chain(node.items().filter_map(Node::text)).map(str::to_owned).collect()
}

fn tags(node: &Node) -> Vec<Tag> {
    let tag = |item: &Node| Some(Tag { name: item.text()?.to_owned(), line: item.line });
    node.items().filter_map(tag).collect()
}

fn flatpak(node: &Node) -> Option<Flatpak> {
    let Yaml::Map(_) = node.value else { return None };
    let text = |key| node.get(key).and_then(Node::text).map(str::to_owned);
    Some(Flatpak { name: text("name"), component: text("component"), base_image: text("base_image"), line: node.line })
}

fn seconds(node: &Node) -> Option<(u64, usize)> {
    match node.value {
        Yaml::Integer(seconds, _) => Some((u64::try_from(seconds).ok()?, node.line)),
        _ => None,
    }
}
