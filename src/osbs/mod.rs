//! The OSBS builder: PipelineRuns on OpenShift.

pub mod cluster;
pub mod collection;
pub mod conversion;
pub mod docker_build;
pub mod kerberos;
pub mod login;
pub mod logs;
pub mod naming;
pub mod oauth;
pub mod openshift;
pub mod pipeline_run;
pub mod results;
pub mod run_kind;
pub mod tekton;
pub mod template;
pub mod token;
pub mod user_params;
pub mod watch;
