//! How the program ends: one fact has one exit code, whoever builds, and a signal ends it whatever it waits for.

mod facts;
mod signals;
