//! Server frames, as much of them as the fleet needs: identity and place, not the rest.

#[cfg(test)]
mod tests;

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
    /// The server asks to go elsewhere after so many milliseconds, to this server where it names one.
    Redirect(u64, Option<String>),
    /// How far a member has come: read it with [`receipt`] where it matters.
    Receipt(&'a [u8]),
    /// How a user is: read it with [`presence`] where it matters.
    Presence(&'a [u8]),
    /// A step of a call; its data is when it was due.
    Signal(u64),
    /// What an operator said to everybody; when it was due.
    Notice(u64),
    /// How far the user's conversations have come.
    Pong(Pong),
    /// Whatever a newer server says.
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
    /// Of another kind than `text`: nothing that a client of the fleet has sent as a message.
    pub is_system: bool,
    /// It stands in a thread.
    pub is_reply: bool,
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
            b"redirect" => {
                let Redirect { after_ms, server } = rare(json)?;
                Heard::Redirect(after_ms, server)
            }
            b"batch" => Heard::Batch(batch(json)?),
            b"receipt" => Heard::Receipt(json),
            b"presence" => Heard::Presence(json),
            b"signal" => Heard::Signal(rare::<Signal>(json)?.data.as_u64().unwrap_or_default()),
            b"notice" => Heard::Notice(rare::<Notice>(json)?.content.due_us),
            b"pong" => Heard::Pong(rare(json)?),
            _ => Heard::Other,
        });
    }
    Err(Malformed)
}

#[derive(Deserialize)]
struct Synced {
    epoch: String,
}

/// Other clients say other things in theirs.
#[derive(Deserialize)]
struct Signal {
    #[serde(default)]
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct Notice {
    content: NoticeContent,
}

/// Other operators' notices have none.
#[derive(Deserialize)]
struct NoticeContent {
    #[serde(default)]
    due_us: u64,
}

/// `pong`: digests of the user's heads, when the server can tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Pong {
    /// Of conversations and seqs.
    #[serde(default)]
    pub heads: Option<u32>,
    /// Of the entries there, too.
    #[serde(default)]
    pub heads2: Option<u32>,
}

#[derive(Deserialize)]
struct Redirect {
    #[serde(default)]
    after_ms: u64,
    #[serde(default)]
    server: Option<String>,
}

/// `receipt`.
#[derive(Debug, Deserialize)]
pub struct Receipt {
    /// The conversation.
    pub conversation_id: Uuid,
    /// The member.
    pub user_id: String,
    /// All up to here reached a device of the member.
    pub delivered_seq: u64,
    /// All up to here was read by the member.
    pub read_seq: u64,
}

/// `presence`.
#[derive(Debug, Deserialize)]
pub struct Presence {
    /// The user.
    pub user_id: String,
    /// `online`, `away`, `busy` or `offline`.
    pub status: String,
}

/// Reads a `receipt`.
pub fn receipt(json: &[u8]) -> Result<Receipt, Malformed> {
    rare(json)
}

/// Reads a `presence`.
pub fn presence(json: &[u8]) -> Result<Presence, Malformed> {
    rare(json)
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
        is_reply: false,
        sender: b"",
        text: b"",
        client_id: None,
    };
    while let Some((key, value)) = fields.next()? {
        match key {
            b"conversation_id" => conversation_id = scan::uuid(value),
            b"seq" => seq = scan::number(value),
            b"id" => id = scan::uuid(value),
            b"kind" => entry.is_system = value != br#""text""#,
            b"thread" => entry.is_reply = true,
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

/// The frames of a `batch`.
pub fn batch(json: &[u8]) -> Result<Elements<'_>, Malformed> {
    let mut fields = Fields::of(json)?;
    while let Some((key, value)) = fields.next()? {
        if key == b"frames" {
            return Elements::of(value);
        }
    }
    Err(Malformed)
}
