//! Users, their presence, and what this server is.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use platform::token::NewToken;
use proto::chat::{GetUsersRequest, PrivacyRequest, SearchUsersRequest};
use proto::error_code::ErrorCode;
use proto::id::{TenantId, UserId, UserName};
use proto::presence::{StatusRequest, UserStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::MayHaveDevToken;
use crate::http::HttpState;
use crate::identity::Identity;
use crate::identity::allow::Whom;
use crate::identity::login::Logins;
use crate::rest::error::{ApiError, ErrorBody, Query};
use crate::rest::json_body::Body;
use crate::rest::paging::PageLimit;
use crate::rest::shapes::{PresenceStatus, User, Users};
use crate::rest::words;

/// What this server is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Meta {
    /// Its version.
    version: &'static str,
    /// Whether the caller may have a token for any name, for trying out.
    dev_tokens: bool,
    /// How else users of the chat page sign in.
    login: Logins,
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
pub(super) async fn meta(
    State(state): State<HttpState>,
    MayHaveDevToken(dev_tokens): MayHaveDevToken,
) -> Json<Meta> {
    Json(Meta {
        version: env!("CARGO_PKG_VERSION"),
        dev_tokens,
        login: state.login.logins.clone(),
        limits: MetaLimits {
            frame_bytes: state.limits.frame_bytes,
            in_flight: state.limits.in_flight,
            content_bytes: proto::limits::CONTENT_BYTES,
            text_chars: proto::limits::TEXT_CHARS,
        },
    })
}

/// Who the token speaks for.
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, body = User), (status = 401, body = ErrorBody)))]
pub(super) async fn me(identity: Identity) -> Json<User> {
    Json(User {
        id: identity.user_id.name_str().to_owned(),
        name: identity.claims.name.unwrap_or_default(),
        avatar: identity.claims.avatar.unwrap_or_default(),
    })
}

/// Which users.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichUsers {
    /// Ids, separated by commas.
    ids: Option<String>,
    /// The beginning of an id or a name.
    prefix: Option<String>,
    /// At most so many found by prefix; 20 when absent, 100 at most.
    #[param(inline)]
    limit: Option<PageLimit>,
}

/// Users by ids, or by the beginning of id or name.
#[utoipa::path(get, path = "/api/v1/users", params(WhichUsers),
    responses((status = 200, body = Users), (status = 400, body = ErrorBody)))]
pub(super) async fn find(
    State(state): State<HttpState>,
    identity: Identity,
    Query(which): Query<WhichUsers>,
) -> Result<Json<Users>, ApiError> {
    let reply = match (which.ids, which.prefix) {
        (Some(ids), None) => {
            let user_ids = seen(&state, &identity, identity.users(&id_list(&ids)?)).await?;
            let request = GetUsersRequest { user_ids };
            ask(&state.services.chat, request, |mut chat, request| async move {
                chat.get_users(request).await
            })
            .await?
        }
        (None, Some(prefix)) => {
            let limit = PageLimit::or(which.limit, 20);
            let acquainted_with = searches_among(&state, &identity)?;
            let request = SearchUsersRequest {
                prefix,
                limit,
                acquainted_with,
                tenant: identity.tenant().to_field(),
                user_id: finder(&identity),
            };
            ask(&state.services.chat, request, |mut chat, request| async move {
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
#[into_params(parameter_in = Query)]
pub(super) struct WhosePresence {
    /// Ids, separated by commas.
    ids: String,
}

/// Users' presence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Presences {
    statuses: Vec<PresenceStatus>,
}

impl Presences {
    pub(super) fn by_user(self) -> HashMap<String, PresenceStatus> {
        self.statuses.into_iter().map(|status| (status.user_id.clone(), status)).collect()
    }
}

/// Presence of many users at once.
#[utoipa::path(get, path = "/api/v1/presence", params(WhosePresence),
    responses((status = 200, body = Presences), (status = 400, body = ErrorBody)))]
pub(super) async fn presence(
    State(state): State<HttpState>,
    identity: Identity,
    Query(whose): Query<WhosePresence>,
) -> Result<Json<Presences>, ApiError> {
    statuses(&state, &identity, identity.users(&id_list(&whose.ids)?)).await.map(Json)
}

/// Whose presence, of more users than an address has room for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhosePresenceOfMany {
    /// At most 1,000.
    #[schema(value_type = Vec<words::UserName>, max_items = 1_000)]
    ids: Vec<UserName>,
}

/// Presence of up to 1,000 users at once.
#[utoipa::path(post, path = "/api/v1/presence", request_body = WhosePresenceOfMany,
    responses((status = 200, body = Presences)))]
