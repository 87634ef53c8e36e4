"""Writes the Grafana dashboards into the chart's files: one for 3 a.m. and one for each service.

    dashboards.py            writes them
    dashboards.py --check    says which are not as this would write them; exit code 1
"""

import json
import pathlib
import sys

OUT = pathlib.Path(__file__).resolve().parents[1] / "helm/tidings/files/dashboards"
HERE = '{namespace=~"$namespace"}'


def where(*labels):
    return "{" + ", ".join(['namespace=~"$namespace"', *labels]) + "}"


def rate(metric, *labels, by=()):
    return f"sum by ({', '.join(by)}) (rate({metric}{where(*labels)}[$__rate_interval]))" if by else (
        f"sum(rate({metric}{where(*labels)}[$__rate_interval]))"
    )


def quantiles(histogram):
    return [
        (
            f"histogram_quantile({q}, sum by (le) (rate({histogram}_bucket{HERE}[$__rate_interval])))",
            f"p{str(q)[2:].ljust(2, '0')}",
        )
        for q in (0.5, 0.9, 0.99)
    ]


def panel(title, unit, *queries, kind="timeseries", width=8, height=7, says="", steps=None):
    return dict(title=title, unit=unit, queries=queries, kind=kind, width=width, height=height, says=says, steps=steps)


def figure(title, unit, query, steps=None, says=""):
    return panel(title, unit, (query, ""), kind="stat", width=4, height=4, says=says, steps=steps)


RED_BELOW_1 = [("red", None), ("green", 1)]
RED_FROM_1 = [("green", None), ("red", 1)]
AT_EACH = "{{instance}}"

PROCESS = [
    ("CPU, cores", "short", "rate(process_cpu_seconds_total{}[$__rate_interval])"),
    ("Memory", "bytes", "process_resident_memory_bytes{}"),
    ("Open files and sockets", "short", "process_open_fds{}"),
]


def process(component):
    labels = where(f'component=~"{component}"')
    return [panel(title, unit, (query.replace("{}", labels), AT_EACH)) for title, unit, query in PROCESS] + [
        panel("Not ready, by cause", "short", (f"max by (cause, instance) (tidings_not_ready{labels}) > 0", "{{cause}} {{instance}}")),
        panel("Tasks that panicked", "short", (f"sum by (instance) (increase(tidings_task_panics_total{labels}[1h]))", AT_EACH)),
        panel("Uptime", "s", (f"time() - process_start_time_seconds{labels}", AT_EACH)),
    ]


GATEWAYS = 'component=~"gateway|single"'

