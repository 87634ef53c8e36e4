"""Runs what the Kubernetes manifests say, without Kubernetes: each pod is a real binary in a network namespace of its
own, with the environment, user, probes, preStop and grace period of the rendered file, behind Services that learn late
and NetworkPolicies that are nftables. The load fleet judges what clients see.

It stands in for the kubelet, the Deployment controller, kube-proxy, the cluster's DNS and a CNI that enforces policies,
each as far as a scenario needs it; docs/pods.md says what is not covered. It must not know anything of the binaries
that the manifests do not say, and must touch no network but its own namespaces and the stores on loopback.
"""
