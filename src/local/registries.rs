//! Which registries images come from and go to, and how they are reached: what the configuration says, in the form that the
//! engine reads.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::image_name::{BadName, ImageName};
use super::store::{StoreError, write_private};
use crate::config::local::LocalConfig;

/// Why a registry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A `FROM` or `COPY --from` names a registry that is not allowed.
    #[error("line {line}: {image} is from {registry}, which is not allowed; allowed are {}", allowed.join(", "))]
    NotAllowed {
        /// The line, from 1.
        line: usize,
        /// The image as it is written.
        image: String,
        /// Its registry.
        registry: String,
        /// Those that are allowed.
        allowed: Vec<String>,
    },
    /// It is no image's name.
    #[error("line {line}: {source}")]
    BadName {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: BadName,
    },
    /// The file with credentials cannot be used.
    #[error("authfile {path}: {reason}", path = path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why not; nothing of its content.
        reason: String,
    },
    /// A file for the engine could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The full name of an image that a Dockerfile takes something from: with a registry, which must be allowed, and in the
/// organization where there is one (atomic-reactor's `check_base_image`).
///
/// # Errors
/// When it is no name, or of a registry that is not allowed.
pub fn resolve(image: &str, line: usize, config: &LocalConfig) -> Result<ImageName, RegistryError> {
    let name = ImageName::parse(image).map_err(|source| RegistryError::BadName { line, source })?;
    let registry = name.registry.clone().unwrap_or_else(|| config.source_registry.clone());
    let allowed: Vec<String> =
        std::iter::once(&config.source_registry).chain(&config.pull_registries).cloned().collect();
    if !allowed.contains(&registry) {
        return Err(RegistryError::NotAllowed { line, image: image.to_owned(), registry, allowed });
    }
    let full = name.in_registry(&registry);
    let full = match &config.organization {
        Some(organization) if registry == config.source_registry => full.enclosed(organization),
        _ => full,
    };
    Ok(if full.tag.is_none() && full.digest.is_none() { full.with_tag("latest") } else { full })
}

/// Writes the settings of registries for the engine; `None` where the configuration has none, so that the system's hold.
///
/// # Errors
/// When the file cannot be written.
pub fn settings(config: &LocalConfig, folder: &Path) -> Result<Option<PathBuf>, RegistryError> {
    if config.insecure_registries.is_empty() && config.registry_mirrors.is_empty() {
        return Ok(None);
    }
    let insecure = |registry: &str| config.insecure_registries.iter().any(|known| known == registry);
    let mut registries: Vec<&str> = config.insecure_registries.iter().map(String::as_str).collect();
    registries.extend(config.registry_mirrors.iter().map(|(registry, _)| registry.as_str()));
    registries.sort_unstable();
    registries.dedup();
    let mut text = "unqualified-search-registries = []\n".to_owned();
    for registry in registries {
        let _ = write!(text, "\n[[registry]]\nlocation = {}\ninsecure = {}\n", quoted(registry), insecure(registry));
        for (_, mirror) in config.registry_mirrors.iter().filter(|(of, _)| of == registry) {
            let host = mirror.split('/').next().unwrap_or(mirror);
            let _ = write!(text, "[[registry.mirror]]\nlocation = {}\ninsecure = {}\n", quoted(mirror), insecure(host));
        }
    }
    let path = folder.join("registries.conf");
    write_private(&path, text.as_bytes())?;
    Ok(Some(path))
}

