//! The messages that are sent: made from a template, and recognised by their text alone.
//!
//! The text begins with a canary that names run, conversation, sender, send and due time; the rest
//! is a fixed pattern. An entry that shows up elsewhere, or altered, gives itself away.

use std::io::Write as _;

use proto::id::{ClientId, ConversationId, UserName};

use crate::identity::Run;

/// Shortest text in bytes: the canary.
pub const MIN_PAYLOAD_BYTES: usize = 39;
/// Longest text in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// What the text after the canary consists of.
const PATTERN: &[u8] = b".the-quick-brown-fox-jumps-over-the-lazy-dog-and-comes-back-again";

/// What a text says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    /// [`Run::nonce`].
    pub nonce: u32,
    /// The conversation's number in the plan.
    pub conversation: u32,
    /// The sending client's number.
    pub sender: u32,
    /// Which of the sender's sends.
    pub number: u32,
    /// When it was due, in microseconds since the start of the run.
    pub due_us: u64,
}

impl Canary {
    /// Reads the beginning of a text.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.get(6)? != &b'.' || text.get(13)? != &b'.' {
            return None;
        }
        Some(Self {
            nonce: hex(text.get(0..6)?)? as u32,
            conversation: hex(text.get(7..13)?)? as u32,
            sender: hex(text.get(14..20)?)? as u32,
            number: hex(text.get(21..28)?)? as u32,
            due_us: hex(text.get(29..MIN_PAYLOAD_BYTES)?)?,
        })
    }

    fn write(self, out: &mut Vec<u8>) {
        // Writing to a Vec does not fail.
        let _ = write!(
            out,
            "{:06x}.{:06x}.{:06x}.{:07x}.{:010x}",
            self.nonce, self.conversation, self.sender, self.number, self.due_us
        );
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0, |value, digit| Some(value << 4 | u64::from((*digit as char).to_digit(16)?)))
}

/// True when a text of the fleet arrived as it was sent: canary first, then the pattern.
pub fn is_unaltered(text: &[u8], payload_bytes: usize) -> bool {
    text.len() == payload_bytes
        && text[MIN_PAYLOAD_BYTES.min(text.len())..]
            .chunks(PATTERN.len())
            .all(|chunk| chunk == &PATTERN[..chunk.len()])
}

/// Where a send goes.
#[derive(Debug, Clone, Copy)]
pub enum Recipient<'a> {
    /// A user: makes the direct conversation when it is missing.
    User(&'a UserName),
    /// A conversation that exists.
    Conversation(ConversationId),
}

/// What a send has beside its text.
#[derive(Debug, Clone, Copy)]
pub enum Addition<'a> {
    /// Nothing.
    None,
    /// It is a reply in the thread that begins at the message with this seq.
    Thread(u32),
    /// It mentions a user.
    Mention(&'a UserName),
}

