//! What was acknowledged comes to every connected member in time: a lost push is found, not only
//! covered by the next reconnect.

use super::rule::{Findings, Rule, Site};
use crate::facts::{Facts, Session, Windows};
use crate::history::{History, Outcome};

pub(super) fn check(history: &History, facts: &Facts, windows: Windows, findings: &mut Findings) {
    let Some(window_us) = windows.delivery_us else { return };
    let mut sessions: Vec<Vec<&Session>> = vec![Vec::new(); history.clients.len()];
    for session in &facts.sessions {
        if let Some(mine) = sessions.get_mut(session.client as usize) {
            mine.push(session);
        }
    }
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); history.conversations as usize];
    for (client, part) in (0..).zip(&history.clients) {
        for view in &part.views {
            if let Some(members) = members.get_mut(view.conversation as usize) {
                members.push(client);
            }
        }
    }
    let wait = Wait { facts, window_us };
    for (sender, part) in (0..).zip(&history.clients) {
        let sends = (0..).zip(&part.sends);
        for (number, send) in sends.filter(|(_, send)| send.outcome == Outcome::Acknowledged) {
            let of = members.get(send.conversation as usize).into_iter().flatten();
            for client in of.filter(|client| **client != sender) {
                let (from, to) = history.membership(send.conversation, *client);
                if !(from..=to).contains(&send.seq) {
                    continue;
                }
                // What never came is unseen.
                let place = (*client, send.conversation, send.seq);
                let Some(came_us) = facts.arrivals.get(&place).copied() else { continue };
                let mine = &sessions[*client as usize];
                if let Some(since_us) = wait.in_vain(mine, send.acknowledged_us, came_us) {
                    let site = Site::entry(send.conversation, send.seq).at(*client);
                    findings.add(Rule::LateDelivery, site, || {
                        format!(
                            "conversation {} seq {}: client {client} waited {} ms for send {number} \
                             of client {sender}",
                            send.conversation,
                            send.seq,
                            (came_us - since_us) / 1_000
                        )
                    });
                }
            }
        }
    }
}

struct Wait<'a> {
    facts: &'a Facts,
    window_us: u64,
}

impl Wait<'_> {
    /// Since when it was due on some connection that lasted for the window without it.
    fn in_vain(&self, sessions: &[&Session], known_us: u64, came_us: u64) -> Option<u64> {
        if came_us <= known_us.saturating_add(self.window_us) {
            return None;
        }
        sessions.iter().find_map(|session| {
            let since_us = self.undisturbed(known_us.max(session.opened_us));
            let until_us = since_us.saturating_add(self.window_us);
            (until_us <= session.closed_us && until_us < came_us).then_some(since_us)
        })
    }

    /// The first moment from there on with no fault within the window.
    fn undisturbed(&self, mut from_us: u64) -> u64 {
        // In the order they began: each moves the moment to its end at most.
        for fault in &self.facts.faults {
            let to_us = fault.to_us.unwrap_or(u64::MAX);
            if fault.from_us <= from_us.saturating_add(self.window_us) && to_us > from_us {
                from_us = to_us;
            }
        }
        from_us
    }
}
