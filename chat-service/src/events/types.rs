//! The closed list of event types, which one an entry is, and patterns by which somebody chooses.

use serde::Deserialize;

use crate::domain::entry::Entry;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    MessageReceived,
    MessageEdited,
    MessageDeleted,
    MessageReacted,
    MessageTallied,
    MessagePinned,
    ConversationCreated,
    ConversationUpdated,
    ConversationClosed,
    MemberAdded,
    MemberRemoved,
    MemberBanned,
    MemberMuted,
    MemberRoleChanged,
    CallStarted,
    CallEnded,
    CardAction,
    Notification,
    /// An entry of a kind that this version does not know.
    EntryStored,
    MessageSent,
    Delivered,
    Read,
    Typing,
    Connect,
    Disconnect,
    Frame,
    Presence,
    DeliveryFailed,
    SessionRevoked,
    SystemError,
    WebhookDisabled,
    WebhookTest,
}

impl EventType {
    /// Those from the log: stored, in order for each conversation, without a gap.
    pub const OF_LOG: [Self; 19] = [
        Self::MessageReceived,
        Self::MessageEdited,
        Self::MessageDeleted,
        Self::MessageReacted,
        Self::MessageTallied,
        Self::MessagePinned,
        Self::ConversationCreated,
        Self::ConversationUpdated,
        Self::ConversationClosed,
        Self::MemberAdded,
        Self::MemberRemoved,
        Self::MemberBanned,
        Self::MemberMuted,
        Self::MemberRoleChanged,
        Self::CallStarted,
        Self::CallEnded,
        Self::CardAction,
        Self::Notification,
        Self::EntryStored,
    ];
    /// Those that are told once and may be lost.
    pub const MOMENTS: [Self; 12] = [
        Self::MessageSent,
        Self::Delivered,
        Self::Read,
        Self::Typing,
        Self::Connect,
        Self::Disconnect,
        Self::Frame,
        Self::Presence,
        Self::DeliveryFailed,
        Self::SessionRevoked,
        Self::SystemError,
        Self::WebhookDisabled,
    ];

    /// As it stands in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessageReceived => "chat.message.received",
            Self::MessageEdited => "chat.message.edited",
            Self::MessageDeleted => "chat.message.deleted",
            Self::MessageReacted => "chat.message.reacted",
            Self::MessageTallied => "chat.message.tallied",
            Self::MessagePinned => "chat.message.pinned",
            Self::ConversationCreated => "chat.conversation.created",
            Self::ConversationUpdated => "chat.conversation.updated",
            Self::ConversationClosed => "chat.conversation.closed",
            Self::MemberAdded => "chat.member.added",
            Self::MemberRemoved => "chat.member.removed",
            Self::MemberBanned => "chat.member.banned",
            Self::MemberMuted => "chat.member.muted",
            Self::MemberRoleChanged => "chat.member.role_changed",
            Self::CallStarted => "chat.call.started",
            Self::CallEnded => "chat.call.ended",
            Self::CardAction => "chat.card.action",
            Self::Notification => "system.notification",
            Self::EntryStored => "chat.entry.stored",
            Self::MessageSent => "chat.message.sent",
            Self::Delivered => "chat.delivered",
            Self::Read => "chat.read",
            Self::Typing => "chat.typing",
            Self::Connect => "ws.connect",
            Self::Disconnect => "ws.disconnect",
            Self::Frame => "ws.message",
            Self::Presence => "user.presence",
            Self::DeliveryFailed => "chat.delivery.failed",
            Self::SessionRevoked => "ws.session.revoked",
            Self::SystemError => "system.error",
            Self::WebhookDisabled => "webhook.disabled",
            Self::WebhookTest => "webhook.test",
        }
    }

    /// What an entry is.
    pub fn of(entry: &Entry) -> Self {
        let content = entry.body.content();
        match entry.body.kind() {
            "notice" => Self::Notification,
            "edit" | "facts" => Self::MessageEdited,
            "delete" => Self::MessageDeleted,
            "reaction" => Self::MessageReacted,
            "tally" => Self::MessageTallied,
            "pin" => Self::MessagePinned,
            "act" => Self::CardAction,
            "system" => Self::of_system(content),
            "call" if said(content).state == "ended" => Self::CallEnded,
            "call" => Self::CallStarted,
            "text" | "image" | "voice" | "video" | "file" | "card" | "encrypted" => {
                Self::MessageReceived
            }
            _ => Self::EntryStored,
        }
    }

    fn of_system(content: &str) -> Self {
        match said(content).event {
            "created" => Self::ConversationCreated,
            "closed" | "reopened" => Self::ConversationClosed,
            "members_added" | "joined" => Self::MemberAdded,
            "member_left" | "member_removed" => Self::MemberRemoved,
            "member_banned" | "member_unbanned" => Self::MemberBanned,
            "member_muted" | "member_unmuted" => Self::MemberMuted,
            "role_changed" => Self::MemberRoleChanged,
            _ => Self::ConversationUpdated,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said<'a> {
    event: &'a str,
    state: &'a str,
}

/// What cannot be read says nothing.
fn said(content: &str) -> Said<'_> {
    serde_json::from_str(content).unwrap_or_default()
}

