//! The pinned messages of a conversation, those that were pinned last first, as lists show them.

use proto::chat::{ListPinsReply, ListPinsRequest, Pinned};
use proto::id::ConversationKey;
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::convert::shown_to;
use super::errors::failed;
use super::fill::Fill;
use super::request::{conversation_id, device_type, user};
use crate::clock::now_ms;
use crate::domain::reader::Reader;
use crate::operations::pin::MAX_PINS;

impl ChatQueries {
    pub(super) async fn pins(&self, request: ListPinsRequest) -> Result<ListPinsReply, Status> {
        let user_id = user(&request.user_id)?;
        let device_type = device_type(request.device_type);
        let key =
            ConversationKey::new(user_id.tenant(), conversation_id(&request.conversation_id)?);
        let from_seq = self.membership(&user_id, key.id).await?.from_seq;
        let before = if request.before == 0 { u64::MAX } else { request.before };
        let limit = request.limit.clamp(1, MAX_PINS);
        let found = self.store.pins(key, from_seq, before, limit + 1).await.map_err(failed)?;
        let count = found.len();
        let reader = Reader { user_id: &user_id, device_type, from_seq, now_ms: now_ms() };
        let mut fill = Fill::new(self.config.page_bytes);
        let mut pins: Vec<Pinned> = Vec::new();
        for pin in found.into_iter().take(limit as usize) {
            let pinned = Pinned {
                pinned_seq: pin.pinned_seq,
                pinned_at_ms: pin.pinned_at_ms,
                by: pin.by.to_string(),
                entry: shown_to(&reader, pin.stored),
            };
            if !fill.takes(&pinned) {
                break;
            }
            pins.push(pinned);
        }
        let next = pins.last().filter(|_| count > pins.len()).map_or(0, |last| last.pinned_seq);
        Ok(ListPinsReply { pins, next })
    }
}
