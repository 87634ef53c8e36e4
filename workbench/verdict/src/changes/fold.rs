//! An entry of a log, and what it makes of the messages that it changes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Those who are named of a thread, at most.
const MOST_REPLIERS: usize = 10;

/// An entry, as clients get it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place.
    pub seq: u64,
    /// Its id.
    #[serde(default)]
    pub id: Uuid,
    /// Its kind.
    pub kind: String,
    /// Who wrote it.
    pub sender: Sender,
    /// What it says; `{}` when it is blank.
    pub content: Value,
    /// When it was stored, in Unix milliseconds.
    #[serde(default)]
    pub timestamp: u64,
    /// The message that it changes.
    #[serde(default)]
    pub target: Option<u64>,
    /// The message that begins its thread.
    #[serde(default)]
    pub thread: Option<u64>,
    /// The sender's id of the operation.
    #[serde(default)]
    pub client_id: Option<Uuid>,
}

/// Who wrote an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The user.
    pub id: String,
}

impl Entry {
    /// True for what is shown as a message.
    pub fn is_message(&self) -> bool {
        ["text", "card", "encrypted", "notice", "call"].contains(&self.kind.as_str())
    }

    /// True where nobody may see what it says.
    pub fn is_blank(&self) -> bool {
        self.content.as_object().is_none_or(Map::is_empty)
    }

    /// Whether it says what was asked for. A delete of several messages names those alone that were not deleted before.
    pub fn says(&self, asked: &Value) -> bool {
        let several = |content: &Value| {
            let seqs = Self { content: content.clone(), ..self.clone() }.changes();
            (self.kind == "delete" && self.target.is_none()).then_some(seqs)
        };
        self.content == *asked
            || several(asked).zip(several(&self.content)).is_some_and(|(asked, said)| {
                !said.is_empty() && said.iter().all(|seq| asked.contains(seq))
            })
    }

