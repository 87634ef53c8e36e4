#!/usr/bin/env bash
# Builds each planted bug (src/planted.rs of the services) into TARGET/planted/BUG/, by way of a target
# folder of its own: no binary with a bug ever lies where others take theirs from.
set -euo pipefail
cd "$(dirname "$0")/.."
planted=${1:-target}/planted
for service in chat-service gateway; do
    for feature in $(sed -n 's/^\(planted-[a-z-]*\) = .*/\1/p' "$service/Cargo.toml"); do
        "${CARGO:-cargo}" build --target-dir "$planted/build" -p "$service" --bin "$service" \
            --features "$feature"
        mkdir -p "$planted/${feature#planted-}"
        # A link: the next build makes a new file.
        ln -f "$planted/build/debug/$service" "$planted/${feature#planted-}/$service"
    done
done
