"""What needs neither root nor binaries: how the file is read, what policies become, what a rollout may do.

    python -m unittest pods.tests    (in deploy/)
"""

import dataclasses
import json
import pathlib
import tempfile
import types
import unittest

from . import judge, load, manifests, planted, policies, report
from .controller import Controller, additions
from .dns import Dns
from .scenarios import SCENARIOS

RENDERED = pathlib.Path(__file__).resolve().parents[1] / "kubernetes/tidings.yaml"


OBJECTS = manifests.load(RENDERED)


def parsed(change=lambda objects: None):
    return manifests.parse(manifests.changed(OBJECTS, change))


class Reading(unittest.TestCase):
    def test_the_rendered_file_is_read_whole(self):
        found = parsed()
        gateway = found.deployments["tidings-gateway"]
        self.assertEqual((gateway.replicas, gateway.template.binary, gateway.template.user), (2, "gateway", 10001))
        self.assertEqual(gateway.template.readiness.path, "/health/serve")
        self.assertTrue(gateway.template.is_root_read_only and gateway.template.message_from_logs)
        self.assertFalse(gateway.template.has_capabilities or gateway.template.is_escalation_allowed)
        self.assertEqual(gateway.template.secret_files["/etc/tidings/secrets/amqp-url"], ("tidings", "amqp-url", 0o440))
        self.assertTrue(found.services["tidings-chat"].is_headless)
        self.assertEqual(len(found.policies), 3)

    def test_what_is_not_understood_is_refused(self):
        def change(objects):
            planted.container(objects, "tidings-chat")["workingDir"] = "/"

        with self.assertRaisesRegex(manifests.ManifestError, "workingDir"):
            parsed(change)

    def test_a_probe_of_a_port_that_is_not_there_is_refused(self):
        def change(objects):
            planted.container(objects, "tidings-chat")["readinessProbe"]["httpGet"]["port"] = "http"

        with self.assertRaisesRegex(manifests.ManifestError, "'http'"):
            parsed(change)

    def test_every_mistake_changes_what_is_read(self):
        for name, (scenario, change, _) in planted.PLANTED.items():
            self.assertIn(scenario, SCENARIOS)
            if change not in (planted.own_gateway_ids, planted.without_rebalancing):
                self.assertNotEqual(parsed(change), parsed(), name)


class Policies(unittest.TestCase):
    ports = {"http": 8080, "management": 9090}
    peers = [
        policies.Peer("tidings", (("app", "friend"),), "10.0.0.1"),
        policies.Peer("tidings", (("app", "other"),), "10.0.0.2"),
        policies.Peer("elsewhere", (("app", "friend"),), "10.0.0.3"),
    ]

    def rules(self, *specs, labels=None):
        return policies.rules(specs, "tidings", labels or {"app": "server"}, self.ports, self.peers)

    def policy(self, **more):
        return {"podSelector": {"matchLabels": {"app": "server"}}, **more}

    def test_a_pod_that_no_policy_selects_has_no_rules(self):
        text = self.rules(self.policy(ingress=[]), labels={"app": "other"})
        self.assertNotIn("chain", text)

    def test_a_selected_pod_denies_what_is_not_allowed(self):
        text = self.rules(self.policy())
        self.assertIn("policy drop", text)
        self.assertNotIn("dport", text)

    def test_a_pod_selector_means_the_own_namespace(self):
        peer = {"podSelector": {"matchLabels": {"app": "friend"}}}
        text = self.rules(self.policy(ingress=[{"from": [peer], "ports": [{"protocol": "TCP", "port": "http"}]}]))
        self.assertIn("ip saddr { 10.0.0.1 } tcp dport 8080 accept", text)
        self.assertNotIn("10.0.0.3", text)

    def test_a_namespace_selector_means_all_of_its_pods(self):
        peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}}
        text = self.rules(self.policy(ingress=[{"from": [peer], "ports": [{"port": 9090}]}]))
        self.assertIn("ip saddr { 10.0.0.3 } tcp dport 9090 accept", text)

    def test_a_rule_whose_peers_are_not_there_allows_nobody(self):
        peer = {"podSelector": {"matchLabels": {"app": "nobody"}}}
        text = self.rules(self.policy(ingress=[{"from": [peer], "ports": [{"port": 9090}]}]))
        self.assertNotIn("9090", text)

    def test_a_rule_without_peers_allows_everybody(self):
        text = self.rules(self.policy(ingress=[{"ports": [{"port": 8080}]}]))
        self.assertIn("\ntcp dport 8080 accept", text)

    def test_egress_is_free_until_a_policy_speaks_of_it(self):
        self.assertNotIn("output", self.rules(self.policy()))
        block = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}
        rule = {"to": [block], "ports": [{"port": 443}]}
        text = self.rules(self.policy(policyTypes=["Ingress", "Egress"], egress=[rule]))
        self.assertIn("ip daddr 0.0.0.0/0 ip daddr != { 10.0.0.0/8 } tcp dport 443 accept", text)


