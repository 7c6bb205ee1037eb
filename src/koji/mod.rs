//! The Koji builder.

pub mod api;
pub mod auth;
pub mod builder;
pub mod bulk;
pub mod call;
pub mod cancel;
pub mod error;
pub mod fault;
mod find;
pub mod hub;
pub mod import;
mod login;
pub mod logs;
mod naming;
pub mod outcome;
pub mod questions;
pub mod retry;
pub mod session;
pub mod submit;
pub mod target_cache;
pub mod tree;
pub mod upload;
pub mod watch;
mod wire;
pub mod xmlrpc;

pub use naming::name_builds;
