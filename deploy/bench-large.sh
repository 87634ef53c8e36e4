#!/usr/bin/env bash
# One cluster, many gateways, as many connections as this machine's limit of files allows: stable under load?
# GATEWAYS (5) gateways and as many fleets, CONNECTIONS (95000) clients in pairs whose two ends sit on different
# gateways, RATE (1000) messages/s in total, checked message by message, for SECONDS_LONG (600). A process may
# have 20,000 files, so no gateway and no fleet has more than 19,000 clients. Loopback only; stops by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/bench/servers.sh
. deploy/bench/servers.sh
gateways=${GATEWAYS:-5}
connections=${CONNECTIONS:-95000}
rate=${RATE:-1000}
seconds=${SECONDS_LONG:-600}
# All come within about two minutes.
ramp=${RAMP:-160}

kernel_kib() {
    local slab pages
    slab=$(awk '/^Slab:/ { print $2 }' /proc/meminfo)
    pages=$(awk '/^TCP:/ { print $NF }' /proc/net/sockstat)
    echo $((slab + pages * $(getconf PAGESIZE) / 1024))
}
# Beyond this the run is not ending by itself any more.
patience=$((connections / gateways / ramp + seconds + 180))

about_this_machine
start_cluster "$gateways"
before=$(kernel_kib)
fleets=()
for number in $(seq "$gateways"); do
    next=$((number % gateways + 1))
    launch "fleet-$number" timeout "$patience" "$bin/fleet" run --pairs $((connections / gateways / 2)) \
        --url "ws://${address_of[gateway-$number]:-${address_of[gateway]:-}}/ws" \
        --url "ws://${address_of[gateway-$next]:-${address_of[gateway]:-}}/ws" \
        --secret-file "$work/secret" --server-pids "$cluster_pids" --rate $((rate / gateways)) --ramp "$ramp/s" \
        --sources "127.0.$number.2-127.0.$number.9" --connect-timeout 120s --warmup 10s --duration "${seconds}s" \
        --drain 60s --ack-every-ms 2000 --seed "$number" --quiet --json "$work/fleet-$number.json"
    fleets+=("${pid_of[fleet-$number]}")
done
sleep $((connections / gateways / ramp + 30))
during=$(kernel_kib)
open=$(awk '/^TCP:/ { print $3 }' /proc/net/sockstat)
echo "open TCP sockets on this machine: $open; kernel memory: $(((during - before) / 1024)) MiB more than before," \
    "$(awk -v k=$((during - before)) -v n="$connections" 'BEGIN { printf "%.1f", k / n }') KiB per connection, both ends"
failed=0
for number in $(seq "$gateways"); do
    wait "${fleets[number - 1]}" || failed=1
    echo
    echo "== fleet $number of $gateways"
    cat "$work/fleet-$number.out" "$work/fleet-$number.err"
done
exit $failed
