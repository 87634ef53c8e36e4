//! A request that appends to a log: over the bus like a frame, under a pseudo connection that waits for
//! its answer.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use proto::bus::{DeviceType, Frame, PushClass, frame::Body};
use proto::error_code::{ErrorCode, Stored as StoredWord};
use proto::frame::server::ErrorFrame;
use proto::id::{ClientId, ConversationId};
use serde::Deserialize;

use super::error::ApiError;
use super::shapes::Stored;
use crate::connection::handshake;
use crate::outbox::Outbox;
use crate::registry::{Connection, Registry};
use crate::shared::{Identity, Shared, unix_ms};

/// Sends a frame up and waits for `sent` or `error`.
pub(super) async fn run(
    shared: &Shared,
    identity: &Identity,
    conversation_id: ConversationId,
    body: Body,
) -> Result<Stored, ApiError> {
    shared.may_ask(identity).map_err(|wait| {
        ApiError::new(ErrorCode::RateLimited, "you said too much lately")
            .with_outcome(StoredWord::No, None)
            .after(wait)
    })?;
    let connection = Arc::new(Connection {
        number: shared.registry.next_number(),
        user_id: identity.user_id.clone(),
        device_id: handshake::device(identity, None),
        device_type: DeviceType::Unspecified,
        connected_at_ms: unix_ms(),
        is_socket: false,
        gone: AtomicBool::new(false),
        credential: Mutex::new(identity.credential.clone()),
        outbox: Outbox::default(),
        inbox: None,
    });
    shared.registry.insert(Arc::clone(&connection));
    let _leave = Leave { registry: Arc::clone(&shared.registry), number: connection.number };
    shared.report_profile(identity, connection.number);

    let span = shared.tracer.root("gateway.receive");
    let frame = Frame {
        origin: Some(identity.origin(connection.number, "rest", DeviceType::Unspecified)),
        traceparent: span.traceparent(),
        body: Some(body),
    };
    let retry = shared.limits.retry_after_ms;
    if shared.uplink.chat(conversation_id, frame).is_err() {
        return Err(ApiError::unavailable(Some(StoredWord::No), retry));
    }
    let timeout = Duration::from_millis(shared.limits.answer_timeout_ms);
    tokio::time::timeout(timeout, answer(&connection, retry))
        .await
        .unwrap_or_else(|_| Err(ApiError::unavailable(Some(StoredWord::Unknown), retry)))
}

async fn answer(connection: &Connection, retry_after_ms: u64) -> Result<Stored, ApiError> {
    loop {
        connection.outbox.changed().await;
        let taken = connection.outbox.take();
        if let Some(failed) = taken.failed.first() {
            return Err(ApiError::unavailable(Some(failed.stored), retry_after_ms));
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
        Ok(Answer::Error(error)) => Err(ApiError::new(error.code, error.message)
            .with_outcome(error.stored, error.retry_after_ms)),
        Err(_) => Err(ApiError::new(ErrorCode::Internal, "an answer that cannot be read")),
    }
}

/// The client id of a request, or a new one for a client that does not repeat itself.
pub(super) fn client_id(given: Option<uuid::Uuid>) -> ClientId {
    given.map_or_else(ClientId::generate, ClientId)
}

/// A conversation id in a path.
pub(super) fn conversation_id(text: &str) -> Result<ConversationId, ApiError> {
    ConversationId::parse(text).map_err(|_| ApiError::invalid("a conversation id is a UUID"))
}

/// Takes the pseudo connection out again, also when the caller hangs up.
struct Leave {
    registry: Arc<Registry>,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.registry.remove(self.number);
    }
}
