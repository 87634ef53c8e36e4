#!/usr/bin/env bash
# Builds the four release binaries into OUT (target/dist): each stripped, and beside it NAME.debug with its
# debug information, which gdb, perf and addr2line find by the link in the binary when both lie in one folder.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-target/dist}
services=(gateway chat-service presence-service)
# Apart from each other: in one build the all-in-one would get what only the services stand on.
${CARGO:-cargo} build --release --locked --bins "${services[@]/#/--package=}"
${CARGO:-cargo} build --release --locked --bins --package=tidings
mkdir -p "$out"
for binary in "${services[@]}" tidings; do
    from=${CARGO_TARGET_DIR:-target}/release/$binary
    objcopy --only-keep-debug "$from" "$out/$binary.debug"
    objcopy --strip-all --add-gnu-debuglink="$out/$binary.debug" "$from" "$out/$binary"
done
ls -l "$out"