    /// The messages that it changes.
    pub fn changes(&self) -> Vec<u64> {
        match (self.kind.as_str(), self.target) {
            ("edit" | "delete" | "reaction" | "pin" | "tally", Some(target)) => vec![target],
            ("delete", None) => {
                let ranges = self.content["seqs"].as_array().into_iter().flatten();
                let ends =
                    ranges.filter_map(|range| Some((range[0].as_u64()?, range[1].as_u64()?)));
                ends.flat_map(|(first, last)| first..=last).collect()
            }
            _ if self.is_message() => self.thread.into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// What changes have made of a message: the object `state` of the protocol, without `mine`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct State(pub Map<String, Value>);

impl State {
    /// As a server says it.
    pub fn said(value: &Value) -> Self {
        let mut state = value.as_object().cloned().unwrap_or_default();
        state.remove("mine");
        Self(state)
    }

    /// The last entry that it takes account of; 0 where nothing has changed the message.
    pub fn as_of(&self) -> u64 {
        self.0.get("as_of").and_then(Value::as_u64).unwrap_or(0)
    }

    /// Its content is gone.
    pub fn is_gone(&self) -> bool {
        self.0.contains_key("gone")
    }

    /// Whether a user has reacted with a key.
    pub fn has_reacted(&self, user: &str, key: &str) -> bool {
        let by = self.0.get("reactions").and_then(|all| all.get(key)?.get("by")?.as_array());
        by.is_some_and(|by| by.iter().any(|one| one == user))
    }

    /// The keys that a user has reacted with, in order.
    pub fn keys_of(&self, user: &str) -> Vec<String> {
        let all = self.0.get("reactions").and_then(Value::as_object);
        let keys = all.into_iter().flat_map(Map::keys);
        let mut keys: Vec<String> =
            keys.filter(|key| self.has_reacted(user, key)).cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// Pinned.
    pub fn is_pinned(&self) -> bool {
        self.0.contains_key("pinned")
    }

    /// Applies an entry that changes the message; whether it changed more than `as_of`.
    pub fn apply(&mut self, entry: &Entry) -> bool {
        if entry.seq <= self.as_of() || self.is_gone() {
            return false;
        }
        let is_change = !entry.is_message();
        if is_change && entry.is_blank() {
            return false;
        }
        self.0.remove("as_of");
        let before = self.0.clone();
        self.change(entry);
        let has_changed = before != self.0;
        self.0.insert("as_of".to_owned(), entry.seq.into());
        has_changed
    }

    fn change(&mut self, entry: &Entry) {
        let content = &entry.content;
        match entry.kind.as_str() {
            "edit" => {
                for name in ["content", "mentions", "extra"] {
                    let said =
                        content.get(name).filter(|it| it.as_array().is_none_or(|a| !a.is_empty()));
                    match said {
                        Some(said) => self.0.insert(name.to_owned(), said.clone()),
                        None => self.0.remove(name),
                    };
                }
                let count =
                    self.0.get("edited").map_or(0, |it| it["count"].as_u64().unwrap_or(0)) + 1;
                let edited = json!({ "seq": entry.seq, "count": count, "at": entry.timestamp });
                self.0.insert("edited".to_owned(), edited);
            }
            "reaction" => self.react(entry),
            "tally" => {
                let counts = content["reactions"].as_object().cloned().unwrap_or_default();
                let counted: Map<String, Value> =
                    counts.into_iter().map(|(key, n)| (key, json!({ "n": n }))).collect();
                self.put_unless_empty("reactions", counted);
                self.0.insert("tallied".to_owned(), true.into());
            }
            "pin" if content["on"] == true => {
                let pinned = json!({ "seq": entry.seq, "by": entry.sender.id });
                self.0.insert("pinned".to_owned(), pinned);
            }
            "pin" => {
                self.0.remove("pinned");
            }
            "delete" => {
                let by = content["by"].as_str().unwrap_or("sender");
                self.0.clear();
                self.0.insert("deleted".to_owned(), json!({ "seq": entry.seq, "by": by }));
                self.0.insert("gone".to_owned(), "deleted".into());
            }
            _ => self.reply(entry),
        }
    }

    fn put_unless_empty(&mut self, name: &str, value: Map<String, Value>) {
        if value.is_empty() {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value.into());
        }
    }

    fn react(&mut self, entry: &Entry) {
        let (user, key) = (&entry.sender.id, entry.content["key"].as_str().unwrap_or_default());
        let is_on = entry.content["on"] == true;
        if self.has_reacted(user, key) == is_on {
            return;
        }
        let all = self.0.remove("reactions").unwrap_or_default();
        let mut all = all.as_object().cloned().unwrap_or_default();
        let mut one = all.remove(key).unwrap_or_else(|| json!({ "n": 0, "by": [] }));
        let mut by = one["by"].as_array().cloned().unwrap_or_default();
        let n = one["n"].as_u64().unwrap_or(0);
        let n = if is_on {
            by.push(user.clone().into());
            n + 1
        } else {
            by.retain(|one| one != user.as_str());
            n.saturating_sub(1)
        };
        if n > 0 {
            one["n"] = n.into();
            one["by"] = by.clone().into();
            if let (true, Some(one)) = (by.is_empty(), one.as_object_mut()) {
                one.remove("by");
            }
            all.insert(key.to_owned(), one);
        }
        self.put_unless_empty("reactions", all);
    }

    fn reply(&mut self, entry: &Entry) {
        let thread = self.0.remove("thread").unwrap_or_default();
        let n = thread["n"].as_u64().unwrap_or(0) + 1;
        let mut by = thread["by"].as_array().cloned().unwrap_or_default();
        by.retain(|one| one != entry.sender.id.as_str());
        by.push(entry.sender.id.clone().into());
        let by = by.split_off(by.len().saturating_sub(MOST_REPLIERS));
        let thread = json!({ "n": n, "last_seq": entry.seq, "last_at": entry.timestamp, "by": by });
        self.0.insert("thread".to_owned(), thread);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        log: Vec<Entry>,
        states: BTreeMap<u64, BTreeMap<u64, State>>,
    }

    #[test]
    fn the_shared_vectors_are_met() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/state.json");
        let vectors: Vectors =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut compared = 0;
        for case in &vectors.cases {
            for (through, wanted) in &case.states {
                let mut states: BTreeMap<u64, State> = BTreeMap::new();
                for entry in case.log.iter().filter(|entry| entry.seq <= *through) {
                    for seq in entry.changes() {
                        states.entry(seq).or_default().apply(entry);
                    }
                }
                states.retain(|_, state| state.as_of() > 0);
                assert_eq!(&states, wanted, "through {through}");
                compared += wanted.len();
            }
        }
        assert!(compared > 50, "{compared}");
    }
}
