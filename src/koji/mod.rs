//! The Koji builder.

pub mod api;
pub mod auth;
pub(crate) mod builder;
pub(crate) mod bulk;
pub(crate) mod call;
pub mod cancel;
pub(crate) mod error;
pub(crate) mod fault;
mod find;
pub(crate) mod hub;
pub mod import;
pub(crate) mod logs;
mod naming;
pub mod outcome;
pub mod questions;
pub mod retry;
pub mod session;
pub mod submit;
pub mod target_cache;
pub(crate) mod tree;
pub mod upload;
pub mod watch;
mod wire;
pub mod xmlrpc;

pub use naming::name_builds;
