"""Network namespaces: made, linked, entered for a moment, and removed. Knows nothing of pods."""

import contextlib
import ctypes
import os
import pathlib
import socket
import subprocess

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
FOLDER = pathlib.Path("/run/netns")


class CommandError(Exception):
    """A command of the system refused."""


def command(*arguments, text=None):
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise CommandError(f"{' '.join(arguments)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Namespace:
    """One network namespace under a name of its own."""

    def __init__(self, name):
        self.name = name
        command("ip", "netns", "add", name)
        self.descriptor = os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link set lo up")

    @property
    def path(self):
        return str(FOLDER / self.name)

    def ip(self, *lines):
        command("ip", "-n", self.name, "-batch", "-", text="\n".join(lines) + "\n")

    def nft(self, text):
        command("ip", "netns", "exec", self.name, "nft", "-f", "-", text=text)

    def set(self, key, value):
        command("ip", "netns", "exec", self.name, "sysctl", "-qw", f"{key}={value}")

    @contextlib.contextmanager
    def entered(self):
        """Sockets that are made inside belong to the namespace for good. Never await inside: the thread is shared."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(self.descriptor)
            try:
                yield
            finally:
                enter(own)
        finally:
            os.close(own)

    def new_socket(self, kind=socket.SOCK_STREAM):
        with self.entered():
            made = socket.socket(socket.AF_INET, kind)
        made.setblocking(False)
        return made

    def listener(self, host, port, kind=socket.SOCK_STREAM):
        made = self.new_socket(kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        if kind == socket.SOCK_STREAM:
            made.listen(1024)
        return made

    def remove(self):
        os.close(self.descriptor)
        command("ip", "netns", "del", self.name)


def enter(descriptor):
    if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def sweep(prefix):
    """Removes what a harness that was killed has left: its namespaces bear its process id."""
    if not FOLDER.is_dir():
        return
    for path in FOLDER.iterdir():
        if path.name.startswith(prefix):
            owner = path.name.removeprefix(prefix).split("-")[0]
            if owner.isdigit() and not pathlib.Path("/proc", owner).exists():
                command("ip", "netns", "del", path.name)
