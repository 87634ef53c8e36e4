"""docs/pods.md, written by the harness itself."""

import os
import pathlib
import platform
import subprocess

from .judge import Verdict

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

UNTRIED = """\
## What is not covered

- The API server, its validation and its defaults, and the real controllers: the ones here do what the scenarios need.
- kube-proxy of a cloud, its load balancers and Ingresses: connections go to endpoints at random, by nftables.
- The policies of a CNI, but their meaning: each pod has its own rules, made of the NetworkPolicies of the file.
- Nodes: there is one. Spread, evictions and disruption budgets are not run, nor is seccomp.
- CPU requests and autoscalers. A memory limit is one of resident memory.
"""


def text(results, planted, manifest, seconds):
    """The report; `planted` is {name: (scenario, problem that was found or None, verdict)}."""
    if manifest.is_relative_to(REPOSITORY):
        manifest = manifest.relative_to(REPOSITORY)
        link = f"[{manifest}](../{manifest})"
    else:
        link = f"`{manifest.name}`"
    lines = [
        "# Pods as the manifests say",
        "",
        f"The real binaries (debug builds) run as {link} says: environment, user,",
        "read-only root, probes, preStop, grace periods, strategy, Services and NetworkPolicies come from that file",
        "alone. Each pod has a network namespace of its own; Services and DNS learn of every change 3 s late; the load",
        "fleet judges every message. No cluster was at hand. Written by the run itself, `make pods`.",
        "",
        "| | |",
        "|---|---|",
        f"| verdict | **{WORDS[whole(results, planted)]}** |",
        f"| commit | {commit()} |",
        f"| machine | {platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()} |",
        f"| run | {seconds:.0f} s |",
        "",
        "| scenario | verdict | time |",
        "|---|---|---|",
    ]
    lines += [f"| {r.name} | {r.verdict.value} | {r.seconds:.0f} s |" for r in results]
    for result in results:
        lines += ["", f"## {result.name}", "", f"{result.about}", ""]
        lines += [f"- **{escape(problem)}**" for problem in result.problems]
        if result.problems:
            lines.append("")
        lines += ["| figure | |", "|---|---|"]
        lines += [f"| {name} | {escape(str(value))} |" for name, value in result.figures.items()]
    if planted:
        lines += [
            "", "## Mistakes made on purpose", "",
            "Each is made in the rendered objects before a scenario; the scenario must find it.", "",
            "| mistake | scenario | found as |", "|---|---|---|",
        ]
        lines += [
            f"| {name} | {scenario} | {found_as(found, verdict)} |"
            for name, (scenario, found, verdict) in planted.items()
        ]
    return "\n".join([*lines, "", UNTRIED])


WORDS = {
    Verdict.HELD: "everything held",
    Verdict.FAILED: "NOT everything held",
    Verdict.NOT_JUDGED: "nothing failed, and NOT everything could be judged: the machine was too slow",
}


def whole(results, planted):
    """The worst there is."""
    all_of_them = {result.verdict for result in results} | {verdict for _, _, verdict in planted.values()}
    return next((it for it in (Verdict.FAILED, Verdict.NOT_JUDGED) if it in all_of_them), Verdict.HELD)


def found_as(problem, verdict):
    return escape(shorten(problem)) if problem else f"**not found** ({verdict.value})"


def shorten(problem):
    return problem if len(problem) <= 160 else f"{problem[:157]}…"


def escape(value):
    return value.replace("|", "\\|").replace("\n", " ")


def commit():
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"

