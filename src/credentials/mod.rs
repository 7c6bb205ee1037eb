//! Secrets, and where they are kept between runs.

pub(crate) mod keyring;
pub mod negotiate;
pub(crate) mod secret;

pub use secret::Secret;

/// The variable that holds the Koji password where a command line would show it to every user of the machine.
pub const PASSWORD_VARIABLE: &str = "FEDPKG_CONTAINER_BUILD_PASSWORD";
