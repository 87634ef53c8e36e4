//! What a device writes next: by chance, out of what it shows.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use serde_json::{Value, json};
use uuid::Uuid;
use verdict::changes::account::{Operation, Outcome};
use verdict::changes::device::Message;

use super::Shared;
use super::log::Log;

/// Messages at the end of a conversation that are changed: few, so that many changes meet at one.
const SHOWN: usize = 25;
const KEYS: [&str; 3] = ["👍", "🎉", "+1"];

/// An operation and its frame.
pub(super) struct Chosen {
    pub(super) operation: Operation,
    pub(super) frame: Value,
}

/// Who chooses.
pub(super) struct Author<'a> {
    pub(super) shared: &'a Shared,
    pub(super) user: usize,
    pub(super) group: usize,
    pub(super) log: &'a Log,
}

/// A message that is shown, and its author.
type Shown<'a> = (u64, &'a Message);

impl Author<'_> {
    /// The next operation.
    pub(super) fn next(&self, random: &mut StdRng, text: &str) -> Chosen {
        let shown: Vec<Shown<'_>> = self
            .log
            .device
            .messages()
            .iter()
            .rev()
            .filter(|(_, message)| !message.state.is_gone())
            .take(SHOWN)
            .map(|(seq, message)| (*seq, message))
            .collect();
        let is_change = random.random_range(0..100) < self.shared.options.changes;
        let Some((seq, message)) = shown.choose(random).copied().filter(|_| is_change) else {
            return self.text(None, text);
        };
        let mine: Vec<Shown<'_>> =
            shown.iter().filter(|(seq, _)| self.log.is_own(*seq)).copied().collect();
        match (random.random_range(0..100), mine.choose(random)) {
            (0..30, Some((seq, message))) => self.edit(random, *seq, message, text),
            (30..42, Some((seq, _))) => {
                let mut several: Vec<u64> = mine.iter().map(|(seq, _)| *seq).collect();
                several.shuffle(random);
                several.truncate(2);
                several.sort_unstable();
                let is_several = random.random_bool(0.3) && several.len() == 2;
                if is_several { self.delete_all(&several) } else { self.delete(*seq) }
            }
            (42..57, _) => self.text(Some(seq), text),
            (57..72, _) if self.shared.groups[self.group].members[0] == self.user => {
                // Now and then what is so already.
                let on = message.state.is_pinned() == random.random_bool(0.1);
                let frame = json!({ "type": "pin", "seq": seq, "on": on });
                self.change("pin", Some(seq), json!({ "on": on }), frame)
            }
            _ => {
                let key = KEYS[random.random_range(0..KEYS.len())];
                let user = &self.shared.users[self.user];
                let on = message.state.has_reacted(user, key) == random.random_bool(0.1);
                let frame = json!({ "type": "react", "seq": seq, "key": key, "on": on });
                self.change("reaction", Some(seq), json!({ "key": key, "on": on }), frame)
            }
        }
    }

    fn text(&self, thread: Option<u64>, text: &str) -> Chosen {
        let content = json!({ "text": text });
        let mut frame = json!({ "type": "send", "content": content });
        // A reply in a thread begins none.
        let thread = thread.filter(|seq| !self.log.is_reply(*seq));
        if let Some(thread) = thread {
            frame["thread"] = thread.into();
        }
        let mut chosen = self.change("text", None, content, frame);
        chosen.operation.thread = thread;
        chosen
    }

    fn edit(&self, random: &mut StdRng, seq: u64, message: &Message, text: &str) -> Chosen {
        let content = json!({ "text": format!("{text}, edited") });
        let mut frame = json!({ "type": "edit", "seq": seq, "content": content });
        let base = random.random_bool(0.5).then(|| {
            message.state.0.get("edited").and_then(|edited| edited["seq"].as_u64()).unwrap_or(0)
        });
        if let Some(base) = base {
            frame["base"] = base.into();
        }
        let mut chosen = self.change("edit", Some(seq), json!({ "content": content }), frame);
        chosen.operation.base = base;
        chosen
    }

    fn delete(&self, seq: u64) -> Chosen {
        let frame = json!({ "type": "delete", "seq": seq });
        self.change("delete", Some(seq), json!({ "by": "sender" }), frame)
    }

    fn delete_all(&self, seqs: &[u64]) -> Chosen {
        let frame = json!({ "type": "delete", "seqs": seqs });
        let ranges: Vec<[u64; 2]> = match seqs {
            [one, other] if one + 1 == *other => vec![[*one, *other]],
            seqs => seqs.iter().map(|seq| [*seq, *seq]).collect(),
        };
        self.change("delete", None, json!({ "by": "sender", "seqs": ranges }), frame)
    }

    fn change(&self, kind: &str, target: Option<u64>, content: Value, mut frame: Value) -> Chosen {
        let client_id = Uuid::now_v7();
        frame["client_id"] = client_id.to_string().into();
        frame["conversation_id"] = self.shared.groups[self.group].id.to_string().into();
        let operation = Operation {
            conversation: self.group,
            user: self.shared.users[self.user].clone(),
            client_id,
            kind: kind.to_owned(),
            target,
            thread: None,
            content,
            base: None,
            outcome: Outcome::Unknown,
        };
        Chosen { operation, frame }
    }
}
