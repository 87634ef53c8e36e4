"""Everything together: a network, stores, Deployments and Services of one rendered file."""

import asyncio
import contextlib
import re
import secrets
import shutil
import socket
import tempfile
from pathlib import Path

from . import policies, probes
from .controller import Controller
from .dns import Dns
from .judge import Machine, runnable
from .manifests import parse
from .network import DNS, NODE, STORES, STORES_NAMESPACE, Network
from .policies import Peer
from .services import Services
from .stores import Names, ways

NAMESPACE = "tidings"
STEP_SECONDS = 0.05
# When balancers and DNS learn of a change.
LATE_SECONDS = 3.0
# A first rollout takes no longer than this where nothing else runs.
USUAL_SECONDS = 15.0
MOST_PATIENCE = 4.0


class Timeout(Exception):
    """Something that a scenario waited for did not come about."""


class Cluster:
    """`async with Cluster(...)`: built, and removed whatever happens."""

    def __init__(self, objects, binaries, logs):
        self.manifests = parse(objects)
        self.binaries, self.logs = Path(binaries), Path(logs)
        self.kubernetes_namespace = NAMESPACE
        self.token_key = secrets.token_hex(32)
        self.names = Names()
        self.controllers = {}
        self.former = []
        self.children = []
        self.bystanders = []
        self.notes = []
        self.applied = {}
        self.is_dirty = False
        # The longest, in seconds, that the harness itself was late: a machine that is too busy.
        self.stood_still = 0.0
        # Runnable tasks for each core, once a second.
        self.runnable = []
        # By how much longer than usual it waits for what comes about: by how long the first rollout took.
        self.patience = 1.0

    async def __aenter__(self):
        self.logs.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="tidings-pods-"))
        self.undo = contextlib.AsyncExitStack()
        self.undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
        try:
            await self.build()
        except BaseException:
            await self.undo.aclose()
            raise
        return self

    async def build(self):
        self.network = Network()
        self.undo.callback(self.network.remove)
        self.undo.push_async_callback(self.names.remove)
        await self.names.create()
        self.secrets = {"tidings": self.names.secret(self.token_key)}
        self.ways = ways(self.network.node)
        for way in self.ways.values():
            await way.start()
            self.undo.push_async_callback(way.close)
        dns = Dns()
        loop = asyncio.get_running_loop()
        listener = self.network.node.listener(DNS, 53, socket.SOCK_DGRAM)
        transport, _ = await loop.create_datagram_endpoint(lambda: dns, sock=listener)
        self.undo.callback(transport.close)
        self.services = Services(self.network, dns, self.manifests.services, NAMESPACE)
        self.services.extra_names = {
            f"{name}.{STORES_NAMESPACE}.svc.cluster.local": [address] for name, address in STORES.items()
        }
        for name, deployment in self.manifests.deployments.items():
            self.controllers[name] = Controller(self, deployment)
        self.services.update([])
        self.control_task = asyncio.create_task(self.control())
        self.undo.push_async_callback(self.stop)

    async def __aexit__(self, *_):
        await self.undo.aclose()

    async def stop(self):
        """Ends what is left at once: a scenario that wants a clean leave has waited for it."""
        self.control_task.cancel()
        await asyncio.gather(self.control_task, return_exceptions=True)
        for child in self.children:
            if child.returncode is None:
                child.kill()
                await child.wait()
        pods = self.pods()
        for pod in pods:
            pod.task.cancel()
        await asyncio.gather(*(pod.task for pod in pods), return_exceptions=True)

    # What happens by itself.

    async def control(self):
        loop, due, look = asyncio.get_running_loop(), None, 0
        while True:
            if due is not None:
                self.stood_still = max(self.stood_still, loop.time() - due)
            if loop.time() >= look:
                self.runnable.append(runnable())
                look = loop.time() + 1
            due = loop.time() + STEP_SECONDS
            for controller in self.controllers.values():
                controller.step()
            if self.is_dirty:
                self.is_dirty = False
                self.services.update([pod for pod in self.pods() if pod.state != "Gone"])
            await asyncio.sleep(STEP_SECONDS)

    def raise_what_failed(self):
        """An error of the harness itself, which would otherwise look like one of the manifests."""
        for task in [self.control_task, *(pod.task for pod in self.everyone() if pod.task)]:
            if task.done() and not task.cancelled() and task.exception():
                raise task.exception()

    def changed(self):
        """A pod is ready, is not any more, leaves or is gone."""
        self.is_dirty = True

    def added(self, pod):
        self.apply_policies()
        pod.begin()

    def gone(self, pod):
        self.former.append(pod)
        self.applied.pop(pod.namespace.name, None)
        self.apply_policies()
        self.changed()

    def note(self, text):
        self.notes.append(text)
        print(f"    {text}", flush=True)

    # Policies.

    def bystander(self, namespace, labels):
        """Somebody who is no part of the installation: a namespace to connect from."""
        number = len(self.bystanders)
        made, address = self.network.pod(f"bystander-{number}")
        self.bystanders.append(Peer(namespace, tuple(labels.items()), address))
        self.apply_policies()
        return made

    def apply_policies(self):
        peers = [
            *(Peer(NAMESPACE, tuple(pod.template.labels.items()), pod.address) for pod in self.living()),
            *self.bystanders,
            *(Peer(STORES_NAMESPACE, (), address) for address in STORES.values()),
            Peer("kube-system", (("k8s-app", "kube-dns"),), DNS),
        ]
        for pod in self.living():
            text = policies.rules(
                self.manifests.policies, NAMESPACE, pod.template.labels, pod.template.ports, peers
            )
            if self.applied.get(pod.namespace.name) != text:
                self.applied[pod.namespace.name] = text
                pod.namespace.nft(text)

    # Questions.

    def living(self):
        return [pod for pod in self.pods() if pod.state != "Gone"]

    def pods(self, name=None):
        controllers = [self.controllers[name]] if name else self.controllers.values()
        return [pod for controller in controllers for pod in controller.pods]

    def everyone(self):
        """All pods that there ever were."""
        return [*self.former, *(pod for pod in self.pods() if pod not in self.former)]

    def exits(self):
        return [ended for pod in self.everyone() for ended in pod.exits]

    def crashed(self):
        """What ended by itself, and was not killed."""
        return sorted({
            f"{ended.pod} ended with {ended.code}: {' '.join(ended.message.split())[:200]}"
            for ended in self.exits() if ended.after_deletion is None and 0 < ended.code < 128
        })

    async def metric(self, pod, name):
        """The sum over the labels of a metric of one pod, asked as the kubelet would; None without an answer."""
        port = pod.template.ports["management"]
        try:
            status, text = await probes.get(self.network.node, pod.address, port, "/metrics", 5, source=NODE)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return None
        found = re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? ([0-9.e+-]+)", text, re.MULTILINE)
        return sum(map(float, found)) if status == 200 else None

    async def sockets(self):
        """Open sockets of each gateway that answers, by its pod's name."""
        pods = [pod for pod in self.pods("tidings-gateway") if pod.state in ("Running", "Terminating")]
        counts = await asyncio.gather(*(self.metric(pod, "tidings_gateway_connections") for pod in pods))
        return {pod.name: int(count) for pod, count in zip(pods, counts, strict=True) if count is not None}

    # Waiting.

    async def until(self, what, seconds, condition):
        """Waits for a condition, which may be a coroutine function; says what it waited for when it does not come."""
        seconds *= self.patience
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            self.raise_what_failed()
            outcome = condition()
            if asyncio.iscoroutine(outcome):
                outcome = await outcome
            if outcome:
                return outcome
            if asyncio.get_running_loop().time() > deadline:
                raise Timeout(f"not within {seconds:g} s: {what}; {self.overview()}")
            await asyncio.sleep(0.1)

    async def serves(self, seconds=180):
        """The first rollout of everything."""
        began = asyncio.get_running_loop().time()
        await self.until(
            "all Deployments are available", seconds,
            lambda: all(controller.is_done() for controller in self.controllers.values()),
        )
        took = asyncio.get_running_loop().time() - began
        self.patience = min(MOST_PATIENCE, max(1.0, took / USUAL_SECONDS))
        self.services.late = LATE_SECONDS

    async def is_whole(self):
        """Nothing that any pod needs is away."""
        async def has_all(pod):
            port = pod.template.ports["management"]
            try:
                status, _ = await probes.get(self.network.node, pod.address, port, "/health/ready", 5, source=NODE)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                return False
            return status == 200

        return all(await asyncio.gather(*map(has_all, self.living())))

    def machine(self):
        return Machine(self.stood_still, sum(self.runnable) / max(1, len(self.runnable)))

    async def rolled_out(self, seconds, *names):
        await self.until(
            f"the rollout of {', '.join(names)} is over", seconds,
            lambda: all(self.controllers[name].is_done() for name in names),
        )

    def overview(self):
        """One line about each pod, as `kubectl get pods` would tell."""
        return "; ".join(
            f"{pod.name} {pod.state}, {pod.restarts} restarts, {'ready' if pod.is_ready else f'not ready: {pod.why()}'}"
            for pod in self.pods()
        )
