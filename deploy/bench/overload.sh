#!/usr/bin/env bash
# What comes of it when several times more is asked for than can be done: 10,000 clients at two gateways want to
# send RATE messages/s (60,000), each with up to 32 of them waiting; right after that, 500 pairs send 500
# messages/s. First with the limit of unanswered requests (`limits.unanswered`), then without. Stops by itself
# after about four minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/bench/servers.sh
. deploy/bench/servers.sh

overload() { # WHAT
    start_cluster 2
    local cluster=(--secret-file "$work/secret" --server-pids "$cluster_pids" --quiet --ramp 1500/s)
    cluster+=(--url "ws://${address_of[gateway-1]}/ws" --url "ws://${address_of[gateway-2]}/ws" --ack-every-ms 2000)
    seconds=${SECONDS_EACH:-40}
    fleet "$1, while too much is asked for" "${cluster[@]}" --pairs 5000 --rate "${RATE:-60000}" --outbox 32 \
        --sources 127.0.0.2-127.0.0.9 --warmup 5s --drain 30s
    seconds=8
    fleet "$1, right after it" "${cluster[@]}" --pairs 500 --rate 500 --warmup 1s
    stop_all
}

about_this_machine
overload "with the limit"
export TIDINGS_GATEWAY__LIMITS__UNANSWERED=1000000000 TIDINGS_GATEWAY__LIMITS__ANSWER_TARGET_MS=3600000
overload "without"
