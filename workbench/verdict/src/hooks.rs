//! Judges what a receiver of webhooks was told: everything that the logs have, each conversation in its order, repeats by their
//! ids alone, and all of it signed. Must not connect to anything.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::scenario::{Found, Judgement};

/// Everything that was done and seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Account {
    /// The logs at the end: the ids of the entries, from the first.
    pub logs: BTreeMap<Uuid, Vec<Uuid>>,
    /// What came, in the order in which it was read.
    pub deliveries: Vec<Delivery>,
    /// How often the receiver went away.
    pub absences: u64,
    /// Events that the server gave up.
    pub given_up: u64,
    /// What keeps the verdict from being valid.
    pub doubts: Vec<String>,
}

/// One request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// When it was read, as the number of a moment of the receiver.
    pub began: u64,
    /// When it was answered as taken; absent when it was not, or when nobody can tell.
    pub taken: Option<u64>,
    /// Its header `webhook-id`.
    pub id: Uuid,
    /// Its signature.
    pub signature: Signature,
    /// What it says.
    pub event: Option<Event>,
}

/// What a signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// Of this body, and of now.
    Good,
    /// Of this body, and of another time: the clock of the server is off. It is not taken.
    OtherTime,
    /// There is none, or it is of something else.
    Wrong,
}

/// What an event says of its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its own id.
    pub id: Uuid,
    /// The tenant.
    pub tenant: String,
    /// The conversation.
    pub conversation: Uuid,
    /// The place by the attribute `sequence`.
    pub sequence: u64,
    /// The entry in it: its id and its place.
    pub entry: Option<(Uuid, u64)>,
}

/// Judges a run of a tenant; the verdict is unknown with fewer events.
pub fn judge(account: &Account, tenant: &str, least_events: u64) -> Judgement {
    let mut found = Found::default();
    found.count("absences of the receiver", account.absences);
    found.count("deliveries", account.deliveries.len() as u64);
    let mut signed: HashMap<Uuid, Vec<&Delivery>> = HashMap::new();
    for delivery in &account.deliveries {
        match (delivery.signature, &delivery.event) {
            (Signature::Wrong, _) => {
                found.broken("wrong-signature", || format!("{}", delivery.id));
            }
            (Signature::OtherTime, _) => found.count("signed at another time, not taken", 1),
            (Signature::Good, None) => {
                found.broken("unreadable", || format!("the body of {}", delivery.id));
            }
            (Signature::Good, Some(event)) => {
                about(delivery, event, tenant, account, &mut found);
                signed.entry(event.conversation).or_default().push(delivery);
            }
        }
    }
    for (conversation, log) in &account.logs {
        let deliveries = signed.get(conversation).map_or(&[][..], Vec::as_slice);
        order(*conversation, log, deliveries, &mut found);
    }
    found.holds(account.given_up == 0, "given-up", || {
        format!("{} events were given up", account.given_up)
    });
    for doubt in &account.doubts {
        found.doubt(doubt.clone());
    }
    found.judgement(&[("events taken", least_events), ("absences of the receiver", 1)])
}

/// An event is what the log has in its place.
fn about(delivery: &Delivery, event: &Event, tenant: &str, account: &Account, found: &mut Found) {
    let place = |log: &Vec<Uuid>| {
        let before = usize::try_from(event.sequence).ok()?.checked_sub(1)?;
        log.get(before).copied()
    };
    let in_log = account.logs.get(&event.conversation).and_then(place);
    found.holds(event.tenant == tenant, "leak", || format!("{event:?}"));
    found.holds(in_log == Some(event.id), "phantom", || {
        format!("{event:?}; the log has {in_log:?} there")
    });
    let is_whole = event.entry.is_none_or(|entry| entry == (event.id, event.sequence));
    found.holds(delivery.id == event.id && is_whole, "id-differs", || {
        format!("{} holds {event:?}", delivery.id)
    });
}

/// Each place comes when the one before it was taken, and all of them come.
fn order(conversation: Uuid, log: &[Uuid], deliveries: &[&Delivery], found: &mut Found) {
    // Of each place, the moment from which it counts as taken.
    let mut taken: BTreeMap<u64, u64> = BTreeMap::new();
    let mut came: BTreeSet<u64> = BTreeSet::new();
    for delivery in deliveries {
        let (Some(at), Some(event)) = (delivery.taken, &delivery.event) else { continue };
        let first = taken.entry(event.sequence).or_insert(at);
        *first = at.min(*first);
    }
    for delivery in deliveries {
        let Some(event) = &delivery.event else { continue };
        let seq = event.sequence;
        if !came.insert(seq) {
            found.count("repeats", 1);
        } else if seq > 1 {
            let before = taken.get(&(seq - 1));
            found.holds(before.is_some_and(|at| *at < delivery.began), "out-of-order", || {
                format!("{conversation}: {seq} came before {} was taken", seq - 1)
            });
        }
    }
    for seq in 1..=log.len() as u64 {
        if taken.contains_key(&seq) {
            found.count("events taken", 1);
        } else {
            found.broken("lost-event", || format!("{conversation}: {seq} of {}", log.len()));
        }
    }
}
