//! The content manifest that an image carries: how many layers its base has, and which content sets it is made of.
//!
//! The form is that of atomic-reactor's `add_image_content_manifest`. `image_contents` lists what the build service's own source
//! fetching knows, which this machine does not have, so it is empty.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::json;

use crate::checkout::file;
use crate::file::LONGEST;

/// Which content sets an image is made of, for each architecture.
const CONTENT_SETS_FILE: &str = "content_sets.yml";
/// Where the manifest's form is written down.
const SPECIFICATION: &str = "https://raw.githubusercontent.com/containerbuildsystem/atomic-reactor/master/atomic_reactor/schemas/content_manifest.json";

/// Why there are no content sets.
#[derive(Debug, thiserror::Error)]
pub enum ContentManifestError {
    /// The file is there and cannot be read.
    #[error("cannot read {CONTENT_SETS_FILE}")]
    Read(#[source] io::Error),
    /// It is something else.
    #[error("{CONTENT_SETS_FILE} is no mapping of architectures to lists of names: {0}")]
    Malformed(String),
}

/// The content sets for an architecture; none where the checkout names none.
///
/// # Errors
/// When the file is malformed.
pub(crate) fn content_sets(root: &Path, arch: &str) -> Result<Vec<String>, ContentManifestError> {
    let text = match file::read_whole(root, CONTENT_SETS_FILE, LONGEST) {
        Ok(text) => {
            String::from_utf8(text).map_err(|_| ContentManifestError::Malformed("it is not UTF-8".to_owned()))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ContentManifestError::Read(error)),
    };
    let sets: Option<BTreeMap<String, Vec<String>>> =
        serde_saphyr::from_str(&text).map_err(|error| ContentManifestError::Malformed(error.to_string()))?;
    Ok(sets.unwrap_or_default().remove(arch).unwrap_or_default())
}

/// The manifest. `base_layers` is the index of the one layer that is added, right because only one is.
pub(crate) fn build(base_layers: usize, content_sets: &[String]) -> Vec<u8> {
    let manifest = json!({
        "metadata": {"icm_version": 1, "icm_spec": SPECIFICATION, "image_layer_index": base_layers},
        "content_sets": content_sets,
        "image_contents": [],
    });
    serde_json::to_vec_pretty(&manifest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::fs;

    use super::*;

    #[test]
    fn content_sets_are_those_of_the_architecture() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(content_sets(root.path(), "x86_64").unwrap(), Vec::<String>::new());
        fs::write(root.path().join(CONTENT_SETS_FILE), "x86_64:\n- a-rpms\n- b-rpms\ns390x: [c-rpms]\n").unwrap();
        let sets = content_sets(root.path(), "x86_64").unwrap();
        assert_eq!(sets, ["a-rpms", "b-rpms"]);
        let manifest: serde_json::Value = serde_json::from_slice(&build(2, &sets)).unwrap();
        assert_eq!(manifest["metadata"]["image_layer_index"], 2);
        assert_eq!(manifest["content_sets"][1], "b-rpms");
        fs::write(root.path().join(CONTENT_SETS_FILE), "- a\n").unwrap();
        assert!(content_sets(root.path(), "x86_64").is_err());
    }

    #[test]
    fn a_link_out_of_the_checkout_is_no_list_of_content_sets() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/zero", root.path().join(CONTENT_SETS_FILE)).unwrap();
        let error = content_sets(root.path(), "x86_64").unwrap_err();
        assert!(matches!(error, ContentManifestError::Read(_)), "{error:?}");
    }
}
