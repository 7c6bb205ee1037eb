//! The labels that an image gets besides those of its Dockerfile.
//!
//! The rules and their order are those of atomic-reactor's `add_labels_in_df` today: what the site says, then what is known of
//! the build, then old and new names and labels that shall be equal, then `url`. What comes out beats the Dockerfile, but for
//! `distribution-scope` and `com.redhat.license_terms`. Different on purpose: `$` in a value stays one, and a value that cannot
//! be in a label is an error.

use std::collections::BTreeMap;

use crate::checkout::dockerfile::Dockerfile;
use crate::config::local::LocalConfig;
use crate::request::nvr::{COMPONENT, LabelName, NAME, Nvr, RELEASE, RENAMED, VERSION};

/// Labels of the Dockerfile that nothing beats.
const KEPT: [&str; 2] = ["distribution-scope", "com.redhat.license_terms"];
/// How far an image may be distributed, the narrowest first.
const SCOPES: [&str; 4] = ["private", "authoritative-source-only", "restricted", "public"];

/// What is known of a build besides its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Automatic {
    /// When it began, RFC 3339 in UTC.
    pub build_date: String,
    /// Koji's name of the architecture.
    pub architecture: String,
    /// The commit, with `-dirty` where there is more than that; empty where there is none yet.
    pub vcs_ref: String,
}

/// The labels of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    /// Those to add, in the order in which they are written.
    pub added: Vec<(String, String)>,
    /// Those that the Dockerfile keeps: name, its value, and the one it did not get.
    pub denied: Vec<(String, String, String)>,
}

/// Why an image cannot be labelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Labels that name the build are not there.
    #[error("labels that are missing, empty or made of undefined variables: {}", names.join(", "))]
    Missing {
        /// Their names.
        names: Vec<&'static str>,
    },
    /// The image would be distributed further than its base.
    #[error("distribution-scope={scope} but parent has distribution-scope={parent}")]
    Scope {
        /// The Dockerfile's.
        scope: String,
        /// The base image's.
        parent: String,
    },
    /// `image_label_info_url_format` names a label that there is not.
    #[error("image_label_info_url_format: there is no label {name:?}")]
    UrlField {
        /// The label.
        name: String,
    },
    /// A value that no label can have.
    #[error("label {name}: a value cannot have line ends or NUL bytes")]
    Value {
        /// The label.
        name: String,
    },
}

/// The value of a label by its new name, else by its old one; an empty one is none.
pub(crate) fn named(dockerfile: &Dockerfile, label: LabelName) -> Option<&str> {
    let value = |name| dockerfile.label(name).map(|label| label.value.as_str());
    value(label.name).or_else(|| value(label.old)).filter(|value| !value.is_empty())
}

/// Name, version and repository of the build; its release comes from elsewhere.
///
/// # Errors
/// When one of the labels has no value.
pub(crate) fn identity(dockerfile: &Dockerfile, release: &str) -> Result<(Nvr, String), LabelError> {
    let values = [COMPONENT, VERSION, NAME].map(|label| named(dockerfile, label));
    let [Some(component), Some(version), Some(name)] = values else {
        let labels = [COMPONENT, VERSION, NAME].into_iter().zip(values);
        return Err(LabelError::Missing {
            names: labels.filter(|(_, value)| value.is_none()).map(|(label, _)| label.name).collect(),
        });
    };
    let nvr = Nvr { name: component.to_owned(), version: version.to_owned(), release: release.to_owned() };
    Ok((nvr, name.to_owned()))
}

/// Finds the labels. `base` are those of the image that the last stage comes from; `release` is that of the build.
///
/// # Errors
/// When the distribution's scope would grow, or a value cannot be written.
pub(crate) fn find(
    dockerfile: &Dockerfile,
    base: &BTreeMap<String, String>,
    release: &str,
    automatic: &Automatic,
    config: &LocalConfig,
) -> Result<Labels, LabelError> {
    let mut written: BTreeMap<&str, &str> =
        dockerfile.labels.iter().map(|label| (label.name.as_str(), label.value.as_str())).collect();
    check_scope(&written, base)?;
    written.insert(RELEASE.name, release);
    let mut set = Set { base, written, added: Vec::new() };
    for (name, value) in &config.image_labels {
        set.add(name, value);
    }
    set.add("build-date", &automatic.build_date);
    set.add("architecture", &automatic.architecture);
    set.add("vcs-type", "git");
    if !automatic.vcs_ref.is_empty() {
        set.add("vcs-ref", &automatic.vcs_ref);
    }
    RENAMED.iter().for_each(|label| set.rename(*label));
    config.image_equal_labels.iter().for_each(|group| set.equal(group));
    if let Some(format) = &config.image_label_info_url_format {
        let url = set.url(format)?;
        set.add("url", &url);
    }
    set.labels()
}

