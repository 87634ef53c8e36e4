//! Who asks, of every request with a token: checked, counted, and its answer's memory set aside. Must not judge what is
//! asked for.

use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::Method;
use axum::http::request::Parts;
use proto::error_code::ErrorCode;

use super::error::ApiError;
use super::held_answer::HeldAnswer;
use super::json_body::BodyOwner;
use super::{Peer, RestContext};
use crate::identity::{Identity, bearer};
use crate::rates::Account;

impl<S> FromRequestParts<S> for Identity
where
    RestContext: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let rest = RestContext::from_ref(state);
        let token = bearer::bearer(&parts.headers).unwrap_or_default();
        let patience = Duration::from_millis(rest.limits.register_timeout_ms);
        if !rest.access.revocations.loaded(patience).await {
            return Err(ApiError::unavailable(None, rest.limits.retry_after_ms));
        }
        let identity = rest.access.identify(token);
        let mut identity =
            identity.map_err(|error| ApiError::unauthenticated(&error.to_string()))?;
        if !rest.access.tenants.lets_in(identity.tenant(), &parts.headers) {
            return Err(ApiError::foreign_page());
        }
        // Of a socket the device is known later, and is noted then.
        if let Some(device_id) = identity.device_id.clone() {
            rest.access.notes.note(&identity.credential, &identity.user_id, &device_id).await;
        }
        if let Some(peer) = parts.extensions.get::<Peer>() {
            let client = peer.client(&rest.admission, &parts.headers);
            (identity.is_exempt, identity.ip) = (client.is_exempt, Some(client.address));
        }
        parts.extensions.insert(BodyOwner(identity.user_id.clone()));
        if parts.method == Method::GET || parts.method == Method::HEAD {
            rest.access
                .may_ask(&identity, &[(Account::Reads, 1)])
                .map_err(|refused| ApiError::too_much(&refused))?;
        }
        HeldAnswer::set_aside(&rest, &identity.user_id, parts).await?;
        Ok(identity)
    }
}

impl Identity {
    /// Refuses everybody whose token does not have the role `admin`.
    pub(crate) fn require_admin(&self) -> Result<(), ApiError> {
        if self.has_role_admin() {
            return Ok(());
        }
        Err(ApiError::new(ErrorCode::Forbidden, "this needs a token with the role `admin`"))
    }
}
