#!/usr/bin/env bash
# What reactions, replies, mentions and states cost, and what a device that was away waits for, beside what is wanted. Each
# row is measured REPEAT times (3) on one cluster, and the medians are printed as rows of Markdown.
# ROWS chooses (all: mix waiting behind storm): `mix` compares plain texts with texts that reactions, replies and mentions are
# mixed into, TURNS runs in turn (5); `waiting` is a device for which WAITING messages wait (20000); `behind` is one that lacks
# BEHIND entries (100000) and wants the newest ones; `storm` is 1,000 members of a group of MEMBERS (10000), all of them online,
# who react to one message within STORM seconds (5), again and again while 500 pairs talk. SECONDS_EACH is how long a run
# of the fleet is measured (10). Loopback only; stops by itself after about ten minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/bench/servers.sh
. deploy/bench/servers.sh
# shellcheck source=deploy/bench/table.sh
. deploy/bench/table.sh
# shellcheck source=deploy/bench/beside.sh
. deploy/bench/beside.sh
# shellcheck source=deploy/bench/turns.sh
. deploy/bench/turns.sh
rows=${ROWS:-mix waiting behind storm}
seconds=${SECONDS_EACH:-10}
members=${MEMBERS:-10000}
waiting=${WAITING:-20000}
behind=${BEHIND:-100000}
storm=${STORM:-5}
repeat=${REPEAT:-3}
# What people do, in percent of what they send.
mix=(--reactions 10 --replies 5 --mentions 2)

costs() { # WHAT ARGUMENTS... -> CPU microseconds per acknowledged operation of all servers and backends
    local what=$1
    shift
    # A run that is not valid has no figure.
    "$bin/fleet" run --url "ws://${address_of[gateway]}/ws" --secret-file "$work/secret" --server-pids "$cluster_pids" \
        --pairs 500 --warmup 3s --duration "${seconds}s" --quiet "$@" >"$work/mix.out" 2>"$work/fleet.err" ||
        { tail -n 3 "$work/mix.out" "$work/fleet.err" >&2; return 1; }
    awk -v what="$what" '
        /^(acknowledged|reactions among them|due to receiver|due to acknowledged)/ { print "    " what ": " $0 }
        NF >= 5 && $3 ~ /^[0-9.]+$/ && /^(gateway|chat|presence|postgres|rabbitmq|redis) / { print "    " what ": " $1 " " $3 }
        ' "$work/mix.out" >&2
    awk '/^all servers/ { print $NF }' "$work/mix.out"
}
mixed() { # NAME LOAD...
    local name=$1 turn figure taken=()
    shift
    for turn in $(seq "${TURNS:-5}"); do
        if [ $((turn % 2)) -eq 1 ]; then figure=$(costs "$name, texts" "$@"); else figure=$(costs "$name, mixed" "$@" "${mix[@]}"); fi
        [ -n "$figure" ] || { echo "no figure from $name, turn $turn" >&2; return 1; }
        echo "  $name, turn $turn: $figure" >&2
        taken+=("$figure")
    done
    turns_compared "$name" "${taken[@]}" >>"$work/mix.rows"
}
waits() { # ROW ARGUMENTS...
    local row=$1 line
    shift
    echo "== $row: $*" >&2
    for _ in $(seq "$repeat"); do
        # shellcheck disable=SC2046
        if line=$("$bin/fleet" waiting $(towards tidings) "$@" 2>"$work/fleet.err"); then
            note "$row" "$line"
        else
            echo "  $row: $(tail -n 1 "$work/fleet.err")" >&2
        fi
    done
}
storms() {
    # Each run connects new members. While presence still tells that those of the run before have gone, everybody is slow:
    # the pause is for that.
    local rounds=$(((seconds + 15) / storm + 1))
    echo "== storm: $members members, $rounds messages, 1,000 reactions to each within $storm s, 500 pairs at 100/s beside it" >&2
    for _ in $(seq "$repeat"); do
        # shellcheck disable=SC2046
        in_background storm $(towards tidings) --sources 127.0.0.2-127.0.0.9 --members "$members" --rounds "$rounds" \
            --over "${storm}s" --hold "$((seconds + 15))s"
        until_said connected || continue
        sleep 5
        pairs quiet
        until_said storm || continue
        pairs during
        ! ended || note storm "$(cat "$work/beside.out")"
        sleep "${PAUSE:-20}"
    done
}
figure() { # ROW WHAT WANTED FIELD
    local measured
    measured=$(median "$1" tidings "$4")
    [ -z "$measured" ] || echo "| $2 | $3 | $measured |"
}

own_vhost
about_this_machine
start_cluster
for row in $rows; do
    case $row in
    mix)
        mixed "1,000 operations/s" --rate 1000 || true
        mixed "saturated (8 in flight per sender)" --window 8 || true
        ;;
    waiting)
        waits waiting --messages "$waiting"
        waits waiting-many --messages "$waiting" --conversations 200
        ;;
    behind) waits behind --messages "$behind" --max-behind 2000 --repeat 50 ;;
    storm) storms ;;
    *) echo "ROWS: there is no $row" >&2; exit 2 ;;
    esac
done
stop_all

if [ -s "$work/mix.rows" ]; then
    echo
    echo "| 500 pairs | CPU-µs per acknowledged operation, texts | mixed | ratio (wanted: 1.3) | spread of texts |"
    echo "|---|---|---|---|---|"
    cat "$work/mix.rows"
fi
[ -f "$figures" ] || exit 0
echo
echo "| what | wanted | measured |"
echo "|---|---|---|"
figure waiting "$waiting messages wait in one conversation: entries/s" "20,000" entries_per_second
figure waiting "connecting to the first page, p50, ms" "50" usable_p50_ms
figure waiting "the slowest of 20, ms" "50" usable_max_ms
figure waiting-many "$waiting messages wait in 200 conversations: entries/s" "20,000" entries_per_second
figure waiting-many "connecting to the first page, p50, ms" "50" usable_p50_ms
figure waiting-many "the slowest of 20, ms" "50" usable_max_ms
figure behind "$behind entries behind, max_behind 2,000: sync to synced, p50, ms" "300" synced_p50_ms
figure behind "the slowest of 50, ms" "300" synced_max_ms
figure behind "connecting to the first page, p50, ms" "300" usable_p50_ms
figure behind "the slowest of 50, ms" "300" usable_max_ms
figure quiet "500 pairs at 100/s beside $members silent members, p99, ms" "–" p99_ms
figure during "the same during the storm, p99, ms" "1.5 x quiet" p99_ms
quiet=$(median quiet tidings p99_ms) during=$(median during tidings p99_ms)
[ -z "$during" ] || echo "| the same, storm / quiet | 1.5 | $(ratio "$during" "$quiet") |"
figure storm "reactions in the tallies of all messages" "as rows" tallied
figure storm "rows of reactions" "–" rows
figure storm "a reaction to its answer, p99, ms" "–" answer_p99_ms
figure storm "CPU-µs per reaction, all servers and backends" "–" cpu_us.servers
