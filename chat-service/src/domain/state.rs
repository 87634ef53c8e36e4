//! What changes have made of a message: its state, folded from the entries of the log. Pure.
//!
//! A state says how far it goes, `as_of`, and an entry is applied to it only when it comes behind that: pages, live entries
//! and late answers may come in any order. `docs/state.json` has examples, which clients are tested with, too.

use std::collections::BTreeMap;

use proto::id::UserName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::body::{Body, ChangeKind};
use super::entry::Entry;

/// The state of a message, as it is stored and as clients see it. A message that nothing has changed has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The last entry that it takes account of.
    pub as_of: u64,
    /// The content in place of that of the entry; with it `mentions` and `extra` are those of the message, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Json>,
    /// Users who are named in `content`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserName>,
    /// A JSON object that the server does not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edited>,
    /// By key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reactions: BTreeMap<String, Reaction>,
    /// Who reacted is in rows of their own; `reactions` has counts alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tallied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pinned>,
    /// The replies in the thread that it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<Thread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Deleted>,
    /// The content is gone for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<Gone>,
}

/// JSON as it was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

/// The edits of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// The last one.
    pub seq: u64,
    /// How many there are.
    pub count: u32,
    /// When the last one was made, in Unix milliseconds.
    pub at: u64,
}

/// Who reacted with a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reaction {
    pub n: u64,
    /// In the order of their reactions; none where reactions are tallied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<UserName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The entry that pinned it.
    pub seq: u64,
    pub by: UserName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The entry that deleted it.
    pub seq: u64,
    pub by: DeletedBy,
}

/// What is known of the replies in a thread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Thread {
    /// How many there are, deleted ones as well.
    pub n: u64,
    /// The last one.
    pub last_seq: u64,
    /// When it was stored, in Unix milliseconds.
    pub last_at: u64,
    /// Who wrote the last ones, in the order of their last replies; at most [`MOST_REPLIERS`].
    pub by: Vec<UserName>,
}

/// Those who are named of a thread, at most.
const MOST_REPLIERS: usize = 10;

/// As what somebody deleted a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeletedBy {
    /// It was their own.
    Sender,
    /// Of the conversation, or its owner.
    Admin,
    /// Of the tenant.
    Moderator,
    /// Of the tenant.
    Operator,
}

/// Why the content of a message is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gone {
    Deleted,
    /// Its time was over. Never stored by an entry: readers see it from that time on.
    Expired,
}

/// What an edit says.
#[derive(Debug, Serialize, Deserialize)]
pub struct EditContent<'a> {
    #[serde(borrow)]
    pub content: &'a RawValue,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserName>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<&'a RawValue>,
}

/// What a delete says.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeleteContent {
    pub by: DeletedBy,
    /// What it deletes where it has no target: ranges of seqs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seqs: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a reaction says.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReactionContent {
    pub key: String,
    pub on: bool,
}

/// What a tally says: how many reacted with each key, in all.
#[derive(Debug, Serialize, Deserialize)]
pub struct TallyContent {
    pub reactions: BTreeMap<String, u64>,
    /// How many users reacted.
    pub reactors: u64,
}

