//! Dead letters, for operators: listed, shown, replayed, dropped.

use std::sync::Arc;

use bus::{Bus, Lane};
use prost::Message;
use proto::bus::frame::Body;
use proto::bus::{Frame, FrameBatch};
use proto::chat::dead_letters_server::DeadLetters;
use proto::chat::{
    DeadLetter as LetterProto, DeadLetterDone, DeadLetterRequest, ListDeadReply, ListDeadRequest,
};
use tonic::{Request, Response, Status};

use super::cursor;
use super::errors::failed;
use super::fill::Fill;
use super::request::{tenant, text};
use crate::domain::letter::{DeadLetter, LetterKey, LetterKind};
use crate::store::ChatStore;

/// Letters of one page.
const MAX_LETTERS: u32 = 200;
/// Bytes of one page.
const PAGE_BYTES: usize = 1 << 20;

pub struct DeadLetterDesk {
    store: Arc<dyn ChatStore>,
    bus: Arc<dyn Bus>,
}

impl DeadLetterDesk {
    /// Reads and drops letters of a store, and replays them over a bus.
    pub fn new(store: Arc<dyn ChatStore>, bus: Arc<dyn Bus>) -> Self {
        Self { store, bus }
    }

    async fn letter(&self, request: &DeadLetterRequest) -> Result<DeadLetter, Status> {
        let letter = self.store.dead_letter(&key(request)?).await.map_err(failed)?;
        letter.ok_or_else(|| Status::not_found("there is no dead letter with this id"))
    }
}

#[tonic::async_trait]
impl DeadLetters for DeadLetterDesk {
    async fn list(
        &self,
        request: Request<ListDeadRequest>,
    ) -> Result<Response<ListDeadReply>, Status> {
        let request = request.into_inner();
        let limit = request.limit.clamp(1, MAX_LETTERS);
        let after = cursor::letter(&request.after)?;
        let tenant = tenant(&request.tenant)?;
        let found = self.store.dead_letters(tenant, after, limit + 1).await.map_err(failed)?;
        let count = found.len();
        let mut fill = Fill::new(PAGE_BYTES);
        let letters: Vec<LetterProto> = found
            .into_iter()
            .take(limit as usize)
            .map(|(letter, bytes)| shown(letter, bytes))
            .take_while(|letter| fill.takes(letter))
            .collect();
        let last = letters.last().filter(|_| count > letters.len());
        let next =
            last.map(|last| cursor::of_letter(last.first_at_ms, &last.id)).unwrap_or_default();
        Ok(Response::new(ListDeadReply { letters, next }))
    }

    async fn show(
        &self,
        request: Request<DeadLetterRequest>,
    ) -> Result<Response<LetterProto>, Status> {
        let letter = self.letter(&request.into_inner()).await?;
        let bytes = letter.body.len() as u64;
        Ok(Response::new(shown(letter, bytes)))
    }

    async fn replay(
        &self,
        request: Request<DeadLetterRequest>,
    ) -> Result<Response<DeadLetterDone>, Status> {
        let letter = self.letter(&request.into_inner()).await?;
        let batch = match letter.kind {
            LetterKind::Frame => FrameBatch::decode(letter.body).ok(),
            LetterKind::Body => None,
        };
        let batch = batch.ok_or_else(|| {
            Status::invalid_argument("this was no frame: it can only be shown and dropped")
        })?;
        if !batch.frames.iter().all(is_known) {
            let text = "this frame is of another version, which can replay it; here it can only be shown and dropped";
            return Err(Status::invalid_argument(text));
        }
        if letter.partition >= self.bus.partitions() {
            return Err(Status::invalid_argument("its partition no longer exists"));
        }
        self.bus.publish_frames(Lane::Chat, letter.partition, batch).await.map_err(|error| {
            Status::unavailable(format!("the letter stays: {error}; try again"))
        })?;
        // Not when it is back already: then it became a dead letter again, and counted up.
        self.store.drop_dead(&letter.key, Some(letter.times)).await.map_err(failed)?;
        tracing::info!(
            id = letter.key.id,
            tenant = letter.key.tenant.as_str(),
            "a dead letter is replayed"
        );
        Ok(Response::new(DeadLetterDone {}))
    }

    async fn drop(
        &self,
        request: Request<DeadLetterRequest>,
    ) -> Result<Response<DeadLetterDone>, Status> {
        let key = key(&request.into_inner())?;
        if !self.store.drop_dead(&key, None).await.map_err(failed)? {
            return Err(Status::not_found("there is no dead letter with this id"));
        }
        tracing::info!(id = key.id, tenant = key.tenant.as_str(), "a dead letter is dropped");
        Ok(Response::new(DeadLetterDone {}))
    }
}

/// Whether anybody would work on it: else it would be answered to nobody, and gone.
fn is_known(frame: &Frame) -> bool {
    match &frame.body {
        Some(Body::Operation(operation)) => operation.action.is_some(),
        other => other.is_some(),
    }
}

fn key(request: &DeadLetterRequest) -> Result<LetterKey, Status> {
    Ok(LetterKey { tenant: tenant(&request.tenant)?, id: text("id", &request.id)?.to_owned() })
}

fn shown(letter: DeadLetter, body_bytes: u64) -> LetterProto {
    LetterProto {
        id: letter.key.id,
        kind: letter.kind.as_str().to_owned(),
        reason: letter.reason,
        partition: u32::from(letter.partition),
        user_id: letter.user_id,
        conversation_id: letter.conversation_id,
        client_id: letter.client_id,
        times: letter.times,
        first_at_ms: letter.first_at_ms,
        last_at_ms: letter.last_at_ms,
        body_bytes,
        body: letter.body,
    }
}
