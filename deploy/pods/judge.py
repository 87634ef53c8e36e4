"""What a scenario found: sentences about what is wrong, and figures.

Some of what goes wrong can be the machine's doing: probes time out, and sockets are lost, where nobody gets a turn.
Such a problem is none of the manifests where the machine was too slow: the scenario is then not judged. What no slow
machine does (a lost message, a refused connect, an exit code) fails it all the same.
"""

import dataclasses
import enum
import os

# Less than the timeout of a readiness probe, three of which take an endpoint away.
MOST_LATE_SECONDS = 2.0
# Tasks that run or wait for a core, on average over a scenario. The scenarios alone stay below 4 on two cores.
MOST_RUNNABLE_PER_CORE = 4.0


class Verdict(enum.Enum):
    HELD = "held"
    FAILED = "FAILED"
    NOT_JUDGED = "not judged: the machine was too slow"


@dataclasses.dataclass(frozen=True)
class Machine:
    """How much of a turn everything had while a scenario ran."""

    # The longest, in seconds, that the harness itself was late.
    late: float = 0.0
    # Tasks that run or wait for a core, for each core.
    runnable: float = 0.0

    @property
    def is_too_slow(self):
        return self.late > MOST_LATE_SECONDS or self.runnable > MOST_RUNNABLE_PER_CORE

    def __str__(self):
        return f"{self.runnable:.1f} runnable tasks a core, the harness up to {self.late:.1f} s late"


def runnable():
    """Tasks that run or wait for a core now, but this one, for each core."""
    with open("/proc/loadavg", encoding="ascii") as file:
        return max(0, int(file.read().split()[3].split("/")[0]) - 1) / os.cpu_count()


@dataclasses.dataclass
class Judge:
    """Collects problems instead of ending at the first: a report with all of them says more."""

    problems: list = dataclasses.field(default_factory=list)
    # Those of them that a slow machine may have caused.
    slow: list = dataclasses.field(default_factory=list)
    figures: dict = dataclasses.field(default_factory=dict)

    def that(self, is_right, sentence):
        if not is_right:
            self.problems.append(sentence)
        return is_right

    def in_time(self, is_right, sentence):
        """The same for what can also be wrong because the machine is too slow."""
        if not is_right:
            self.problems.append(sentence)
            self.slow.append(sentence)
        return is_right

    def verdict(self, machine):
        if not self.problems:
            return Verdict.HELD
        is_machines = machine.is_too_slow and len(self.slow) == len(self.problems)
        return Verdict.NOT_JUDGED if is_machines else Verdict.FAILED

    def figure(self, name, value):
        number = 2
        while name in self.figures:
            name, number = f"{name.removesuffix(f' ({number - 1})')} ({number})", number + 1
        self.figures[name] = value
        print(f"    {name}: {value}", flush=True)

    def nothing_lost(self, heard):
        """The fleet's verdict: nothing lost, doubled or out of order, and every outcome known."""
        # Exit code 2: not all was there before its patience ended.
        says = self.in_time if heard.exit_code == 2 else self.that
        says(heard.exit_code == 0, f"the fleet says {heard.report['verdict']}: {heard.report['reasons']}")
        unknown = heard.report["findings"]["unknown_outcomes"]
        self.in_time(unknown == 0, f"{unknown} outcomes are unknown")
        self.figure("sends acknowledged, lost, unknown", f"{heard.report['acknowledged']}, 0, {unknown}"
                    if heard.exit_code == 0 else f"{heard.report['acknowledged']}, see the verdict, {unknown}")

    def all_connects_taken(self, heard):
        failed = heard.failed_connects
        is_refused = any("refused" in kind or "reset" in kind for kind in failed)
        says = self.that if is_refused else self.in_time
        says(not failed, f"connects failed: {failed}")
        self.figure("failed connects", sum(failed.values()))

    def no_errors(self, heard):
        """Clients were told nothing but to go elsewhere."""
        self.in_time(not heard.other_errors, f"clients saw errors: {heard.other_errors}")

    def clean_exits(self, cluster):
        """Every pod that left ended with 0, by itself and within its grace period; and none was restarted."""
        exits = cluster.exits()
        for ended in exits:
            # Killed: it was too slow, or somebody is.
            says = self.in_time if ended.code != 0 and ended.is_grace_over else self.that
            says(
                ended.code == 0 and not ended.is_grace_over,
                f"{ended.pod} ended with {ended.code} {ended.after_deletion or 0:.1f} s after its deletion"
                + (", killed at the end of its grace period" if ended.is_grace_over else ""),
            )
        for pod in cluster.everyone():
            self.in_time(pod.restarts == 0, f"{pod.name} was restarted {pod.restarts} times")
        for name, controller in cluster.controllers.items():
            times = [e.after_term for e in exits if e.pod.startswith(name) and e.after_term is not None]
            if times:
                grace = controller.deployment.template.grace_seconds
                whole = max(e.after_deletion for e in exits if e.pod.startswith(name))
                self.figure(
                    f"{name}: exit after SIGTERM; after deletion, of a grace period of {grace} s",
                    f"{min(times):.1f} to {max(times):.1f} s; at most {whole:.1f} s",
                )
