//! Receipts never say more than is true, and the store keeps the last word. On the wire one may come
//! late, which is counted.

use std::collections::HashMap;

use super::Policy;
use super::rule::{Findings, Rule, Site};
use crate::facts::{Facts, Receipt};
use crate::history::History;

pub(super) fn check(history: &History, facts: &Facts, policy: Policy, findings: &mut Findings) {
    receipts(history, facts, policy, findings);
    rows(history, facts, findings);
}

fn receipts(history: &History, facts: &Facts, policy: Policy, findings: &mut Findings) {
    let mut told: HashMap<(u32, u16, u32, u32), (u64, u64)> = HashMap::new();
    let heads = heads(history);
    for receipt in &facts.receipts {
        let Receipt { observer, epoch, conversation, user, delivered, read } = *receipt;
        let known = told.entry((observer, epoch, conversation, user)).or_default();
        let confirmed = facts.confirmed.get(&(user, conversation)).copied().unwrap_or(0);
        let head = heads.get(&conversation).copied().unwrap_or(0);
        let is_late = delivered < known.0 || read < known.1;
        // Clients keep the highest: a late one is harmless, and happens when a partition moves.
        findings.late_receipts += u64::from(is_late);
        let wrong = if is_late && policy.is_strict_live {
            Some(format!("after {} and {}", known.0, known.1))
        } else if read > delivered {
            Some("more is read than came".to_owned())
        } else if delivered > head {
            Some(format!("the log ends at {head}"))
        } else if delivered > confirmed {
            Some(format!("its device said {confirmed} at most"))
        } else {
            None
        };
        *known = (known.0.max(delivered), known.1.max(read));
        if let Some(wrong) = wrong {
            let site = Site { conversation: Some(conversation), ..Site::client(observer) };
            findings.add(Rule::CursorRegress, site, || {
                format!(
                    "conversation {conversation}: client {observer} was told that client {user} \
                     has {delivered} and read {read}; {wrong}"
                )
            });
        }
    }
}

fn rows(history: &History, facts: &Facts, findings: &mut Findings) {
    for ((client, conversation), (delivered, read)) in &facts.cursor_rows {
        let confirmed = facts.confirmed.get(&(*client, *conversation)).copied().unwrap_or(0);
        let is_reached = history.clients.get(*client as usize).is_some_and(|c| c.is_reached);
        if *delivered > confirmed || read > delivered || (is_reached && *delivered < confirmed) {
            let site = Site { conversation: Some(*conversation), ..Site::client(*client) };
            findings.add(Rule::CursorRegress, site, || {
                format!(
                    "conversation {conversation}: the database has {delivered} delivered and \
                     {read} read for client {client}, whose device said {confirmed}"
                )
            });
        }
    }
}

/// The highest place of each log that anybody knows of.
fn heads(history: &History) -> HashMap<u32, u64> {
    let mut heads: HashMap<u32, u64> = HashMap::new();
    let mut raise = |conversation: u32, seq: u32| {
        let head = heads.entry(conversation).or_default();
        *head = (*head).max(u64::from(seq));
    };
    for client in &history.clients {
        for send in &client.sends {
            raise(send.conversation, send.seq);
        }
        for view in &client.views {
            for seen in &view.observations {
                raise(view.conversation, seen.seq);
            }
        }
    }
    heads
}
