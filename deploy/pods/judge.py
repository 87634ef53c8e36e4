"""What a scenario found: sentences about what is wrong, and figures."""

import dataclasses

# Less than the timeout of a readiness probe, three of which take an endpoint away.
MOST_LATE_SECONDS = 2.0


@dataclasses.dataclass
class Judge:
    """Collects problems instead of ending at the first: a report with all of them says more."""

    problems: list = dataclasses.field(default_factory=list)
    figures: dict = dataclasses.field(default_factory=dict)
    was_late: bool = False

    def that(self, is_right, sentence):
        if not is_right:
            self.problems.append(sentence)
        return is_right

    def figure(self, name, value):
        number = 2
        while name in self.figures:
            name, number = f"{name.removesuffix(f' ({number - 1})')} ({number})", number + 1
        self.figures[name] = value
        print(f"    {name}: {value}", flush=True)

    def stood_still(self, seconds):
        """Probes time out on a machine that is too busy, and then the scenario shows nothing."""
        self.was_late = seconds > MOST_LATE_SECONDS
        if self.was_late:
            self.problems.append(f"the harness itself was {seconds:.1f} s late: this machine was too busy to tell")

    def nothing_lost(self, heard):
        """The fleet's verdict: nothing lost, doubled or out of order, and every outcome known."""
        self.that(heard.exit_code == 0, f"the fleet says {heard.report['verdict']}: {heard.report['reasons']}")
        unknown = heard.report["findings"]["unknown_outcomes"]
        self.that(unknown == 0, f"{unknown} outcomes are unknown")
        self.figure("sends acknowledged, lost, unknown", f"{heard.report['acknowledged']}, 0, {unknown}"
                    if heard.exit_code == 0 else f"{heard.report['acknowledged']}, see the verdict, {unknown}")

    def all_connects_taken(self, heard):
        failed = heard.failed_connects
        self.that(not failed, f"connects failed: {failed}")
        self.figure("failed connects", sum(failed.values()))

    def no_errors(self, heard):
        """Clients were told nothing but to go elsewhere."""
        self.that(not heard.other_errors, f"clients saw errors: {heard.other_errors}")

    def clean_exits(self, cluster):
        """Every pod that left ended with 0, by itself and within its grace period; and none was restarted."""
        exits = cluster.exits()
        for ended in exits:
            self.that(
                ended.code == 0 and not ended.is_grace_over,
                f"{ended.pod} ended with {ended.code} {ended.after_deletion or 0:.1f} s after its deletion"
                + (", killed at the end of its grace period" if ended.is_grace_over else ""),
            )
        for pod in cluster.everyone():
            self.that(pod.restarts == 0, f"{pod.name} was restarted {pod.restarts} times")
        for name, controller in cluster.controllers.items():
            times = [e.after_term for e in exits if e.pod.startswith(name) and e.after_term is not None]
            if times:
                grace = controller.deployment.template.grace_seconds
                whole = max(e.after_deletion for e in exits if e.pod.startswith(name))
                self.figure(
                    f"{name}: exit after SIGTERM; after deletion, of a grace period of {grace} s",
                    f"{min(times):.1f} to {max(times):.1f} s; at most {whole:.1f} s",
                )