pub(super) async fn presence_of_many(
    State(state): State<HttpState>,
    identity: Identity,
    Body(whose): Body<WhosePresenceOfMany>,
) -> Result<Json<Presences>, ApiError> {
    statuses(&state, &identity, identity.users(&at_most(whose.ids)?)).await.map(Json)
}

pub(super) async fn statuses(
    state: &HttpState,
    identity: &Identity,
    users: Vec<UserId>,
) -> Result<Presences, ApiError> {
    let user_ids = seen(state, identity, users).await?;
    let hidden = hidden(state, identity, &user_ids).await?;
    let request = StatusRequest { user_ids };
    let reply = ask(&state.services.presence, request, |mut presence, request| async move {
        presence.status(request).await
    })
    .await?;
    let shown = reply.statuses.into_iter().map(|status| hidden.applied(status).into());
    Ok(Presences { statuses: shown.collect() })
}

/// What some users let somebody else not know.
#[derive(Default)]
struct Hidden {
    online: HashSet<String>,
    last_seen: HashSet<String>,
}

impl Hidden {
    fn applied(&self, status: UserStatus) -> UserStatus {
        let is_seen_last = !self.last_seen.contains(&status.user_id);
        if self.online.contains(&status.user_id) {
            return UserStatus {
                user_id: status.user_id,
                status: "offline".to_owned(),
                ..UserStatus::default()
            };
        }
        let last_seen_ms = if is_seen_last { status.last_seen_ms } else { 0 };
        UserStatus { last_seen_ms, ..status }
    }
}

/// What these users let the asker not know. Operators know all.
async fn hidden(
    state: &HttpState,
    identity: &Identity,
    user_ids: &[String],
) -> Result<Hidden, ApiError> {
    if identity.has_role_admin() || user_ids.is_empty() {
        return Ok(Hidden::default());
    }
    let request =
        PrivacyRequest { user_id: identity.user_id.to_string(), user_ids: user_ids.to_vec() };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.privacy(request).await
    })
    .await?;
    let (online, last_seen) = (reply.hidden_online, reply.hidden_last_seen);
    Ok(Hidden { online: online.into_iter().collect(), last_seen: last_seen.into_iter().collect() })
}

/// Who wants a token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DevUser {
    /// The user id.
    #[schema(value_type = words::UserName)]
    user: UserName,
    /// Display name.
    name: Option<String>,
    /// The tenant, where it is not the one of the section `auth`.
    tenant: Option<String>,
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
    State(state): State<HttpState>,
    MayHaveDevToken(may_have): MayHaveDevToken,
    Body(user): Body<DevUser>,
) -> Result<Json<DevToken>, ApiError> {
    let tenant = TenantId::from_field(user.tenant.as_deref().unwrap_or_default()).ok();
    let signer = tenant.and_then(|tenant| state.dev_signers.get(tenant));
    let may_have = may_have || tenant.is_some_and(|tenant| !tenant.is_default());
    let Some(signer) = signer.filter(|_| may_have) else {
        let text = "development tokens are off, or not for requests through a proxy or under another name \
                    than this machine's; get a token from your identity provider";
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

/// Those of a list whom this user may see.
async fn seen(
    state: &HttpState,
    identity: &Identity,
    users: Vec<UserId>,
) -> Result<Vec<String>, ApiError> {
    let allowed = state.access.allowed(state.access.allow.directory, identity, users).await?;
    Ok(allowed.iter().map(ToString::to_string).collect())
}

/// Who has to be allowed to find them; empty for operators, who find all.
fn finder(identity: &Identity) -> String {
    if identity.has_role_admin() { String::new() } else { identity.user_id.to_string() }
}

/// With whom the users that are found have to be acquainted; empty: with nobody.
fn searches_among(state: &HttpState, identity: &Identity) -> Result<String, ApiError> {
    match state.access.allow.directory {
        _ if identity.has_role_admin() => Ok(String::new()),
        Whom::Everyone => Ok(String::new()),
        Whom::Contacts => Ok(identity.user_id.to_string()),
        Whom::Nobody => {
            let text = "this server has no directory of users; ask for ids that you know";
            Err(ApiError::new(ErrorCode::Forbidden, text))
        }
    }
}

fn id_list(text: &str) -> Result<Vec<UserName>, ApiError> {
    let ids: Result<Vec<UserName>, _> =
        text.split(',').filter(|id| !id.is_empty()).map(UserName::parse).collect();
    at_most(ids.map_err(|error| ApiError::invalid(format!("`ids`: {error}")))?)
}

/// Users of one question.
const MOST_IDS: usize = 1_000;

fn at_most(ids: Vec<UserName>) -> Result<Vec<UserName>, ApiError> {
    if ids.len() > MOST_IDS {
        return Err(ApiError::invalid(format!("`ids`: at most {MOST_IDS} at once")));
    }
    Ok(ids)
}
