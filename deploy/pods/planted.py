"""Mistakes that are made on purpose: each scenario must find the one that it is for."""

import dataclasses

WRONG_KEY = "TIDINGS_GATEWAY__LIMITS__CONECTIONS"
WRONG_KEY_SAID = "conections"


def deployments(objects):
    return {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == "Deployment"}


def pod(objects, name):
    return deployments(objects)[name]["spec"]["template"]["spec"]


def container(objects, name):
    return pod(objects, name)["containers"][0]


def one_gateway_id(objects):
    container(objects, "tidings-gateway")["env"].append({"name": "TIDINGS_GATEWAY__GATEWAY_ID", "value": "gateway-1"})


# Minutes become seconds; nothing where the manifests set no rebalancing.
QUICK = {"PERCENT_A_MINUTE": "200", "SETTLE_MS": "5000", "LEAST_EXCESS": "10"}


def quick_rebalancing(objects):
    variables = container(objects, "tidings-gateway")["env"]
    if any("__REBALANCE__" in variable["name"] for variable in variables):
        names = {f"TIDINGS_GATEWAY__REBALANCE__{key}": value for key, value in QUICK.items()}
        variables[:] = [variable for variable in variables if variable["name"] not in names]
        variables += [{"name": name, "value": value} for name, value in names.items()]


def without_rebalancing(objects):
    for variable in container(objects, "tidings-gateway")["env"]:
        if variable["name"].endswith("__REBALANCE__PERCENT_A_MINUTE"):
            variable["value"] = "0"


def with_wrong_key(deployment):
    template = deployment.template
    environment = [*template.environment, {"name": WRONG_KEY, "value": "1"}]
    return dataclasses.replace(deployment, template=dataclasses.replace(template, environment=environment))


def without_pre_stop(objects):
    del container(objects, "tidings-gateway")["lifecycle"]


def short_grace(objects):
    pod(objects, "tidings-gateway")["terminationGracePeriodSeconds"] = 11


def ready_asks(path):
    def change(objects):
        for name in deployments(objects):
            container(objects, name)["readinessProbe"]["httpGet"]["path"] = path

    return change


def own_gateway_ids(_objects):
    """Nothing: the host name of each pod is the id."""


def without_policies(objects):
    objects[:] = [thing for thing in objects if thing["kind"] != "NetworkPolicy"]


def without_message(objects):
    for name in deployments(objects):
        del container(objects, name)["terminationMessagePolicy"]


def without_startup_answer(objects):
    container(objects, "tidings-gateway")["startupProbe"]["httpGet"]["path"] = "/health/nothing"
    container(objects, "tidings-gateway")["startupProbe"]["failureThreshold"] = 3


# Name -> (scenario, change, what one of the problems must say).
PLANTED = {
    "no-prestop": ("rolling", without_pre_stop, "refused"),
    "no-prestop-scaling": ("scaling", without_pre_stop, "refused"),
    "short-grace": ("scaling", short_grace, "killed at the end of its grace period"),
    "no-rebalancing": ("scaling", without_rebalancing, "not fair"),
    "ready-hangs-on-the-broker": ("broker-away", ready_asks("/health/ready"), "endpoints"),
    "ready-when-alive": ("presence-away", ready_asks("/health/live"), "the rollout went on"),
    "ids-of-their-own": ("equal-ids", own_gateway_ids, "logged an error"),
    "no-policies": ("strangers", without_policies, "reaches"),
    "no-message": ("wrong-key", without_message, "does not name the key"),
    "wrong-startup-path": ("start-to-ready", without_startup_answer, "not within"),
}