fn check_scope(written: &BTreeMap<&str, &str>, base: &BTreeMap<String, String>) -> Result<(), LabelError> {
    let rank = |scope: &str| SCOPES.iter().position(|known| *known == scope);
    let scopes = (written.get(KEPT[0]).copied(), base.get(KEPT[0]).map(String::as_str));
    if let (Some(scope), Some(parent)) = scopes
        && let (Some(own), Some(parents)) = (rank(scope), rank(parent))
        && own > parents
    {
        return Err(LabelError::Scope { scope: scope.to_owned(), parent: parent.to_owned() });
    }
    Ok(())
}

/// Labels on their way.
struct Set<'a> {
    base: &'a BTreeMap<String, String>,
    written: BTreeMap<&'a str, &'a str>,
    added: Vec<(String, String)>,
}

impl Set<'_> {
    fn add(&mut self, name: &str, value: &str) {
        self.added.retain(|(known, _)| known != name);
        self.added.push((name.to_owned(), value.to_owned()));
    }

    /// The value that the Dockerfile or the build gives a label.
    fn explicit(&self, name: &str) -> Option<&str> {
        let added = self.added.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        added.or_else(|| self.written.get(name).copied())
    }

    fn any(&self, name: &str) -> Option<&str> {
        self.explicit(name).or_else(|| self.base.get(name).map(String::as_str))
    }

    /// Old names stay readable, and new ones appear.
    fn rename(&mut self, label: LabelName) {
        let Some(old) = self.any(label.old).map(str::to_owned) else { return };
        let Some(new) = self.any(label.name).map(str::to_owned) else { return self.add(label.name, &old) };
        if old == new {
            return;
        }
        if self.explicit(label.name).is_some() || self.explicit(label.old).is_none() {
            self.add(label.old, &new);
        } else {
            self.add(label.name, &old);
        }
    }

    /// The first of a group that is set gives the others their value.
    fn equal(&mut self, group: &[String]) {
        let explicit = group.iter().find_map(|name| self.explicit(name)).map(str::to_owned);
        let first = explicit.or_else(|| group.iter().find_map(|name| self.base.get(name)).cloned());
        let Some(value) = first else { return };
        for name in group {
            if self.explicit(name).is_none() && self.base.get(name) != Some(&value) {
                self.add(name, &value);
            }
        }
    }

    /// Fills in `{LABEL}` fields; doubled braces are braces, as in Python's `str.format`.
    fn url(&self, format: &str) -> Result<String, LabelError> {
        let mut url = String::new();
        let mut rest = format;
        while let Some(at) = rest.find(['{', '}']) {
            url.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            if let Some(behind) = rest[at + 1..].strip_prefix(brace) {
                url.push_str(brace);
                rest = behind;
                continue;
            }
            let field = rest[at + 1..].split_once('}').filter(|_| brace == "{");
            let (name, behind) = field.ok_or_else(|| LabelError::UrlField { name: rest[at..].to_owned() })?;
            url.push_str(self.any(name).ok_or_else(|| LabelError::UrlField { name: name.to_owned() })?);
            rest = behind;
        }
        url.push_str(rest);
        Ok(url)
    }

    fn labels(self) -> Result<Labels, LabelError> {
        let mut labels = Labels::default();
        for (name, value) in self.added {
            match self.written.get(name.as_str()) {
                Some(kept) if *kept == value => {}
                Some(kept) if KEPT.contains(&name.as_str()) => labels.denied.push((name, (*kept).to_owned(), value)),
                _ if [&name, &value].iter().any(|text| text.contains(['\n', '\r', '\0'])) => {
                    return Err(LabelError::Value { name });
                }
                _ => labels.added.push((name, value)),
            }
        }
        Ok(labels)
    }
}

/// `LABEL "name"="value" …`, so that the engine reads back exactly these values.
pub(crate) fn instruction(labels: &[(String, String)], escape: char) -> String {
    let pairs = labels.iter().map(|(name, value)| format!("{}={}", quoted(name, escape), quoted(value, escape)));
    format!("LABEL {}\n", pairs.collect::<Vec<_>>().join(" "))
}

