//! What the tests stand on: sandboxes, servers in the test process, and the Python peers.
#![allow(dead_code, reason = "shared by the test binary and the test hub program, which use different parts")]

pub(crate) mod digests;
pub(crate) mod faults;
pub(crate) mod fuzz;
pub(crate) mod images;
pub(crate) mod json;
pub(crate) mod kerberos;
pub(crate) mod koji_hub;
pub(crate) mod kube_api;
pub(crate) mod local_world;
pub(crate) mod lookaside;
pub(crate) mod modules;
pub(crate) mod osbs_inside;
pub(crate) mod osbs_world;
pub(crate) mod peers;
pub(crate) mod processes;
pub(crate) mod registry;
pub(crate) mod rpms;
pub(crate) mod sandbox;
pub(crate) mod serving;
pub(crate) mod world;
