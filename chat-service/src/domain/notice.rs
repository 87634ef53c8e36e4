//! Notices of operators: what one says, whom it is for, and what is still to be done for it. Pure.
//!
//! Whom a notice is for is kept beside its entry and never in it: an entry goes to everybody, blank for those whom it is
//! not for.

use proto::error_code::ErrorCode;
use proto::id::{ConversationId, ConversationKey, TenantId, UserId, UserName};
use proto::limits;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::conversation::Refusal;
use super::reader::DeviceType;

/// Users that one notice names, at most.
pub const MAX_USERS: usize = 10_000;
/// Roles that one notice names, at most.
const MAX_ROLES: usize = 32;
/// Longest name of a role, in bytes.
const ROLE_BYTES: usize = 64;
/// Longest label of an action, in characters.
const LABEL_CHARS: usize = 100;
/// Longest address of an action, in bytes.
const URL_BYTES: usize = 2_048;

/// Whom a notice is for. As it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Every user of the tenant.
    All,
    /// Devices of these types, by [`DeviceType::code`].
    DeviceTypes(Vec<i16>),
    /// Users whose token has one of these roles.
    Roles(Vec<String>),
    /// The members of a conversation, whose log it is in.
    Conversation(ConversationId),
    /// These users.
    Users(Vec<UserName>),
}

/// What was asked for, not checked yet.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub all: bool,
    /// Codes of [`DeviceType`].
    pub device_types: Vec<i64>,
    pub roles: Vec<String>,
    pub conversation: Option<ConversationId>,
    /// Names.
    pub users: Vec<String>,
}

impl Audience {
    /// Checks what was asked for.
    pub fn read(asked: Asked) -> Result<Self, Refusal> {
        let Asked { all, device_types, roles, conversation, users } = asked;
        let given = [
            all,
            !device_types.is_empty(),
            !roles.is_empty(),
            conversation.is_some(),
            !users.is_empty(),
        ];
        if given.into_iter().filter(|is_given| *is_given).count() != 1 {
            let text = "`audience` has exactly one of `all`, `device_types`, `roles`, `conversation` and `users`";
            return Err(invalid(text));
        }
        if let Some(id) = conversation {
            return Ok(Self::Conversation(id));
        }
        if !device_types.is_empty() {
            let codes: Option<Vec<_>> = device_types
                .iter()
                .map(|code| DeviceType::of(*code).map(DeviceType::code))
                .collect();
            let codes = codes.filter(|codes| codes.len() <= 5);
            let text = "`device_types` are web, ios, android, desktop and bot";
            return codes.map(Self::DeviceTypes).ok_or_else(|| invalid(text));
        }
        if !roles.is_empty() {
            let is_fine = |role: &String| !role.is_empty() && role.len() <= ROLE_BYTES;
            if roles.len() > MAX_ROLES || !roles.iter().all(is_fine) {
                return Err(invalid("`roles` are at most 32, each of 1 to 64 bytes"));
            }
            return Ok(Self::Roles(roles));
        }
        if users.is_empty() { Ok(Self::All) } else { Self::of_users(&users) }
    }

    fn of_users(users: &[String]) -> Result<Self, Refusal> {
        if users.len() > MAX_USERS {
            return Err(too_large("`users` are at most 10,000; send several notices"));
        }
        let names: Result<Vec<_>, _> = users.iter().map(|user| UserName::parse(user)).collect();
        let mut names = names.map_err(|error| invalid(&format!("`users`: {error}")))?;
        names.sort();
        names.dedup();
        Ok(Self::Users(names))
    }

    /// Whose log the entry is in.
    pub fn log(&self, tenant: TenantId) -> ConversationId {
        match self {
            Self::Conversation(id) => *id,
            _ => ConversationId::notices(tenant),
        }
    }
}

/// How soon devices hear of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Before everything that has a lower one.
    High,
    Normal,
    /// With their next heartbeat.
    Low,
}

impl Priority {
    /// As it is stored and stands in contents. Never change one.
    const ALL: [(Self, u64, &'static str); 3] =
        [(Self::High, 1, "high"), (Self::Normal, 2, "normal"), (Self::Low, 3, "low")];

    pub fn code(self) -> u64 {
        Self::ALL.iter().find(|(it, ..)| *it == self).map_or(2, |(_, code, _)| *code)
    }

    /// One of a later version is an ordinary one.
    pub fn of(code: u64) -> Self {
        Self::ALL.iter().find(|(_, it, _)| *it == code).map_or(Self::Normal, |(it, ..)| *it)
    }

    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(it, ..)| *it == self).map_or("normal", |(_, _, text)| text)
    }
}