/// A pattern that fits no type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no type of an event, nor the beginning of one with `.*`; docs/events.md lists them"
)]
pub struct UnknownType(pub String);

/// Types that somebody wants: in full, by their beginning (`chat.message.*`), or all that are from the log (`*`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// Each has to fit at least one type.
    pub fn new(patterns: Vec<String>) -> Result<Self, UnknownType> {
        for pattern in &patterns {
            let mut all = EventType::OF_LOG.into_iter().chain(EventType::MOMENTS);
            if !all.any(|it| fits(pattern, it)) {
                return Err(UnknownType(pattern.clone()));
            }
        }
        Ok(Self(patterns))
    }

    /// Nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Something from the log is wanted.
    pub fn wants_log(&self) -> bool {
        EventType::OF_LOG.into_iter().any(|it| self.want(it))
    }

    /// The moments that are wanted.
    pub fn moments(&self) -> impl Iterator<Item = EventType> {
        EventType::MOMENTS.into_iter().filter(|it| self.want(*it))
    }

    /// Whether a type is wanted.
    pub fn want(&self, it: EventType) -> bool {
        self.0.iter().any(|pattern| fits(pattern, it))
    }
}

/// `*` stands for what is from the log, and so does a beginning that such a type has: moments are named, or chosen by a
/// beginning of their own.
fn fits(pattern: &str, it: EventType) -> bool {
    let is_of_log = || EventType::OF_LOG.contains(&it);
    match pattern.strip_suffix('*') {
        Some("") => is_of_log(),
        Some(beginning) => {
            let has = |it: EventType| it.as_str().starts_with(beginning);
            let is_meant = || is_of_log() || !EventType::OF_LOG.into_iter().any(has);
            beginning.ends_with('.') && has(it) && is_meant()
        }
        None => pattern == it.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use proto::id::UserId;

    use super::*;
    use crate::domain::entry::Body;
    use crate::domain::entry::tests::text;

    fn patterns(patterns: &[&str]) -> Result<Patterns, UnknownType> {
        Patterns::new(patterns.iter().map(|&it| it.to_owned()).collect())
    }

    #[test]
    fn types_are_chosen_in_full_by_their_beginning_or_all_of_the_log() {
        let some = patterns(&["chat.message.*", "chat.member.added"]).unwrap();
        assert!(some.want(EventType::MessagePinned) && some.want(EventType::MemberAdded));
        assert!(!some.want(EventType::MemberRemoved) && !some.want(EventType::CallEnded));
        let all = patterns(&["*"]).unwrap();
        assert!(EventType::OF_LOG.into_iter().all(|it| all.want(it)));
        assert!(!all.want(EventType::SessionRevoked), "moments are named");
        assert!(!all.want(EventType::DeliveryFailed));
        let of_log = patterns(&["chat.message.*"]).unwrap();
        assert!(!of_log.want(EventType::MessageSent), "not by a beginning of types of the log");
        assert!(patterns(&["chat.message.sent"]).unwrap().want(EventType::MessageSent));
        let moment = patterns(&["ws.*"]).unwrap();
        assert!(moment.want(EventType::SessionRevoked) && !moment.wants_log());
        assert_eq!(moment.moments().count(), 4);
        let of_users = patterns(&["user.*"]).unwrap();
        assert!(of_users.want(EventType::Presence) && !of_users.wants_log());
        for wrong in ["chat.mesage.*", "chat.message", "chat*", "", "webhook.test"] {
            assert_eq!(patterns(&[wrong]), Err(UnknownType(wrong.to_owned())));
        }
    }

    #[test]
    fn every_kind_of_entry_is_an_event() {
        let ann = UserId::parse_qualified("ann").unwrap();
        let of = |kind: &str, content: &str| {
            let body = Body::Other { kind: kind.to_owned(), content: content.to_owned() };
            EventType::of(&Entry { body, ..text(1, &ann) }).as_str()
        };
        assert_eq!(EventType::of(&text(1, &ann)), EventType::MessageReceived);
        for (kind, content, expected) in [
            ("notice", "{}", "system.notification"),
            ("card", "{}", "chat.message.received"),
            ("edit", "{}", "chat.message.edited"),
            ("delete", "{}", "chat.message.deleted"),
            ("reaction", "{}", "chat.message.reacted"),
            ("pin", "{}", "chat.message.pinned"),
            ("call", r#"{"state":"started"}"#, "chat.call.started"),
            ("call", r#"{"state":"ended"}"#, "chat.call.ended"),
            ("system", r#"{"event":"created"}"#, "chat.conversation.created"),
            ("system", r#"{"event":"members_added"}"#, "chat.member.added"),
            ("system", r#"{"event":"member_left"}"#, "chat.member.removed"),
            ("system", r#"{"event":"role_changed"}"#, "chat.member.role_changed"),
            ("system", r#"{"event":"renamed"}"#, "chat.conversation.updated"),
            ("system", "spoilt", "chat.conversation.updated"),
            ("act", "{}", "chat.card.action"),
            ("hologram", "{}", "chat.entry.stored"),
        ] {
            assert_eq!(of(kind, content), expected, "{kind} {content}");
        }
    }
}
