//! Members of a conversation: in pages, and those among given users. A page ends when it is full by count or by bytes,
//! and what is left comes with `next`: no list outgrows one message.

use std::collections::HashMap;

use proto::chat::{
    ListMembersReply, ListMembersRequest, Member, MembersAmongReply, MembersAmongRequest,
};
use proto::id::{ConversationKey, UserId};
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::convert::member_proto;
use super::cursor;
use super::errors::failed;
use super::fill::Fill;
use super::request::{MAX_IDS, conversation_id, names, tenant, user};

/// Users that a gateway asks about at once.
const MAX_AMONG: usize = 5_000;

impl ChatQueries {
    pub(super) async fn members(
        &self,
        request: ListMembersRequest,
    ) -> Result<ListMembersReply, Status> {
        let user_id = user(&request.user_id)?;
        let key =
            ConversationKey::new(user_id.tenant(), conversation_id(&request.conversation_id)?);
        self.membership(&user_id, key.id).await?;
        let after = cursor::user(&request.after)?;
        let limit = request.limit.clamp(1, MAX_IDS as u32);
        let found = self.store.members(key, after.as_ref(), limit + 1).await.map_err(failed)?;
        let count = found.len();
        let found = self.with_receipts(&user_id, found).await?;
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

    pub(super) async fn among(
        &self,
        request: MembersAmongRequest,
    ) -> Result<MembersAmongReply, Status> {
        if request.user_ids.len() > MAX_AMONG {
            return Err(Status::invalid_argument("ask about at most 5,000 users at once"));
        }
        let asked: Vec<UserId> =
            request.user_ids.iter().map(|text| user(text)).collect::<Result<_, _>>()?;
        let tenant = tenant(&request.tenant)?;
        let key = ConversationKey::new(tenant, conversation_id(&request.conversation_id)?);
        let among = self.store.members_among(key, &names(tenant, &asked)).await.map_err(failed)?;
        let from_seqs: HashMap<UserId, u64> =
            among.members.into_iter().map(|(name, from_seq)| (name.of(tenant), from_seq)).collect();
        let (indexes, from_seqs) = (0..)
            .zip(&asked)
            .filter_map(|(index, user)| Some((index, *from_seqs.get(user)?)))
            .unzip();
        Ok(MembersAmongReply { head: among.head, indexes, from_seqs })
    }
}
