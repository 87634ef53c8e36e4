//! Messages with what changes have made of them: a page, one message, what became of those that a device holds, and the
//! edits of one. What an answer says holds for the head that it names.

use proto::chat::{
    ChangedMessage as ChangedProto, ReadChangesReply, ReadChangesRequest, ReadHistoryReply,
    ReadHistoryRequest, ReadMessagesReply, ReadMessagesRequest,
};
use proto::id::{ConversationKey, UserId};
use tonic::Status;

use super::chat_queries::{Asks, ChatQueries};
use super::convert::{shown_to, state_shown_to};
use super::errors::failed;
use super::page::page_bytes;
use super::reactions::own_rows;
use super::request::{conversation_id, device_type, user};
use crate::clock::now_ms;
use crate::domain::entry::DeviceType;
use crate::domain::reader::Reader;
use crate::store::{MessagePage, MessageView, MessagesView, Page, Room};

/// Most edits that are shown of a message; more are not made.
const MOST_EDITS: u32 = 1_000;
/// Most messages of which it is said what became of them.
const MOST_CHANGED: u32 = 500;

/// Who asks, and about which conversation.
pub(super) struct Asked {
    user_id: UserId,
    device_type: Option<DeviceType>,
    pub(super) key: ConversationKey,
    pub(super) from_seq: u64,
    now_ms: u64,
}

impl Asked {
    pub(super) fn reader(&self) -> Reader<'_> {
        let Self { device_type, from_seq, now_ms, .. } = *self;
        Reader { user_id: &self.user_id, device_type, from_seq, now_ms }
    }
}

impl ChatQueries {
    pub(super) async fn asked(&self, user_id: &str, id: &[u8], of: i32) -> Result<Asked, Status> {
        self.asked_as(user_id, id, of, Asks::AsMember).await
    }

    async fn asked_as(
        &self,
        user_id: &str,
        id: &[u8],
        of: i32,
        asks: Asks,
    ) -> Result<Asked, Status> {
        let (user_id, id) = (user(user_id)?, conversation_id(id)?);
        let device_type = device_type(of);
        let key = ConversationKey::new(user_id.tenant(), id);
        let from_seq = match asks {
            Asks::AsMember => self.membership(&user_id, id).await?.from_seq,
            Asks::AsModerator => self.moderated(key).await?,
        };
        Ok(Asked { user_id, device_type, key, from_seq, now_ms: now_ms() })
    }

    pub(super) async fn messages(
        &self,
        request: ReadMessagesRequest,
    ) -> Result<ReadMessagesReply, Status> {
        let ReadMessagesRequest { before_seq, after_seq, around_seq, seq, .. } = request;
        if request.as_of == Some(0) {
            return Err(Status::invalid_argument("`as_of` is the seq of an entry, from 1"));
        }
        let through = request.as_of.unwrap_or(u64::MAX);
        let page = match (before_seq, after_seq, around_seq, seq) {
            (None, None, None, None) => MessagePage::Before(through.saturating_add(1)),
            (Some(seq), None, None, None) => {
                MessagePage::Before(seq.min(through.saturating_add(1)))
            }
            (None, Some(seq), None, None) => MessagePage::After(seq),
            (None, None, Some(seq), None) => MessagePage::Around(seq),
            (None, None, None, Some(seq)) => MessagePage::Only(seq),
            _ => {
                let text = "give one of `before_seq`, `after_seq` and `around_seq`";
                return Err(Status::invalid_argument(text));
            }
        };
        let (id, asks) = (&request.conversation_id, Asks::of(request.moderated));
        let asked = self.asked_as(&request.user_id, id, request.device_type, asks).await?;
        let entries = request.limit.clamp(1, self.config.page_entries.max(1));
        let bytes = page_bytes(self.config.page_bytes, request.page_bytes);
        let room = Room { entries, bytes };
        let view = self.store.messages(asked.key, page, asked.from_seq, room).await;
        let mut view = view.map_err(failed)?;
        let (next_before, next_after) = ends(&view, asked.from_seq, page);
        let next_after = next_after.filter(|seq| *seq < through);
        if request.as_of.is_some() {
            view = self.as_of(asked.key, view, through).await?;
        }
        let mut reply = ReadMessagesReply {
            head: view.head,
            as_of: view.head.min(through),
            next_before_seq: next_before,
            next_after_seq: next_after,
            ..ReadMessagesReply::default()
        };
        let reader = asked.reader();
        let states = view.messages.iter().filter_map(|it| {
            let state = it.state.as_ref()?;
            Some((it.stored.entry.seq, state))
        });
        // Of then nobody knows what they were.
        let states = states.filter(|_| request.as_of.is_none());
        let own =
            own_rows(&*self.store, asked.key, &asked.user_id, states).await.map_err(failed)?;
        for MessageView { stored, state } in view.messages {
            let (seq, limits) = (stored.entry.seq, stored.entry.limits());
            let author = &stored.entry.author.id;
            let rows = own.get(&seq).map_or(&[][..], Vec::as_slice);
            let shown = |state| state_shown_to(&reader, author, limits, &state, rows);
            let state = state.and_then(shown);
            reply.states.extend(state.map(|state| ChangedProto { seq, state }));
            reply.entries.push(shown_to(&reader, stored));
        }
        Ok(reply)
    }

