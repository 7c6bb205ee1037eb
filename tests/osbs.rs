//! Builds on an OSBS cluster: the real program, against an API server in the test process.

mod builds;
mod cluster;
mod docker;
mod endings;
mod figures;
mod once;
mod patience;
mod recorded;
mod requests;
mod watching;
