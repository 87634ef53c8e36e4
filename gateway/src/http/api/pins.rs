//! Pinned messages of a conversation.

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::{ListPinsRequest, Pinned as PinnedProto};
use proto::id::UserId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::asking_device::AskingDevice;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::paging::{PageLimit, Seq};
use crate::rest::shapes::{Entry, listed};

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PinPage {
    #[param(inline)]
    limit: Option<PageLimit>,
    /// `next` of the previous page.
    #[param(inline)]
    before: Option<Seq>,
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// Pinned messages, those that were pinned last first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pins {
    pins: Vec<Pinned>,
    /// `before` of the next page; absent when this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// A pinned message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pinned {
    /// The message; its texts are cut to 200 characters, with `"is_cut": true` in `content`.
    #[schema(value_type = Entry)]
    entry: Box<RawValue>,
    /// The entry that pinned it.
    pinned_seq: u64,
    /// When it was pinned, in Unix milliseconds.
    pinned_at: u64,
    /// Who pinned it.
    by: String,
}

impl Pinned {
    fn read(pin: &PinnedProto) -> Option<Self> {
        let by = UserId::parse_qualified(&pin.by).ok()?;
        let (pinned_seq, pinned_at) = (pin.pinned_seq, pin.pinned_at_ms);
        Some(Self {
            entry: listed(&pin.entry)?,
            pinned_seq,
            pinned_at,
            by: by.name_str().to_owned(),
        })
    }
}

/// Pinned messages of a conversation, at most 100.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/pins", operation_id = "list_pins",
    params(("id" = uuid::Uuid, Path), PinPage),
    responses((status = 200, body = Pins), (status = 403, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<String>,
    Query(page): Query<PinPage>,
) -> Result<Json<Pins>, ApiError> {
    let request = ListPinsRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: conversation_id(&id)?.to_bytes(),
        limit: PageLimit::or(page.limit, 100),
        before: page.before.map_or(0, |Seq(seq)| seq),
        device_type: AskingDevice::code(page.device_type),
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.list_pins(request).await
    })
    .await?;
    let pins = reply.pins.iter().filter_map(Pinned::read).collect();
    Ok(Json(Pins { pins, next: (reply.next > 0).then_some(reply.next) }))
}
