//! What a push says, for every provider. No I/O.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What every provider takes at least, in bytes.
pub(crate) const PAYLOAD_BYTES: usize = 4_096;

/// What is to happen with the device's notification of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// It is shown, in place of the one before.
    Message,
    /// It is taken back without a sound.
    Clear,
}

/// What a push says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What is to happen.
    pub kind: NoteKind,
    /// Whose notification it is: a later push of a conversation replaces the one before.
    pub conversation_id: Uuid,
    /// The newest entry that it tells of.
    pub seq: u64,
    /// The id of that entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_id: Option<Uuid>,
    /// The message, where the entry is an edit of it that names the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u64>,
    /// How many messages it stands for.
    #[serde(default)]
    pub count: u32,
    /// The number at the icon of the application: conversations with something unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<u32>,
    /// Why it is sent, such as `mention`.
    #[serde(default)]
    pub reason: String,
    /// Wakes the device now.
    #[serde(default)]
    pub is_urgent: bool,
    /// How long a provider keeps it for a device that is off, in seconds.
    pub ttl_secs: u32,
    /// Who wrote or what it is called; absent where nothing of the content is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was written; absent where it is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Note {
    /// What the application gets, as fields of one object.
    pub(crate) fn data(&self) -> Map<String, Value> {
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
        put("type", json!(self.kind));
        put("conversation_id", json!(self.conversation_id));
        put("seq", json!(self.seq));
        if let Some(id) = self.entry_id {
            put("id", json!(id));
        }
        if let Some(target) = self.target {
            put("target", json!(target));
        }
        if let Some(badge) = self.badge {
            put("badge", json!(badge));
        }
        if self.kind == NoteKind::Message {
            put("count", json!(self.count));
            put("reason", json!(self.reason));
        }
        if let Some(title) = &self.title {
            put("title", json!(title));
        }
        if let Some(text) = &self.text {
            put("text", json!(text));
        }
        data
    }

    /// The same without anything of the content: what is too large with it.
    pub(crate) fn bare(&self) -> Self {
        Self { title: None, text: None, ..self.clone() }
    }

    /// A name of the notification that stays the same for the conversation: 32 letters and digits.
    pub(crate) fn collapse(&self) -> String {
        self.conversation_id.simple().to_string()
    }
}

/// A body that fits, made of the note or, if it would be too large, of the note without content.
pub(crate) fn fitting(note: &Note, bytes: usize, make: impl Fn(&Note) -> Vec<u8>) -> Vec<u8> {
    let whole = make(note);
    if whole.len() <= bytes { whole } else { make(&note.bare()) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message with all there can be.
    pub(crate) fn note() -> Note {
        Note {
            kind: NoteKind::Message,
            conversation_id: Uuid::from_u128(7),
            seq: 17,
            entry_id: Some(Uuid::from_u128(9)),
            target: None,
            count: 2,
            badge: Some(3),
            reason: "mention".to_owned(),
            is_urgent: true,
            ttl_secs: 600,
            title: Some("Ann".to_owned()),
            text: Some("Hi".to_owned()),
        }
    }

    #[test]
    fn a_note_without_content_tells_where_to_look_and_nothing_else() {
        let data = note().bare().data();
        let names: Vec<_> = data.keys().map(String::as_str).collect();
        assert_eq!(names, ["badge", "conversation_id", "count", "id", "reason", "seq", "type"]);
    }

    #[test]
    fn what_would_be_too_large_goes_without_its_content() {
        let large = Note { text: Some("x".repeat(9_000)), ..note() };
        let make = |note: &Note| serde_json::to_vec(&note.data()).unwrap();
        let body = fitting(&large, PAYLOAD_BYTES, make);
        assert!(body.len() < 300);
        assert_eq!(fitting(&note(), PAYLOAD_BYTES, make), make(&note()));
    }

    #[test]
    fn a_stored_note_is_read_back() {
        let text = serde_json::to_string(&note()).unwrap();
        assert_eq!(serde_json::from_str::<Note>(&text).unwrap(), note());
    }
}
