//! Secrets, and where they are kept between runs.

#[cfg(feature = "keyring")]
pub mod keyring;
pub mod negotiate;
pub mod secret;

pub use secret::Secret;