DASHBOARDS = {
    "tidings-now": (
        "Tidings: is it working?",
        [
            figure("Gateways that take clients", "short", f"sum(tidings_serving{where(GATEWAYS)}) or vector(0)", RED_BELOW_1),
            figure("Processes that lack something", "short", f"count(tidings_ready{HERE} == 0) or vector(0)", RED_FROM_1),
            figure("Sockets", "short", f"sum(tidings_gateway_connections{HERE})"),
            figure("Answers, p99", "s", quantiles("tidings_gateway_answer_seconds")[2][0], [("green", None), ("yellow", 0.5), ("red", 1)]),
            figure(
                "Frames answered with our errors", "percentunit",
                rate("tidings_gateway_errors_total", 'code=~"unavailable|internal"', 'via=~"ws|sse"')
                + f" / clamp_min({rate('tidings_gateway_frames_in_total')}, 1) or vector(0)",
                [("green", None), ("yellow", 0.001), ("red", 0.01)],
            ),
            figure("Dead letters, last day", "short", f"sum(increase(tidings_chat_dead_letters_total{HERE}[1d]))", RED_FROM_1),
            panel(
                "What is away", "short", (f"max by (component, cause) (tidings_not_ready{HERE}) > 0", "{{component}}: {{cause}}"), width=12,
                says="Empty is good. bus: RabbitMQ. database: Postgres. presence_store: Redis. docs/runbook.md, TidingsDependencyAway.",
            ),
            panel("Errors told to clients, by code", "reqps", (rate("tidings_gateway_errors_total", by=("code",)), "{{code}}"), width=12),
            panel("Sockets by gateway", "short", (f"tidings_gateway_connections{HERE}", AT_EACH)),
            panel("Devices that connect", "reqps", (rate("tidings_gateway_welcomed_total"), "welcomed"), says="A peak after a rollout or a lost gateway is normal."),
            panel("Refused, by limit", "reqps", (rate("tidings_gateway_refused_total", by=("limit",)), "{{limit}}"), says="unanswered: overload. gateway_connections, gateway_files: too few gateways."),
            panel("Messages stored", "ops", (rate("tidings_chat_operations_total", 'outcome="stored"'), "stored")),
            panel("From request to answer", "s", *quantiles("tidings_gateway_answer_seconds")),
            panel("The database's part of it: append", "s", *quantiles("tidings_chat_append_seconds")),
            panel("From sender to the other's socket", "s", *quantiles("tidings_gateway_entry_seconds"), says="Compares clocks of machines: as good as these agree."),
        ],
    ),
    "tidings-gateway": (
        "Tidings: gateways",
        [
            panel("Sockets", "short", (f"tidings_gateway_connections{HERE}", AT_EACH), (f"min(tidings_gateway_connections_limit{HERE})", "least limit")),
            panel("Bytes, as JSON", "Bps", (rate("tidings_gateway_received_bytes_total"), "in"), (rate("tidings_gateway_sent_bytes_total"), "out")),
            panel("From sender to the other's socket", "s", *quantiles("tidings_gateway_entry_seconds")),
            panel("From sender to `delivered`", "s", *quantiles("tidings_gateway_delivered_seconds")),
            panel("REST, by status", "reqps", (rate("tidings_gateway_rest_requests_total", by=("status",)), "{{status}}")),
            panel("REST", "s", *quantiles("tidings_gateway_rest_seconds")),
            panel("Frames", "ops", (rate("tidings_gateway_frames_in_total"), "in"), (rate("tidings_gateway_frames_out_total"), "out")),
            panel("From request to answer", "s", *quantiles("tidings_gateway_answer_seconds")),
            panel("Publish to confirm", "s", *quantiles("tidings_gateway_uplink_publish_seconds")),
            panel("Publishes without a confirm", "ops", (rate("tidings_gateway_uplink_failures_total", by=("instance",)), AT_EACH)),
            panel("Frames of a publish", "short", *quantiles("tidings_gateway_uplink_batch_frames")),
            panel("Requests that may await their answer", "short", (f"tidings_gateway_unanswered_limit{HERE}", AT_EACH)),
            panel("Refused, by limit", "reqps", (rate("tidings_gateway_refused_total", by=("limit",)), "{{limit}}")),
            panel("Errors, by way and code", "reqps", (rate("tidings_gateway_errors_total", by=("via", "code")), "{{via}} {{code}}")),
            panel("Sockets closed, by code", "ops", (rate("tidings_gateway_closes_total", by=("code",)), "{{code}}")),
            panel("Sent to other gateways", "ops", (rate("tidings_gateway_rebalanced_total", by=("instance",)), "{{instance}} moved"), (rate("tidings_gateway_placed_total", by=("instance",)), "{{instance}} placed"), (rate("tidings_gateway_rebalance_returned_total"), "came back"), says="Moved: a gateway has more than its share. Nearly all come back: the balancer keeps clients at one gateway."),
            panel("Dropped for slow readers, by kind", "ops", (rate("tidings_gateway_outbox_dropped_total", by=("kind",)), "{{kind}}")),
            panel("Pages pushed again", "ops", (rate("tidings_gateway_redelivered_pages_total", by=("instance",)), AT_EACH)),
            panel("Large conversations", "ops", (rate("tidings_gateway_channel_asks_total"), "asked"), (rate("tidings_gateway_channel_lost_total"), "left to sync")),
            panel("Broadcasts", "ops", (rate("tidings_gateway_broadcasts_total"), "new"), (rate("tidings_gateway_broadcast_repeats_total"), "repeats")),
            panel("Quality of networks, profiles given", "ops", (rate("tidings_gateway_network_profiles_total", by=("quality",)), "{{quality}}")),
            panel("Reports to presence", "ops", (rate("tidings_gateway_presence_failures_total"), "failed"), (rate("tidings_gateway_presence_snapshots_total"), "full accounts")),
            panel("Stood still", "short", (f"sum by (instance) (increase(tidings_gateway_stood_still_total{HERE}[1h]))", AT_EACH)),
            panel("Bytes held for clients", "bytes", (f"tidings_gateway_memory_bytes{HERE}", AT_EACH)),
            *process("gateway|single"),
        ],
    ),
    "tidings-chat": (
        "Tidings: chat services",
        [
            panel("Operations, by outcome", "ops", (rate("tidings_chat_operations_total", by=("outcome",)), "{{outcome}}")),
            panel("Refused, by code", "ops", (rate("tidings_chat_errors_total", by=("code",)), "{{code}}")),
            panel("Wait in the partition", "s", *quantiles("tidings_chat_partition_wait_seconds")),
            panel("Age of the last batch, the worst partitions", "s", (f"topk(5, tidings_chat_partition_age_seconds{HERE})", "{{partition}}")),
            panel("Batches that wait, the deepest queues", "short", (f"topk(5, max by (partition) (tidings_chat_partition_depth{HERE}))", "{{partition}}"), says="By the broker; each chat service tells the partitions that it works on."),
            panel("Batches under way", "short", (f"sum by (instance) (tidings_chat_partition_unacknowledged_batches{HERE})", AT_EACH)),
            panel("Workers at work", "percentunit", (f"tidings_chat_lanes_busy{HERE} / tidings_chat_lanes{HERE}", AT_EACH)),
            panel("Messages, by kind", "ops", (rate("tidings_chat_entries_total", by=("kind",)), "{{kind}}")),
            panel("Append", "s", *quantiles("tidings_chat_append_seconds")),
            panel("Frames of a batch", "short", *quantiles("tidings_chat_batch_frames")),
            panel("Batches planned again", "ops", (rate("tidings_chat_append_conflicts_total", by=("instance",)), AT_EACH)),
            panel("Batches, by partition", "ops", (rate("tidings_chat_partition_batches_total", by=("partition",)), "{{partition}}")),
            panel("Partitions yielded", "short", (f"sum by (instance) (increase(tidings_chat_partition_yields_total{HERE}[5m]))", AT_EACH), says="Some after each coming and going; a steady flow means that replicas disagree."),
            panel("Replicas that live, as each sees it", "short", (f"tidings_chat_replicas{HERE}", AT_EACH)),
            panel("Batches of pushes, by outcome", "ops", (rate("tidings_chat_push_batches_total", by=("outcome",)), "{{outcome}}")),
            panel("Look-up of connections", "s", *quantiles("tidings_chat_locate_seconds")),
            panel("Without an answer", "ops", (rate("tidings_chat_locate_failures_total"), "look-ups"), (rate("tidings_chat_cursor_failures_total"), "cursors"), (rate("tidings_chat_missed_pushes_dropped_total"), "missed pushes dropped")),
            panel("Dead letters", "short", (f"sum(increase(tidings_chat_dead_letters_total{HERE}[1h]))", "put aside"), (f"sum(increase(tidings_chat_dead_letters_lost_total{HERE}[1h]))", "lost")),
            panel("gRPC errors", "ops", (rate("tidings_chat_grpc_errors_total", by=("method", "code")), "{{method}} {{code}}")),
            *process("chat|single"),
        ],
    ),
    "tidings-presence": (
        "Tidings: presence services",
        [
            panel("Connections", "ops", (rate("tidings_presence_connected_total"), "opened"), (rate("tidings_presence_disconnected_total"), "closed")),
            panel("Refused: too many of a user", "ops", (rate("tidings_presence_refused_connections_total"), "connections")),
            panel("Changes, by what became of them", "ops", (rate("tidings_presence_announcements_total", by=("outcome",)), "{{outcome}}")),
            panel("Users to be announced", "short", (f"tidings_presence_announcements_waiting{HERE}", AT_EACH)),
            panel("Look-up in the store", "s", *quantiles("tidings_presence_locate_seconds")),
            panel("Users of a look-up", "short", *quantiles("tidings_presence_locate_users")),
            panel("Gateways whose lease ended", "short", (f"sum(increase(tidings_presence_expired_gateways_total{HERE}[10m]))", "gateways")),
            panel("Reports of followed gateway epochs", "ops", (rate("tidings_presence_stale_epochs_total"), "stale"), says="Some after a gateway began anew. Two gateways with one name show as the cause name_taken."),
            panel("Accounts of gateways", "ops", (rate("tidings_presence_snapshots_total"), "full"), (rate("tidings_presence_heartbeat_mismatches_total"), "heartbeats that did not fit")),
            panel("Groups too large to be told", "ops", (rate("tidings_presence_large_groups_not_told_total"), "groups")),
            panel("Not done", "ops", (rate("tidings_presence_push_failures_total"), "pushes"), (rate("tidings_presence_refused_calls_total"), "calls refused"), (rate("tidings_presence_choices_dropped_total"), "choices not read"), (rate("tidings_presence_unknown_frames_total"), "frames not understood")),
            panel("gRPC errors", "ops", (rate("tidings_presence_grpc_errors_total", by=("method", "code")), "{{method}} {{code}}")),
            *process("presence|single"),
        ],
    ),
}


