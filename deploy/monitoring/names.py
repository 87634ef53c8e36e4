"""Holds alert rules and dashboards to the metrics that the services export, and alerts to the runbook.

    names.py                  one line for each mistake; exit code 1 when there is one
    names.py --list           every metric with its type, read from the sources of the services
    names.py --scrape FILE    the same check against a scrape of /metrics, for those that rules and dashboards name
    names.py --expressions    the queries of the dashboards as a rule file, for promtool
"""

import json
import pathlib
import re
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
# Where metrics are registered, and under which prefix.
SOURCES = [
    ("gateway/src/metrics.rs", "tidings_gateway_"),
    ("gateway/src/tenants/counted.rs", "tidings_gateway_tenant_"),
    ("chat-service/src/metrics.rs", "tidings_chat_"),
    ("chat-service/src/followers/metrics.rs", "tidings_chat_"),
    ("chat-service/src/followers/lag.rs", ""),
    ("chat-service/src/push/metrics.rs", "tidings_"),
    ("presence-service/src/metrics.rs", "tidings_presence_"),
    ("crates/platform/src/grpc/errors.rs", "tidings_chat_"),
    ("crates/platform/src/grpc/errors.rs", "tidings_presence_"),
    ("crates/platform/src/grpc/tls/reading.rs", "tidings_grpc_tls_"),
    ("crates/platform/src/monitor/shown.rs", "tidings_monitor_"),
    ("chat-service/src/partitions/depth.rs", ""),
    ("crates/platform/src/metrics.rs", ""),
    ("crates/platform/src/metrics/process.rs", ""),
    ("crates/platform/src/readiness/measured.rs", ""),
    ("crates/platform/src/token/rotation.rs", ""),
    ("crates/platform/src/address.rs", "tidings_address_"),
]
# Named by rules and dashboards, and not exported yet.
PENDING = {}
# What Prometheus itself adds.
OWN = {"up": "gauge"}
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
# Words of PromQL, and labels, that look like names of metrics.
NAME = re.compile(r"\b(?:tidings|process)_[a-z0-9_]+\b|\bup\b")


def exported():
    """Each metric that the sources register, with its type."""
    metrics = {}
    for path, prefix in SOURCES:
        if not (REPOSITORY / path).exists() and any(name.startswith(prefix) for name in PENDING):
            continue
        text = (REPOSITORY / path).read_text()
        types = {
            field: (family or plain).lower()
            for field, family, plain in re.findall(
                r"(\w+): (?:Family<\w+, (Counter|Gauge|Histogram)\b|(Counter|Gauge|Histogram))", text
            )
        }
        # `let waiting = this.waiting.clone();` before it is registered.
        local = dict(re.findall(r"let (\w+) = (?:this|self)\.(\w+)\.clone\(\);", text))
        for name, value in re.findall(r'register\(\s*"(\w+)",\s*"[^"]*",\s*([\w.]+?)(?:\.clone\(\))?,?\s*\)', text):
            field = value.split(".")[-1]
            field = local.get(field, field)
            if value == "this.0":
                kind = "counter"
            elif name == "tidings_build":
                kind = "info"
            else:
                kind = types.get(field) or tuple_type(text, field)
            metrics[prefix + name] = kind
        for name in re.findall(r'encode_descriptor\(\s*"(\w+)"', text):
            metrics[name] = "counter" if re.search(rf'"{name}"[^;]*ConstCounter|ConstCounter[^;]*;[^;]*;[^;]*"{name}"', text) else "gauge"
        for name in re.findall(r'gauge\(&mut to, "(\w+)"', text):
            metrics[name] = "gauge"
    metrics.pop("tidings_test_frames", None)
    return metrics


def tuple_type(text, field):
    """Of `let (a, b): (Counter, Gauge)`."""
    for fields, types in re.findall(r"let \(([^)]*)\): \(([^)]*)\)", text):
        pairs = dict(zip(fields.split(", "), types.split(", ")))
        if field in pairs:
            return pairs[field].lower()
    raise SystemExit(f"names.py does not see the type of the metric behind {field}")


