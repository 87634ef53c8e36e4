//! Lists in pages: conversations and members. A page ends when it is full by count or by bytes, and what is left
//! comes with `next`: no list outgrows one message.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;
use proto::chat::{
    Conversation, ListConversationsReply, ListConversationsRequest, ListMembersReply,
    ListMembersRequest, Member,
};
use proto::id::ConversationKey;
use tonic::Status;

use super::convert::{conversation_proto, member_proto};
use super::{ChatQueries, MAX_IDS, PREVIEW_MEMBERS, conversation_id, cursor, failed, user};
use crate::domain::walk::ListWalk;
use crate::store::ConversationView;

/// How much a page holds already.
pub(super) struct Fill {
    bytes: usize,
    most: usize,
}

impl Fill {
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: 0, most }
    }

    /// Whether one more fits; the first always does.
    pub(super) fn takes(&mut self, message: &impl Message) -> bool {
        // Its head in the list, at most.
        let bytes = message.encoded_len() + 8;
        let fits = self.bytes == 0 || self.bytes + bytes <= self.most;
        self.bytes += if fits { bytes } else { 0 };
        fits
    }
}

impl ChatQueries {
    pub(super) async fn with_members(
        &self,
        view: ConversationView,
    ) -> Result<Conversation, Status> {
        let key = ConversationKey::new(view.me.user.id.tenant(), view.id);
        let members = self.store.members(key, None, PREVIEW_MEMBERS).await.map_err(failed)?;
        Ok(conversation_proto(view, members, self.receipt_members))
    }

    pub(super) async fn conversations(
        &self,
        request: ListConversationsRequest,
    ) -> Result<ListConversationsReply, Status> {
        let user_id = user(&request.user_id)?;
        // The first page is as of the moment before it is read.
        let now_ms = now_ms();
        let walk = cursor::walk(&request.after, now_ms)?;
        let limit = request.limit.clamp(1, self.config.page_conversations.max(1));
        let listed = self.store.conversations_of(&user_id, walk.as_ref(), limit + 1).await;
        let listed = listed.map_err(failed)?;
        let found = listed.len();
        let mut fill = Fill::new(self.config.page_bytes);
        let (mut conversations, mut places) = (Vec::new(), Vec::new());
        for (place, view) in listed.into_iter().take(limit as usize) {
            let conversation = self.with_members(view).await?;
            if !fill.takes(&conversation) {
                tracing::debug!(limit = "queries.page_bytes", "a list of conversations goes on");
                break;
            }
            conversations.push(conversation);
            places.push(place);
        }
        let next = if found > places.len() {
            cursor::of_walk(&ListWalk::behind(walk, &places, now_ms))
        } else {
            String::new()
        };
        Ok(ListConversationsReply { conversations, next })
    }

    pub(super) async fn members(
        &self,
        request: ListMembersRequest,
    ) -> Result<ListMembersReply, Status> {
        let user_id = user(&request.user_id)?;
        let key =
            ConversationKey::new(user_id.tenant(), conversation_id(&request.conversation_id)?);
        self.member_view(&user_id, key.id).await?;
        let after = cursor::user(&request.after)?;
        let limit = request.limit.clamp(1, MAX_IDS as u32);
        let found = self.store.members(key, after.as_ref(), limit + 1).await.map_err(failed)?;
        let count = found.len();
        let mut fill = Fill::new(self.config.page_bytes);
        let mut last = None;
        let mut members: Vec<Member> = Vec::new();
        for view in found.into_iter().take(limit as usize) {
            let name = view.user.id.name();
            let member = member_proto(view);
            if !fill.takes(&member) {
                break;
            }
            last = Some(name);
            members.push(member);
        }
        let next = last.filter(|_| count > members.len());
        let next = next.map(|last| cursor::of_user(&last)).unwrap_or_default();
        Ok(ListMembersReply { members, next })
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
