"""Holds documents and comments to plain words: none of the list of metaphors, and a glossary without double entries.

    words_in_docs.py    one line for each word that is to be replaced; exit code 1 when there is one
"""

import pathlib
import re
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
# Each with what to write instead. A word comes in when its last occurrence has gone.
WORDS = {
    r"lifts?": "ring, turn",
    r"owe[ds]?": "pending, noted for a head digest, deducted later",
    r"lends?|lent": "gives, may be used by",
    r"goodbyes?": "close frame, event `close`, graceful stop",
    r"mend(?:s|ed|ing)?": "correct",
    r"dearer": "more expensive",
    r"asleep|goes to sleep": "idle",
    r"wakes up": "runs again",
    r"stands? in line|in every line": "consumes, waits to become the active consumer",
    r"the dead or the frozen|yields to the dead": "a stopped or paused replica",
    r"[Ww]hoever": "the user who, the process that, each caller",
    r"riddles?": "say it plainly",
}
FORBIDDEN = re.compile(r"\b(?:" + "|".join(WORDS) + r")\b")
# Code is no prose, and words of the code are renamed with it.
CODE = re.compile(r"`[^`]*`|\[`[^`]*`\]|```.*?```", re.S)
COMMENTS = {".rs": re.compile(r"^\s*//[/!]?(.*)"), ".proto": re.compile(r"^\s*//(.*)")}
COMMENT_OF_TYPESCRIPT = re.compile(r"^\s*(?://|\*|/\*\*?)(.*)")


def tracked():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    return [REPOSITORY / name for name in listed if (REPOSITORY / name).is_file()]


def prose(path):
    """Line numbers and the prose in them."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        plain = CODE.sub(lambda match: "\n" * match[0].count("\n"), text)
        yield from enumerate(plain.splitlines(), 1)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if comment := COMMENTS.get(path.suffix, COMMENT_OF_TYPESCRIPT).match(line):
            yield number, CODE.sub("", comment[1])


def mistakes():
    for path in tracked():
        if path.suffix not in (".md", ".rs", ".ts", ".tsx", ".proto"):
            continue
        for number, line in prose(path):
            for word in FORBIDDEN.findall(line):
                instead = next(say for bad, say in WORDS.items() if re.fullmatch(bad, word))
                yield f"{path.relative_to(REPOSITORY)}:{number}: {word!r}: say it plainly ({instead})"
    architecture = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    glossary = architecture.split("\n## Glossary\n")[1].split("\n#")[0]
    terms = re.findall(r"^\| ([^|]+?) \| ", glossary, re.M)[1:]
    if len(terms) < 30 or terms != sorted(set(terms)):
        yield "ARCHITECTURE.md: the glossary has each term once, in the order of the alphabet"


def main():
    found = list(mistakes())
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


sys.exit(main())
