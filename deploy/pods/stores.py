"""RabbitMQ, Postgres and Redis of this machine: names of our own on them, and the way to them from the pods.

They are shared with all other programs of this machine: none is ever stopped. A store that is away is one whose way is closed."""

import asyncio
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time
import urllib.parse

from .network import STORES

DEFAULTS = {
    "AMQP_URL": "amqp://guest:guest@127.0.0.1:5672/%2f",
    "DATABASE_URL": "postgres://postgres@127.0.0.1:5432/postgres",
    "REDIS_URL": "redis://127.0.0.1:6379",
}
PREFIX = "tidings_pods"
# What crashed runs left is removed when it is older.
LEFTOVER_SECONDS = 3600
REDIS_OWNER = f"{PREFIX}:owner"


class StoresError(Exception):
    """A store refuses what is needed of it."""


def url(name):
    return urllib.parse.urlsplit(os.environ.get(name, DEFAULTS[name]))


def place(name, port):
    parts = url(name)
    return parts.hostname or "127.0.0.1", parts.port or port


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise StoresError(f"{arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def rabbitmqctl(*arguments):
    return run(*shlex.split(os.environ.get("RABBITMQCTL", "rabbitmqctl")), "--quiet", *arguments)


def sql(statement):
    return run("psql", "-X", "-q", "-At", "-c", statement, urllib.parse.urlunsplit(url("DATABASE_URL")))


def redis(database, *commands):
    """Answers of Redis to commands without spaces in their parts; simple answers only."""

    async def ask():
        reader, writer = await asyncio.open_connection(*place("REDIS_URL", 6379))
        password = url("REDIS_URL").password
        all_commands = [*([f"AUTH {password}"] if password else []), f"SELECT {database}", *commands]
        answers = []
        for command in all_commands:
            writer.write(command.encode() + b"\r\n")
            answers.append((await asyncio.wait_for(reader.readline(), 10)).decode().strip())
        writer.close()
        return answers[-len(commands) :]

    return ask()


class Names:
    """A virtual host, a database and a numbered database of Redis; the manifests' own prefixes are used within."""

    def __init__(self):
        self.name = f"{PREFIX}_{int(time.time())}_{os.getpid()}"
        self.redis_database = None

    async def create(self):
        rabbit = asyncio.to_thread(self.create_host)
        postgres = asyncio.to_thread(sql, f"CREATE DATABASE {self.name}")
        await asyncio.gather(rabbit, postgres, self.take_redis())

    def create_host(self):
        rabbitmqctl("add_vhost", self.name)
        user = urllib.parse.unquote(url("AMQP_URL").username or "guest")
        rabbitmqctl("set_permissions", "-p", self.name, user, ".*", ".*", ".*")

    async def take_redis(self):
        for number in range(15, 0, -1):
            size, taken = await redis(number, "DBSIZE", f"SETNX {REDIS_OWNER} {self.name}")
            if size == ":0" and taken == ":1":
                self.redis_database = number
                return
            if taken == ":1":
                await redis(number, f"DEL {REDIS_OWNER}")
        raise StoresError("Redis has no empty database")

    async def remove(self):
        tasks = [
            asyncio.to_thread(rabbitmqctl, "delete_vhost", self.name),
            asyncio.to_thread(sql, f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)"),
        ]
        if self.redis_database is not None:
            tasks.append(redis(self.redis_database, "FLUSHDB"))
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                print(f"could not be removed: {outcome}")

    def secret(self, token_key):
        """The Secret that docs/kubernetes.md describes."""
        amqp, database, cache = url("AMQP_URL"), url("DATABASE_URL"), url("REDIS_URL")

        def with_host(parts, name, path):
            user = parts.netloc.rpartition("@")[0]
            at = f"{user}@" if user else ""
            port = {"rabbitmq": 5672, "postgres-rw": 5432, "valkey": 6379}[name]
            place_of = f"{at}{name}.tidings-stores:{port}"
            return urllib.parse.urlunsplit((parts.scheme, place_of, path, parts.query, ""))

        return {
            "amqp-url": with_host(amqp, "rabbitmq", f"/{self.name}"),
            "database-url": with_host(database, "postgres-rw", f"/{self.name}"),
            "redis-url": with_host(cache, "valkey", f"/{self.redis_database}"),
            "token-key": token_key,
        }


async def sweep():
    """Removes what runs that were killed left behind, once it is old enough to be nobody's."""
    found = (await asyncio.to_thread(rabbitmqctl, "list_vhosts")).split()
    for name in filter(is_old, found):
        await asyncio.to_thread(rabbitmqctl, "delete_vhost", name)
    for name in filter(is_old, (await asyncio.to_thread(sql, "SELECT datname FROM pg_database")).split()):
        await asyncio.to_thread(sql, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    for number in range(1, 16):
        # A bulk answer: its length, then the name.
        length, name = await redis(number, f"GET {REDIS_OWNER}", "PING")
        if length.startswith("$") and length != "$-1" and is_old(name):
            await redis(number, "FLUSHDB")


def is_old(name):
    made = re.fullmatch(rf"{PREFIX}_(\d+)_\d+", name)
    return bool(made) and int(made[1]) + LEFTOVER_SECONDS < time.time()


class Way:
    """A TCP proxy from an address of the node to a store on loopback, which can be closed and opened again. A process
    of its own: what the harness itself is busy with delays no store."""

    def __init__(self, node, host, port, target):
        self.node, self.host, self.port, self.target = node, host, port, target
        self.process = None

    async def start(self):
        listener = self.node.listener(self.host, self.port)
        try:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "pods.way", str(listener.fileno()), self.target[0], str(self.target[1]),
                stdin=asyncio.subprocess.PIPE, pass_fds=[listener.fileno()],
                env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).resolve().parents[1])},
            )
        finally:
            listener.close()

    async def close(self):
        """As a server that stops: connections end, and new ones are refused."""
        if self.process:
            self.process.kill()
            await self.process.wait()
            self.process = None


def ways(node):
    """The three stores, by their names."""
    targets = {
        "rabbitmq": (5672, place("AMQP_URL", 5672)),
        "postgres-rw": (5432, place("DATABASE_URL", 5432)),
        "valkey": (6379, place("REDIS_URL", 6379)),
    }
    return {name: Way(node, STORES[name], port, target) for name, (port, target) in targets.items()}
