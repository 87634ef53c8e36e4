//! The entries of a log and the rows around them, as the domain plans and the stores keep them.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::id::{ClientId, ConversationId, ConversationKey, EntryId, UserId, UserName};

pub use super::said::Digest;

/// Members by user id, cheap to hand on.
pub type Members = Arc<BTreeMap<UserId, Membership>>;

/// What a member may do and see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// As what.
    pub role: Role,
    /// First entry that the member may see.
    pub from_seq: u64,
}

/// Kind of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationKind {
    /// Two users; its id follows from theirs.
    Direct,
    /// Any number of members, with roles and a title.
    Group,
}

/// What a member may do. The order is that of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads and writes.
    Member,
    /// Also changes the title and the members.
    Admin,
    /// Also changes roles.
    Owner,
}

/// One entry to append. It belongs to its sender's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Whose log.
    pub conversation_id: ConversationId,
    /// Its place.
    pub seq: u64,
    /// Its own id.
    pub id: EntryId,
    /// `text`, `system`.
    pub kind: String,
    /// Who wrote it.
    pub sender_id: UserId,
    /// The sender's id of the operation.
    pub client_id: ClientId,
    /// Of what the operation said; all zero where it is not read back.
    pub digest: Digest,
    /// A JSON object.
    pub content: String,
    /// The entry it answers.
    pub reply_to: Option<u64>,
    /// Users of its tenant that are named in it.
    pub mentions: Vec<UserName>,
    /// The sender asked for attention.
    pub is_important: bool,
    /// A JSON object the server does not read.
    pub extra: Option<String>,
    /// Unix milliseconds.
    pub created_at_ms: u64,
}

impl EntryRow {
    /// Whose log.
    pub fn conversation(&self) -> ConversationKey {
        ConversationKey::new(self.sender_id.tenant(), self.conversation_id)
    }
}

/// A stored entry with what is known of its sender now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The entry; its digest is not read back.
    pub entry: EntryRow,
    /// Empty when unknown.
    pub sender_name: String,
    /// Empty when unknown.
    pub sender_avatar: String,
}

/// A new conversation, or one with a new title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationRow {
    /// Which.
    pub key: ConversationKey,
    /// Its kind; never changes.
    pub kind: ConversationKind,
    /// Empty for direct ones.
    pub title: String,
    /// Unix milliseconds; kept from the first time.
    pub created_at_ms: u64,
}

/// A new member, or one with a new role. Belongs to the user's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// First entry that the member may see.
    pub from_seq: u64,
}

/// A member's cursors. Each only ever grows. Belongs to the user's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorRow {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// All up to here reached a device.
    pub delivered_seq: u64,
    /// All up to here was read.
    pub read_seq: u64,
}

impl CursorRow {
    /// Where.
    pub fn conversation(&self) -> ConversationKey {
        ConversationKey::new(self.user_id.tenant(), self.conversation_id)
    }
}

/// What a token says of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The user.
    pub id: UserId,
    /// Display name, may be empty.
    pub name: String,
    /// Address of a picture, may be empty.
    pub avatar: String,
}

/// What an earlier operation under a client id did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOperation {
    /// Whose log it was appended to.
    pub conversation: ConversationKey,
    /// Its place there.
    pub seq: u64,
    /// The entry's id.
    pub entry_id: EntryId,
    /// When, in Unix milliseconds.
    pub created_at_ms: u64,
    /// Of what it said; `None` for operations of before these digests were kept.
    pub digest: Option<Digest>,
    /// The entry as it is stored; `None` when it is no longer there.
    pub entry: Option<Box<EntryRow>>,
}

/// What planning needs to know of a conversation. A head that fits at append time proves that the
/// rest is current, because every change of it is an entry too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which.
    pub key: ConversationKey,
    /// Its kind.
    pub kind: ConversationKind,
    /// Its title.
    pub title: String,
    /// Highest committed seq; 0 when there is none.
    pub head: u64,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: u64,
    /// Its members, by user id; shared with the pushes that are made from it.
    pub members: Members,
}
