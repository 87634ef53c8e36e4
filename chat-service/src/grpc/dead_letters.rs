//! What was put aside, for operators: listed, shown, replayed, dropped.

use std::sync::Arc;

use bus::{Bus, Lane};
use prost::Message;
use proto::bus::FrameBatch;
use proto::chat::dead_letters_server::DeadLetters;
use proto::chat::{
    DeadLetter as LetterProto, DeadLetterDone, DeadLetterRequest, ListDeadReply, ListDeadRequest,
};
use tonic::{Request, Response, Status};

use super::unavailable;
use crate::domain::letter::{DeadLetter, LetterKind};
use crate::store::ChatStore;

/// Letters of one page.
const MAX_LETTERS: u32 = 200;

/// The gRPC service.
pub struct DeadLetterDesk {
    store: Arc<dyn ChatStore>,
    bus: Arc<dyn Bus>,
}

impl DeadLetterDesk {
    /// Reads and drops letters of a store, and replays them over a bus.
    pub fn new(store: Arc<dyn ChatStore>, bus: Arc<dyn Bus>) -> Self {
        Self { store, bus }
    }

    async fn letter(&self, id: &str) -> Result<DeadLetter, Status> {
        let letter = self.store.dead_letter(id).await.map_err(unavailable)?;
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
        let after = if request.after.is_empty() { None } else { Some(place(&request.after)?) };
        let letters = self.store.dead_letters(after, limit).await.map_err(unavailable)?;
        let next = match letters.last() {
            Some((last, _)) if letters.len() == limit as usize => {
                format!("{}:{}", last.last_at_ms, last.id)
            }
            _ => String::new(),
        };
        let letters = letters.into_iter().map(|(letter, bytes)| shown(letter, bytes)).collect();
        Ok(Response::new(ListDeadReply { letters, next }))
    }

    async fn show(
        &self,
        request: Request<DeadLetterRequest>,
    ) -> Result<Response<LetterProto>, Status> {
        let letter = self.letter(&request.into_inner().id).await?;
        let bytes = letter.body.len() as u64;
        Ok(Response::new(shown(letter, bytes)))
    }

    async fn replay(
        &self,
        request: Request<DeadLetterRequest>,
    ) -> Result<Response<DeadLetterDone>, Status> {
        let letter = self.letter(&request.into_inner().id).await?;
        let batch = match letter.kind {
            LetterKind::Frame => FrameBatch::decode(letter.body).ok(),
            LetterKind::Body => None,
        };
        let batch = batch.ok_or_else(|| {
            Status::invalid_argument("this was no frame: it can only be shown and dropped")
        })?;
        if letter.partition >= self.bus.partitions() {
            return Err(Status::invalid_argument("its partition no longer exists"));
        }
        self.bus.publish_frames(Lane::Chat, letter.partition, batch).await.map_err(|error| {
            Status::unavailable(format!("the letter stays: {error}; try again"))
        })?;
        // Not when it is back already: then it was put aside again, and counted up.
        self.store.drop_dead(&letter.id, Some(letter.times)).await.map_err(unavailable)?;
        tracing::info!(id = letter.id, "a dead letter is replayed");
        Ok(Response::new(DeadLetterDone {}))
    }

    async fn drop(
        &self,
        request: Request<DeadLetterRequest>,
    ) -> Result<Response<DeadLetterDone>, Status> {
        let id = request.into_inner().id;
        if !self.store.drop_dead(&id, None).await.map_err(unavailable)? {
            return Err(Status::not_found("there is no dead letter with this id"));
        }
        tracing::info!(id, "a dead letter is dropped");
        Ok(Response::new(DeadLetterDone {}))
    }
}

fn place(text: &str) -> Result<(u64, String), Status> {
    text.split_once(':')
        .and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())))
        .ok_or_else(|| Status::invalid_argument("`after` is `next` of the page before"))
}

fn shown(letter: DeadLetter, body_bytes: u64) -> LetterProto {
    LetterProto {
        id: letter.id,
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
