//! The way of an operation over REST: it goes up like a frame of a socket, and the request waits for its answer.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use proto::bus::answer::Outcome;
use proto::common::DeviceType;
use proto::error_code::{ErrorCode, Limit, Stored as StoredWord};
use proto::id::ClientId;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{NotTaken, Operation, Operations};
use crate::connections::requests::Came;
use crate::identity::Identity;
use crate::rates::Account;
use crate::rest::error::ApiError;
use crate::rest::shapes::Stored;

/// Hands an operation up and waits for its answer.
pub(super) async fn run(
    operations: &Operations,
    identity: &Identity,
    client_id: ClientId,
    operation: Operation,
) -> Result<Stored, ApiError> {
    operations
        .access
        .may_ask(identity, &[(Account::Messages, 1)])
        .map_err(|refused| ApiError::too_much(&refused).not_stored())?;
    let patience = Duration::from_millis(operations.limits.place_wait_ms);
    let _place = tokio::time::timeout(patience, operations.posts.take(&identity.user_id))
        .await
        .map_err(|_elapsed| waits_too_long(operations))?;
    let retry = operations.limits.retry_after_ms;
    let not_taken = |retry| ApiError::unavailable(Some(StoredWord::No), retry);
    let request = operations.requests.begin().ok_or_else(|| not_taken(retry))?;
    operations.up.report_profile(identity, request.number());
    let origin = identity.origin(request.number(), "rest", DeviceType::Unspecified);
    let awaiting = operations.submit(origin, None, client_id, operation);
    let awaiting = awaiting.map_err(|error| match error {
        NotTaken::Busy(wait) => not_taken(wait.as_millis() as u64),
        NotTaken::Away => not_taken(retry),
    })?;
    let unknown = |stored| ApiError::unavailable(Some(stored), retry);
    let timeout = Duration::from_millis(operations.limits.answer_timeout_ms);
    match tokio::time::timeout(timeout, request.answer()).await {
        Ok(Came::Answer(Outcome::Sent(sent))) => {
            awaiting.answered();
            Ok(Stored::of(&sent, client_id))
        }
        Ok(Came::Answer(Outcome::Refused(refused))) => {
            let error = ApiError::new(refused.error_code(), refused.message.as_str())
                .with_outcome(refused.stored(), refused.retry_after_ms)
                .with_current(refused.current);
            Err(match refused.met() {
                Some(limit) => error.at_limit(limit.as_str()),
                None => error,
            })
        }
        Ok(Came::Failed(stored)) => Err(unknown(stored)),
        Err(_elapsed) => Err(unknown(StoredWord::Unknown)),
    }
}

fn waits_too_long(operations: &Operations) -> ApiError {
    operations.metrics.refused("waiting");
    let text =
        "too many requests of this user await their answer; ask again when some are answered";
    ApiError::new(ErrorCode::RateLimited, text)
        .at_limit(Limit::Waiting.as_str())
        .not_stored()
        .after(Duration::from_millis(operations.limits.retry_after_ms))
}

/// The client id that a request names in its header `Idempotency-Key`.
pub(super) struct Key(Option<Uuid>);

impl Key {
    /// That of the header or of the body, or a new one for a client that does not repeat itself.
    pub(super) fn or(self, given: Option<Uuid>) -> Result<ClientId, ApiError> {
        match (self.0, given) {
            (Some(key), Some(given)) if key != given => {
                Err(ApiError::invalid("`Idempotency-Key` and `client_id` are two different ids"))
            }
            (key, given) => Ok(key.or(given).map_or_else(ClientId::generate, ClientId)),
        }
    }
}

/// What makes a request without a body repeatable.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Repeatable {
    /// Repeat it when asking again.
    pub(super) client_id: Option<Uuid>,
}

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = value.to_str().ok().and_then(|text| Uuid::try_parse(text).ok());
        let key = key.ok_or_else(|| ApiError::invalid("`Idempotency-Key` is a UUID"))?;
        Ok(Self(Some(key)))
    }
}
