//! The targets, shared with the ordinary tests, which replay what was found.

#[path = "../support/fuzz.rs"]
pub mod targets;
