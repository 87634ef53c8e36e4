//! Users, their presence, and what this server is.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use platform::token::NewToken;
use proto::chat::{GetUsersRequest, SearchUsersRequest};
use proto::error_code::ErrorCode;
use proto::id::UserId;
use proto::presence::StatusRequest;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ErrorBody, Query};
use super::json_body::Body;
use super::shapes::{User, Users};
use crate::shared::{Identity, Shared};

/// What this server is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Meta {
    /// Its version.
    version: &'static str,
    /// Anybody may have a token for any name: for trying out.
    dev_tokens: bool,
    /// What it accepts.
    limits: MetaLimits,
}

/// What this server accepts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MetaLimits {
    /// Largest frame in bytes.
    frame_bytes: usize,
    /// Requests of a connection that may await their answer.
    in_flight: usize,
    /// Longest content of a message in bytes, without spaces and escapes.
    content_bytes: usize,
    /// Longest text in characters.
    text_chars: usize,
}

/// What this server is; needs no token.
#[utoipa::path(get, path = "/api/v1/meta", security(()), responses((status = 200, body = Meta)))]
pub(super) async fn meta(State(shared): State<Shared>) -> Json<Meta> {
    Json(Meta {
        version: env!("CARGO_PKG_VERSION"),
        dev_tokens: shared.dev_signer.is_some(),
        limits: MetaLimits {
            frame_bytes: shared.limits.frame_bytes,
            in_flight: shared.limits.in_flight,
            content_bytes: proto::limits::CONTENT_BYTES,
            text_chars: proto::limits::TEXT_CHARS,
        },
    })
}

/// Who the token speaks for.
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, body = User), (status = 401, body = ErrorBody)))]
pub(super) async fn me(identity: Identity) -> Json<User> {
    Json(User {
        id: identity.user_id.to_string(),
        name: identity.claims.name.unwrap_or_default(),
        avatar: identity.claims.avatar.unwrap_or_default(),
    })
}

/// Which users.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct WhichUsers {
    /// Ids, separated by commas.
    ids: Option<String>,
    /// The beginning of an id or a name.
    prefix: Option<String>,
    /// At most so many found by prefix; 20 when absent.
    limit: Option<u32>,
}

/// Users by ids, or by the beginning of id or name.
#[utoipa::path(get, path = "/api/v1/users", params(WhichUsers),
    responses((status = 200, body = Users), (status = 400, body = ErrorBody)))]
pub(super) async fn find(
    State(shared): State<Shared>,
    _identity: Identity,
    Query(which): Query<WhichUsers>,
) -> Result<Json<Users>, ApiError> {
    let reply =
        match (which.ids, which.prefix) {
            (Some(ids), None) => {
                let request = GetUsersRequest { user_ids: id_list(&ids)? };
                ask(&shared.chat, request, |mut chat, request| async move {
                    chat.get_users(request).await
                })
                .await?
            }
            (None, Some(prefix)) => {
                let request = SearchUsersRequest { prefix, limit: which.limit.unwrap_or(20) };
                ask(&shared.chat, request, |mut chat, request| async move {
                    chat.search_users(request).await
                })
                .await?
            }
            _ => return Err(ApiError::invalid("give `ids` or `prefix`")),
        };
    Ok(Json(Users { users: reply.users.into_iter().map(User::from).collect() }))
}

/// Whose presence.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct WhosePresence {
    /// Ids, separated by commas.
    ids: String,
}

/// Users' presence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Presences {
    statuses: Vec<PresenceStatus>,
}

/// A user's presence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PresenceStatus {
    user_id: String,
    /// `online`, `away`, `busy`, `offline`.
    status: String,
    /// Unix milliseconds; absent while online or when never seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<u64>,
    /// Connected devices.
    devices: u32,
}

/// Presence of many users at once.
#[utoipa::path(get, path = "/api/v1/presence", params(WhosePresence),
    responses((status = 200, body = Presences), (status = 400, body = ErrorBody)))]
pub(super) async fn presence(
    State(shared): State<Shared>,
    _identity: Identity,
    Query(whose): Query<WhosePresence>,
) -> Result<Json<Presences>, ApiError> {
    let request = StatusRequest { user_ids: id_list(&whose.ids)? };
    let reply = ask(&shared.presence, request, |mut presence, request| async move {
        presence.status(request).await
    })
    .await?;
    let status = |status: proto::presence::UserStatus| PresenceStatus {
        user_id: status.user_id,
        status: status.status,
        last_seen: (status.last_seen_ms > 0).then_some(status.last_seen_ms),
        devices: status.devices,
    };
    Ok(Json(Presences { statuses: reply.statuses.into_iter().map(status).collect() }))
}

/// Who wants a token.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct DevUser {
    /// The user id.
    #[schema(value_type = String)]
    user: UserId,
    /// Display name.
    name: Option<String>,
}

/// A signed token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DevToken {
    token: String,
    /// Unix seconds.
    expires_at: u64,
}

/// How long a development token lasts.
const DEV_TOKEN: Duration = Duration::from_hours(24 * 7);

/// A token for any name, where development tokens are on.
#[utoipa::path(post, path = "/api/v1/dev/token", security(()), request_body = DevUser,
    responses((status = 200, body = DevToken), (status = 403, body = ErrorBody)))]
pub(super) async fn dev_token(
    State(shared): State<Shared>,
    Body(user): Body<DevUser>,
) -> Result<Json<DevToken>, ApiError> {
    let Some(signer) = &shared.dev_signer else {
        let text = "development tokens are off; get a token from your identity provider";
        return Err(ApiError::new(ErrorCode::Forbidden, text));
    };
    let token = NewToken {
        sub: user.user.to_string(),
        name: user.name,
        jti: Some(uuid::Uuid::new_v4().to_string()),
        ttl: DEV_TOKEN,
        ..NewToken::default()
    };
    let (token, expires_at) = signer
        .sign(&token, SystemTime::now())
        .map_err(|_| ApiError::new(ErrorCode::Internal, "the token cannot be signed"))?;
    Ok(Json(DevToken { token, expires_at }))
}

fn id_list(text: &str) -> Result<Vec<String>, ApiError> {
    let ids: Result<Vec<String>, _> = text
        .split(',')
        .filter(|id| !id.is_empty())
        .map(|id| UserId::parse(id).map(|id| id.to_string()))
        .collect();
    ids.map_err(|error| ApiError::invalid(format!("`ids`: {error}")))
}
