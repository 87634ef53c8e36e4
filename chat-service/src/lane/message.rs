//! What a lane has to tell, and the JSON of it.

use std::sync::Arc;

use bytes::Bytes;
use proto::bus::{DeviceType, GatewayRef, Origin, PushClass};
use proto::error_code::{ErrorCode, Stored};
use proto::frame::server::{Entry, ErrorFrame, Sender, Sent, ServerFrame};
use proto::id::{ClientId, ConversationId, ConversationKey, EntryId, UserId};
use serde_json::value::RawValue;

use crate::domain::content::sender_type;
use crate::domain::conversation::Refusal;
use crate::domain::entry::{EntryRow, StoredOperation};
use crate::domain::operation::Reference;
use crate::domain::plan::Audience;

/// The connection that a frame came from.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Its gateway's incarnation.
    pub gateway: Arc<GatewayRef>,
    /// Who is behind it.
    pub origin: Origin,
    /// Devices of this type only get the message.
    pub device_type: DeviceType,
    /// The span of this step; empty when not sampled.
    pub traceparent: String,
    /// What to repeat in the answer.
    pub reference: Reference,
    /// When the first frame of its batch came to the gateway, in Unix milliseconds; 0 when it is not known.
    pub sent_ms: u64,
}

/// One frame to push.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// To whom.
    pub to: To,
    /// The complete frame as JSON text.
    pub frame: Bytes,
    /// What kind of push it is.
    pub class: PushClass,
    /// The span that caused it; empty when not sampled.
    pub traceparent: String,
    /// The client id of the request that it answers; empty when it answers none.
    pub answers: Bytes,
    /// The entry that it is.
    pub entry: Option<(ConversationKey, u64)>,
    /// Of an entry: [`Asker::sent_ms`]. Only measured by.
    pub sent_ms: u64,
}

/// Whom a push is for.
#[derive(Debug, Clone)]
pub enum To {
    /// The connection that asked: known without a look-up.
    Connection {
        /// Its gateway's incarnation.
        gateway: Arc<GatewayRef>,
        /// Its number there.
        connection: u64,
        /// Whose it is.
        user_id: String,
    },
    /// All devices of a user.
    User(UserId),
    /// All devices of the members of a large conversation: each gateway finds its own.
    Channel {
        /// The members, and who comes and goes.
        audience: Audience,
        /// The connection that asked, which got an answer instead.
        except: (Arc<GatewayRef>, u64),
        /// Devices of this type only.
        device_type: DeviceType,
    },
    /// All devices of the members, but not the connection that asked.
    Members {
        /// The members.
        audience: Audience,
        /// The connection that asked, which got an answer instead.
        except: Option<(Arc<GatewayRef>, u64)>,
        /// Its own devices need not hear of it.
        except_user: Option<UserId>,
        /// Devices of this type only.
        device_type: DeviceType,
    },
}

impl To {
    /// True for the answer to a request.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Connection { .. })
    }

    /// The users who are to be looked up for it; none of an answer, and none of a large conversation.
    pub fn members(&self) -> impl Iterator<Item = &UserId> {
        let (user, members) = match self {
            Self::Connection { .. } | Self::Channel { .. } => (None, None),
            Self::User(user) => (Some(user), None),
            Self::Members { audience, except_user, .. } => (None, Some((audience, except_user))),
        };
        user.into_iter().chain(members.into_iter().flat_map(|(audience, except)| {
            let users = audience.members.keys().chain(&audience.removed);
            users.filter(move |user| Some(*user) != except.as_ref())
        }))
    }
}

/// Where an operation is in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) conversation_id: ConversationId,
    /// None for an operation that changed nothing.
    pub(super) id: Option<EntryId>,
    pub(super) seq: u64,
    pub(super) at_ms: u64,
}

impl Place {
    pub(super) fn of(entry: &EntryRow) -> Self {
        let EntryRow { conversation_id, id, seq, created_at_ms, .. } = *entry;
        Self { conversation_id, id: Some(id), seq, at_ms: created_at_ms }
    }

