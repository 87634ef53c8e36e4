"""Rules over rendered Kubernetes objects: the mistakes that schemas do not find.

    rules.py FILE...    one line for each mistake; exit code 1 when there is one

A file holds what belongs together: selectors and names are looked up within it.
docs/configuration.md is the list of the keys that each binary knows.
"""

import pathlib
import re
import sys

import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PREFIXES = {
    "gateway": "TIDINGS_GATEWAY__",
    "chat-service": "TIDINGS_CHAT__",
    "presence-service": "TIDINGS_PRESENCE__",
    "tidings": "TIDINGS__",
}
# Keys that the manifests use and that docs/configuration.md does not list yet.
PENDING: set[str] = set()
# What a process may need after its `stop_grace_ms`, in seconds: joins of its parts, one after the other.
AFTER_GRACE = {"gateway": 35, "tidings": 35, "chat-service": 20, "presence-service": 20}
WORKLOADS = ("Deployment", "StatefulSet", "Job")
WORDS = {
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
    "terminationMessagePolicy": {"File", "FallbackToLogsOnError"},
    "unhealthyPodEvictionPolicy": {"AlwaysAllow", "IfHealthyBudget"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "restartPolicy": {"Always", "OnFailure", "Never"},
    "fsGroupChangePolicy": {"OnRootMismatch", "Always"},
}
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
FACTORS = {"": 1, "m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def known_keys(text):
    """The environment variables of each binary, from docs/configuration.md."""
    keys, prefix = set(), None
    for line in text.splitlines():
        if heading := re.match(r"## .*\(`(\w+)`\)", line):
            prefix = heading[1]
        elif prefix and (row := re.match(r"\| `([\w.]+)` \|", line)):
            keys.add(prefix + row[1].upper().replace(".", "__"))
    return keys


def check(objects, keys=None):
    """One sentence for each mistake."""
    if keys is None:
        keys = known_keys((REPOSITORY / "docs/configuration.md").read_text()) | PENDING
    return Rules(objects, keys).run()


def quantity(text):
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * FACTORS[unit]


class Rules:
    def __init__(self, objects, keys):
        self.objects, self.keys, self.found = objects, keys, []

    def run(self):
        for thing in self.objects:
            self.at = f"{thing['kind']} {thing['metadata']['name']}"
            self.names_and_words(thing)
            if thing["kind"] in WORKLOADS:
                self.workload(thing)
            elif rule := {
                "Service": self.service,
                "HorizontalPodAutoscaler": self.autoscaler,
                "PodDisruptionBudget": self.disruption_budget,
                "NetworkPolicy": self.network_policy,
                "ServiceMonitor": self.service_monitor,
                "HTTPRoute": self.route,
            }.get(thing["kind"]):
                rule(thing)
        self.at = "all"
        self.one_number_of_partitions()
        self.tls_on_both_sides()
        return self.found

    def wrong(self, text):
        self.found.append(f"{self.at}: {text}")

    # What others point at.

    def of_kind(self, *kinds):
        return [thing for thing in self.objects if thing["kind"] in kinds]

    def named(self, kind, name):
        return next((t for t in self.of_kind(kind) if t["metadata"]["name"] == name), None)

    def selected(self, labels):
        """The workloads whose pods have these labels."""
        return [
            thing
            for thing in self.of_kind(*WORKLOADS)
            if (labels or {}).items() <= template(thing)["metadata"].get("labels", {}).items()
        ]

    def has_port(self, workload, port):
        ports = [p for c in template(workload)["spec"]["containers"] for p in c.get("ports", [])]
        return any(port in (p.get("name"), p["containerPort"]) for p in ports)

    # Rules for everything.

    def names_and_words(self, thing):
        if not NAME.fullmatch(thing["metadata"]["name"]):
            self.wrong("the name is not one that Kubernetes takes")
        # Names of Services and labels are parts of names in DNS.
        if len(thing["metadata"]["name"]) > 63:
            self.wrong("the name is longer than 63 characters")

        def walk(value, path):
            if isinstance(value, list):
                for item in value:
                    walk(item, path)
            elif isinstance(value, dict):
                for key, item in value.items():
                    if key in ("labels", "matchLabels", "selector") and isinstance(item, dict):
                        for label in item.values():
                            if isinstance(label, str) and not LABEL.fullmatch(label):
                                self.wrong(f"the label {label!r} is not one that Kubernetes takes (63 characters)")
                    words = WORDS.get(key)
                    if words and isinstance(item, str) and item not in words:
                        self.wrong(f"{key} is {item!r}, not one of {', '.join(sorted(words))}")
                    walk(item, f"{path}.{key}")

        if thing["kind"] != "ConfigMap":
            walk(thing, "")

    # Rules for workloads.

    def workload(self, thing):
        spec, pod = thing["spec"], template(thing)["spec"]
        selector = spec.get("selector", {}).get("matchLabels", {})
        if not selector.items() <= template(thing)["metadata"].get("labels", {}).items():
            self.wrong("the selector does not match the labels of its own template")
        rolling = spec.get("strategy", {}).get("rollingUpdate", {})
        if rolling and rolling.get("maxSurge") in (0, "0%") and rolling.get("maxUnavailable") in (0, "0%"):
            self.wrong("maxSurge and maxUnavailable are both 0: no pod can ever be replaced")
        if pod.get("automountServiceAccountToken") is not False:
            self.wrong("pods get a token of the API server, which they do not need")
        security = pod.get("securityContext", {})
        if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
            self.wrong("securityContext does not keep root out (runAsNonRoot, runAsUser)")
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            self.wrong("securityContext has no seccompProfile RuntimeDefault")
        for spread in pod.get("topologySpreadConstraints", []):
            labels = spread["labelSelector"]["matchLabels"]
            if not labels.items() <= template(thing)["metadata"]["labels"].items():
                self.wrong("a topology spread constraint does not count the workload's own pods")
        for container in pod["containers"]:
            self.container(thing, pod, container)

    def container(self, thing, pod, container):
        security = container.get("securityContext", {})
        if security.get("allowPrivilegeEscalation") is not False or security.get("readOnlyRootFilesystem") is not True:
            self.wrong("the container may escalate privileges or write to its root")
        if security.get("capabilities", {}).get("drop") != ["ALL"]:
            self.wrong("the container keeps capabilities")
        image = container["image"]
        if not re.search(r":[^/]+$|@sha256:", image) or image.endswith(":latest"):
            self.wrong(f"the image {image} names no version")
        self.resources(container.get("resources", {}))
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.probe(thing, probe, container.get(probe))
        self.environment(thing, pod, container)
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        grace = pod.get("terminationGracePeriodSeconds", 30)
        if sleep > grace:
            self.wrong(f"preStop sleeps {sleep} s, longer than the grace period of {grace} s")
        self.grace(container, sleep, grace)

    def resources(self, resources):
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        if "memory" not in limits:
            self.wrong("the container has no memory limit")
        for name, limit in limits.items():
            if name in requests and quantity(limit) < quantity(requests[name]):
                self.wrong(f"the limit of {name} ({limit}) is below the request ({requests[name]})")

    def probe(self, thing, name, probe):
        if thing["kind"] == "Job":
            return
        if not probe:
            self.wrong(f"there is no {name}")
            return
        if not self.has_port(thing, probe["httpGet"]["port"]):
            self.wrong(f"{name} asks the port {probe['httpGet']['port']!r}, which the pod does not have")
        if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            self.wrong(f"{name}.successThreshold must be 1")
        path = probe["httpGet"]["path"]
        # /health/ready hangs on shared dependencies: with it a broker that is away empties every Service.
        expected = "/health/serve" if name == "readinessProbe" else "/health/live"
        if path != expected:
            self.wrong(f"{name} asks {path}, not {expected}")

    def environment(self, thing, pod, container):
        binary, seen = container["name"], set()
        prefix = PREFIXES.get(binary)
        for variable in container.get("env", []):
            name, value = variable["name"], variable.get("value")
            if name in seen:
                self.wrong(f"{name} is set twice")
            seen.add(name)
            if name == "SSL_CERT_FILE":
                self.mounted(pod, container, name, value)
            if not name.startswith("TIDINGS"):
                continue
            if prefix is None or not name.startswith(prefix) or name not in self.keys:
                self.wrong(f"{name} is no key of {binary} (docs/configuration.md)")
            if name.endswith("__GATEWAY_ID") and thing["kind"] == "Deployment":
                self.wrong("gateway_id is set in a template: all of its pods would have one name")
            if name.endswith("_FILE") and value is not None:
                self.mounted(pod, container, name, value)
            if name.endswith("_GRPC__URLS"):
                self.called(name, value)
            if re.search(r"__(URL|HS256_SECRET)$", name) and value is not None:
                self.wrong(f"{name} is a secret in plain sight: take {name}_FILE")

    def mounted(self, pod, container, name, path):
        for mount in container.get("volumeMounts", []):
            if path.startswith(mount["mountPath"] + "/"):
                volume = next((v for v in pod.get("volumes", []) if v["name"] == mount["name"]), None)
                items = (volume or {}).get("secret", {}).get("items")
                file = path.removeprefix(mount["mountPath"] + "/")
                if volume and (items is None or any(item["path"] == file for item in items)):
                    return
        self.wrong(f"{name} names {path}, which no volume brings")

    def called(self, name, value):
        for host, port in re.findall(r"https?://([\w.-]+):(\d+)", value):
            service = self.named("Service", host.split(".")[0])
            if not service or int(port) not in [p["port"] for p in service["spec"]["ports"]]:
                self.wrong(f"{name} calls {host}:{port}, which no Service serves")

    def grace(self, container, sleep, grace):
        for variable in container.get("env", []):
            if variable["name"].endswith("__STOP_GRACE_MS"):
                stop = -(-int(variable["value"]) // 1000)
                need = sleep + stop + AFTER_GRACE[container["name"]]
                if grace < need:
                    self.wrong(f"the grace period of {grace} s is below the {need} s that leaving may take")

    # Rules for what points at workloads.

    def service(self, thing):
        spec = thing["spec"]
        workloads = self.selected(spec.get("selector"))
        if not workloads:
            self.wrong("the selector matches no pod")
        for port in spec["ports"]:
            target = port.get("targetPort", port["port"])
            if any(not self.has_port(workload, target) for workload in workloads):
                self.wrong(f"the port {target!r} is not there in the pods")

    def autoscaler(self, thing):
        spec = thing["spec"]
        target = self.named(spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
        if not target:
            self.wrong(f"the target {spec['scaleTargetRef']['name']} is not there")
            return
        if "replicas" in target["spec"]:
            self.wrong("the target sets replicas, too: each apply would undo the autoscaler")
        if spec["minReplicas"] > spec["maxReplicas"]:
            self.wrong("minReplicas is above maxReplicas")
        for container in template(target)["spec"]["containers"]:
            for variable in container.get("env", []):
                if variable["name"] == "TIDINGS_CHAT__AMQP__PARTITIONS" and spec["maxReplicas"] > int(variable["value"]):
                    self.wrong(f"maxReplicas {spec['maxReplicas']} is above the {variable['value']} partitions")

    def disruption_budget(self, thing):
        if not self.selected(thing["spec"]["selector"]["matchLabels"]):
            self.wrong("the selector matches no pod: it protects nothing")

    def network_policy(self, thing):
        spec = thing["spec"]
        own = self.selected(spec["podSelector"].get("matchLabels"))
        if not own:
            self.wrong("the selector matches no pod")
        for rule in spec.get("ingress", []):
            for port in rule.get("ports", []):
                if any(not self.has_port(workload, port["port"]) for workload in own):
                    self.wrong(f"it lets traffic in at {port['port']}, which the pods do not have")
        for rule in spec.get("ingress", []) + spec.get("egress", []):
            for peer in rule.get("from", []) + rule.get("to", []):
                if "podSelector" not in peer or "namespaceSelector" in peer:
                    continue
                peers = self.selected(peer["podSelector"]["matchLabels"])
                if not peers:
                    self.wrong("a peer matches no pod")
                for port in rule["ports"] if "to" in rule else []:
                    if any(not self.has_port(workload, port["port"]) for workload in peers):
                        self.wrong(f"it lets traffic out to {port['port']}, which the peers do not have")

    def service_monitor(self, thing):
        labels = thing["spec"]["selector"]["matchLabels"]
        services = [
            s for s in self.of_kind("Service") if labels.items() <= s["metadata"].get("labels", {}).items()
        ]
        if not services:
            self.wrong("the selector matches no Service")
        for endpoint in thing["spec"]["endpoints"]:
            for service in services:
                if endpoint["port"] not in [port.get("name") for port in service["spec"]["ports"]]:
                    self.wrong(f"the port {endpoint['port']} is not there in {service['metadata']['name']}")

    def route(self, thing):
        for rule in thing["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                service = self.named("Service", backend["name"])
                if not service or backend["port"] not in [port["port"] for port in service["spec"]["ports"]]:
                    self.wrong(f"the backend {backend['name']}:{backend['port']} is not there")

    def variables(self):
        for thing in self.of_kind(*WORKLOADS):
            for container in template(thing)["spec"]["containers"]:
                yield from container.get("env", [])

    def tls_on_both_sides(self):
        called = {
            url.split(":")[0]
            for variable in self.variables()
            if variable["name"].endswith("_GRPC__URLS")
            for url in re.findall(r"https?:", variable["value"])
        }
        served = {v["name"].split("__")[0] for v in self.variables() if v["name"].endswith("__GRPC_TLS__CERT_FILE")}
        if len(called) > 1 or (called == {"https"}) != bool(served) or len(served) == 1:
            self.wrong("some services speak TLS to each other and some do not")

    def one_number_of_partitions(self):
        numbers = {
            variable["value"] for variable in self.variables() if variable["name"].endswith("__AMQP__PARTITIONS")
        }
        if len(numbers) > 1:
            self.wrong(f"the services disagree about the number of partitions: {', '.join(sorted(numbers))}")


def template(workload):
    return workload["spec"]["template"]


def read(path):
    with open(path, encoding="utf-8") as file:
        return [thing for thing in yaml.safe_load_all(file) if thing]


def main(paths):
    found = [f"{path}: {text}" for path in paths for text in check(read(path))]
    print("\n".join(found), end="\n" if found else "")
    listed = PENDING & known_keys((REPOSITORY / "docs/configuration.md").read_text())
    if listed:
        print(f"note: take out of PENDING in deploy/kubernetes/rules.py: {', '.join(sorted(listed))}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