def rendered(uid, title, panels):
    source = {"type": "prometheus", "uid": "${source}"}
    x = y = row = 0
    built = []
    for number, spec in enumerate(panels, 1):
        if x + spec["width"] > 24:
            x, y, row = 0, y + row, 0
        defaults = {"unit": spec["unit"], "min": 0}
        if spec["steps"]:
            defaults["thresholds"] = {"mode": "absolute", "steps": [{"color": c, "value": v} for c, v in spec["steps"]]}
        built.append(
            {
                "id": number,
                "type": spec["kind"],
                "title": spec["title"],
                "description": spec["says"],
                "datasource": source,
                "gridPos": {"x": x, "y": y, "w": spec["width"], "h": spec["height"]},
                "fieldConfig": {"defaults": defaults, "overrides": []},
                "targets": [
                    {"refId": chr(65 + at), "datasource": source, "expr": query, "legendFormat": legend or "__auto"}
                    for at, (query, legend) in enumerate(spec["queries"])
                ],
            }
        )
        x, row = x + spec["width"], max(row, spec["height"])
    variables = [
        {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            "name": "namespace",
            "label": "Namespace",
            "type": "query",
            "datasource": source,
            "query": "label_values(tidings_ready, namespace)",
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
            "refresh": 2,
        },
    ]
    return {
        "uid": uid,
        "title": title,
        "tags": ["tidings"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["tidings"], "title": "Tidings", "asDropdown": True}],
        "templating": {"list": variables},
        "panels": built,
    }


def main(check):
    stale = []
    OUT.mkdir(parents=True, exist_ok=True)
    for uid, (title, panels) in DASHBOARDS.items():
        text = json.dumps(rendered(uid, title, panels), indent=1) + "\n"
        file = OUT / f"{uid.removeprefix('tidings-')}.json"
        if not check:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            stale.append(f"{file.name} is not what deploy/monitoring/dashboards.py writes: run make manifests")
    print("\n".join(stale), end="\n" if stale else "")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] == ["--check"]))
