#!/usr/bin/env bash
# Looks for inputs that break a promise of a parser, guided by coverage: `tests/fuzz/run.sh [TARGET|all] [SECONDS]`, for a
# minute each unless told otherwise. Installs cargo-fuzz from crates.io where it is missing, and needs a C++ compiler.
#
# What breaks a promise is kept as tests/data/fuzz/TARGET/crash-…, where the ordinary tests replay it for ever: mend the parser,
# then commit both. What merely reaches new code is kept in target/fuzz and made use of by the next search.
set -euo pipefail
cd "$(dirname "$0")/../.."

targets=(tests/fuzz/targets/*.rs)
targets=("${targets[@]##*/}")
targets=("${targets[@]%.rs}")
[ "${1:-all}" = all ] || targets=("$1")
seconds=${2:-60}
for target in "${targets[@]}"; do
  [ -f "tests/fuzz/targets/$target.rs" ] || { echo "usage: tests/fuzz/run.sh [TARGET|all] [SECONDS]" >&2; exit 2; }
done
command -v c++ > /dev/null || { echo "run.sh: libFuzzer is written in C++: install a compiler (g++)" >&2; exit 1; }
command -v cargo-fuzz > /dev/null || cargo install --locked --quiet cargo-fuzz

# Instrumenting for coverage is unstable in Rust, and works in the stable toolchain when it is told so.
export RUSTC_BOOTSTRAP=1
failed=()
for target in "${targets[@]}"; do
  corpus=target/fuzz/corpus/$target
  found=tests/data/fuzz/$target
  mkdir -p "$corpus"
  echo "== $target, for $seconds s"
  # No sanitizer: there is no unsafe code here, and without one the search is some times faster.
  cargo fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz --sanitizer none "$target" "$corpus" "$found" -- \
    -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$found/" \
    -print_final_stats=1 || failed+=("$target")
done
[ ${#failed[@]} = 0 ] || { echo "run.sh: promises are broken by what was found for: ${failed[*]}" >&2; exit 1; }
