//! Images in the engine's storage.

use serde::Deserialize;

use super::config::ImageConfig;
use crate::local::engine::{Engine, EngineError, output};

/// An image in the storage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BuiltImage {
    /// Its id: the digest of its configuration.
    pub id: String,
    /// Its name in the storage.
    pub name: String,
    pub config: ImageConfig,
    /// The same, as it is written.
    pub raw_config: String,
    /// The sizes of its layers in bytes, uncompressed, lowest first.
    pub layer_sizes: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    config: String,
    manifest: String,
    #[serde(rename = "FromImageID")]
    from_image_id: String,
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    size: u64,
}

/// Reads what the storage has under a name.
///
/// # Errors
/// When it has nothing, or buildah's answer is not understood.
pub(crate) async fn image(engine: &Engine, name: &str) -> Result<BuiltImage, EngineError> {
    let what = format!("reading {name}");
    let answer = output(engine.quick_buildah().args(["inspect", "--type", "image", name]), &what).await?;
    let unexpected = |error: serde_json::Error| EngineError::Unexpected {
        what: what.clone(),
        program: "buildah".to_owned(),
        reason: error.to_string(),
    };
    let inspected: Inspected = serde_json::from_slice(&answer).map_err(unexpected)?;
    let manifest: Manifest = serde_json::from_str(&inspected.manifest).map_err(unexpected)?;
    Ok(BuiltImage {
        id: format!("sha256:{}", inspected.from_image_id.trim_start_matches("sha256:")),
        name: name.to_owned(),
        config: ImageConfig::parse(inspected.config.as_bytes()).map_err(unexpected)?,
        raw_config: inspected.config,
        layer_sizes: manifest.layers.iter().map(|layer| layer.size).collect(),
    })
}

/// How an image's layers stand to its base's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layers {
    /// The base's layers, and this many on top.
    OnTop(usize),
    /// The base's layers are not there as they were.
    Rewritten,
}

/// Compares the layers of an image with those of its base.
pub(crate) fn layers(image: &ImageConfig, base: Option<&ImageConfig>) -> Layers {
    let below = base.map(|base| base.rootfs.diff_ids.as_slice()).unwrap_or_default();
    match image.rootfs.diff_ids.strip_prefix(below) {
        Some(new) => Layers::OnTop(new.len()),
        None => Layers::Rewritten,
    }
}
