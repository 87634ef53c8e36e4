//! The JSON shapes of answers.

use std::collections::HashMap;

use proto::chat;
use proto::id::{ConversationId, EntryId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A conversation as its member sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Conversation {
    /// Its id, a UUID.
    id: String,
    /// `direct` or `group`.
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
    /// Messages by others after the read cursor, counted to 1,000.
    unread: u32,
    /// The newest entry; its texts are cut to 200 characters, with `"is_cut": true` in `content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Entry>)]
    last_entry: Option<Box<RawValue>>,
    /// Members hear of each other's receipts and typing; false in large conversations.
    receipts: bool,
    /// At most eight; see the members of the conversation for all.
    members: Vec<Member>,
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
            last_entry: None,
            receipts: false,
            members: Vec::new(),
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
    /// `text`, `system`.
    kind: String,
    sender: Sender,
    /// Depends on `kind`.
    content: serde_json::Value,
    reply_to: Option<u64>,
    mentions: Option<Vec<String>>,
    is_important: Option<bool>,
    extra: Option<serde_json::Value>,
    client_id: Option<String>,
    /// Unix milliseconds.
    timestamp: u64,
}

/// The author of an entry.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the chat service encodes")]
pub(crate) struct Sender {
    id: String,
    /// `user`, `bot`; of the kind `system`, `operator` for what an operator said and `system` for what the server
    /// writes about a conversation.
    r#type: String,
    name: Option<String>,
    avatar: Option<String>,
}

/// Where an operation was stored.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Stored {
    #[schema(value_type = String)]
    pub(crate) conversation_id: ConversationId,
    /// Absent when nothing was to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) id: Option<EntryId>,
    /// The head of the log when nothing was to be changed.
    pub(crate) seq: u64,
    /// Repeats the request's, or the one made for it.
    pub(crate) client_id: uuid::Uuid,
    /// Unix milliseconds.
    pub(crate) timestamp: u64,
    /// Everything was as the request wants it: nothing was stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unchanged: bool,
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

impl From<chat::Conversation> for Conversation {
    fn from(c: chat::Conversation) -> Self {
        Self {
            id: ConversationId::from_bytes(&c.id).map(|id| id.to_string()).unwrap_or_default(),
            kind: if c.kind() == chat::ConversationKind::Direct { "direct" } else { "group" },
            my_role: role_word(c.my_role()),
            title: c.title,
            head: c.head,
            created_at: c.created_at_ms,
            member_count: c.member_count,
            my_delivered_seq: c.my_delivered_seq,
            my_read_seq: c.my_read_seq,
            unread: c.unread,
            last_entry: raw(&c.last_entry),
            receipts: c.receipts,
            members: c.members.into_iter().map(Member::from).collect(),
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

fn role_word(role: chat::Role) -> &'static str {
    match role {
        chat::Role::Owner => "owner",
        chat::Role::Admin => "admin",
        chat::Role::Member | chat::Role::Unspecified => "member",
    }
}
