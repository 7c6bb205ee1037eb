//! Which configuration values are in force and where they come from, as data for `config show` and its JSON form.
//!
//! Secrets never get into it: values of keys named like secrets, what is put together from such values, and users
//! and passwords inside addresses.

use super::ini::{Ini, IniError, Origin};
use super::redact::{REDACTED, is_secret};
use super::rpkg::RpkgConfig;
use crate::address;
use crate::event::ConfigValue;

/// The version of the form of [`crate::event::ConfigReport`].
pub(crate) const VERSION: u32 = 1;

/// Keys whose values have a place for what only a build knows.
const FILLED_IN_BY_BUILDS: [&str; 2] = ["anongiturl", "gitbaseurl"];

/// What the tool's section lacks, as rpkg has it.
const RPKG_DEFAULTS: [(&str, &str); 2] = [("distgit_namespaced", "False"), ("lookaside_namespaced", "False")];

/// All values of the tool's configuration: sections sorted by name, keys sorted by name within each.
pub(crate) fn values_in_force(rpkg: &RpkgConfig) -> Vec<ConfigValue> {
    let mut values = rpkg.ini().sections().flat_map(|section| section_values(rpkg.ini(), section)).collect();
    add_defaults(&mut values, rpkg.tool(), &RPKG_DEFAULTS);
    values
}

/// A value that is in force without standing in a file; `place` is what has it.
pub(crate) fn unwritten(section: &str, key: &str, value: &str, place: impl Into<String>) -> ConfigValue {
    let shown = address::masked(value);
    ConfigValue {
        section: section.to_owned(),
        key: key.to_owned(),
        raw: shown.clone(),
        value: Some(shown),
        error: None,
        origin: serde_json::Value::Null,
        place: place.into(),
    }
}

/// Adds what holds for keys of a section that it does not have.
pub(crate) fn add_defaults(values: &mut Vec<ConfigValue>, section: &str, defaults: &[(&str, &str)]) {
    for (key, default) in defaults {
        if !values.iter().any(|value| value.section == section && value.key == *key) {
            values.push(unwritten(section, key, default, Origin::BuiltIn.to_string()));
        }
    }
}

/// Makes a value the one in force, unless it is what its place says already.
pub(crate) fn decide(values: &mut Vec<ConfigValue>, section: &str, key: &str, value: &str, place: &str) {
    let is_it = |old: &ConfigValue| old.section == section && old.key == key;
    if values.iter().any(|old| is_it(old) && old.place == place) {
        return;
    }
    values.retain(|old| !is_it(old));
    values.push(unwritten(section, key, value, place));
}

/// The tool's sections sorted by name, then the others as they came, each in one piece, and keys sorted by name within each.
pub(crate) fn in_order(tool: &str, values: Vec<ConfigValue>) -> Vec<ConfigValue> {
    let mut sections: Vec<(String, Vec<ConfigValue>)> = Vec::new();
    for value in values {
        match sections.iter_mut().find(|(name, _)| *name == value.section) {
            Some((_, section)) => section.push(value),
            None => sections.push((value.section.clone(), vec![value])),
        }
    }
    let of_tool = |name: &str| name.strip_prefix(tool).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    sections.sort_by_key(|(name, _)| if of_tool(name) { (0, name.clone()) } else { (1, String::new()) });
    let sorted = sections.into_iter().flat_map(|(_, mut section)| {
        section.sort_by(|a, b| a.key.cmp(&b.key));
        section
    });
    sorted.collect()
}

/// All values of a section.
pub(crate) fn section_values(ini: &Ini, section: &str) -> Vec<ConfigValue> {
    let keys = ini.keys(section).unwrap_or_default();
    keys.into_iter().filter_map(|key| value_in_force(ini, section, key)).collect()
}

fn value_in_force(ini: &Ini, section: &str, key: &str) -> Option<ConfigValue> {
    let raw = ini.raw(section, key)?;
    let secret = is_secret(key);
    let made_of_secrets = secret || ini.references(section, key).iter().any(|name| is_secret(name));
    let (value, error) = match ini.get(section, key) {
        // A build fills in the name of its repository.
        Err(_) if FILLED_IN_BY_BUILDS.contains(&key) => (None, None),
        Ok(value) => (value.map(|value| shown(&value.value, made_of_secrets)), None),
        Err(error) => (None, Some(shown_error(&error, made_of_secrets))),
    };
    Some(ConfigValue {
        section: section.to_owned(),
        key: key.to_owned(),
        raw: shown(&raw.text, secret),
        value,
        error,
        origin: serde_json::to_value(&raw.origin).unwrap_or_default(),
        place: raw.origin.to_string(),
    })
}

