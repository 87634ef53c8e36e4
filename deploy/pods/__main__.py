"""The command: runs scenarios, says what held, and writes the report.

    python -m pods --binaries target/debug [--manifests FILE] [--report FILE] [--planted] [SCENARIO...]

Exit code 0: everything held (or nothing can be run here, which is said), 1: something did not, 2: wrong arguments,
3: nothing failed, and something could not be judged, since the machine was too slow.
"""

import argparse
import asyncio
import os
import pathlib
import signal
import sys
import time

from . import netns, planted, report, requirements, scenarios, stores
from .judge import Verdict
from .manifests import changed, load
from .network import PREFIX

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
# Later nothing is repeated: the whole run is to take 20 minutes at most.
RETRY_UNTIL_SECONDS = 600


def path(text):
    """Before this process goes to another folder."""
    return pathlib.Path(text).resolve()


def arguments():
    parser = argparse.ArgumentParser(prog="pods", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    everything = ", ".join(scenarios.SCENARIOS)
    parser.add_argument("scenario", nargs="*", help=f"of {everything}; all of them when none is named")
    parser.add_argument("--manifests", default=REPOSITORY / "deploy/kubernetes/tidings.yaml", type=path)
    parser.add_argument("--binaries", default=REPOSITORY / "target/debug", type=path)
    parser.add_argument("--logs", default=REPOSITORY / "target/pods-logs", type=path)
    parser.add_argument("--report", type=path, help="writes what was found there")
    parser.add_argument("--planted", action="store_true", help="also each mistake, which its scenario must find")
    parser.add_argument("--only", metavar="MISTAKE", choices=planted.PLANTED, help="only this planted mistake")
    options = parser.parse_args()
    if unknown := set(options.scenario) - set(scenarios.SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {everything}")
    return options


async def run(options):
    netns.sweep(PREFIX)
    await stores.sweep()
    setting = scenarios.Setting(load(options.manifests), options.binaries, options.logs)
    began, results, found = time.monotonic(), [], {}
    if not options.only:
        for name in options.scenario or scenarios.SCENARIOS:
            result = await scenarios.run(setting, name)
            said(result)
            if result.verdict == Verdict.NOT_JUDGED and time.monotonic() - began < RETRY_UNTIL_SECONDS:
                print("  once more", flush=True)
                result = await scenarios.run(setting, name)
                said(result)
            results.append(result)
    for name in planted.PLANTED:
        if options.only == name or (options.planted and not options.only):
            await plant(setting, name, found)
    if options.report:
        written = report.text(results, found, options.manifests, time.monotonic() - began)
        options.report.write_text(written, encoding="utf-8")
    verdict = report.whole(results, found)
    print(f"pods: {report.WORDS[verdict]}, in {time.monotonic() - began:.0f} s")
    return {Verdict.HELD: 0, Verdict.FAILED: 1, Verdict.NOT_JUDGED: 3}[verdict]


async def plant(setting, name, found):
    """Makes one mistake; its scenario must say what it is."""
    scenario, change, words = planted.PLANTED[name]
    if change is planted.without_rebalancing and changed(setting.objects, change) == setting.objects:
        print(f"planted-{name}: SKIPPED, the manifests set no rebalancing", flush=True)
        return
    result = await scenarios.run(setting, scenario, f"planted-{name}", change)
    problem = next((text for text in result.problems if words in text), None)
    # A mistake that a slow machine hid is none that was missed.
    found[name] = (scenario, problem, Verdict.HELD if problem else missed(result))
    verdict = f"found: {problem}" if problem else f"NOT FOUND, only {result.problems}"
    print(f"  {verdict} ({result.seconds:.0f} s)", flush=True)


def missed(result):
    return Verdict.NOT_JUDGED if result.verdict == Verdict.NOT_JUDGED else Verdict.FAILED


def said(result):
    print(f"  {result.verdict.value} ({result.seconds:.0f} s)", flush=True)
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
