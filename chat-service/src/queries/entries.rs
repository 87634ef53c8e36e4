//! A page of a log, in either direction. The log has no gaps, so whether more follows is known from the seqs of
//! the page alone, however full it is.

use proto::chat::{ReadEntriesReply, ReadEntriesRequest};
use proto::id::ConversationKey;
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::errors::failed;
use super::page::{fitting, page_bytes};
use super::request::{conversation_id, device_type, user};
use crate::clock::now_ms;
use crate::domain::reader::Reader;
use crate::store::{Page, Room};

impl ChatQueries {
    pub(super) async fn entries(
        &self,
        request: ReadEntriesRequest,
    ) -> Result<ReadEntriesReply, Status> {
        let id = conversation_id(&request.conversation_id)?;
        let user_id = user(&request.user_id)?;
        let device_type = device_type(request.device_type);
        let key = ConversationKey::new(user_id.tenant(), id);
        let membership = self.membership(&user_id, id).await?;
        let page = match (request.before_seq, request.after_seq) {
            (None, None) => Page::Before(u64::MAX),
            (Some(before), None) => Page::Before(before),
            (None, Some(after)) => Page::After(after),
            (Some(_), Some(_)) => {
                return Err(Status::invalid_argument("give `before_seq` or `after_seq`, not both"));
            }
        };
        if request.thread > 0 {
            return self.replies(&request, (&user_id, key), membership, page).await;
        }
        let bytes = page_bytes(self.config.page_bytes, request.page_bytes);
        let room = Room { entries: request.limit.clamp(1, self.config.page_entries.max(1)), bytes };
        let from_seq = membership.from_seq;
        let stored = self.store.entries(key, page, from_seq, room).await.map_err(failed)?;
        // Some may have been appended since the head was read.
        let head = membership.head.max(stored.last().map_or(0, |last| last.entry.seq));
        let reader = Reader { user_id: &user_id, device_type, from_seq, now_ms: now_ms() };
        let fitting = fitting(stored, page, bytes, &reader);
        let more = fitting.seqs.is_some_and(|(first, last)| match page {
            Page::Before(_) => first > from_seq.max(1),
            Page::After(_) => last < head,
        });
        Ok(ReadEntriesReply { entries: fitting.entries, head, more })
    }
}
