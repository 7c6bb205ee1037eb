//! The OSBS builder: PipelineRuns on OpenShift.

pub mod openshift;
pub mod pipeline_run;
pub mod user_params;
