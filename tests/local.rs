//! Builds on this machine: the real program, with real buildah, skopeo and a real registry.

mod failures;
mod images;
mod interruptions;
