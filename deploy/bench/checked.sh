#!/usr/bin/env bash
# Every workload once, through the fleet, which checks each message while it measures.
# Stops by itself after about four minutes. SECONDS_EACH and WINDOW change it.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/bench/servers.sh
. deploy/bench/servers.sh
seconds=${SECONDS_EACH:-15}

about_this_machine
start_cluster
cluster=(--url "ws://${address_of[gateway]}/ws" --secret-file "$work/secret" --server-pids "$cluster_pids")

fleet "cluster, 500 pairs, saturated" "${cluster[@]}" --pairs 500 --window "${WINDOW:-8}" --warmup 5s --verify-history=50
fleet "cluster, 500 pairs, 1,000 messages/s" "${cluster[@]}" --pairs 500 --rate 1000 --warmup 5s
# One group, so that a push has many sockets: compare the bytes received per delivery, and the gateway's CPU time.
wire=(--scenario group --members 200 --senders one --rate 50 --warmup 3s --ramp 1000/s --ack-every-ms 2000)
fleet "cluster, one group of 200, 50 messages/s, JSON" "${cluster[@]}" "${wire[@]}"
fleet "the same in MessagePack" "${cluster[@]}" "${wire[@]}" --encoding msgpack
fleet "the same in batches of up to 100 frames or 100 ms" "${cluster[@]}" "${wire[@]}" --batch 100 --batch-ms 100
fleet "the same in batches, in MessagePack" "${cluster[@]}" "${wire[@]}" --batch 100 --batch-ms 100 --encoding msgpack
fleet "cluster, 10,000 idle connections" "${cluster[@]}" --scenario idle --clients 10000 --ramp 1000/s --sources 127.0.0.2-127.0.0.9
calls=(--pairs 100 --rate 200 --signals 200 --listeners 4800 --ramp 1000/s --sources 127.0.0.2-127.0.0.9 --warmup 5s)
fleet "cluster, 5,000 connections, messages and call signals, quiet" "${cluster[@]}" "${calls[@]}"
fleet "the same with 3 broadcasts a second to all 5,000" "${cluster[@]}" "${calls[@]}" --broadcasts 3
stop_all

start all "$bin/tidings" serve --listen 127.0.0.1:0 --management-listen 127.0.0.1:0 --data "$work/data"
ready all
alone=(--url "ws://${address_of[all]}/ws" --secret-file "$work/data/secret" --server-pids "tidings=${pid_of[all]}")
fleet "all-in-one on SQLite, 500 pairs, saturated" "${alone[@]}" --pairs 500 --window "${WINDOW:-8}" --warmup 5s --verify-history=50
fleet "all-in-one on SQLite, 500 pairs, 1,000 messages/s" "${alone[@]}" --pairs 500 --rate 1000 --warmup 5s
