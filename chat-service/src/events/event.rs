//! One entry as a CloudEvent 1.0 in JSON.

use bytes::Bytes;
use proto::frame::keys::{Keyed, Whose};
use proto::id::{ConversationId, EntryId, TenantId};
use serde::Serialize;
use serde_json::value::RawValue;

use super::types::EventType;
use crate::domain::entry::SenderType;
use crate::encode::{self, Shown};
use crate::store::tail::{LogKind, TailRow};
use bus::moments::rfc3339;

/// What one event is, as a body.
pub use bus::moments::SINGLE;

/// What happened with a conversation, in the order of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub r#type: EventType,
    pub tenant: TenantId,
    pub conversation_id: ConversationId,
    /// Of the conversation.
    pub kind: LogKind,
    pub seq: u64,
    /// That of the entry.
    pub id: EntryId,
    /// As what the entry was written.
    pub sender: SenderType,
    created_at_ms: u64,
    /// The CloudEvent.
    pub json: Bytes,
}

#[derive(Serialize)]
struct Cloud<'a> {
    specversion: &'static str,
    id: EntryId,
    r#type: &'static str,
    source: String,
    subject: String,
    time: String,
    datacontenttype: &'static str,
    partitionkey: ConversationId,
    sequence: String,
    tenant: &'static str,
    tidingsclass: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<&'a RawValue>,
    conversation: Conversation,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    thin: bool,
}

#[derive(Serialize)]
struct Conversation {
    id: ConversationId,
    kind: &'static str,
}

impl Event {
    /// What a row of the tail is; `None` for what is nobody else's: see [`TailRow::is_told`].
    pub fn of(row: TailRow, now_ms: u64) -> Option<Self> {
        let kind = row.kind;
        if !row.is_told() {
            return None;
        }
        let entry = &row.entry.entry;
        let mut event = Self {
            r#type: EventType::of(entry),
            tenant: entry.author.id.tenant(),
            conversation_id: entry.conversation_id,
            kind,
            seq: entry.seq,
            id: entry.id,
            sender: entry.author.r#type,
            created_at_ms: entry.created_at_ms,
            json: Bytes::new(),
        };
        let is_over = entry.expires_at_ms.is_some_and(|over| over <= now_ms);
        let shown = if is_over { Shown::Blank } else { Shown::Whole };
        let mut frame = encode::entry(row.entry, shown);
        // No device reads events.
        if let Some(keyed) = Keyed::of_entry(&frame) {
            frame = keyed.only(Whose::Nobody).into();
        }
        let entry = serde_json::from_slice::<&RawValue>(&frame).ok();
        event.json = event.written(entry);
        Some(event)
    }

    /// The event without its entry: for readers that ask for it, or that may not be told.
    #[must_use]
    pub fn thin(&self) -> Bytes {
        self.written(None)
    }

    /// By which readers on a broker choose.
    pub fn key(&self) -> String {
        format!("{}.{}", self.tenant.as_str(), self.r#type.as_str())
    }

    /// The attributes once more beside the body, as the CloudEvents binding for AMQP names them.
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![
            ("cloudEvents:specversion", "1.0".to_owned()),
            ("cloudEvents:id", self.id.to_string()),
            ("cloudEvents:type", self.r#type.as_str().to_owned()),
            ("cloudEvents:source", self.source()),
            ("cloudEvents:time", rfc3339(self.created_at_ms)),
            ("cloudEvents:partitionkey", self.conversation_id.to_string()),
            ("cloudEvents:sequence", self.sequence()),
            ("cloudEvents:tenant", self.tenant.as_str().to_owned()),
            ("cloudEvents:tidingsclass", "log".to_owned()),
        ]
    }

    fn source(&self) -> String {
        format!("/tenants/{}/conversations/{}", self.tenant.as_str(), self.conversation_id)
    }

    /// Compares as text.
    fn sequence(&self) -> String {
        format!("{:020}", self.seq)
    }

    fn written(&self, entry: Option<&RawValue>) -> Bytes {
        let cloud = Cloud {
            specversion: "1.0",
            id: self.id,
            r#type: self.r#type.as_str(),
            source: self.source(),
            subject: self.seq.to_string(),
            time: rfc3339(self.created_at_ms),
            datacontenttype: "application/json",
            partitionkey: self.conversation_id,
            sequence: self.sequence(),
            tenant: self.tenant.as_str(),
            tidingsclass: "log",
            data: Data {
                entry,
                conversation: Conversation { id: self.conversation_id, kind: self.kind.as_str() },
                thin: entry.is_none(),
            },
        };
        // Cannot fail: texts and numbers.
        serde_json::to_vec(&cloud).unwrap_or_default().into()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proto::id::UserId;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::entry::tests::text;
    use crate::domain::entry::{Body, OwnKind, StoredEntry};
    use crate::store::tail::Position;

    /// A row with a text of Ann.
    pub(crate) fn row(seq: u64) -> TailRow {
        let ann = UserId::parse_qualified("ann").unwrap();
        TailRow {
            position: Position(seq),
            kind: LogKind::Group,
            entry: StoredEntry {
                entry: text(seq, &ann),
                sender_name: "Ann".to_owned(),
                sender_avatar: String::new(),
            },
        }
    }

    #[test]
    fn an_entry_is_an_event_with_the_frame_that_clients_get() {
        let event = Event::of(row(17), 5).unwrap();
        assert_eq!(event.key(), "default.chat.message.received");
        let json: Value = serde_json::from_slice(&event.json).unwrap();
        let id = "00000000-0000-0000-0000-000000000001";
        let mut expected = json!({
            "specversion": "1.0",
            "id": "00000000-0000-0000-0000-000000000011",
            "type": "chat.message.received",
            "source": format!("/tenants/default/conversations/{id}"),
            "subject": "17",
            "time": "1970-01-01T00:00:00.001Z",
            "datacontenttype": "application/json",
            "partitionkey": id,
            "sequence": "00000000000000000017",
            "tenant": "default",
            "tidingsclass": "log",
            "data": { "conversation": { "id": id, "kind": "group" } },
        });
        let frame = encode::entry(row(17).entry, Shown::Whole);
        expected["data"]["entry"] = serde_json::from_slice(&frame).unwrap();
        assert_eq!(json, expected);
        let thin: Value = serde_json::from_slice(&event.thin()).unwrap();
        let data = expected["data"].as_object_mut().unwrap();
        data.remove("entry");
        data.insert("thin".to_owned(), json!(true));
        assert_eq!(thin, expected);
    }

    #[test]
    fn what_is_over_is_blank_and_what_is_a_users_own_is_no_event() {
        let mut over = row(1);
        over.entry.entry.expires_at_ms = Some(5);
        let content = |now| {
            let event = Event::of(over.clone(), now).unwrap();
            let json: Value = serde_json::from_slice(&event.json).unwrap();
            json["data"]["entry"]["content"].clone()
        };
        assert_eq!((content(4), content(5)), (json!({"text":"x"}), json!({})));
        assert_eq!(Event::of(TailRow { kind: LogKind::of(4), ..row(1) }, 5), None);
        assert_eq!(Event::of(TailRow { kind: LogKind::of(9), ..row(1) }, 5), None);
        let mut act = TailRow { kind: LogKind::of(4), ..row(1) };
        let content = r#"{"action_id":"yes"}"#.to_owned();
        act.entry.entry.body = Body::Own { kind: OwnKind::Act, content };
        let event = Event::of(act, 5).unwrap();
        assert_eq!(
            (event.key().as_str(), event.kind.as_str()),
            ("default.chat.card.action", "private")
        );
    }
}
