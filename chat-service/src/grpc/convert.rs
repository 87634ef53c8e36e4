//! Rows of the store as messages and as JSON.

use bytes::Bytes;
use proto::chat::{Conversation, ConversationKind as KindProto, Member, Role as RoleProto, User};
use proto::frame::server::{Entry, Sender};
use serde_json::value::RawValue;

use crate::domain::content;
use crate::domain::entry::{ConversationKind, Role, StoredEntry, UserRow};
use crate::store::{ConversationView, MemberView};

/// An entry as a complete client frame.
pub(super) fn entry_json(stored: StoredEntry) -> Bytes {
    entry_frame(stored).to_frame_json()
}

fn entry_frame(stored: StoredEntry) -> Entry {
    let entry = stored.entry;
    Entry {
        conversation_id: entry.conversation_id,
        seq: entry.seq,
        id: entry.id,
        sender: Sender {
            id: entry.sender_id.name(),
            r#type: content::sender_type(&entry.kind, &entry.content, false).to_owned(),
            name: stored.sender_name,
            avatar: stored.sender_avatar,
        },
        kind: entry.kind,
        // Checked when it was stored; what another tool wrote into the table must not break a page.
        content: RawValue::from_string(entry.content).unwrap_or_default(),
        reply_to: entry.reply_to,
        mentions: entry.mentions,
        is_important: entry.is_important,
        extra: entry.extra.and_then(|extra| RawValue::from_string(extra).ok()),
        client_id: Some(entry.client_id),
        timestamp: entry.created_at_ms,
    }
}

pub(super) fn user_proto(user: UserRow) -> User {
    User { id: user.id.to_string(), name: user.name, avatar: user.avatar }
}

pub(super) fn member_proto(member: MemberView) -> Member {
    Member {
        user_id: member.user.id.to_string(),
        role: role_proto(member.role) as i32,
        delivered_seq: member.delivered_seq,
        read_seq: member.read_seq,
        name: member.user.name,
        avatar: member.user.avatar,
        from_seq: member.from_seq,
    }
}

pub(super) fn conversation_proto(
    view: ConversationView,
    members: Vec<MemberView>,
    receipt_members: usize,
) -> Conversation {
    let kind = match view.kind {
        ConversationKind::Direct => KindProto::Direct,
        ConversationKind::Group => KindProto::Group,
    };
    Conversation {
        id: view.id.to_bytes(),
        kind: kind as i32,
        title: view.title,
        head: view.head,
        created_at_ms: view.created_at_ms,
        member_count: view.member_count,
        my_role: role_proto(view.me.role) as i32,
        my_delivered_seq: view.me.delivered_seq,
        my_read_seq: view.me.read_seq,
        unread: view.unread,
        last_entry: view.last_entry.map(entry_json).unwrap_or_default(),
        members: members.into_iter().map(member_proto).collect(),
        receipts: view.member_count as usize <= receipt_members,
    }
}

fn role_proto(role: Role) -> RoleProto {
    match role {
        Role::Member => RoleProto::Member,
        Role::Admin => RoleProto::Admin,
        Role::Owner => RoleProto::Owner,
    }
}