/// Where devices show a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// On one device of each user, once.
    User,
    /// On each device, once.
    Device,
    /// Until it is read.
    Always,
}

impl Display {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Device => "device",
            Self::Always => "always",
        }
    }
}

/// What is still to be done for a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Nothing,
    /// To append it to its log, when it is due.
    Append,
    /// To push it.
    Push,
    /// To tell that it is withdrawn.
    Withdraw,
}

impl Work {
    /// As it is stored. Never change one.
    const ALL: [(Self, u64); 4] =
        [(Self::Nothing, 0), (Self::Append, 1), (Self::Push, 2), (Self::Withdraw, 3)];

    pub fn code(self) -> u64 {
        Self::ALL.iter().find(|(it, _)| *it == self).map_or(0, |(_, code)| *code)
    }

    pub fn of(code: u64) -> Self {
        Self::ALL.iter().find(|(_, it)| *it == code).map_or(Self::Nothing, |(it, _)| *it)
    }
}

/// A notice as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub tenant: TenantId,
    /// Also the client id of its entry.
    pub id: Uuid,
    /// Whose log its entry is in.
    pub conversation_id: ConversationId,
    /// Its place in its log, once it is stored.
    pub seq: Option<u64>,
    pub audience: Audience,
    /// A JSON object.
    pub content: String,
    pub priority: Priority,
    /// The operator.
    pub created_by: UserName,
    /// Unix milliseconds, as all that follow.
    pub created_at_ms: u64,
    pub starts_at_ms: u64,
    pub expires_at_ms: u64,
    pub withdrawn_at_ms: Option<u64>,
    /// Users that it was for when it was taken, where that is known.
    pub targets: Option<u64>,
    pub work: Work,
    /// How often somebody set out to do it.
    pub attempts: u64,
}

impl Notice {
    /// Where its entry is.
    pub fn log(&self) -> ConversationKey {
        ConversationKey::new(self.tenant, self.conversation_id)
    }

    pub fn author(&self) -> UserId {
        self.created_by.of(self.tenant)
    }

    /// Whether it is asked for once more.
    pub fn is_same(&self, other: &Self) -> bool {
        self.audience == other.audience
            && self.content == other.content
            && self.priority == other.priority
            && self.created_by == other.created_by
    }

    /// Nobody reads it any more.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.withdrawn_at_ms.is_some() || self.expires_at_ms <= now_ms
    }
}

/// What a user does with a notice. They do not exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeMark {
    Shown,
    Read,
    Clicked,
    Dismissed,
}

impl NoticeMark {
    pub const ALL: [Self; 4] = [Self::Shown, Self::Read, Self::Clicked, Self::Dismissed];

    /// As it is stored, and as on the wire. Never change one.
    pub fn code(self) -> u64 {
        match self {
            Self::Shown => 1,
            Self::Read => 2,
            Self::Clicked => 3,
            Self::Dismissed => 4,
        }
    }

    pub fn of(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.code() == code)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Read => "read",
            Self::Clicked => "clicked",
            Self::Dismissed => "dismissed",
        }
    }
}

/// What an operator writes.
#[derive(Debug, Clone)]
pub struct Text<'a> {
    /// May be empty.
    pub title: &'a str,
    pub body: &'a str,
    pub priority: Priority,
    pub display: Display,
    /// Label and address; both empty where there is none.
    pub action: (&'a str, &'a str),
    /// A JSON object, or empty.
    pub data: &'a str,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    body: &'a str,
    priority: &'a str,
    display: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Action<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Action<'a> {
    label: &'a str,
    url: &'a str,
}

