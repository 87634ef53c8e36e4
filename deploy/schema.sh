#!/usr/bin/env bash
# A schema-driven tester against an all-in-one server of its own: requests made up from docs/openapi.json, as it
# is served, right ones and wrong ones. No answer may be a 5xx, and each has to be as it is described.
# schema.sh TARGET TESTER: the folder of binaries and the folder of the tester.
set -euo pipefail
target=$(realpath "$1") tester=$(realpath "$2")
folder=$(mktemp -d)
"$target/debug/tidings" serve --listen 127.0.0.1:0 --management-listen 127.0.0.1:0 --data "$folder/data" \
	>"$folder/out" 2>"$folder/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
address=
until [ -n "$address" ]; do
	kill -0 "$server" || { cat "$folder/log"; exit 1; }
	sleep 0.1
	address=$(sed -n 's/^listening http=\([^ ]*\) .*/\1/p' "$folder/out")
done
token=$("$target/debug/tidings" token --user tester --role admin --data "$folder/data")
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance
# In a folder of its own, because it keeps files where it is started.
ask() { # SECONDS OPTION...
	cd "$folder" && "$tester/schemathesis" run "http://$address/api/v1/openapi.json" --header "Authorization: Bearer $token" \
		--checks "$checks" --max-time "$1" --seed "${SEED:-4}" --workers 2 \
		--max-failures 20 --continue-on-failure --no-color "${@:2}"
}
# The operations that end sessions come last and apart: one of them ends the tester's own token, and everything
# after it is answered with 401.
ask "${SECONDS_MOST:-30}" --exclude-operation-id end_own --exclude-operation-id end
curl -sf -o "$folder/me" -H "Authorization: Bearer $token" "http://$address/api/v1/me" || {
	echo "the tester's token is refused by now: a part of the operations was not tested" >&2
	exit 1
}
ask 3 --include-operation-id end_own --include-operation-id end
grep -q ERROR "$folder/log" && { cat "$folder/log"; exit 1; }
echo "no 5xx, and every answer is as it is described"
