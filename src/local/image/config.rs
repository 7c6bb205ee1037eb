//! What an image's configuration says, in the form that both Docker's and OCI's have in common.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The configuration of an image.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ImageConfig {
    /// Go's name of the architecture.
    #[serde(default)]
    pub architecture: String,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// What containers get.
    #[serde(default)]
    pub config: ContainerConfig,
    /// Its layers.
    #[serde(default)]
    pub rootfs: RootFs,
    /// How it came about.
    #[serde(default)]
    pub history: Vec<Value>,
}

/// What containers of an image get.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// The user.
    #[serde(default)]
    pub user: String,
    /// `NAME=VALUE`.
    #[serde(default)]
    pub env: Option<Vec<String>>,
    /// Instructions for images that are built on it.
    #[serde(default)]
    pub on_build: Option<Vec<String>>,
    /// Labels.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
}

/// The layers of an image.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct RootFs {
    /// Digests of the layers as uncompressed archives, lowest first.
    #[serde(default)]
    pub diff_ids: Vec<String>,
}

impl ImageConfig {
    /// Reads the configuration's JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<ImageConfig, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The variables that containers get.
    pub fn env(&self) -> Vec<(String, String)> {
        let pairs = self.config.env.iter().flatten().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Whether images that are built on it begin with instructions of its own.
    pub fn has_triggers(&self) -> bool {
        self.config.on_build.as_ref().is_some_and(|triggers| !triggers.is_empty())
    }

    /// The labels.
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.config.labels.clone().unwrap_or_default()
    }
}
