//! One round: who of the members of some conversations is told now, and handing that over.

use std::collections::{HashMap, HashSet};

use proto::id::{ConversationKey, UserId, UserName};

use super::decide::{Decision, Member, Now, Times, decide};
use super::hourly::Hourly;
use super::jobs::{Message, content, job, once_more};
use super::notices::{self, is_notices, type_of};
use super::parts::Parts;
use super::rules::Rule;
use super::send::{Sending, again};
use super::told::Told;
use super::wheel::Waiting;
use super::wishes::Wishes;
use crate::store::StoreError;
use crate::store::push::{Candidate, Of, PushDevice, PushPlace};
use crate::store::tail::Position;

/// Members of a large conversation that are read at a time.
const PAGE: u32 = 1_000;

/// What is to be decided again: the conversation, when, and from which message on.
pub(super) type Again = (Waiting, u64, u64);

/// A user who is told.
pub(super) struct Pushed<'t> {
    pub(super) user_id: UserId,
    pub(super) place: &'t PushPlace,
    pub(super) newest: &'t Told,
    pub(super) count: u32,
    pub(super) rule: Rule,
    pub(super) is_urgent: bool,
    /// What it holds of the follower's place until it is answered.
    pub(super) position: Option<Position>,
    /// When an operator asked for it, in Unix milliseconds, where it was told before.
    pub(super) asked_ms: Option<u64>,
    /// Codes of the types of devices that are told; all, where there are none.
    pub(super) types: Option<Vec<i16>>,
}

impl Pushed<'_> {
    /// Whether a device is of a type that is told.
    fn is_for(&self, device: &PushDevice) -> bool {
        let Some(types) = &self.types else { return true };
        type_of(device.provider).is_some_and(|of| types.contains(&of.code()))
    }
}

/// Decides about conversations. On an error nothing was handed over, and all of it is to be decided again.
pub(super) async fn run(
    parts: &Parts,
    hourly: &mut Hourly,
    due: &[Waiting],
) -> Result<Vec<Again>, StoreError> {
    let keys: Vec<_> = due.iter().map(|waiting| waiting.key).collect();
    let large = parts.push.config.large_members;
    let places = parts.store.push_places(&keys, large).await?;
    let places: HashMap<_, _> = places.into_iter().map(|place| (place.key, place)).collect();
    let candidates = candidates(parts, due, &places).await?;
    let connected = connected(parts, &candidates).await;
    let wishes = Wishes::read(&*parts.store, &candidates).await?;
    let now = parts.now();
    let config = &parts.push.config;
    let times = Times { after_ms: config.after_ms, between_ms: config.between_ms };
    let mut decided = 0;
    let (mut pushed, mut later) = (Vec::new(), Vec::new());
    for waiting in due {
        let Some(place) = places.get(&waiting.key) else { continue };
        if is_notices(waiting.key) {
            later.extend(notices::run(parts, hourly, place, waiting).await?);
            continue;
        }
        let mut next: Option<(u64, u64)> = None;
        for row in candidates.get(&waiting.key).into_iter().flatten() {
            let row = with_underway(parts, row);
            let is_connected = connected.as_ref().is_none_or(|it| it.contains(&row.user_id));
            let mute = wishes.mute(&row.user_id, row.key);
            let member = Member { row: &row, is_connected, mute };
            decided += 1;
            match decide(waiting.told.iter(), place, member, times, &parts.push.rules, now) {
                Decision::Nothing => {}
                Decision::Wait { until_ms, from_seq } => {
                    let (until, from) = next.unwrap_or((u64::MAX, u64::MAX));
                    next = Some((until.min(until_ms), from.min(from_seq)));
                }
                Decision::Push { newest, count, rule, is_urgent } => {
                    let user_id = row.user_id.clone();
                    let types = None;
                    pushed.push(Pushed {
                        user_id,
                        place,
                        newest,
                        count,
                        rule,
                        is_urgent,
                        position: Some(waiting.position),
                        asked_ms: None,
                        types,
                    });
                }
            }
        }
        if let Some((until_ms, from_seq)) = next {
            later.push((waiting.clone(), until_ms, from_seq));
        }
    }
    parts.metrics.decided(decided);
    hand_over(parts, hourly, &wishes, &pushed, now).await?;
    Ok(later)
}

/// Members who lack something and have a device, by conversation.
async fn candidates(
    parts: &Parts,
    due: &[Waiting],
    places: &HashMap<ConversationKey, PushPlace>,
) -> Result<HashMap<ConversationKey, Vec<Candidate>>, StoreError> {
    let mut found: HashMap<ConversationKey, Vec<Candidate>> = HashMap::new();
    let newest = |waiting: &Waiting| waiting.told.last().map_or(0, |told| told.seq);
    let small: Vec<_> = due
        .iter()
        .filter(|waiting| places.get(&waiting.key).is_some_and(|place| !place.is_large))
        .filter(|waiting| !is_notices(waiting.key))
        .map(|waiting| (waiting.key, newest(waiting)))
        .collect();
    if !small.is_empty() {
        for row in parts.store.push_candidates(&small).await? {
            found.entry(row.key).or_default().push(row);
        }
    }
    for waiting in due {
        if places.get(&waiting.key).is_none_or(|place| !place.is_large) {
            continue;
        }
        let rows = of_large(parts, waiting, newest(waiting)).await?;
        found.insert(waiting.key, rows);
    }
    Ok(found)
}

