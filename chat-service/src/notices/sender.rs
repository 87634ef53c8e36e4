//! Notices that are due: each becomes an operation of its operator for the partition of its log, and what was appended is
//! told to all gateways. The process that claimed a notice works on it; when it dies, another does it again, which
//! changes nothing: the client id of the entry is the notice's, and gateways know a repeat.

use std::time::Duration;

use ::bus::Lane;
use platform::shutdown::Shutdown;
use proto::bus::operation::Action;
use proto::bus::{
    self, Broadcast, Frame, FrameBatch, Origin, PostNotice, Push, PushBatch, frame::Body, push,
};
use proto::id::{ClientId, EntryId};
use proto::{frame, partition};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::{NoticeParts, audience};
use crate::clock::now_ms;
use crate::domain::entry::StoredEntry;
use crate::domain::notice::{Audience, Notice, Priority, Work};
use crate::encode::{self, Shown};
use crate::store::{Page, Room, StoreError};

/// Notices that are claimed at once.
const AT_ONCE: u32 = 16;
/// How often it is looked whether the log has an operation.
const LOOK: Duration = Duration::from_millis(10);
/// How long, at most, before the others have their turn.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sends what is due until stopping has begun.
pub(super) async fn run(parts: NoticeParts, shutdown: Shutdown) {
    let poll = Duration::from_millis(parts.config.poll_ms.max(10));
    loop {
        let now = now_ms();
        let until = now + parts.config.claim_ms.max(PATIENCE.as_millis() as u64 * 2);
        // Not inside the select: a database future is never cancelled half-way.
        match parts.store.claim_notices(now, until, AT_ONCE).await {
            Ok(claimed) => {
                for notice in claimed {
                    if shutdown.is_begun() {
                        return;
                    }
                    let id = notice.id;
                    if let Err(error) = work(&parts, notice).await {
                        tracing::warn!(%error, notice.id = %id, "a notice waits for another try");
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "notices that are due are not known"),
        }
        tokio::select! {
            () = tokio::time::sleep(poll) => {}
            () = parts.woken.notified() => {}
            () = shutdown.begun() => return,
        }
    }
}

/// Why a step of a notice has to be tried again.
#[derive(Debug, thiserror::Error)]
enum Again {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the bus does not take it: {0}")]
    Bus(#[from] ::bus::PublishError),
    #[error("its log has not taken it yet")]
    Log,
}

async fn work(parts: &NoticeParts, notice: Notice) -> Result<(), Again> {
    match notice.work {
        Work::Nothing => Ok(()),
        Work::Append => append(parts, notice).await,
        Work::Push => push(parts, &notice).await,
        Work::Withdraw => withdraw(parts, &notice).await,
    }
}

/// Appends a notice, and tells of it.
async fn append(parts: &NoticeParts, mut notice: Notice) -> Result<(), Again> {
    if notice.is_over(now_ms()) {
        return Ok(parts.store.did_notice(&notice, None, Work::Nothing).await?);
    }
    let client_id = ClientId(notice.id);
    let action =
        PostNotice { content: notice.content.clone(), expires_at_ms: notice.expires_at_ms };
    let appended = operate(parts, &notice, client_id, Action::PostNotice(action)).await;
    match appended {
        Ok(seq) => {
            let next = if is_told(&notice) { Work::Push } else { Work::Nothing };
            parts.store.did_notice(&notice, Some(seq), next).await?;
            parts.metrics.sent.inc();
            (notice.seq, notice.work) = (Some(seq), next);
            if next == Work::Push { push(parts, &notice).await } else { Ok(()) }
        }
        Err(_) if notice.attempts >= parts.config.attempts.max(1) => {
            parts.metrics.failed.inc();
            tracing::error!(notice.id = %notice.id, attempts = notice.attempts, "a notice is given up");
            Ok(parts.store.did_notice(&notice, None, Work::Nothing).await?)
        }
        Err(again) => Err(again),
    }
}

/// Members of a conversation hear of its entries from the partition that appends them; of a low one devices are told the head.
fn is_told(notice: &Notice) -> bool {
    notice.priority != Priority::Low && !matches!(notice.audience, Audience::Conversation(_))
}

/// Tells of an entry of the tenant's log of notices.
async fn push(parts: &NoticeParts, notice: &Notice) -> Result<(), Again> {
    if let Some(seq) = notice.seq {
        tell(parts, notice, seq).await?;
    }
    Ok(parts.store.did_notice(notice, notice.seq, Work::Nothing).await?)
}

/// Tells that a notice was taken back, where it was ever told.
async fn withdraw(parts: &NoticeParts, notice: &Notice) -> Result<(), Again> {
    let seq = match notice.seq {
        Some(seq) => Some(seq),
        None => place(parts, notice, ClientId(notice.id)).await?,
    };
    // Of what has ended there is nothing to tell.
    let is_given_up = notice.attempts >= parts.config.attempts.max(1);
    let seq = seq.filter(|_| notice.expires_at_ms > now_ms() && !is_given_up);
    let Some(seq) = seq else {
        return Ok(parts.store.did_notice(notice, None, Work::Nothing).await?);
    };
    let client_id = withdrawal_of(notice);
    let action = Action::Delete(bus::Delete { seq, ..bus::Delete::default() });
    let told = operate(parts, notice, client_id, action).await?;
    if is_told(notice) {
        tell(parts, notice, told).await?;
    }
    Ok(parts.store.did_notice(notice, Some(seq), Work::Nothing).await?)
}

/// Hands an operation to the partition of the notice's log, and waits until it is in the log; its place there.
async fn operate(
    parts: &NoticeParts,
    notice: &Notice,
    client_id: ClientId,
    action: Action,
) -> Result<u64, Again> {
    if let Some(seq) = place(parts, notice, client_id).await? {
        return Ok(seq);
    }
    let log = notice.log().id;
    let operation = bus::Operation {
        conversation_id: log.to_bytes(),
        refusal: String::new(),
        action: Some(action),
    };
    let frame = Frame {
        origin: Some(Origin {
            user_id: notice.author().to_string(),
            admin: true,
            ..Origin::default()
        }),
        client_id: client_id.to_bytes(),
        ..Frame::from(Body::Operation(operation))
    };
    // Nobody waits for its answer: the log says whether it is there.
    let batch = FrameBatch { gateway: None, frames: vec![frame], oldest_ms: now_ms() };
    let partition = partition::of_conversation(log, parts.bus.partitions());
    parts.bus.publish_frames(Lane::Chat, partition, batch).await?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
        if let Some(seq) = place(parts, notice, client_id).await? {
            return Ok(seq);
        }
    }
    Err(Again::Log)
}

/// Where an operation is in the log.
async fn place(
    parts: &NoticeParts,
    notice: &Notice,
    client_id: ClientId,
) -> Result<Option<u64>, StoreError> {
    let found = parts.store.find_client_ids(&[(notice.author(), client_id)]).await?;
    let log = notice.log();
    Ok(found.into_iter().flatten().find(|it| it.conversation == log).map(|it| it.seq))
}

/// Hands an entry of the tenant's log of notices to all gateways.
async fn tell(parts: &NoticeParts, notice: &Notice, seq: u64) -> Result<(), Again> {
    let (page, room) =
        (Page::After(seq.saturating_sub(1)), Room { entries: 1, bytes: usize::MAX >> 1 });
    let found = parts.store.entries(notice.log(), page, 1, room).await?;
    let Some(stored) = found.into_iter().find(|stored| stored.entry.seq == seq) else {
        return Ok(());
    };
    let broadcast = broadcast(notice, stored);
    let told = if broadcast.urgent {
        let pushes = vec![Push::from(push::Body::Urgent(broadcast))];
        parts.bus.publish_urgent(None, PushBatch { pushes }).await
    } else {
        parts.bus.broadcast(broadcast).await
    };
    match told {
        // No gateway is there: a client that connects asks how far the log is.
        Ok(()) | Err(::bus::PublishError::Unroutable) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn broadcast(notice: &Notice, stored: StoredEntry) -> Broadcast {
    let EntryId(id) = stored.entry.id;
    let (seq, is_notice) = (stored.entry.seq, stored.entry.target.is_none());
    // That one was taken back is told to everybody.
    let audience =
        if is_notice { audience::write(&notice.audience) } else { audience::write(&Audience::All) };
    let blank = match &notice.audience {
        Audience::All => bytes::Bytes::new(),
        _ if !is_notice => bytes::Bytes::new(),
        _ => encode::entry(stored.clone(), Shown::Blank),
    };
    Broadcast {
        id: id.as_bytes().to_vec().into(),
        frame: encode::entry(stored, Shown::Whole),
        traceparent: String::new(),
        tenant: notice.tenant.to_field(),
        conversation_id: notice.log().id.to_bytes(),
        seq,
        blank,
        audience: Some(audience),
        unkept: if is_notice { unkept(notice) } else { bytes::Bytes::new() },
        urgent: is_notice && notice.priority == Priority::High,
    }
}

/// The frame for clients that keep no log of notices: as of a broadcast.
fn unkept(notice: &Notice) -> bytes::Bytes {
    let content = RawValue::from_string(notice.content.clone()).unwrap_or_default();
    let (id, timestamp) = (notice.id, notice.starts_at_ms);
    frame::server::Notice { id, content, sender: None, timestamp }.to_frame_json()
}

/// The client id of the operation that takes a notice back: the same for each operator.
fn withdrawal_of(notice: &Notice) -> ClientId {
    let mut hash = Sha256::new();
    hash.update(b"withdraw\0");
    hash.update(notice.id.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    ClientId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
