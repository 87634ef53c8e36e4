//! Writes down what operators do.

use std::sync::Arc;

use proto::chat::audit_server::Audit;
use proto::chat::{RecordActReply, RecordActRequest};
use tonic::{Request, Response, Status};

use super::errors::failed;
use super::request::user;
use crate::clock::now_ms;
use crate::store::ChatStore;
use crate::store::audit::Act;

/// Longest text of an act, in bytes; what is longer is cut.
const TEXT_BYTES: usize = 1_000;
/// Longest `details`, in bytes; larger ones are left out.
const DETAILS_BYTES: usize = 16 << 10;

pub(crate) struct AuditDesk {
    store: Arc<dyn ChatStore>,
}

impl AuditDesk {
    /// Writes into a store.
    pub(crate) fn new(store: Arc<dyn ChatStore>) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl Audit for AuditDesk {
    async fn record_act(
        &self,
        request: Request<RecordActRequest>,
    ) -> Result<Response<RecordActReply>, Status> {
        let request = request.into_inner();
        let details = Some(request.details).filter(|it| it.len() <= DETAILS_BYTES);
        let act = Act {
            actor: user(&request.actor)?,
            ip: kept(&request.ip),
            action: kept(&request.action),
            target: kept(&request.target),
            reason: kept(&request.reason),
            details: details.unwrap_or_else(|| r#"{"cut":true}"#.to_owned()).replace('\0', " "),
            at_ms: now_ms(),
        };
        self.store.record_act(&act).await.map_err(failed)?;
        tracing::info!(
            actor = %act.actor,
            action = act.action,
            target = act.target,
            "an operator did something"
        );
        Ok(Response::new(RecordActReply {}))
    }
}

/// No database takes a NUL character.
fn kept(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES)].replace('\0', " ")
}
