"""The command: runs scenarios, says what held, and writes the report.

    python -m pods --binaries target/debug [--manifests FILE] [--report FILE] [--planted] [SCENARIO...]

Exit code 0: everything held (or nothing can be run here, which is said), 1: something did not, 2: wrong arguments.
"""

import argparse
import asyncio
import os
import pathlib
import signal
import sys
import time

from . import netns, planted, report, requirements, scenarios, stores
from .manifests import changed, load
from .network import PREFIX

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(prog="pods", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    everything = ", ".join(scenarios.SCENARIOS)
    parser.add_argument("scenario", nargs="*", help=f"of {everything}; all of them when none is named")
    parser.add_argument("--manifests", default=REPOSITORY / "deploy/kubernetes/tidings.yaml", type=pathlib.Path)
    parser.add_argument("--binaries", default=REPOSITORY / "target/debug", type=pathlib.Path)
    parser.add_argument("--logs", default=REPOSITORY / "target/pods-logs", type=pathlib.Path)
    parser.add_argument("--report", type=pathlib.Path, help="writes what was found there")
    parser.add_argument("--planted", action="store_true", help="also each mistake, which its scenario must find")
    parser.add_argument("--only", metavar="MISTAKE", choices=planted.PLANTED, help="only this planted mistake")
    options = parser.parse_args()
    if unknown := set(options.scenario) - set(scenarios.SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {everything}")
    return options


async def run(options):
    netns.sweep(PREFIX)
    await stores.sweep()
    setting = scenarios.Setting(load(options.manifests), options.binaries.resolve(), options.logs.resolve())
    began, results, found = time.monotonic(), [], {}
    if not options.only:
        for name in options.scenario or scenarios.SCENARIOS:
            result = await scenarios.run(setting, name)
            said(result)
            if result.is_disturbed:
                print("  once more, since this machine was too busy to tell", flush=True)
                result = await scenarios.run(setting, name)
                said(result)
            results.append(result)
    for name in planted.PLANTED:
        if options.only == name or (options.planted and not options.only):
            await plant(setting, name, found)
    if options.report:
        written = report.text(results, found, options.manifests.resolve(), time.monotonic() - began)
        options.report.write_text(written, encoding="utf-8")
    good = all(not result.problems for result in results) and all(problem for _, problem in found.values())
    print(f"pods: {'everything held' if good else 'NOT everything held'}, in {time.monotonic() - began:.0f} s")
    return 0 if good else 1


async def plant(setting, name, found):
    """Makes one mistake; its scenario must say what it is."""
    scenario, change, words = planted.PLANTED[name]
    if change is planted.without_rebalancing and changed(setting.objects, change) == setting.objects:
        print(f"planted-{name}: SKIPPED, the manifests set no rebalancing", flush=True)
        return
    result = await scenarios.run(setting, scenario, f"planted-{name}", change)
    problem = next((text for text in result.problems if words in text), None)
    found[name] = (scenario, problem)
    verdict = f"found: {problem}" if problem else f"NOT FOUND, only {result.problems}"
    print(f"  {verdict} ({result.seconds:.0f} s)", flush=True)


def said(result):
    print(f"  {'held' if not result.problems else 'FAILED'} ({result.seconds:.0f} s)", flush=True)
    for problem in result.problems:
        print(f"    {problem}", flush=True)


async def until_interrupted(options):
    """SIGTERM ends the run as Ctrl-C does: everything that was made is removed."""
    task = asyncio.current_task()
    for which in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(which, task.cancel)
    return await run(options)


def main():
    options = arguments()
    if reasons := requirements.missing(options.binaries):
        print("pods: SKIPPED, nothing was tried: " + "; ".join(reasons))
        return 0
    os.chdir(REPOSITORY)
    try:
        return asyncio.run(until_interrupted(options))
    except asyncio.CancelledError:
        print("pods: interrupted")
        return 130


sys.exit(main())
