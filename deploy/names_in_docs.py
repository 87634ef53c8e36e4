"""Holds the documents to what there is: keys of the configuration, values of the chart, metrics, alerts, make targets
and files that they name. docs/protocol.md has to name every frame, error code and close code.

    names_in_docs.py    one line for each name that nothing has; exit code 1 when there is one
"""

import pathlib
import re
import sys

import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
DOCUMENTS = ["README.md", *(f"docs/{name}.md" for name in (
    "kubernetes", "runbook", "operations", "security", "behind-a-proxy", "performance", "protocol",
))]
# Names with a dot that are neither keys nor values: of frames, files of users, and of other programs.
OTHERS = {
    "backup.db", "entry.seq", "header.payload", "message.as_of", "own.as_of", "sender.type", "skipped.to_seq",
    "tidings.v1", "tidings.v1.msgpack", "welcome.limits", "welcome.status",
}
DOTTED = re.compile(r"`([a-z][a-zA-Z_0-9]*(?:\.[a-zA-Z_0-9]+)+)(?:\s?[:=][^`]*)?`")
METRIC = re.compile(r"\btidings_(?:gateway|chat|presence|grpc_tls|address|auth|monitor|bus|ready|build)\w*")
ALERT = re.compile(r"\bTidings[A-Z]\w+")
TARGET = re.compile(r"`make ([a-z-]+)")


def values(tree, before=""):
    for key, value in tree.items():
        yield before + key
        if isinstance(value, dict):
            yield from values(value, f"{before}{key}.")


def mistakes():
    read = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in DOCUMENTS}
    chart = yaml.safe_load((REPOSITORY / "deploy/helm/tidings/values.yaml").read_text(encoding="utf-8"))
    keys = re.findall(r"^\| `([a-z_0-9.]+)` \|", (REPOSITORY / "docs/configuration.md").read_text(encoding="utf-8"), re.M)
    known = {*values(chart), *keys} | OTHERS
    # Sections, and values of the chart without their own section.
    ends = {name.split(".", place)[-1] for name in known for place in range(1, name.count("."))}
    sections = {name.rsplit(".", place)[0] for name in known for place in range(1, name.count(".") + 1)}
    rules = yaml.safe_load((REPOSITORY / "deploy/helm/tidings/files/alerts.yml").read_text(encoding="utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    sources = "".join(path.read_text(encoding="utf-8") for pattern in ("*/src/**/*.rs", "crates/*/src/**/*.rs") for path in REPOSITORY.glob(pattern))
    words = set(re.findall(r'"([a-z_0-9]+)"', sources))
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M))
    for document, text in read.items():
        for name in sorted(set(DOTTED.findall(text)) - known - ends - sections):
            if not (REPOSITORY / name).exists() and not re.search(r"\.(py|rs|md|yml|yaml|toml|json|sh|ts|crt|key)$", name):
                yield f"{document}: {name} is neither a key of docs/configuration.md nor a value of the chart"
        for name in sorted(set(METRIC.findall(text))):
            if not is_metric(name, words):
                yield f"{document}: no service exports {name}"
        for name in sorted(set(ALERT.findall(text)) - alerts):
            yield f"{document}: {name} is no alert"
        for name in sorted(set(TARGET.findall(text)) - targets):
            yield f"{document}: there is no `make {name}`"
        for link in sorted(set(re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text))):
            if not (REPOSITORY / document).parent.joinpath(link).exists():
                yield f"{document}: there is no {link}"


def missing_in_protocol():
    """What the code has and docs/protocol.md does not explain: frames, error codes, limits, close codes, query parameters."""
    text = (REPOSITORY / "docs/protocol.md").read_text(encoding="utf-8")
    asyncapi = yaml.safe_load((REPOSITORY / "docs/asyncapi.yaml").read_text(encoding="utf-8"))
    schemas = asyncapi["components"]["schemas"]
    socket = asyncapi["channels"]["socket"]
    named = {
        "frame": [message["title"] for name, message in asyncapi["components"]["messages"].items()
                  if name.startswith(("Client", "Server"))],
        "limit": schemas["Limit"]["enum"],
        "query parameter": list(socket["bindings"]["ws"]["query"]["properties"]),
    }
    for kind, names in named.items():
        for name in names:
            if not re.search(rf"[`?&]{re.escape(name)}[`=]", text):
                yield f"docs/protocol.md: the {kind} {name} is not explained"
    listed = set(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text, re.M))
    for code, status in sorted(listed ^ {(code["code"], str(code["status"])) for code in socket["x-error-codes"]}):
        yield f"docs/protocol.md: the error code {code} with {status} is only here, or only in the server"
    rows = dict(re.findall(r"^\| (\d{4}) \| (.+?) \|", text, re.M))
    codes = {str(code["code"]) for code in socket["x-close-codes"]}
    for code in sorted(codes ^ rows.keys()):
        yield f"docs/protocol.md: the close code {code} is " + ("not explained" if code in codes else "none of the server's")
    # The query of a connection is read in one struct, and described by hand in the generator of asyncapi.yaml.
    sources = "".join(path.read_text(encoding="utf-8") for path in REPOSITORY.glob("gateway/src/**/*.rs"))
    fields = re.search(r"struct ConnectQuery \{(.*?)\n\}", sources, re.S).group(1)
    read = set(re.findall(r"^\s+(?:pub\(crate\) )?(\w+): Option", fields, re.M))
    for name in sorted(read ^ set(named["query parameter"])):
        yield f"docs/asyncapi.yaml: the query parameter {name} is only here, or only in the gateway"


def is_metric(name, words):
    """It stands in a source, whole or without the prefix that its part of the registry has."""
    bare = re.sub(r"_(total|bucket|sum|count|info)$", "", name)
    return bare in words or re.sub(r"^tidings_(gateway|chat|presence|grpc_tls|address|monitor)_", "", bare) in words


def main():
    found = [*mistakes(), *missing_in_protocol()]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


sys.exit(main())
