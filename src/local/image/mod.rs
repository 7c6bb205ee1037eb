//! Images: what they are called, what is in them, and the forms that they are given.

pub mod built;
pub mod config;
pub mod content_manifest;
pub mod contents;
pub mod export;
pub mod inspect;
pub mod name;
pub mod rpmdb;
pub mod sbom;
