//! Server frames, as much of them as the fleet needs: identity and place, not the rest.

use proto::error_code::{ErrorCode, Stored};
use serde::Deserialize;
use uuid::Uuid;

use crate::scan::{self, Elements, Fields, Malformed};

/// One server frame.
#[derive(Debug)]
pub enum Heard<'a> {
    /// The connection is registered.
    Welcome(Welcome),
    /// A live entry.
    Entry(Entry<'a>),
    /// A send was stored.
    Sent(Sent),
    /// Entries that the device lacked.
    SyncPage(SyncPage<'a>),
    /// All pages are out.
    Synced {
        /// Belongs to the cursors from now on.
        epoch: String,
    },
    /// Something could not be done.
    Error(ErrorFrame),
    /// Several frames in one.
    Batch(Elements<'a>),
    /// The server asks to go elsewhere after so many milliseconds.
    Redirect(u64),
    /// Receipts, presence and whatever a newer server says.
    Other,
}

/// `welcome`.
#[derive(Debug, Deserialize)]
pub struct Welcome {
    /// How often the server pings, in milliseconds.
    pub heartbeat_ms: u64,
    /// What the server accepts.
    pub limits: Limits,
}

/// Limits told in `welcome`.
#[derive(Debug, Deserialize)]
pub struct Limits {
    /// Requests that may await their answer at once.
    pub in_flight: u32,
}

/// An entry, live, of a sync page or of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The conversation.
    pub conversation_id: Uuid,
    /// Its place.
    pub seq: u64,
    /// Its id.
    pub id: Uuid,
    /// `system` rather than a message.
    pub is_system: bool,
    /// The sender's user id.
    pub sender: &'a [u8],
    /// The `text` of the content, as it stands between the quotes.
    pub text: &'a [u8],
    /// The sender's id of the operation.
    pub client_id: Option<Uuid>,
}

/// `sent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The request's.
    pub client_id: Uuid,
    /// Where it was stored.
    pub conversation_id: Uuid,
    /// The entry's place.
    pub seq: u64,
    /// The entry's id.
    pub id: Uuid,
}

/// `sync_page`.
#[derive(Debug)]
pub struct SyncPage<'a> {
    /// The conversation.
    pub conversation_id: Uuid,
    /// Its entries.
    pub entries: Elements<'a>,
    /// Highest sequence in the log.
    pub head: u64,
    /// The cursor meant nothing to the server.
    pub is_reset: bool,
}

/// `error`.
#[derive(Debug, Deserialize)]
pub struct ErrorFrame {
    /// The request's `ref`.
    #[serde(default)]
    pub r#ref: Option<String>,
    /// The request's client id.
    #[serde(default)]
    pub client_id: Option<Uuid>,
    /// From the closed list.
    pub code: ErrorCode,
    /// Whether the request was stored.
    pub stored: Stored,
    /// Wait so long before sending again.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

/// Reads one server frame.
pub fn parse(json: &[u8]) -> Result<Heard<'_>, Malformed> {
    let mut fields = Fields::of(json)?;
    // Servers write `type` first; if one does not, it is searched.
    while let Some((key, value)) = fields.next()? {
        if key != b"type" {
            continue;
        }
        return Ok(match scan::text(value).ok_or(Malformed)? {
            b"entry" => Heard::Entry(entry(json)?),
            b"sent" => Heard::Sent(sent(json)?),
            b"sync_page" => Heard::SyncPage(sync_page(json)?),
            b"welcome" => Heard::Welcome(rare(json)?),
            b"synced" => Heard::Synced { epoch: rare::<Synced>(json)?.epoch },
            b"error" => Heard::Error(rare(json)?),
            b"redirect" => Heard::Redirect(rare::<Redirect>(json)?.after_ms),
            b"batch" => Heard::Batch(batch(json)?),
            _ => Heard::Other,
        });
    }
    Err(Malformed)
}

#[derive(Deserialize)]
struct Synced {
    epoch: String,
}