def of_scrape(text):
    """Each metric of a scrape, with its type."""
    found = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    # In the plain text format a counter is described under the name of its samples.
    return {name.removesuffix("_total") if kind == "counter" else name: kind for name, kind in found.items()}


def series(metrics):
    """The names that queries may use."""
    return {name + suffix for name, kind in metrics.items() for suffix in SUFFIXES[kind]}


def rules():
    for group in yaml.safe_load((HERE / "alerts.yml").read_text())["groups"]:
        yield from group["rules"]


def dashboards():
    for path in sorted((HERE / "dashboards").glob("*.json")):
        yield path.name, json.loads(path.read_text())


def expressions():
    """Where, and the query."""
    for rule in rules():
        yield f"alert {rule['alert']}", rule["expr"]
    for name, dashboard in dashboards():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                # Grafana puts these in.
                yield f"{name}: {panel['title']}", target["expr"].replace("$__rate_interval", "5m").replace("$namespace", ".*")


def named():
    """The series that rules and dashboards name, and where."""
    for where, expression in expressions():
        without_labels = re.sub(r"\{[^}]*\}|\bby ?\([^)]*\)|\bwithout ?\([^)]*\)", "", expression)
        for name in set(NAME.findall(without_labels)):
            yield where, name


def mistakes():
    metrics = exported()
    for name in sorted(PENDING.keys() & metrics.keys()):
        print(f"note: {name} is exported now: take it out of PENDING in deploy/monitoring/names.py")
    known = series({**PENDING, **metrics, **OWN})
    for where, name in named():
        if name not in known:
            yield f"{where}: no service exports {name}"
    yield from runbook()
    yield from of_dashboards()


def runbook():
    headings = re.findall(r"^### (Tidings\w+)$", (REPOSITORY / "docs/runbook.md").read_text(), re.MULTILINE)
    alerts = [rule["alert"] for rule in rules()]
    for alert in alerts:
        if alert not in headings:
            yield f"alert {alert}: docs/runbook.md does not say what to do"
    for heading in headings:
        if heading not in alerts:
            yield f"docs/runbook.md: {heading} is no alert"
    if len(set(alerts)) != len(alerts):
        yield "an alert is there twice"
    tested = {
        test["alertname"]
        for case in yaml.safe_load((HERE / "alerts_test.yml").read_text())["tests"]
        for test in case.get("alert_rule_test", [])
        if test["exp_alerts"]
    }
    for alert in alerts:
        if alert not in tested:
            yield f"alert {alert}: no test sees it fire"
    for rule in rules():
        if rule["labels"]["severity"] not in ("page", "ticket") or not rule["annotations"]["summary"]:
            yield f"alert {rule['alert']}: severity or summary is wrong"
        if rule["annotations"]["runbook"] != f"docs/runbook.md#{rule['alert'].lower()}":
            yield f"alert {rule['alert']}: the annotation runbook leads elsewhere"


def of_dashboards():
    uids = [dashboard["uid"] for _, dashboard in dashboards()]
    if len(set(uids)) != len(uids):
        yield "two dashboards have one uid"
    for name, dashboard in dashboards():
        ids = [panel["id"] for panel in dashboard["panels"]]
        if len(set(ids)) != len(ids):
            yield f"{name}: two panels have one id"


def main(arguments):
    if arguments == ["--list"]:
        print("\n".join(f"{name} {kind}" for name, kind in sorted(exported().items())))
        return 0
    if arguments == ["--expressions"]:
        found = [
            {"record": f"query:{number}", "expr": expression}
            for number, (_, expression) in enumerate(expressions())
        ]
        print(yaml.safe_dump({"groups": [{"name": "queries", "rules": found}]}))
        return 0
    if len(arguments) == 2 and arguments[0] == "--scrape":
        known = series({**of_scrape(pathlib.Path(arguments[1]).read_text()), **OWN})
        found = sorted({name for _, name in named()} - known)
        print("\n".join(f"not in the scrape: {name}" for name in found), end="\n" if found else "")
        return 1 if found else 0
    found = list(mistakes())
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
