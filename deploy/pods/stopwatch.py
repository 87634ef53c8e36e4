"""How long a process takes from its start to its first good answer on the route of its readiness probe."""

import asyncio

from . import probes
from .network import NODE

LOOK_SECONDS = 0.02


async def restarted(cluster, name):
    """Restarts one Deployment and takes the longest of its pods; in seconds, None when one did not become ready."""
    controller = cluster.controllers[name]
    known = set(controller.pods)
    controller.rollout()
    seconds = []
    for _ in range(controller.replicas):
        await cluster.until("a new pod runs", 60, lambda: any(p.container for p in controller.pods if p not in known))
        pod = next(pod for pod in controller.pods if pod not in known)
        known.add(pod)
        seconds.append(await first_answer(cluster, pod))
    return None if None in seconds else max(seconds)


async def first_answer(cluster, pod, most=60):
    probe = pod.template.readiness
    while pod.now() - pod.began < most:
        try:
            status, _ = await probes.get(cluster.network.node, pod.address, probe.port, probe.path, 1, source=NODE)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            status = None
        if status == 200:
            return pod.now() - pod.began
        await asyncio.sleep(LOOK_SECONDS)
    return None
