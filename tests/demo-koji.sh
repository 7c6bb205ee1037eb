#!/usr/bin/env bash
# A whole build on Koji in a minute, without any account: installs what is needed, starts a Koji hub made for tests on a loopback
# port, and runs the real program in a dist-git checkout made on the spot. Ends by itself and leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/setup.sh program
cargo build --release --locked --bins
cargo build --locked --example test-hub

folder=$(mktemp -d)
target/debug/examples/test-hub --folder "$folder" --lifetime 120 > "$folder/hub.out" &
hub=$!
trap 'kill $hub 2> /dev/null || true; wait $hub 2> /dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 100); do [ -f "$folder/ready" ] && break; sleep 0.1; done
[ -f "$folder/ready" ] || { cat "$folder/hub.out"; exit 1; }

export HOME=$folder/home FEDPKG_CONTAINER_BUILD_PASSWORD=secret
program=$PWD/target/release/fedpkg-container-build
cd "$folder/hello"
echo "\$ cd hello; fedpkg-container-build"
"$program" -C "$folder/fedpkg.conf" --user packager "$@"
