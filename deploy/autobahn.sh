#!/usr/bin/env bash
# The Autobahn WebSocket suite against the gateway's socket stack, on an echo that no product contains.
# Writes docs/autobahn.md and fails when a case fails. Wants a Python 2.7, the only one that the suite
# runs on (PYTHON2 names it; the suite itself comes from PyPI). Some three minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
python2=${PYTHON2:-python2.7}
work=${AUTOBAHN_DIR:-target/autobahn}
address=127.0.0.1:${PORT:-9701}
mkdir -p "$work"

if [ ! -x "$work/venv/bin/wstest" ]; then
    "$python2" -m pip install -q --user 'virtualenv<20.22'
    "$python2" -m virtualenv -q "$work/venv"
    "$work/venv/bin/pip" install -q autobahntestsuite==25.10.1
fi
cargo build -q --workspace --features gateway/echo --example echo
"${CARGO_TARGET_DIR:-target}/debug/examples/echo" "$address" >"$work/echo.log" &
echo=$!
trap 'kill $echo' EXIT
until grep -q '^listening' "$work/echo.log"; do sleep 0.05; done

rm -rf "$work/reports"
cat >"$work/spec.json" <<SPEC
{ "outdir": "$work/reports", "cases": ["*"], "exclude-cases": [], "exclude-agent-cases": {},
  "servers": [{ "agent": "tidings", "url": "ws://$address", "options": { "version": 18 } }] }
SPEC
"$work/venv/bin/wstest" -m fuzzingclient -s "$work/spec.json" >"$work/wstest.log" 2>&1
python3 deploy/autobahn_report.py "$work/reports/index.json" docs/autobahn.md
