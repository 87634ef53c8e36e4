#!/usr/bin/env bash
# The figures of docs/benchmarks.md, everything on this machine: the workloads that are checked message by
# message, groups of every size, what an overload costs, Tidings beside NATS and the floors, what
# changes of messages cost, then what follows the commit. Each part of deploy/bench can be run alone.
# Wants release binaries in target/release and RabbitMQ, Postgres and Redis (`make bench` sees to both).
# Sends to loopback only, and stops by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
bash deploy/bench/checked.sh
bash deploy/bench/groups.sh
bash deploy/bench/overload.sh
bash deploy/bench/attack.sh
bash deploy/bench/compared.sh
bash deploy/bench/changes.sh
bash deploy/bench/after_commit.sh
