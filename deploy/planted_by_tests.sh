#!/usr/bin/env bash
# Plants each bug that tests of the chat service find, not chaos, and runs the test that has to find it: it must fail.
# TARGET is the target folder; the builds are in TARGET/planted/build, apart from everybody else's.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-target}
# A feature, then where its test is, then the test.
found_by='
planted-state-not-written --test=store_sqlite changes_of_a_message_are_in_its_log_and_its_state
planted-stale-target --test=store_sqlite changes_of_many_at_once_are_folded_in_the_order_of_the_log
planted-applied-again --lib changes_are_folded_and_each_once
planted-reaction-is-a-message --test=store_sqlite messages_alone_are_unread_and_order_lists
planted-tail-without-horizon --test=store_postgres writers_that_commit_late_or_roll_back_are_seen_once_and_never_passed
planted-position-before-confirm --lib the_position_stays_while_the_bus_does_not_confirm
planted-notice-claim-not-atomic --test=store_sqlite of_many_who_show_a_notice_at_once_one_is_the_first
'
while read -r feature where test; do
    [ -n "$feature" ] || continue
    arguments=(--target-dir "$target/planted/build" -p chat-service --features "$feature" "$where")
    # What does not compile finds nothing.
    "${CARGO:-cargo}" test "${arguments[@]}" --no-run
    if "${CARGO:-cargo}" test "${arguments[@]}" -- "$test"; then
        echo "planted: $feature was not found by $test" >&2
        exit 1
    fi
    echo "planted: $feature was found by $test"
done <<<"$found_by"
