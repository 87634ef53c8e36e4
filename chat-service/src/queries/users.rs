//! Users: by their ids, by the beginning of a name, and those who share a conversation with somebody.

use proto::chat::{
    AcquaintedReply, AcquaintedRequest, GetUsersReply, GetUsersRequest, SearchUsersRequest,
};
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::convert::user_proto;
use super::errors::failed;
use super::request::{names, tenant, text, user, users};

/// Users of one answer.
const MAX_FOUND: u32 = 100;
/// Users that a search looks at, where many may not be found.
const MOST_LOOKED_AT: u32 = 1_000;

impl ChatQueries {
    pub(super) async fn users(&self, request: GetUsersRequest) -> Result<GetUsersReply, Status> {
        let ids = users(&request.user_ids)?;
        let found = self.store.users(&ids).await.map_err(failed)?;
        Ok(GetUsersReply { users: found.into_iter().map(user_proto).collect() })
    }

    pub(super) async fn found_users(
        &self,
        request: SearchUsersRequest,
    ) -> Result<GetUsersReply, Status> {
        let limit = request.limit.clamp(1, MAX_FOUND);
        let prefix = text("prefix", &request.prefix)?;
        let asker = match request.user_id.as_str() {
            "" => None,
            text => Some(user(text)?),
        };
        let mut looked_at = limit;
        loop {
            let found = if request.acquainted_with.is_empty() {
                self.store.search_users(tenant(&request.tenant)?, prefix, looked_at).await
            } else {
                let of = user(&request.acquainted_with)?;
                self.store.search_acquainted(&of, prefix, looked_at).await
            };
            let mut found = found.map_err(failed)?;
            let is_all = found.len() < looked_at as usize || looked_at >= MOST_LOOKED_AT;
            if let Some(asker) = &asker {
                found = self.findable(asker, found).await?;
            }
            // Those who may not be found take nobody else's place.
            if is_all || found.len() >= limit as usize {
                found.truncate(limit as usize);
                return Ok(GetUsersReply { users: found.into_iter().map(user_proto).collect() });
            }
            looked_at = looked_at.saturating_mul(4).min(MOST_LOOKED_AT);
        }
    }

    pub(super) async fn known_to(
        &self,
        request: AcquaintedRequest,
    ) -> Result<AcquaintedReply, Status> {
        let of = user(&request.user_id)?;
        // Nobody knows anybody of another tenant.
        let among = names(of.tenant(), &users(&request.user_ids)?);
        let known = self.store.acquainted(&of, &among).await.map_err(failed)?;
        let user_ids = known.iter().map(|name| name.of(of.tenant()).to_string()).collect();
        Ok(AcquaintedReply { user_ids })
    }
}
