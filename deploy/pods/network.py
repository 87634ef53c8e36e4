"""The node: a bridge for the pods, the Services' addresses as kube-proxy makes them, and the world outside, where each
client has an address of its own."""

import ipaddress
import os

from .netns import Namespace

PREFIX = "tdpods"
NODE = "10.77.0.1"
DNS = "10.79.0.10"
# Names and addresses of the stores, as docs/kubernetes.md calls them.
STORES = {"rabbitmq": "10.78.0.1", "postgres-rw": "10.78.0.2", "valkey": "10.78.0.3"}
STORES_NAMESPACE = "tidings-stores"
CLIENTS = "10.97.0.0/16"
CLIENT_SOURCES = "10.97.0.1-10.97.39.255"
SERVICES = ipaddress.ip_network("10.96.0.0/16")


class Network:
    """Holds every namespace it made, and removes them."""

    def __init__(self):
        self.namespaces = []
        self.addresses = iter(ipaddress.ip_network("10.77.0.0/16").hosts())
        for _ in range(9):
            next(self.addresses)
        self.service_addresses = iter(SERVICES.hosts())
        try:
            self.build()
        except BaseException:
            self.remove()
            raise

    def build(self):
        self.node = self.namespace("node")
        self.node.set("net.ipv4.ip_forward", "1")
        self.node.ip(
            # An address of its own: one that it took from a pod would change when that pod goes, and everybody else
            # would send to the old one until their neighbour entries expire.
            "link add pods0 address 02:00:0a:4d:00:01 type bridge",
            f"addr add {NODE}/16 dev pods0",
            "link set pods0 up",
            f"addr add {DNS}/32 dev lo",
            *(f"addr add {address}/32 dev lo" for address in STORES.values()),
        )
        self.world = self.namespace("world")
        self.world.ip(
            f"link add world0 type veth peer name world0 netns {self.node.name}",
            "addr add 10.98.0.2/30 dev world0",
            "link set world0 up",
            "route add default via 10.98.0.1",
            # Every address of the clients is one of this machine.
            f"route add local {CLIENTS} dev lo",
        )
        self.node.ip(
            "addr add 10.98.0.1/30 dev world0",
            "link set world0 up",
            f"route add {CLIENTS} via 10.98.0.2",
        )
        self.node.nft(
            "add table ip services\n"
            "add chain ip services dispatch { type nat hook prerouting priority dstnat; }\n"
        )

    def namespace(self, name):
        made = Namespace(f"{PREFIX}{os.getpid()}-{name}")
        self.namespaces.append(made)
        return made

    def pod(self, name):
        """A namespace on the bridge, and its address. Addresses are not used again."""
        made, address = self.namespace(name), str(next(self.addresses))
        link = f"v{address.split('.')[2]}x{address.split('.')[3]}"
        made.ip(
            f"link add eth0 type veth peer name {link} netns {self.node.name}",
            f"addr add {address}/16 dev eth0",
            "link set eth0 up",
            f"route add default via {NODE}",
        )
        self.node.ip(f"link set {link} master pods0", f"link set {link} up")
        return made, address

    def service_address(self):
        """An address at which the node answers `refused` while the Service has no endpoint."""
        address = str(next(self.service_addresses))
        self.node.ip(f"addr add {address}/32 dev lo")
        return address

    def dispatch(self, routes):
        """{(address, port): [(pod address, pod port)]}: each new connection goes to one of them at random."""
        lines = ["flush chain ip services dispatch"]
        for (address, port), targets in routes.items():
            if targets:
                places = ", ".join(f"{i} : {host} . {at}" for i, (host, at) in enumerate(targets))
                lines.append(
                    f"add rule ip services dispatch ip daddr {address} tcp dport {port} "
                    f"dnat to numgen random mod {len(targets)} map {{ {places} }}"
                )
        self.node.nft("\n".join(lines) + "\n")

    def forget(self, namespace):
        if namespace in self.namespaces:
            self.namespaces.remove(namespace)
            namespace.remove()

    def remove(self):
        for namespace in reversed(self.namespaces):
            namespace.remove()
        self.namespaces.clear()
