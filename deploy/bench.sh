#!/usr/bin/env bash
# The figures of docs/benchmarks.md: every workload once, through the fleet, everything on this machine.
# Wants release binaries in target/release and RabbitMQ, Postgres and Redis (`make bench` sees to both).
# Sends to loopback only, and stops by itself after about six minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${BIN:-target/release}
seconds=${SECONDS_EACH:-15}
name=tidings_bench_$$
work=$(mktemp -d)
secret=$(head -c 24 /dev/urandom | base64 | tr -d '\n')
admin=${DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres}
started=()

stop_all() {
    [ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null || true
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
    started=()
}
clean() {
    stop_all
    psql -q "$admin" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" 2>/dev/null || true
    redis-cli -u "${REDIS_URL:-redis://127.0.0.1:6379}" --scan --pattern "$name:*" 2>/dev/null |
        xargs -r -n 500 redis-cli -u "${REDIS_URL:-redis://127.0.0.1:6379}" DEL >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean EXIT

start() { # LOG COMMAND...
    local log=$1
    shift
    "$@" >"$work/$log.out" 2>"$work/$log.err" &
    started+=($!)
    until grep -q '^listening' "$work/$log.out"; do
        kill -0 $! 2>/dev/null || { cat "$work/$log.err" >&2; exit 1; }
        sleep 0.05
    done
}
ready() { # LOG
    local management
    management=$(sed -n 's/^listening.*management=//p' "$work/$1.out")
    until curl -sf "http://$management/health/ready" >/dev/null; do sleep 0.1; done
}
http_of() { sed -n 's/^listening http=\([^ ]*\).*/\1/p' "$work/$1.out"; }
fleet() { # TITLE ARGUMENTS...
    echo
    echo "== $1"
    shift
    "$bin/fleet" run "$@" --duration "${seconds}s" --seed 1 2>/dev/null || echo "exit code $?"
}

echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r)"
echo "commit: $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"

psql -q "$admin" -c "CREATE DATABASE $name"
export TIDINGS_CHAT__DATABASE__URL=${admin%/*}/$name
for service in CHAT PRESENCE GATEWAY; do
    export "TIDINGS_${service}__AMQP__URL=${AMQP_URL:-amqp://guest:guest@127.0.0.1:5672/%2f}"
    export "TIDINGS_${service}__AMQP__PREFIX=$name"
    export "TIDINGS_${service}__MANAGEMENT_LISTEN=127.0.0.1:0"
    export "TIDINGS_${service}__TELEMETRY__LOG_FILTER=warn"
done
export TIDINGS_PRESENCE__REDIS__URL=${REDIS_URL:-redis://127.0.0.1:6379} TIDINGS_PRESENCE__REDIS__PREFIX=$name
export TIDINGS_CHAT__GRPC_LISTEN=127.9.9.9:7001 TIDINGS_PRESENCE__GRPC_LISTEN=127.9.9.9:7002
export TIDINGS_CHAT__PRESENCE_GRPC__URLS=http://127.9.9.9:7002
export TIDINGS_PRESENCE__CHAT_GRPC__URLS=http://127.9.9.9:7001
export TIDINGS_GATEWAY__CHAT_GRPC__URLS=http://127.9.9.9:7001
export TIDINGS_GATEWAY__PRESENCE_GRPC__URLS=http://127.9.9.9:7002
# The fleet comes from a handful of addresses and says more than people do.
export TIDINGS_GATEWAY__ADMISSION__EXEMPT_NETWORKS='["127.0.0.0/8"]'
export TIDINGS_GATEWAY__AUTH__HS256_SECRET=$secret TIDINGS_GATEWAY__LISTEN=127.0.0.1:0

start presence "$bin/presence-service"
start chat "$bin/chat-service"
start gateway "$bin/gateway"
for service in presence chat gateway; do ready $service; done
pids=presence=${started[0]},chat=${started[1]},gateway=${started[2]}
pids+=,rabbitmq=$(pgrep -o beam.smp),postgres=$(pgrep -o -f 'postgres.*config_file|postgres -D'),redis=$(pgrep -o redis-server)
cluster=(--url "ws://$(http_of gateway)/ws" --secret "$secret" --server-pids "$pids")

fleet "cluster, 500 pairs, saturated" "${cluster[@]}" --pairs 500 --window "${WINDOW:-8}" --warmup 5s --verify-history=50
fleet "cluster, 500 pairs, 1,000 messages/s" "${cluster[@]}" --pairs 500 --rate 1000 --warmup 5s
fleet "cluster, 10,000 idle connections" "${cluster[@]}" --scenario idle --clients 10000 --ramp 1000/s --sources 127.0.0.2-127.0.0.9
calls=(--pairs 100 --rate 200 --signals 200 --listeners 4800 --ramp 1000/s --sources 127.0.0.2-127.0.0.9 --warmup 5s)
fleet "cluster, 5,000 connections, messages and call signals, quiet" "${cluster[@]}" "${calls[@]}"
fleet "the same with 3 broadcasts a second to all 5,000" "${cluster[@]}" "${calls[@]}" --broadcasts 3
for members in ${MEMBERS:-2 16 256 257 1000 4000 10000}; do
    # So many messages a second that some 4,000 deliveries come of them, but at least one.
    rate=$((4000 / members > 0 ? 4000 / members : 1))
    fleet "cluster, one group, $members members, $rate messages/s" "${cluster[@]}" --scenario group --members "$members" \
        --senders one --rate "$rate" --ramp 1000/s --sources 127.0.0.2-127.0.0.9 --warmup 3s --ack-every-ms 2000
done
fleet "cluster, one group, 100,000 members, 4,000 of them online, 1 message/s" "${cluster[@]}" --scenario group \
    --members 4000 --absent 96000 --senders one --rate 1 --ramp 1000/s --sources 127.0.0.2-127.0.0.9 --warmup 3s \
    --ack-every-ms 2000
stop_all

start all "$bin/tidings" serve --listen 127.0.0.1:0 --management-listen 127.0.0.1:0 --data "$work/data"
ready all
alone=(--url "ws://$(http_of all)/ws" --secret-file "$work/data/secret" --server-pids "tidings=${started[0]}")
fleet "all-in-one on SQLite, 500 pairs, saturated" "${alone[@]}" --pairs 500 --window "${WINDOW:-8}" --warmup 5s --verify-history=50
fleet "all-in-one on SQLite, 500 pairs, 1,000 messages/s" "${alone[@]}" --pairs 500 --rate 1000 --warmup 5s