impl State {
    /// Reads a stored state; `None` for what is none.
    pub fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// As it is stored.
    pub fn to_json(&self) -> String {
        // Cannot fail: its keys are strings.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Applies an entry that changes the message. One that it takes account of already changes nothing, and so does any
    /// that comes after the content is gone.
    pub fn apply(&mut self, entry: &Entry) {
        let is_known = entry.seq <= self.as_of && !crate::planted::APPLIED_AGAIN;
        if is_known || self.gone.is_some() {
            return;
        }
        self.as_of = entry.seq;
        match &entry.body {
            Body::Pin { on } => {
                let pinned = Pinned { seq: entry.seq, by: entry.author.id.name() };
                self.pinned = on.then_some(pinned);
            }
            Body::Change(ChangeKind::Edit, content) => self.edit(entry, content),
            Body::Change(ChangeKind::Delete, content) => {
                let by = serde_json::from_str::<DeleteContent>(content).ok();
                let by = by.map_or(DeletedBy::Sender, |content| content.by);
                *self = Self {
                    as_of: entry.seq,
                    deleted: Some(Deleted { seq: entry.seq, by }),
                    gone: Some(Gone::Deleted),
                    ..Self::default()
                };
            }
            Body::Change(ChangeKind::Reaction, content) => {
                if let Ok(reaction) = serde_json::from_str(content) {
                    self.react(&entry.author.id.name(), reaction);
                }
            }
            Body::Change(ChangeKind::Tally, content) => {
                if let Ok(TallyContent { reactions, .. }) = serde_json::from_str(content) {
                    self.tallied = true;
                    let counted = |(key, n)| (key, Reaction { n, by: Vec::new() });
                    self.reactions = reactions.into_iter().map(counted).collect();
                }
            }
            Body::Message(_) => self.replied(entry),
            _ => {}
        }
    }

    fn replied(&mut self, entry: &Entry) {
        let thread = self.thread.get_or_insert_default();
        thread.n += 1;
        (thread.last_seq, thread.last_at) = (entry.seq, entry.created_at_ms);
        let author = entry.author.id.name();
        thread.by.retain(|by| *by != author);
        thread.by.push(author);
        if thread.by.len() > MOST_REPLIERS {
            thread.by.remove(0);
        }
    }

    fn edit(&mut self, entry: &Entry, content: &str) {
        let Ok(edit) = serde_json::from_str::<EditContent<'_>>(content) else { return };
        self.content = Some(Json(edit.content.to_owned()));
        self.mentions = edit.mentions;
        self.extra = edit.extra.map(|extra| Json(extra.to_owned()));
        let count = self.edited.map_or(0, |edited| edited.count) + 1;
        self.edited = Some(Edited { seq: entry.seq, count, at: entry.created_at_ms });
    }

    fn react(&mut self, user: &UserName, ReactionContent { key, on }: ReactionContent) {
        if self.has_reacted(user, &key) == on {
            return;
        }
        if on {
            let reaction = self.reactions.entry(key).or_default();
            reaction.n += 1;
            reaction.by.push(user.clone());
        } else if let Some(reaction) = self.reactions.get_mut(&key) {
            reaction.n = reaction.n.saturating_sub(1);
            reaction.by.retain(|by| by != user);
            if reaction.n == 0 {
                self.reactions.remove(&key);
            }
        }
    }

    /// Whether a user has reacted with a key; where reactions are tallied nobody has.
    pub fn has_reacted(&self, user: &UserName, key: &str) -> bool {
        self.reactions.get(key).is_some_and(|reaction| reaction.by.contains(user))
    }

    /// The keys that a user has reacted with; none where reactions are tallied.
    pub fn keys_of<'a>(&'a self, user: &'a UserName) -> impl Iterator<Item = &'a str> {
        let own = self.reactions.iter().filter(move |(_, reaction)| reaction.by.contains(user));
        own.map(|(key, _)| key.as_str())
    }

    /// The last edit, 0 where there is none.
    pub fn last_edit(&self) -> u64 {
        self.edited.map_or(0, |edited| edited.seq)
    }
}

impl Entry {
    /// Shows a message with what it says now, for lists that show no states.
    pub fn show_edited(&mut self, state: &State) {
        if let (Body::Message(message), Some(content)) = (&mut self.body, &state.content) {
            message.content = content.as_str().to_owned();
            message.mentions.clone_from(&state.mentions);
            message.extra = state.extra.as_ref().map(|extra| extra.as_str().to_owned());
        }
    }

