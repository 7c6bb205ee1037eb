//! What the checks want to know of a server before a build is submitted, and what they are told. A builder asks and answers in
//! these words; which server it asks, and how, is its own affair.

use serde::{Deserialize, Serialize};

/// What to ask about.
#[derive(Debug, Clone)]
pub struct Questions {
    /// The build target.
    pub target: String,
    /// The name of the Koji package, i.e. the component label; `None` where the Dockerfile does not say.
    pub package: Option<String>,
    /// The NVR that would be built, where the release is known.
    pub nvr: Option<String>,
}

/// What the server said. `None` stands for "there is none", never for "not asked" unless it says so.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// The target's tags.
    pub target: Option<TargetTags>,
    /// The tag that build roots and arches come from.
    pub build_tag: Option<Tag>,
    /// The tag that builds get.
    pub dest_tag: Option<Tag>,
    /// The package in the destination tag's list; `None` also when no package was asked about.
    pub package: Option<Package>,
    /// The build that has the NVR already; `None` also when no NVR was asked about.
    pub build: Option<ExistingBuild>,
    /// Whether the hub knows `buildContainer`; `None` when it did not say.
    pub builds_containers: Option<bool>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// Its architectures.
    pub arches: Vec<String>,
    /// Whether nothing may be tagged with it.
    pub locked: bool,
}

/// A package in a tag's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Whether builds of it are kept out of the tag.
    pub blocked: bool,
}

/// A build that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExistingBuild {
    /// Its id.
    pub id: i64,
    /// Koji's `BUILD_STATES`: 0 building, 1 complete, 2 deleted, 3 failed, 4 cancelled.
    pub state: i64,
}

/// The tags of a build target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetTags {
    /// Where build roots and arches come from.
    pub build_tag: String,
    /// Where builds are tagged.
    pub dest_tag: String,
}
