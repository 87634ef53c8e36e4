#!/usr/bin/env bash
# One group of each size, from 2 to 100,000 members, in a cluster of three gateways; the small ones both ways:
# each push by the names of its connections, and once to each gateway. So it can be seen from which size on
# the second costs less. Stops by itself after about ten minutes. SECONDS_EACH, SMALL, LARGE and DELIVERIES (a
# second, as far as one message a second allows) change it.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/bench/servers.sh
. deploy/bench/servers.sh
seconds=${SECONDS_EACH:-8}
deliveries=${DELIVERIES:-4000}

group() { # WAY MEMBERS [ARGUMENTS...]
    local way=$1 members=$2 rate=$((deliveries / $2 > 0 ? deliveries / $2 : 1))
    shift 2
    fleet "$way, $members members, $rate messages/s $*" "${cluster[@]}" --scenario group --members "$members" \
        --senders one --rate "$rate" --ramp 1000/s --sources 127.0.0.2-127.0.0.9 --warmup 5s --ack-every-ms 2000 "$@"
}
three_gateways() {
    start_cluster 3
    cluster=(--secret-file "$work/secret" --server-pids "$cluster_pids" --quiet)
    local number
    for number in 1 2 3; do cluster+=(--url "ws://${address_of[gateway-$number]}/ws"); done
}

about_this_machine
for large in 1000000 1; do
    way="by name"
    [ "$large" -gt 1 ] || way="once to each gateway"
    TIDINGS_CHAT__LANES__LARGE_MEMBERS=$large three_gateways
    for members in ${SMALL:-2 8 16 32 64 128 256 512 1000}; do group "$way" "$members"; done
    stop_all
done
three_gateways
for members in ${LARGE:-256 257 1000 4000 10000}; do group "as configured" "$members"; done
group "as configured, 96,000 more who are not here" 4000 --absent 96000
