//! Followers of the tail, for operators of the install.

use std::sync::Arc;

use proto::chat::followers_server::Followers;
use proto::chat::{
    AsideEntry, Follower as FollowerProto, ListAsideReply, ListAsideRequest, ListFollowersReply,
    ListFollowersRequest,
};
use proto::id::{ConversationId, ConversationKey, TenantId};
use tonic::{Request, Response, Status};

use super::cursor;
use super::errors::failed;
use super::request::text;
use crate::store::ChatStore;
use crate::store::aside::AsidePlace;
use crate::store::tail::{AsideRow, FollowerView};

/// Entries of one page.
const MOST_ASIDE: u32 = 1_000;

pub(crate) struct FollowerDesk {
    store: Arc<dyn ChatStore>,
}

impl FollowerDesk {
    /// Tells what a store knows.
    pub(crate) fn new(store: Arc<dyn ChatStore>) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl Followers for FollowerDesk {
    async fn list_followers(
        &self,
        _request: Request<ListFollowersRequest>,
    ) -> Result<Response<ListFollowersReply>, Status> {
        let horizon = self.store.horizon().await.map_err(failed)?;
        let followers = self.store.followers().await.map_err(failed)?;
        Ok(Response::new(ListFollowersReply {
            followers: followers.into_iter().map(shown).collect(),
            horizon: horizon.position.0,
            held_ms: horizon.held.as_millis() as u64,
        }))
    }

    async fn list_aside(
        &self,
        request: Request<ListAsideRequest>,
    ) -> Result<Response<ListAsideReply>, Status> {
        let request = request.into_inner();
        let name = text("name", &request.name)?;
        let behind = behind(&request.after)?;
        let limit = request.limit.clamp(1, MOST_ASIDE);
        let mut found = self.store.aside(name, behind, limit + 1).await.map_err(failed)?;
        if found.is_empty() {
            let followers = self.store.followers().await.map_err(failed)?;
            if followers.iter().all(|follower| follower.name != name) {
                return Err(Status::not_found("there is no follower with this name"));
            }
        }
        let is_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().filter(|_| is_more);
        let next = last.map(|last| cursor::of_letter(last.at_ms, &place(last)));
        let entries = found.into_iter().map(put_aside).collect();
        Ok(Response::new(ListAsideReply { entries, next: next.unwrap_or_default() }))
    }
}

/// Where an entry is, as a text.
fn place(row: &AsideRow) -> String {
    let key = row.conversation;
    format!("{}/{}/{}", key.tenant.as_str(), key.id, row.seq)
}

/// Where a page begins.
fn behind(after: &str) -> Result<Option<AsidePlace>, Status> {
    let Some((at_ms, place)) = cursor::letter(after)? else { return Ok(None) };
    let read = || {
        let mut parts = place.split('/');
        let (tenant, id, seq) = (parts.next()?, parts.next()?, parts.next()?);
        let id = ConversationId::parse(id).ok()?;
        let conversation = ConversationKey::new(TenantId::parse(tenant).ok()?, id);
        let seq = seq.parse().ok().filter(|seq: &u64| i64::try_from(*seq).is_ok())?;
        Some(AsidePlace { at_ms, conversation, seq })
    };
    read().map(Some).ok_or_else(|| Status::invalid_argument("`after` is of another list"))
}

fn put_aside(row: AsideRow) -> AsideEntry {
    AsideEntry {
        tenant: row.conversation.tenant.as_str().to_owned(),
        conversation_id: row.conversation.id.to_bytes(),
        seq: row.seq,
        error: row.error,
        at_ms: row.at_ms,
    }
}

fn shown(view: FollowerView) -> FollowerProto {
    FollowerProto {
        name: view.name,
        position: view.position.0,
        owner: view.owner.unwrap_or_default(),
        lag_ms: view.lag.as_millis() as u64,
        moved_at_ms: view.moved_at_ms,
        aside: view.aside,
    }
}
