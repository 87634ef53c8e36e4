//! Who is told of the notices of a tenant's log: everybody of the tenant reads it and nobody is a member, so it is asked who
//! has a device, page by page, and each page is handed over before the next is read.

use std::collections::{BTreeSet, HashMap};

use proto::id::{ConversationId, ConversationKey, UserId};
use push::Provider;
use uuid::Uuid;

use super::decide::{Decision, Member, Times, decide};
use super::hourly::Hourly;
use super::parts::Parts;
use super::round::{Again, Pushed, connected, hand_over, with_underway};
use super::told::Told;
use super::wheel::Waiting;
use super::wishes::Wishes;
use crate::domain::entry::DeviceType;
use crate::domain::notice::{Audience, Notice};
use crate::store::StoreError;
use crate::store::push::{Candidate, PushPlace};

/// Users that are read at a time.
const PAGE: u32 = 1_000;

/// Whether a log is that of a tenant's notices.
pub(super) fn is_notices(key: ConversationKey) -> bool {
    key.id == ConversationId::notices(key.tenant)
}

/// Of which type a device is, by who brings pushes to it; not known of those that a webhook tells.
pub(super) fn type_of(provider: Provider) -> Option<DeviceType> {
    match provider {
        Provider::WebPush => Some(DeviceType::Web),
        Provider::Fcm => Some(DeviceType::Android),
        Provider::Apns => Some(DeviceType::Ios),
        Provider::Webhook => None,
    }
}

/// Decides about the notices that wait. On an error all of it is to be decided again: who was told is known by then.
pub(super) async fn run(
    parts: &Parts,
    hourly: &mut Hourly,
    place: &PushPlace,
    waiting: &Waiting,
) -> Result<Option<Again>, StoreError> {
    let notices = audiences(parts, waiting).await?;
    let mut next: Option<(u64, u64)> = None;
    let mut after = None;
    loop {
        let page = parts.store.notice_candidates(waiting.key, after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        after = page.last().map(|row| row.user_id.name());
        let later = of_page(parts, hourly, (place, waiting), &notices, page).await?;
        next = [next, later]
            .into_iter()
            .flatten()
            .reduce(|one, other| (one.0.min(other.0), one.1.min(other.1)));
        if is_last {
            return Ok(next.map(|(until_ms, from_seq)| (waiting.clone(), until_ms, from_seq)));
        }
    }
}

/// Whom each of the notices is for, by id.
async fn audiences(parts: &Parts, waiting: &Waiting) -> Result<HashMap<Uuid, Notice>, StoreError> {
    let ids: Vec<Uuid> = waiting.told.iter().filter_map(|told| told.notice).collect();
    parts.store.notices_of(waiting.key.tenant, &ids).await
}

/// When the rest of a page is decided, and from which notice on.
async fn of_page(
    parts: &Parts,
    hourly: &mut Hourly,
    (place, waiting): (&PushPlace, &Waiting),
    notices: &HashMap<Uuid, Notice>,
    page: Vec<Candidate>,
) -> Result<Option<(u64, u64)>, StoreError> {
    let rows = HashMap::from([(waiting.key, page)]);
    let connected = connected(parts, &rows).await;
    let wishes = Wishes::read(&*parts.store, &rows).await?;
    let now = parts.now();
    let config = &parts.push.config;
    let times = Times { after_ms: config.after_ms, between_ms: config.between_ms };
    let kinds: BTreeSet<_> = waiting.told.iter().map(|told| types_of(told, notices)).collect();
    let (mut pushed, mut next) = (Vec::new(), None::<(u64, u64)>);
    for row in rows.get(&waiting.key).into_iter().flatten() {
        let row = with_underway(parts, row);
        let is_connected = connected.as_ref().is_none_or(|it| it.contains(&row.user_id));
        let member = Member { row: &row, is_connected, mute: None };
        // Of those for some types of devices each type hears apart: the newest of all may be for another one.
        for types in &kinds {
            let own = waiting.told.iter().filter(|told| {
                is_for(told, notices, &row.user_id) && types_of(told, notices) == *types
            });
            match decide(own, place, member, times, &parts.push.rules, now) {
                Decision::Nothing => {}
                Decision::Wait { until_ms, from_seq } => {
                    let (until, from) = next.unwrap_or((u64::MAX, u64::MAX));
                    next = Some((until.min(until_ms), from.min(from_seq)));
                }
                Decision::Push { newest, count, rule, is_urgent } => {
                    let (user_id, types) = (row.user_id.clone(), types.map(<[i16]>::to_vec));
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
    }
    parts.metrics.decided(rows.values().map(Vec::len).sum());
    hand_over(parts, hourly, &wishes, &pushed, now).await?;
    Ok(next)
}

/// Whether a notice is for a user, as far as that is known of one who is not connected: a role is that of a token.
pub(super) fn is_for(told: &Told, notices: &HashMap<Uuid, Notice>, user_id: &UserId) -> bool {
    let Some(notice) = told.notice.and_then(|id| notices.get(&id)) else { return false };
    if notice.withdrawn_at_ms.is_some() {
        return false;
    }
    match &notice.audience {
        Audience::All | Audience::DeviceTypes(_) => true,
        Audience::Users(users) => users.binary_search(&user_id.name()).is_ok(),
        Audience::Roles(_) | Audience::Conversation(_) => false,
    }
}

/// The types of devices that a notice is for alone, by their codes.
pub(super) fn types_of<'n>(told: &Told, notices: &'n HashMap<Uuid, Notice>) -> Option<&'n [i16]> {
    match &notices.get(&told.notice?)?.audience {
        Audience::DeviceTypes(codes) => Some(codes),
        _ => None,
    }
}
