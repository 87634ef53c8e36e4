//! The entries of a log and the rows around them, as the domain plans and the stores keep them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proto::frame::server::Forwarded;
use proto::id::{ClientId, ConversationId, ConversationKey, EntryId, UserId, UserName};

pub use super::body::{Body, ChangeKind, Class, Message, MessageKind, OwnKind};
pub use super::reader::{DeviceType, Limits};
pub use super::said::Digest;
pub use super::state::State;

/// Members by user id, cheap to hand on.
pub type Members = Arc<BTreeMap<UserId, Membership>>;

/// What a member may do and see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
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
    /// What its one member sets of their own: for everybody else, and for whatever is not set, there is none.
    SelfLog,
    /// The notices of a tenant. It has no members: everybody of the tenant reads it.
    Notices,
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

impl Role {
    /// As it stands in contents and REST.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// Who wrote an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub id: UserId,
    pub r#type: SenderType,
}

/// As what an entry was written: by the roles of the token, never by what a client says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderType {
    /// A person.
    User,
    /// A program that is a member.
    Bot,
    /// The server, on the operation of the author.
    System,
    /// An operator of the install.
    Operator,
}

impl SenderType {
    /// As it is stored. Never change one.
    pub fn code(self) -> i16 {
        match self {
            Self::User => 1,
            Self::Bot => 2,
            Self::System => 3,
            Self::Operator => 4,
        }
    }

    /// As clients are told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Bot => "bot",
            Self::System => "system",
            Self::Operator => "operator",
        }
    }

    /// Of a stored code. Entries of before it was stored have that of a user: of theirs the kind tells more.
    pub fn of(code: i64, body: &Body) -> Self {
        match (body, code) {
            (Body::System(_) | Body::Change(ChangeKind::Tally, _), _) => Self::System,
            (Body::Message(message), _) if message.kind.is_of_operators() => Self::Operator,
            (_, 2) => Self::Bot,
            _ => Self::User,
        }
    }
}

/// One entry of a log. It belongs to its author's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub conversation_id: ConversationId,
    pub seq: u64,
    pub id: EntryId,
    pub author: Author,
    /// The author's id of the operation.
    pub client_id: ClientId,
    /// Of what the operation said; all zero where it is not read back.
    pub digest: Digest,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// The entry that it changes.
    pub target: Option<u64>,
    /// The first message of the thread that it belongs to.
    pub thread: Option<u64>,
    /// It is of a thread, and shown in the conversation, too.
    pub also_in_main: bool,
    /// For devices of this type alone, and the author's own.
    pub device_type: Option<DeviceType>,
    /// From when on it is blank for everybody, in Unix milliseconds.
    pub expires_at_ms: Option<u64>,
    pub body: Body,
}

impl Entry {
    pub fn conversation(&self) -> ConversationKey {
        ConversationKey::new(self.author.id.tenant(), self.conversation_id)
    }

    /// For whom and until when it is shown.
    pub fn limits(&self) -> Limits {
        let Self { device_type, expires_at_ms, target, .. } = *self;
        Limits { device_type, expires_at_ms, target }
    }

    /// It has nothing but what every text of a user has.
    pub fn is_plain(&self) -> bool {
        self.author.r#type == SenderType::User
            && self.target.is_none()
            && self.thread.is_none()
            && self.device_type.is_none()
            && self.expires_at_ms.is_none()
            && self.body.flags().is_none()
            && self.body.forwarded().is_none()
    }
}

/// A stored entry with what is known of its sender now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The entry; its digest is not read back.
    pub entry: Entry,
    /// Empty when unknown.
    pub sender_name: String,
    /// Empty when unknown.
    pub sender_avatar: String,
}

/// A new conversation, or one with a new title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationRow {
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
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub role: Role,
    /// First entry that the member may see.
    pub from_seq: u64,
}

/// A member's cursors. Each only ever grows. Belongs to the user's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorRow {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    /// All up to here reached a device.
    pub delivered_seq: u64,
    /// All up to here was read.
    pub read_seq: u64,
}

/// What a token says of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
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
    pub entry_id: EntryId,
    /// When, in Unix milliseconds.
    pub created_at_ms: u64,
    /// Of what it said; `None` where it says nothing: see [`said::comparable`](super::said::comparable).
    pub digest: Option<Digest>,
    /// The entry as it is stored; `None` when it is no longer there.
    pub entry: Option<Box<Entry>>,
}

/// What planning needs to know of a conversation. A head that fits at append time proves that the
/// rest is current, because every change of it is an entry too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub key: ConversationKey,
    pub kind: ConversationKind,
    pub title: String,
    /// Highest committed seq; 0 when there is none.
    pub head: u64,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: u64,
    /// Its members, by user id; shared with the pushes that are made from it.
    pub members: Members,
}

/// A message that somebody may see and copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub kind: MessageKind,
    /// A JSON object.
    pub content: String,
    /// What its copy says of it.
    pub forwarded: Forwarded,
    /// From when on it is blank, in Unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// It is for one type of device.
    pub is_limited: bool,
    /// Who wrote it, where that is a bot that is still a member.
    pub bot: Option<UserName>,
}

/// What each of the operations of a batch copies; what they may not see, or is not there, is missing.
pub type Sources = HashMap<(UserId, ConversationId, u64), Source>;