impl Text<'_> {
    /// The content of the entry, checked.
    pub fn content(&self) -> Result<String, Refusal> {
        let Self { title, body, priority, display, action: (label, url), data } = *self;
        for (text, most, name, is_needed) in [
            (title, limits::NOTICE_TITLE_CHARS, "title", false),
            (body, limits::TEXT_CHARS, "body", true),
            (label, LABEL_CHARS, "action.label", !url.is_empty()),
        ] {
            if text.chars().count() > most {
                return Err(too_large(&format!("`{name}` has at most {most} characters")));
            }
            if text.contains('\0') || is_needed && text.trim().is_empty() {
                return Err(invalid(&format!("`{name}` must not be empty and not contain NUL")));
            }
        }
        if !label.is_empty() || !url.is_empty() {
            let is_address = ["https://", "http://", "/"].iter().any(|it| url.starts_with(it));
            let is_clean = !url.chars().any(|c| c.is_control() || c.is_whitespace());
            if !is_address || !is_clean || url.len() > URL_BYTES {
                let text = "`action.url` begins with https://, http:// or /, without spaces, at most 2,048 bytes";
                return Err(invalid(text));
            }
        }
        let data = Self::data(data)?;
        let action = (!url.is_empty()).then_some(Action { label, url });
        let (priority, display) = (priority.as_str(), display.as_str());
        let content = Content { title, body, priority, display, action, data };
        // Cannot fail: texts, and JSON that was read.
        Ok(serde_json::to_string(&content).unwrap_or_default())
    }

    fn data(data: &str) -> Result<Option<&RawValue>, Refusal> {
        if data.is_empty() {
            return Ok(None);
        }
        if data.len() > limits::EXTRA_BYTES {
            return Err(too_large("`data` has at most 16 KiB"));
        }
        let is_object = data.trim_start().starts_with('{') && !data.contains("\\u0000");
        let read = serde_json::from_str::<&RawValue>(data).ok().filter(|_| is_object);
        read.map(Some).ok_or_else(|| invalid("`data` is a JSON object without NUL characters"))
    }
}

fn invalid(text: &str) -> Refusal {
    Refusal::new(ErrorCode::Invalid, text)
}

fn too_large(text: &str) -> Refusal {
    Refusal::new(ErrorCode::TooLarge, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Text<'static> = Text {
        title: "",
        body: "Down at 9",
        priority: Priority::High,
        display: Display::User,
        action: ("", ""),
        data: "",
    };

    #[test]
    fn an_audience_is_exactly_one_and_survives_being_stored() {
        let audience = |asked| Audience::read(asked).map_err(|refusal| refusal.code);
        let (none, vip) = (Asked::default(), vec!["vip".to_owned()]);
        assert_eq!(audience(none.clone()), Err(ErrorCode::Invalid));
        let two = Asked { all: true, roles: vip.clone(), ..none.clone() };
        assert_eq!(audience(two), Err(ErrorCode::Invalid));
        let odd = Asked { device_types: vec![9], ..none.clone() };
        assert_eq!(audience(odd), Err(ErrorCode::Invalid));
        let many = Asked { users: vec!["a".to_owned(); MAX_USERS + 1], ..none.clone() };
        assert_eq!(audience(many), Err(ErrorCode::TooLarge));
        let names = vec!["bob".to_owned(), "ann".to_owned(), "bob".to_owned()];
        for (asked, stored) in [
            (Asked { all: true, ..none.clone() }, r#""all""#),
            (Asked { device_types: vec![2, 3], ..none.clone() }, r#"{"device_types":[2,3]}"#),
            (Asked { roles: vip, ..none.clone() }, r#"{"roles":["vip"]}"#),
            (Asked { users: names, ..none }, r#"{"users":["ann","bob"]}"#),
        ] {
            let read = audience(asked).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), stored);
            assert_eq!(serde_json::from_str::<Audience>(stored).unwrap(), read);
        }
    }

    #[test]
    fn a_content_holds_what_was_written_and_nothing_of_the_audience() {
        assert_eq!(
            TEXT.content().unwrap(),
            r#"{"body":"Down at 9","priority":"high","display":"user"}"#
        );
        let full =
            Text { title: "Now", action: ("Open", "/status"), data: r#"{"a": 1}"#, ..TEXT.clone() };
        assert!(
            full.content()
                .unwrap()
                .ends_with(r#""action":{"label":"Open","url":"/status"},"data":{"a": 1}}"#)
        );
        for wrong in [
            Text { body: " ", ..TEXT.clone() },
            Text { action: ("Open", ""), ..TEXT.clone() },
            Text { action: ("", "/x"), ..TEXT.clone() },
            Text { action: ("Open", "javascript:alert(1)"), ..TEXT.clone() },
            Text { data: "[1]", ..TEXT.clone() },
            Text { data: "{", ..TEXT.clone() },
        ] {
            assert_eq!(wrong.content().map_err(|it| it.code), Err(ErrorCode::Invalid), "{wrong:?}");
        }
    }
}
