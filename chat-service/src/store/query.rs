//! The port of the asking side: what the gRPC service needs.

use async_trait::async_trait;
use proto::id::{ConversationId, ConversationKey, TenantId, UserId, UserName};
use uuid::Uuid;

use super::fault::StoreError;
use crate::domain::entry::{
    ConversationKind, DeviceType, Limits, Role, State, StoredEntry, UserRow,
};
use crate::domain::walk::{ListPlace, ListWalk};

/// Entries that are looked at for what is unread. It bounds what a list costs, whatever is in the logs.
pub const LOOKED_AT_FOR_UNREAD: u32 = 1_000;

/// A conversation as its members see it in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationView {
    pub id: ConversationId,
    pub kind: ConversationKind,
    pub title: String,
    /// Highest seq.
    pub head: u64,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: u64,
    /// How many members it has.
    pub member_count: u32,
    /// The asking member's own row.
    pub me: MemberView,
    /// Messages by others after `me.read_seq`, among the newest 1,000 entries, counted to
    /// [`MOST_COUNTED`](super::following::MOST_COUNTED) + 1.
    pub unread: u32,
    /// Those of them that mention the member, also before the newest 1,000 entries, counted to the same.
    pub unread_mentions: u32,
    /// The newest message, where there is one among the newest 200 entries.
    pub last_message_seq: Option<u64>,
    /// The newest entry, its content as lists show it.
    pub last_entry: Option<StoredEntry>,
}

/// What a member may read of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The first entry that the member may read.
    pub from_seq: u64,
    /// Highest seq of the conversation.
    pub head: u64,
}

/// Which messages of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessagePage {
    /// The newest ones before a seq.
    Before(u64),
    /// The oldest ones after a seq.
    After(u64),
    /// Those nearest to a seq, on both sides.
    Around(u64),
    /// The message at a seq, also one of a thread.
    Only(u64),
}

impl MessagePage {
    /// The place, and how many messages before it and from it on.
    pub(super) fn parts(self, most: u32) -> (u64, u32, u32) {
        match self {
            Self::Before(seq) => (seq, most, 0),
            Self::After(seq) => (seq, 0, most),
            Self::Around(seq) => (seq, most / 2, most.div_ceil(2)),
            Self::Only(seq) => (seq, 0, 1),
        }
    }
}

/// A message with what changes have made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    pub stored: StoredEntry,
    /// `None` where nothing has changed it.
    pub state: Option<State>,
}

/// A page of messages, of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessagesView {
    /// By ascending seq.
    pub messages: Vec<MessageView>,
    /// Highest seq of the log; all states hold for it.
    pub head: u64,
    /// Where fewer than were asked for were found: the first entry that was looked at before the place, and the last one from
    /// it on.
    pub looked_from: Option<u64>,
    pub looked_to: Option<u64>,
    /// The first message that was found before the place, and the last one from it on, also where they did not fit.
    pub first_found: Option<u64>,
    pub last_found: Option<u64>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedMessage {
    pub seq: u64,
    pub author: UserId,
    /// Who sees it.
    pub limits: Limits,
    pub state: State,
}

/// What became of messages, of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedView {
    /// By ascending seq.
    pub messages: Vec<ChangedMessage>,
    /// Highest seq of the log; all states hold for it.
    pub head: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedView {
    /// The message, its content as lists show it.
    pub stored: StoredEntry,
    /// The entry that pinned it.
    pub pinned_seq: u64,
    /// Who pinned it.
    pub by: UserId,
    /// When, in Unix milliseconds.
    pub pinned_at_ms: u64,
}

/// A member with their cursors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    pub user: UserRow,
    pub role: Role,
    /// First entry the member may see.
    pub from_seq: u64,
    pub delivered_seq: u64,
    pub read_seq: u64,
}

/// Which conversations a list has, and how it shows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listed {
    /// Of the asking device.
    pub device_type: Option<DeviceType>,
    /// Only those that are archived, or that are not.
    pub archived: Option<bool>,
}

/// Where a page of a log lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The newest entries before a seq.
    Before(u64),
    /// The oldest entries after a seq.
    After(u64),
}

/// How much of a log is read at once, so that memory holds a page and not what lies in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Entries, at most.
    pub entries: u32,
    /// Bytes of them, at most; an entry that is larger comes alone.
    pub bytes: usize,
}

/// The asking side: what the gRPC service needs.
#[async_trait]
pub trait QueryStore: Send + Sync + 'static {
    /// A user's conversations with their places, most recently active first: as of now, or going on with a walk. Without
    /// those that the user hid and that have no message since, and without the self log.
    async fn conversations_of(
        &self,
        user_id: &UserId,
        of: Listed,
        walk: Option<&ListWalk>,
        limit: u32,
    ) -> Result<Vec<(ListPlace, ConversationView)>, StoreError>;

    /// What a member may read of a conversation; `None` for anybody else. Reads two rows, however large the conversation is.
    async fn membership(
        &self,
        user_id: &UserId,
        id: ConversationId,
    ) -> Result<Option<Membership>, StoreError>;

    /// One conversation as a member sees it on a device of this type; `None` for anybody else.
    async fn conversation(
        &self,
        user_id: &UserId,
        device_type: Option<DeviceType>,
        id: ConversationId,
    ) -> Result<Option<ConversationView>, StoreError>;

    /// Members after a user's name, in byte order.
    async fn members(
        &self,
        key: ConversationKey,
        after: Option<&UserName>,
        limit: u32,
    ) -> Result<Vec<MemberView>, StoreError>;

    /// A page of a log by ascending seq, nothing before `from_seq`.
    async fn entries(
        &self,
        key: ConversationKey,
        page: Page,
        from_seq: u64,
        room: Room,
    ) -> Result<Vec<StoredEntry>, StoreError>;

    /// The same as [`Self::entries`], with the states of those that are messages; all of one moment.
    async fn entries_with_states(
        &self,
        key: ConversationKey,
        page: Page,
        from_seq: u64,
        room: Room,
    ) -> Result<MessagesView, StoreError>;

    /// Messages with their states, nothing before `from_seq`; at most so many, and of those nearest to the page's place as many
    /// as fit.
    async fn messages(
        &self,
        key: ConversationKey,
        page: MessagePage,
        from_seq: u64,
        room: Room,
    ) -> Result<MessagesView, StoreError>;

    /// What became of the messages in a range after an entry, at most so many by ascending seq.
    async fn changed(
        &self,
        key: ConversationKey,
        range: std::ops::RangeInclusive<u64>,
        after: u64,
        limit: u32,
    ) -> Result<ChangedView, StoreError>;

    /// The first edits of a message.
    async fn edits(
        &self,
        key: ConversationKey,
        seq: u64,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError>;

    /// Pinned messages at or after `from_seq` that were pinned before the entry `before`, the last one first.
    async fn pins(
        &self,
        key: ConversationKey,
        from_seq: u64,
        before: u64,
        limit: u32,
    ) -> Result<Vec<PinnedView>, StoreError>;

    /// The place of the entry of a tenant that was written under a client id, by any user, or that has this id
    /// and was written within minutes of the making of its client id.
    async fn find_entry(
        &self,
        tenant: TenantId,
        id: Uuid,
    ) -> Result<Option<(ConversationId, u64)>, StoreError>;

    /// The users that are known among these.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>, StoreError>;

    /// Users of a tenant whose id or name begins with a text, without regard to case.
    async fn search_users(
        &self,
        tenant: TenantId,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreError>;

    /// Names the database that cursors belong to.
    async fn epoch(&self) -> Result<String, StoreError>;
}
