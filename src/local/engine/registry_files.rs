//! How registries are reached: what the configuration says of certificates, mirrors and credentials, in the form that the engine
//! reads.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::store::{StoreError, write_private};
use crate::file;

/// Why a file for the engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RegistryFileError {
    /// The file with credentials cannot be used.
    #[error("authfile {path}: {reason}", path = path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why not; nothing of its content.
        reason: String,
    },
    /// It could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes the settings of registries for the engine; `None` where the configuration has none, so that the system's hold.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn settings(
    insecure_registries: &[String],
    mirrors: &[(String, String)],
    folder: &Path,
) -> Result<Option<PathBuf>, RegistryFileError> {
    if insecure_registries.is_empty() && mirrors.is_empty() {
        return Ok(None);
    }
    let insecure = |registry: &str| insecure_registries.iter().any(|known| known == registry);
    let mut registries: Vec<&str> = insecure_registries.iter().map(String::as_str).collect();
    registries.extend(mirrors.iter().map(|(registry, _)| registry.as_str()));
    registries.sort_unstable();
    registries.dedup();
    let mut text = "unqualified-search-registries = []\n".to_owned();
    for registry in registries {
        let _ = write!(text, "\n[[registry]]\nlocation = {}\ninsecure = {}\n", quoted(registry), insecure(registry));
        for (_, mirror) in mirrors.iter().filter(|(of, _)| of == registry) {
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
pub(crate) fn credentials(authfile: Option<&Path>, folder: &Path) -> Result<Option<PathBuf>, RegistryFileError> {
    let Some(given) = authfile else { return Ok(None) };
    let candidates = [".dockerconfigjson", ".dockercfg", "config.json"].map(|name| given.join(name));
    let path = if given.is_dir() { candidates.into_iter().find(|path| path.is_file()) } else { None };
    let path = path.unwrap_or_else(|| given.to_owned());
    let error = |reason: String| RegistryFileError::Credentials { path: path.clone(), reason };
    let text = file::read(&path, file::LONGEST).map_err(|source| error(source.to_string()))?;
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

    use std::fs;

    use super::*;

    #[test]
    fn only_what_is_configured_is_insecure() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(settings(&[], &[], folder.path()).unwrap(), None);
        let mirrors = [("b".to_owned(), "a:5000/mirror".to_owned()), ("b".to_owned(), "c".to_owned())];
        let path = settings(&["a:5000".to_owned()], &mirrors, folder.path()).unwrap().unwrap();
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
