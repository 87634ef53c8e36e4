//! Order: a sender's own, that of real time between senders, and that of each connection.

use super::Policy;
use super::rule::{Findings, Rule, Site};
use crate::cursor::Cursor;
use crate::history::{Outcome, Send, Via, View};

/// In each conversation a client's sends stand in the order it sent them.
pub(super) fn program_order(client: u32, sends: &[Send], findings: &mut Findings) {
    let mut last: Vec<(u32, u32)> = Vec::new();
    for (number, send) in sends.iter().enumerate() {
        if send.outcome != Outcome::Acknowledged || send.is_late {
            continue;
        }
        let conversation = send.conversation;
        match last.iter_mut().find(|(known, _)| *known == conversation) {
            Some((_, seq)) if send.seq <= *seq => {
                findings.add(
                    Rule::IntSendNonmonotonic,
                    Site::entry(conversation, send.seq).sent(client, number as u32),
                    || {
                        format!(
                            "client {client}, conversation {conversation}: send {number} stands at \
                         seq {}, an earlier one at {seq}",
                            send.seq
                        )
                    },
                );
            }
            Some((_, seq)) => *seq = send.seq,
            None => last.push((conversation, send.seq)),
        }
    }
}

/// What was acknowledged before another client's send began stands before it.
pub(super) fn real_time(
    conversation: u32,
    acknowledged: &[(u32, u32, &Send)],
    findings: &mut Findings,
) {
    let mut by_seq: Vec<_> = acknowledged.to_vec();
    by_seq.sort_unstable_by_key(|(_, _, send)| send.seq);
    // From the end: the earliest answer among the later entries, and the earliest of another client.
    let mut earliest: Option<(u64, u32)> = None;
    let mut of_another: Option<(u64, u32)> = None;
    for (client, number, send) in by_seq.into_iter().rev() {
        let rival = match earliest {
            Some((_, sender)) if sender == client => of_another,
            rival => rival,
        };
        if let Some((acknowledged_us, sender)) = rival
            && acknowledged_us < send.invoked_us
        {
            let site = Site::entry(conversation, send.seq).sent(client, number);
            findings.add(Rule::StaleAppend, site, || {
                format!(
                    "conversation {conversation} seq {}: send {number} of client {client} began \
                     after a later entry of client {sender} was acknowledged",
                    send.seq
                )
            });
        }
        let this = (send.acknowledged_us, client);
        match earliest {
            Some((at, sender)) if sender == client => earliest = Some((at.min(this.0), client)),
            Some(known) if known.0 <= this.0 => {
                of_another = Some(of_another.map_or(this, |other| other.min(this)));
            }
            known => {
                of_another = known;
                earliest = Some(this);
            }
        }
    }
}

/// On one connection new live entries come in the order of the log; repeats are counted.
pub(super) fn polls(
    client: u32,
    view: &View,
    own: &[u32],
    policy: Policy,
    findings: &mut Findings,
) {
    let conversation = view.conversation;
    let mut held: Cursor = Cursor::default();
    let (mut connection, mut highest, mut synced) = (0, 0, 0);
    let mut syncs = view.synced.iter().peekable();
    for (place, seen) in view.observations.iter().enumerate() {
        if seen.connection != connection {
            (connection, highest, synced) = (seen.connection, 0, 0);
        }
        while let Some(sync) = syncs.next_if(|sync| sync.after <= place) {
            if sync.connection == connection {
                synced = synced.max(sync.reached);
            }
        }
        let is_own = own.binary_search(&seen.seq).is_ok();
        if !held.take(seen.seq, ()) {
            findings.wire_repeats += 1;
            continue;
        }
        if seen.via != Via::Live || is_own {
            continue;
        }
        if seen.seq < highest {
            let site = Site::entry(conversation, seen.seq).at(client);
            findings.add(Rule::NonmonotonicPoll, site, || {
                format!(
                    "conversation {conversation}: client {client} got seq {} after {highest}",
                    seen.seq
                )
            });
            continue;
        }
        // What is committed after a sync is pushed: nothing may lie between the two.
        let before = highest.max(synced);
        let is_first = before == 0 || before >= seen.seq;
        let skipped = if is_first { 0 } else { skipped(&held, own, before, seen.seq) };
        if skipped > 0 {
            findings.live_skips += skipped;
            if policy.is_strict_live {
                let site = Site::entry(conversation, seen.seq).at(client);
                findings.add(Rule::PollSkip, site, || {
                    format!(
                        "conversation {conversation}: client {client} got seq {} right after \
                         {before}",
                        seen.seq
                    )
                });
            }
        }
        highest = seen.seq;
    }
}

/// How many places between two live entries the client did not hold.
fn skipped(held: &Cursor, own: &[u32], from: u32, to: u32) -> u64 {
    // A hole so wide is no sequence of lost pushes; it is not worth a walk.
    if to - from > 1_000_000 {
        return u64::from(to - from - 1);
    }
    let is_skipped = |seq: &u32| !held.holds(*seq) && own.binary_search(seq).is_err();
    (from + 1..to).filter(is_skipped).count() as u64
}
