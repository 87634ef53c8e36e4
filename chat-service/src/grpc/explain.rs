//! What became of one entry, as far as the store knows: for operators, without its content.

use proto::chat::{ExplainReply, ExplainRequest, ExplainedMember};
use proto::id::{ConversationId, ConversationKey, TenantId};
use tonic::Status;
use uuid::Uuid;

use super::{ChatQueries, conversation_id, cursor, failed, tenant, user};
use crate::store::{MemberView, Page, Room};

/// Members of one page.
const MAX_MEMBERS: u32 = 1_000;

impl ChatQueries {
    pub(super) async fn explained(&self, request: ExplainRequest) -> Result<ExplainReply, Status> {
        let tenant = tenant(&request.tenant)?;
        let (id, seq) = self.place(tenant, &request).await?;
        let key = ConversationKey::new(tenant, id);
        let page = Page::After(seq.saturating_sub(1));
        let one = Room { entries: 1, bytes: 0 };
        let found = self.store.entries(key, page, 0, one).await.map_err(failed)?;
        let Some(entry) = found.into_iter().next().filter(|found| found.entry.seq == seq) else {
            return Err(Status::not_found("no such entry is stored"));
        };
        let head = self.store.entries(key, Page::Before(u64::MAX), 0, one).await;
        let head = head.map_err(failed)?.last().map_or(seq, |last| last.entry.seq);
        let (members, next) = self.side(key, &request).await?;
        let members = members
            .into_iter()
            .filter(|member| member.from_seq <= seq)
            .map(|member| ExplainedMember {
                user_id: member.user.id.to_string(),
                delivered_seq: member.delivered_seq,
                read_seq: member.read_seq,
            })
            .collect();
        Ok(ExplainReply {
            conversation_id: id.to_bytes(),
            seq,
            entry_id: bytes::Bytes::copy_from_slice(entry.entry.id.0.as_bytes()),
            client_id: entry.entry.client_id.to_bytes(),
            sender_id: entry.entry.sender_id.to_string(),
            kind: entry.entry.kind,
            stored_at_ms: entry.entry.created_at_ms,
            head,
            members,
            next,
        })
    }

    /// The members asked about, and where the next page begins.
    async fn side(
        &self,
        key: ConversationKey,
        request: &ExplainRequest,
    ) -> Result<(Vec<MemberView>, String), Status> {
        if !request.user_id.is_empty() {
            let user_id = user(&request.user_id)?;
            if user_id.tenant() != key.tenant {
                return Ok((Vec::new(), String::new()));
            }
            let view = self.store.conversation(&user_id, key.id).await.map_err(failed)?;
            return Ok((view.map(|view| view.me).into_iter().collect(), String::new()));
        }
        let after = cursor::user(&request.after)?;
        let limit = request.limit.clamp(1, MAX_MEMBERS) as usize;
        let members = self.store.members(key, after.as_ref(), limit as u32 + 1).await;
        let mut members = members.map_err(failed)?;
        let is_all = members.len() <= limit;
        members.truncate(limit);
        let last = members.last().filter(|_| !is_all);
        let next = last.map(|last| cursor::of_user(&last.user.id.name())).unwrap_or_default();
        Ok((members, next))
    }

    async fn place(
        &self,
        tenant: TenantId,
        request: &ExplainRequest,
    ) -> Result<(ConversationId, u64), Status> {
        if request.id.is_empty() {
            return Ok((conversation_id(&request.conversation_id)?, request.seq));
        }
        let id = Uuid::from_slice(&request.id)
            .map_err(|_| Status::invalid_argument("id: not a UUID"))?;
        let place = self.store.find_entry(tenant, id).await.map_err(failed)?;
        place.ok_or_else(|| Status::not_found("nothing is stored under this id"))
    }
}
