//! Operations and snapshots as rows.

use proto::id::{ConversationId, EntryId, UserId};

use crate::domain::content::SYSTEM;
use crate::domain::entry::{ConversationRow, EntryRow, MemberRow, Membership, Role, Snapshot};
use crate::domain::operation::{Message, Operation};

pub(super) fn row_of(snapshot: &Snapshot) -> ConversationRow {
    ConversationRow {
        key: snapshot.key,
        kind: snapshot.kind,
        title: snapshot.title.clone(),
        created_at_ms: snapshot.created_at_ms,
    }
}

pub(super) fn member_row(
    conversation_id: ConversationId,
    user_id: &UserId,
    Membership { role, from_seq }: Membership,
) -> MemberRow {
    MemberRow { conversation_id, user_id: user_id.clone(), role, from_seq }
}

/// As it stands in contents and REST.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

pub(super) fn message_row(operation: &Operation, message: &Message) -> EntryRow {
    EntryRow {
        conversation_id: operation.conversation_id,
        seq: 0,
        id: EntryId(uuid::Uuid::nil()),
        kind: message.kind.clone(),
        sender_id: operation.actor.clone(),
        client_id: operation.client_id,
        digest: operation.digest,
        content: message.content.clone(),
        reply_to: message.reply_to,
        mentions: message.mentions.iter().map(UserId::name).collect(),
        is_important: message.is_important,
        extra: message.extra.clone(),
        created_at_ms: 0,
    }
}

pub(super) fn system_row(operation: &Operation, content: String) -> EntryRow {
    EntryRow {
        conversation_id: operation.conversation_id,
        seq: 0,
        id: EntryId(uuid::Uuid::nil()),
        kind: SYSTEM.to_owned(),
        sender_id: operation.actor.clone(),
        client_id: operation.client_id,
        digest: operation.digest,
        content,
        reply_to: None,
        mentions: Vec::new(),
        is_important: false,
        extra: None,
        created_at_ms: 0,
    }
}
