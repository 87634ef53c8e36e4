//! A graceful stop breaks nothing: no connection without a close frame, no outcome unknown.

use super::rule::{Findings, Rule, Site};
use crate::event::Doubt;
use crate::facts::{Facts, Fault, Session};

/// The name of a fault that is none: a graceful stop.
pub const DRAIN: &str = "drain";
/// The close code of a connection that ended without one.
const BROKEN: u16 = 1006;

pub(super) fn check(facts: &Facts, findings: &mut Findings) {
    for drain in facts.faults.iter().filter(|fault| fault.fault == DRAIN) {
        let is_within =
            |at_us: u64| drain.from_us <= at_us && at_us <= drain.to_us.unwrap_or(facts.end_us);
        let ended = facts.sessions.iter().filter(|session| is_within(session.closed_us));
        for session in ended.filter(|session| is_meant(facts, drain, session)) {
            let client = session.client;
            let target = &drain.target;
            if session.closed_by_peer == Some(BROKEN) {
                findings.add(Rule::DirtyDrain, Site::client(client), || {
                    format!("client {client} was cut off (1006) while {target} stopped gracefully")
                });
            }
            let unknown = facts.unanswered.iter().filter(|unanswered| {
                (unanswered.client, unanswered.at_us, unanswered.why)
                    == (client, session.closed_us, Doubt::Lost)
            });
            for unanswered in unknown.filter(|_| session.closed_by_peer.is_some()) {
                let site = Site::default().sent(client, unanswered.number);
                findings.add(Rule::DirtyDrain, site, || {
                    format!(
                        "send {} of client {client} was left unanswered while {target} stopped \
                         gracefully",
                        unanswered.number
                    )
                });
            }
        }
    }
}

/// A gateway answers for its own connections, any other process for all.
fn is_meant(facts: &Facts, drain: &Fault, session: &Session) -> bool {
    let gateway = format!("gateway-{}", session.gateway);
    !drain.target.starts_with("gateway")
        || drain.target == gateway
        || facts.gateways.get(session.gateway as usize) == Some(&drain.target)
}