/// A mention of a user in a message. Belongs to the tenant of the one who mentions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MentionRow {
    pub conversation: ConversationKey,
    pub seq: u64,
    /// Who is mentioned; `None`: all members.
    pub user: Option<UserName>,
    /// The thread that the message is said in, and there alone; its unread mentions are none of the conversation.
    pub thread: Option<u64>,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

impl MentionRow {
    /// The user as rows hold it.
    pub fn stored_user(&self) -> &str {
        stored_user(self.user.as_ref())
    }

    pub fn key(&self) -> MentionKey {
        let Self { conversation, seq, user, .. } = self;
        MentionKey { conversation: *conversation, seq: *seq, user: user.clone() }
    }
}

/// Which mention: of whom in which message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MentionKey {
    pub conversation: ConversationKey,
    pub seq: u64,
    /// Who is mentioned; `None`: all members.
    pub user: Option<UserName>,
}

impl MentionKey {
    /// The user as rows hold it.
    pub fn stored_user(&self) -> &str {
        stored_user(self.user.as_ref())
    }
}

fn stored_user(user: Option<&UserName>) -> &str {
    user.map_or("*", UserName::as_str)
}

/// A thread that a user follows from now on. Belongs to the user's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowRow {
    pub conversation_id: ConversationId,
    /// The first message of the thread.
    pub thread: u64,
    pub user_id: UserId,
    /// What of the thread counts as read.
    pub read_seq: u64,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
    /// Because the user said so, and for as long as that is set.
    pub by_hand: bool,
}

/// How far a user has read a thread that they follow. Only ever grows. Belongs to the user's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadCursorRow {
    pub conversation_id: ConversationId,
    /// The first message of the thread.
    pub thread: u64,
    pub user_id: UserId,
    pub read_seq: u64,
}

/// A pinned message. Belongs to the tenant of the user who pinned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRow {
    pub conversation_id: ConversationId,
    pub seq: u64,
    /// The entry that pinned it.
    pub pinned_seq: u64,
    /// Who pinned it.
    pub by: UserId,
}

/// A row that is written with an entry, as the batch leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every row is of the large variant")]
pub enum StateRow {
    /// What changes have made of the message at this place, and when its reactions are to be counted. At most one of a
    /// message in a batch.
    Message(ConversationKey, u64, State, Option<u64>),
    /// A message is pinned.
    Pinned(PinRow),
    /// The message at this place is pinned no more.
    Unpinned(ConversationKey, u64),
}

/// An entry that an operation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TargetKey {
    pub conversation: ConversationKey,
    pub seq: u64,
    /// Its edits are wanted, too.
    pub with_edits: bool,
}

/// What planning needs to know of an entry that an operation changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As it is stored.
    pub kind: String,
    pub author: UserId,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// The first message of the thread that it belongs to.
    pub thread: Option<u64>,
    /// It is of a thread, and shown in the conversation, too.
    pub also_in_main: bool,
    /// Users whom it named when it was written.
    pub mentions: Vec<UserName>,
    /// It names all members.
    pub mention_all: bool,
    /// What it has become.
    pub state: State,
    /// Its edits, where they were wanted.
    pub edits: Vec<u64>,
    /// For devices of this type alone.
    pub device_type: Option<DeviceType>,
    /// From when on it is blank, in Unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// Its content is gone.
    pub is_blank: bool,
    /// The entry that pinned it.
    pub pinned_seq: Option<u64>,
    /// When its reactions are to be counted, in Unix milliseconds.
    pub tally_due_ms: Option<u64>,
}

impl Target {
    /// What it counts as.
    pub fn class(&self) -> Class {
        Class::of(&self.kind)
    }
}

/// What planning needs to know of the targets of a batch. A head that fits at append time proves that it is current,
/// when the heads were read before it: every change of a target is an entry of the same log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    /// The targets; those that do not exist are missing.
    pub entries: HashMap<(ConversationKey, u64), Target>,
    /// How many messages are pinned in each conversation that a target is of.
    pub pins: HashMap<ConversationKey, u32>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plain text of a user.
    pub(crate) fn text(seq: u64, author: &UserId) -> Entry {
        Entry {
            conversation_id: ConversationId(uuid::Uuid::from_u128(1)),
            seq,
            id: EntryId(uuid::Uuid::from_u128(u128::from(seq))),
            author: Author { id: author.clone(), r#type: SenderType::User },
            client_id: ClientId(uuid::Uuid::from_u128(u128::from(seq) + 1_000)),
            digest: [0; 32],
            created_at_ms: 1,
            target: None,
            thread: None,
            also_in_main: false,
            device_type: None,
            expires_at_ms: None,
            body: Body::Message(Message {
                kind: MessageKind::Text,
                content: r#"{"text":"x"}"#.to_owned(),
                reply_to: None,
                mentions: Vec::new(),
                mention_all: false,
                forwarded: None,
                is_important: false,
                extra: None,
            }),
        }
    }

    #[test]
    fn the_kind_tells_the_sender_of_entries_from_before_it_was_stored() {
        let system = Body::System(r#"{"event":"created"}"#.to_owned());
        assert_eq!(SenderType::of(1, &system), SenderType::System);
        assert_eq!(SenderType::of(1, &Body::Pin { on: true }), SenderType::User);
        assert_eq!(SenderType::of(2, &Body::Pin { on: true }), SenderType::Bot);
        assert_eq!(SenderType::of(9, &Body::Pin { on: true }), SenderType::User);
    }
}