    pub(super) fn stored(stored: &StoredOperation) -> Self {
        let StoredOperation { conversation, entry_id, seq, created_at_ms, .. } = *stored;
        let conversation_id = conversation.id;
        Self { conversation_id, id: Some(entry_id), seq, at_ms: created_at_ms }
    }
}

/// `sent`.
pub(super) fn sent(asker: &Asker, place: Place) -> Outgoing {
    // It was parsed before.
    let client_id = ClientId::from_bytes(&asker.reference.client_id);
    let frame = ServerFrame::Sent(Sent {
        r#ref: reference(asker),
        client_id: client_id.unwrap_or(ClientId(uuid::Uuid::nil())),
        conversation_id: place.conversation_id,
        id: place.id,
        seq: place.seq,
        timestamp: place.at_ms,
        unchanged: place.id.is_none(),
    });
    answer(asker, frame.to_json())
}

/// `error` for what the rules refuse: nothing is stored.
pub(super) fn refused(asker: &Asker, refusal: &Refusal) -> Outgoing {
    error(asker, refusal.code, &refusal.message, Stored::No, None)
}

/// `error`.
pub(super) fn error(
    asker: &Asker,
    code: ErrorCode,
    message: &str,
    stored: Stored,
    retry_after_ms: Option<u64>,
) -> Outgoing {
    let frame = ServerFrame::Error(ErrorFrame {
        r#ref: reference(asker),
        client_id: ClientId::from_bytes(&asker.reference.client_id).ok(),
        code,
        message: message.to_owned(),
        stored,
        retry_after_ms,
        limit: None,
    });
    answer(asker, frame.to_json())
}

fn reference(asker: &Asker) -> Option<String> {
    (!asker.reference.reference.is_empty()).then(|| asker.reference.reference.clone())
}

/// To the connection that asked.
pub(super) fn answer(asker: &Asker, frame: Bytes) -> Outgoing {
    Outgoing {
        to: To::Connection {
            gateway: Arc::clone(&asker.gateway),
            connection: asker.origin.connection,
            user_id: asker.origin.user_id.clone(),
        },
        frame,
        class: PushClass::Answer,
        traceparent: asker.traceparent.clone(),
        answers: asker.reference.client_id.clone(),
        entry: None,
        sent_ms: 0,
    }
}

/// `entry`, for every device but the one that wrote it.
pub(super) fn entry(
    asker: &Asker,
    entry: EntryRow,
    audience: Audience,
    large_members: usize,
) -> Option<Outgoing> {
    let place = (entry.conversation(), entry.seq);
    let is_bot = asker.origin.device_type() == DeviceType::Bot;
    let frame = Entry {
        conversation_id: entry.conversation_id,
        seq: entry.seq,
        id: entry.id,
        sender: Sender {
            id: entry.sender_id.name(),
            r#type: sender_type(&entry.kind, &entry.content, is_bot).to_owned(),
            name: asker.origin.name.clone(),
            avatar: asker.origin.avatar.clone(),
        },
        kind: entry.kind,
        // Checked when it was parsed.
        content: RawValue::from_string(entry.content).ok()?,
        reply_to: entry.reply_to,
        mentions: entry.mentions,
        is_important: entry.is_important,
        extra: entry.extra.and_then(|extra| RawValue::from_string(extra).ok()),
        client_id: Some(entry.client_id),
        timestamp: entry.created_at_ms,
    };
    let (except, device_type) =
        ((Arc::clone(&asker.gateway), asker.origin.connection), asker.device_type);
    let to = if audience.members.len() > large_members {
        To::Channel { audience, except, device_type }
    } else {
        To::Members { audience, except: Some(except), except_user: None, device_type }
    };
    Some(Outgoing {
        to,
        frame: frame.to_frame_json(),
        class: PushClass::Entry,
        traceparent: asker.traceparent.clone(),
        answers: Bytes::new(),
        entry: Some(place),
        sent_ms: asker.sent_ms,
    })
}
