#!/usr/bin/env bash
# Makes sure that RabbitMQ, Postgres and Redis answer, for `make test` and `make bench`.
# Used as they are when they answer at AMQP_URL, DATABASE_URL, REDIS_URL (default: the standard
# local ports); else started by compose where Docker runs; else installed with apt on Debian.
set -euo pipefail
cd "$(dirname "$0")/.."

host_port() { # URL DEFAULT_PORT -> host port
    local rest=${1#*://} port=$2
    rest=${rest##*@}; rest=${rest%%/*}; rest=${rest%%\?*}
    case $rest in *:*) port=${rest##*:}; rest=${rest%:*} ;; esac
    echo "${rest:-127.0.0.1} $port"
}
answers() { # URL DEFAULT_PORT
    read -r host port < <(host_port "$1" "$2")
    timeout 2 bash -c "exec 3<>/dev/tcp/$host/$port" 2>/dev/null
}
missing() {
    answers "${AMQP_URL:-amqp://127.0.0.1}" 5672 || echo rabbitmq
    answers "${DATABASE_URL:-postgres://127.0.0.1}" 5432 || echo postgres
    answers "${REDIS_URL:-redis://127.0.0.1}" 6379 || echo redis
}
wait_for_all() { # SECONDS
    local deadline=$((SECONDS + $1)) left
    while left=$(missing); [ -n "$left" ]; do
        if [ $SECONDS -ge $deadline ]; then
            echo "backends: still no answer from: ${left//$'\n'/ }" >&2
            return 1
        fi
        sleep 0.5
    done
}

left=$(missing)
[ -z "$left" ] && exit 0
echo "backends: not answering: ${left//$'\n'/ }"

if docker info >/dev/null 2>&1; then
    docker compose -f deploy/backends.compose.yml up -d --wait
    wait_for_all 60
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "backends: start RabbitMQ, Postgres and Redis on their standard ports, or set AMQP_URL, DATABASE_URL, REDIS_URL" >&2
    exit 1
fi

sudo=; [ "$(id -u)" -eq 0 ] || sudo=sudo
$sudo apt-get update -q
for part in $left; do
    case $part in
    rabbitmq)
        $sudo apt-get install -yq --no-install-recommends rabbitmq-server
        answers "${AMQP_URL:-amqp://127.0.0.1}" 5672 || $sudo rabbitmq-server -detached
        ;;
    postgres)
        $sudo apt-get install -yq --no-install-recommends postgresql
        cluster=$(find /etc/postgresql -mindepth 1 -maxdepth 1 -printf "%f\n" | sort -n | tail -n 1)
        hba=/etc/postgresql/$cluster/main/pg_hba.conf
        # The tests sign in as postgres over loopback without a password.
        $sudo sed -i '1i host all postgres 127.0.0.1/32 trust' "$hba"
        $sudo pg_ctlcluster --skip-systemctl-redirect "$cluster" main restart
        ;;
    redis)
        $sudo apt-get install -yq --no-install-recommends redis-server
        answers "${REDIS_URL:-redis://127.0.0.1}" 6379 ||
            $sudo redis-server --daemonize yes --bind 127.0.0.1 --port 6379 --save ""
        ;;
    esac
done
wait_for_all 60
