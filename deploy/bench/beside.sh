# shellcheck shell=bash
# shellcheck disable=SC2154 # `seconds` and `sources` are set by the benchmark.
# Sourced by benchmarks: other people's messages beside what is measured, and loads in the background.

# Other people's messages: 500 pairs, whose times count from when a message was due to the receiver's socket.
pairs() { # ROW [MESSAGES A SECOND]
    local line rate=${2:-100}
    line=$("$bin/fleet" run --url "ws://${address_of[gateway]}/ws" --secret-file "$work/secret" --pairs 500 --rate "$rate" \
        --warmup 2s --duration "${seconds}s" --sources 127.0.0.10-127.0.0.11 --quiet | awk '
        /^due to receiver/ { printf "p50_ms=%s p99_ms=%s", $(NF - 3), $(NF - 1) }
        /^valid:/ { valid = 1 }
        END { exit !valid }') || { echo "  $1: the pairs were not well" >&2; return 0; }
    note "$1" "pairs target=tidings $line"
}
in_background() { # COMMAND ARGUMENTS...: of the fleet
    launch beside "$bin/fleet" "$@"
}
until_said() { # WORD: by what is in the background
    until grep -q "^$1" "$work/beside.err"; do
        kill -0 "${pid_of[beside]}" 2>/dev/null || { cat "$work/beside.err" >&2; return 1; }
        sleep 0.1
    done
}
ended() { # what is in the background; the line that it printed is in $work/beside.out
    wait "${pid_of[beside]}" || { cat "$work/beside.err" >&2; return 1; }
}
# The pairs beside a fan-out: before its first message, and while its messages go out.
beside_a_crowd() { # QUIET DURING ROW ARGUMENTS...
    local quiet=$1 during=$2 row=$3
    shift 3
    # shellcheck disable=SC2046,SC2086
    in_background fanout $(towards tidings) $sources "$@" --warmup 1s --hold "$((seconds + 15))s" --duration "$((seconds + 10))s"
    until_said connected || return 0
    pairs "$quiet"
    until_said sending || return 0
    pairs "$during"
    ! ended || note "$row" "$(cat "$work/beside.out")"
}