/// Appends a `send` frame. The same arguments give the same bytes, so a repeated send is the same.
pub fn write_send(
    out: &mut Vec<u8>,
    run: &Run,
    recipient: Recipient<'_>,
    canary: Canary,
    payload_bytes: usize,
    addition: Addition<'_>,
) {
    let client_id = run.client_id(canary.sender, canary.number, canary.due_us);
    // Writing to a Vec does not fail.
    let _ = write!(out, r#"{{"type":"send","ref":"{}","client_id":"{client_id}","#, canary.number);
    let _ = match recipient {
        Recipient::User(user) => write!(out, r#""to":"{user}","#),
        Recipient::Conversation(id) => write!(out, r#""conversation_id":"{id}","#),
    };
    let _ = match addition {
        Addition::None => Ok(()),
        Addition::Thread(root) => write!(out, r#""thread":{root},"#),
        Addition::Mention(user) => write!(out, r#""mentions":["{user}"],"#),
    };
    out.extend_from_slice(br#""content":{"text":""#);
    write_text(out, canary, payload_bytes);
    out.extend_from_slice(br#""}}"#);
}

/// The reaction of all that react.
pub const REACTION: &str = "👍";

/// Appends a `react` frame.
pub fn write_reaction(
    out: &mut Vec<u8>,
    client_id: ClientId,
    conversation: ConversationId,
    seq: u64,
    on: bool,
) {
    // Writing to a Vec does not fail.
    let _ = write!(
        out,
        r#"{{"type":"react","client_id":"{client_id}","conversation_id":"{conversation}","seq":{seq},"key":"{REACTION}","on":{on}}}"#
    );
}

/// Appends the text of a send.
pub fn write_text(out: &mut Vec<u8>, canary: Canary, payload_bytes: usize) {
    canary.write(out);
    let mut left = payload_bytes.saturating_sub(MIN_PAYLOAD_BYTES);
    while left > 0 {
        let chunk = left.min(PATTERN.len());
        out.extend_from_slice(&PATTERN[..chunk]);
        left -= chunk;
    }
}

#[cfg(test)]
mod tests {
    use proto::frame::client::ClientFrame;

    use super::*;

    #[test]
    fn a_send_is_a_frame_of_the_protocol_and_its_text_names_it() {
        let run = Run::begin();
        let canary = Canary {
            nonce: run.nonce(),
            conversation: 7,
            sender: 41,
            number: 1_000_000,
            due_us: 12_345_678,
        };
        for payload_bytes in [MIN_PAYLOAD_BYTES, 128, 1_000] {
            let user = run.user(3);
            let mut out = Vec::new();
            let to = Recipient::User(&user);
            write_send(&mut out, &run, to, canary, payload_bytes, Addition::None);
            let frame = proto::frame::decode_client(std::str::from_utf8(&out).unwrap()).unwrap();
            let ClientFrame::Send(send) = frame else { panic!("{frame:?}") };
            assert_eq!(send.to, Some(user));
            assert_eq!(run.sender_of(send.client_id.0), Some((41, 1_000_000)));
            let content: serde_json::Value = serde_json::from_str(send.content.get()).unwrap();
            let text = content["text"].as_str().unwrap();
            assert_eq!(Canary::parse(text.as_bytes()), Some(canary));
            assert!(is_unaltered(text.as_bytes(), payload_bytes));
            assert!(!is_unaltered(&text.as_bytes()[1..], payload_bytes));
        }
    }

    #[test]
    fn what_is_mixed_into_texts_are_frames_of_the_protocol() {
        let run = Run::begin();
        let (user, id) = (run.user(3), ConversationId(uuid::Uuid::now_v7()));
        let canary =
            Canary { nonce: run.nonce(), conversation: 7, sender: 41, number: 1, due_us: 5 };
        let send = |addition| {
            let mut out = Vec::new();
            write_send(&mut out, &run, Recipient::Conversation(id), canary, 128, addition);
            match proto::frame::decode_client(std::str::from_utf8(&out).unwrap()).unwrap() {
                ClientFrame::Send(send) => send,
                frame => panic!("{frame:?}"),
            }
        };
        assert_eq!(send(Addition::Thread(9)).thread, Some(9));
        assert_eq!(send(Addition::Mention(&user)).mentions, std::slice::from_ref(&user));
        let mut out = Vec::new();
        write_reaction(&mut out, run.client_id(1, 2, 3), id, 9, true);
        let frame = proto::frame::decode_client(std::str::from_utf8(&out).unwrap()).unwrap();
        let ClientFrame::React(react) = frame else { panic!("{frame:?}") };
        assert_eq!((react.seq, react.key.as_str(), react.on), (9, REACTION, true));
    }

    #[test]
    fn a_changed_or_foreign_text_is_told_apart() {
        assert_eq!(Canary::parse(b"hello"), None);
        assert_eq!(Canary::parse("é".repeat(30).as_bytes()), None);
        let mut text = vec![b'x'; 100];
        text[MIN_PAYLOAD_BYTES..].copy_from_slice(&PATTERN[..100 - MIN_PAYLOAD_BYTES]);
        assert!(is_unaltered(&text, 100));
        text[80] ^= 1;
        assert!(!is_unaltered(&text, 100));
    }
}
