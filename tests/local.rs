//! Builds on this machine: the real program, with real buildah, skopeo and a real registry.

mod bases;
mod begun;
mod everything;
mod exports;
mod failures;
mod fetched;
mod images;
mod imports;
mod interruptions;
mod naming;
mod packages;
mod stages;
mod tags;
mod target_repo;
