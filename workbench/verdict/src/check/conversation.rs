//! One conversation: whether its log is whole and true, and who has it.

use std::collections::HashMap;

use super::log::{Log, Place, Standing, sends_in};
use super::order;
use super::rule::{Findings, Rule, Site};
use super::{Part, Policy};
use crate::cursor::Cursor;
use crate::history::{History, Observation, Outcome, SYSTEM, Send, Via, View};

pub(super) fn check(
    history: &History,
    conversation: u32,
    part: &Part<'_>,
    policy: Policy,
    findings: &mut Findings,
) {
    let mut log = Log::assemble(history, conversation, part, findings);
    findings.entries += log.seqs.len() as u64;
    gaps(conversation, &log, findings);
    wrong_entries(history, conversation, &mut log, findings);
    findings.verified_logs += u64::from(history.accounts(conversation).next().is_some());
    for (account, stored) in history.accounts(conversation) {
        lost(history, conversation, part, (account, stored), &mut log, findings);
    }
    order::real_time(conversation, &part.acknowledged(history), findings);
    for (client, view) in &part.views {
        let client_history = &history.clients[*client as usize];
        let own = own_places(*client, part, &client_history.sends);
        order::polls(*client, view, &own, policy, findings);
        if client_history.is_reached {
            let is_unanswered = |number: u32| {
                let send = client_history.sends.get(number as usize);
                send.is_some_and(|send| send.outcome == Outcome::Unknown)
            };
            let interval = history.membership(conversation, *client);
            unseen(*client, view, &own, interval, is_unanswered, &log, findings);
        }
        outsiders(history, *client, view, findings);
    }
}

/// A sender learns of its own entries by their acknowledgement.
fn own_places(client: u32, part: &Part<'_>, sends: &[Send]) -> Vec<u32> {
    let first = part.sends.partition_point(|(sender, _)| *sender < client);
    let mut own: Vec<u32> = part.sends[first..]
        .iter()
        .take_while(|(sender, _)| *sender == client)
        .map(|(_, number)| &sends[*number as usize])
        .filter(|send| send.outcome == Outcome::Acknowledged)
        .map(|send| send.seq)
        .collect();
    own.sort_unstable();
    own
}

/// The log is 1, 2, 3 … without a hole.
fn gaps(conversation: u32, log: &Log, findings: &mut Findings) {
    let mut expected = 1;
    for seq in &log.seqs {
        if *seq > expected {
            findings.add(Rule::Gap, Site::entry(conversation, expected), || {
                format!("conversation {conversation}: nothing at seq {expected} to {}", seq - 1)
            });
        }
        expected = seq.saturating_add(1);
    }
}

/// Phantoms, aborted reads and duplicates; they are expected from nobody afterwards.
fn wrong_entries(history: &History, conversation: u32, log: &mut Log, findings: &mut Findings) {
    let mut seen: HashMap<(u32, u32), u32> = HashMap::new();
    for seq in &log.seqs {
        let Some(place) = log.places.get_mut(seq) else { continue };
        if place.sender == SYSTEM || place.standing == Standing::Wrong {
            continue;
        }
        let send = history
            .clients
            .get(place.sender as usize)
            .and_then(|client| client.sends.get(place.number as usize))
            .filter(|send| send.conversation == conversation && send.outcome != Outcome::Unsent);
        let (sender, number) = (place.sender, place.number);
        let broken = match send {
            None => Some((Rule::Phantom, "nobody sent it".to_owned())),
            Some(send) if send.outcome == Outcome::Refused => {
                Some((Rule::AbortedRead, format!("send {number} of client {sender} was refused")))
            }
            Some(_) => seen.insert((sender, number), *seq).map(|first| {
                let detail = format!("send {number} of client {sender} stands at {first} too");
                (Rule::Duplicate, detail)
            }),
        };
        if let Some((rule, detail)) = broken {
            place.standing = Standing::Wrong;
            let site = Site::entry(conversation, *seq).sent(sender, number);
            findings.add(rule, site, || format!("conversation {conversation} seq {seq}: {detail}"));
        }
    }
}

/// What was acknowledged, or shown to anybody, is in the store's log.
fn lost(
    history: &History,
    conversation: u32,
    part: &Part<'_>,
    (account, stored): (&str, &[Observation]),
    log: &mut Log,
    findings: &mut Findings,
) {
    let in_store = sends_in(stored);
    let mut missing: Vec<(u32, u32, u32)> = part
        .acknowledged(history)
        .iter()
        .map(|(client, number, send)| (send.seq, *client, *number))
        .chain(log.places.iter().filter_map(|(seq, place)| {
            let is_message = place.standing != Standing::Wrong && place.sender != SYSTEM;
            is_message.then_some((*seq, place.sender, place.number))
        }))
        .filter(|(_, sender, number)| !in_store.contains(&(*sender, *number)))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    for (seq, sender, number) in missing {
        if let Some(place) = log.places.get_mut(&seq) {
            place.standing = Standing::Wrong;
        }
        findings.add(Rule::LostWrite, Site::entry(conversation, seq).sent(sender, number), || {
            format!(
                "conversation {conversation} seq {seq}: {account} lacks send {number} of client \
                 {sender}"
            )
        });
    }
}

/// Nobody sees what was written before it came or after it went.
fn outsiders(history: &History, client: u32, view: &View, findings: &mut Findings) {
    let (from, to) = history.membership(view.conversation, client);
    for seen in view.observations.iter().filter(|seen| !(from..=to).contains(&seen.seq)) {
        let site = Site::entry(view.conversation, seen.seq).at(client);
        findings.add(Rule::Leak, site, || {
            format!(
                "conversation {} seq {}: client {client} is a member from {from} to {to} only",
                view.conversation, seen.seq
            )
        });
    }
}

/// A member holds every good entry of the log. What it sent itself without an answer it cannot know.
fn unseen(
    client: u32,
    view: &View,
    own: &[u32],
    (from, to): (u32, u32),
    is_unanswered: impl Fn(u32) -> bool,
    log: &Log,
    findings: &mut Findings,
) {
    let observations = &view.observations;
    let mut held: Cursor = Cursor::default();
    for seq in own.iter().copied().chain(observations.iter().map(|seen| seen.seq)) {
        held.take(seq, ());
    }
    if held.contiguous() >= log.seqs.last().copied().unwrap_or(0) {
        return;
    }
    for seq in log.seqs.iter().filter(|seq| (from..=to).contains(*seq) && !held.holds(**seq)) {
        let Some(Place { sender, number, standing, .. }) = log.places.get(seq) else { continue };
        if *standing == Standing::Wrong || (*sender == client && is_unanswered(*number)) {
            continue;
        }
        findings.add(Rule::Unseen, Site::entry(view.conversation, *seq).at(client), || {
            let by_sync = observations.iter().filter(|seen| seen.via != Via::Live).count();
            format!(
                "conversation {} seq {seq} (send {number} of client {sender}) never came to \
                 client {client}, which got {} entries, {by_sync} of them by sync",
                view.conversation,
                observations.len()
            )
        });
    }
}
