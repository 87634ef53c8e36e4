#!/usr/bin/env bash
# Pages of 50 messages with their states out of a large store, beside what is wanted. Fills a database of its own by SQL with
# ENTRIES entries (10000000) in 1,000 conversations of one user, of which each fifth is a reaction to the message before, and
# then asks for pages at RATE a second (100) for SECONDS_EACH seconds (20), at places all over the store.
# By hand (`make bench-scale`): ten million entries take some 5 GB of disk, and minutes. Loopback only; stops by itself.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/bench/servers.sh
. deploy/bench/servers.sh
# shellcheck source=deploy/bench/table.sh
. deploy/bench/table.sh
entries=${ENTRIES:-10000000}
conversations=1000
each=$((entries / conversations))
[ "$each" -ge 1000 ] || { echo "ENTRIES: at least $((conversations * 1000))" >&2; exit 2; }
at_once=20

sql() { psql -q -v ON_ERROR_STOP=1 -v each="$each" -v conversations="$conversations" "$@" "$TIDINGS_CHAT__DATABASE__URL"; }
fill() {
    # The reader joined before everybody wrote, and has read all.
    sql <<'END'
INSERT INTO conversations (tenant, id, kind, title, created_at_ms)
SELECT 'default', md5('scale ' || c)::uuid, 2, 'scale ' || c, 1700000000000
FROM generate_series(1, :conversations) c;
INSERT INTO members (tenant, conversation_id, user_id, role, from_seq, delivered_seq, read_seq)
SELECT 'default', md5('scale ' || c)::uuid, u, CASE u WHEN 'scale-reader' THEN 3 ELSE 1 END, 1, :each, :each
FROM generate_series(1, :conversations) c CROSS JOIN unnest(ARRAY['scale-reader', 'scale-writer']) u;
END
    local first
    for first in $(seq 1 "$at_once" "$conversations"); do
        sql -v first="$first" -v last="$((first + at_once - 1))" <<'END'
SET synchronous_commit = off;
INSERT INTO entries (tenant, conversation_id, seq, id, kind, sender_id, client_id, content, is_important, created_at_ms, target)
SELECT 'default', md5('scale ' || c)::uuid, s, gen_random_uuid(),
    CASE WHEN s = 1 THEN 'system' WHEN s % 5 = 0 THEN 'reaction' ELSE 'text' END,
    CASE WHEN s = 1 OR s % 5 = 0 THEN 'scale-reader' ELSE 'scale-writer' END, gen_random_uuid(),
    CASE WHEN s = 1 THEN '{"event":"created","members":["scale-reader","scale-writer"],"count":2}'
        WHEN s % 5 = 0 THEN '{"key":"' || chr(128077) || '","on":true}'
        ELSE '{"text":"' || rpad('message ' || s || ' of ' || c || ' ', 128, 'the quick brown fox ') || '"}' END,
    false, 1700000000000 + s, CASE WHEN s % 5 = 0 THEN s - 1 END
FROM generate_series(:first, :last) c CROSS JOIN generate_series(1, :each) s;
INSERT INTO message_state (tenant, conversation_id, seq, as_of, state)
SELECT 'default', md5('scale ' || c)::uuid, s - 1, s,
    '{"as_of":' || s || ',"reactions":{"' || chr(128077) || '":{"n":1,"by":["scale-reader"]}}}'
FROM generate_series(:first, :last) c CROSS JOIN generate_series(5, :each, 5) s;
END
        echo "  $(((first + at_once - 1) * each)) of $entries entries after $SECONDS s" >&2
    done
    sql -c "VACUUM (ANALYZE) entries, message_state, members, conversations" -c CHECKPOINT
}

own_vhost
about_this_machine
start_cluster
fill
bytes=$(sql -At -c "SELECT pg_size_pretty(pg_database_size(current_database()))")
echo "$entries entries, $bytes, filled within $SECONDS s" >&2
# shellcheck disable=SC2046
line=$("$bin/fleet" pages $(towards tidings) --user scale-reader --rate "${RATE:-100}" --duration "${SECONDS_EACH:-20}s")
note pages "$line"
echo
echo "| page of 50 messages with states, $entries entries stored ($bytes) | wanted | measured |"
echo "|---|---|---|"
echo "| CPU-µs per page, Postgres | 500 | $(median pages tidings cpu_us.postgres) |"
echo "| CPU-µs per page, all servers and backends | 1,500 | $(median pages tidings cpu_us.servers) |"
echo "| due to the whole answer, p50, ms | – | $(median pages tidings page_p50_ms) |"
echo "| due to the whole answer, p99, ms | 15 | $(median pages tidings page_p99_ms) |"
echo "| messages of a page, states among them, on average | – | $(median pages tidings messages), $(median pages tidings states) |"
