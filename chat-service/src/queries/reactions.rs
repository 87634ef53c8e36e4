//! Who reacted to a message, and with what: by user, in pages.

use std::collections::HashMap;

use proto::chat::{ListReactionsReply, ListReactionsRequest, Reacted};
use proto::id::{ConversationKey, UserId};
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::cursor;
use super::errors::failed;
use super::fill::Fill;
use super::request;
use crate::domain::entry::State;
use crate::store::reactions::ReactedBy;
use crate::store::{ChatStore, MessagePage, Room, StoreError};

/// Most reactions in one page.
const MOST: u32 = 1_000;
/// Reactions that are looked at for one page: it may be short where few of them have the wanted key.
const LOOKED_AT: u32 = 5_000;

impl ChatQueries {
    pub(super) async fn reactions(
        &self,
        request: ListReactionsRequest,
    ) -> Result<ListReactionsReply, Status> {
        let (id, of, seq) = (&request.conversation_id, request.device_type, request.seq);
        let wanted = request::text("key", &request.key)?;
        let after = cursor::reaction(&request.after)?;
        let asked = self.asked(&request.user_id, id, of).await?;
        let one = Room { entries: 1, bytes: 0 };
        let found = match seq {
            0 => None,
            seq => {
                let page = MessagePage::Only(seq);
                let view = self.store.messages(asked.key, page, asked.from_seq, one).await;
                view.map_err(failed)?.messages.into_iter().next()
            }
        };
        let found = found.filter(|message| {
            let entry = &message.stored.entry;
            !asked.reader().is_blank(&entry.author.id, entry.limits())
        });
        let state = found
            .ok_or_else(|| Status::not_found("there is no message at this seq that you may see"))?
            .state
            .unwrap_or_default();
        let looked = self.looked_at(asked.key, seq, &state, after.as_ref()).await;
        let looked = looked.map_err(failed)?;
        Ok(page(&looked, wanted, request.limit.clamp(1, MOST), self.config.page_bytes))
    }

    /// Reactions behind one, in order: those of the state, or rows.
    async fn looked_at(
        &self,
        key: ConversationKey,
        seq: u64,
        state: &State,
        after: Option<&ReactedBy>,
    ) -> Result<Vec<ReactedBy>, StoreError> {
        if state.tallied {
            return self.store.reactions(key, seq, after, LOOKED_AT).await;
        }
        let all = state.reactors().map(|(user, key)| ReactedBy { user, key });
        let mut all: Vec<_> = all.filter(|it| after.is_none_or(|after| it > after)).collect();
        all.sort_unstable();
        all.truncate(LOOKED_AT as usize);
        Ok(all)
    }
}

/// The own reactions of a user to messages whose states do not name them, by seq. Of most messages there are none to ask for.
pub(super) async fn own_rows<'a>(
    store: &dyn ChatStore,
    key: ConversationKey,
    user_id: &UserId,
    states: impl Iterator<Item = (u64, &'a State)>,
) -> Result<HashMap<u64, Vec<String>>, StoreError> {
    let tallied: Vec<_> = states.filter(|(_, state)| state.tallied).map(|(seq, _)| seq).collect();
    let mut own: HashMap<u64, Vec<String>> = HashMap::new();
    if !tallied.is_empty() {
        for (seq, emoji) in store.own_reactions(key, &tallied, &user_id.name()).await? {
            own.entry(seq).or_default().push(emoji);
        }
        for keys in own.values_mut() {
            keys.sort_unstable();
        }
    }
    Ok(own)
}

/// A page of those with the wanted key, or of all where none is wanted.
fn page(looked: &[ReactedBy], wanted: &str, limit: u32, bytes: usize) -> ListReactionsReply {
    let (mut reply, mut fill) = (ListReactionsReply::default(), Fill::new(bytes));
    let mut last = None;
    for reaction in looked {
        if wanted.is_empty() || reaction.key == wanted {
            let shown =
                Reacted { user_id: reaction.user.as_str().to_owned(), key: reaction.key.clone() };
            if reply.reactions.len() >= limit as usize || !fill.takes(&shown) {
                reply.next = last.map(cursor::of_reaction).unwrap_or_default();
                return reply;
            }
            reply.reactions.push(shown);
        }
        last = Some(reaction);
    }
    if looked.len() >= LOOKED_AT as usize {
        reply.next = last.map(cursor::of_reaction).unwrap_or_default();
    }
    reply
}
