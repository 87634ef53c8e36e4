"""The Deployment controller: rolling updates with surge, unavailability and minReadySeconds, and scaling."""

import secrets

from .manifests import template_hash
from .pod import Pod

LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Controller:
    """Keeps the pods of one Deployment as it is told. `step` does what is due now and waits for nothing."""

    def __init__(self, cluster, deployment):
        self.cluster, self.deployment = cluster, deployment
        self.replicas = deployment.replicas
        self.restarts = 0
        self.pods = []

    @property
    def revision(self):
        return f"{template_hash(self.deployment.template)}-{self.restarts}"

    def rollout(self, deployment=None):
        """`kubectl rollout restart`, or `kubectl apply` of another template."""
        self.restarts += 1
        self.deployment = deployment or self.deployment

    def undo(self, deployment, restarts):
        """`kubectl rollout undo`: the template and revision of before."""
        self.deployment, self.restarts = deployment, restarts

    def scale(self, replicas):
        self.replicas = replicas

    def staying(self):
        return [pod for pod in self.pods if not pod.is_deleting]

    def is_available(self, pod):
        return pod.available_for() >= self.deployment.min_ready_seconds

    def is_done(self):
        """All pods are of the current revision and available, and no other is there, not even one that leaves."""
        return len(self.pods) == self.replicas and all(
            pod.revision == self.revision and self.is_available(pod) and not pod.is_deleting for pod in self.pods
        )

    def step(self):
        self.pods = [pod for pod in self.pods if pod.state != "Gone"]
        staying = self.staying()
        new = [pod for pod in staying if pod.revision == self.revision]
        old = [pod for pod in staying if pod.revision != self.revision]
        for _ in range(additions(self.deployment, self.replicas, len(new), len(old))):
            self.add()
        # The shortest ready goes first, and one that is not ready before all.
        for pod in sorted(new, key=lambda pod: pod.available_for())[: max(0, len(new) - self.replicas)]:
            pod.delete()
        self.take_from(old, new)

    def take_from(self, old, new):
        """Deletes old pods, as far as enough stay available: those that serve nobody first."""
        least = self.deployment.least(self.replicas)
        waiting = [pod for pod in new if not self.is_available(pod)]
        unfit = [pod for pod in old if not self.is_available(pod)]
        for pod in unfit[: max(0, len(old) + len(new) - least - len(waiting))]:
            pod.delete()
        fit = [pod for pod in old if self.is_available(pod)]
        available = len(fit) + len(new) - len(waiting)
        for pod in fit[: max(0, available - least)]:
            pod.delete()

    def add(self):
        suffix = "".join(secrets.choice(LETTERS) for _ in range(5))
        revision = self.revision
        pod = Pod(self.cluster, self.deployment, revision, f"{self.deployment.name}-{revision.split('-')[0]}-{suffix}")
        self.pods.append(pod)
        self.cluster.added(pod)


def additions(deployment, replicas, new, old):
    """How many pods of the new revision may be made now, besides those that are there and stay."""
    room = deployment.most(replicas) - (new + old) if old else replicas - new
    return max(0, min(room, replicas - new))
