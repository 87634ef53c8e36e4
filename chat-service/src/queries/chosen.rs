//! Chosen statuses, kept for the presence service.

use std::collections::HashMap;
use std::sync::Arc;

use proto::chat::chosen_statuses_server::ChosenStatuses;
use proto::chat::{
    ChosenStatus, KeepChosenReply, KeepChosenRequest, ReadChosenReply, ReadChosenRequest,
};
use tonic::{Request, Response, Status};

use super::errors::failed;
use super::request::{MAX_IDS, user, users};
use crate::clock::now_ms;
use crate::store::ChatStore;

/// Longest status that is kept.
const STATUS_BYTES: usize = 32;

pub(crate) struct ChosenDesk(Arc<dyn ChatStore>);

impl ChosenDesk {
    /// Reads and writes a store.
    pub(crate) fn new(store: Arc<dyn ChatStore>) -> Self {
        Self(store)
    }
}

#[tonic::async_trait]
impl ChosenStatuses for ChosenDesk {
    async fn keep(
        &self,
        request: Request<KeepChosenRequest>,
    ) -> Result<Response<KeepChosenReply>, Status> {
        let chosen = request.into_inner().chosen;
        if chosen.len() > MAX_IDS {
            return Err(Status::invalid_argument("keep at most 1,000 statuses at once"));
        }
        // Of a user who is named twice the last one counts.
        let mut by_user = HashMap::with_capacity(chosen.len());
        for ChosenStatus { user_id, status } in chosen {
            let is_word = status.bytes().all(|byte| byte.is_ascii_graphic());
            if status.is_empty() || status.len() > STATUS_BYTES || !is_word {
                return Err(Status::invalid_argument("`status` is a word of at most 32 letters"));
            }
            by_user.insert(user(&user_id)?, status);
        }
        if !by_user.is_empty() {
            let chosen: Vec<_> = by_user.into_iter().collect();
            self.0.keep_chosen(&chosen, now_ms()).await.map_err(failed)?;
        }
        Ok(Response::new(KeepChosenReply {}))
    }

    async fn read(
        &self,
        request: Request<ReadChosenRequest>,
    ) -> Result<Response<ReadChosenReply>, Status> {
        let users = users(&request.into_inner().user_ids)?;
        let chosen = self.0.chosen(&users).await.map_err(failed)?;
        let status = |(user_id, status): (proto::id::UserId, String)| ChosenStatus {
            user_id: user_id.to_string(),
            status,
        };
        Ok(Response::new(ReadChosenReply { chosen: chosen.into_iter().map(status).collect() }))
    }
}
