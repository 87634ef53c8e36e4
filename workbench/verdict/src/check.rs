//! The verdict over a history. Pure: no clock, no socket.
//!
//! The server numbers the entries, so nothing has to be searched: each conversation's log is put
//! together from all that was seen and told, and each rule is one linear scan over it.
//! An entry that is wrong in itself (a phantom, a duplicate) is left out of the scans for what is
//! missing, so that one fault breaks one rule.

mod bounds;
mod conversation;
mod cursors;
mod drain;
mod lateness;
mod log;
mod order;
mod presence;
mod reads;
mod rewinds;
mod rule;
#[cfg(test)]
mod tests;
mod verdict;

pub use drain::DRAIN;
pub use rule::{Findings, Rule, Site, Violation};
pub use verdict::{Verdict, verdict};

use crate::facts::{Facts, Windows};
use crate::history::{History, Oddity, Outcome, Send, View};

/// What is judged beyond the promises that hold under faults too.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy {
    /// A live entry that skips others is a violation, not only a count. Pushes may be lost in a
    /// fault and healed by sync; without faults none is.
    pub is_strict_live: bool,
}

/// Judges a history.
pub fn check(history: &History, policy: Policy) -> Findings {
    let mut findings = Findings::default();
    for oddity in &history.oddities {
        let (rule, site, detail) = judge(oddity);
        findings.add(rule, site, || detail);
    }
    for (conversation, part) in (0_u32..).zip(parts(history)) {
        conversation::check(history, conversation, &part, policy, &mut findings);
    }
    for (client, part) in (0_u32..).zip(&history.clients) {
        order::program_order(client, &part.sends, &mut findings);
        findings.unknown_outcomes +=
            part.sends.iter().filter(|send| send.outcome == Outcome::Unknown).count() as u64;
        findings.unreached_clients += u64::from(!part.is_reached);
    }
    findings
}

/// Judges what a recorded history holds beside entries: cursors, syncs, presence, bounds, drains.
pub(crate) fn check_facts(
    history: &History,
    facts: &Facts,
    policy: Policy,
    windows: Windows,
    findings: &mut Findings,
) {
    cursors::check(history, facts, policy, findings);
    reads::check(history, facts, findings);
    rewinds::check(history, facts, findings);
    presence::check(facts, windows, findings);
    bounds::check(facts, findings);
    drain::check(facts, findings);
    lateness::check(history, facts, windows, findings);
}

fn judge(oddity: &Oddity) -> (Rule, Site, String) {
    match oddity {
        Oddity::ChangedAnswer { client, number } => (
            Rule::Duplicate,
            Site::default().sent(*client, *number),
            format!("client {client}: send {number} was acknowledged twice, differently"),
        ),
        Oddity::Leak { client, conversation_id } => (
            Rule::Leak,
            Site::client(*client),
            format!("client {client} is no member of {conversation_id}"),
        ),
        Oddity::StrangeAnswer { client } => (
            Rule::Phantom,
            Site::client(*client),
            format!("client {client}: an acknowledgement of what it did not send there"),
        ),
        Oddity::Unreadable { client } => (
            Rule::Unreadable,
            Site::client(*client),
            format!("client {client}: a frame that is no frame of the protocol"),
        ),
        Oddity::ShownTwice { client, conversation, seq } => (
            Rule::DuplicateDelivery,
            Site::entry(*conversation, *seq).at(*client),
            format!("conversation {conversation} seq {seq}: client {client} showed it twice"),
        ),
    }
}

/// What there is about one conversation.
#[derive(Debug, Default)]
struct Part<'a> {
    /// Who saw what.
    views: Vec<(u32, &'a View)>,
    /// Client and number of every send into it that was written.
    sends: Vec<(u32, u32)>,
}

impl Part<'_> {
    /// The acknowledged sends: client, number, record.
    fn acknowledged<'a>(&self, history: &'a History) -> Vec<(u32, u32, &'a Send)> {
        let sends = self.sends.iter().map(|&(client, number)| {
            (client, number, &history.clients[client as usize].sends[number as usize])
        });
        sends.filter(|(_, _, send)| send.outcome == Outcome::Acknowledged).collect()
    }
}

/// Sorts the history by conversation.
fn parts(history: &History) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    parts.resize_with(history.conversations as usize, Part::default);
    for (client, part) in (0_u32..).zip(&history.clients) {
        for view in &part.views {
            if let Some(part) = parts.get_mut(view.conversation as usize) {
                part.views.push((client, view));
            }
        }
        for (number, send) in (0_u32..).zip(&part.sends) {
            if send.outcome != Outcome::Unsent
                && let Some(part) = parts.get_mut(send.conversation as usize)
            {
                part.sends.push((client, number));
            }
        }
    }
    parts
}
