//! Who has received and read an entry, and when, in conversations whose members hear of each other's receipts.

use proto::chat::{ListReadsReply, ListReadsRequest, ReadBy};
use proto::id::ConversationKey;
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::cursor;
use super::errors::failed;
use super::request::{conversation_id, user};
use crate::domain::steps::{Times, times};
use crate::store::following::SteppedMember;

/// Most members in one page.
const MOST: u32 = 1_000;

impl ChatQueries {
    pub(super) async fn reads(&self, request: ListReadsRequest) -> Result<ListReadsReply, Status> {
        let user_id = user(&request.user_id)?;
        let key =
            ConversationKey::new(user_id.tenant(), conversation_id(&request.conversation_id)?);
        let view = self.member_view(&user_id, None, key.id).await?;
        let seq = request.seq;
        let entry = match seq {
            seq if seq < view.me.from_seq.max(1) => None,
            seq => self.listed_entry(key, seq).await?,
        };
        let Some(entry) = entry.map(|stored| stored.entry) else {
            return Err(Status::not_found("there is no entry at this seq that you may see"));
        };
        if view.member_count as usize > self.receipt_members {
            return Ok(ListReadsReply::default());
        }
        let after = cursor::user(&request.after)?;
        let limit = request.limit.clamp(1, MOST);
        let found = self.store.stepped_members(key, after.as_ref(), limit + 1).await;
        let mut found = found.map_err(failed)?;
        let is_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().filter(|_| is_more);
        let next = last.map_or(String::new(), |last| cursor::of_user(&last.user_id.name()));
        let ids: Vec<_> = found.iter().map(|it| it.user_id.clone()).collect();
        let seen = self.seen(&user_id, &ids).await?;
        let those = found.iter().filter(|it| {
            let is_reader = it.from_seq <= seq && it.user_id != entry.author.id;
            is_reader && seen.may(&it.user_id, |privacy| privacy.receipts)
        });
        let members = those.map(|member| read_by(member, seq, entry.created_at_ms)).collect();
        Ok(ListReadsReply { receipts: true, members, next })
    }
}

fn read_by(member: &SteppedMember, seq: u64, stored_at_ms: u64) -> ReadBy {
    let (delivered, read) = (member.delivered_seq >= seq, member.read_seq >= seq);
    let Times { delivered_ms, read_ms } = times(&member.steps, seq);
    // Steps that are close are one, with the moment of the first: never before there was anything to read.
    let at =
        |known: Option<u64>, is: bool| known.filter(|_| is).map_or(0, |at| at.max(stored_at_ms));
    ReadBy {
        user_id: member.user_id.to_string(),
        delivered,
        read,
        delivered_at_ms: at(delivered_ms, delivered),
        read_at_ms: at(read_ms, read),
    }
}
