"""What the rendered manifests say, as plain data. Whatever is not understood is refused: a field that the harness
passed over in silence would be one that no scenario tests."""

import copy
import dataclasses
import hashlib
import json
import math
import re

import yaml

# Kinds that change nothing about how pods run here.
PASSED_OVER = {
    "ConfigMap", "ExternalSecret", "HTTPRoute", "PodDisruptionBudget", "PrometheusRule", "ServiceMonitor",
}
POD_FIELDS = {
    "automountServiceAccountToken", "containers", "enableServiceLinks", "imagePullSecrets", "nodeSelector",
    "securityContext", "terminationGracePeriodSeconds", "tolerations", "topologySpreadConstraints", "volumes",
}
CONTAINER_FIELDS = {
    "args", "env", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "name", "ports", "readinessProbe",
    "resources", "securityContext", "startupProbe", "terminationMessagePolicy", "volumeMounts",
}
FACTORS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class ManifestError(Exception):
    """The rendered file says something that cannot be run."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """An HTTP probe as the kubelet runs it; times in seconds."""

    path: str
    port: int
    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int


@dataclasses.dataclass(frozen=True)
class PodTemplate:
    """The one container of a pod, and what the pod says about it."""

    labels: dict
    image: str
    arguments: list
    environment: list
    ports: dict
    user: int
    group: int
    is_root_read_only: bool
    is_escalation_allowed: bool
    has_capabilities: bool
    startup: Probe | None
    liveness: Probe | None
    readiness: Probe | None
    pre_stop_seconds: int
    grace_seconds: int
    message_from_logs: bool
    memory_limit: int | None
    # Where each Secret's keys are mounted: path in the container -> (Secret, key, mode).
    secret_files: dict

    @property
    def binary(self):
        return self.image.rsplit("/", 1)[-1].split(":")[0].split("@")[0]


@dataclasses.dataclass(frozen=True)
class Deployment:
    name: str
    selector: dict
    replicas: int
    min_ready_seconds: int
    surge: int | str
    unavailable: int | str
    template: PodTemplate

    def most(self, replicas):
        """How many pods there may be while a rollout is under way."""
        return replicas + share(self.surge, replicas, math.ceil)

    def least(self, replicas):
        """How many of them must be available."""
        return replicas - share(self.unavailable, replicas, math.floor)


@dataclasses.dataclass(frozen=True)
class Service:
    name: str
    selector: dict
    is_headless: bool
    takes_unready: bool
    # Port of the Service -> name or number of the pod's port.
    ports: dict


@dataclasses.dataclass
class Manifests:
    deployments: dict
    services: dict
    policies: list


def share(value, of, rounding):
    """A number, or a percentage of the replicas."""
    if isinstance(value, int):
        return value
    return rounding(of * int(value.removesuffix("%")) / 100)


def load(path):
    with open(path, encoding="utf-8") as file:
        return [thing for thing in yaml.safe_load_all(file) if thing]


def changed(objects, change):
    """The same objects with one thing changed on purpose."""
    objects = copy.deepcopy(objects)
    change(objects)
    return objects


def parse(objects):
    autoscaled = {
        thing["spec"]["scaleTargetRef"]["name"]: thing["spec"].get("minReplicas", 1)
        for thing in objects
        if thing["kind"] == "HorizontalPodAutoscaler"
    }
    result = Manifests({}, {}, [])
    for thing in objects:
        name = thing["metadata"]["name"]
        match thing["kind"]:
            case "Deployment":
                result.deployments[name] = deployment(name, thing["spec"], autoscaled.get(name))
            case "Service":
                result.services[name] = service(name, thing["spec"])
            case "NetworkPolicy":
                result.policies.append(thing["spec"])
            case "HorizontalPodAutoscaler":
                pass
            case kind if kind not in PASSED_OVER:
                raise ManifestError(f"{kind} {name}: this kind is not run here")
    return result


def deployment(name, spec, autoscaled):
    rolling = spec.get("strategy", {}).get("rollingUpdate", {})
    template = spec["template"]
    return Deployment(
        name=name,
        selector=spec["selector"]["matchLabels"],
        # Without `replicas` a Deployment begins with one, which its autoscaler lifts to the minimum.
        replicas=spec.get("replicas", autoscaled or 1),
        min_ready_seconds=spec.get("minReadySeconds", 0),
        surge=rolling.get("maxSurge", "25%"),
        unavailable=rolling.get("maxUnavailable", "25%"),
        template=pod_template(f"Deployment {name}", template["metadata"]["labels"], template["spec"]),
    )


def pod_template(at, labels, pod):
    refuse_unknown(at, pod, POD_FIELDS)
    if len(pod["containers"]) != 1:
        raise ManifestError(f"{at}: one container is run here, not {len(pod['containers'])}")
    container = pod["containers"][0]
    refuse_unknown(at, container, CONTAINER_FIELDS)
    security = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
    if security.get("runAsNonRoot") and not security.get("runAsUser"):
        raise ManifestError(f"{at}: container has runAsNonRoot and image will run as root")
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    pre_stop = container.get("lifecycle", {}).get("preStop", {})
    refuse_unknown(at, pre_stop, {"sleep"})
    memory = container.get("resources", {}).get("limits", {}).get("memory")
    return PodTemplate(
        labels=labels,
        image=container["image"],
        arguments=container.get("args", []),
        environment=container.get("env", []),
        ports=ports,
        user=security.get("runAsUser", 0),
        group=security.get("runAsGroup", security.get("runAsUser", 0)),
        is_root_read_only=security.get("readOnlyRootFilesystem", False),
        is_escalation_allowed=security.get("allowPrivilegeEscalation", True),
        has_capabilities=security.get("capabilities", {}).get("drop") != ["ALL"],
        startup=probe(at, container.get("startupProbe"), ports),
        liveness=probe(at, container.get("livenessProbe"), ports),
        readiness=probe(at, container.get("readinessProbe"), ports),
        pre_stop_seconds=pre_stop.get("sleep", {}).get("seconds", 0),
        grace_seconds=pod.get("terminationGracePeriodSeconds", 30),
        message_from_logs=container.get("terminationMessagePolicy") == "FallbackToLogsOnError",
        memory_limit=quantity(memory) if memory else None,
        secret_files=secret_files(at, pod, container),
    )


def refuse_unknown(at, thing, known):
    unknown = set(thing) - known
    if unknown:
        raise ManifestError(f"{at}: {', '.join(sorted(unknown))} is not run here")


def probe(at, spec, ports):
    if not spec:
        return None
    refuse_unknown(at, spec, {
        "httpGet", "initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold",
    })
    port = spec["httpGet"]["port"]
    if isinstance(port, str):
        if port not in ports:
            raise ManifestError(f"{at}: a probe asks the port {port!r}, which the container does not have")
        port = ports[port]
    return Probe(
        path=spec["httpGet"]["path"],
        port=port,
        initial_delay=spec.get("initialDelaySeconds", 0),
        period=spec.get("periodSeconds", 10),
        timeout=spec.get("timeoutSeconds", 1),
        successes=spec.get("successThreshold", 1),
        failures=spec.get("failureThreshold", 3),
    )


def secret_files(at, pod, container):
    mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", [])}
    files = {}
    for volume in pod.get("volumes", []):
        refuse_unknown(at, volume, {"name", "secret"})
        secret = volume["secret"]
        for item in secret.get("items", []):
            path = f"{mounts[volume['name']]}/{item['path']}"
            files[path] = (secret["secretName"], item["key"], secret.get("defaultMode", 0o644))
    return files


def service(name, spec):
    return Service(
        name=name,
        selector=spec["selector"],
        is_headless=spec.get("clusterIP") == "None",
        takes_unready=spec.get("publishNotReadyAddresses", False),
        ports={port["port"]: port.get("targetPort", port["port"]) for port in spec["ports"]},
    )


def quantity(text):
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return int(float(number) * FACTORS[unit])


def matches(selector, labels):
    """Whether a label selector selects these labels; the empty one selects everything."""
    for expression in selector.get("matchExpressions", []):
        raise ManifestError(f"matchExpressions are not run here: {expression}")
    return selector.get("matchLabels", {}).items() <= labels.items()


def template_hash(template):
    """The name of a revision, as Deployments make it from the template."""
    text = json.dumps(dataclasses.asdict(template), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
