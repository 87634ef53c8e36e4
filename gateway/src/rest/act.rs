//! What operators do, and what moderators read, is written down before it is done: who, from where, what, to what and why.
//! Must not decide who may do it.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use platform::grpc::GrpcChannel;
use proto::chat::RecordActRequest;
use proto::chat::audit_client::AuditClient;
use serde::Serialize;

use super::error::ApiError;
use super::{Peer, RestContext};
use crate::identity::Identity;

/// Where an operator says why.
const REASON: &str = "tidings-reason";
/// Longest reason, in characters; what is longer is cut.
const REASON_CHARS: usize = 200;

/// An act that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    ip: String,
    reason: String,
}

impl<S> FromRequestParts<S> for Act
where
    RestContext: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let rest = RestContext::from_ref(state);
        let peer = parts.extensions.get::<Peer>();
        let ip = peer.map(|peer| peer.client(&rest.admission, &parts.headers).address.to_string());
        let reason =
            parts.headers.get(REASON).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let reason = reason.unwrap_or_default().chars().take(REASON_CHARS).collect();
        Ok(Self { ip: ip.unwrap_or_default(), reason })
    }
}

impl Act {
    /// Whether the asker reads as a moderator: one who says why. That is written down; without a reason they read what they
    /// may as anybody.
    pub(crate) async fn moderates(
        self,
        audit: &AuditClient<GrpcChannel>,
        identity: &Identity,
        target: (&str, impl Into<String>),
        details: impl Serialize,
    ) -> Result<bool, ApiError> {
        if self.reason.trim().is_empty() || !identity.has_role_moderator() {
            return Ok(false);
        }
        self.record(audit, identity, target, details).await?;
        Ok(true)
    }

    /// Writes it down; what cannot be written down is not to be done.
    pub(crate) async fn record(
        self,
        audit: &AuditClient<GrpcChannel>,
        identity: &Identity,
        (action, target): (&str, impl Into<String>),
        details: impl Serialize,
    ) -> Result<(), ApiError> {
        let request = RecordActRequest {
            actor: identity.user_id.to_string(),
            ip: self.ip,
            action: action.to_owned(),
            target: target.into(),
            reason: self.reason,
            // Cannot fail: what is asked for was JSON.
            details: serde_json::to_string(&details).unwrap_or_default(),
        };
        audit.clone().record_act(request).await?;
        Ok(())
    }
}
