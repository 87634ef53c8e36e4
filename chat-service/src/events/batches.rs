//! Which events go into one message of a broker: of one key, up to a number and a size, so that the events of each
//! conversation stay in their order whatever their keys are.

use std::collections::HashMap;

use bus::moments::SEVERAL;
use bytes::{BufMut as _, Bytes, BytesMut};
use proto::id::ConversationKey;

use super::event::{Event, SINGLE};

/// How large a batch may become.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub events: usize,
    /// A single event may be larger.
    pub bytes: usize,
}

/// Events of one key, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub key: String,
    pub events: Vec<Event>,
    bytes: usize,
}

impl Batch {
    /// What the body is.
    pub fn content_type(&self) -> &'static str {
        if self.events.len() == 1 { SINGLE } else { SEVERAL }
    }

    /// What is said of it beside the body: of several events what they have in common.
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        let Some(first) = self.events.first() else { return Vec::new() };
        let mut attributes = first.attributes();
        if self.events.len() > 1 {
            let common = ["specversion", "type", "tenant", "tidingsclass"];
            attributes.retain(|(name, _)| common.iter().any(|it| name.ends_with(it)));
        }
        attributes
    }

    /// One event, or an array.
    pub fn body(&self) -> Bytes {
        if let [event] = &self.events[..] {
            return event.json.clone();
        }
        let mut body = BytesMut::with_capacity(self.bytes + self.events.len() + 2);
        body.put_u8(b'[');
        for (index, event) in self.events.iter().enumerate() {
            if index > 0 {
                body.put_u8(b',');
            }
            body.put_slice(&event.json);
        }
        body.put_u8(b']');
        body.freeze()
    }
}

/// Puts events together. Published one after the other, the batches hold the events of each conversation in the order in
/// which they came.
pub fn batches(events: impl IntoIterator<Item = Event>, bounds: Bounds) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    // The last batch of each key, and the last one that holds something of each conversation.
    let mut of_key: HashMap<String, usize> = HashMap::new();
    let mut of_conversation: HashMap<ConversationKey, usize> = HashMap::new();
    for event in events {
        let key = event.key();
        let conversation = ConversationKey::new(event.tenant, event.conversation_id);
        let after = of_conversation.get(&conversation).copied().unwrap_or_default();
        let open = of_key.get(&key).copied().filter(|place| {
            let batch = &batches[*place];
            *place >= after
                && batch.events.len() < bounds.events
                && batch.bytes + event.json.len() <= bounds.bytes
        });
        let place = open.unwrap_or_else(|| {
            batches.push(Batch { key: key.clone(), ..Batch::default() });
            batches.len() - 1
        });
        batches[place].bytes += event.json.len();
        batches[place].events.push(event);
        of_key.insert(key, place);
        of_conversation.insert(conversation, place);
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use proto::id::ConversationId;
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;
    use crate::domain::entry::Body;
    use crate::events::event::tests::row;

    fn event(conversation: u8, seq: u64, is_pin: bool) -> Event {
        let mut row = row(seq);
        row.entry.entry.conversation_id = ConversationId(Uuid::from_u128(conversation.into()));
        if is_pin {
            row.entry.entry.body = Body::Pin { on: true };
        }
        Event::of(row, 0).unwrap()
    }

    proptest! {
        #[test]
        fn each_conversation_keeps_its_order_and_no_batch_is_too_large(
            entries in prop::collection::vec((0..4_u8, any::<bool>()), 0..60),
            most in 1..6_usize,
        ) {
            let mut heads = BTreeMap::<u8, u64>::new();
            let events: Vec<_> = entries.into_iter().map(|(conversation, is_pin)| {
                let head = heads.entry(conversation).or_default();
                *head += 1;
                event(conversation, *head, is_pin)
            }).collect();
            let bytes = 2_000;
            let batches = batches(events.clone(), Bounds { events: most, bytes });
            let mut seen = BTreeMap::<ConversationId, u64>::new();
            for batch in &batches {
                prop_assert!(!batch.events.is_empty() && batch.events.len() <= most);
                prop_assert!(batch.events.len() == 1 || batch.bytes <= bytes);
                let body: Value = serde_json::from_slice(&batch.body()).unwrap();
                let held = body.as_array().map_or(1, Vec::len);
                prop_assert_eq!(held, batch.events.len());
                for event in &batch.events {
                    prop_assert_eq!(event.key(), batch.key.clone());
                    let last = seen.entry(event.conversation_id).or_default();
                    prop_assert_eq!(event.seq, *last + 1);
                    *last = event.seq;
                }
            }
            prop_assert_eq!(batches.iter().map(|it| it.events.len()).sum::<usize>(), events.len());
        }
    }

    #[test]
    fn texts_of_many_conversations_go_in_one_message() {
        let events = (1..=150).map(|n| event(n % 50, u64::from(n / 50), false));
        let batches = batches(events, Bounds { events: 200, bytes: 1 << 20 });
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].content_type(), SEVERAL);
        assert_eq!(batches[0].attributes().len(), 4);
    }
}
