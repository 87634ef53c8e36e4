#!/usr/bin/env bash
# The binaries of a commit before beside those of this checkout, on one cluster, under load: e2e/src/bin/upgrade.rs.
#   PREVIOUS=<commit> bash deploy/upgrade.sh target/debug
# Without PREVIOUS it is the newest tag that this checkout descends from; where there is none, the commit at which it left
# MAIN (origin/main); and where that is this commit itself, the one before it.
# deploy/generation counts the changes that need a stop: commits of another generation do not run beside this one, and
# only a PREVIOUS that is named is tried all the same.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/built.sh
. deploy/built.sh
binaries_here=${1:-target/debug}

default_previous() {
    local found
    git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null && return
    found=$(git merge-base HEAD "${MAIN:-origin/main}" 2>/dev/null || git merge-base HEAD main)
    [ "$found" != "$(git rev-parse HEAD)" ] || found=$(git rev-parse HEAD^)
    echo "$found"
}

named=${PREVIOUS:-}
previous=$(commit_of "${named:-$(default_previous)}")
generation_then=$(git show "$previous:deploy/generation" 2>/dev/null || echo none)
generation_now=$(cat deploy/generation)
if [ -z "$named" ] && [ "$generation_then" != "$generation_now" ]; then
    echo "$previous is of generation $generation_then, this is of $generation_now: an update needs a stop, nothing is tried"
    exit 0
fi
build_commit "$previous"
echo "$previous beside this checkout" >&2
"$binaries_here/upgrade" --previous "$against/$previous" ${SECONDS_EACH:+--seconds "$SECONDS_EACH"}
