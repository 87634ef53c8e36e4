//! Operations that come again: the same answer, and who may see what is pushed once more.

use std::sync::Arc;

use proto::error_code::ErrorCode;
use proto::id::{ConversationKey, UserId};

use super::{Conversations, Outcome};
use crate::domain::conversation::Refusal;
use crate::domain::entry::{Digest, Entry, Members, StoredOperation};

/// Who hears of an entry: the members after it, and one who was just removed.
#[derive(Debug, Clone, Default)]
pub struct Audience {
    pub members: Members,
    /// Hears of their own removal.
    pub removed: Option<UserId>,
    /// The members whom the entry adds.
    pub joined: Vec<UserId>,
}

/// The outcome of an operation under a client id that was used before; `None` when it said something else then.
/// Where nothing can be compared it is answered with what is stored.
pub fn repeated(
    digest: Option<Digest>,
    stored: &StoredOperation,
    conversations: &Conversations,
) -> Option<Outcome> {
    if stored.digest.is_some_and(|of_then| Some(of_then) != digest) {
        return None;
    }
    let audience = audience_of(conversations, stored.conversation, stored.seq);
    Some(Outcome::Repeated { stored: Box::new(stored.clone()), audience })
}

pub(super) fn audience(conversations: &Conversations, key: ConversationKey) -> Audience {
    let snapshot = conversations.get(&key).and_then(Option::as_ref);
    let members = snapshot.map(|snapshot| Arc::clone(&snapshot.members));
    Audience { members: members.unwrap_or_default(), ..Audience::default() }
}

/// It is told to those only who may see it: members since then.
fn audience_of(conversations: &Conversations, key: ConversationKey, seq: u64) -> Audience {
    let audience = audience(conversations, key);
    if audience.members.values().all(|member| member.from_seq <= seq) {
        return audience;
    }
    let members = audience.members.iter().filter(|(_, member)| member.from_seq <= seq);
    let members = members.map(|(user, member)| (user.clone(), *member)).collect();
    Audience { members: Arc::new(members), ..Audience::default() }
}

/// An operation that was planned in the same batch already, whose entry is pushed once.
pub(super) fn in_batch(entry: &Entry) -> StoredOperation {
    StoredOperation {
        conversation: entry.conversation(),
        seq: entry.seq,
        entry_id: entry.id,
        created_at_ms: entry.created_at_ms,
        digest: Some(entry.digest),
        // What its answer says stands in it.
        entry: entry.body.is_act().then(|| Box::new(entry.clone())),
    }
}

pub(super) fn other_content() -> Refusal {
    let text = "something else is stored under this client id, and stays; if this is a new operation and no \
        repeat, send it under a new client id";
    Refusal::new(ErrorCode::Conflict, text)
}
