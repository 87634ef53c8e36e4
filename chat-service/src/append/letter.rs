//! Frames and bodies from the bus as dead letters.

use bytes::Bytes;
use prost::Message;
use proto::bus::{Frame, FrameBatch, frame::Body};
use proto::common::GatewayRef;
use proto::hash::Fnv1a;
use proto::id::{TenantId, UserId};
use proto::partition::Partition;

use crate::domain::letter::{DeadLetter, LetterKey, LetterKind};

/// Longest reason that is kept, in bytes: a database's error may quote what it refuses.
const MAX_REASON: usize = 1_000;

impl DeadLetter {
    /// A frame that is put aside.
    pub(super) fn of_frame(
        gateway: Option<GatewayRef>,
        frame: Frame,
        partition: Partition,
        reason: &str,
        now_ms: u64,
    ) -> Self {
        let key = frame_key(&frame);
        let user_id = frame.origin.as_ref().map(|origin| origin.user_id.clone());
        let client_id = frame.client_id.clone();
        let conversation_id = frame.body.as_ref().map(conversation_bytes);
        // Replayed later, it is as new as its replay.
        let body = FrameBatch { gateway, frames: vec![frame], oldest_ms: 0 }.encode_to_vec();
        Self {
            key,
            kind: LetterKind::Frame,
            reason: shortened(reason),
            partition,
            user_id: user_id.unwrap_or_default(),
            conversation_id: conversation_id.unwrap_or_default(),
            client_id,
            body: body.into(),
            times: 1,
            first_at_ms: now_ms,
            last_at_ms: now_ms,
        }
    }

    /// A body that is no batch.
    pub(super) fn of_body(body: Bytes, partition: Partition, reason: &str, now_ms: u64) -> Self {
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

/// The conversation that a body names, as it came; empty when it names none.
fn conversation_bytes(body: &Body) -> Bytes {
    match body {
        Body::Operation(b) => b.conversation_id.clone(),
        Body::AdvanceCursor(b) => b.conversation_id.clone(),
        Body::Typing(b) => b.conversation_id.clone(),
        Body::AskPushed(b) => b.conversation_id.clone(),
        Body::Profile(_) | Body::SetStatus(_) | Body::Signal(_) | Body::NoticeCursors(_) => {
            Bytes::new()
        }
    }
}

/// Names a frame: by sender and client id where it has one, so that a frame that is sent again is the
/// same; else by all of it.
pub(super) fn frame_key(frame: &Frame) -> LetterKey {
    let user = frame.origin.as_ref().map_or("", |origin| origin.user_id.as_str());
    let tenant = UserId::parse_qualified(user).map_or(TenantId::DEFAULT, |user| user.tenant());
    let id = match uuid::Uuid::from_slice(&frame.client_id) {
        Ok(client_id) => {
            format!("{client_id}-{:016x}", Fnv1a::default().field(user.as_bytes()).finish())
        }
        Err(_) => format!("frame-{:016x}", Fnv1a::default().field(&frame.encode_to_vec()).finish()),
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
    use proto::bus::{Operation, Origin, Send, Typing, operation::Action};

    fn send(user: &str, client_id: u8, content: &str) -> Frame {
        Frame {
            origin: Some(Origin { user_id: user.to_owned(), connection: 7, ..Origin::default() }),
            client_id: Bytes::copy_from_slice(&[client_id; 16]),
            body: Some(Body::Operation(Operation {
                conversation_id: Bytes::copy_from_slice(&[9; 16]),
                action: Some(Action::Send(Send { content: content.to_owned(), ..Send::default() })),
                ..Operation::default()
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
