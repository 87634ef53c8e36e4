//! What users write and have not sent: what is kept, and what was kept in one place before, which is still in the log.

use proto::chat::{
    DraftHistoryReply, DraftHistoryRequest, ListDraftsReply, ListDraftsRequest, OwnDraft,
};
use proto::id::{ConversationId, ConversationKey};
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::errors::failed;
use super::fill::Fill;
use super::request::{conversation_id, user};
use crate::clock::now_ms;
use crate::domain::drafts::{DraftContent, DraftPlace, KeptDraft, MAX_DRAFTS};
use crate::domain::entry::{Body, OwnKind, StoredEntry};
use crate::store::{Page, Room};

/// Drafts that are read at once: each may be large.
const ROWS: u32 = 32;
/// What was kept in one place before is told of so many,
const MOST_EARLIER: usize = 20;
/// which are at most so old,
const EARLIER_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// and among so many of the newest entries of the self log.
const LOOKED_AT: u32 = 1_000;
const LOOKED_AT_ONCE: u32 = 100;

impl ChatQueries {
    pub(super) async fn drafts(
        &self,
        request: ListDraftsRequest,
    ) -> Result<ListDraftsReply, Status> {
        let user_id = user(&request.user_id)?;
        let mut after = match request.after_conversation.as_ref() {
            [] => None,
            bytes => {
                let conversation_id = conversation_id(bytes)?;
                let thread = request.after_thread.min(i64::MAX as u64);
                Some(DraftPlace { conversation_id, thread })
            }
        };
        let limit = request.limit.clamp(1, MAX_DRAFTS) as usize;
        let mut fill = Fill::new(self.config.page_bytes);
        let mut drafts = Vec::new();
        loop {
            let found = self.store.drafts(&user_id, after, ROWS).await.map_err(failed)?;
            let is_last = found.len() < ROWS as usize;
            for kept in found {
                let place = kept.place;
                let draft = draft_proto(kept);
                if drafts.len() >= limit || !fill.takes(&draft) {
                    return Ok(ListDraftsReply { drafts, more: true });
                }
                after = Some(place);
                drafts.push(draft);
            }
            if is_last {
                return Ok(ListDraftsReply { drafts, more: false });
            }
        }
    }

    pub(super) async fn earlier_drafts(
        &self,
        request: DraftHistoryRequest,
    ) -> Result<DraftHistoryReply, Status> {
        let user_id = user(&request.user_id)?;
        let id = conversation_id(&request.conversation_id)?;
        let place = DraftPlace { conversation_id: id, thread: request.thread };
        let key = ConversationKey::new(user_id.tenant(), ConversationId::own(&user_id));
        let since_ms = now_ms().saturating_sub(EARLIER_MS);
        let room = Room { entries: LOOKED_AT_ONCE, bytes: self.config.page_bytes };
        let mut fill = Fill::new(self.config.page_bytes);
        let (mut before, mut looked_at, mut drafts) = (u64::MAX, 0, Vec::new());
        while looked_at < LOOKED_AT {
            let page = Page::Before(before);
            let entries = self.store.entries(key, page, 1, room).await.map_err(failed)?;
            let Some(first) = entries.first() else { break };
            (before, looked_at) = (first.entry.seq, looked_at + entries.len() as u32);
            for stored in entries.iter().rev() {
                if stored.entry.created_at_ms < since_ms || drafts.len() >= MOST_EARLIER {
                    return Ok(DraftHistoryReply { drafts });
                }
                let Some(draft) = draft_in(stored, place) else { continue };
                if !fill.takes(&draft) {
                    return Ok(DraftHistoryReply { drafts });
                }
                drafts.push(draft);
            }
        }
        Ok(DraftHistoryReply { drafts })
    }
}

/// What an entry of the self log kept in a place; `None` where it kept nothing there.
fn draft_in(stored: &StoredEntry, place: DraftPlace) -> Option<OwnDraft> {
    let Body::Own { kind: OwnKind::Draft, content } = &stored.entry.body else { return None };
    let said: DraftContent<'_> = serde_json::from_str(content).ok()?;
    let json = said.content.filter(|_| said.place() == place)?;
    Some(OwnDraft {
        conversation_id: place.conversation_id.to_bytes(),
        thread: place.thread,
        content: json.get().to_owned().into(),
        as_of: stored.entry.seq,
        at_ms: stored.entry.created_at_ms,
    })
}

/// A draft on the wire.
pub(super) fn draft_proto(kept: KeptDraft) -> OwnDraft {
    let KeptDraft { place, content, as_of, at_ms, .. } = kept;
    let (conversation_id, thread) = (place.conversation_id.to_bytes(), place.thread);
    OwnDraft { conversation_id, thread, content: content.into(), as_of, at_ms }
}
