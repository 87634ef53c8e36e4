//! Rows of the store as messages and as JSON.

use bytes::Bytes;
use proto::chat::{Conversation, Member, User};
use proto::common::{ConversationKind as KindProto, Role as RoleProto};
use proto::id::UserId;

use crate::domain::entry::{ConversationKind, Limits, Role, State, StoredEntry, UserRow};
use crate::domain::reader::Reader;
use crate::domain::state::Gone;
use crate::encode::{self, Shown};
use crate::store::following::MOST_COUNTED;
use crate::store::{ConversationView, LOOKED_AT_FOR_UNREAD, MemberView};

/// An entry as a reader may see it: a frame `entry` as JSON.
pub(super) fn shown_to(reader: &Reader<'_>, stored: StoredEntry) -> Bytes {
    let shown = Shown::to(reader, &stored.entry);
    encode::entry(stored, shown)
}

/// The state of a message as a reader may see it, with the keys of their own reactions, of which `rows` are those that the
/// state does not name; `None` where they may not.
pub(super) fn state_shown_to(
    reader: &Reader<'_>,
    author: &UserId,
    limits: Limits,
    state: &State,
    rows: &[String],
) -> Option<Bytes> {
    if limits.expires_at_ms.is_some_and(|at| at <= reader.now_ms) && state.gone.is_none() {
        let gone = State { as_of: state.as_of, gone: Some(Gone::Expired), ..State::default() };
        return Some(gone.to_json().into());
    }
    let is_blank = reader.is_blank(author, limits);
    (!is_blank).then(|| encode::state(state, &reader.user_id.name(), rows))
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
    last_message: Option<StoredEntry>,
    members: Vec<MemberView>,
    receipt_members: usize,
    reader: &Reader<'_>,
) -> Conversation {
    let entry = |stored: Option<StoredEntry>| match stored {
        Some(stored) => shown_to(reader, stored),
        None => Bytes::new(),
    };
    let kind = match view.kind {
        ConversationKind::Direct => KindProto::Direct,
        ConversationKind::Group => KindProto::Group,
        ConversationKind::SelfLog => KindProto::SelfLog,
        // Nobody is a member of it: it is in no list.
        ConversationKind::Notices => KindProto::Unspecified,
    };
    // What is further back is not looked at.
    let is_behind = view.head.saturating_sub(view.me.read_seq) > LOOKED_AT_FOR_UNREAD.into();
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
        unread: view.unread.min(MOST_COUNTED),
        unread_more: view.unread > MOST_COUNTED || is_behind,
        unread_mentions: view.unread_mentions.min(MOST_COUNTED),
        last_entry: entry(view.last_entry),
        last_message: entry(last_message),
        members: members.into_iter().map(member_proto).collect(),
        receipts: view.member_count as usize <= receipt_members,
        own: Vec::new(),
    }
}

fn role_proto(role: Role) -> RoleProto {
    match role {
        Role::Member => RoleProto::Member,
        Role::Admin => RoleProto::Admin,
        Role::Owner => RoleProto::Owner,
    }
}
