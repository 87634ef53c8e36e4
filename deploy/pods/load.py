"""The load fleet outside the cluster: its report, and what its history says of each client's silence."""

import asyncio
import dataclasses
import json
import signal

from .network import CLIENT_SOURCES


@dataclasses.dataclass
class Heard:
    """What a fleet's report and history say."""

    exit_code: int
    report: dict
    # Seconds: the longest that one client was without a connection, and the longest without any acknowledgement.
    longest_disconnected: float
    longest_without_ok: float
    text: str

    @property
    def clients(self):
        return self.report["clients"]

    @property
    def reconnects_each(self):
        return self.report["reconnects"] / self.clients

    @property
    def failed_connects(self):
        return {kind: count for kind, count in self.report["errors"].items() if kind.startswith("connect: ")}

    @property
    def other_errors(self):
        """Neither failed connects nor being asked to go elsewhere."""
        errors = self.report["errors"]
        return {k: n for k, n in errors.items() if k != "redirect" and not k.startswith("connect: ")}


class Load:
    """`fleet run` from the world's addresses against one Service."""

    def __init__(self, cluster, name, arguments):
        self.cluster, self.arguments = cluster, arguments
        self.report = cluster.logs / f"{name}.json"
        self.history = cluster.logs / f"{name}.history"
        self.log = cluster.logs / f"{name}.log"
        self.process = None

    async def start(self):
        cluster = self.cluster
        key = cluster.folder / "token-key"
        key.write_text(cluster.token_key, encoding="utf-8")
        with self.log.open("wb") as output:
            self.process = await asyncio.create_subprocess_exec(
                "/usr/bin/nsenter", f"--net={cluster.network.world.path}", "--", str(cluster.binaries / "fleet"), "run",
                "--url", f"ws://{cluster.services.address('tidings-gateway')}:80/ws",
                "--secret-file", str(key), "--sources", CLIENT_SOURCES,
                "--json", str(self.report), "--history", str(self.history),
                "--warmup", "0s", "--duration", "10m", "--drain", "60s", "--verify-history", *self.arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            )
        cluster.children.append(self.process)

    async def sends(self):
        """Waits until all clients are connected and send."""
        await self.cluster.until("the fleet sends", 90, lambda: " send " in self.log.read_text(errors="replace"))

    async def end(self):
        """Sends no more, waits for what is under way, and reads the verdict."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(self.process.wait(), 150 * self.cluster.patience)
        text = self.log.read_text(errors="replace")
        if not self.report.exists():
            raise RuntimeError(f"the fleet wrote no report (exit code {code}):\n{text[-2000:]}")
        disconnected, without_ok = await asyncio.to_thread(silences, self.history)
        report = json.loads(self.report.read_text(encoding="utf-8"))
        return Heard(code, report, disconnected, without_ok, text)


def silences(path):
    """Seconds: the longest from a client's lost connection to its next welcome, and between two acknowledgements."""
    closed, last_ok = {}, None
    disconnected = without_ok = 0
    with open(path, encoding="utf-8") as lines:
        for text in lines:
            line = json.loads(text)
            match line["e"]:
                case "close":
                    closed[line["dev"]] = line["t"]
                case "open" if line["dev"] in closed:
                    disconnected = max(disconnected, line["t"] - closed.pop(line["dev"]))
                case "ok":
                    if last_ok is not None:
                        without_ok = max(without_ok, line["t"] - last_ok)
                    last_ok = line["t"]
    return disconnected / 1e9, without_ok / 1e9
