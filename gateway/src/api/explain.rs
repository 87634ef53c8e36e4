//! What became of a message: stored when, who has it, who is connected where, and what it waits for. For
//! operators; shows no content.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use platform::grpc::ask;
use proto::chat::{ExplainReply, ExplainRequest};
use proto::id::ConversationId;
use proto::presence::{LocateReply, LocateRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ErrorBody, Query};
use crate::shared::{Identity, Shared};

/// Members of one page.
const PAGE: u32 = 500;

/// Which message.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Which {
    /// `conversation:seq`, the id of the entry, or the client id of the operation that wrote it.
    message: String,
    /// Only what concerns this user.
    user: Option<String>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// Whose log.
    conversation_id: String,
    /// Its place.
    seq: u64,
    /// Its id.
    id: String,
    /// The sender's id of the operation.
    client_id: String,
    /// Who wrote it.
    sender: String,
    /// `text`, `system`.
    kind: String,
    /// When it was committed, in Unix milliseconds.
    stored_at: u64,
    /// Highest sequence in the log now.
    head: u64,
    /// False when presence did not answer: nobody's connections are known.
    is_located: bool,
    /// Those who may see it.
    members: Vec<MemberExplained>,
    /// `after` of the next page; empty when this was the last.
    next: String,
}

/// One member's side of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberExplained {
    /// Who.
    user_id: String,
    /// `read`, `acknowledged`, `connected`, `offline` or, without presence, `unacknowledged`.
    state: &'static str,
    /// All up to here reached a device.
    delivered_seq: u64,
    /// All up to here was read.
    read_seq: u64,
    /// Where the user is connected now.
    devices: Vec<DeviceExplained>,
    /// What the delivery waits for; absent when it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<&'static str>,
}

/// One connection.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DeviceExplained {
    /// Which gateway.
    gateway: String,
    /// Its incarnation.
    epoch: String,
    /// The connection, as in `welcome`.
    connection_id: String,
}

/// What became of a message; for tokens with the role admin.
#[utoipa::path(get, path = "/api/v1/admin/explain", params(Which),
    responses((status = 200, body = Explanation), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn explain(
    State(shared): State<Shared>,
    identity: Identity,
    Query(which): Query<Which>,
) -> Result<Json<Explanation>, ApiError> {
    identity.is_admin()?;
    let request = ExplainRequest {
        limit: PAGE,
        after: which.after,
        user_id: which.user.unwrap_or_default(),
        ..place(&which.message)?
    };
    let reply =
        ask(&shared.chat, request, |mut chat, request| async move { chat.explain(request).await })
            .await?;
    if reply.members.is_empty() {
        return Err(ApiError::not_found("this user may not see the entry"));
    }
    let user_ids = reply.members.iter().map(|member| member.user_id.clone()).collect();
    let located = shared.presence.clone().locate(LocateRequest { user_ids }).await;
    Ok(Json(explained(reply, located.ok().map(tonic::Response::into_inner))))
}

fn place(message: &str) -> Result<ExplainRequest, ApiError> {
    let wrong = || ApiError::invalid("`message` is `conversation:seq`, an entry id or a client id");
    let mut request = ExplainRequest::default();
    if let Some((id, seq)) = message.split_once(':') {
        request.conversation_id = ConversationId::parse(id).map_err(|_| wrong())?.to_bytes();
        request.seq = seq.parse().map_err(|_| wrong())?;
    } else {
        let id = uuid::Uuid::try_parse(message).map_err(|_| wrong())?;
        request.id = Bytes::copy_from_slice(id.as_bytes());
    }
    Ok(request)
}

fn explained(reply: ExplainReply, located: Option<LocateReply>) -> Explanation {
    let is_located = located.is_some();
    let mut devices = devices(&reply, &located.unwrap_or_default());
    let uuid = |bytes: &[u8]| uuid::Uuid::from_slice(bytes).unwrap_or_default().to_string();
    let members = reply
        .members
        .into_iter()
        .map(|member| {
            let devices = devices.remove(&member.user_id).unwrap_or_default();
            let is_sender = member.user_id == reply.sender_id;
            let (state, waits_for) = if member.read_seq >= reply.seq {
                ("read", None)
            } else if member.delivered_seq >= reply.seq || is_sender {
                ("acknowledged", None)
            } else if !is_located {
                ("unacknowledged", Some("presence does not answer; then as below"))
            } else if devices.is_empty() {
                ("offline", Some("a device of this user to connect and sync"))
            } else {
                (
                    "connected",
                    Some("`delivered` of a device; it is pushed again until it is closed"),
                )
            };
            MemberExplained {
                user_id: member.user_id,
                state,
                delivered_seq: member.delivered_seq,
                read_seq: member.read_seq,
                devices,
                waits_for,
            }
        })
        .collect();
    Explanation {
        conversation_id: uuid(&reply.conversation_id),
        seq: reply.seq,
        id: uuid(&reply.entry_id),
        client_id: uuid(&reply.client_id),
        sender: reply.sender_id,
        kind: reply.kind,
        stored_at: reply.stored_at_ms,
        head: reply.head,
        is_located,
        members,
        next: reply.next,
    }
}

fn devices(reply: &ExplainReply, located: &LocateReply) -> HashMap<String, Vec<DeviceExplained>> {
    let mut columns = located.gateway_indexes.iter().zip(&located.connections);
    let mut devices = HashMap::new();
    for (member, count) in reply.members.iter().zip(&located.device_counts) {
        let of_member: Vec<_> = columns
            .by_ref()
            .take(*count as usize)
            .filter_map(|(gateway, connection)| {
                let gateway = located.gateways.get(*gateway as usize)?;
                Some(DeviceExplained {
                    gateway: gateway.id.clone(),
                    epoch: format!("{:x}", gateway.epoch),
                    connection_id: format!("{}.{connection:x}", gateway.id),
                })
            })
            .collect();
        devices.insert(member.user_id.clone(), of_member);
    }
    devices
}
