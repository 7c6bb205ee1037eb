//! Names, versions, releases: the labels they come from, and what they may look like.

use std::fmt;

/// A label that OSBS reads, by its names, the preferred one first (koji-containerbuild's `LABEL_NAME_MAP`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildLabel {
    /// The Koji package.
    Component,
    /// The image's name in the registry.
    Name,
    /// The version.
    Version,
    /// The release; optional, the next free one is used without it.
    Release,
}

impl BuildLabel {
    /// The names, the preferred one first.
    pub fn names(self) -> [&'static str; 2] {
        match self {
            BuildLabel::Component => ["com.redhat.component", "BZComponent"],
            BuildLabel::Name => ["name", "Name"],
            BuildLabel::Version => ["version", "Version"],
            BuildLabel::Release => ["release", "Release"],
        }
    }
}

/// Name, version and release of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvr {
    /// The Koji package.
    pub name: String,
    /// The version.
    pub version: String,
    /// The release.
    pub release: String,
}

impl fmt::Display for Nvr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.name, self.version, self.release)
    }
}

/// The longest tag that registries take.
pub const LONGEST_TAG: usize = 128;

/// Whether a release label has the form OSBS asks for: `^\d+([._]?[a-zA-Z0-9]+)*$` (osbs-client's `RELEASE_LABEL_FORMAT`).
pub fn is_release(release: &str) -> bool {
    let digits = release.bytes().take_while(u8::is_ascii_digit).count();
    let mut after_separator = false;
    let well_formed = release.bytes().all(|byte| match byte {
        b'.' | b'_' => !std::mem::replace(&mut after_separator, true),
        byte if byte.is_ascii_alphanumeric() => {
            after_separator = false;
            true
        }
        _ => false,
    });
    digits > 0 && well_formed && !after_separator
}

/// Whether the release of an isolated build has its form: `^\d+\.\d+(\..+)?$` (osbs-client's `ISOLATED_RELEASE_FORMAT`).
pub fn is_isolated_release(release: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = release.splitn(3, '.');
    let numbers = parts.next().is_some_and(is_number) && parts.next().is_some_and(is_number);
    numbers && parts.next().is_none_or(|rest| !rest.is_empty() && !rest.contains('\n'))
}

/// Whether a tag may be in `additional-tags` or in `tags` of `container.yaml`: `^[\w.]{0,127}$` and not empty.
pub fn is_additional_tag(tag: &str) -> bool {
    (1..=127).contains(&tag.chars().count()) && tag.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        for release in ["1", "2.1", "1.f40", "1_a.b", "10a"] {
            assert!(is_release(release), "{release}");
        }
        for release in ["", "1-2", "1..2", "a1", "2.", "1.2-rc", "1._2", ".1", "1 2"] {
            assert!(!is_release(release), "{release}");
        }
    }

    #[test]
    fn isolated_releases() {
        for release in ["2.1", "2.1.hotfix", "2.1.x-y z"] {
            assert!(is_isolated_release(release), "{release}");
        }
        for release in ["2", "2.1.", "1.f40", "", "2.", ".1", "2.1\n.x"] {
            assert!(!is_isolated_release(release), "{release}");
        }
    }

    #[test]
    fn additional_tags() {
        assert!(is_additional_tag("latest") && is_additional_tag("1.0") && is_additional_tag(&"a".repeat(127)));
        assert!(!is_additional_tag("a-b") && !is_additional_tag("") && !is_additional_tag(&"a".repeat(128)));
    }
}
