//! Which packages are in the image, and whose signatures they carry.
//!
//! The build service records signatures and judges none: there, only repositories with signed packages are used. Here the
//! image itself is looked at, because nobody else does. A key's id in a database is a claim and no proof: nothing is *verified*.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Value, json};

use super::rpmdb::Package;

/// How many packages an error names.
const NAMED: usize = 20;

/// The id of a key: the last 8 or 16 hexadecimal digits of its fingerprint, or all of them; in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct KeyId(String);

/// Why a text is no key's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no key id: it wants 8 or 16 hexadecimal digits, or a whole fingerprint")]
pub struct BadKeyId {
    /// The text.
    pub text: String,
}

impl FromStr for KeyId {
    type Err = BadKeyId;

    fn from_str(text: &str) -> Result<KeyId, BadKeyId> {
        let digits = text.trim().trim_start_matches("0x").replace(' ', "").to_ascii_lowercase();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && matches!(digits.len(), 8 | 16 | 32 | 40 | 64) {
            return Ok(KeyId(digits));
        }
        Err(BadKeyId { text: text.to_owned() })
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl KeyId {
    /// Whether a signature's key is this one, as far as both tell.
    fn made(&self, signature: &str) -> bool {
        let signature = signature.to_ascii_lowercase();
        signature.len() >= 8 && (self.0.ends_with(&signature) || signature.ends_with(&self.0))
    }
}

/// Whose signature a package carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Signed {
    /// One of the keys that count.
    Allowed,
    /// Another key.
    Foreign,
    Unsigned,
}

/// A package, and what is to be known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Inspected {
    #[serde(flatten)]
    pub package: Package,
    /// Whose signature it carries.
    pub signed: Signed,
    /// Whether it came with the base image.
    pub inherited: bool,
}

/// What counts as signed, and how strictly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// The keys that count; any when empty.
    pub keys: Vec<KeyId>,
    /// Whether packages must be signed even if any key counts.
    pub required: bool,
    /// Scratch builds are only warned about.
    pub scratch: bool,
}

/// The packages of an image, looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inspection {
    /// All of them, by name.
    pub packages: Vec<Inspected>,
    /// How many packages of the base nobody can find any more, because the image lost the database.
    pub lost: usize,
}

/// What the policy makes of an inspection.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Whether the image may be kept.
    pub result: Result<(), PolicyError>,
}

/// The image is not one that may be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It has packages that it must not have.
    #[error("unsigned content: {0}")]
    Unsigned(String),
    /// What is in it cannot be told, although its base had packages (`rpmqa`).
    #[error("the image has no package database any more: its base image has one (packages in it: {packages})")]
    DatabaseLost {
        /// The packages of the base.
        packages: usize,
    },
}

/// Looks at the packages of an image beside those of its base; `None` stands for one without a package database.
pub(crate) fn classify(packages: Option<&[Package]>, base: Option<&[Package]>, keys: &[KeyId]) -> Inspection {
    let base = base.unwrap_or_default();
    let Some(packages) = packages else { return Inspection { packages: Vec::new(), lost: base.len() } };
    let known: BTreeSet<(String, &Option<String>)> =
        base.iter().map(|package| (package.nevra(), &package.sigmd5)).collect();
    let inspected = |package: &Package| Inspected {
        signed: match &package.signature {
            None => Signed::Unsigned,
            Some(signature) if keys.is_empty() || keys.iter().any(|key| key.made(signature)) => Signed::Allowed,
            Some(_) => Signed::Foreign,
        },
        inherited: known.contains(&(package.nevra(), &package.sigmd5)),
        package: package.clone(),
    };
    Inspection { packages: packages.iter().map(inspected).collect(), lost: 0 }
}

impl Inspection {
    /// What a policy makes of it: packages that are new must be signed as it says, inherited ones are not this build's doing.
    pub(crate) fn verdict(&self, policy: &Policy) -> Verdict {
        let (inherited, new): (Vec<_>, Vec<_>) =
            self.packages.iter().filter(|found| found.signed != Signed::Allowed).partition(|found| found.inherited);
        let strict = policy.required || !policy.keys.is_empty();
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        if self.lost > 0 {
            errors.push(PolicyError::DatabaseLost { packages: self.lost });
        }
        if !new.is_empty() && strict {
            errors.push(PolicyError::Unsigned(told(&new, "", policy)));
        } else if !new.is_empty() {
            warnings.push(told(&new, "", policy));
        }
        if !inherited.is_empty() {
            warnings.push(told(&inherited, " of the base image", policy));
        }
        if policy.scratch {
            warnings.extend(errors.drain(..).map(|error| error.to_string()));
        }
        Verdict { warnings, result: errors.into_iter().next().map_or(Ok(()), Err) }
    }

