//! Recognises an entry: who sent it, as which send, and whether it is as it was sent.

use verdict::history::{FOREIGN, SYSTEM};
use wire_client::hear::Entry;
use wire_client::message::{self, Canary};

use crate::plan::Plan;

/// Who an entry says it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// The sending client, [`SYSTEM`] or [`FOREIGN`].
    pub sender: u32,
    /// Which of its sends.
    pub number: u32,
    /// When that was due, when the text says so.
    pub due_us: Option<u64>,
    /// Text, sender and client id do not agree, or the text is not as it was sent.
    pub is_altered: bool,
}

/// Recognises an entry of `conversation` by its text and client id.
pub fn author(plan: &Plan, payload: usize, conversation: u32, entry: &Entry<'_>) -> Author {
    if entry.is_system {
        return Author { sender: SYSTEM, number: 0, due_us: None, is_altered: false };
    }
    let canary = Canary::parse(entry.text).filter(|canary| canary.nonce == plan.run.nonce());
    let by_client_id = entry.client_id.and_then(|id| plan.run.sender_of(id));
    let by_text = canary.map(|canary| (canary.sender, canary.number));
    let Some((sender, number)) = by_text.or(by_client_id) else {
        return Author { sender: FOREIGN, number: 0, due_us: None, is_altered: false };
    };
    let is_whole = canary.is_some_and(|canary| canary.conversation == conversation)
        && message::is_unaltered(entry.text, payload);
    let is_signed = entry.client_id.is_none() || by_client_id == by_text;
    let is_by_sender = plan
        .users
        .get(sender as usize)
        .is_some_and(|user| user.as_str().as_bytes() == entry.sender);
    Author {
        sender,
        number,
        due_us: canary.map(|canary| canary.due_us),
        is_altered: !(is_whole && is_signed && is_by_sender),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::options::Options;
    use wire_client::identity::Run;
    use wire_client::message::{Addition, Recipient};

    #[test]
    fn every_part_of_an_entry_is_compared_with_what_was_sent() {
        let options = Options::parse(["--url", "ws://h:1/ws", "--secret", "s"]).unwrap();
        let plan = Plan::of(&options, Run::begin());
        let nonce = plan.run.nonce();
        let canary = Canary { nonce, conversation: 1, sender: 2, number: 3, due_us: 4 };
        let mut frame = Vec::new();
        let recipient = Recipient::User(&plan.users[3]);
        message::write_send(&mut frame, &plan.run, recipient, canary, 128, Addition::None);
        let frame: serde_json::Value = serde_json::from_slice(&frame).unwrap();
        let text = frame["content"]["text"].as_str().unwrap();
        let sender = plan.users[2].as_str();
        let good = Entry {
            conversation_id: plan.conversations[1].id,
            seq: 1,
            id: Uuid::nil(),
            is_system: false,
            is_reply: false,
            sender: sender.as_bytes(),
            text: text.as_bytes(),
            client_id: Some(plan.run.client_id(2, 3, 4).0),
        };
        let judge = |entry: &Entry<'_>| author(&plan, 128, 1, entry);
        let expected = Author { sender: 2, number: 3, due_us: Some(4), is_altered: false };
        assert_eq!(judge(&good), expected);
        assert_eq!(judge(&Entry { client_id: None, ..good }), expected);
        let altered = [
            Entry { sender: b"mallory", ..good },
            Entry { text: &text.as_bytes()[..text.len() - 1], ..good },
            Entry { text: b"", ..good },
            Entry { client_id: Some(plan.run.client_id(2, 4, 4).0), ..good },
        ];
        for entry in altered {
            let author = judge(&entry);
            assert!(author.is_altered && author.sender == 2, "{author:?}");
        }
        assert!(author(&plan, 128, 0, &good).is_altered, "another conversation");
        let foreign = Entry { text: b"hello", client_id: Some(Uuid::now_v7()), ..good };
        assert_eq!(judge(&foreign).sender, FOREIGN);
        assert_eq!(judge(&Entry { is_system: true, ..foreign }).sender, SYSTEM);
    }
}
