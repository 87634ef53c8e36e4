//! A request that appends to a log: over the bus like a frame, under a pseudo connection that waits for
//! its answer.

use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use proto::bus::{PushClass, frame::Body};
use proto::error_code::{ErrorCode, Limit, Stored as StoredWord};
use proto::frame::server::ErrorFrame;
use proto::id::{ClientId, ConversationId};
use serde::Deserialize;
use uuid::Uuid;

use super::asker::Asker;
use super::error::ApiError;
use super::shapes::Stored;
use crate::outbox::Failed;
use crate::rates::Account;
use crate::shared::{Identity, Shared};

/// Sends a frame up and waits for `sent` or `error`.
pub(super) async fn run(
    shared: &Shared,
    identity: &Identity,
    conversation_id: ConversationId,
    body: Body,
) -> Result<Stored, ApiError> {
    shared
        .may_ask(identity, &[(Account::Messages, 1)])
        .map_err(|refused| ApiError::too_much(&refused).not_stored())?;
    let patience = Duration::from_millis(shared.limits.place_wait_ms);
    let _place = tokio::time::timeout(patience, shared.posts.take(&identity.user_id))
        .await
        .map_err(|_elapsed| waits_too_long(shared))?;
    let asker = Asker::enter(shared, identity);
    shared.report_profile(identity, asker.number());

    let awaiting = shared.unanswered.admit(conversation_id, Instant::now()).map_err(|wait| {
        shared.metrics.refused("unanswered");
        ApiError::unavailable(Some(StoredWord::No), wait.as_millis() as u64)
    })?;
    let span = shared.tracer.root("gateway.receive");
    let frame = asker.frame(identity, span.traceparent(), body);
    let retry = shared.limits.retry_after_ms;
    if shared.uplink.chat(conversation_id, frame).is_err() {
        return Err(ApiError::unavailable(Some(StoredWord::No), retry));
    }
    let timeout = Duration::from_millis(shared.limits.answer_timeout_ms);
    let answer = tokio::time::timeout(timeout, answer(&asker, retry))
        .await
        .unwrap_or_else(|_| Err(ApiError::unavailable(Some(StoredWord::Unknown), retry)));
    if answer.is_ok() {
        awaiting.answered();
    }
    answer
}

fn waits_too_long(shared: &Shared) -> ApiError {
    shared.metrics.refused("waiting");
    let text =
        "too many requests of this user await their answer; ask again when some are answered";
    ApiError::new(ErrorCode::RateLimited, text)
        .at_limit(Limit::Waiting.as_str())
        .not_stored()
        .after(Duration::from_millis(shared.limits.retry_after_ms))
}

async fn answer(asker: &Asker, retry_after_ms: u64) -> Result<Stored, ApiError> {
    loop {
        let taken = asker.taken().await;
        let failed = taken.failed.iter().find_map(|failed| match failed {
            Failed::Publish { stored, .. } => Some(*stored),
            Failed::Lost { sent_until } => {
                (asker.entered_at <= *sent_until).then_some(StoredWord::Unknown)
            }
        });
        if let Some(stored) = failed {
            return Err(ApiError::unavailable(Some(stored), retry_after_ms));
        }
        let mut frames = taken.frames.iter();
        if let Some(frame) = frames.find(|frame| frame.about().class == PushClass::Answer) {
            return read(frame.json());
        }
    }
}

fn read(frame: &[u8]) -> Result<Stored, ApiError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Answer {
        Sent(Stored),
        Error(ErrorFrame),
    }
    match serde_json::from_slice(frame) {
        Ok(Answer::Sent(stored)) => Ok(stored),
        Ok(Answer::Error(error)) => {
            let refused = ApiError::new(error.code, error.message)
                .with_outcome(error.stored, error.retry_after_ms);
            Err(match error.limit {
                Some(limit) => refused.at_limit(limit.as_str()),
                None => refused,
            })
        }
        Err(_) => Err(ApiError::new(ErrorCode::Internal, "an answer that cannot be read")),
    }
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

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = value.to_str().ok().and_then(|text| Uuid::try_parse(text).ok());
        let key = key.ok_or_else(|| ApiError::invalid("`Idempotency-Key` is a UUID"))?;
        Ok(Self(Some(key)))
    }
}

/// A conversation id in a path.
pub(super) fn conversation_id(text: &str) -> Result<ConversationId, ApiError> {
    ConversationId::parse(text).map_err(|_| ApiError::invalid("a conversation id is a UUID"))
}