/// Of a large conversation all members, where a message is for all; else those who are named.
async fn of_large(
    parts: &Parts,
    waiting: &Waiting,
    newest: u64,
) -> Result<Vec<Candidate>, StoreError> {
    let is_for_all = waiting.told.iter().any(Told::is_for_all) || parts.push.rules.tells_large();
    if is_for_all {
        let mut all: Vec<Candidate> = Vec::new();
        loop {
            let last = all.last().map(|row| row.user_id.name());
            let of = Of::After(last.as_ref());
            let page = parts.store.push_candidates_of(waiting.key, newest, of, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }
    let names: HashSet<&UserName> = waiting.told.iter().flat_map(|told| &told.mentions).collect();
    let names: Vec<UserName> = names.into_iter().cloned().collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let most = names.len() as u32;
    parts.store.push_candidates_of(waiting.key, newest, Of::Named(&names), most).await
}

/// Who of them has a connection; none when presence does not answer: then everybody may have one, and the cursors decide.
pub(super) async fn connected(
    parts: &Parts,
    candidates: &HashMap<ConversationKey, Vec<Candidate>>,
) -> Option<HashSet<UserId>> {
    let users: HashSet<&UserId> = candidates.values().flatten().map(|row| &row.user_id).collect();
    if users.is_empty() {
        return Some(HashSet::new());
    }
    let users: Vec<UserId> = users.into_iter().cloned().collect();
    match parts.directory.locate(&users, "").await {
        Ok(located) => Some(located.devices.into_keys().collect()),
        Err(error) => {
            tracing::debug!(%error, "who is connected is not known; pushes wait");
            None
        }
    }
}

/// What is under way to a provider was told already.
pub(super) fn with_underway(parts: &Parts, row: &Candidate) -> Candidate {
    let mut row = row.clone();
    if let Some((seq, at_ms)) = parts.underway.told(&row.user_id, row.key)
        && seq > row.sent_seq
    {
        (row.sent_seq, row.sent_at_ms) = (seq, at_ms);
    }
    row
}

pub(super) async fn hand_over(
    parts: &Parts,
    hourly: &mut Hourly,
    wishes: &Wishes,
    pushed: &[Pushed<'_>],
    now: Now,
) -> Result<(), StoreError> {
    if pushed.is_empty() {
        return Ok(());
    }
    let users: HashSet<&UserId> = pushed.iter().map(|it| &it.user_id).collect();
    let users: Vec<UserId> = users.into_iter().cloned().collect();
    let mut devices: HashMap<UserId, Vec<PushDevice>> = HashMap::new();
    for device in parts.store.push_devices(&users).await? {
        devices.entry(device.user_id.clone()).or_default().push(device);
    }
    let badges: HashMap<UserId, u32> = if parts.push.config.badge {
        parts.store.push_badges(&users).await?.into_iter().collect()
    } else {
        HashMap::new()
    };
    for it in pushed {
        let Some(own) = devices.get(&it.user_id) else { continue };
        let is_counted = !matches!(it.rule, Rule::Mention | Rule::MutedMention | Rule::Call);
        if is_counted && !hourly.takes(&it.user_id, now.ms) {
            for device in own {
                parts.metrics.push(device.provider, "rate");
            }
            continue;
        }
        let badge =
            parts.push.config.badge.then(|| badges.get(&it.user_id).copied().unwrap_or_default());
        let message = Message {
            place: it.place,
            newest: it.newest,
            count: it.count,
            rule: it.rule,
            is_urgent: it.is_urgent,
            badge,
            ttl_secs: parts.push.config.ttl_secs,
        };
        let place = (it.user_id.clone(), it.place.key);
        let allowed = wishes.content(&it.user_id, parts.push.config.content);
        let ticket = parts.underway.ticket(place, it.position, it.newest.seq, now.wall_ms);
        for device in own.iter().filter(|device| message.is_for(device) && it.is_for(device)) {
            if !parts.senders.has(device.provider) {
                parts.metrics.push(device.provider, "dropped");
                continue;
            }
            let note = message.note(content(allowed, device));
            let sending = Sending {
                device: device.clone(),
                job: once_more(job(device, note), it.asked_ms),
                attempt: 0,
                made_at_ms: now.wall_ms,
                ticket: Some(std::sync::Arc::clone(&ticket)),
            };
            if let Err(full) = parts.senders.send(sending) {
                parts.metrics.push(device.provider, "retry");
                again(parts, &full, 0, "too many pushes wait for this provider").await;
                let sent = crate::store::push::PushSent {
                    user_id: it.user_id.clone(),
                    key: it.place.key,
                    seq: it.newest.seq,
                    at_ms: now.wall_ms,
                };
                parts.store.keep_pushed(&[sent]).await?;
            }
        }
    }
    Ok(())
}
