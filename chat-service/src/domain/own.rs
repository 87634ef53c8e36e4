//! What users set of their own, in their self logs: a closed list, and the shape of each value. Pure.

use std::collections::HashMap;

use proto::error_code::ErrorCode;
use proto::id::{ConversationId, UserId};
use serde::{Deserialize, Serialize};

use super::conversation::Refusal;
use super::drafts::DraftFacts;

/// Threads that a user follows, or does not, by hand.
pub const MAX_FOLLOWED: u32 = 1_000;
/// Longest value, in bytes as it is written.
pub const VALUE_BYTES: usize = 4_096;
/// Later than every moment and every seq, as a database keeps it.
const EVER: u64 = i64::MAX as u64;

/// What a user may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// A conversation notifies nobody of its messages.
    Mute,
    /// A conversation is kept apart from the others.
    Archive,
    /// A conversation stands above the others.
    Pin,
    /// A conversation is out of the list until its next message.
    Hidden,
    /// A conversation is shown as unread; cursors stay where they are.
    MarkedUnread,
    /// A thread is followed, or is not, whatever the user had to do with it.
    FollowThread,
    /// What notifications say.
    Push,
    /// What others may know.
    Privacy,
}

/// What something is set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    User,
    Conversation,
    Thread,
}

impl What {
    pub const ALL: [Self; 8] = [
        Self::Mute,
        Self::Archive,
        Self::Pin,
        Self::Hidden,
        Self::MarkedUnread,
        Self::FollowThread,
        Self::Push,
        Self::Privacy,
    ];

    /// As it is stored and sent. Never change one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::Archive => "archive",
            Self::Pin => "pin",
            Self::Hidden => "hidden",
            Self::MarkedUnread => "marked_unread",
            Self::FollowThread => "follow_thread",
            Self::Push => "push",
            Self::Privacy => "privacy",
        }
    }

    /// Of a text; `None` for one of a later version, or of nobody.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == text)
    }

    pub fn scope(self) -> Scope {
        match self {
            Self::Push | Self::Privacy => Scope::User,
            Self::FollowThread => Scope::Thread,
            _ => Scope::Conversation,
        }
    }
}

/// Which setting of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Of the user's tenant; `None` for what is for no conversation.
    pub conversation_id: Option<ConversationId>,
    pub what: What,
    /// The first message of the thread; 0 for what is for no thread.
    pub thread: u64,
}

/// A value that is not as where nothing was ever set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// JSON, in one spelling.
    pub json: String,
    /// What queries compare: until when, or before which entry.
    pub number: u64,
}

/// A setting as it is kept. Belongs to the tenant of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub user_id: UserId,
    pub place: Place,
    pub value: Value,
    /// The entry that set it.
    pub as_of: u64,
}

/// What is known of a setting before it is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fact {
    /// The user is a member of its conversation. Not proven by a head: who leaves in the same instant may have set it.
    pub is_member: bool,
    /// JSON; `None` where it is as where nothing was ever set.
    pub json: Option<String>,
    /// The entry that set it; 0 where it is as where nothing was ever set.
    pub as_of: u64,
    /// Of a thread: the highest seq of its conversation. Not proven by a head either.
    pub head: u64,
}

/// What planning needs to know of what is set. A head of the self log that fits at append time proves the values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub settings: HashMap<(UserId, Place), Fact>,
    /// How many threads each user follows, or does not, by hand; counted to [`MAX_FOLLOWED`].
    pub followed: HashMap<UserId, u32>,
    pub drafts: DraftFacts,
}

/// The value of [`What::Mute`].
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// In Unix milliseconds; `None`: until it is taken back.
    #[serde(default)]
    pub until: Option<u64>,
    /// Messages that mention the user notify nevertheless.
    #[serde(default = "yes")]
    pub mentions: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Hidden {
    before_seq: u64,
}

/// The value of [`What::Push`].
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    pub content: PushContent,
}

