//! Followers of the log, for operators of the install.

pub(super) mod aside;

use axum::Json;
use axum::extract::State;
use proto::chat::{Follower as FollowerProto, ListFollowersRequest};
use proto::error_code::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::error::{ApiError, ErrorBody};

/// Who follows the log of the store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FollowerList {
    /// By name.
    followers: Vec<FollowerState>,
    /// All up to this position can be read.
    horizon: u64,
    /// For how long the oldest transaction of the database server has been running, which keeps the horizon from moving on.
    held_ms: u64,
}

/// One follower.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FollowerState {
    /// What it does; of a webhook with its tenant and id.
    name: String,
    /// All up to here is done.
    position: u64,
    /// The process that has it now; absent when none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Age of the oldest entry that it has not passed; 0 when it has passed all.
    lag_ms: u64,
    /// When it last moved, in Unix milliseconds.
    moved_at: u64,
    /// Entries that it could not work on and went on without; `…/{name}/aside` lists them.
    aside: u64,
}

/// What works on entries after their commit: how far each follower is and which process has it. For tokens with the role admin
/// of the tenant `default`.
#[utoipa::path(get, path = "/api/v1/admin/followers", operation_id = "list_followers",
    responses((status = 200, body = FollowerList), (status = 403, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
) -> Result<Json<FollowerList>, ApiError> {
    require_operator(&identity)?;
    let request = ListFollowersRequest {};
    let reply = state.services.followers.clone().list_followers(request).await?.into_inner();
    Ok(Json(FollowerList {
        followers: reply.followers.into_iter().map(shown).collect(),
        horizon: reply.horizon,
        held_ms: reply.held_ms,
    }))
}

fn require_operator(identity: &Identity) -> Result<(), ApiError> {
    identity.require_admin()?;
    if !identity.tenant().is_default() {
        let text = "followers are of the whole install: they are for its operators, in the tenant `default`";
        return Err(ApiError::new(ErrorCode::Forbidden, text));
    }
    Ok(())
}

fn shown(follower: FollowerProto) -> FollowerState {
    FollowerState {
        name: follower.name,
        position: follower.position,
        owner: Some(follower.owner).filter(|owner| !owner.is_empty()),
        lag_ms: follower.lag_ms,
        moved_at: follower.moved_at_ms,
        aside: follower.aside,
    }
}
