"""Plants each mistake once in the rendered objects; the schemas or rules.py must find it.

    planted.py FILE    FILE is rendered; what is not found is printed, and the exit code is 1
"""

import copy
import sys

import kubernetes_validate
import rules

KUBERNETES = "1.34"


def pod(objects, part="gateway"):
    return rules.template(get(objects, "Deployment", part))["spec"]


def container(objects, part="gateway"):
    return pod(objects, part)["containers"][0]


def get(objects, kind, part):
    return next(t for t in objects if t["kind"] == kind and t["metadata"]["name"].endswith(f"-{part}"))


def variable(objects, name, part="gateway"):
    return next(v for v in container(objects, part)["env"] if v["name"].endswith(name))


# Name, what is done to the objects, a part of what must be said then. First those that schemas find.
MISTAKES = [
    ("misspelt field", lambda o: pod(o).update(terminationGracePeriodSecond=60), "terminationGracePeriodSecond"),
    ("wrong type", lambda o: container(o)["ports"][0].update(containerPort="8080"), "8080"),
    ("number as a variable", lambda o: variable(o, "AMQP__PARTITIONS").update(value=16), "16"),
    # What an API server refuses; there is none where this runs.
    ("unknown word", lambda o: container(o).update(imagePullPolicy="Sometimes"), "imagePullPolicy is 'Sometimes'"),
    (
        "selector beside its labels",
        lambda o: get(o, "Deployment", "chat")["spec"]["selector"]["matchLabels"].update({"tier": "chat"}),
        "does not match the labels of its own template",
    ),
    (
        "limit below request",
        lambda o: container(o)["resources"]["limits"].update(memory="1Mi"),
        "is below the request",
    ),
    (
        "successThreshold of liveness",
        lambda o: container(o)["livenessProbe"].update(successThreshold=2),
        "successThreshold must be 1",
    ),
    (
        "preStop longer than grace",
        lambda o: container(o)["lifecycle"]["preStop"]["sleep"].update(seconds=600),
        "longer than the grace period",
    ),
    (
        "label too long",
        lambda o: get(o, "Service", "chat")["metadata"]["labels"].update({"team": "x" * 64}),
        "63 characters",
    ),
    (
        "name with capitals",
        lambda o: get(o, "PodDisruptionBudget", "chat")["metadata"].update(name="Tidings_Chat"),
        "not one that Kubernetes takes",
    ),
    (
        "no pod may come or go",
        lambda o: get(o, "Deployment", "chat")["spec"]["strategy"]["rollingUpdate"].update(maxSurge=0),
        "are both 0",
    ),
    # What nothing else finds.
    (
        "probe of a port that is not there",
        lambda o: container(o)["readinessProbe"]["httpGet"].update(port="admin"),
        "which the pod does not have",
    ),
    (
        "service with a port that is not there",
        lambda o: get(o, "Service", "gateway")["spec"]["ports"][0].update(targetPort="web"),
        "is not there in the pods",
    ),
    ("variable set twice", lambda o: container(o)["env"].append(variable(o, "LISTEN")), "is set twice"),
    (
        "autoscaler without its target",
        lambda o: get(o, "HorizontalPodAutoscaler", "chat")["spec"]["scaleTargetRef"].update(name="chats"),
        "the target chats is not there",
    ),
    (
        "budget that protects nobody",
        lambda o: get(o, "PodDisruptionBudget", "presence")["spec"]["selector"].update(matchLabels={"app": "p"}),
        "it protects nothing",
    ),
    (
        "key that the binary does not know",
        lambda o: container(o)["env"].append({"name": "TIDINGS_GATEWAY__LIMITS__CONECTIONS", "value": "1"}),
        "is no key of gateway",
    ),
    # Beyond those that were tried on an API server.
    (
        "key of another binary",
        lambda o: container(o)["env"].append({"name": "TIDINGS_CHAT__LANES__LANES", "value": "1"}),
        "is no key of gateway",
    ),
    ("grace too short", lambda o: pod(o).update(terminationGracePeriodSeconds=60), "that leaving may take"),
    (
        "more chat services than partitions",
        lambda o: get(o, "HorizontalPodAutoscaler", "chat")["spec"].update(maxReplicas=17),
        "above the 16 partitions",
    ),
    (
        "two numbers of partitions",
        lambda o: variable(o, "AMQP__PARTITIONS", "chat").update(value="32"),
        "disagree about the number of partitions",
    ),
    (
        "readiness that hangs on the broker",
        lambda o: container(o)["readinessProbe"]["httpGet"].update(path="/health/ready"),
        "asks /health/ready",
    ),
    (
        "one name for all gateways",
        lambda o: container(o)["env"].append({"name": "TIDINGS_GATEWAY__GATEWAY_ID", "value": "gateway-1"}),
        "would have one name",
    ),
    (
        "secret in plain sight",
        lambda o: container(o)["env"].append({"name": "TIDINGS_GATEWAY__AMQP__URL", "value": "amqp://a:b@c"}),
        "is a secret in plain sight",
    ),
    (
        "file that is not mounted",
        lambda o: pod(o, "chat")["volumes"][0]["secret"]["items"].pop(),
        "which no volume brings",
    ),
    (
        "call to a service that is not there",
        lambda o: variable(o, "CHAT_GRPC__URLS").update(value='["http://chat:7001"]'),
        "which no Service serves",
    ),
    (
        "TLS on one side",
        lambda o: variable(o, "CHAT_GRPC__URLS").update(value='["https://tidings-chat:7001"]'),
        "speak TLS to each other and some do not",
    ),
    (
        "policy for a port that is not there",
        lambda o: get(o, "NetworkPolicy", "chat")["spec"]["ingress"][0]["ports"][0].update(port=7003),
        "lets traffic in at 7003",
    ),
    ("service of nobody", lambda o: get(o, "Service", "presence")["spec"]["selector"].update(a="b"), "matches no pod"),
    (
        "replicas beside an autoscaler",
        lambda o: get(o, "Deployment", "chat")["spec"].update(replicas=2),
        "would undo the autoscaler",
    ),
    ("image without a version", lambda o: container(o).update(image="tidings/gateway:latest"), "names no version"),
    ("root", lambda o: pod(o)["securityContext"].update(runAsNonRoot=False), "does not keep root out"),
    ("capabilities", lambda o: container(o)["securityContext"].pop("capabilities"), "keeps capabilities"),
]


def said_of(objects, before):
    """What the schemas say of the objects that differ, and what the rules say of all."""
    said = []
    for thing, old in zip(objects, before):
        if thing != old:
            try:
                kubernetes_validate.validate(thing, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                said.append(str(error))
    try:
        said += rules.check(objects)
    except (TypeError, ValueError, AttributeError):
        # Objects of the wrong type are the schemas' to find; the rules need those that fit.
        pass
    return said


def main(path):
    before = rules.read(path)
    missed = [f"found without a planted mistake: {text}" for text in said_of(before, before)]
    for name, plant, expected in MISTAKES:
        objects = copy.deepcopy(before)
        plant(objects)
        said = said_of(objects, before)
        if not any(expected in text for text in said):
            missed.append(f"not found: {name}; said was {said}")
    print("\n".join(missed), end="\n" if missed else "")
    print(f"{path}: {len(MISTAKES)} mistakes planted, {len(missed)} not found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