    /// A table for people: a head, and a row for each package.
    pub(crate) fn table(&self) -> Vec<[String; 5]> {
        let head = ["PACKAGE", "VERSION", "ARCH", "SIGNED WITH KEY", "FROM"].map(str::to_owned);
        let row = |found: &Inspected| {
            let key = match (&found.package.signature, found.signed) {
                (Some(key), Signed::Foreign) => format!("{key} (another key)"),
                (Some(key), _) => key.clone(),
                (None, _) => "unsigned".to_owned(),
            };
            let from = if found.inherited { "base" } else { "build" };
            [found.package.name.clone(), found.package.evr(), found.package.arch.clone(), key, from.to_owned()]
        };
        std::iter::once(head).chain(self.packages.iter().map(row)).collect()
    }
}

/// Says of packages that nobody who counts has signed them.
fn told(found: &[&Inspected], whose: &str, policy: &Policy) -> String {
    let kind = if policy.keys.is_empty() { "unsigned" } else { "unsigned or signed with other keys" };
    let mut names: Vec<String> = found.iter().take(NAMED).map(|found| found.package.nevra()).collect();
    if found.len() > NAMED {
        names.push("…".to_owned());
    }
    let (packages, are) = if found.len() == 1 { ("package", "is") } else { ("packages", "are") };
    format!("{} {packages}{whose} {are} {kind}: {}", found.len(), names.join(", "))
}

/// A package as Koji's metadata has it.
pub(crate) fn component(package: &Package) -> Value {
    json!({
        "type": "rpm",
        "name": package.name,
        "version": package.version,
        "release": package.release,
        "arch": package.arch,
        "epoch": package.epoch,
        "sigmd5": package.sigmd5,
        "signature": package.signature,
        "module": package.module,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn package(name: &str, signature: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
            epoch: None,
            size: None,
            sigmd5: Some(name.to_owned()),
            build_time: None,
            signature: signature.map(str::to_owned),
            module: None,
            license: None,
            vendor: None,
            source_rpm: None,
        }
    }

    fn keys(texts: &[&str]) -> Vec<KeyId> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn keys_are_compared_by_their_last_digits() {
        for key in ["73E0BBD8", "177805a473e0bbd8", "0x177805A473E0BBD8", "aaaaaaaaaaaaaaaaaaaaaaaa177805a473e0bbd8"] {
            assert!(key.parse::<KeyId>().unwrap().made("177805a473e0bbd8"), "{key}");
        }
        assert!(!keys(&["12345678"])[0].made("177805a473e0bbd8"));
        for bad in ["", "xyz", "123", "12345678g", "0x"] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn new_packages_must_be_signed_and_inherited_ones_are_only_told() {
        let packages =
            [package("a", Some("177805a473e0bbd8")), package("b", None), package("c", Some("0011223344556677"))];
        let base = [package("b", None)];
        let keys = keys(&["73e0bbd8"]);
        let found = classify(Some(&packages), Some(&base), &keys);
        assert!(found.packages[1].inherited);
        let verdict = found.verdict(&Policy { keys: keys.clone(), ..Policy::default() });
        assert_eq!(
            verdict.result.unwrap_err().to_string(),
            "unsigned content: 1 package is unsigned or signed with other keys: c-1-1.noarch"
        );
        assert_eq!(
            verdict.warnings,
            ["1 package of the base image is unsigned or signed with other keys: b-1-1.noarch"]
        );
        let scratch = found.verdict(&Policy { keys, scratch: true, ..Policy::default() });
        assert!(scratch.result.is_ok() && scratch.warnings.len() == 2);
        let found = classify(Some(&packages), None, &[]);
        let loose = found.verdict(&Policy::default());
        assert!(loose.result.is_ok());
        assert_eq!(loose.warnings, ["1 package is unsigned: b-1-1.noarch"]);
        assert!(found.verdict(&Policy { required: true, ..Policy::default() }).result.is_err());
    }

    #[test]
    fn a_database_that_is_gone_is_an_error_where_there_was_one() {
        let base = [package("b", None)];
        let lost = classify(None, Some(&base), &[]);
        assert_eq!(lost.verdict(&Policy::default()).result, Err(PolicyError::DatabaseLost { packages: 1 }));
        let scratch = lost.verdict(&Policy { scratch: true, ..Policy::default() });
        assert!(scratch.result.is_ok() && scratch.warnings.len() == 1);
        for base in [None, Some(&[][..])] {
            assert!(classify(None, base, &[]).verdict(&Policy::default()).result.is_ok());
        }
    }
}
