//! What an entry says: a closed list of kinds, and what each of them counts as. Pure.
//!
//! This is the one place that decides what counts as a message: the texts of SQL are made from [`MESSAGE_KINDS`].

use proto::frame::server::Forwarded;
use proto::id::UserName;
use proto::limits;
use serde::Serialize;
use serde_json::value::RawValue;

/// The kinds of messages, as they are stored.
pub const MESSAGE_KINDS: [&str; 5] = ["text", "notice", "card", "encrypted", "call"];
/// Every kind that this version stores, as it is stored.
pub const KINDS: [&str; 14] = [
    MESSAGE_KINDS[0],
    MESSAGE_KINDS[1],
    MESSAGE_KINDS[2],
    MESSAGE_KINDS[3],
    MESSAGE_KINDS[4],
    PIN,
    SYSTEM,
    ChangeKind::Edit.as_str(),
    ChangeKind::Delete.as_str(),
    ChangeKind::Reaction.as_str(),
    ChangeKind::Tally.as_str(),
    SET,
    DRAFT,
    ACT,
];

const ACT: &str = "act";
const DRAFT: &str = "draft";
const SET: &str = "set";
/// Flag of a stored message: all members are mentioned. Never change one.
const MENTION_ALL: i16 = 1;

const SYSTEM: &str = "system";
const PIN: &str = "pin";

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// What people, bots and operators write.
    Message(Message),
    /// Pins the entry's target, or unpins it.
    Pin {
        /// The target is pinned from now on.
        on: bool,
    },
    /// Changes the entry's target otherwise, with what [`super::state`] reads as JSON; `{}` where that is gone.
    Change(ChangeKind, String),
    /// What the server writes about a conversation: an [`Event`] as JSON.
    System(String),
    /// What a user sets of their own, in their self log; or what is said to them alone, in theirs.
    Own {
        kind: OwnKind,
        /// A JSON object, made by [`super::own`] and its like.
        content: String,
    },
    /// Of a later version, which this one hands on as it is.
    Other {
        kind: String,
        /// A JSON object.
        content: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: MessageKind,
    /// A JSON object, checked by [`super::content`].
    pub content: String,
    /// The entry it answers.
    pub reply_to: Option<u64>,
    /// Users of its tenant that are named in it.
    pub mentions: Vec<UserName>,
    /// All members are named in it.
    pub mention_all: bool,
    /// Of a copy: the message that was copied first.
    pub forwarded: Option<Forwarded>,
    /// The sender asked for attention.
    pub is_important: bool,
    /// A JSON object that the server does not read.
    pub extra: Option<String>,
}

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Of members, with mentions, links and formats.
    Text,
    /// Of operators.
    Notice,
    /// Of members: fields and actions.
    Card,
    /// Of members, which the server cannot read.
    Encrypted,
    /// Of operators: that a call began, or how it ended.
    Call,
}

/// The kind of what stands in a self log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnKind {
    /// A setting: `{"what": "…", "conversation_id"?: "…", "thread"?: 1, "value": …}`.
    Set,
    /// What is written and not sent: `{"conversation_id": "…", "thread"?: 1, "content": {…} or null}`.
    Draft,
    /// Somebody has pressed an action of a card that the user, a bot, has sent.
    Act,
}

impl OwnKind {
    /// As it is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Set => SET,
            Self::Draft => DRAFT,
            Self::Act => ACT,
        }
    }
}

impl MessageKind {
    /// As it is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => MESSAGE_KINDS[0],
            Self::Notice => MESSAGE_KINDS[1],
            Self::Card => MESSAGE_KINDS[2],
            Self::Encrypted => MESSAGE_KINDS[3],
            Self::Call => MESSAGE_KINDS[4],
        }
    }

    /// Of a stored kind.
    pub fn of(kind: &str) -> Option<Self> {
        [Self::Text, Self::Notice, Self::Card, Self::Encrypted, Self::Call]
            .into_iter()
            .find(|of| of.as_str() == kind)
    }

    /// Operators write it, wherever there is a conversation, and nobody else does.
    pub fn is_of_operators(self) -> bool {
        matches!(self, Self::Notice | Self::Call)
    }

    /// Longest content in bytes, written without spaces and escapes.
    pub fn content_bytes(self) -> usize {
        match self {
            Self::Text | Self::Notice | Self::Call => limits::CONTENT_BYTES,
            Self::Card => limits::CARD_BYTES,
            Self::Encrypted => limits::ENCRYPTED_BYTES,
        }
    }
}

/// How a message is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It has another content.
    Edit,
    /// Its content is gone, and that of its edits.
    Delete,
    /// Somebody reacts to it, or does so no more.
    Reaction,
    /// How many reacted to it, in all.
    Tally,
}

impl ChangeKind {
    /// As it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Reaction => "reaction",
            Self::Tally => "tally",
        }
    }

    fn of(kind: &str) -> Option<Self> {
        [Self::Edit, Self::Delete, Self::Reaction, Self::Tally]
            .into_iter()
            .find(|of| of.as_str() == kind)
    }
}