    pub(super) async fn changes(
        &self,
        request: ReadChangesRequest,
    ) -> Result<ReadChangesReply, Status> {
        let ReadChangesRequest { from_seq, to_seq, after_seq, .. } = request;
        if from_seq > to_seq {
            return Err(Status::invalid_argument("`from_seq` is not greater than `to_seq`"));
        }
        let asked =
            self.asked(&request.user_id, &request.conversation_id, request.device_type).await?;
        let (limit, range) =
            (request.limit.clamp(1, MOST_CHANGED), from_seq.max(asked.from_seq)..=to_seq);
        let view = self.store.changed(asked.key, range, after_seq, limit + 1).await;
        let view = view.map_err(failed)?;
        let more = view.messages.len() > limit as usize;
        let next_from_seq = view.messages.get(limit as usize).filter(|_| more).map(|it| it.seq);
        let states = view.messages.iter().map(|message| (message.seq, &message.state));
        let own =
            own_rows(&*self.store, asked.key, &asked.user_id, states).await.map_err(failed)?;
        let changed = view.messages.iter().take(limit as usize).filter_map(|message| {
            let (reader, rows) = (asked.reader(), own.get(&message.seq));
            let rows = rows.map_or(&[][..], Vec::as_slice);
            let state =
                state_shown_to(&reader, &message.author, message.limits, &message.state, rows)?;
            Some(ChangedProto { seq: message.seq, state })
        });
        Ok(ReadChangesReply { head: view.head, messages: changed.collect(), next_from_seq })
    }

    pub(super) async fn history(
        &self,
        request: ReadHistoryRequest,
    ) -> Result<ReadHistoryReply, Status> {
        let seq = request.seq;
        let (id, asks) = (&request.conversation_id, Asks::of(request.moderated));
        let asked = self.asked_as(&request.user_id, id, request.device_type, asks).await?;
        let none = || Status::not_found("there is no message at `seq` that you may see");
        if seq == 0 || seq < asked.from_seq {
            return Err(none());
        }
        let (page, one) =
            (Page::After(seq - 1), Room { entries: 1, bytes: self.config.page_bytes });
        let first = self.store.entries(asked.key, page, seq, one).await.map_err(failed)?;
        let first = first.into_iter().find(|it| it.entry.body.message().is_some());
        let first = first.ok_or_else(none)?;
        let edits = self.store.edits(asked.key, seq, MOST_EDITS).await.map_err(failed)?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for stored in std::iter::once(first).chain(edits) {
            let entry = shown_to(&asked.reader(), stored);
            bytes += entry.len();
            if bytes > self.config.page_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(ReadHistoryReply { entries })
    }
}

/// Where the pages before and after this one begin; `None` where there is nothing more.
fn ends(view: &MessagesView, from_seq: u64, page: MessagePage) -> (Option<u64>, Option<u64>) {
    let is_first = |seq: u64| seq <= from_seq.max(1);
    let first = view.messages.first().map(|message| message.stored.entry.seq);
    let last = view.messages.last().map(|message| message.stored.entry.seq);
    let is_cut_before = view.first_found.is_some_and(|found| first.is_none_or(|it| it > found));
    let is_cut_after = view.last_found.is_some_and(|found| last.is_none_or(|it| it < found));
    let before = match page {
        MessagePage::Before(seq) | MessagePage::Around(seq) => {
            // What was found and did not fit, or what was not looked at.
            if is_cut_before { first.or(Some(seq)) } else { view.looked_from.or(first) }
        }
        MessagePage::After(_) | MessagePage::Only(_) => None,
    };
    let after = match page {
        MessagePage::After(seq) | MessagePage::Around(seq) => {
            if is_cut_after {
                last.or(Some(seq))
            } else {
                view.looked_to.or(last)
            }
        }
        MessagePage::Before(_) | MessagePage::Only(_) => None,
    };
    (before.filter(|seq| !is_first(*seq)), after.filter(|seq| *seq < view.head))
}
