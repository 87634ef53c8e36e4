"""Turns the Autobahn suite's index into a page, and fails when a case failed."""

import json
import sys
from collections import Counter, defaultdict

GROUPS = {
    1: "framing: text and binary of all lengths",
    2: "pings and pongs",
    3: "reserved bits",
    4: "unknown opcodes",
    5: "fragmentation",
    6: "UTF-8 in text",
    7: "closing",
    9: "large messages and many fragments",
    10: "automatic fragmentation",
    12: "compression",
    13: "compression with parameters",
}
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"}


def number(case):
    return [int(part) for part in case.split(".")]


def main(index, page):
    with open(index, encoding="utf-8") as file:
        cases = json.load(file)["tidings"]
    groups = defaultdict(Counter)
    others = []
    failed = []
    for case in sorted(cases, key=number):
        said, closed = cases[case]["behavior"], cases[case]["behaviorClose"]
        groups[number(case)[0]][said] += 1
        if said not in GOOD or closed not in GOOD:
            failed.append(case)
        if said not in ("OK", "UNIMPLEMENTED") or closed not in GOOD:
            others.append(f"- {case}: {said}, close {closed}")
    lines = [
        "# Conformance of the socket stack",
        "",
        "The [Autobahn suite](https://github.com/crossbario/autobahn-testsuite) 25.10.1 against the gateway's own HTTP,",
        "upgrade, buffers, reading of errors and closing, on an echo that no product contains",
        "([echo.rs](../gateway/src/echo.rs)). Written by `make autobahn`.",
        "",
        "| group | cases | OK | non-strict | informational | not offered |",
        "|---|---|---|---|---|---|",
    ]
    for group, counts in sorted(groups.items()):
        lines.append(
            f"| {group} {GROUPS.get(group, '')} | {sum(counts.values())} | {counts['OK']} | {counts['NON-STRICT']} "
            f"| {counts['INFORMATIONAL']} | {counts['UNIMPLEMENTED']} |"
        )
    lines += [
        "",
        f"Failed: {', '.join(failed) if failed else 'none'}. Compression is without context takeover and with the largest window only,",
        "so that a message is compressed once for all its sockets: offers that insist on another window are not taken,",
        "and the suite counts those cases as not offered. Every other case that is not simply OK:",
        "",
        *others,
        "",
        "The informational ones have no right answer.",
        "",
    ]
    with open(page, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
