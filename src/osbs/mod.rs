//! The OSBS builder: PipelineRuns on OpenShift.

pub mod cluster;
pub mod login;
pub mod logs;
