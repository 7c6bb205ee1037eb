#!/usr/bin/env bash
# Runs all tests. Those that need a program this machine lacks are skipped with a line that begins "SKIPPED:", except where
# CI is set: there they fail.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --bins --examples
cargo test --locked --all-targets
cargo test --locked --doc
