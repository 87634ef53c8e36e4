//! What is planned, as rows.

use proto::id::{ConversationId, UserId};

use crate::domain::entry::{
    ConversationRow, Entry, MemberRow, Membership, Snapshot, State, Target,
};

pub(super) fn row_of(snapshot: &Snapshot) -> ConversationRow {
    ConversationRow {
        key: snapshot.key,
        kind: snapshot.kind,
        title: snapshot.title.clone(),
        created_at_ms: snapshot.created_at_ms,
    }
}

/// A member as they are kept.
pub(in crate::operations) fn member_row(
    conversation_id: ConversationId,
    user_id: &UserId,
    Membership { role, from_seq }: Membership,
) -> MemberRow {
    MemberRow { conversation_id, user_id: user_id.clone(), role, from_seq }
}

/// An entry of the same batch, for an operation that changes it.
pub(super) fn target_of(entry: &Entry) -> Target {
    let message = entry.body.message();
    Target {
        kind: entry.body.kind().to_owned(),
        author: entry.author.id.clone(),
        created_at_ms: entry.created_at_ms,
        thread: entry.thread,
        also_in_main: entry.also_in_main,
        mentions: message.map_or(Vec::new(), |message| message.mentions.clone()),
        mention_all: message.is_some_and(|message| message.mention_all),
        state: State::default(),
        edits: Vec::new(),
        device_type: entry.device_type,
        expires_at_ms: entry.expires_at_ms,
        is_blank: entry.body.content() == "{}",
        pinned_seq: None,
        tally_due_ms: None,
    }
}
