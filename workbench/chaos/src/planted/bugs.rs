//! The bugs: what each breaks, what makes it show, and by which rules it must be found.

use crate::fleets::{Command, Work};
use crate::schedule::{Deed, How, Step};
use crate::system::Service;

/// A planted bug.
#[derive(Debug)]
pub(super) struct Bug {
    /// Its feature is `planted-` and this.
    pub(super) name: &'static str,
    /// What it breaks.
    pub(super) breaks: &'static str,
    /// Found by one of these.
    pub(super) found_by: &'static [&'static str],
    /// What makes it show.
    pub(super) steps: fn() -> Vec<Step>,
    /// What is talked about meanwhile.
    pub(super) work: &'static [Work],
    /// Further arguments of `fleet check`.
    pub(super) rules: &'static [&'static str],
}

/// Something always happens in every conversation.
const BUSY: &[Work] = &[Work {
    name: "pairs",
    command: Command::Run,
    tenant: "default",
    scenario: &[
        "--scenario",
        "pairs",
        "--pairs",
        "12",
        "--rate",
        "60",
        "--payload",
        "256",
        "--drain",
        "15s",
    ],
}];
/// A conversation is silent for long after a message: nothing but heads tells that it was missed.
const QUIET: &[Work] = &[Work {
    name: "pairs",
    command: Command::Run,
    tenant: "default",
    scenario: &[
        "--scenario",
        "pairs",
        "--pairs",
        "60",
        "--rate",
        "4",
        "--payload",
        "256",
        "--drain",
        "45s",
    ],
}];

const PLAIN: &[&str] = &["--min-acknowledged", "300"];
/// Only clients are hurt, or nobody's pushes: then no live entry skips another.
const STRICT: &[&str] = &["--min-acknowledged", "300", "--strict-live"];
const IN_TIME: &[&str] = &["--min-acknowledged", "100", "--delivery-window", "8s"];

/// Those that a test of their service finds; `make chaos-planted` plants them, too: see deploy/planted_by_tests.sh and
/// `e2e/tests/e2e/offline_push.rs`.
#[cfg(test)]
const FOUND_BY_TESTS: [&str; 8] = [
    "push-not-taken-back",
    "position-before-confirm",
    "state-not-written",
    "stale-target",
    "applied-again",
    "reaction-is-a-message",
    "tail-without-horizon",
    "notice-claim-not-atomic",
];

/// All that chaos finds.
pub(super) const BUGS: &[Bug] = &[
    Bug {
        name: "duplicate-check-off",
        breaks: "a client id that was used before is stored again",
        found_by: &["duplicate"],
        steps: || {
            vec![
                step(Deed::CommitCut("postgres-chat-0"), 200, 2_000),
                step(Deed::CommitCut("postgres-chat-1"), 200, 2_000),
                step(Deed::KillService(Service::Chat(0)), 500, 2_000),
                step(Deed::Storm, 500, 2_000),
            ]
        },
        work: BUSY,
        rules: PLAIN,
    },
    Bug {
        name: "locate-before-commit",
        breaks: "recipients are looked up before their entries are committed",
        found_by: &["poll-skip"],
        steps: || thrice(|| step(Deed::ResetWhileCommitsWait("client-gateway-1"), 1_500, 3_000)),
        work: BUSY,
        rules: STRICT,
    },
    Bug {
        name: "welcome-before-registration",
        breaks: "`welcome` is said before presence knows of the connection",
        found_by: &["poll-skip"],
        steps: || thrice(|| step(Deed::LateRegistration(1), 2_500, 2_500)),
        work: BUSY,
        rules: STRICT,
    },
    Bug {
        name: "ack-before-commit",
        breaks: "`sent` is told while the database is still at work",
        found_by: &["lost-write", "gap"],
        steps: || thrice(|| step(Deed::AbortCommits, 300, 2_500)),
        work: BUSY,
        rules: PLAIN,
    },
    Bug {
        name: "cached-route",
        breaks: "where users are connected is remembered for 5 s",
        found_by: &["poll-skip"],
        steps: || thrice(|| step(Deed::Link("client-gateway-1", How::Reset), 100, 6_000)),
        work: BUSY,
        rules: STRICT,
    },
    Bug {
        name: "heads-not-told-again",
        breaks: "devices that may have missed a push are not told how far their conversations are",
        found_by: &["late-delivery"],
        steps: || {
            vec![
                step(Deed::Flush, 100, 12_000),
                step(Deed::Link("presence-chat-0", How::Refuse), 2_500, 12_000),
                step(Deed::Link("presence-chat-1", How::Refuse), 2_500, 12_000),
            ]
        },
        work: QUIET,
        rules: IN_TIME,
    },
];

fn step(deed: Deed, hold_ms: u64, rest_ms: u64) -> Step {
    Step { deed, hold_ms, rest_ms }
}

fn thrice(step: impl Fn() -> Step) -> Vec<Step> {
    vec![step(), step(), step()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_planted_feature_of_the_services_has_its_schedule() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let manifests = ["chat-service", "gateway"]
            .map(|service| std::fs::read_to_string(root.join(service).join("Cargo.toml")).unwrap());
        let features: BTreeSet<&str> = manifests
            .iter()
            .flat_map(|manifest| manifest.lines())
            .filter_map(|line| Some(line.strip_prefix("planted-")?.split_once(" = ")?.0))
            .collect();
        let by_chaos = BUGS.iter().map(|bug| bug.name);
        let known: BTreeSet<&str> = by_chaos.chain(FOUND_BY_TESTS).collect();
        assert_eq!(features, known);
    }
}
