//! A Koji hub in the test process.

pub mod xmlrpc;
