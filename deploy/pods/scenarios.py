"""What is tried. Each scenario is a coroutine with a cluster of its own, and writes what it found to a Judge."""

import asyncio
import contextlib
import dataclasses
import os
import time

from . import planted, stopwatch
from .cluster import Cluster, Timeout
from .judge import Judge, Machine, Verdict
from .load import Load
from .manifests import changed

GATEWAY, CHAT, PRESENCE = "tidings-gateway", "tidings-chat", "tidings-presence"
ALL = (GATEWAY, CHAT, PRESENCE)
MOST_RECONNECTS = 1.2
# With so many a small machine is busy with all who come at once, and may refuse a send (`unavailable`, not stored).
MANY_PAIRS = 1000
BROKER_AWAY_SECONDS = 15
# Longer than any pod takes that will become ready, on a machine that is not slow.
STALL_SECONDS = 20
# How long sockets may take to move to new gateways, with the quick numbers of `planted.quick_rebalancing`, and how far
# from the mean a gateway may be then.
REBALANCED_SECONDS = 120
SHARE = 0.4
# Twice a heartbeat of a gateway, and the probes that then fail.
RIVALS_SECONDS = 10


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all scenarios of a run have in common."""

    objects: list
    binaries: str
    logs: str

    def cluster(self, name, changes):
        objects = self.objects
        for change in changes:
            objects = changed(objects, change)
        return Cluster(objects, self.binaries, os.path.join(self.logs, name))


async def connected(cluster, sockets):
    async def are_there():
        return sum((await cluster.sockets()).values()) >= sockets

    await cluster.until(f"{sockets} sockets are open", 60, are_there)


async def rolling(cluster, judge, pairs=100, rate=50):
    """All three Deployments are updated at once under the fleet."""
    await cluster.serves()
    load = Load(cluster, "fleet", ["--pairs", str(pairs), "--rate", str(rate), "--ramp", "200/s"])
    await load.start()
    await load.sends()
    began = time.monotonic()
    moment = asyncio.get_running_loop().time()
    for name in ALL:
        cluster.controllers[name].rollout()
    await cluster.rolled_out(180, *ALL)
    judge.figure("rollout of all three", f"{time.monotonic() - began:.0f} s")
    heard = await load.end()
    judge.nothing_lost(heard)
    judge.all_connects_taken(heard)
    if pairs < MANY_PAIRS:
        judge.no_errors(heard)
    else:
        judge.figure("errors told, and sent again", heard.other_errors or 0)
    judge.clean_exits(cluster)
    each = heard.reconnects_each
    judge.in_time(each <= MOST_RECONNECTS, f"{each:.2f} reconnects a socket, more than {MOST_RECONNECTS}")
    judge.figure("sockets; reconnects a socket", f"{heard.clients}; {each:.2f}")
    judge.figure("longest that a socket was away", f"{heard.longest_disconnected * 1000:.0f} ms")
    judge.figure("longest from due to the receiver's socket", f"{heard.report['delivery_ms']['max']:.0f} ms")
    judge.figure("longest without any acknowledgement", f"{heard.longest_without_ok * 1000:.0f} ms")
    for name in ALL:
        least = cluster.controllers[name].deployment.least(cluster.controllers[name].replicas)
        fewest = cluster.services.fewest(name, moment)
        judge.in_time(fewest >= least, f"the Service {name} had {fewest} endpoints, fewer than {least}")
    memory(cluster, judge)


def memory(cluster, judge):
    for name, controller in cluster.controllers.items():
        peak = max((pod.peak_bytes for pod in cluster.everyone() if pod.name.startswith(name)), default=0)
        limit = controller.deployment.template.memory_limit
        judge.figure(f"{name}: peak memory, of its limit", f"{peak >> 20} of {limit >> 20} MiB")


async def rolling_large(cluster, judge):
    """The same with 2,000 sockets."""
    await rolling(cluster, judge, pairs=1000, rate=100)


async def broker_away(cluster, judge):
    """RabbitMQ stops for 15 s: no Service loses an endpoint, no socket is lost, no pod is restarted."""
    await cluster.serves()
    load = Load(cluster, "fleet", ["--pairs", "20", "--rate", "20"])
    await load.start()
    await load.sends()
    moment = asyncio.get_running_loop().time()
    await cluster.ways["rabbitmq"].close()
    await asyncio.sleep(BROKER_AWAY_SECONDS)
    await cluster.ways["rabbitmq"].start()
    await cluster.until("everything has what it needs again", 60, cluster.is_whole)
    heard = await load.end()
    judge.nothing_lost(heard)
    judge.in_time(heard.report["reconnects"] == 0, f"{heard.report['reconnects']} sockets were lost")
    judge.figure("longest without any acknowledgement", f"{heard.longest_without_ok:.1f} s")
    judge.that(
        heard.longest_without_ok > BROKER_AWAY_SECONDS / 2,
        "sends were acknowledged all the while: the broker was not away",
    )
    for name in ALL:
        replicas = cluster.controllers[name].replicas
        fewest = cluster.services.fewest(name, moment)
        judge.in_time(fewest == replicas, f"the Service {name} had {fewest} of {replicas} endpoints")
    judge.clean_exits(cluster)


async def presence_away(cluster, judge):
    """Presence is away: a rollout of the gateways stalls, open sockets live on, and `rollout undo` ends it."""
    await cluster.serves()
    load = Load(cluster, "fleet", ["--pairs", "20", "--rate", "20"])
    await load.start()
    await load.sends()
    old = [pod.name for pod in cluster.pods(GATEWAY)]
    presence, gateways = cluster.controllers[PRESENCE], cluster.controllers[GATEWAY]
    replicas = presence.replicas
    presence.scale(0)
    await cluster.until("presence is gone", 40, lambda: not cluster.pods(PRESENCE))
    before = gateways.deployment, gateways.restarts
    moment = asyncio.get_running_loop().time()
    gateways.rollout()
    await asyncio.sleep(STALL_SECONDS * cluster.patience)
    staying = [pod.name for pod in gateways.staying() if pod.name in old]
    judge.that(staying == old, f"of the gateways {old} only {staying} are left: the rollout went on")
    fresh = [pod for pod in gateways.staying() if pod.name not in old]
    judge.that(len(fresh) == 1, f"{len(fresh)} new gateways instead of one that waits")
    for pod in fresh:
        judge.that(not pod.is_ready, f"{pod.name} is ready though presence does not answer")
        judge.figure("readiness of the new gateway", pod.why())
    fewest = cluster.services.fewest(GATEWAY, moment)
    judge.in_time(fewest == len(old), f"the Service of the gateways had {fewest} endpoints")
    gateways.undo(*before)
    presence.scale(replicas)
    both = (presence, gateways)
    await cluster.until(
        "presence is back and the new gateway is gone", 60, lambda: all(controller.is_done() for controller in both)
    )
    heard = await load.end()
    judge.nothing_lost(heard)
    judge.in_time(heard.report["reconnects"] == 0, f"{heard.report['reconnects']} sockets were lost")
    judge.figure("longest without any acknowledgement", f"{heard.longest_without_ok * 1000:.0f} ms")


async def equal_ids(cluster, judge):
    """Two gateways have one id: both say so within 10 s and leave their Service."""
    gateways = cluster.controllers[GATEWAY]
    gateways.scale(1)
    await cluster.serves()
    gateways.scale(2)
    await cluster.until(
        "the second one runs", 30, lambda: len(gateways.pods) == 2 and gateways.pods[1].state == "Running"
    )
    began = time.monotonic()
    words = "another running gateway has the same gateway_id"

    def logged():
        return [pod for pod in gateways.pods if words in pod.container.log.read_text(errors="replace")]

    with contextlib.suppress(Timeout):
        await cluster.until("both say it", RIVALS_SECONDS / cluster.patience, lambda: len(logged()) == 2)
    said = len(logged())
    if judge.in_time(said == 2, f"{said} of 2 gateways logged an error within {RIVALS_SECONDS} s"):
        judge.figure("both logged it after", f"{time.monotonic() - began:.1f} s")
    probe = gateways.deployment.template.readiness
    with contextlib.suppress(Timeout):
        await cluster.until(
            "both leave", probe.period * (probe.failures + 1), lambda: not any(pod.is_ready for pod in gateways.pods)
        )
    ready = [pod.name for pod in gateways.pods if pod.is_ready]
    if judge.in_time(not ready, f"{len(ready)} of 2 gateways are ready"):
        judge.figure("both left readiness after", f"{time.monotonic() - began:.1f} s")


async def scaling(cluster, judge):
    """Gateways 2, 4, 2 under the fleet: open sockets move to those that are added, where the manifests say so."""
    gateways = cluster.controllers[GATEWAY]
    is_rebalanced = any("__REBALANCE__" in v["name"] for v in gateways.deployment.template.environment)
    await cluster.serves()
    loads = [Load(cluster, "fleet", ["--pairs", "100", "--rate", "50"])]
    await loads[0].start()
    await loads[0].sends()
    judge.figure("sockets with 2 gateways", sorted((await cluster.sockets()).values()))
    gateways.scale(4)
    await cluster.rolled_out(60, GATEWAY)
    if is_rebalanced:
        await shares(cluster, judge)
    else:
        judge.figure("rebalancing", "not asserted: the manifests set none")
        # Balancers learn of the new ones late; then those who come spread over all four.
        await asyncio.sleep(cluster.services.late + 1)
        loads.append(Load(cluster, "fleet-2", ["--pairs", "50", "--rate", "25"]))
        await loads[1].start()
        await loads[1].sends()
    judge.figure("sockets with 4 gateways", sorted((await cluster.sockets()).values()))
    gateways.scale(2)
    await cluster.rolled_out(90, GATEWAY)
    await connected(cluster, 100 * len(loads) + 100)
    judge.figure("sockets with 2 gateways again", sorted((await cluster.sockets()).values()))
    for load in loads:
        heard = await load.end()
        judge.nothing_lost(heard)
        judge.all_connects_taken(heard)
        judge.no_errors(heard)
        judge.figure("reconnects a socket", f"{heard.reconnects_each:.2f}")
    judge.clean_exits(cluster)


async def shares(cluster, judge):
    """Waits until each gateway has its share of the sockets, about."""
    began = time.monotonic()

    async def are_fair():
        counts = list((await cluster.sockets()).values())
        mean = sum(counts) / len(counts)
        return len(counts) == 4 and min(counts) > (1 - SHARE) * mean and max(counts) < (1 + SHARE) * mean

    with contextlib.suppress(Timeout):
        await cluster.until("each gateway has its share", REBALANCED_SECONDS, are_fair)
        judge.figure("each gateway had its share after", f"{time.monotonic() - began:.0f} s")
        return
    counts = sorted((await cluster.sockets()).values())
    judge.in_time(False, f"after {REBALANCED_SECONDS} s the gateways have {counts} sockets, which is not fair")


# Who may reach what (docs/kubernetes.md, "Who reaches what"): not read from the policies, which are what is tried.
STRANGERS = {
    "a stranger's namespace": ("default", {"app": "stranger"}),
    "the same namespace without the labels": ("tidings", {"app": "stranger"}),
    "a stranger's namespace with a gateway's labels": ("default", "tidings-gateway"),
    "the monitoring namespace": ("monitoring", {"app": "prometheus"}),
    "a gateway": ("tidings", "tidings-gateway"),
    "a chat service": ("tidings", "tidings-chat"),
    "a presence service": ("tidings", "tidings-presence"),
}
REACHABLE = {
    (GATEWAY, 8080): set(STRANGERS),
    (CHAT, 7001): {"a gateway", "a presence service"},
    (PRESENCE, 7002): {"a gateway", "a chat service"},
    (GATEWAY, 9090): {"the monitoring namespace"},
    (CHAT, 9090): {"the monitoring namespace"},
    (PRESENCE, 9090): {"the monitoring namespace"},
}


async def strangers(cluster, judge):
    """Who reaches which port: gRPC and metrics are for pods that the policies let in."""
    await cluster.serves()
    places = {}
    for who, (namespace, labels) in STRANGERS.items():
        labels = cluster.controllers[labels].deployment.template.labels if isinstance(labels, str) else labels
        places[who] = cluster.bystander(namespace, labels)
    attempts = {
        (who, name, port): reaches(place, cluster.pods(name)[0].address, port)
        for who, place in places.items()
        for name, port in REACHABLE
    }
    outcomes = dict(zip(attempts, await asyncio.gather(*attempts.values()), strict=True))
    for (who, name, port), is_reached in outcomes.items():
        expected = who in REACHABLE[(name, port)]
        verb = "reaches" if is_reached else "does not reach"
        says = judge.that if is_reached else judge.in_time
        says(is_reached == expected, f"{who} {verb} {name}:{port}")
    judge.figure("ways tried, open", f"{len(outcomes)}, {sum(outcomes.values())}")


async def reaches(namespace, address, port):
    made = namespace.new_socket()
    try:
        async with asyncio.timeout(1.5):
            await asyncio.get_running_loop().sock_connect(made, (address, port))
        return True
    except (OSError, TimeoutError):
        return False
    finally:
        made.close()


async def wrong_key(cluster, judge):
    """A rollout with a key that no gateway knows: a crash loop that says why, while the old pods serve."""
    await cluster.serves()
    gateways = cluster.controllers[GATEWAY]
    old = [pod.name for pod in gateways.pods]
    moment = asyncio.get_running_loop().time()
    gateways.rollout(planted.with_wrong_key(gateways.deployment))
    with contextlib.suppress(Timeout):
        await cluster.until(
            "a crash loop", 30,
            lambda: any(pod.state == "CrashLoopBackOff" for pod in gateways.pods),
        )
    fresh = [pod for pod in gateways.pods if pod.name not in old]
    states = [pod.state for pod in fresh]
    judge.in_time("CrashLoopBackOff" in states, f"the new pods are {states}, not in a crash loop")
    for ended in [ended for pod in fresh for ended in pod.exits]:
        judge.that(ended.code == 2, f"{ended.pod} ended with {ended.code}, not 2")
        judge.that(
            planted.WRONG_KEY_SAID in ended.message.lower(),
            f"the termination message does not name the key: {ended.message!r}",
        )
    for ended in fresh[:1] and fresh[0].exits[:1]:
        judge.figure("termination message", ended.message.strip().splitlines()[0][:100] + "…")
    judge.in_time(old == [pod.name for pod in gateways.staying() if pod.is_ready], "the old gateways do not serve")
    fewest = cluster.services.fewest(GATEWAY, moment)
    judge.in_time(fewest == len(old), f"the Service of the gateways had {fewest} endpoints")


async def start_to_ready(cluster, judge):
    """From the start of a process to its first 200 on the readiness route, everything else being there."""
    await cluster.serves()
    for name in ALL:
        seconds = await stopwatch.restarted(cluster, name)
        judge.in_time(seconds is not None, f"{name} did not become ready")
        binary = cluster.controllers[name].deployment.template.binary
        judge.figure(f"{binary}: start to ready", f"{seconds:.2f} s")


SCENARIOS = {
    "rolling": rolling,
    "broker-away": broker_away,
    "presence-away": presence_away,
    "equal-ids": equal_ids,
    "scaling": scaling,
    "strangers": strangers,
    "wrong-key": wrong_key,
    "start-to-ready": start_to_ready,
    "rolling-2000": rolling_large,
}
# What is changed in the manifests because the scenario is about that, or would take long.
GIVEN = {"equal-ids": planted.one_gateway_id, "scaling": planted.quick_rebalancing}


def given(name, change):
    """What a scenario changes by itself; nothing where just that is what is planted."""
    return None if change is planted.own_gateway_ids else GIVEN.get(name)


@dataclasses.dataclass
class Result:
    """A scenario that has run."""

    name: str
    about: str
    verdict: Verdict
    problems: list
    figures: dict
    seconds: float


async def run(setting, name, label=None, change=None):
    """Runs one scenario on manifests with one thing changed."""
    label, judge, began, machine = label or name, Judge(), time.monotonic(), Machine()
    print(f"{label}: {SCENARIOS[name].__doc__.strip()}", flush=True)
    try:
        async with setting.cluster(label, [part for part in (given(name, change), change) if part]) as cluster:
            try:
                await SCENARIOS[name](cluster, judge)
            except (Timeout, TimeoutError) as error:
                # What waits for a process that ends again and again waits for no machine.
                crashed = cluster.crashed()
                judge.that(not crashed, f"{'; '.join(crashed)}")
                judge.in_time(False, f"{type(error).__name__}: {error}")
            finally:
                machine = cluster.machine()
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise
    except (Timeout, TimeoutError) as error:
        judge.in_time(False, f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001: whatever it was, the scenario has not shown what it is for
        judge.that(False, f"{type(error).__name__}: {error}")
    judge.figure("the machine meanwhile", machine)
    about, seconds = SCENARIOS[name].__doc__.strip(), time.monotonic() - began
    return Result(label, about, judge.verdict(machine), judge.problems, judge.figures, seconds)
