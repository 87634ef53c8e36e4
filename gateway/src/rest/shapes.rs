//! The JSON shapes of answers.

use std::collections::{BTreeMap, HashMap};

use proto::bus::Sent;
use proto::frame::keys::{Keyed, Whose};
use proto::id::{ClientId, ConversationId, EntryId, UserId};
use proto::{chat, common};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::own::OwnOfConversation;

/// A conversation as its member sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Conversation {
    /// Its id, a UUID.
    id: String,
    /// `direct` or `group`; `self_log` for what the user sets, which is in no list.
    kind: &'static str,
    /// Empty for direct ones.
    title: String,
    /// Highest sequence of its log.
    head: u64,
    /// Unix milliseconds.
    created_at: u64,
    /// How many members it has.
    member_count: u32,
    /// `owner`, `admin`, `member`.
    my_role: &'static str,
    /// Own cursor.
    my_delivered_seq: u64,
    /// Own cursor.
    my_read_seq: u64,
    /// Messages by others after the read cursor, counted to 100; without the replies in threads.
    unread: u32,
    /// There may be more: counting stops at 100, and looks at the newest 1,000 entries.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unread_more: bool,
    /// Those of them that mention the caller, counted to 100.
    unread_mentions: u32,
    /// The newest entry; its texts are cut to 200 characters, with `"is_cut": true` in `content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Entry>)]
    last_entry: Option<Box<RawValue>>,
    /// The newest message, cut like that, where it is another entry than the newest and one of the newest 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Entry>)]
    last_message: Option<Box<RawValue>>,
    /// Members hear of each other's receipts and typing; false in large conversations.
    receipts: bool,
    /// At most eight; see the members of the conversation for all.
    members: Vec<Member>,
    /// What the asking user set for it.
    own: OwnOfConversation,
}

impl Conversation {
    /// A conversation that the asker made and is no member of any more; a group with its title of then.
    pub(crate) fn left(made: &Stored, group: Option<String>) -> Self {
        Self {
            id: made.conversation_id.to_string(),
            kind: if group.is_some() { "group" } else { "direct" },
            title: group.unwrap_or_default(),
            head: made.seq,
            created_at: made.timestamp,
            member_count: 0,
            my_role: "member",
            my_delivered_seq: 0,
            my_read_seq: 0,
            unread: 0,
            unread_more: false,
            unread_mentions: 0,
            last_entry: None,
            last_message: None,
            receipts: false,
            members: Vec::new(),
            own: OwnOfConversation::default(),
        }
    }

    /// Whose presence is shown with it.
    pub(crate) fn member_ids(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.user_id.as_str())
    }

    /// Shows the presence of those members of whom it is known.
    pub(crate) fn show(&mut self, presence: &HashMap<String, PresenceStatus>) {
        for member in &mut self.members {
            member.presence = presence.get(&member.user_id).cloned();
        }
    }
}

/// A member and how far they have come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Member {
    user_id: String,
    /// `owner`, `admin`, `member`.
    role: &'static str,
    /// First entry that the member may see: what is before it was neither delivered to nor read by them.
    from_seq: u64,
    delivered_seq: u64,
    read_seq: u64,
    name: String,
    avatar: String,
    /// In a list of conversations that was asked for with `include=presence`, where presence answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    presence: Option<PresenceStatus>,
}

/// A user's presence.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PresenceStatus {
    pub(crate) user_id: String,
    /// `online`, `away`, `busy`, `offline`.
    status: String,
    /// Unix milliseconds; absent while online or when never seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<u64>,
    /// Connected devices.
    devices: u32,
}

/// An entry of a log: the same as the frame `entry`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the chat service encodes")]
pub(crate) struct Entry {
    /// Always `entry`.
    r#type: String,
    conversation_id: String,
    /// From 1, without gaps.
    seq: u64,
    id: String,
    /// `text`, `card`, `encrypted`, `notice`, `call`, `pin`, `edit`, `delete`, `reaction`, `tally`, `system`; `set` and
    /// `draft` in self logs; or one of a later
    /// version.
    kind: String,
    sender: Sender,
    /// Depends on `kind`; `{}` where the asking device may see only that there is an entry.
    content: serde_json::Value,
    reply_to: Option<u64>,
    /// The entry that this one changes.
    target: Option<u64>,
    /// The first message of the thread that it belongs to.
    thread: Option<u64>,
    /// It is of a thread, and shown in the conversation, too.
    also_in_main: Option<bool>,
    /// From when on it is blank for everybody, in Unix milliseconds.
    expires_at: Option<u64>,
    mentions: Option<Vec<String>>,
    /// All members are mentioned.
    mention_all: Option<bool>,
    /// Of a copy: the message that was copied first.
    forwarded: Option<Forwarded>,
    is_important: Option<bool>,
    extra: Option<serde_json::Value>,
    client_id: Option<String>,
    /// Unix milliseconds.
    timestamp: u64,
}

