//! The OSBS workflow on this machine: what the build service does with a checkout, one file a step, with buildah and skopeo as
//! child processes for the image work.
//!
//! The facts are those of atomic-reactor 4.21; where its way is a fault of its time, the doc of the step says so.

pub mod artifacts;
pub mod base_image;
pub mod build;
pub mod content_manifest;
pub mod contents;
pub mod context;
pub mod dockerfile;
pub mod edits;
pub mod engine;
pub mod error;
pub mod export;
pub mod guard;
pub mod image_config;
pub mod image_name;
pub mod import;
pub mod inspect;
pub mod journal;
pub mod labels;
pub mod order;
pub mod orphans;
pub mod platform;
pub mod prepare;
pub mod push;
pub mod registries;
pub mod release;
pub mod rpmdb;
pub mod sbom;
pub mod setup;
pub mod store;
pub mod trouble;
pub mod workflow;
pub mod yum_repos;
