# shellcheck shell=bash
# shellcheck disable=SC2154 # `wires`, `members` and `payload` are set by compared.sh.
# Sourced by the comparison: figures of all repetitions, and their medians as rows of Markdown.

figures=${work:?servers.sh comes first}/figures

note() { # ROW LINE: the line that a command of the fleet printed
    echo "$1 $2" >>"$figures"
    echo "  $2" >&2
}
median() { # ROW TARGET FIELD -> the middle one, or nothing
    [ -f "$figures" ] || return 0
    awk -v row="$1" -v target="target=$2" -v field="$3=" '
        $1 == row && $3 == target {
            for (i = 4; i <= NF; i++) if (index($i, field) == 1) print substr($i, length(field) + 1)
        }' "$figures" | sort -g | awk '
        { all[NR] = $1 }
        END { if (NR) printf "%.6g", NR % 2 ? all[(NR + 1) / 2] : (all[NR / 2] + all[NR / 2 + 1]) / 2 }'
}
ratio() { # A B -> A / B, or nothing
    [ -n "$1" ] && [ -n "$2" ] || { echo –; return; }
    awk -v a="$1" -v b="$2" 'BEGIN { if (b + 0 == 0) print "–"; else printf "%.2f", a / b }'
}
head_of_table() {
    echo
    echo "| workload | figure | Tidings | NATS | axum | TCP | Tidings / NATS | Tidings / axum | Tidings / TCP |"
    echo "|---|---|---|---|---|---|---|---|---|"
}
row() { # ROW WORKLOAD FIGURE FIELD [FIELD OF TIDINGS]
    local tidings nats axum tcp
    tidings=$(median "$1" tidings "${5:-$4}")
    [ -n "$tidings" ] || return 0
    nats=$(median "$1" nats "$4") axum=$(median "$1" axum "$4") tcp=$(median "$1" tcp "$4")
    echo "| $2 | $3 | $tidings | ${nats:-–} | ${axum:-–} | ${tcp:-–} |" \
        "$(ratio "$tidings" "$nats") | $(ratio "$tidings" "$axum") | $(ratio "$tidings" "$tcp") |"
}

# Beside each other: what carries the frames of Tidings to the members.
table_of_wires() { # of $wires
    local row wire cpu json
    echo
    echo "| $members members online, texts of $payload bytes | wire | bytes per delivery | gateway CPU-µs per delivery |" \
        "CPU of JSON | deliveries/s | to each socket, p50, ms |"
    echo "|---|---|---|---|---|---|---|"
    for row in wires wires16; do
        json=$(median "$row-json" tidings cpu_us.gateway)
        for wire in $wires; do
            cpu=$(median "$row-$wire" tidings cpu_us.gateway)
            [ -n "$cpu" ] || continue
            echo "| $(case $row in wires) echo one message at a time ;; *) echo 16 on their way ;; esac) | $wire |" \
                "$(median "$row-$wire" tidings bytes_per_delivery) | $cpu | $(ratio "$cpu" "$json") |" \
                "$(median "$row-$wire" tidings deliveries_per_second) | $(median "$row-$wire" tidings each_p50_ms) |"
        done
    done
}
