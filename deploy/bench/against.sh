#!/usr/bin/env bash
# What a change costs: CPU time per message of BASE (a commit) and of this checkout, measured in turn.
#   BASE=a629499 bash deploy/bench/against.sh
# Both are built in the profile `bench-against` (deploy/built.sh); the binaries of BASE are kept. Each workload runs
# BASE, this, BASE, this, BASE, each time on a fresh cluster with a fresh database. Each side is loaded by its own fleet, since the protocol may differ.
# The spread is that of BASE against itself: a ratio inside it shows nothing.
# WORKLOADS chooses (rate saturated alone), SECONDS_EACH how long a run is measured (8), TURNS how many (5).
# Loopback only; stops by itself after about two minutes for each workload, besides what building takes.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/built.sh
. deploy/built.sh
# shellcheck source=deploy/bench/turns.sh
. deploy/bench/turns.sh
base=$(commit_of "${BASE:?names a commit: make bench-against BASE=a629499}")
workloads=${WORKLOADS:-rate saturated alone}

build_commit "$base"
echo "building this checkout" >&2
build "$root" "$against/this"

measure() { # SIDE WORKLOAD -> CPU microseconds per message of all servers and backends
    local side=$1 tree=$root report
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
    turns_compared "$workload" "${figures[@]}"
done
