//! All integration tests in one binary, so that linking is paid for once: one module a feature.

#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on may panic, and says what it skips"
)]

mod support;

mod arrows;
mod artifacts;
mod cases;
mod check;
mod checkout;
mod cli;
mod config;
mod dockerfile;
mod endings;
mod faults;
mod first_run;
mod fuzz_replay;
mod generated;
mod hub;
mod kerberos;
mod koji_build;
mod kube_server;
mod local;
mod osbs;
mod parity;
mod report;
mod secrets;
mod which;