/// What changes have made of a message.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the chat service encodes")]
pub(crate) struct MessageState {
    /// The last entry that changed it.
    as_of: u64,
    /// The content in place of that of the entry; with it `mentions` and `extra` are those of the message, too.
    content: Option<serde_json::Value>,
    mentions: Option<Vec<String>>,
    extra: Option<serde_json::Value>,
    edited: Option<EditedState>,
    /// By key.
    reactions: Option<HashMap<String, ReactionState>>,
    /// The keys that the asking user has reacted with.
    mine: Option<Vec<String>>,
    /// There are too many reactions to name who they are of.
    tallied: Option<bool>,
    pinned: Option<PinnedState>,
    thread: Option<ThreadState>,
    deleted: Option<DeletedState>,
    /// The content is gone: `deleted` or `expired`.
    gone: Option<String>,
}

/// The edits of a message.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the chat service encodes")]
pub(crate) struct EditedState {
    /// The last one.
    seq: u64,
    count: u32,
    /// When the last one was made, in Unix milliseconds.
    at: u64,
}

/// The reactions with one key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the chat service encodes")]
pub(crate) struct ReactionState {
    /// How many there are.
    n: u64,
    /// Who they are of, the first one first; absent where reactions are tallied.
    by: Option<Vec<String>>,
}

/// The replies in the thread that a message begins.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the chat service encodes")]
pub(crate) struct ThreadState {
    /// How many there are, deleted ones as well.
    n: u64,
    last_seq: u64,
    /// When the last one was stored, in Unix milliseconds.
    last_at: u64,
    /// Who wrote the last ones, at most 10 users in the order of their last replies.
    by: Vec<String>,
}

/// By what a message is pinned.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the chat service encodes")]
pub(crate) struct PinnedState {
    /// The entry that pinned it.
    seq: u64,
    by: String,
}

/// By what a message was deleted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the chat service encodes")]
pub(crate) struct DeletedState {
    /// The entry that deleted it.
    seq: u64,
    /// As what: `sender`, `admin`, `moderator` or `operator`.
    by: String,
}

/// The author of an entry.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the chat service encodes")]
pub(crate) struct Sender {
    id: String,
    /// `user`, `bot` for users whose token has that role, `operator` for notices, and `system` for what the server
    /// writes about a conversation.
    r#type: String,
    name: Option<String>,
    avatar: Option<String>,
}

/// The message that was copied first.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the chat service encodes")]
pub(crate) struct Forwarded {
    /// Who wrote it.
    user: String,
    /// When it was stored, in Unix milliseconds.
    at: u64,
}

/// Where an operation was stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stored {
    #[schema(value_type = String)]
    pub(crate) conversation_id: ConversationId,
    /// Absent when nothing was to be changed, of a reaction that is tallied, and of an `act`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) id: Option<EntryId>,
    /// When nothing was to be changed, the head of the log or, of a message, the last entry that changed it. Of an `act` that of
    /// the card.
    pub(crate) seq: u64,
    /// Repeats the request's, or the one made for it.
    pub(crate) client_id: uuid::Uuid,
    /// Unix milliseconds.
    pub(crate) timestamp: u64,
    /// Everything was as the request wants it: nothing was stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unchanged: bool,
    /// The reaction is stored, and no entry of its own tells of it: a `tally` does, together with others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tallied: bool,
}

impl Stored {
    /// What a service answered to a request.
    pub(crate) fn of(sent: &Sent, client_id: ClientId) -> Self {
        Self {
            conversation_id: sent.conversation(),
            id: sent.entry_id(),
            seq: sent.seq,
            client_id: client_id.0,
            timestamp: sent.timestamp,
            unchanged: sent.unchanged,
            tallied: sent.tallied,
        }
    }
}

