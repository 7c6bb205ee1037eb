//! Name, version and release: which labels they come from, and which values Koji and registries take.
//!
//! The names of labels are those of osbs-client's `Labels` and of koji-containerbuild's `LABEL_NAME_MAP`; the formats are
//! osbs-client's `RELEASE_LABEL_FORMAT` and `ISOLATED_RELEASE_FORMAT`, and the registries' grammar of tags.

use std::fmt;

/// The length that registries allow a tag.
pub const LONGEST_TAG: usize = 128;

/// The label of the Koji package's name.
pub const COMPONENT: LabelName = LabelName { name: "com.redhat.component", old: "BZComponent" };
/// The label of the repository in the registry.
pub const NAME: LabelName = LabelName { name: "name", old: "Name" };
/// The label of the version.
pub const VERSION: LabelName = LabelName { name: "version", old: "Version" };
/// The label of the release.
pub const RELEASE: LabelName = LabelName { name: "release", old: "Release" };

/// All labels that have an old name which OSBS still reads.
pub const RENAMED: [LabelName; 10] = [
    COMPONENT,
    NAME,
    VERSION,
    RELEASE,
    LabelName { name: "architecture", old: "Architecture" },
    LabelName { name: "vendor", old: "Vendor" },
    LabelName { name: "authoritative-source-url", old: "Authoritative_Registry" },
    LabelName { name: "run", old: "RUN" },
    LabelName { name: "install", old: "INSTALL" },
    LabelName { name: "uninstall", old: "UNINSTALL" },
];

/// A label with two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelName {
    /// Today's name, which wins where both are set.
    pub name: &'static str,
    /// The name it had.
    pub old: &'static str,
}

/// A build's name in Koji.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvr {
    /// The Koji package; may contain `-`.
    pub name: String,
    /// The version, without `-`.
    pub version: String,
    /// The release, without `-`.
    pub release: String,
}

impl fmt::Display for Nvr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.name, self.version, self.release)
    }
}

impl std::str::FromStr for Nvr {
    type Err = NvrError;

    /// Splits at the last two hyphens, and drops the epoch that a name may have before a `:` (Koji's `parse_NVR`).
    ///
    /// # Errors
    /// When there are no two hyphens, or nothing is between or behind them.
    fn from_str(text: &str) -> Result<Nvr, NvrError> {
        let not_one = || NvrError::NotAnNvr { value: text.to_owned() };
        let (rest, release) = text.rsplit_once('-').ok_or_else(not_one)?;
        let (name, version) = rest.rsplit_once('-').ok_or_else(not_one)?;
        if version.is_empty() || release.is_empty() {
            return Err(not_one());
        }
        let name = name.split_once(':').map_or(name, |(_epoch, name)| name);
        Ok(Nvr { name: name.to_owned(), version: version.to_owned(), release: release.to_owned() })
    }
}

/// What the files and the request say of the NVR; the builder fills in the rest. No member is ever an empty string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartialNvr {
    /// The Koji package.
    pub component: Option<String>,
    /// The version; `None` also where it comes from a variable of the base image.
    pub version: Option<String>,
    /// The release; `None` where the builder takes the next free one.
    pub release: Option<String>,
}

impl PartialNvr {
    /// The NVR, where nothing is left for the builder to decide.
    pub fn complete(&self) -> Option<Nvr> {
        Some(Nvr { name: self.component.clone()?, version: self.version.clone()?, release: self.release.clone()? })
    }
}

/// Why a value cannot be part of an NVR or of a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NvrError {
    /// The text is no NVR.
    #[error("{value:?} is not of the form NAME-VERSION-RELEASE")]
    NotAnNvr {
        /// The text.
        value: String,
    },
    /// Koji splits an NVR at its last two hyphens.
    #[error("{value:?} contains `-`, which separates name, version and release")]
    Hyphen {
        /// The value.
        value: String,
    },
    /// The value becomes part of a tag, and registries refuse the character.
    #[error("{value:?} contains {character:?}, which a tag must not")]
    Character {
        /// The value.
        value: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A tag may not begin so.
    #[error("{value:?} begins with `.`, which a tag must not")]
    LeadingDot {
        /// The value.
        value: String,
    },
    /// The release label is not what OSBS takes.
    #[error("{value:?} is not a number, followed by letters and digits with single `.` or `_` between them")]
    Release {
        /// The value.
        value: String,
    },
    /// The release of an isolated build is not what OSBS takes.
    #[error("{value:?} is not of the form NUMBER.NUMBER or NUMBER.NUMBER.TEXT, which isolated builds need")]
    IsolatedRelease {
        /// The value.
        value: String,
    },
}

/// Checks a version, which begins the tag `VERSION-RELEASE`.
///
/// # Errors
/// When it has a `-`, a character that no tag may have, or begins with a dot. An empty one is fine here.
pub fn check_version(value: &str) -> Result<(), NvrError> {
    if value.starts_with('.') {
        return Err(NvrError::LeadingDot { value: value.to_owned() });
    }
    check_characters(value)
}