#[derive(Deserialize)]
struct Redirect {
    #[serde(default)]
    after_ms: u64,
}

/// Frames that are rare enough for a parser.
fn rare<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Malformed> {
    serde_json::from_slice(json).map_err(|_| Malformed)
}

/// Reads an entry: the frame, the element of a page and of REST history have the same fields.
pub fn entry(json: &[u8]) -> Result<Entry<'_>, Malformed> {
    let mut fields = Fields::of(json)?;
    let (mut conversation_id, mut seq, mut id) = (None, None, None);
    let mut entry = Entry {
        conversation_id: Uuid::nil(),
        seq: 0,
        id: Uuid::nil(),
        is_system: false,
        sender: b"",
        text: b"",
        client_id: None,
    };
    while let Some((key, value)) = fields.next()? {
        match key {
            b"conversation_id" => conversation_id = scan::uuid(value),
            b"seq" => seq = scan::number(value),
            b"id" => id = scan::uuid(value),
            b"kind" => entry.is_system = value == br#""system""#,
            b"sender" => entry.sender = inner(value, b"id")?,
            b"content" => entry.text = inner(value, b"text")?,
            b"client_id" => entry.client_id = scan::uuid(value),
            _ => {}
        }
    }
    entry.conversation_id = conversation_id.ok_or(Malformed)?;
    entry.seq = seq.ok_or(Malformed)?;
    entry.id = id.ok_or(Malformed)?;
    Ok(entry)
}

/// A text of an object inside; empty when it has none.
fn inner<'a>(json: &'a [u8], name: &[u8]) -> Result<&'a [u8], Malformed> {
    let mut fields = Fields::of(json)?;
    while let Some((key, value)) = fields.next()? {
        if key == name {
            return Ok(scan::text(value).unwrap_or_default());
        }
    }
    Ok(b"")
}

fn sent(json: &[u8]) -> Result<Sent, Malformed> {
    let mut fields = Fields::of(json)?;
    let (mut client_id, mut conversation_id, mut seq, mut id) = (None, None, None, None);
    while let Some((key, value)) = fields.next()? {
        match key {
            b"client_id" => client_id = scan::uuid(value),
            b"conversation_id" => conversation_id = scan::uuid(value),
            b"seq" => seq = scan::number(value),
            b"id" => id = scan::uuid(value),
            _ => {}
        }
    }
    Ok(Sent {
        client_id: client_id.ok_or(Malformed)?,
        conversation_id: conversation_id.ok_or(Malformed)?,
        seq: seq.ok_or(Malformed)?,
        id: id.ok_or(Malformed)?,
    })
}

fn sync_page(json: &[u8]) -> Result<SyncPage<'_>, Malformed> {
    let mut fields = Fields::of(json)?;
    let (mut conversation_id, mut entries, mut head, mut is_reset) = (None, None, None, false);
    while let Some((key, value)) = fields.next()? {
        match key {
            b"conversation_id" => conversation_id = scan::uuid(value),
            b"entries" => entries = Some(Elements::of(value)?),
            b"head" => head = scan::number(value),
            b"reset" => is_reset = value == b"true",
            _ => {}
        }
    }
    Ok(SyncPage {
        conversation_id: conversation_id.ok_or(Malformed)?,
        entries: entries.ok_or(Malformed)?,
        head: head.ok_or(Malformed)?,
        is_reset,
    })
}