/// A page of conversations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Conversations {
    pub(crate) conversations: Vec<Conversation>,
    /// Hand it in as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A page of members.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Members {
    pub(crate) members: Vec<Member>,
    /// Hand it in as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A page of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Entries {
    /// By ascending seq.
    #[schema(value_type = Vec<Entry>)]
    pub(crate) entries: Vec<Box<RawValue>>,
    /// Highest sequence of the log.
    pub(crate) head: u64,
    /// More of the log lies in the direction of the page.
    pub(crate) more: bool,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) avatar: String,
}

/// Users.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Users {
    pub(crate) users: Vec<User>,
}

/// JSON text that another service has encoded.
pub(crate) fn raw(json: &[u8]) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(json.to_vec()).ok()?).ok()
}

/// The same of an entry, with the keys of these devices alone.
pub(crate) fn entry_for(json: &[u8], whose: Whose<'_>) -> Option<Box<RawValue>> {
    Keyed::of_entry(json).map_or_else(|| raw(json), |keyed| raw(&keyed.only(whose)))
}

/// The same of an entry in a list, which shows no keys.
pub(crate) fn listed(json: &[u8]) -> Option<Box<RawValue>> {
    entry_for(json, Whose::Nobody)
}

/// The same of the state of a message.
pub(crate) fn state_for(json: &[u8], whose: Whose<'_>) -> Option<Box<RawValue>> {
    Keyed::of_state(json).map_or_else(|| raw(json), |keyed| raw(&keyed.only(whose)))
}

/// What became of messages, by seq.
pub(crate) fn states(
    changed: &[chat::ChangedMessage],
    whose: Whose<'_>,
) -> BTreeMap<u64, Box<RawValue>> {
    changed.iter().filter_map(|it| Some((it.seq, state_for(&it.state, whose)?))).collect()
}

impl From<chat::Conversation> for Conversation {
    fn from(c: chat::Conversation) -> Self {
        Self {
            id: ConversationId::from_bytes(&c.id).map(|id| id.to_string()).unwrap_or_default(),
            kind: kind_word(c.kind()),
            my_role: role_word(c.my_role()),
            title: c.title,
            head: c.head,
            created_at: c.created_at_ms,
            member_count: c.member_count,
            my_delivered_seq: c.my_delivered_seq,
            my_read_seq: c.my_read_seq,
            unread: c.unread,
            unread_more: c.unread_more,
            unread_mentions: c.unread_mentions,
            last_entry: listed(&c.last_entry),
            last_message: listed(&c.last_message),
            receipts: c.receipts,
            members: c.members.into_iter().map(Member::from).collect(),
            own: OwnOfConversation::of(&c.own),
        }
    }
}

impl From<chat::Member> for Member {
    fn from(m: chat::Member) -> Self {
        Self {
            role: role_word(m.role()),
            user_id: name_of(&m.user_id),
            from_seq: m.from_seq,
            delivered_seq: m.delivered_seq,
            read_seq: m.read_seq,
            name: m.name,
            avatar: m.avatar,
            presence: None,
        }
    }
}

impl From<proto::presence::UserStatus> for PresenceStatus {
    fn from(status: proto::presence::UserStatus) -> Self {
        Self {
            user_id: name_of(&status.user_id),
            status: status.status,
            last_seen: (status.last_seen_ms > 0).then_some(status.last_seen_ms),
            devices: status.devices,
        }
    }
}

impl From<chat::User> for User {
    fn from(u: chat::User) -> Self {
        Self { id: name_of(&u.id), name: u.name, avatar: u.avatar }
    }
}

/// What clients are told of a user: the name within their tenant.
pub(crate) fn name_of(user_id: &str) -> String {
    UserId::parse_qualified(user_id).map(|user| user.name_str().to_owned()).unwrap_or_default()
}

fn kind_word(kind: common::ConversationKind) -> &'static str {
    match kind {
        common::ConversationKind::Direct => "direct",
        common::ConversationKind::SelfLog => "self_log",
        common::ConversationKind::Group | common::ConversationKind::Unspecified => "group",
    }
}

fn role_word(role: common::Role) -> &'static str {
    match role {
        common::Role::Owner => "owner",
        common::Role::Admin => "admin",
        common::Role::Member | common::Role::Unspecified => "member",
    }
}
