//! The tests' API server, judged by clients that were not written for it: the Kubernetes project's `kubectl` and Python client.

mod answers;
mod clients;
mod streams;
