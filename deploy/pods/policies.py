"""NetworkPolicies as nftables rules of one pod. What a policy selects is denied unless a rule allows it; the node's
kubelet always comes in, as it does in a cluster."""

import dataclasses

from .manifests import ManifestError, matches
from .network import NODE


@dataclasses.dataclass(frozen=True)
class Peer:
    """Somebody with an address whom a policy may select."""

    namespace: str
    labels: tuple
    address: str


def rules(policies, namespace, labels, ports, peers):
    """The nftables table `policies` of a pod with these labels. `ports` are its named ports."""
    own = [policy for policy in policies if matches(policy.get("podSelector", {}), labels)]
    ingress = [policy for policy in own if "Ingress" in policy.get("policyTypes", ["Ingress"])]
    egress = [policy for policy in own if "Egress" in policy.get("policyTypes", [])]
    lines = ["add table inet policies", "delete table inet policies", "table inet policies {"]
    if ingress:
        lines += chain("input", "saddr", ingress, "ingress", "from", namespace, ports, peers, node="accept")
    if egress:
        lines += chain("output", "daddr", egress, "egress", "to", namespace, ports, peers, node="")
    return "\n".join([*lines, "}", ""])


def chain(hook, side, policies, section, key, namespace, ports, peers, node):
    # The other side of a connection that was allowed, and the pod itself.
    interface = "iif" if hook == "input" else "oif"
    lines = [
        f"chain {hook} {{",
        f"type filter hook {hook} priority filter; policy drop;",
        "ct state established,related accept",
        f"{interface} lo accept",
    ]
    if node:
        lines.append(f"ip saddr {NODE} accept")
    for policy in policies:
        for rule in policy.get(section, []):
            where = places(rule.get(key), namespace, peers, side)
            what = [port_match(port, ports) for port in rule.get("ports", [{}])]
            lines += [f"{place} {port} accept".strip() for place in where for port in what]
    return [*lines, "}"]


def places(entries, namespace, peers, side):
    """Matches of addresses; one that matches everything when the rule names nobody."""
    if not entries:
        return [""]
    found = []
    for entry in entries:
        if "ipBlock" in entry:
            block = entry["ipBlock"]
            family = "ip6" if ":" in block["cidr"] else "ip"
            match = f"{family} {side} {block['cidr']}"
            if block.get("except"):
                match += f" {family} {side} != {{ {', '.join(block['except'])} }}"
            found.append(match)
            continue
        addresses = sorted({peer.address for peer in peers if is_selected(entry, namespace, peer)})
        if addresses:
            found.append(f"ip {side} {{ {', '.join(addresses)} }}")
    return found


def is_selected(entry, namespace, peer):
    if "namespaceSelector" in entry:
        of_namespace = {"kubernetes.io/metadata.name": peer.namespace}
        if not matches(entry["namespaceSelector"] or {}, of_namespace):
            return False
    elif peer.namespace != namespace:
        return False
    return matches(entry.get("podSelector") or {}, dict(peer.labels))


def port_match(port, ports):
    if not port:
        return ""
    number = port.get("port")
    if "endPort" in port:
        raise ManifestError("endPort of a NetworkPolicy is not run here")
    protocol = port.get("protocol", "TCP").lower()
    if number is None:
        return f"meta l4proto {protocol}"
    return f"{protocol} dport {ports[number] if isinstance(number, str) else number}"
