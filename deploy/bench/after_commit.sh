#!/usr/bin/env bash
# What follows the commit: notices to many, events, webhooks, offline pushes, receipts. Each measurement has a fresh cluster
# with a fresh database; what is compared is measured in turn. Prints rows of Markdown. Loopback only; stops by itself after
# some twenty minutes.
# ROWS chooses (all: notice high events latency webhooks dead decisions pushes receipts), SECONDS_EACH how long a run is
# measured (8), REPEAT how often (3), TURNS how many runs events on and off have (5), MEMBERS how many are online (10000).
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/bench/servers.sh
. deploy/bench/servers.sh
# shellcheck source=deploy/bench/table.sh
. deploy/bench/table.sh
# shellcheck source=deploy/bench/beside.sh
. deploy/bench/beside.sh
rows=${ROWS:-notice high events latency webhooks dead decisions pushes receipts}
seconds=${SECONDS_EACH:-8}
repeat=${REPEAT:-3}
members=${MEMBERS:-10000}
sources="--sources 127.0.0.2-127.0.0.9"
own_vhost

# On a cluster, a database and a folder of its own, which are gone afterwards. One that fails is told, and the others go on.
isolated() { # COMMAND...
    local status
    # In a condition the shell would not stop at the first command that fails.
    set +e
    (
        set -e
        # shellcheck source=deploy/bench/servers.sh
        . deploy/bench/servers.sh
        "$@"
    )
    status=$?
    set -e
    [ $status -eq 0 ] || echo "  failed: $*" >&2
}
cluster() { # [NAME=VALUE...]: settings of the chat service
    local setting
    for setting in "$@"; do export "TIDINGS_CHAT__$setting"; done
    start_cluster
    here=(--url "ws://${address_of[gateway]}/ws" --secret-file "$work/secret" --server-pids "$cluster_pids")
}
noted() { # ROW SIDE: the line of figures on stdin, for `median ROW SIDE FIELD`
    local line
    read -r line && note "$1" "measured target=$2 ${line#* }"
}

# A notice to everybody each second, and the pairs before the first one and while they go out.
notice() {
    cluster
    beside_a_crowd quiet during notice --members "$members" --rate 1 --publish notice
}
# Notices of priority high beside one broadcast a second to everybody, which is bulk.
high() { # ROW MEMBERS
    cluster
    # shellcheck disable=SC2046,SC2086
    "$bin/fleet" fanout $(towards tidings) $sources --members "$2" --rate 1 --publish high-notice --broadcasts 1 \
        --duration "$((2 * seconds))s" | noted "$1" tidings
}

# The checked load alone, and with events on and a queue that is consumed.
loaded() { # ROW SIDE ARGUMENTS...
    local row=$1 side=$2
    shift 2
    "$bin/fleet" run "${here[@]}" --pairs 500 "$@" --warmup 3s --duration "${seconds}s" --seed 1 --quiet \
        --json "$work/run.json" >"$work/run.out"
    sed -nE 's/.*"servers_cpu_us_per_message": ?([0-9.]+).*/load cpu_us=\1/p' "$work/run.json" | head -n 1 | noted "$row" "$side"
}
subscribe() { # WAY ARGUMENTS...
    local way=$1
    shift
    in_background events "${here[@]}" --way "$way" --exchange "$name.events" \
        --amqp-url "${AMQP_URL:-amqp://guest:guest@127.0.0.1:5672/%2f}" "$@"
    until_said subscribed
}
events_turn() { # off|on WORKLOAD
    local load=(--rate 1000)
    [ "$2" = rate ] || load=(--window 8)
    if [ "$1" = off ]; then
        cluster
        loaded "$2" off "${load[@]}"
        return
    fi
    cluster 'EVENTS__TYPES=["*"]'
    subscribe broker
    loaded "$2" on "${load[@]}"
    ended && noted "$2-events" broker <"$work/beside.out"
}
# Times of events, and of the messages themselves, at 200 messages/s.
latency() { # WAY
    local settings=()
    [ "$1" = pull ] || settings=('EVENTS__TYPES=["*"]')
    cluster "${settings[@]}"
    subscribe "$1"
    pairs "latency-$1-pairs" 200
    ended && noted latency "$1" <"$work/beside.out"
}