/// Checks the release label, as osbs-client does (`RELEASE_LABEL_FORMAT`).
///
/// # Errors
/// When it does not have the format; an empty one has none, and means the next free release.
pub fn check_release_label(value: &str) -> Result<(), NvrError> {
    check_characters(value)?;
    let pieces_are_full = value.split(['.', '_']).all(|piece| !piece.is_empty());
    if value.is_empty() || (value.starts_with(|first: char| first.is_ascii_digit()) && pieces_are_full) {
        return Ok(());
    }
    Err(NvrError::Release { value: value.to_owned() })
}

/// Checks the release that `--build-release` gave; only isolated builds prescribe a format (`ISOLATED_RELEASE_FORMAT`).
///
/// # Errors
/// When it could not be part of an NVR and a tag, or an isolated build could not have it.
pub fn check_release_option(value: &str, isolated: bool) -> Result<(), NvrError> {
    if isolated && !is_isolated_release(value) {
        return Err(NvrError::IsolatedRelease { value: value.to_owned() });
    }
    check_characters(value)
}

fn is_isolated_release(value: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut pieces = value.splitn(3, '.');
    let first_two = [pieces.next(), pieces.next()];
    first_two.into_iter().all(|piece| piece.is_some_and(is_number)) && pieces.next() != Some("")
}

fn check_characters(value: &str) -> Result<(), NvrError> {
    if value.contains('-') {
        return Err(NvrError::Hyphen { value: value.to_owned() });
    }
    match value.chars().find(|character| !is_tag_character(*character)) {
        Some(character) => Err(NvrError::Character { value: value.to_owned(), character }),
        None => Ok(()),
    }
}

fn is_tag_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_')
}

/// Whether osbs-client would keep an additional tag (`^[\w.]{0,127}$`, not empty); it drops others with a warning.
pub fn is_additional_tag(value: &str) -> bool {
    !value.is_empty() && value.len() < LONGEST_TAG && value.chars().all(is_tag_character)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn release_labels_have_osbs_format() {
        for good in ["", "1", "2.1", "1.f40", "1_a.b", "10a", "1a2B"] {
            assert_eq!(check_release_label(good), Ok(()), "{good}");
        }
        for bad in ["1-2", "1..2", "a1", "2.", "1.2-rc", ".1", "1 2", "1._2", "é", "$R"] {
            assert!(check_release_label(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn isolated_releases_need_two_numbers() {
        for good in ["2.1", "2.1.hotfix", "10.20.a.b_c"] {
            assert_eq!(check_release_option(good, true), Ok(()), "{good}");
        }
        for bad in ["2", "2.1.", "1.f40", "", ".1", "2.1a", "2.1.x-y"] {
            assert!(check_release_option(bad, true).is_err(), "{bad}");
        }
        for good in ["2", "1.f40", "rc1"] {
            assert_eq!(check_release_option(good, false), Ok(()), "{good}");
        }
        let hyphen = NvrError::Hyphen { value: "1-2".to_owned() };
        assert_eq!(check_release_option("1-2", false), Err(hyphen));
    }

    #[test]
    fn versions_are_the_beginning_of_a_tag() {
        for good in ["", "1.0", "42", "rawhide", "_1"] {
            assert_eq!(check_version(good), Ok(()), "{good}");
        }
        for bad in ["1-2", ".1", "1/2", "1+2", "1 2", "1~rc"] {
            assert!(check_version(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn additional_tags_are_short_words() {
        for (tag, kept) in [("latest", true), ("1.0", true), ("", false), ("a-b", false), ("a b", false)] {
            assert_eq!(is_additional_tag(tag), kept, "{tag}");
        }
        assert!(is_additional_tag(&"x".repeat(127)));
        assert!(!is_additional_tag(&"x".repeat(128)));
    }

    #[test]
    fn an_nvr_is_complete_or_nothing() {
        let mut partial =
            PartialNvr { component: Some("demo-container".into()), version: Some("1.0".into()), release: None };
        assert_eq!(partial.complete(), None);
        partial.release = Some("3".into());
        assert_eq!(partial.complete().unwrap().to_string(), "demo-container-1.0-3");
    }

    #[test]
    fn an_nvr_is_split_at_its_last_two_hyphens() {
        for (text, expected) in [
            ("demo-container-1.0-3", Some(("demo-container", "1.0", "3"))),
            ("a-b-c", Some(("a", "b", "c"))),
            ("1:a-b-c", Some(("a", "b", "c"))),
            ("-b-c", Some(("", "b", "c"))),
            ("a-b", None),
            ("a--c", None),
            ("a-b-", None),
            ("abc", None),
            ("", None),
        ] {
            let nvr = text.parse::<Nvr>().ok();
            let parts = nvr.as_ref().map(|nvr| (nvr.name.as_str(), nvr.version.as_str(), nvr.release.as_str()));
            assert_eq!(parts, expected, "{text}");
        }
    }
}
