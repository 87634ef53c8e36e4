//! The one encoder of an entry: live pushes, sync, history, lists and REST all show what it makes.

use bytes::Bytes;
use proto::frame::server::{Entry as EntryFrame, Sender};
use proto::id::UserName;
use serde_json::value::RawValue;

use crate::domain::body::Message;
use crate::domain::entry::{Body, Entry, State, StoredEntry};
use crate::domain::reader::Reader;

/// What is shown of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All of it.
    Whole,
    /// That there is one: its place, id, kind, sender and target.
    Blank,
}

impl Shown {
    /// What a reader may see.
    pub(crate) fn to(reader: &Reader<'_>, entry: &Entry) -> Self {
        if reader.is_blank(&entry.author.id, entry.limits()) { Self::Blank } else { Self::Whole }
    }
}

/// An entry as a frame `entry`, in JSON.
pub(crate) fn entry(stored: StoredEntry, shown: Shown) -> Bytes {
    let StoredEntry { entry, sender_name, sender_avatar } = stored;
    let sender = Sender {
        id: entry.author.id.name(),
        r#type: entry.author.r#type.as_str().to_owned(),
        name: sender_name,
        avatar: sender_avatar,
    };
    frame(entry, sender, shown).to_frame_json()
}

/// The state of a message for a reader: with the keys that they have reacted with, also where `rows` have them.
pub(crate) fn state(state: &State, reader: &UserName, rows: &[String]) -> Bytes {
    let mut json = state.to_json();
    let own: Vec<_> = state.keys_of(reader).chain(rows.iter().map(String::as_str)).collect();
    if !own.is_empty() {
        json.pop();
        json.push_str(r#","mine":"#);
        // Cannot fail: a list of texts.
        json.push_str(&serde_json::to_string(&own).unwrap_or_default());
        json.push('}');
    }
    json.into()
}

fn frame(entry: Entry, sender: Sender, shown: Shown) -> EntryFrame {
    let kind = entry.body.kind().to_owned();
    let mut frame = EntryFrame {
        conversation_id: entry.conversation_id,
        seq: entry.seq,
        id: entry.id,
        kind,
        sender,
        content: blank(),
        reply_to: None,
        target: entry.target,
        thread: entry.thread,
        also_in_main: entry.also_in_main,
        mentions: Vec::new(),
        mention_all: false,
        forwarded: None,
        is_important: false,
        extra: None,
        expires_at: entry.expires_at_ms,
        client_id: Some(entry.client_id),
        timestamp: entry.created_at_ms,
    };
    if shown == Shown::Blank {
        return frame;
    }
    match entry.body {
        Body::Message(message) => {
            let Message {
                content,
                reply_to,
                mentions,
                mention_all,
                forwarded,
                is_important,
                extra,
                ..
            } = message;
            frame.content = json(content);
            frame.reply_to = reply_to;
            frame.mentions = mentions;
            frame.mention_all = mention_all;
            frame.forwarded = forwarded;
            frame.is_important = is_important;
            frame.extra = extra.and_then(|extra| RawValue::from_string(extra).ok());
        }
        body => frame.content = json(body.content().to_owned()),
    }
    frame
}

/// Checked when it was stored; what another tool wrote into the table must not break a page.
fn json(content: String) -> Box<RawValue> {
    RawValue::from_string(content).unwrap_or_else(|_| blank())
}

fn blank() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::entry::tests::text;
    use crate::domain::entry::{Author, DeviceType, SenderType};
    use proto::id::UserId;

    fn shown(entry: &Entry, shown: Shown) -> Value {
        let stored = StoredEntry {
            entry: entry.clone(),
            sender_name: "Ann".to_owned(),
            sender_avatar: String::new(),
        };
        serde_json::from_slice(&super::entry(stored, shown)).unwrap()
    }

    #[test]
    fn a_blank_entry_keeps_its_place_and_sender_and_nothing_of_what_it_says() {
        let ann = UserId::parse_qualified("ann").unwrap();
        let mut entry = text(7, &ann);
        (entry.device_type, entry.target) = (Some(DeviceType::Ios), Some(3));
        if let Body::Message(message) = &mut entry.body {
            message.mentions = vec![ann.name()];
            message.extra = Some(r#"{"secret":1}"#.to_owned());
            message.is_important = true;
            message.reply_to = Some(2);
        }
        let whole = shown(&entry, Shown::Whole);
        assert_eq!(
            (&whole["content"], &whole["extra"]),
            (&json!({"text":"x"}), &json!({"secret":1}))
        );
        let mut expected = whole.clone();
        expected["content"] = json!({});
        for field in ["mentions", "extra", "is_important", "reply_to"] {
            assert!(expected.as_object_mut().unwrap().remove(field).is_some(), "{field}");
        }
        assert_eq!(shown(&entry, Shown::Blank), expected);
    }

    #[test]
    fn what_is_no_json_object_is_shown_as_an_empty_one() {
        let author =
            Author { id: UserId::parse_qualified("ann").unwrap(), r#type: SenderType::User };
        let body = Body::Other { kind: "x".to_owned(), content: "spoilt".to_owned() };
        let entry = Entry { body, author: author.clone(), ..text(1, &author.id) };
        assert_eq!(shown(&entry, Shown::Whole)["content"], json!({}));
    }
}