# Messages as fast as they go for a few seconds; the webhook goes on until it has delivered all.
webhooks() {
    cluster 'WEBHOOKS__INSECURE_HOSTS=["127.0.0.1"]'
    subscribe webhooks
    loaded webhooks-load tidings --window 8
    ended && noted webhooks tidings <"$work/beside.out"
}
dead() { # HOW MANY
    cluster 'WEBHOOKS__INSECURE_HOSTS=["127.0.0.1"]'
    subscribe webhooks --dead "$1"
    pairs "dead-pairs-$1" 500
    ended && noted dead "$1" <"$work/beside.out"
}

# Groups of 250 who are not connected, each with a browser. The chat service has the first core for itself and whatever else
# runs on it; the fake of the push service, which decrypts, has the second.
pushes() { # ROW MESSAGES A-SECOND [NAME=VALUE...]
    local row=$1 messages=$2 rate=$3
    shift 3
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/vapid.pem"
    cluster "PUSH__PROVIDERS__WEB_PUSH__PRIVATE_KEY_FILE=$work/vapid.pem" 'PUSH__HTTP__TRUSTED_HOSTS=["127.0.0.1"]' \
        PUSH__PROVIDERS__WEB_PUSH__SUBJECT=mailto:ops@example.com PUSH__BETWEEN_MS=0 PUSH__PER_HOUR=1000000 \
        PUSH__QUEUE=100000 "$@"
    taskset -apc 0 "${pid_of[chat]}" >/dev/null
    taskset -c 1 "$bin/fleet" pushes "${here[@]}" --metrics "$(management_of chat)" --messages "$messages" --rate "$rate" |
        noted "$row" tidings
}

# Rows that were ever inserted into each table, and those since $work/before.
inserted() {
    psql -qtA "$TIDINGS_CHAT__DATABASE__URL" -c \
        "SELECT relname || '=' || n_tup_ins FROM pg_stat_user_tables WHERE n_tup_ins > 0 ORDER BY 1"
}
inserted_since() {
    inserted | awk -F= 'NR == FNR { before[$1] = $2; next } $2 > before[$1] { print $1 "=" $2 - before[$1] }' "$work/before" -
}
receipts() { # USERS CONNECTED READERS
    cluster
    psql -q "$TIDINGS_CHAT__DATABASE__URL" -c "INSERT INTO users (tenant, id, name, avatar, updated_at_ms)
        SELECT 'default', 'bench.' || number, 'Bench ' || number, '', 0 FROM generate_series(1, $1) AS number"
    # Statistics of the database are told when its sessions have been idle for a while.
    sleep 2
    inserted >"$work/before"
    # Two notices: the first goes alone, and the one of the load, which is counted.
    # shellcheck disable=SC2046,SC2086
    "$bin/fleet" fanout $(towards tidings) $sources --members "$2" --publish notice --rate 0.01 --warmup 0s --duration 5s \
        --delivered-every 1s --readers "$3" | noted receipts tidings
    sleep 2
    note receipts-rows "measured target=tidings $(inserted_since | xargs)"
}

