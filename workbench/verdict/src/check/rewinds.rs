//! A sync goes on from where a device is only if the log has the device's entry there; else it begins anew.

use std::collections::HashMap;

use super::rule::{Findings, Rule, Site};
use crate::facts::Facts;
use crate::history::{History, Mark};

pub(super) fn check(history: &History, facts: &Facts, findings: &mut Findings) {
    // By conversation and place, as the store has it at the end.
    let mut stored: HashMap<(u32, u32), Mark> = HashMap::new();
    for conversation in 0..history.conversations {
        let entries = history.accounts(conversation).flat_map(|(_, entries)| entries);
        stored.extend(entries.map(|entry| ((conversation, entry.seq), entry.mark)));
    }
    for sync in &facts.syncs {
        for (&conversation, &(seq, held)) in &sync.held {
            // Of a log that was not read nothing is known.
            let Some(there) = stored.get(&(conversation, seq)) else { continue };
            let (is_same, is_reset) = (*there == held, sync.reset.contains(&conversation));
            // Who was away in between begins anew, whatever it holds.
            let (from, _) = history.membership(conversation, sync.client);
            if is_same != is_reset || (is_same && seq < from) {
                continue;
            }
            let site = Site::entry(conversation, seq).at(sync.client);
            findings.add(Rule::WrongResume, site, || {
                let what = if is_same { "forgot its log, which" } else { "went on from another entry than" };
                format!(
                    "conversation {conversation} seq {seq}: a sync of client {} {what} the store has there",
                    sync.client
                )
            });
        }
    }
}