class Pod:
    """As much of a pod as the controller looks at."""

    def __init__(self, revision, ready):
        self.revision, self.ready, self.is_deleting, self.state = revision, ready, False, "Running"

    def available_for(self):
        return self.ready

    def delete(self):
        self.is_deleting = True


class Rollouts(unittest.TestCase):
    def setUp(self):
        self.deployment = parsed().deployments["tidings-gateway"]

    def deleted(self, old, new):
        """Which of the old pods are deleted; each is given by the seconds for which it has been ready."""
        controller = Controller(types.SimpleNamespace(), self.deployment)
        controller.pods = [Pod("old", ready) for ready in old] + [Pod(controller.revision, ready) for ready in new]
        controller.add = lambda: None
        controller.step()
        return [pod.ready for pod in controller.pods if pod.is_deleting]

    def test_no_pod_goes_before_another_is_available(self):
        self.assertEqual(self.deleted(old=[60, 60], new=[]), [])
        self.assertEqual(self.deleted(old=[60, 60], new=[-1]), [])
        self.assertEqual(self.deleted(old=[60, 60], new=[self.deployment.min_ready_seconds - 1]), [])

    def test_one_goes_for_each_that_is_available(self):
        self.assertEqual(self.deleted(old=[60, 61], new=[self.deployment.min_ready_seconds]), [60])

    def test_one_that_serves_nobody_goes_first(self):
        self.assertEqual(self.deleted(old=[60, -1], new=[9]), [-1])

    def test_only_the_surge_is_made(self):
        self.assertEqual(additions(self.deployment, 2, new=0, old=2), 1)
        self.assertEqual(additions(self.deployment, 2, new=1, old=2), 0)
        self.assertEqual(additions(self.deployment, 4, new=2, old=0), 2)

    def test_percentages_are_rounded_as_kubernetes_does(self):
        deployment = dataclasses.replace(self.deployment, surge="25%", unavailable="25%")
        self.assertEqual((deployment.most(2), deployment.least(2)), (3, 2))
        self.assertEqual((deployment.most(7), deployment.least(7)), (9, 6))


class Verdicts(unittest.TestCase):
    quiet, busy = judge.Machine(0.1, 1.5), judge.Machine(0.1, 7.0)

    def verdicts(self, find):
        found = judge.Judge()
        find(found)
        return found.verdict(self.quiet), found.verdict(self.busy)

    def test_what_a_slow_machine_does_is_not_judged_there_and_fails_elsewhere(self):
        self.assertEqual(
            self.verdicts(lambda found: found.in_time(False, "late")),
            (judge.Verdict.FAILED, judge.Verdict.NOT_JUDGED),
        )

    def test_what_no_machine_does_fails_on_each(self):
        def find(found):
            found.in_time(False, "late")
            found.that(False, "lost")

        self.assertEqual(self.verdicts(find), (judge.Verdict.FAILED, judge.Verdict.FAILED))
        self.assertEqual(self.verdicts(lambda found: found.that(True, "")), (judge.Verdict.HELD, judge.Verdict.HELD))

    def test_a_harness_that_was_late_for_seconds_ran_on_a_slow_machine(self):
        self.assertTrue(judge.Machine(2.5, 0.5).is_too_slow)
        self.assertGreaterEqual(judge.runnable(), 0)

    def test_a_whole_run_is_as_good_as_its_worst_scenario(self):
        def result(verdict):
            return types.SimpleNamespace(verdict=verdict)

        held, failed, not_judged = judge.Verdict.HELD, judge.Verdict.FAILED, judge.Verdict.NOT_JUDGED
        self.assertEqual(report.whole([result(held)], {"no-policies": ("strangers", "x", held)}), held)
        self.assertEqual(report.whole([result(held), result(not_judged)], {}), not_judged)
        self.assertEqual(report.whole([result(not_judged)], {"x": ("y", None, failed)}), failed)


class Answers(unittest.TestCase):
    def test_a_name_has_its_addresses_and_an_unknown_one_does_not_exist(self):
        dns = Dns()
        dns.names = {"chat.tidings": ["10.77.0.10"]}
        query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04chat\x07tidings\x00\x00\x01\x00\x01"
        answer = dns.answer(query)
        self.assertTrue(answer.endswith(bytes([10, 77, 0, 10])) and answer[3] & 0xF == 0)
        self.assertEqual(dns.answer(query.replace(b"chat", b"chap"))[3] & 0xF, 3)

    def test_a_silence_lasts_from_a_lost_connection_to_the_next_welcome(self):
        lines = [(1, "open"), (2, "ok"), (3, "close"), (7, "ok"), (8, "open"), (9, "close")]
        with tempfile.NamedTemporaryFile("w", suffix=".history") as file:
            file.writelines(json.dumps({"t": at * 10**9, "e": event, "dev": 0}) + "\n" for at, event in lines)
            file.flush()
            self.assertEqual(load.silences(file.name), (5.0, 5.0))


if __name__ == "__main__":
    unittest.main()