/// A TOML string, which JSON's strings are as well.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The file with credentials for the engine. It wants `{"auths": {…}}`; the old `.dockercfg`, which lacks the outer level, is
/// written anew into `folder`, and removed with it. A folder stands for the file in it that clusters' secrets have.
///
/// # Errors
/// When the file is missing, or holds something else.
pub fn credentials(authfile: Option<&Path>, folder: &Path) -> Result<Option<PathBuf>, RegistryError> {
    let Some(given) = authfile else { return Ok(None) };
    let candidates = [".dockerconfigjson", ".dockercfg", "config.json"].map(|name| given.join(name));
    let path = if given.is_dir() { candidates.into_iter().find(|path| path.is_file()) } else { None };
    let path = path.unwrap_or_else(|| given.to_owned());
    let error = |reason: String| RegistryError::Credentials { path: path.clone(), reason };
    let text = fs::read(&path).map_err(|source| error(source.to_string()))?;
    // The error would quote the text.
    let content: Map<String, Value> =
        serde_json::from_slice(&text).map_err(|_| error("it is not a JSON object".to_owned()))?;
    if ["auths", "credHelpers", "credsStore"].iter().any(|key| content.contains_key(*key)) {
        return Ok(Some(path));
    }
    if content.is_empty() || !content.values().all(|entry| entry.get("auth").is_some_and(Value::is_string)) {
        return Err(error("it has no credentials in the form of containers-auth.json or .dockercfg".to_owned()));
    }
    let converted = folder.join("auth.json");
    write_private(&converted, json!({ "auths": content }).to_string().as_bytes())?;
    Ok(Some(converted))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::config::rpkg::{RpkgConfig, RpkgFiles};

    fn config(section: &str) -> LocalConfig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fedpkg.conf");
        fs::write(&path, format!("[fedpkg]\n[fedpkg.local-build]\n{section}")).unwrap();
        LocalConfig::of(&RpkgConfig::load("fedpkg", &RpkgFiles { system: path, user: None }).unwrap()).unwrap()
    }

    #[test]
    fn images_get_registry_organization_and_tag() {
        let plain = config("source_registry = r.example.com\npull_registries = o.example.com\n");
        let organized =
            config("source_registry = r.example.com\norganization = org\npull_registries = o.example.com\n");
        for (config, image, expected) in [
            (&plain, "fedora:42", "r.example.com/fedora:42"),
            (&plain, "fedora", "r.example.com/fedora:latest"),
            (&plain, "o.example.com/x/y:1", "o.example.com/x/y:1"),
            (&organized, "ns/app:1", "r.example.com/org/ns-app:1"),
            (&organized, "org/app:1", "r.example.com/org/app:1"),
            (&organized, "o.example.com/ns/app", "o.example.com/ns/app:latest"),
        ] {
            assert_eq!(resolve(image, 1, config).unwrap().to_string(), expected);
        }
        let error = resolve("evil.example.com/x", 3, &plain).unwrap_err().to_string();
        assert_eq!(
            error,
            "line 3: evil.example.com/x is from evil.example.com, which is not allowed; allowed are r.example.com, o.example.com"
        );
    }

    #[test]
    fn only_what_is_configured_is_insecure() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(settings(&config(""), folder.path()).unwrap(), None);
        let config = config("insecure_registries = a:5000\nregistry_mirrors =\n  b = a:5000/mirror\n  b = c\n");
        let path = settings(&config, folder.path()).unwrap().unwrap();
        assert_eq!(
            fs::read_to_string(path).unwrap(),
            "unqualified-search-registries = []\n\n[[registry]]\nlocation = \"a:5000\"\ninsecure = true\n\n[[registry]]\n\
             location = \"b\"\ninsecure = false\n[[registry.mirror]]\nlocation = \"a:5000/mirror\"\ninsecure = true\n\
             [[registry.mirror]]\nlocation = \"c\"\ninsecure = false\n"
        );
    }

    #[test]
    fn old_credentials_are_rewritten_and_garbage_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".dockercfg");
        fs::write(&file, r#"{"r.example.com": {"auth": "dTpw", "email": "x"}}"#).unwrap();
        let converted = credentials(Some(folder.path()), folder.path()).unwrap().unwrap();
        let content: Value = serde_json::from_slice(&fs::read(converted).unwrap()).unwrap();
        assert_eq!(content["auths"]["r.example.com"]["auth"], "dTpw");
        fs::write(&file, r#"{"auths": {}}"#).unwrap();
        assert_eq!(credentials(Some(&file), folder.path()).unwrap(), Some(file.clone()));
        fs::write(&file, "hunter2").unwrap();
        let error = credentials(Some(&file), folder.path()).unwrap_err().to_string();
        assert!(!error.contains("hunter2") && error.contains("not a JSON object"), "{error}");
    }
}
