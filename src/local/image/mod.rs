//! Images: what they are called, what is in them, and the forms that they are given.

pub(crate) mod built;
pub(crate) mod config;
pub(crate) mod content_manifest;
pub mod contents;
pub(crate) mod export;
pub(crate) mod inspect;
pub mod name;
pub(crate) mod rpmdb;
pub(crate) mod sbom;
