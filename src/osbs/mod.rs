//! The OSBS builder: PipelineRuns on OpenShift.
//!
//! In the order in which a build goes through it: [`openshift`] finds the server and, with [`token`], [`oauth`] and [`kerberos`], a
//! way in; [`cluster`] asks, [`discovery`] what there is to build with; [`user_params`], [`naming`], [`template`] and [`conversion`] make the run that [`pipeline_run`] creates
//! once; [`watch`] follows it through [`collection`]s and [`logs`]; [`results`] says how it ended. [`docker_build`] is the way where
//! there is no Tekton; [`run_kind`] is what the two differ in.

pub mod cluster;
pub mod collection;
pub mod conversion;
pub mod discovery;
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
