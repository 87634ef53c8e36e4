//! The log of a tenant's notices in a sync. Its readers are no members: everybody of the tenant reads it, each entry blank
//! for whom it is not for. Who comes without a place in it gets what has not ended, the newest at most.

use std::collections::HashSet;

use proto::common::DeviceType;
use proto::id::{ConversationId, ConversationKey};
use tonic::Status;
use uuid::Uuid;

use super::{Cursor, Session, Start, Wanted};
use crate::clock::now_ms;
use crate::domain::entry::{Body, StoredEntry};
use crate::domain::reader::Reader;
use crate::notices::audience;
use crate::queries::errors::failed;
use crate::store::Room;
use crate::store::heads::Head;
use crate::store::notices::NEWEST;

/// Who asks for notices.
pub(super) struct NoticeReader {
    pub(super) device_type: DeviceType,
    pub(super) roles: Vec<String>,
}

impl Session {
    /// Sends what the device lacks of the log, from its place there.
    pub(super) async fn notices(
        &self,
        cursor: Option<Cursor>,
        is_same_epoch: bool,
        who: &NoticeReader,
        room: Room,
    ) -> Result<(), Status> {
        let turn = self.turns.take(&self.user_id).await;
        let Some(head) = self.notices_head().await? else {
            drop(turn);
            return match cursor {
                Some(_) => self.gone(ConversationId::notices(self.user_id.tenant())).await,
                None => Ok(()),
            };
        };
        let start = match cursor {
            Some(held) if is_same_epoch && self.is_same_notice(held, &head).await? => (held.seq
                < head.seq)
                .then_some(Start { after: held.seq, reset: false, skips: false, left: None }),
            held => Some(self.newest(&head, held.is_some()).await?),
        };
        drop(turn);
        let Some(start) = start else { return Ok(()) };
        let device_type = crate::queries::request::device_type(who.device_type as i32);
        let reader = Reader { user_id: &self.user_id, device_type, from_seq: 1, now_ms: now_ms() };
        let wanted = Wanted { states: false, notices: Some(who) };
        self.pages(&head, &reader, start, room, wanted).await
    }

    fn notices_log(&self) -> ConversationKey {
        let tenant = self.user_id.tenant();
        ConversationKey::new(tenant, ConversationId::notices(tenant))
    }

    async fn notices_head(&self) -> Result<Option<Head>, Status> {
        let tenant = self.user_id.tenant();
        let seq = self.store.notices_head(self.notices_log()).await.map_err(failed)?;
        let conversation_id = ConversationId::notices(tenant);
        let ids = self.store.entry_ids(tenant, &[(conversation_id, seq)]).await.map_err(failed)?;
        let entry_id = ids.get(&conversation_id).copied();
        Ok(entry_id.map(|entry_id| Head { conversation_id, seq, entry_id, from_seq: 1 }))
    }

    /// Whether what the device has at its place is what stands there.
    async fn is_same_notice(&self, held: Cursor, head: &Head) -> Result<bool, Status> {
        let Some(entry_id) = held.entry_id else { return Ok(held.seq <= head.seq) };
        if held.seq >= head.seq {
            return Ok(held.seq == head.seq && entry_id == head.entry_id);
        }
        let place = (head.conversation_id, held.seq);
        let ids = self.store.entry_ids(self.user_id.tenant(), &[place]).await.map_err(failed)?;
        Ok(ids.get(&head.conversation_id) == Some(&entry_id))
    }

    /// From the oldest on of the newest that have not ended; the last entry in any case, so that the device has a place.
    async fn newest(&self, head: &Head, reset: bool) -> Result<Start, Status> {
        let standing = self.store.standing_notices(self.notices_log(), now_ms(), NEWEST).await;
        let standing = standing.map_err(failed)?;
        let first = standing.last().and_then(|notice| notice.seq).unwrap_or(head.seq);
        let after = first.min(head.seq).saturating_sub(1);
        Ok(Start { after, reset, skips: after > 0, left: None })
    }

    /// Blanks what is not for the reader, or was taken back.
    pub(super) async fn blank_notices(
        &self,
        page: &mut [StoredEntry],
        who: &NoticeReader,
    ) -> Result<(), Status> {
        let is_notice = |stored: &&StoredEntry| stored.entry.target.is_none();
        let ids: Vec<Uuid> =
            page.iter().filter(is_notice).map(|stored| stored.entry.client_id.0).collect();
        let notices = self.store.notices_of(self.user_id.tenant(), &ids).await.map_err(failed)?;
        let is_seen = |id: &Uuid| {
            notices.get(id).is_some_and(|notice| {
                notice.withdrawn_at_ms.is_none()
                    && audience::write(&notice.audience).includes(
                        &self.user_id,
                        who.device_type,
                        &who.roles,
                    )
            })
        };
        let hidden: HashSet<Uuid> = ids.into_iter().filter(|id| !is_seen(id)).collect();
        for stored in page {
            let entry = &mut stored.entry;
            if entry.target.is_none() && hidden.contains(&entry.client_id.0) {
                let kind = entry.body.kind().to_owned();
                entry.body = Body::Other { kind, content: "{}".to_owned() };
            }
        }
        Ok(())
    }
}