    /// The messages that it changes, in order; more than one where it deletes several at once.
    pub fn changes(&self) -> Vec<u64> {
        match (self.target, &self.body) {
            (Some(target), Body::Pin { .. } | Body::Change(..)) => vec![target],
            (None, Body::Change(ChangeKind::Delete, content)) => {
                let ranges = serde_json::from_str(content).map_or(Vec::new(), |content| {
                    let DeleteContent { seqs, .. } = content;
                    seqs
                });
                ranges.into_iter().flat_map(|(first, last)| first..=last).collect()
            }
            // A reply in a thread changes the message that begins it.
            (_, Body::Message(_)) => self.thread.into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// Seqs in order as ranges.
pub fn ranges(seqs: &[u64]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for seq in seqs {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *seq => *last = *seq,
            _ => ranges.push((*seq, *seq)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use proto::id::UserId;

    use super::*;
    use crate::domain::entry::tests::text;

    fn change(seq: u64, who: &str, kind: ChangeKind, content: &str) -> Entry {
        let author = UserId::parse_qualified(who).unwrap();
        let body = Body::Change(kind, content.to_owned());
        Entry { target: Some(1), body, created_at_ms: seq * 10, ..text(seq, &author) }
    }

    fn folded(entries: &[Entry]) -> String {
        let mut state = State::default();
        for entry in entries {
            state.apply(entry);
        }
        let read = State::read(&state.to_json()).unwrap();
        assert_eq!(read, state, "it is read back as it was written");
        state.to_json()
    }

    #[test]
    fn changes_are_folded_and_each_once() {
        let edit = |seq, text: &str| {
            let content = format!(r#"{{"content":{{"text":"{text}"}},"mentions":["bob"]}}"#);
            change(seq, "ann", ChangeKind::Edit, &content)
        };
        let react = |seq, who, on| {
            change(seq, who, ChangeKind::Reaction, &format!(r#"{{"key":"👍","on":{on}}}"#))
        };
        let all = [edit(2, "b"), react(3, "bob", true), react(4, "ann", true), edit(5, "c")];
        let expected = r#"{"as_of":5,"content":{"text":"c"},"mentions":["bob"],"edited":{"seq":5,"count":2,"at":50},"reactions":{"👍":{"n":2,"by":["bob","ann"]}}}"#;
        assert_eq!(folded(&all), expected);
        let twice: Vec<_> = all.iter().chain(&all).cloned().collect();
        assert_eq!(folded(&twice), expected, "what it takes account of changes nothing");

        let off = [react(6, "bob", false), react(7, "bob", false), react(8, "ann", false)];
        let none: Vec<_> = all.iter().chain(&off).cloned().collect();
        assert!(!folded(&none).contains("reactions"), "{}", folded(&none));

        let delete = change(9, "ann", ChangeKind::Delete, r#"{"by":"admin"}"#);
        let gone = [edit(2, "b"), react(3, "bob", true), delete, react(10, "bob", true)];
        let expected = r#"{"as_of":9,"deleted":{"seq":9,"by":"admin"},"gone":"deleted"}"#;
        assert_eq!(folded(&gone), expected);

        let tally = r#"{"reactions":{"👍":5012,"x":1},"reactors":5012}"#;
        let tallied = [react(3, "bob", true), change(4, "ann", ChangeKind::Tally, tally)];
        let expected = r#"{"as_of":4,"reactions":{"x":{"n":1},"👍":{"n":5012}},"tallied":true}"#;
        assert_eq!(folded(&tallied), expected);
    }

    #[test]
    fn an_entry_says_which_messages_it_changes() {
        let mut delete = change(9, "ann", ChangeKind::Delete, r#"{"by":"sender"}"#);
        assert_eq!(delete.changes(), [1]);
        delete.target = None;
        assert!(delete.changes().is_empty());
        let content = r#"{"by":"sender","seqs":[[2,4],[7,7]]}"#;
        delete.body = Body::Change(ChangeKind::Delete, content.to_owned());
        assert_eq!(delete.changes(), [2, 3, 4, 7]);
        assert_eq!(ranges(&[2, 3, 4, 7]), [(2, 4), (7, 7)]);
        assert!(text(2, &delete.author.id).changes().is_empty());
    }
}
