//! What the tests stand on: sandboxes, servers in the test process, and the Python peers.
#![allow(dead_code, reason = "shared by the test binary and the test hub program, which use different parts")]

pub mod faults;
pub mod fuzz;
pub mod images;
pub mod json;
pub mod kerberos;
pub mod koji_hub;
pub mod kube_api;
pub mod local_world;
pub mod lookaside;
pub mod modules;
pub mod osbs_inside;
pub mod osbs_world;
pub mod peers;
pub mod processes;
pub mod registry;
pub mod rpms;
pub mod sandbox;
pub mod serving;
pub mod world;
