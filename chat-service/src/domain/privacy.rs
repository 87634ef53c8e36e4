//! What others may know of a user and do to them, as the user set it. Pure.

use serde_json::Value;

/// Who may know or do something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    #[default]
    Everyone,
    /// Those who share a conversation with the user.
    Contacts,
    /// The user alone.
    Nobody,
}

impl Audience {
    /// What a later version calls otherwise is told nobody.
    fn of(value: &Value) -> Self {
        if value.is_null() {
            return Self::Everyone;
        }
        match value.as_str() {
            Some("everyone") => Self::Everyone,
            Some("contacts") => Self::Contacts,
            _ => Self::Nobody,
        }
    }

    /// Whether somebody else is among them.
    pub fn has(self, is_contact: bool) -> bool {
        match self {
            Self::Everyone => true,
            Self::Contacts => is_contact,
            Self::Nobody => false,
        }
    }
}

/// What a user set, of what this version acts by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Privacy {
    /// When the user was last here.
    pub last_seen: Audience,
    /// Whether the user is here.
    pub online: Audience,
    /// What the user has received and read.
    pub receipts: Audience,
    /// That there is such a user, in a search.
    pub find: Audience,
    /// Who may add the user to a group.
    pub groups: Audience,
    /// Who may call the user.
    pub calls: Audience,
}

impl Privacy {
    /// Of a value of the setting `privacy`.
    pub fn read(json: &str) -> Self {
        let value: Value = serde_json::from_str(json).unwrap_or_default();
        let of = |name: &str| Audience::of(&value[name]);
        Self {
            last_seen: of("last_seen"),
            online: of("online"),
            receipts: of("receipts"),
            find: of("find"),
            groups: of("groups"),
            calls: of("calls"),
        }
    }

    /// Of the content of an entry `set`; none where it sets something else.
    pub fn set_by(content: &str) -> Option<Self> {
        let content: Value = serde_json::from_str(content).ok()?;
        (content["what"] == "privacy").then(|| Self::read(&content["value"].to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_everybody_may_know_and_what_is_not_understood_nobody() {
        assert_eq!(Privacy::read("{}"), Privacy::default());
        let read = Privacy::read(r#"{"online":"nobody","receipts":"contacts","find":"friends"}"#);
        assert_eq!(read.online, Audience::Nobody);
        assert_eq!(read.receipts, Audience::Contacts);
        assert_eq!(read.find, Audience::Nobody, "of a later version");
        assert_eq!(read.last_seen, Audience::Everyone);
        for (audience, others, contacts) in [
            (Audience::Everyone, true, true),
            (Audience::Contacts, false, true),
            (Audience::Nobody, false, false),
        ] {
            assert_eq!((audience.has(false), audience.has(true)), (others, contacts));
        }
    }

    #[test]
    fn an_entry_that_sets_it_is_read_and_others_are_not() {
        let set = Privacy::set_by(r#"{"what":"privacy","value":{"online":"nobody"}}"#).unwrap();
        assert_eq!(set.online, Audience::Nobody);
        let back = Privacy::set_by(r#"{"what":"privacy","value":null}"#);
        assert_eq!(back, Some(Privacy::default()));
        assert_eq!(Privacy::set_by(r#"{"what":"mute","value":null}"#), None);
    }
}
