//! The OSBS builder: PipelineRuns on OpenShift.

pub mod user_params;
pub mod pipeline_run;
pub mod openshift;
pub mod token;
pub mod kerberos;
pub mod oauth;
