//! Own writes are visible: what was acknowledged before a sync began is reached by it.

use std::collections::HashMap;

use super::rule::{Findings, Rule, Site};
use crate::facts::Facts;
use crate::history::{History, Outcome};

/// When something was acknowledged, and the highest place known since, with its send.
type Known = (u64, u32, u32);

pub(super) fn check(history: &History, facts: &Facts, findings: &mut Findings) {
    // By client and conversation, by time.
    let mut known: HashMap<(u32, u32), Vec<Known>> = HashMap::new();
    for (client, part) in (0..).zip(&history.clients) {
        for (number, send) in (0..).zip(&part.sends) {
            if send.outcome == Outcome::Acknowledged {
                let acknowledged = known.entry((client, send.conversation)).or_default();
                acknowledged.push((send.acknowledged_us, send.seq, number));
            }
        }
    }
    for acknowledged in known.values_mut() {
        acknowledged.sort_unstable();
        let mut highest = (0, 0);
        for (_, seq, number) in acknowledged {
            highest = highest.max((*seq, *number));
            (*seq, *number) = highest;
        }
    }
    for sync in &facts.syncs {
        let mine = known.iter().filter(|((client, _), _)| *client == sync.client);
        for ((client, conversation), acknowledged) in mine {
            let before = acknowledged.partition_point(|(at_us, ..)| *at_us < sync.begun_us);
            let Some((_, seq, number)) = acknowledged[..before].last().copied() else { continue };
            let reached = sync.reached.get(conversation).copied().unwrap_or(0);
            if reached < seq {
                let site = Site::entry(*conversation, seq).sent(*client, number);
                findings.add(Rule::StaleRead, site, || {
                    format!(
                        "conversation {conversation} seq {seq}: acknowledged to client {client}, \
                         whose next sync ends at {reached}"
                    )
                });
            }
        }
    }
}
