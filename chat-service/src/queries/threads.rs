//! The threads that a user follows, of all conversations, the one with the newest reply first; and the replies of one.

use bytes::Bytes;
use proto::chat::{
    FollowedThread, ListThreadsReply, ListThreadsRequest, ReadEntriesReply, ReadEntriesRequest,
};
use proto::id::{ConversationKey, UserId};
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::convert::shown_to;
use super::cursor;
use super::errors::failed;
use super::fill::Fill;
use super::page::{fitting, page_bytes};
use super::request::{device_type, user};
use crate::clock::now_ms;
use crate::domain::entry::DeviceType;
use crate::domain::reader::Reader;
use crate::store::following::{Asked, MOST_COUNTED, ThreadView};
use crate::store::{Membership, Page, Room};

/// Most threads in one page.
const MOST: u32 = 100;

impl ChatQueries {
    pub(super) async fn threads(
        &self,
        request: ListThreadsRequest,
    ) -> Result<ListThreadsReply, Status> {
        let user_id = user(&request.user_id)?;
        let device_type = device_type(request.device_type);
        let limit = request.limit.clamp(1, MOST);
        let asked = Asked {
            user_id: &user_id,
            device_type,
            only_unread: request.unread,
            behind: cursor::place(&request.after)?,
            limit: limit + 1,
        };
        let found = self.store.threads_of(asked).await.map_err(failed)?;
        let count = found.len();
        let mut fill = Fill::new(self.config.page_bytes);
        let (mut threads, mut last) = (Vec::new(), None);
        for thread in found.into_iter().take(limit as usize) {
            let shown = self.followed(&user_id, device_type, &thread).await?;
            if !fill.takes(&shown) {
                break;
            }
            threads.push(shown);
            last = Some(thread.place);
        }
        let next = last.filter(|_| count > threads.len()).map(|place| cursor::of_place(&place));
        Ok(ListThreadsReply { threads, next: next.unwrap_or_default() })
    }

    /// A thread with its first message and its newest reply, as lists show them.
    async fn followed(
        &self,
        user_id: &UserId,
        device_type: Option<DeviceType>,
        thread: &ThreadView,
    ) -> Result<FollowedThread, Status> {
        let ThreadView { place, read_seq, unread, last_seq, from_seq } = *thread;
        let key = ConversationKey::new(user_id.tenant(), place.conversation_id);
        let reader = Reader { user_id, device_type, from_seq, now_ms: now_ms() };
        let mut shown = [Bytes::new(), Bytes::new()];
        for (shown, seq) in shown.iter_mut().zip([place.seq, last_seq]) {
            if seq >= from_seq
                && let Some(stored) = self.listed_entry(key, seq).await?
            {
                *shown = shown_to(&reader, stored);
            }
        }
        let [root, last_reply] = shown;
        Ok(FollowedThread {
            conversation_id: key.id.to_bytes(),
            thread: place.seq,
            read_seq,
            unread: unread.min(MOST_COUNTED),
            unread_more: unread > MOST_COUNTED,
            root,
            last_reply,
        })
    }

    /// A page of the replies in a thread. Those have gaps, so whether more follows is asked.
    pub(super) async fn replies(
        &self,
        request: &ReadEntriesRequest,
        (user_id, key): (&UserId, ConversationKey),
        Membership { from_seq, head }: Membership,
        page: Page,
    ) -> Result<ReadEntriesReply, Status> {
        let bytes = page_bytes(self.config.page_bytes, request.page_bytes);
        let room = Room { entries: request.limit.clamp(1, self.config.page_entries.max(1)), bytes };
        let thread = request.thread;
        let found = self.store.thread_entries(key, thread, page, from_seq, room).await;
        let device_type = device_type(request.device_type);
        let reader = Reader { user_id, device_type, from_seq, now_ms: now_ms() };
        let fitting = fitting(found.map_err(failed)?, page, bytes, &reader);
        let more = match fitting.seqs {
            None => false,
            Some((first, last)) => {
                let beyond = match page {
                    Page::Before(_) => Page::Before(first),
                    Page::After(_) => Page::After(last),
                };
                let one = Room { entries: 1, bytes: 0 };
                let next = self.store.thread_entries(key, thread, beyond, from_seq, one).await;
                !next.map_err(failed)?.is_empty()
            }
        };
        let head = head.max(fitting.seqs.map_or(0, |(_, last)| last));
        Ok(ReadEntriesReply { entries: fitting.entries, head, more })
    }
}
