//! Registries: which of them images may come from, and how images get there.

pub mod push;
pub mod registries;
