"""Values that the chart must refuse, with a sentence that says what to do, and numbers that it must compute.

    refusals.py HELM CHART
"""

import subprocess
import sys

import yaml

# Values file, further values, a part of the message.
REFUSED = [
    ("small", "gateway.terminationGracePeriodSeconds=60", "set it to 72 or more"),
    ("small", "chat.terminationGracePeriodSeconds=39", "set it to 40 or more"),
    ("dev", "single.terminationGracePeriodSeconds=44", "set it to 45 or more"),
    ("small", "chat.autoscaling.max=17", "there are 16 partitions"),
    ("small", "chat.autoscaling.min=5", "chat.autoscaling.min is above"),
    ("small", "gateway.autoscaling.min=7", "gateway.autoscaling.min is above"),
    ("small", "gateway.env.TIDINGS_GATEWAY__STOP_GRACE_MS=1000", "use the chart's own value"),
    ("small", "gateway.env.TIDINGS_CHAT__LANES__LANES=2", "TIDINGS_GATEWAY__"),
    ("small", "gateway.preStopSeconds=0", "preStopSeconds"),
    ("small", "gateway.replica=3", "additional properties 'replica' not allowed"),
    ("small", "auth.kind=data", "gateways have no data folder"),
    ("small", "auth.kind=jwks,auth.devTokens=true", "set auth.kind to hs256"),
    ("dev", "auth.kind=jwks", "set auth.kind to hs256"),
    ("small", "httpRoute.enabled=true", "httpRoute.parentRefs"),
    ("small", "secrets.externalSecret.enabled=true", "externalSecret.storeName"),
    ("small", "networkPolicy.egress.enabled=true", "networkPolicy.egress.stores"),
]
# Values file, further values, workload, its grace period in seconds.
GRACE = [
    ("small", "gateway.autoscaling.enabled=false,gateway.replicas=3,gateway.connections=20000", "tidings-gateway", 67),
    ("large", "", "tidings-gateway", 87),
    ("large", "", "tidings-chat", 40),
    ("large", "", "tidings-presence", 30),
    ("small", "gateway.terminationGracePeriodSeconds=120", "tidings-gateway", 120),
    ("dev", "", "tidings-single", 45),
]


def main(helm, chart):
    def template(values, more):
        command = [helm, "template", "tidings", chart, "-f", f"{chart}/values-{values}.yaml"]
        return subprocess.run(command + (["--set", more] if more else []), capture_output=True, text=True)

    wrong = []
    for values, more, expected in REFUSED:
        ran = template(values, more)
        if ran.returncode == 0 or expected not in ran.stderr:
            wrong.append(f"{values} with {more} is not refused with {expected!r}: {ran.stderr.strip()}")
    for values, more, workload, grace in GRACE:
        objects = yaml.safe_load_all(template(values, more).stdout)
        found = [
            thing["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            for thing in objects
            if thing and thing["kind"] in ("Deployment", "StatefulSet") and thing["metadata"]["name"] == workload
        ]
        if found != [grace]:
            wrong.append(f"{values} with {more or 'nothing more'}: the grace period of {workload} is {found}, not {grace}")
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
