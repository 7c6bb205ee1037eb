//! The OSBS workflow on this machine: what the build service does with a checkout, one file a step, with buildah and skopeo as
//! child processes for the image work.

pub mod artifacts;
pub mod content_manifest;
pub mod inspect;
pub mod rpmdb;
pub mod sbom;