/// How much a push says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PushContent {
    None,
    Sender,
    Full,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Privacy {
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    find: Option<Audience>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Audience {
    Everyone,
    Contacts,
    Nobody,
}

/// Reads a value; `None` for one that is as where nothing was ever set.
pub fn check(what: What, json: &str) -> Result<Option<Value>, Refusal> {
    let wrong = |_| Refusal::new(ErrorCode::Invalid, shape(what));
    // serde reads an object from a list, too: its fields in their order.
    if json.trim_start().starts_with('[') {
        return Err(Refusal::new(ErrorCode::Invalid, shape(what)));
    }
    match what {
        What::Mute => {
            let mute: Option<Mute> = serde_json::from_str(json).map_err(wrong)?;
            let in_range = mute.as_ref().is_none_or(|mute| mute.until.unwrap_or(0) <= EVER);
            if !in_range {
                return Err(Refusal::new(ErrorCode::Invalid, shape(what)));
            }
            Ok(mute.map(|mute| value(&mute, mute.until.unwrap_or(EVER))))
        }
        What::Hidden => {
            let hidden: Option<Hidden> = serde_json::from_str(json).map_err(wrong)?;
            match hidden {
                Some(Hidden { before_seq: 0 | EVER.. }) => {
                    Err(Refusal::new(ErrorCode::Invalid, shape(what)))
                }
                hidden => Ok(hidden.map(|hidden| value(&hidden, hidden.before_seq))),
            }
        }
        What::Archive | What::Pin | What::MarkedUnread => {
            let on: Option<bool> = serde_json::from_str(json).map_err(wrong)?;
            Ok(on.filter(|on| *on).map(|on| value(&on, 0)))
        }
        What::FollowThread => {
            let on: Option<bool> = serde_json::from_str(json).map_err(wrong)?;
            Ok(on.map(|on| value(&on, 0)))
        }
        What::Push => {
            let push: Option<Push> = serde_json::from_str(json).map_err(wrong)?;
            Ok(push.map(|push| value(&push, 0)))
        }
        What::Privacy => {
            let privacy: Option<Privacy> = serde_json::from_str(json).map_err(wrong)?;
            Ok(privacy.map(|privacy| value(&privacy, 0)).filter(|value| value.json != "{}"))
        }
    }
}

fn value<T: Serialize>(value: &T, number: u64) -> Value {
    // Cannot fail: the types above have string keys only.
    Value { json: serde_json::to_string(value).unwrap_or_default(), number }
}

/// How a value is written.
fn shape(what: What) -> &'static str {
    match what {
        What::Mute => {
            "`value` of `mute` is {\"until\": <Unix milliseconds, or null for no end>, \"mentions\": <true: mentions \
             notify nevertheless>}, or null to take it back"
        }
        What::Archive | What::Pin | What::MarkedUnread => "`value` is true or false",
        What::Hidden => {
            "`value` of `hidden` is {\"before_seq\": <the seq after the newest entry, from 1>}, or null to show it again"
        }
        What::FollowThread => {
            "`value` of `follow_thread` is true, false, or null for what follows from the user's messages"
        }
        What::Push => {
            "`value` of `push` is {\"content\": \"none\", \"sender\" or \"full\"}, or null for the server's default"
        }
        What::Privacy => {
            "`value` of `privacy` is an object with any of `last_seen`, `online`, `avatar`, `receipts`, `groups`, `calls` \
             and `find`, each \"everyone\", \"contacts\" or \"nobody\"; or null"
        }
    }
}

/// The content of an entry `set`.
#[derive(Debug, Serialize)]
struct Said<'a> {
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<ConversationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<u64>,
    value: &'a serde_json::value::RawValue,
}

/// The content of the entry that sets something.
pub fn content(place: &Place, value: Option<&Value>) -> String {
    let Place { conversation_id, what, thread } = *place;
    let (what, thread) = (what.as_str(), (thread > 0).then_some(thread));
    let json = value.map_or("null", |value| &value.json);
    // Cannot fail: it was written here.
    let raw = serde_json::value::RawValue::from_string(json.to_owned());
    let said = raw.and_then(|raw| {
        serde_json::to_string(&Said { what, conversation_id, thread, value: &raw })
    });
    said.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(what: What, json: &str) -> Result<Option<String>, ErrorCode> {
        check(what, json).map(|it| it.map(|it| it.json)).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_value_has_one_spelling_and_what_changes_nothing_has_none() {
        for (what, json, kept) in [
            (
                What::Mute,
                r#"{ "mentions": true, "until": null }"#,
                Some(r#"{"until":null,"mentions":true}"#),
            ),
            (What::Mute, "{}", Some(r#"{"until":null,"mentions":true}"#)),
            (
                What::Mute,
                r#"{"until":7,"mentions":false}"#,
                Some(r#"{"until":7,"mentions":false}"#),
            ),
            (What::Mute, "null", None),
            (What::Archive, "true", Some("true")),
            (What::Pin, " false ", None),
            (What::MarkedUnread, "null", None),
            (What::Hidden, r#"{"before_seq": 8}"#, Some(r#"{"before_seq":8}"#)),
            (What::Hidden, "null", None),
            (What::FollowThread, "false", Some("false")),
            (What::FollowThread, "null", None),
            (What::Push, r#"{"content":"full"}"#, Some(r#"{"content":"full"}"#)),
            (What::Privacy, r#"{"find":"nobody"}"#, Some(r#"{"find":"nobody"}"#)),
            (What::Privacy, "{}", None),
        ] {
            assert_eq!(read(what, json), Ok(kept.map(str::to_owned)), "{what:?} {json}");
        }
    }

    #[test]
    fn other_values_are_refused() {
        for (what, json) in [
            (What::Mute, "true"),
            (What::Mute, r#"{"until":-1}"#),
            (What::Mute, r#"{"until":18446744073709551615}"#),
            (What::Mute, r#"{"until":null,"more":1}"#),
            (What::Archive, "1"),
            (What::Archive, "{}"),
            (What::Hidden, r#"{"before_seq":0}"#),
            (What::Hidden, "7"),
            (What::Push, r#"{"content":"all"}"#),
            (What::Push, "{}"),
            (What::Privacy, r#"{"find":"me"}"#),
            (What::Privacy, r#"{"colour":"nobody"}"#),
            (What::Privacy, "[]"),
            (What::Pin, ""),
            (What::Pin, "tru"),
        ] {
            assert_eq!(read(what, json), Err(ErrorCode::Invalid), "{what:?} {json}");
        }
    }

    #[test]
    fn the_content_of_its_entry_says_what_is_set_for_what() {
        let id = ConversationId(uuid::Uuid::from_u128(1));
        let place = Place { conversation_id: Some(id), what: What::FollowThread, thread: 4 };
        let on = check(What::FollowThread, "true").unwrap();
        let expected = format!(
            r#"{{"what":"follow_thread","conversation_id":"{id}","thread":4,"value":true}}"#
        );
        assert_eq!(content(&place, on.as_ref()), expected);
        let place = Place { conversation_id: None, what: What::Push, thread: 0 };
        assert_eq!(content(&place, None), r#"{"what":"push","value":null}"#);
        for what in What::ALL {
            assert_eq!(What::of(what.as_str()), Some(what));
        }
        assert_eq!(What::of("status"), None);
    }
}
