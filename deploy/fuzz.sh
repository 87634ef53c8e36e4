#!/usr/bin/env bash
# Fuzzes what strangers can make up (e2e/fuzz), each target for SECONDS_EACH; fails at the first crash,
# whose input stays in e2e/fuzz/artifacts. The sanitizer wants an unstable flag of the compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
for target in $(RUSTC_BOOTSTRAP=1 cargo fuzz list --fuzz-dir e2e/fuzz); do
    echo "$target"
    RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir e2e/fuzz "$target" -- \
        -max_total_time="${SECONDS_EACH:-60}" -max_len=4096 -print_final_stats=1
done
