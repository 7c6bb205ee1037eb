//! Registries: which of them images may come from, and how images get there.

pub(crate) mod push;
pub(crate) mod registries;
