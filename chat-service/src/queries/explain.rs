//! What became of one entry, as far as the store knows: for operators, without its content.

use proto::chat::{
    ExplainReply, ExplainRequest, ExplainedFollower, ExplainedMember, ExplainedPush,
    ExplainedPushDevice,
};
use proto::id::{ConversationId, ConversationKey, TenantId};
use tonic::Status;
use uuid::Uuid;

use super::chat_queries::ChatQueries;
use super::cursor;
use super::errors::failed;
use super::request::{conversation_id, tenant, user};
use crate::domain::entry::StoredEntry;
use crate::domain::webhook::WebhookKey;
use crate::push::{Became, OfMember};
use crate::store::tail::{FollowerView, Position};
use crate::store::{MemberView, Page, Room};

/// Members of one page.
const MAX_MEMBERS: u32 = 1_000;

/// The follower that publishes events.
const EVENTS: &str = "events";
/// The follower that decides about offline pushes.
const PUSH: &str = "push";

/// Whether a follower is past an entry.
fn passed(view: &FollowerView, place: Option<Position>) -> String {
    let is_passed = place.is_none_or(|place| place <= view.position);
    if is_passed { "passed" } else { "waiting" }.to_owned()
}

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
        let place = self.store.place(key, seq).await.map_err(failed)?;
        let views = self.store.followers().await.map_err(failed)?;
        let (mut members, next) = self.side(key, &request).await?;
        members.retain(|member| member.from_seq <= seq);
        let is_decided = views
            .iter()
            .find(|view| view.name == PUSH)
            .is_none_or(|view| place.is_none_or(|place| place <= view.position));
        let mut pushes = self.pushes(&entry, &members, is_decided).await?.into_iter();
        let members = members
            .into_iter()
            .map(|member| ExplainedMember {
                user_id: member.user.id.to_string(),
                delivered_seq: member.delivered_seq,
                read_seq: member.read_seq,
                push: pushes.next(),
            })
            .collect();
        Ok(ExplainReply {
            conversation_id: id.to_bytes(),
            seq,
            entry_id: bytes::Bytes::copy_from_slice(entry.entry.id.0.as_bytes()),
            client_id: entry.entry.client_id.to_bytes(),
            sender_id: entry.entry.author.id.to_string(),
            kind: entry.entry.body.kind().to_owned(),
            stored_at_ms: entry.entry.created_at_ms,
            head,
            members,
            next,
            followers: self.followers_of(key, seq, place, &views).await?,
        })
    }

    /// What offline push makes of it, for each of these members; none where it pushes nothing of it.
    async fn pushes(
        &self,
        entry: &StoredEntry,
        members: &[MemberView],
        is_decided: bool,
    ) -> Result<Vec<ExplainedPush>, Status> {
        let Some(push) = &self.push else { return Ok(Vec::new()) };
        let explained = push.explain(entry, members, is_decided).await.map_err(failed)?;
        let device = |it: Became| ExplainedPushDevice {
            device_id: it.device_id.as_str().to_owned(),
            provider: it.provider.name().to_owned(),
            state: it.state.to_owned(),
            reason: it.reason,
            attempts: it.attempts,
            at_ms: it.at_ms,
            seq: it.seq,
        };
        let of = |it: OfMember| ExplainedPush {
            rule: it.rule.name().to_owned(),
            action: it.action.name().to_owned(),
            devices: it.devices.into_iter().map(device).collect(),
        };
        Ok(explained.into_iter().map(of).collect())
    }

    /// What works on entries after their commit: events, and the webhooks of the tenant.
    async fn followers_of(
        &self,
        key: ConversationKey,
        seq: u64,
        place: Option<Position>,
        views: &[FollowerView],
    ) -> Result<Vec<ExplainedFollower>, Status> {
        let mut explained = Vec::new();
        for webhook in self.store.webhooks(key.tenant).await.map_err(failed)? {
            let name = webhook.key.follower();
            let Some(view) = views.iter().find(|view| view.name == name) else { continue };
            let state = passed(view, place);
            let explanation = ExplainedFollower { name, state, ..ExplainedFollower::default() };
            explained.push(self.of_webhook(webhook.key, key, seq, explanation).await?);
        }
        let events = views.iter().find(|view| view.name == EVENTS);
        explained.extend(events.map(|view| ExplainedFollower {
            name: view.name.clone(),
            state: passed(view, place),
            ..ExplainedFollower::default()
        }));
        Ok(explained)
    }

    /// Whether its conversation waits, or it was given up.
    async fn of_webhook(
        &self,
        webhook: WebhookKey,
        key: ConversationKey,
        seq: u64,
        explanation: ExplainedFollower,
    ) -> Result<ExplainedFollower, Status> {
        let dead = self.store.dead_events(webhook, MAX_MEMBERS).await.map_err(failed)?;
        let dead = dead.into_iter().find(|it| it.conversation_id == key.id && it.seq == seq);
        if let Some(dead) = dead {
            // One that is wanted again was not refused yet.
            let state = if dead.is_replayed { "waiting" } else { "dead" }.to_owned();
            return Ok(ExplainedFollower { state, error: dead.error, ..explanation });
        }
        let blocked = self.store.blocked(webhook, MAX_MEMBERS).await.map_err(failed)?;
        let blocked =
            blocked.into_iter().find(|it| it.conversation_id == key.id && it.next_seq <= seq);
        Ok(match blocked {
            Some(blocked) => ExplainedFollower {
                state: "blocked".to_owned(),
                attempt: blocked.attempt,
                next_at_ms: blocked.next_at_ms,
                error: blocked.last_error,
                ..explanation
            },
            None => explanation,
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
            let view = self.store.conversation(&user_id, None, key.id).await.map_err(failed)?;
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
