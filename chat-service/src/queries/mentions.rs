//! The messages in which a user is mentioned, of all conversations, the newest first, as lists show them.

use proto::chat::{ListMentionsReply, ListMentionsRequest, Mention};
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::convert::shown_to;
use super::cursor;
use super::errors::failed;
use super::fill::Fill;
use super::request::{device_type, user};
use crate::clock::now_ms;
use crate::domain::reader::Reader;
use crate::store::following::Asked;

/// Most mentions in one page.
const MOST: u32 = 100;

impl ChatQueries {
    pub(super) async fn mentions(
        &self,
        request: ListMentionsRequest,
    ) -> Result<ListMentionsReply, Status> {
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
        let found = self.store.mentions_of(asked).await.map_err(failed)?;
        let count = found.len();
        let mut fill = Fill::new(self.config.page_bytes);
        let (mut mentions, mut last) = (Vec::new(), None);
        for mention in found.into_iter().take(limit as usize) {
            let from_seq = mention.from_seq;
            let reader = Reader { user_id: &user_id, device_type, from_seq, now_ms: now_ms() };
            let entry = shown_to(&reader, mention.stored);
            let shown = Mention { entry, unread: mention.is_unread };
            if !fill.takes(&shown) {
                break;
            }
            mentions.push(shown);
            last = Some(mention.place);
        }
        let next = last.filter(|_| count > mentions.len()).map(|place| cursor::of_place(&place));
        Ok(ListMentionsReply { mentions, next: next.unwrap_or_default() })
    }
}
