//! What comes out of the engine, for what follows.

use std::path::PathBuf;

use crate::local::engine::Engine;
use crate::local::image::built::BuiltImage;
use crate::local::image::contents::Contents;

/// An image that was built and looked at.
pub(crate) struct Finished {
    /// Koji's name of the architecture.
    pub arch: String,
    /// The storage it is in.
    pub engine: Engine,
    pub image: BuiltImage,
    /// What is in it.
    pub contents: Contents,
    /// Its content manifest, and that file's name.
    pub content_manifest: (String, Vec<u8>),
    /// The engine's log.
    pub log: PathBuf,
}
