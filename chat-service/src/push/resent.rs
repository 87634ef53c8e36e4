//! Offline pushes of notices that an operator has sent again: it is decided who is told as the first time, but that somebody
//! was told before does not count. Done by the process that has the follower, a page of users at a time; a process that ends
//! meanwhile leaves all of it to the next one, whose pushes have the same ids.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use platform::shutdown::Shutdown;
use proto::id::{UserId, UserName};

use super::decide::{Decision, Member, Times, decide};
use super::hourly::Hourly;
use super::notices::{is_for, is_notices, types_of};
use super::parts::Parts;
use super::round::{Pushed, connected, hand_over, with_underway};
use super::send::log;
use super::told::{Told, entry_told};
use super::wishes::Wishes;
use crate::domain::notice::Notice;
use crate::store::push::{Candidate, Of, PushPlace};
use crate::store::tail::LogKind;
use crate::store::{Page, Room, StoreError};

const EVERY: Duration = Duration::from_secs(1);
/// Notices that are looked for at once.
const AT_ONCE: u32 = 16;
/// What was asked for longer ago is not done any more: nobody could do it for all that time.
const LATEST_MS: u64 = 3_600_000;
/// Users that are read at a time.
const PAGE: u32 = 1_000;

/// Until stopping has begun.
pub(super) async fn run(parts: Parts, shutdown: Shutdown) {
    let mut hourly = Hourly::new(parts.push.config.per_hour);
    loop {
        if parts.is_owner() {
            let done = due(&parts, &mut hourly, &shutdown).await;
            log(done, "the push of a notice is sent again later");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.begun() => return,
        }
    }
}

async fn due(parts: &Parts, hourly: &mut Hourly, shutdown: &Shutdown) -> Result<(), StoreError> {
    let since_ms = parts.now().wall_ms.saturating_sub(LATEST_MS);
    for (notice, asked_ms) in parts.store.resends(since_ms, AT_ONCE).await? {
        if !resend(parts, hourly, (&notice, asked_ms), shutdown).await? {
            return Ok(());
        }
        parts.store.did_resend(notice.tenant, notice.id, asked_ms).await?;
    }
    Ok(())
}

/// What is sent again.
struct Resend<'a> {
    notices: HashMap<uuid::Uuid, Notice>,
    place: &'a PushPlace,
    told: &'a Told,
    asked_ms: u64,
}

/// Goes through all who may be told; `false` when stopping began first.
async fn resend(
    parts: &Parts,
    hourly: &mut Hourly,
    (notice, asked_ms): (&Notice, u64),
    shutdown: &Shutdown,
) -> Result<bool, StoreError> {
    let key = notice.log();
    let large = parts.push.config.large_members;
    let place = parts.store.push_places(&[key], large).await?.into_iter().next();
    let (Some(place), Some(told)) = (place, told(parts, notice).await?) else { return Ok(true) };
    let notices = HashMap::from([(notice.id, notice.clone())]);
    let resend = Resend { notices, place: &place, told: &told, asked_ms };
    let mut after = None;
    loop {
        let page = if is_notices(key) {
            parts.store.notice_candidates(key, after.as_ref(), PAGE).await?
        } else {
            let of = Of::After(after.as_ref());
            parts.store.push_candidates_of(key, told.seq, of, PAGE).await?
        };
        let is_last = page.len() < PAGE as usize;
        after = page.last().map(|row| row.user_id.name());
        let rows = HashMap::from([(key, page)]);
        let Some(connected) = connected_now(parts, &rows, shutdown).await else {
            return Ok(false);
        };
        of_page(parts, hourly, &resend, (&rows, &connected)).await?;
        if is_last {
            return Ok(true);
        }
    }
}

/// The notice as a push tells it; none where it is over, or nobody is told of it.
async fn told(parts: &Parts, notice: &Notice) -> Result<Option<Told>, StoreError> {
    let Some(seq) = notice.seq.filter(|_| !notice.is_over(parts.now().wall_ms)) else {
        return Ok(None);
    };
    let (page, room) =
        (Page::After(seq.saturating_sub(1)), Room { entries: 1, bytes: usize::MAX >> 1 });
    let found = parts.store.entries(notice.log(), page, 1, room).await?;
    let kind = if is_notices(notice.log()) { LogKind::Notices } else { LogKind::Group };
    let entry = found.into_iter().find(|stored| stored.entry.seq == seq);
    Ok(entry.and_then(|entry| entry_told(entry, kind)))
}

/// Who of them has a connection; waits until presence answers. None when stopping began first.
async fn connected_now(
    parts: &Parts,
    rows: &HashMap<proto::id::ConversationKey, Vec<Candidate>>,
    shutdown: &Shutdown,
) -> Option<HashSet<UserId>> {
    loop {
        if shutdown.is_begun() {
            return None;
        }
        if let Some(connected) = connected(parts, rows).await {
            return Some(connected);
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.begun() => return None,
        }
    }
}

async fn of_page(
    parts: &Parts,
    hourly: &mut Hourly,
    resend: &Resend<'_>,
    (rows, connected): (&HashMap<proto::id::ConversationKey, Vec<Candidate>>, &HashSet<UserId>),
) -> Result<(), StoreError> {
    let Resend { notices, place, told, asked_ms } = resend;
    let key = place.key;
    let is_of_tenant = is_notices(key);
    let page = rows.get(&key).map_or(&[][..], Vec::as_slice);
    let names: Vec<UserName> = page.iter().map(|row| row.user_id.name()).collect();
    let mut marked = HashSet::new();
    for id in notices.keys() {
        marked.extend(parts.store.notice_marked(key.tenant, *id, &names).await?);
    }
    let wishes = Wishes::read(&*parts.store, rows).await?;
    let (now, config) = (parts.now(), &parts.push.config);
    let times = Times { after_ms: config.after_ms, between_ms: config.between_ms };
    let is_asked = |row: &&Candidate| {
        !connected.contains(&row.user_id)
            && !marked.contains(&row.user_id.name())
            && (!is_of_tenant || is_for(told, notices, &row.user_id))
    };
    let mut pushed = Vec::new();
    for row in page.iter().filter(is_asked) {
        let row = with_underway(parts, &Candidate { sent_seq: 0, sent_at_ms: 0, ..row.clone() });
        let mute = if is_of_tenant { None } else { wishes.mute(&row.user_id, key) };
        let member = Member { row: &row, is_connected: false, mute };
        let decision = decide(std::iter::once(*told), place, member, times, &parts.push.rules, now);
        if let Decision::Push { newest, count, rule, is_urgent } = decision {
            pushed.push(Pushed {
                user_id: row.user_id.clone(),
                place,
                newest,
                count,
                rule,
                is_urgent,
                position: None,
                asked_ms: Some(*asked_ms),
                types: types_of(told, notices).map(<[i16]>::to_vec),
            });
        }
    }
    parts.metrics.decided(page.len());
    hand_over(parts, hourly, &wishes, &pushed, now).await
}
