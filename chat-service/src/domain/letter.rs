//! A dead letter: what was put aside because working on it does harm, with the reason. No I/O.

use bytes::Bytes;
use prost::Message;
use proto::bus::{Frame, FrameBatch, GatewayRef};
use proto::hash::Fnv1a;
use proto::id::{TenantId, UserId};
use proto::partition::Partition;

use super::operation;

/// Longest reason that is kept, in bytes: a database's error may quote what it refuses.
const MAX_REASON: usize = 1_000;

/// What was put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterKind {
    /// One frame, encoded as a batch: it can be replayed.
    Frame,
    /// A body from the bus that is no batch.
    Body,
}

impl LetterKind {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Body => "body",
        }
    }

    /// From its stored form; what a newer build wrote cannot be replayed by this one.
    pub fn from_stored(text: &str) -> Self {
        if text == "frame" { Self::Frame } else { Self::Body }
    }
}

/// Names a frame, and the letter that it becomes, within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterKey {
    /// That of whoever sent it; the default one for what names no user.
    pub tenant: TenantId,
    /// The same for the same operation, however often it is sent.
    pub id: String,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which.
    pub key: LetterKey,
    /// What it is.
    pub kind: LetterKind,
    /// Why it was put aside.
    pub reason: String,
    /// Where it came from, and goes when it is replayed.
    pub partition: Partition,
    /// Who sent it, as the frame says; empty for a body.
    pub user_id: String,
    /// Its conversation, 16 bytes; empty where it names none.
    pub conversation_id: Bytes,
    /// Its client id, 16 bytes; empty where it has none.
    pub client_id: Bytes,
    /// What was put aside.
    pub body: Bytes,
    /// How often.
    pub times: u64,
    /// When first, in Unix milliseconds.
    pub first_at_ms: u64,
    /// When last, in Unix milliseconds.
    pub last_at_ms: u64,
}

impl DeadLetter {
    /// A frame that is put aside.
    pub fn of_frame(
        gateway: Option<GatewayRef>,
        frame: Frame,
        partition: Partition,
        reason: &str,
        now_ms: u64,
    ) -> Self {
        let key = frame_key(&frame);
        let user_id = frame.origin.as_ref().map(|origin| origin.user_id.clone());
        let client_id = frame.body.as_ref().map(|body| operation::reference(body).client_id);
        let conversation_id = frame.body.as_ref().map(operation::conversation_bytes);
        // Replayed later, it is as new as its replay.
        let body = FrameBatch { gateway, frames: vec![frame], oldest_ms: 0 }.encode_to_vec();
        Self {
            key,
            kind: LetterKind::Frame,
            reason: shortened(reason),
            partition,
            user_id: user_id.unwrap_or_default(),
            conversation_id: conversation_id.unwrap_or_default(),
            client_id: client_id.unwrap_or_default(),
            body: body.into(),
            times: 1,
            first_at_ms: now_ms,
            last_at_ms: now_ms,
        }
    }

    /// A body that is no batch.
    pub fn of_body(body: Bytes, partition: Partition, reason: &str, now_ms: u64) -> Self {
        Self {
            key: LetterKey {
                tenant: TenantId::DEFAULT,
                id: format!("body-{:016x}", Fnv1a::default().field(&body).finish()),
            },
            kind: LetterKind::Body,
            reason: shortened(reason),
            partition,
            user_id: String::new(),
            conversation_id: Bytes::new(),
            client_id: Bytes::new(),
            body,
            times: 1,
            first_at_ms: now_ms,
            last_at_ms: now_ms,
        }
    }
}

/// Names a frame: by sender and client id where it has one, so that a frame that is sent again is the
/// same; else by all of it.
pub fn frame_key(frame: &Frame) -> LetterKey {
    let client_id = frame.body.as_ref().map(|body| operation::reference(body).client_id);
    let user = frame.origin.as_ref().map_or("", |origin| origin.user_id.as_str());
    let tenant = UserId::parse_qualified(user).map_or(TenantId::DEFAULT, |user| user.tenant());
    let id = match client_id.as_deref().map(uuid::Uuid::from_slice) {
        Some(Ok(client_id)) => {
            format!("{client_id}-{:016x}", Fnv1a::default().field(user.as_bytes()).finish())
        }
        _ => format!("frame-{:016x}", Fnv1a::default().field(&frame.encode_to_vec()).finish()),
    };
    LetterKey { tenant, id }
}

fn shortened(reason: &str) -> String {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::bus::{Origin, Send, Typing, frame::Body};

    fn send(user: &str, client_id: u8, content: &str) -> Frame {
        Frame {
            origin: Some(Origin { user_id: user.to_owned(), connection: 7, ..Origin::default() }),
            body: Some(Body::Send(Send {
                client_id: Bytes::copy_from_slice(&[client_id; 16]),
                conversation_id: Bytes::copy_from_slice(&[9; 16]),
                content: content.to_owned(),
                ..Send::default()
            })),
            ..Frame::default()
        }
    }

    #[test]
    fn an_operation_keeps_its_name_when_it_is_sent_again_elsewhere() {
        let mut again = send("ann", 1, "{}");
        again.origin.as_mut().unwrap().connection = 8;
        assert_eq!(frame_key(&send("ann", 1, "{}")), frame_key(&again));
        assert_ne!(frame_key(&send("ann", 1, "{}")), frame_key(&send("bob", 1, "{}")));
        assert_ne!(frame_key(&send("ann", 1, "{}")), frame_key(&send("ann", 2, "{}")));
        let theirs = frame_key(&send("acme/ann", 1, "{}"));
        assert_eq!(theirs.tenant.as_str(), "acme");
    }

    #[test]
    fn a_frame_without_a_client_id_is_named_by_what_it_holds() {
        let typing = |on| Frame {
            body: Some(Body::Typing(Typing { on, ..Typing::default() })),
            ..Frame::default()
        };
        assert_eq!(frame_key(&typing(true)), frame_key(&typing(true)));
        assert_ne!(frame_key(&typing(true)), frame_key(&typing(false)));
    }

    #[test]
    fn a_letter_holds_the_frame_and_its_gateway() {
        let gateway = GatewayRef { id: "g".to_owned(), epoch: 5 };
        let frame = send("ann", 1, "{}");
        let letter = DeadLetter::of_frame(Some(gateway.clone()), frame.clone(), 3, "it broke", 42);
        assert_eq!((letter.user_id.as_str(), letter.partition, letter.times), ("ann", 3, 1));
        assert_eq!(
            (&letter.client_id[..], &letter.conversation_id[..]),
            (&[1; 16][..], &[9; 16][..])
        );
        let batch = FrameBatch::decode(letter.body).unwrap();
        assert_eq!(batch, FrameBatch { gateway: Some(gateway), frames: vec![frame], oldest_ms: 0 });
    }

    #[test]
    fn long_reasons_are_cut_between_characters() {
        let letter = DeadLetter::of_body(Bytes::new(), 0, &"ü".repeat(600), 0);
        assert_eq!(letter.reason, "ü".repeat(500));
    }
}
