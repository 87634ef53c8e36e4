#!/usr/bin/env bash
# Builds the four release binaries into OUT (target/dist): each stripped, and beside it NAME.debug with its
# debug information, which gdb, perf and addr2line find by the link in the binary when both lie in one folder.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-target/dist}
binaries="gateway chat-service presence-service tidings"
# shellcheck disable=SC2046
${CARGO:-cargo} build --release --locked --bins $(printf -- '-p %s ' $binaries)
mkdir -p "$out"
for binary in $binaries; do
    from=${CARGO_TARGET_DIR:-target}/release/$binary
    objcopy --only-keep-debug "$from" "$out/$binary.debug"
    objcopy --strip-all --add-gnu-debuglink="$out/$binary.debug" "$from" "$out/$binary"
done
ls -l "$out"
