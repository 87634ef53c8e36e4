"""Endpoints of Services, and what learns of them late: kube-proxy's rules and the cluster's DNS."""

import asyncio

from .manifests import matches


class Services:
    """Follows the pods; what it tells the network is `late` seconds old."""

    def __init__(self, network, dns, services, namespace):
        self.network, self.dns, self.services, self.namespace = network, dns, services, namespace
        self.late = 0.0
        self.addresses = {
            name: network.service_address() for name, service in services.items() if not service.is_headless
        }
        self.endpoints = {name: [] for name in services}
        # (moment, Service, number of endpoints), of each change.
        self.history = []
        self.told = None
        self.extra_names = {}

    def address(self, name):
        return self.addresses[name]

    def update(self, pods):
        now = asyncio.get_running_loop().time()
        for name, service in self.services.items():
            found = [
                pod
                for pod in pods
                if matches({"matchLabels": service.selector}, pod.template.labels)
                and (service.takes_unready or (pod.is_ready and not pod.is_deleting))
            ]
            if found != self.endpoints[name]:
                self.endpoints[name] = found
                self.history.append((now, name, len(found)))
        snapshot = self.snapshot()
        if self.late:
            asyncio.get_running_loop().call_later(self.late, self.tell, snapshot)
        else:
            self.tell(snapshot)

    def snapshot(self):
        routes, names = {}, dict(self.extra_names)
        for name, service in self.services.items():
            pods = self.endpoints[name]
            addresses = [pod.address for pod in pods] if service.is_headless else [self.addresses[name]]
            if addresses:
                names[f"{name}.{self.namespace}.svc.cluster.local"] = addresses
            if not service.is_headless:
                for port, target in service.ports.items():
                    routes[(self.addresses[name], port)] = [
                        (pod.address, pod.template.ports.get(target, target)) for pod in pods
                    ]
        return routes, names

    def tell(self, snapshot):
        if snapshot == self.told or self.dns.transport is None or self.dns.transport.is_closing():
            return
        self.told = snapshot
        routes, names = snapshot
        self.dns.names = names
        self.network.dispatch(routes)

    def fewest(self, name, since):
        """The smallest number of endpoints that a Service had from a moment on."""
        before = [count for moment, of, count in self.history if of == name and moment <= since]
        later = [count for moment, of, count in self.history if of == name and moment > since]
        return min(before[-1:] + later, default=0)
