//! Who is connected now, for operators: everybody, page by page.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::grpc::ask;
use proto::presence::ConnectionsRequest;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::sessions::{Session, shown};
use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::error::{ApiError, ErrorBody, Query};
use crate::rest::paging::PageLimit;
use crate::rest::shapes::name_of;

/// Connections of a page unless another number is asked for.
const PAGE: u32 = 100;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ConnectionsPage {
    /// `next` of the page before.
    #[serde(default)]
    after: String,
    /// At most so many; 100 when absent, 500 at most.
    #[param(inline)]
    limit: Option<PageLimit>,
}

/// A connection and whose it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserConnection {
    user_id: String,
    #[serde(flatten)]
    session: Session,
}

/// A page of connections.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Connections {
    /// In an order of the server's; fewer than asked for where some ended meanwhile.
    connections: Vec<UserConnection>,
    /// `after` of the next page; empty when this was the last.
    next: String,
}

/// All connections of the caller's tenant, over all gateways; for tokens with the role admin. Reading page after page gives
/// each connection that stays open exactly once, also when others open and close meanwhile.
#[utoipa::path(get, path = "/api/v1/admin/connections", operation_id = "list_connections", params(ConnectionsPage),
    responses((status = 200, body = Connections), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
    Query(page): Query<ConnectionsPage>,
) -> Result<Json<Connections>, ApiError> {
    identity.require_admin()?;
    let after = URL_SAFE_NO_PAD.decode(&page.after).ok();
    let after = after.and_then(|bytes| String::from_utf8(bytes).ok());
    let after = after.ok_or_else(|| ApiError::invalid("`after` is the `next` of a page"))?;
    let request = ConnectionsRequest {
        after,
        limit: PageLimit::or(page.limit, PAGE),
        // Names and numbers: as JSON it takes no more than twice as much.
        tenant: identity.tenant().to_field(),
        bytes: u32::try_from(state.limits.frame_bytes / 2).unwrap_or(u32::MAX),
    };
    let reply = ask(&state.services.presence, request, |mut presence, request| async move {
        presence.connections(request).await
    })
    .await?;
    let connection = |it: proto::presence::UserSession| UserConnection {
        user_id: name_of(&it.user_id),
        session: shown(it.session.unwrap_or_default()),
    };
    let connections = reply.connections.into_iter().map(connection).collect();
    Ok(Json(Connections { connections, next: URL_SAFE_NO_PAD.encode(reply.next) }))
}