/// What an entry counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Counts as unread, is shown in lists and decides their order.
    Message,
    /// Changes an earlier entry, its target.
    Change,
    /// Tells what became of the conversation.
    System,
    /// Is in self logs alone: nobody but their user hears of it.
    Own,
    /// Not known to this version, and counted as nothing.
    Other,
}

impl Message {
    /// Whether stored flags say that all members are mentioned.
    pub fn mentions_all(flags: Option<i64>) -> bool {
        flags.is_some_and(|flags| flags & i64::from(MENTION_ALL) != 0)
    }
}

impl Body {
    /// Reads a body as it is stored. Entries of kind `system` without an event are what operators wrote before there
    /// was the kind `notice`.
    pub fn read(kind: &str, stored: Message) -> Self {
        if let Some(change) = ChangeKind::of(kind) {
            return Self::Change(change, stored.content);
        }
        match kind {
            PIN => Self::Pin { on: is_on(&stored.content) },
            SET => Self::Own { kind: OwnKind::Set, content: stored.content },
            DRAFT => Self::Own { kind: OwnKind::Draft, content: stored.content },
            ACT => Self::Own { kind: OwnKind::Act, content: stored.content },
            SYSTEM if is_event(&stored.content) => Self::System(stored.content),
            SYSTEM => Self::Message(Message { kind: MessageKind::Notice, ..stored }),
            kind => match MessageKind::of(kind) {
                Some(kind) => Self::Message(Message { kind, ..stored }),
                None => Self::Other { kind: kind.to_owned(), content: stored.content },
            },
        }
    }

    /// What the server writes.
    pub fn event(event: &Event<'_>) -> Self {
        // Cannot fail: texts and numbers.
        Self::System(serde_json::to_string(event).unwrap_or_default())
    }

    /// As it is stored and sent.
    pub fn kind(&self) -> &str {
        match self {
            Self::Message(message) => message.kind.as_str(),
            Self::Pin { .. } => PIN,
            Self::Change(change, _) => change.as_str(),
            Self::System(_) => SYSTEM,
            Self::Own { kind, .. } => kind.as_str(),
            Self::Other { kind, .. } => kind,
        }
    }

    /// A JSON object.
    pub fn content(&self) -> &str {
        match self {
            Self::Message(message) => &message.content,
            Self::Pin { on: true } => r#"{"on":true}"#,
            Self::Pin { on: false } => r#"{"on":false}"#,
            Self::Change(_, content)
            | Self::System(content)
            | Self::Own { content, .. }
            | Self::Other { content, .. } => content,
        }
    }

    /// Takes away what it says; that there is an entry stays.
    pub fn blank(&mut self) {
        match self {
            Self::Message(message) => {
                message.content = "{}".to_owned();
                message.mentions = Vec::new();
                message.extra = None;
                (message.mention_all, message.forwarded) = (false, None);
            }
            Self::Change(_, content)
            | Self::System(content)
            | Self::Own { content, .. }
            | Self::Other { content, .. } => {
                *content = "{}".to_owned();
            }
            Self::Pin { .. } => {}
        }
    }

    /// Shows less of it.
    pub fn cut(&mut self, shorter: impl FnOnce(&str) -> String) {
        match self {
            Self::Message(Message { content, .. })
            | Self::Change(_, content)
            | Self::System(content)
            | Self::Own { content, .. }
            | Self::Other { content, .. } => *content = shorter(content),
            Self::Pin { .. } => {}
        }
    }

    /// As flags that are stored; `None` where none is set, as for nearly all.
    pub fn flags(&self) -> Option<i16> {
        self.message().filter(|message| message.mention_all).map(|_| MENTION_ALL)
    }

    /// Of a copy: what is known of the message that was copied first.
    pub fn forwarded(&self) -> Option<&Forwarded> {
        self.message()?.forwarded.as_ref()
    }

    /// It tells how many reacted.
    pub fn is_tally(&self) -> bool {
        matches!(self, Self::Change(ChangeKind::Tally, _))
    }

    /// It is a press of an action of a card: its author does not read the log that it is in.
    pub fn is_act(&self) -> bool {
        matches!(self, Self::Own { kind: OwnKind::Act, .. })
    }

    /// The message, where it is one.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::Message(message) => Some(message),
            _ => None,
        }
    }

    /// What it counts as.
    pub fn class(&self) -> Class {
        Class::of(self.kind())
    }
}

impl Class {
    /// Of a stored kind.
    pub fn of(kind: &str) -> Self {
        match kind {
            PIN => Self::Change,
            SYSTEM => Self::System,
            kind if ChangeKind::of(kind).is_some() => Self::Change,
            SET | DRAFT | ACT => Self::Own,
            kind if MESSAGE_KINDS.contains(&kind) => Self::Message,
            _ => Self::Other,
        }
    }
}