fn shown(text: &str, secret: bool) -> String {
    if secret { REDACTED.to_owned() } else { address::masked(text) }
}

/// Even the name of a missing reference may be a piece of a password that has percent signs and parentheses in it.
fn shown_error(error: &IniError, secret: bool) -> String {
    if secret { format!("the value cannot be interpolated ({})", error.origin()) } else { error.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::config::koji::{KojiProfile, KojiRoots};
    use crate::config::rpkg::RpkgFiles;
    use crate::event::ConfigReport;

    const RPKG: &str = "[DEFAULT]\nhost = h\n[fedpkg.mbs]\noidc_client_secret = s3cret\nauth = %(OIDC_client_secret)s!\n\
                        url = https://u:s3cret@%(host)s/\ntoken_file = %(s3cret)s\n[fedpkg]\nanongiturl = http://%(repo)s\n";

    fn shown() -> ConfigReport {
        let folder = tempfile::tempdir().unwrap();
        let system = folder.path().join("fedpkg.conf");
        std::fs::write(&system, RPKG).unwrap();
        let text = "[koji]\npassword = s3cret\nserver = http://me:s3cret@h\n[other]\nk = v";
        std::fs::write(folder.path().join("koji.conf"), text).unwrap();
        let rpkg = RpkgConfig::load("fedpkg", &RpkgFiles::only(system)).unwrap();
        let roots = KojiRoots { etc: folder.path().to_owned(), home: None };
        let mut values = values_in_force(&rpkg);
        let profile = KojiProfile::load("koji", &roots).unwrap();
        values.extend(section_values(profile.ini(), &profile.name));
        ConfigReport { version: VERSION, values: in_order("fedpkg", values) }
    }

    #[test]
    fn every_value_of_the_sections_is_there_with_its_origin() {
        let shown = shown();
        let keys: Vec<_> =
            shown.values.iter().map(|v| format!("{}/{}:{}", v.section, v.key, v.origin["line"])).collect();
        assert_eq!(
            keys,
            [
                "fedpkg/anongiturl:9",
                "fedpkg/distgit_namespaced:null",
                "fedpkg/host:2",
                "fedpkg/lookaside_namespaced:null",
                "fedpkg.mbs/auth:5",
                "fedpkg.mbs/host:2",
                "fedpkg.mbs/oidc_client_secret:4",
                "fedpkg.mbs/token_file:7",
                "fedpkg.mbs/url:6",
                "koji/password:2",
                "koji/server:3",
            ]
        );
    }

    #[test]
    fn raw_value_and_error_are_told_apart() {
        let shown = serde_json::to_value(shown()).unwrap();
        assert_eq!(shown["version"], 1);
        let (broken, whole) = (&shown["values"][0], &shown["values"][8]);
        assert_eq!((&broken["raw"], &broken["value"]), (&"http://%(repo)s".into(), &serde_json::Value::Null));
        assert_eq!(broken.get("error"), None, "a build fills it in");
        let broken = shown["values"].as_array().unwrap().iter().find(|value| value["key"] == "token_file").unwrap();
        assert!(broken["error"].as_str().unwrap().contains("cannot be"), "{broken}");
        assert_eq!((&whole["raw"], whole.get("error")), (&"https://****@%(host)s/".into(), None));
        assert_eq!(whole["value"], "https://****@h/");
        assert!(whole["origin"]["file"].as_str().unwrap().ends_with("/fedpkg.conf"));
    }

    #[test]
    fn no_secret_is_shown_whatever_way_it_takes() {
        let shown = shown();
        assert!(!serde_json::to_string(&shown).unwrap().contains("s3cret"));
        let auth = shown.values.iter().find(|value| value.key == "auth").unwrap();
        assert_eq!((auth.raw.as_str(), auth.value.as_deref()), ("%(OIDC_client_secret)s!", Some(REDACTED)));
    }
}
