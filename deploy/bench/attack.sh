#!/usr/bin/env bash
# Fifteen users who misbehave (`fleet attack`) beside 500 pairs at 100 messages/s, with all limits on and no
# exempt network: first the pairs alone, then beside the attack. Stops by itself after about two minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/bench/servers.sh
. deploy/bench/servers.sh
seconds=${SECONDS_EACH:-20}

about_this_machine
configure_cluster
export TIDINGS_GATEWAY__ADMISSION__EXEMPT_NETWORKS='[]'
start_cluster
url=ws://${address_of[gateway]}/ws
# Ten connections an address.
pairs=(--url "$url" --secret-file "$work/secret" --server-pids "$cluster_pids" --quiet --pairs 500 --rate 100)
pairs+=(--ramp 200/s --warmup 2s --sources)
fleet "500 pairs at 100/s, nobody misbehaves" "${pairs[@]}" 127.1.0.1-127.1.0.100
launch attack "$bin/fleet" attack --url "$url" --secret-file "$work/secret" --server-pids "$cluster_pids" \
    --duration "$((seconds + 15))s" --sources 127.2.0.1-127.2.0.16
# Other addresses: the first ones have used up their new connections of this minute.
fleet "500 pairs at 100/s beside fifteen attackers" "${pairs[@]}" 127.1.1.1-127.1.1.100
wait "${pid_of[attack]}" || echo "the attack found something: exit code $?"
echo
cat "$work/attack.out" "$work/attack.err"
