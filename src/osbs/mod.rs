//! The OSBS builder: PipelineRuns on OpenShift.
//!
//! In the order in which a build goes through it: [`login`] finds the server and a way in; [`cluster`] asks, [`discovery`] what there
//! is to build with; [`run`] makes the run and creates it once; [`watch`] follows it to its end. What is read of Tekton's objects is
//! in [`tekton`].

pub(crate) mod builder;
pub mod cluster;
pub(crate) mod connect;
pub mod discovery;
pub(crate) mod error;
pub mod login;
pub(crate) mod options;
pub mod run;
pub mod tekton;
pub mod watch;