fn quoted(text: &str, escape: char) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '$') || character == escape {
            quoted.push(escape);
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::path::Path;

    use super::*;
    use crate::config::rpkg::{RpkgConfig, RpkgFiles};

    fn config(section: &str) -> LocalConfig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fedpkg.conf");
        std::fs::write(&path, format!("[fedpkg]\n[fedpkg.local-build]\n{section}")).unwrap();
        LocalConfig::of(&RpkgConfig::load("fedpkg", &RpkgFiles::only(path)).unwrap()).unwrap()
    }

    fn base(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn labels(written: &str, base: &BTreeMap<String, String>, section: &str) -> Result<Labels, LabelError> {
        let text = format!("FROM x\nLABEL release=1 {written}\n");
        let dockerfile = Dockerfile::parse(text.as_bytes(), Path::new("Dockerfile")).unwrap();
        let automatic = Automatic {
            build_date: "2026-11-23T13:00:00Z".to_owned(),
            architecture: "x86_64".to_owned(),
            vcs_ref: "0123".to_owned(),
        };
        find(&dockerfile, base, "1", &automatic, &config(section))
    }

    fn value<'a>(labels: &'a Labels, name: &str) -> Option<&'a str> {
        labels.added.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn what_the_site_and_the_build_say_beats_the_dockerfile() {
        let section = "image_labels =\n  vendor = A\n  distribution-scope = public\n  architecture = s390x\n";
        let found = labels("vendor=B distribution-scope=private vcs-type=git", &base(&[]), section).unwrap();
        assert_eq!(value(&found, "vendor"), Some("A"));
        assert_eq!(value(&found, "architecture"), Some("x86_64"));
        assert_eq!(value(&found, "vcs-type"), None);
        assert_eq!(found.denied, [("distribution-scope".to_owned(), "private".to_owned(), "public".to_owned())]);
        assert_eq!(value(&labels("x=y", &base(&[("vcs-type", "git")]), "").unwrap(), "vcs-type"), Some("git"));
    }

    #[test]
    fn labels_are_added_in_the_order_of_the_site_and_then_of_the_build() {
        let section = "image_labels =\n  z = 1\n  vendor = A\n  a = 2\nimage_equal_labels = one, two\n";
        let found = labels("one=1 Name=n", &base(&[]), section).unwrap();
        let names: Vec<&str> = found.added.iter().map(|(name, _)| name.as_str()).collect();
        let expected = ["z", "vendor", "a", "build-date", "architecture", "vcs-type", "vcs-ref", "name", "two"];
        assert_eq!(names, expected);
        let pair = |name: &str| (name.to_owned(), "v".to_owned());
        assert_eq!(instruction(&[pair("b"), pair("a")], '\\'), "LABEL \"b\"=\"v\" \"a\"=\"v\"\n");
    }

    #[test]
    fn old_and_new_names_follow_each_other() {
        for (written, inherited, name, expected) in [
            ("Name=x", &[][..], "name", Some("x")),
            ("name=x", &[][..], "Name", None),
            ("name=x Name=y", &[][..], "Name", Some("x")),
            ("a=b", &[("name", "x"), ("Name", "y")][..], "Name", Some("x")),
            ("Name=y", &[("name", "x")][..], "name", Some("y")),
            ("name=y", &[("Name", "x")][..], "Name", Some("y")),
        ] {
            let found = labels(written, &base(inherited), "").unwrap();
            assert_eq!(value(&found, name), expected, "{written} {inherited:?}");
        }
    }

    #[test]
    fn equal_labels_take_the_first_value_that_is_set() {
        let section = "image_equal_labels = description, io.k8s.description\n";
        let found = labels("description=d", &base(&[]), section).unwrap();
        assert_eq!(value(&found, "io.k8s.description"), Some("d"));
        let found = labels("io.k8s.description=d", &base(&[("description", "d")]), section).unwrap();
        assert_eq!(value(&found, "description"), None);
        let found = labels("a=b", &base(&[("io.k8s.description", "i")]), section).unwrap();
        assert_eq!(value(&found, "description"), Some("i"));
    }

    #[test]
    fn the_url_is_made_of_labels() {
        let section = "image_label_info_url_format = https://example.com/{name}/{release}/{{x}}\n";
        assert_eq!(
            value(&labels("name=a/b", &base(&[]), section).unwrap(), "url"),
            Some("https://example.com/a/b/1/{x}")
        );
        let error = labels("a=b", &base(&[]), section).unwrap_err();
        assert_eq!(error, LabelError::UrlField { name: "name".to_owned() });
    }

    #[test]
    fn the_scope_never_grows() {
        assert!(labels("distribution-scope=restricted", &base(&[("distribution-scope", "public")]), "").is_ok());
        let error = labels("distribution-scope=public", &base(&[("distribution-scope", "private")]), "").unwrap_err();
        assert_eq!(error.to_string(), "distribution-scope=public but parent has distribution-scope=private");
        assert!(labels("distribution-scope=x", &base(&[("distribution-scope", "private")]), "").is_ok());
    }

    #[test]
    fn values_are_quoted_for_the_engine() {
        let pair = |value: &str| [("a".to_owned(), value.to_owned())];
        assert_eq!(instruction(&pair("a$b\"c\\d"), '\\'), "LABEL \"a\"=\"a\\$b\\\"c\\\\d\"\n");
        assert_eq!(instruction(&pair("a$`\\"), '`'), "LABEL \"a\"=\"a`$``\\\"\n");
    }

    #[test]
    fn missing_names_are_all_told() {
        let dockerfile = Dockerfile::parse(b"FROM x\nLABEL version=$UNSET Name=n\n", Path::new("D")).unwrap();
        let error = identity(&dockerfile, "1").unwrap_err();
        assert_eq!(error, LabelError::Missing { names: vec!["com.redhat.component", "version"] });
    }
}