fn batch(json: &[u8]) -> Result<Elements<'_>, Malformed> {
    let mut fields = Fields::of(json)?;
    while let Some((key, value)) = fields.next()? {
        if key == b"frames" {
            return Elements::of(value);
        }
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests {
    use proto::frame::server;
    use proto::id::{ClientId, ConversationId, EntryId, UserId};
    use serde_json::value::RawValue;

    use super::*;

    fn an_entry() -> server::Entry {
        server::Entry {
            conversation_id: ConversationId::generate(),
            seq: 17,
            id: EntryId::generate(),
            kind: "text".to_owned(),
            sender: server::Sender {
                id: UserId::parse("ann").unwrap(),
                r#type: "user".to_owned(),
                name: "Ann \"the\" {first}".to_owned(),
                avatar: String::new(),
            },
            content: RawValue::from_string(r#"{ "other": [1, "}"], "text": "hi" }"#.to_owned())
                .unwrap(),
            reply_to: Some(3),
            mentions: vec![UserId::parse("bob").unwrap()],
            is_important: true,
            extra: None,
            client_id: Some(ClientId::generate()),
            timestamp: 1,
        }
    }

    fn assert_same(heard: &Entry<'_>, entry: &server::Entry) {
        assert_eq!(heard.conversation_id, entry.conversation_id.0);
        assert_eq!(heard.seq, entry.seq);
        assert_eq!(heard.id, entry.id.0);
        assert!(!heard.is_system);
        assert_eq!(heard.sender, b"ann");
        assert_eq!(heard.text, b"hi");
        assert_eq!(heard.client_id, entry.client_id.map(|id| id.0));
    }

    #[test]
    fn frames_are_heard_as_the_contract_writes_them() {
        let entry = an_entry();
        let frame = entry.to_frame_json();
        let Heard::Entry(heard) = parse(&frame).unwrap() else { panic!("an entry") };
        assert_same(&heard, &entry);

        let conversation_id = entry.conversation_id;
        let page = server::SyncPage {
            conversation_id,
            entries: vec![entry.clone(), entry.clone()],
            head: 18,
            more: true,
            reset: true,
        };
        let body = serde_json::to_string(&page).unwrap();
        let json = format!(r#"{{"type":"sync_page",{}"#, &body[1..]);
        let Heard::SyncPage(mut heard) = parse(json.as_bytes()).unwrap() else { panic!("a page") };
        assert_eq!((heard.head, heard.is_reset), (18, true));
        let mut count = 0;
        while let Some(element) = heard.entries.next().unwrap() {
            assert_same(&super::entry(element).unwrap(), &entry);
            count += 1;
        }
        assert_eq!(count, 2);

        let sent = server::Sent {
            r#ref: Some("5".to_owned()),
            client_id: ClientId::generate(),
            conversation_id,
            id: entry.id,
            seq: 9,
            timestamp: 1,
        };
        let json = server::ServerFrame::Sent(sent.clone()).to_json();
        let Heard::Sent(heard) = parse(&json).unwrap() else { panic!("sent") };
        assert_eq!(heard.client_id, sent.client_id.0);
        assert_eq!((heard.seq, heard.id), (9, entry.id.0));
    }

    #[test]
    fn rare_frames_are_heard_too() {
        let error = server::ErrorFrame {
            r#ref: Some("8".to_owned()),
            client_id: None,
            code: ErrorCode::Unavailable,
            message: "later".to_owned(),
            stored: Stored::Unknown,
            retry_after_ms: Some(20),
        };
        let json = server::ServerFrame::Error(error).to_json();
        let Heard::Error(heard) = parse(&json).unwrap() else { panic!("an error") };
        assert_eq!((heard.code, heard.retry_after_ms), (ErrorCode::Unavailable, Some(20)));
        let json = br#"{"type":"batch","frames":[{"type":"pong"},{"type":"pong"}]}"#;
        assert!(matches!(parse(json), Ok(Heard::Batch(_))));
        let json = br#"{"type":"welcome","connection_id":"c","user_id":"u","heartbeat_ms":30000,
            "limits":{"frame_bytes":1,"in_flight":32}}"#;
        let Ok(Heard::Welcome(welcome)) = parse(json) else { panic!("welcome") };
        assert_eq!((welcome.heartbeat_ms, welcome.limits.in_flight), (30_000, 32));
        assert!(matches!(parse(br#"{"type":"a_newer_one","x":1}"#), Ok(Heard::Other)));
        assert!(parse(b"[]").is_err());
        assert!(parse(br#"{"type":"entry","seq":1}"#).is_err());
    }
}
