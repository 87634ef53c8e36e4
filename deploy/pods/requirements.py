"""Whether this machine can run the harness: what is missing, in words."""

import os
import pathlib
import shutil

TOOLS = {
    "ip": "iproute2", "nft": "nftables", "bwrap": "bubblewrap", "nsenter": "util-linux", "setpriv": "util-linux",
    "sysctl": "procps", "psql": "postgresql-client",
}
RULES = """
table inet try {
    chain input {
        type filter hook input priority filter;
        ct state established accept
    }
}
table ip nat {
    chain first {
        type nat hook prerouting priority dstnat;
    }
}
"""
BINARIES = ("gateway", "chat-service", "presence-service", "fleet")


def missing(binaries):
    """Why it cannot run here; empty when it can."""
    reasons = []
    if os.uname().sysname != "Linux":
        return ["network namespaces are Linux's"]
    if os.geteuid() != 0:
        reasons.append("it needs root, for network namespaces and for other users' processes")
    for tool, package in TOOLS.items():
        if not shutil.which(tool):
            reasons.append(f"{tool} is missing (package {package})")
    if not reasons:
        reasons += namespaces()
    reasons += [f"{binaries}/{name} is not built" for name in BINARIES if not pathlib.Path(binaries, name).exists()]
    return reasons


def namespaces():
    """Tries what a pod needs: a namespace with rules in it."""
    from .netns import CommandError, Namespace

    try:
        tried = Namespace(f"tdpods{os.getpid()}-try")
    except (CommandError, OSError) as error:
        return [f"no network namespace can be made here: {error}"]
    try:
        tried.nft(RULES)
    except (CommandError, OSError) as error:
        return [f"nftables do not work here: {error}"]
    finally:
        tried.remove()
    return []
