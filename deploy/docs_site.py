"""The documents as a site, by mdBook, and a check of their links that needs no network.

    docs_site.py --check       every link between the documents, with its heading, and every page in SUMMARY.md
    docs_site.py FOLDER        copies the pages of docs/SUMMARY.md and what they show to FOLDER/src, for `mdbook build FOLDER`
"""

import os
import pathlib
import re
import shutil
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
SUMMARY = REPOSITORY / "docs/SUMMARY.md"
# What pages link to besides pages, and what they show.
FILES = ["docs/asyncapi.yaml", "docs/openapi.json", "docs/screenshots"]
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
FENCE = re.compile(r"^```.*?^```", re.S | re.M)


def links(text):
    """Addresses of a document outside of its code."""
    return [match[2] for match in LINK.finditer(FENCE.sub("", text)) if "://" not in match[2]]


def anchors(text):
    """The ids of the headings: letters, digits, - and _ of the text in lower case, spaces as hyphens."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.M):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        place = 1
        while (numbered := name if place == 1 else f"{name}-{place - 1}") in found:
            place += 1
        found.add(numbered)
    return found


def pages():
    """The files that SUMMARY.md names, in its order."""
    return [(SUMMARY.parent / link).resolve() for link in links(SUMMARY.read_text(encoding="utf-8"))]


def mistakes():
    in_summary = pages()
    for page in sorted(REPOSITORY.glob("docs/*.md")):
        if page != SUMMARY and page not in in_summary:
            yield f"docs/SUMMARY.md: {page.name} is not in it"
    for page in [*in_summary, SUMMARY]:
        name = page.relative_to(REPOSITORY)
        for link in links(page.read_text(encoding="utf-8")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                yield f"{name}: there is no {link}"
            elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8")):
                yield f"{name}: {link} has no such heading"


def staged(page):
    """Where a page lies in the book: README at the top, all others by their names."""
    inside = page.relative_to(REPOSITORY)
    if inside.parts[0] == "docs":
        return pathlib.Path(*inside.parts[1:])
    return pathlib.Path("-".join(inside.parts).lower().replace("readme.md", "index.md"))


def stage(folder):
    source = folder / "src"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    shutil.copy(REPOSITORY / "docs/book.toml", folder / "book.toml")
    book = folder / "book.toml"
    book.write_text(book.read_text().replace('src = "."', 'src = "src"'))
    known = {page: staged(page) for page in pages()}
    for name in FILES:
        path = REPOSITORY / name
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, source / path.name)
        inside = [path, *path.rglob("*")] if path.is_dir() else [path]
        known |= {one: staged(one) for one in inside}
    for page in [*pages(), SUMMARY]:
        def moved(match, page=page):
            path, _, anchor = match[2].partition("#")
            if "://" in path or not path:
                return match[0]
            target = (page.parent / path).resolve()
            if target not in known:
                # A file of the sources: its name without a link.
                return match[1].removeprefix("!")[1:-2]
            return f"{match[1]}{known[target]}{'#' if anchor else ''}{anchor}{match[3]}"

        text = LINK.sub(moved, page.read_text(encoding="utf-8"))
        target = source / ("SUMMARY.md" if page == SUMMARY else known[page])
        os.makedirs(target.parent, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def main():
    if sys.argv[1] == "--check":
        found = list(mistakes())
        print("\n".join(found), end="\n" if found else "")
        return 1 if found else 0
    stage(pathlib.Path(sys.argv[1]))
    return 0


sys.exit(main())
