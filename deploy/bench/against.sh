#!/usr/bin/env bash
# What a change costs: CPU time per message of BASE (a commit) and of this checkout, measured in turn.
#   BASE=a629499 bash deploy/bench/against.sh
# Both are built in the profile `bench-against` (optimized, no link-time optimization). The binaries of BASE are
# kept in target/against/COMMIT and used again. Each workload runs BASE, this, BASE, this, BASE, each time on a
# fresh cluster with a fresh database. Each side is loaded by its own fleet, since the protocol may differ.
# The spread is that of BASE against itself: a ratio inside it shows nothing.
# WORKLOADS chooses (rate saturated alone), SECONDS_EACH how long a run is measured (8), TURNS how many (5).
# Loopback only; stops by itself after about two minutes for each workload, besides what building takes.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD
base=$(git rev-parse --short=9 --verify "${BASE:?names a commit: make bench-against BASE=a629499}^{commit}")
against=$here/target/against
export CARGO_TARGET_DIR=$against/build
profile=bench-against
workloads=${WORKLOADS:-rate saturated alone}

binaries=(gateway chat-service presence-service tidings fleet)
build() { # TREE OUT
    local tree=$1 out=$2 binary chosen=()
    for binary in "${binaries[@]}"; do chosen+=(--bin "$binary"); done
    # BASE may be older than the profile.
    local settings=(--profile "$profile" --config "profile.$profile.inherits='release'" --config "profile.$profile.lto=false"
        --config "profile.$profile.codegen-units=16" --config "profile.$profile.debug=false")
    # Cargo takes a crate of the other tree for the same one when its files are older than what was built.
    (cd "$tree" && ${CARGO:-cargo} clean --quiet --workspace "${settings[@]}" &&
        ${CARGO:-cargo} build --quiet --workspace "${settings[@]}" "${chosen[@]}")
    mkdir -p "$out"
    for binary in "${binaries[@]}"; do cp "$CARGO_TARGET_DIR/$profile/$binary" "$out/"; done
}
if [ ! -x "$against/$base/fleet" ]; then
    echo "building BASE $base" >&2
    git worktree prune
    git worktree add --quiet --force --detach "$against/$base/tree" "$base"
    # The pages are built into the gateway; what they contain costs no message anything.
    mkdir -p "$against/$base/tree/web" && rm -rf "$against/$base/tree/web/dist"
    [ ! -d web/dist ] || cp -r web/dist "$against/$base/tree/web/dist"
    build "$against/$base/tree" "$against/$base"
fi
echo "building this checkout" >&2
build "$here" "$against/this"

measure() { # SIDE WORKLOAD -> CPU microseconds per message of all servers and backends
    local side=$1 tree=$here report
    [ "$side" = this ] || tree=$against/$base/tree
    report=$(mktemp)
    (
        export BIN=$against/$side
        cd "$tree"
        # shellcheck source=deploy/bench/servers.sh
        . deploy/bench/servers.sh
        case $2 in
        alone)
            start all "$bin/tidings" serve --listen 127.0.0.1:0 --management-listen 127.0.0.1:0 --data "$work/data"
            ready all
            target=(--url "ws://${address_of[all]}/ws" --secret-file "$work/data/secret" --server-pids "tidings=${pid_of[all]}")
            load=(--rate "${RATE:-1000}")
            ;;
        saturated)
            start_cluster
            target=(--url "ws://${address_of[gateway]}/ws" --secret-file "$work/secret" --server-pids "$cluster_pids")
            load=(--window "${WINDOW:-8}")
            ;;
        *)
            start_cluster
            target=(--url "ws://${address_of[gateway]}/ws" --secret-file "$work/secret" --server-pids "$cluster_pids")
            load=(--rate "${RATE:-1000}")
            ;;
        esac
        "$bin/fleet" run "${target[@]}" --pairs 500 "${load[@]}" --warmup 3s --duration "${SECONDS_EACH:-8}s" \
            --seed 1 --quiet --json "$report" >/dev/null 2>"$work/fleet.err" ||
            { tail -n 3 "$work/fleet.err" >&2; exit 1; }
    ) >&2
    sed -nE 's/.*"servers_cpu_us_per_message": ?([0-9.]+).*/\1/p' "$report" | head -n 1
    rm -f "$report"
}

echo "| workload | CPU-µs per message, BASE $base | this | ratio | spread of BASE |"
echo "|---|---|---|---|---|"
for workload in $workloads; do
    figures=()
    for turn in $(seq "${TURNS:-5}"); do
        side=$base
        [ $((turn % 2)) -eq 1 ] || side=this
        figure=$(measure "$side" "$workload")
        [ -n "$figure" ] || { echo "no figure from $workload at $side" >&2; exit 1; }
        echo "  $workload, turn $turn, $side: $figure" >&2
        figures+=("$figure")
    done
    printf '%s\n' "${figures[@]}" | awk -v workload="$workload" '
        function median(values, n,   i, j, kept) {
            for (i = 2; i <= n; i++) for (j = i; j > 1 && values[j] < values[j - 1]; j--) {
                kept = values[j]; values[j] = values[j - 1]; values[j - 1] = kept
            }
            return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
        }
        NR % 2 { base[++b] = $1 }
        !(NR % 2) { this[++t] = $1 }
        END {
            before = median(base, b); after = median(this, t)
            printf "| %s | %.1f | %.1f | %.3f | %.3f to %.3f |\n", workload, before, after, after / before,
                base[1] / before, base[b] / before
        }'
done