/// What the server writes about a conversation. Users are named without their tenant, which is the conversation's.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The conversation was made.
    Created {
        /// Empty for direct ones.
        title: &'a str,
        /// The first of them.
        members: Vec<UserName>,
        /// All of them.
        count: usize,
    },
    MembersAdded {
        /// The first of them.
        members: Vec<UserName>,
        /// All of them.
        count: usize,
        role: &'static str,
    },
    MemberLeft {
        member: UserName,
        /// Who is the owner from now on, when the owner left.
        #[serde(skip_serializing_if = "Option::is_none")]
        owner: Option<UserName>,
    },
    /// A member was removed.
    MemberRemoved { member: UserName },
    /// A member has another role.
    RoleChanged { member: UserName, role: &'static str },
    /// The conversation has another title.
    Renamed { title: &'a str },
}

#[derive(serde::Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(default)]
    on: bool,
}

/// What cannot be read counts as the server's: nobody else's text is ever taken for an event.
fn is_event(content: &str) -> bool {
    serde_json::from_str::<Fields<'_>>(content).map_or(true, |fields| fields.event.is_some())
}

fn is_on(content: &str) -> bool {
    serde_json::from_str::<Fields<'_>>(content).is_ok_and(|fields| fields.on)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(content: &str) -> Message {
        Message {
            kind: MessageKind::Text,
            content: content.to_owned(),
            reply_to: None,
            mentions: Vec::new(),
            mention_all: false,
            forwarded: None,
            is_important: false,
            extra: None,
        }
    }

    #[test]
    fn a_body_is_read_back_as_it_was_written() {
        let name = |text: &str| UserName::parse(text).unwrap();
        let bodies = [
            Body::Message(stored(r#"{"text":"hi"}"#)),
            Body::Message(Message { kind: MessageKind::Notice, ..stored(r#"{"body":"hi"}"#) }),
            Body::Message(Message { kind: MessageKind::Card, ..stored("{}") }),
            Body::Message(Message { kind: MessageKind::Encrypted, ..stored("{}") }),
            Body::Message(Message { kind: MessageKind::Call, ..stored("{}") }),
            Body::Pin { on: true },
            Body::Pin { on: false },
            Body::Change(ChangeKind::Edit, r#"{"content":{"text":"ho"}}"#.to_owned()),
            Body::Change(ChangeKind::Delete, r#"{"by":"sender"}"#.to_owned()),
            Body::Change(ChangeKind::Reaction, r#"{"key":"x","on":true}"#.to_owned()),
            Body::Change(ChangeKind::Tally, r#"{"reactions":{}}"#.to_owned()),
            Body::event(&Event::MemberLeft { member: name("ann"), owner: Some(name("bob")) }),
            Body::Own { kind: OwnKind::Set, content: r#"{"what":"push"}"#.to_owned() },
            Body::Own { kind: OwnKind::Draft, content: r#"{"content":null}"#.to_owned() },
            Body::Own { kind: OwnKind::Act, content: r#"{"action_id":"x"}"#.to_owned() },
            Body::Other { kind: "hologram".to_owned(), content: r#"{"x":1}"#.to_owned() },
        ];
        for body in bodies {
            assert_eq!(Body::read(body.kind(), stored(body.content())), body);
            let is_message = MESSAGE_KINDS.contains(&body.kind());
            assert_eq!(body.class() == Class::Message, is_message, "{body:?}");
        }
        assert!(MESSAGE_KINDS.iter().all(|kind| KINDS.contains(kind)));
    }

    #[test]
    fn what_operators_wrote_before_there_were_notices_is_one_and_no_event() {
        let read = |content| Body::read("system", stored(content)).kind().to_owned();
        assert_eq!(read(r#"{"text":"maintenance"}"#), "notice");
        assert_eq!(read(r#"{"event":"created","count":2}"#), "system");
        assert_eq!(read("spoilt"), "system");
    }

    #[test]
    fn events_are_written_as_they_always_were() {
        let name = |text: &str| UserName::parse(text).unwrap();
        let members = vec![name("ann"), name("bob")];
        for (event, json) in [
            (
                Event::Created { title: "Crew", members: members.clone(), count: 2 },
                r#"{"event":"created","title":"Crew","members":["ann","bob"],"count":2}"#,
            ),
            (
                Event::MembersAdded { members, count: 2, role: "member" },
                r#"{"event":"members_added","members":["ann","bob"],"count":2,"role":"member"}"#,
            ),
            (
                Event::MemberLeft { member: name("ann"), owner: None },
                r#"{"event":"member_left","member":"ann"}"#,
            ),
            (
                Event::MemberRemoved { member: name("ann") },
                r#"{"event":"member_removed","member":"ann"}"#,
            ),
            (
                Event::RoleChanged { member: name("ann"), role: "admin" },
                r#"{"event":"role_changed","member":"ann","role":"admin"}"#,
            ),
            (Event::Renamed { title: "Crew" }, r#"{"event":"renamed","title":"Crew"}"#),
        ] {
            assert_eq!(Body::event(&event), Body::System(json.to_owned()));
        }
    }
}
