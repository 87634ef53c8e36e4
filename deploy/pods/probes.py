"""Probes as the kubelet runs them: HTTP from the node, with a period, a timeout and thresholds."""

import asyncio

from .network import NODE


async def get(namespace, address, port, path, timeout, source=None):
    """Status and body of a GET from a namespace; OSError or TimeoutError where there is no answer."""
    async with asyncio.timeout(timeout):
        made = namespace.new_socket()
        try:
            if source:
                made.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(made, (address, port))
            reader, writer = await asyncio.open_connection(sock=made)
        except BaseException:
            made.close()
            raise
        try:
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {address}:{port}\r\nUser-Agent: kube-probe/1.34\r\n"
                "Accept: */*\r\nConnection: close\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            return int(head.split(b" ", 2)[1]), (await reader.read()).decode("utf-8", "replace")
        finally:
            writer.close()


class Prober:
    """Repeats one probe. `tell(bool)` is called when a threshold is reached."""

    def __init__(self, node, address, probe, tell):
        self.node, self.address, self.probe, self.tell = node, address, probe, tell
        self.count = self.last_answer = None

    async def once(self):
        probe = self.probe
        try:
            status, body = await get(self.node, self.address, probe.port, probe.path, probe.timeout, source=NODE)
            self.last_answer = f"{status} {body[:300]}"
            return 200 <= status < 400
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            self.last_answer = f"{type(error).__name__} {error}"
            return False

    async def run(self):
        await asyncio.sleep(self.probe.initial_delay)
        was, times = None, 0
        clock = asyncio.get_running_loop()
        due = clock.time()
        while True:
            good = await self.once()
            times = times + 1 if good == was else 1
            was = good
            if times >= (self.probe.successes if good else self.probe.failures):
                self.tell(good)
            due = max(due + self.probe.period, clock.time())
            await asyncio.sleep(due - clock.time())
