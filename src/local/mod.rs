//! The OSBS workflow on this machine: what the build service does with a checkout, with buildah and skopeo as child processes for
//! the image work.
//!
//! The facts are those of atomic-reactor 4.21; where its way is a fault of its time, the doc of the step says so.
//!
//! | Room | What it is for |
//! | --- | --- |
//! | [`steps`] | the workflow: what is done, in order |
//! | [`registry`] | what is asked of registries, and given to them |
//! | [`image`] | names, configurations, contents and forms of images |
//! | [`engine`] | the programs that do the image work, their storage, and what keeps them in check |
//!
//! Each room uses only those below it.

pub(crate) mod builder;
pub mod engine;
pub mod image;
pub(crate) mod options;
pub(crate) mod order;
pub(crate) mod registry;
pub mod steps;

pub use steps::{Begun, Ended, Preview, begin, preview};
