//! The OSBS builder: PipelineRuns on OpenShift.

pub mod user_params;
pub mod pipeline_run;
pub mod openshift;
pub mod kerberos;
pub mod oauth;
pub mod token;
