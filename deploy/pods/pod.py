"""A pod: what the kubelet does with one container from its start to its removal."""

import asyncio
import dataclasses
import signal

from . import container
from .probes import Prober

# Seconds before the second restart of a container that fails, and the most.
BACK_OFF, BACK_OFF_MOST = 10, 300
# Seconds that the kubelet gives a container whose preStop has used up the grace period.
LAST_SECONDS = 2
FOREVER = 24 * 3600


@dataclasses.dataclass(frozen=True)
class Exit:
    """How a container ended."""

    pod: str
    code: int
    message: str
    # Seconds from SIGTERM to the end, and from the deletion; None when nobody asked it to end.
    after_term: float | None
    after_deletion: float | None
    is_grace_over: bool


class Pod:
    """Tells the cluster whenever its readiness or being may have changed."""

    def __init__(self, cluster, deployment, revision, name):
        self.cluster, self.deployment, self.revision, self.name = cluster, deployment, revision, name
        self.template = deployment.template
        self.namespace, self.address = cluster.network.pod(name)
        self.state = "Pending"
        self.is_ready = self.is_started = self.is_deleting = False
        self.ready_since = None
        self.restarts = 0
        self.exits = []
        self.container = None
        self.peak_bytes = 0
        self.probers = {}
        self.deleting = asyncio.Event()
        self.began = self.deleted_at = self.term_at = None
        self.seconds_to_ready = None
        self.is_killed_for_grace = False
        self.task = None

    def begin(self):
        self.began = self.now()
        self.task = asyncio.create_task(self.live())

    @staticmethod
    def now():
        return asyncio.get_running_loop().time()

    def delete(self):
        if not self.is_deleting:
            self.is_deleting, self.deleted_at = True, self.now()
            self.deleting.set()
            self.cluster.changed()

    def available_for(self):
        """Seconds for which it has been ready; negative when it is not."""
        return self.now() - self.ready_since if self.is_ready else -1.0

    def why(self):
        """What its readiness probe was told last."""
        return self.probers["readiness"].last_answer if "readiness" in self.probers else "not asked yet"

    async def live(self):
        back_off = 0
        try:
            while not self.is_deleting:
                await self.one_run()
                if self.is_deleting:
                    break
                self.restarts += 1
                if back_off:
                    self.state = "CrashLoopBackOff"
                    await self.deleted_within(back_off)
                back_off = min(BACK_OFF_MOST, back_off * 2 or BACK_OFF)
        finally:
            self.state = "Gone"
            self.set_ready(False)
            if self.container:
                self.container.kill()
                await self.container.wait()
            self.cluster.network.forget(self.namespace)
            self.cluster.gone(self)

    async def deleted_within(self, seconds):
        try:
            await asyncio.wait_for(self.deleting.wait(), seconds)
        except TimeoutError:
            pass

    async def one_run(self):
        """One container, from its start to its exit."""
        place = self.cluster.folder / self.name
        log = self.cluster.logs / f"{self.name}-{self.restarts}.log"
        self.container = await container.start(
            self.template, self.cluster.binaries, self.namespace.path, self.name, self.address,
            self.cluster.kubernetes_namespace, self.cluster.secrets, place, log,
        )
        self.state, self.is_started = "Running", self.template.startup is None
        self.term_at = None
        helpers = [asyncio.create_task(part) for part in (self.probe(), self.watch_memory(), self.leave())]
        try:
            code = await self.container.wait()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        self.set_ready(False)
        self.note_exit(code)

    def note_exit(self, code):
        message = self.container.message() if code != 0 and self.template.message_from_logs else ""
        since = lambda moment: self.now() - moment if moment is not None else None  # noqa: E731
        self.exits.append(Exit(
            self.name, code, message, since(self.term_at), since(self.deleted_at), self.is_killed_for_grace,
        ))

    async def probe(self):
        """The startup probe first; then liveness and readiness beside each other."""
        template = self.template
        if template.startup:
            started = asyncio.Event()

            def tell(good):
                if good:
                    started.set()
                else:
                    self.restart("startup")

            prober = asyncio.create_task(self.prober("startup", template.startup, tell).run())
            try:
                await started.wait()
            finally:
                prober.cancel()
        self.is_started = True
        async with asyncio.TaskGroup() as group:
            if template.liveness:
                group.create_task(self.prober("liveness", template.liveness, self.alive).run())
            if template.readiness:
                group.create_task(self.prober("readiness", template.readiness, self.set_ready).run())
            else:
                self.set_ready(True)

    def prober(self, name, probe, tell):
        made = self.probers[name] = Prober(self.cluster.network.node, self.address, probe, tell)
        return made

    def alive(self, good):
        if not good:
            self.restart("liveness")

    def restart(self, probe):
        # Startup and liveness are not asked any more once a pod leaves.
        if not self.is_deleting and self.term_at is None:
            self.cluster.note(f"{self.name}: the {probe} probe failed, the container is restarted")
            self.term_at = self.now()
            self.container.signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(self.template.grace_seconds, self.container.kill)

    def set_ready(self, good):
        if good != self.is_ready:
            self.is_ready = good
            self.ready_since = self.now() if good else None
            if good and self.seconds_to_ready is None:
                self.seconds_to_ready = self.now() - self.began
            self.cluster.changed()

    async def leave(self):
        """preStop, SIGTERM, and SIGKILL when the grace period is over; it runs from the deletion on."""
        await self.deleting.wait()
        self.state = "Terminating"
        grace = self.template.grace_seconds
        await asyncio.sleep(min(self.template.pre_stop_seconds, grace))
        self.term_at = self.now()
        self.container.signal(signal.SIGTERM)
        await asyncio.sleep(max(grace - (self.now() - self.deleted_at), LAST_SECONDS))
        self.is_killed_for_grace = True
        self.container.kill()
        await asyncio.sleep(FOREVER)

    async def watch_memory(self):
        while True:
            peak = self.container.resident_bytes()
            self.peak_bytes = max(self.peak_bytes, peak)
            if self.template.memory_limit and peak > self.template.memory_limit:
                self.cluster.note(f"{self.name}: {peak >> 20} MiB are above its limit of memory: killed")
                self.container.kill()
                return
            await asyncio.sleep(0.5)
