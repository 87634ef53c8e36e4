//! Conversations: one, and the list of a user in pages. A page ends when it is full by count or by bytes, and what is
//! left comes with `next`: no list outgrows one message.

use std::collections::HashMap;

use proto::chat::{
    Conversation, GetConversationRequest, ListConversationsReply, ListConversationsRequest,
    OwnSetting,
};
use proto::id::{ConversationId, ConversationKey, UserId};
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::convert::conversation_proto;
use super::cursor;
use super::errors::failed;
use super::fill::Fill;
use super::own::setting_proto;
use super::request::{conversation_id, device_type, user};
use crate::clock::now_ms;
use crate::domain::entry::{DeviceType, StoredEntry};
use crate::domain::preview::preview;
use crate::domain::reader::Reader;
use crate::domain::walk::ListWalk;
use crate::store::{ConversationView, Listed, MessageView, Page, Room};

/// Members shown with a conversation.
const PREVIEW_MEMBERS: u32 = 8;

impl ChatQueries {
    pub(super) async fn conversation(
        &self,
        request: GetConversationRequest,
    ) -> Result<Conversation, Status> {
        let device_type = device_type(request.device_type);
        let id = conversation_id(&request.conversation_id)?;
        let view = self.member_view(&user(&request.user_id)?, device_type, id).await?;
        let mut own = self.own_of(&view.me.user.id, &[Some(id)]).await?;
        self.shown(view, own.remove(&id).unwrap_or_default(), device_type).await
    }

    /// What a user set for conversations, by conversation.
    async fn own_of(
        &self,
        user_id: &UserId,
        ids: &[Option<ConversationId>],
    ) -> Result<HashMap<ConversationId, Vec<OwnSetting>>, Status> {
        let mut by_id = HashMap::<_, Vec<_>>::new();
        for setting in self.store.own_settings_of(user_id, ids).await.map_err(failed)? {
            if let Some(id) = setting.place.conversation_id {
                by_id.entry(id).or_default().push(setting_proto(setting));
            }
        }
        Ok(by_id)
    }

    /// A conversation as a device shows it: with its first members, and with its newest message where that is another
    /// entry than its last one.
    async fn shown(
        &self,
        view: ConversationView,
        own: Vec<OwnSetting>,
        device_type: Option<DeviceType>,
    ) -> Result<Conversation, Status> {
        let key = ConversationKey::new(view.me.user.id.tenant(), view.id);
        let members = self.store.members(key, None, PREVIEW_MEMBERS).await.map_err(failed)?;
        let members = self.with_receipts(&view.me.user.id, members).await?;
        let last_message = match view.last_message_seq.filter(|seq| *seq != view.head) {
            Some(seq) => self.listed_entry(key, seq).await?,
            None => None,
        };
        let user_id = view.me.user.id.clone();
        let reader =
            Reader { user_id: &user_id, device_type, from_seq: view.me.from_seq, now_ms: now_ms() };
        let shown = conversation_proto(view, last_message, members, self.receipt_members, &reader);
        Ok(Conversation { own, ..shown })
    }

    /// One entry, its content as lists show it.
    pub(super) async fn listed_entry(
        &self,
        key: ConversationKey,
        seq: u64,
    ) -> Result<Option<StoredEntry>, Status> {
        let one = Room { entries: 1, bytes: 0 };
        let found = self.store.entries_with_states(key, Page::After(seq - 1), seq, one).await;
        let found = found.map_err(failed)?.messages.pop();
        let found = found.filter(|message| message.stored.entry.seq == seq);
        Ok(found.map(|MessageView { mut stored, state }| {
            // An edited message is not the newest entry, so every one of them is shown here.
            if let Some(state) = state {
                stored.entry.show_edited(&state);
            }
            stored.entry.body.cut(|content| preview(content, true));
            stored
        }))
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
        let device_type = device_type(request.device_type);
        let of = Listed { device_type, archived: request.archived };
        let listed = self.store.conversations_of(&user_id, of, walk.as_ref(), limit + 1).await;
        let listed = listed.map_err(failed)?;
        let found = listed.len();
        let ids: Vec<_> = listed.iter().map(|(place, _)| Some(place.id)).collect();
        let mut own = self.own_of(&user_id, &ids).await?;
        let mut fill = Fill::new(self.config.page_bytes);
        let (mut conversations, mut places) = (Vec::new(), Vec::new());
        for (place, view) in listed.into_iter().take(limit as usize) {
            let set = own.remove(&view.id).unwrap_or_default();
            let conversation = self.shown(view, set, device_type).await?;
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
}
