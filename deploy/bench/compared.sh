#!/usr/bin/env bash
# Tidings beside NATS and the floors: each workload on each server in turn, REPEAT times (3), then the
# medians and their ratios as rows of Markdown. Loopback only; stops by itself.
# ROWS chooses workloads (all: w1 w1acks w16 rate large wires wires16 idle arrivals), SECONDS_EACH how
# long each is measured (5), MEMBERS how many are online (1000), PAYLOAD how long a text of `wires` is
# (200 bytes), CONNECTIONS how many are idle (19000).
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/bench/servers.sh
. deploy/bench/servers.sh
# shellcheck source=deploy/bench/table.sh
. deploy/bench/table.sh
# shellcheck source=deploy/bench/beside.sh
. deploy/bench/beside.sh
rows=${ROWS:-w1 w1acks w16 rate large wires wires16 idle arrivals}
seconds=${SECONDS_EACH:-5}
members=${MEMBERS:-1000}
large_members=${LARGE_MEMBERS:-10000}
connections=${CONNECTIONS:-19000}
wires="json msgpack batches deflate sse"
payload=${PAYLOAD:-200}
idle_seconds=${IDLE_SECONDS:-60}
sources="--sources 127.0.0.2-127.0.0.9"

[ -n "$nats_server" ] || echo "nats-server is not installed: no comparison with NATS" >&2
peers="tidings ${nats_server:+nats} axum tcp"

measure() { # ROW TARGET COMMAND ARGUMENTS...
    local row=$1 target=$2 command=$3 line
    shift 3
    # shellcheck disable=SC2046,SC2086
    if line=$("$bin/fleet" "$command" $(towards "$target") $sources "$@" 2>"$work/fleet.err"); then
        note "$row" "$line"
    else
        echo "  $row $target: $(tail -n 1 "$work/fleet.err")" >&2
    fi
}
in_turn() { # ROW TARGETS COMMAND ARGUMENTS...
    local row=$1 targets=$2 target
    shift 2
    echo "== $row: $*" >&2
    for _ in $(seq "${REPEAT:-3}"); do
        for target in $targets; do measure "$row" "$target" "$@"; done
    done
}
start_all() {
    start_cluster
    [ -z "$nats_server" ] || start_nats
    start_floor axum
    start_floor tcp
}

beside_a_large_channel() {
    local pace="--members $large_members --rate 1"
    echo "== large: $pace, and 500 pairs at 100/s beside it" >&2
    for _ in $(seq "${REPEAT:-3}"); do
        # shellcheck disable=SC2086
        beside_a_crowd quiet during beside $pace
        # The channel alone: what its own time is without the pairs.
        # shellcheck disable=SC2086
        measure large tidings fanout $pace --warmup 1s --duration "$((seconds + 5))s"
        # shellcheck disable=SC2086
        [ -z "$nats_server" ] || measure large nats fanout $pace --warmup 1s --duration "$((seconds + 5))s"
    done
}
# Everything that a client may ask of its connection, on a gateway that compresses for clients that offer it.
wires_on_one_cluster() {
    local row wire window
    TIDINGS_GATEWAY__LIMITS__COMPRESSION=true start_cluster
    for row in $rows; do
        case $row in wires) window=1 ;; wires16) window=16 ;; *) continue ;; esac
        echo "== $row: --members $members --window $window --payload $payload --duration ${seconds}s, $wires" >&2
        for _ in $(seq "${REPEAT:-3}"); do
            for wire in $wires; do
                measure "$row-$wire" tidings fanout --wire "$wire" --members "$members" --window "$window" \
                    --payload "$payload" --duration "${seconds}s"
            done
        done
    done
    stop_all
}
# A fresh server each time: what a process has had before is not told apart.
idle_on_fresh_servers() {
    local target
    echo "== idle: $connections connections, ${idle_seconds} s" >&2
    for _ in $(seq "${REPEAT:-3}"); do
        for target in $peers; do
            case $target in
            tidings) start_cluster ;;
            nats) start_nats ;;
            *) start_floor "$target" ;;
            esac
            measure idle "$target" idle --connections "$connections" --duration "${idle_seconds}s"
            stop_all
        done
    done
}

about_this_machine
# Those that are measured on all servers beside each other.
shared=$(for row in $rows; do case $row in idle | wires | wires16) ;; *) echo "$row" ;; esac; done)
[ -z "$shared" ] || start_all
for row in $shared; do
    case $row in
    w1 | w16) in_turn "$row" "$peers" fanout --members "$members" --window "${row#w}" --duration "${seconds}s" ;;
    w1acks) in_turn w1acks tidings fanout --members "$members" --duration "${seconds}s" --delivered-every 2s ;;
    rate) in_turn rate "$peers" fanout --members "$members" --rate 10 --duration "$((seconds * 2))s" ;;
    large) beside_a_large_channel ;;
    arrivals)
        in_turn arrivals "$peers" arrivals --connections "${ARRIVALS:-10000}" --parallel 64
        in_turn arriving "$peers" arrivals --connections "$((500 * seconds))" --rate 500
        ;;
    *) echo "ROWS: there is no $row" >&2; exit 2 ;;
    esac
done
stop_all
case " $rows " in *" wires"*) wires_on_one_cluster ;; esac
case " $rows " in *" idle "*) idle_on_fresh_servers ;; esac

case " $rows " in *" wires"*) table_of_wires ;; esac
case "$shared $rows " in *" idle "* | [!\ ]*) ;; *) exit 0 ;; esac

head_of_table
online="$members members online"
row w1 "$online, one message at a time" "gateway (server) CPU-µs per delivery" cpu_us.servers cpu_us.gateway
row w1 "" "CPU-µs per delivery, all servers and backends" cpu_us.servers
row w1 "" "deliveries/s" deliveries_per_second
row w1acks "the same, members acknowledge every 2 s" "gateway CPU-µs per delivery" cpu_us.servers cpu_us.gateway
row w16 "$online, 16 messages on their way" "gateway (server) CPU-µs per delivery" cpu_us.servers cpu_us.gateway
row w16 "" "CPU-µs per delivery, all servers and backends" cpu_us.servers
row w16 "" "deliveries/s" deliveries_per_second
row rate "$online, 10 messages/s" "to each socket, p50, ms" each_p50_ms
row rate "" "to each socket, p99, ms" each_p99_ms
row rate "" "to the last socket, p99, ms" last_p99_ms
row large "$large_members members online, 1 message/s" "to the last socket, p50, ms" last_p50_ms
row large "" "to the last socket, max, ms" last_max_ms
row quiet "500 pairs at 100/s beside it, quiet" "p99, ms" p99_ms
row during "the same while the messages go out" "p99, ms" p99_ms
row idle "$connections idle connections" "gateway (server) KiB resident per connection" rss_kib.servers rss_kib.gateway
row idle "" "kernel KiB, slab, both ends" kernel_slab_kib
row idle "" "kernel KiB, socket buffers, both ends" kernel_socket_kib
row idle "" "gateway (server) CPU-µs/s per connection" cpu_us.servers cpu_us.gateway
row arrivals "connections, 64 opening at once" "ready per second" per_second
row arrivals "" "gateway (server) CPU-µs per connection" cpu_us.servers cpu_us.gateway
row arrivals "" "CPU-µs per connection, all servers and backends" cpu_us.servers
row arriving "500 connections/s" "until ready, p50, ms" p50_ms
row arriving "" "until ready, p99, ms" p99_ms