figure() { # WORKLOAD FIGURE AIM MEASURED
    [ -z "${4//[ ,–]/}" ] || echo "| $1 | $2 | $3 | $4 |"
}
of() { # ROW SIDE FIELD -> the median, and all of them where there are several
    local all
    all=$(awk -v row="$1" -v target="target=$2" -v field="$3=" '$1 == row && $3 == target {
        for (i = 4; i <= NF; i++) if (index($i, field) == 1) printf "%s ", substr($i, length(field) + 1) }' "$figures")
    [ -n "$all" ] || return 0
    case $all in *" "?*) echo "$(median "$1" "$2" "$3") (${all% })" ;; *) echo "${all% }" ;; esac
}
table() {
    local workload
    echo
    echo "| workload | figure | aim | median (all runs) |"
    echo "|---|---|---|---|"
    figure "a notice each second to $members online" "to the last socket, longest, ms" 1000 "$(of notice tidings last_max_ms)"
    figure "" "to the last socket, p50, ms" "" "$(of notice tidings last_p50_ms)"
    figure "500 pairs at 100/s, quiet" "p99, ms" "" "$(of quiet tidings p99_ms)"
    figure "the same beside the notices" "p99, ms" "1.5 x quiet" "$(of during tidings p99_ms)"
    figure "" "ratio of the medians" 1.5 "$(ratio "$(median during tidings p99_ms)" "$(median quiet tidings p99_ms)")"
    for workload in 1000 "$members"; do
        figure "a high notice each second to $workload online, one broadcast each second" "to each socket, p99, ms" 100 \
            "$(of "high-$workload" tidings each_p99_ms)"
        figure "" "to the last socket, longest, ms" "" "$(of "high-$workload" tidings last_max_ms)"
    done
    for workload in rate saturated; do
        figure "500 pairs, $workload, events off" "CPU-µs per message" "" "$(of $workload off cpu_us)"
        figure "the same with a queue that is consumed" "CPU-µs per message" "" "$(of $workload on cpu_us)"
        figure "" "ratio of the medians" 1.3 "$(ratio "$(median $workload on cpu_us)" "$(median $workload off cpu_us)")"
        figure "" "events/s, busiest 5 s" 10000 "$(of $workload-events broker busiest_per_second)"
        figure "" "lag of the follower, longest, ms" 2000 "$(of $workload-events broker lag_max_ms)"
        figure "" "entry to consumer, p99, ms" "" "$(of $workload-events broker event_p99_ms)"
    done
    for workload in broker pull; do
        figure "events at 200 messages/s, $workload" "entry to consumer, p50, ms" 20 "$(of latency $workload event_p50_ms)"
        figure "" "p99, ms" 100 "$(of latency $workload event_p99_ms)"
    done
    figure "one webhook, after a load" "deliveries/s, busiest 5 s" 5000 "$(of webhooks tidings busiest_per_second)"
    figure "" "CPU-µs of the chat service per delivery" "" "$(of webhooks tidings cpu_us.chat)"
    for workload in 0 1; do
        figure "one webhook and $workload dead ones, 500 messages/s" "entry to receiver, p50, ms" "" "$(of dead $workload event_p50_ms)"
        figure "" "p99, ms" "the same" "$(of dead $workload event_p99_ms)"
        figure "" "the pairs, p99, ms" "the same" "$(of "dead-pairs-$workload" tidings p99_ms)"
    done
    figure "offline push, nobody is told" "decisions/s, busiest 5 s" 10000 "$(of decisions tidings busiest_decisions_per_second)"
    figure "" "CPU-µs of the chat service per decision" "" "$(of decisions tidings cpu_us.chat)"
    figure "Web Push, the chat service on one core" "pushes/s, busiest 5 s" 1000 "$(of pushes tidings busiest_pushes_per_second)"
    figure "" "CPU-µs of the chat service per push" "" "$(of pushes tidings cpu_us.chat)"
    figure "a notice to 2,000 connected of 100,000" "delivered, read, by the server" "2000, 500" \
        "$(of receipts tidings receipts_delivered), $(of receipts tidings receipts_read)"
    figure "" "counted after, s" "" "$(of receipts tidings receipts_after_s)"
    figure "" "rows inserted for two notices" "" "$(sed -n 's/^receipts-rows measured target=tidings //p' "$figures" | head -n 1)"
}

about_this_machine
for row in $rows; do
    echo "== $row" >&2
    case $row in
    notice) for _ in $(seq "$repeat"); do isolated notice; done ;;
    high) for online in 1000 "$members"; do for _ in $(seq "$repeat"); do isolated high "high-$online" "$online"; done; done ;;
    events)
        for workload in rate saturated; do
            for turn in $(seq "${TURNS:-5}"); do
                side=off
                [ $((turn % 2)) -eq 1 ] || side=on
                isolated events_turn $side $workload
            done
        done
        ;;
    latency) for _ in $(seq "$repeat"); do for way in broker pull; do isolated latency $way; done; done ;;
    webhooks) for _ in $(seq "$repeat"); do isolated webhooks; done ;;
    dead) for _ in $(seq "$repeat"); do for many in 0 1; do isolated dead $many; done; done ;;
    decisions) for _ in $(seq "$repeat"); do isolated pushes decisions 1500 100 'PUSH__RULES=["group=none"]'; done ;;
    pushes) for _ in $(seq "$repeat"); do isolated pushes pushes 40 20; done ;;
    receipts) isolated receipts 100000 2000 500 ;;
    *) echo "ROWS: there is no $row" >&2; exit 2 ;;
    esac
done
[ ! -s "$figures" ] || table
