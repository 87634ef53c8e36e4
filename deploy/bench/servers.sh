# shellcheck shell=bash
# Sourced by the benchmarks: a cluster, NATS and the floors, each on free ports of loopback, all of
# them ended with the script. Measures nothing itself.
# BIN names the folder of release binaries; AMQP_URL, DATABASE_URL and REDIS_URL the backends.

bin=${BIN:-target/release}
name=tidings_bench_$$
work=$(mktemp -d)
secret=$(head -c 24 /dev/urandom | base64 | tr -d '\n')
admin=${DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres}
redis=${REDIS_URL:-redis://127.0.0.1:6379}
started=()
declare -A pid_of address_of

stop_all() {
    [ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null || true
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
    started=()
}
clean() {
    stop_all
    psql -q "$admin" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" 2>/dev/null || true
    redis-cli -u "$redis" --scan --pattern "$name:*" 2>/dev/null |
        xargs -r -n 500 redis-cli -u "$redis" DEL >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean EXIT

# A virtual host of the broker that goes with the script, and with it all queues and exchanges. Where rabbitmqctl may not make
# one, or AMQP_URL names another broker, they stay there.
own_vhost() {
    [ -z "${AMQP_URL:-}" ] || return 0
    rabbitmqctl -q add_vhost "$name" 2>/dev/null || return 0
    trap 'clean; rabbitmqctl -q delete_vhost "$name"' EXIT
    rabbitmqctl -q set_permissions -p "$name" guest '.*' '.*' '.*'
    export AMQP_URL=amqp://guest:guest@127.0.0.1:5672/$name
}
launch() { # LOG COMMAND...: in the background, ended with the script
    local log=$1
    shift
    : >"$work/$log.out" && : >"$work/$log.err"
    "$@" >"$work/$log.out" 2>"$work/$log.err" &
    started+=($!)
    pid_of[$log]=$!
}
start() { # LOG COMMAND...: until it says where it listens
    launch "$@"
    until grep -q '^listening' "$work/$1.out"; do
        kill -0 "${pid_of[$1]}" 2>/dev/null || { cat "$work/$1.err" >&2; exit 1; }
        sleep 0.05
    done
}
management_of() { # LOG -> where it tells its health and its metrics
    sed -n 's/^listening.*management=//p' "$work/$1.out"
}
ready() { # LOG
    until curl -sf "http://$(management_of "$1")/health/ready" >/dev/null; do sleep 0.1; done
    address_of[$1]=$(sed -n 's/^listening http=\([^ ]*\).*/\1/p' "$work/$1.out")
}

configure_cluster() {
    psql -q "$admin" -c "CREATE DATABASE $name"
    export TIDINGS_CHAT__DATABASE__URL=${admin%/*}/$name
    local service
    for service in CHAT PRESENCE GATEWAY; do
        export "TIDINGS_${service}__AMQP__URL=${AMQP_URL:-amqp://guest:guest@127.0.0.1:5672/%2f}"
        export "TIDINGS_${service}__AMQP__PREFIX=$name"
        export "TIDINGS_${service}__MANAGEMENT_LISTEN=127.0.0.1:0"
        export "TIDINGS_${service}__TELEMETRY__LOG_FILTER=warn"
    done
    export TIDINGS_PRESENCE__REDIS__URL=$redis TIDINGS_PRESENCE__REDIS__PREFIX=$name
    # An address of its own, so that two benches can run beside each other.
    local host=127.9.$(($$ / 250 % 250)).$(($$ % 250 + 1))
    export TIDINGS_CHAT__GRPC_LISTEN=$host:7001 TIDINGS_PRESENCE__GRPC_LISTEN=$host:7002
    export TIDINGS_CHAT__PRESENCE_GRPC__URLS=http://$host:7002
    export TIDINGS_PRESENCE__CHAT_GRPC__URLS=http://$host:7001
    export TIDINGS_GATEWAY__CHAT_GRPC__URLS=http://$host:7001
    export TIDINGS_GATEWAY__PRESENCE_GRPC__URLS=http://$host:7002
    # The fleet comes from a handful of addresses and says more than people do.
    export TIDINGS_GATEWAY__ADMISSION__EXEMPT_NETWORKS='["127.0.0.0/8"]'
    export TIDINGS_GATEWAY__AUTH__HS256_SECRET=$secret TIDINGS_GATEWAY__LISTEN=127.0.0.1:0
}
start_cluster() { # [GATEWAYS]: sets cluster_pids; a gateway alone is called gateway, else gateway-N
    local service number
    [ -n "${TIDINGS_CHAT__DATABASE__URL:-}" ] || configure_cluster
    start presence "$bin/presence-service"
    start chat "$bin/chat-service"
    cluster_pids=presence=${pid_of[presence]},chat=${pid_of[chat]}
    for number in $(seq "${1:-1}"); do
        service=gateway
        [ "${1:-1}" -eq 1 ] || service=gateway-$number
        TIDINGS_GATEWAY__GATEWAY_ID=gateway-$number start "$service" "$bin/gateway"
        cluster_pids+=,gateway=${pid_of[$service]}
        ready "$service"
    done
    for service in presence chat; do ready $service; done
    cluster_pids+=,rabbitmq=$(pgrep -o beam.smp),redis=$(pgrep -o redis-server)
    cluster_pids+=,postgres=$(pgrep -o -f 'postgres.*config_file|postgres -D')
}

# Debian puts it where the path of a user does not lead.
nats_server=$(PATH=$PATH:/usr/sbin command -v nats-server || true)
start_nats() { # at address_of[nats], by WebSocket
    local port try
    for try in 1 2 3 4 5; do
        port=$((20000 + (RANDOM + $$ + try) % 10000))
        cat >"$work/nats.conf" <<EOF
host: "127.0.0.1", port: -1, max_connections: 100000, ping_interval: "30s"
websocket { host: "127.0.0.1", port: $port, no_tls: true }
EOF
        launch nats "$nats_server" -c "$work/nats.conf"
        until grep -q 'Server is ready' "$work/nats.err"; do
            kill -0 "${pid_of[nats]}" 2>/dev/null || continue 2
            sleep 0.05
        done
        address_of[nats]=127.0.0.1:$port
        return
    done
    cat "$work/nats.err" >&2
    exit 1
}
start_floor() { # tcp|axum
    start "$1" "$bin/fleet" floor "$1"
    address_of[$1]=$(sed -n 's/^listening //p' "$work/$1.out")
}

# The arguments that lead a command of the fleet to a server.
towards() { # TARGET
    case $1 in
    tidings)
        echo "--target tidings --server ${address_of[gateway]} --secret-file $work/secret --server-pids $cluster_pids"
        ;;
    *) echo "--target $1 --server ${address_of[$1]} --server-pids $1=${pid_of[$1]}" ;;
    esac
}
printf '%s' "$secret" >"$work/secret"

fleet() { # TITLE ARGUMENTS...: a checked run of `seconds`
    echo
    echo "== $1"
    shift
    # shellcheck disable=SC2154
    "$bin/fleet" run --duration "${seconds}s" --seed 1 "$@" 2>"$work/fleet.err" ||
        echo "exit code $?: $(tail -n 1 "$work/fleet.err")"
}

about_this_machine() {
    echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r)"
    echo "commit: $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
}
