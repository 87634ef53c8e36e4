//! Reactions that are rows and are told as counts: to messages of large conversations, and to those that very many
//! reacted to. A message that is tallied stays so. Pure.

use std::collections::{BTreeMap, BTreeSet};

use proto::id::{ClientId, ConversationKey, UserName};

use super::state::{State, TallyContent};

/// Which reaction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReactionKey {
    pub conversation: ConversationKey,
    /// The message.
    pub seq: u64,
    pub user: UserName,
    pub key: String,
}

/// A reaction that is a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionRow {
    pub of: ReactionKey,
    /// Of the operation that wrote it.
    pub client_id: ClientId,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// Of which message the reactions have to be known before a batch is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyKey {
    pub conversation: ConversationKey,
    pub seq: u64,
    /// Those whose own reactions are wanted.
    pub users: BTreeSet<UserName>,
    /// How many there are is wanted, too.
    pub with_counts: bool,
}

/// What is known of the reactions to a message that are rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// The reactions of those users whose own were wanted.
    pub own: BTreeSet<(UserName, String)>,
    /// Where they were wanted.
    pub counts: Option<Counts>,
}

/// How many reacted to a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// With each key; none has 0.
    pub reactions: BTreeMap<String, u64>,
    /// How many users.
    pub reactors: u64,
}

/// A message whose reactions are to be counted, or are to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueTally {
    pub conversation: ConversationKey,
    pub seq: u64,
    /// Of its state.
    pub as_of: u64,
    /// Its content is gone: its reactions are forgotten.
    pub is_gone: bool,
}

impl Tally {
    /// Of a message that is not tallied yet, whose state names everybody.
    pub fn of(state: &State) -> Self {
        let own: BTreeSet<_> = state.reactors().collect();
        let users: BTreeSet<_> = own.iter().map(|(user, _)| user).collect();
        let counts = Counts { reactions: state.counts(), reactors: users.len() as u64 };
        Self { counts: Some(counts), own }
    }

    pub fn has(&self, user: &UserName, key: &str) -> bool {
        self.keys_of(user).any(|it| it == key)
    }

    /// The keys of one of the users whose own reactions are known.
    pub fn keys_of<'a>(&'a self, user: &'a UserName) -> impl Iterator<Item = &'a str> {
        let first = (user.clone(), String::new());
        let own = self.own.range(first..).take_while(move |(of, _)| of == user);
        own.map(|(_, key)| key.as_str())
    }

    /// Adds a reaction that is not there, or takes away one that is.
    pub fn set(&mut self, user: &UserName, key: &str, on: bool) {
        let had = self.keys_of(user).next().is_some();
        if on {
            self.own.insert((user.clone(), key.to_owned()));
        } else {
            self.own.remove(&(user.clone(), key.to_owned()));
        }
        let has = self.keys_of(user).next().is_some();
        let Some(counts) = &mut self.counts else { return };
        counts.reactors =
            (counts.reactors + u64::from(has && !had)).saturating_sub(u64::from(had && !has));
        let n = counts.reactions.entry(key.to_owned()).or_default();
        *n = if on { *n + 1 } else { n.saturating_sub(1) };
        counts.reactions.retain(|_, n| *n > 0);
    }
}

impl Counts {
    /// What the entry says that tells them.
    pub fn to_content(&self) -> String {
        let Self { reactions, reactors } = self.clone();
        // Cannot fail: its keys are texts.
        serde_json::to_string(&TallyContent { reactions, reactors }).unwrap_or_default()
    }
}

impl State {
    /// How many reacted with each key.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.reactions.iter().map(|(key, reaction)| (key.clone(), reaction.n)).collect()
    }

    /// Everybody who reacted, with each of their keys; nobody where reactions are tallied.
    pub fn reactors(&self) -> impl Iterator<Item = (UserName, String)> {
        self.reactions
            .iter()
            .flat_map(|(key, reaction)| reaction.by.iter().map(|user| (user.clone(), key.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reactions_are_counted_by_key_and_by_user() {
        let name = |text: &str| UserName::parse(text).unwrap();
        let (ann, bob) = (name("ann"), name("bob"));
        let state =
            r#"{"as_of":3,"reactions":{"x":{"n":2,"by":["ann","bob"]},"y":{"n":1,"by":["bob"]}}}"#;
        let mut tally = Tally::of(&State::read(state).unwrap());
        let said = |tally: &Tally| tally.counts.as_ref().unwrap().to_content();
        assert_eq!(said(&tally), r#"{"reactions":{"x":2,"y":1},"reactors":2}"#);
        assert_eq!(tally.keys_of(&bob).collect::<Vec<_>>(), ["x", "y"]);
        tally.set(&ann, "x", false);
        tally.set(&bob, "x", false);
        tally.set(&bob, "z", true);
        assert_eq!(said(&tally), r#"{"reactions":{"y":1,"z":1},"reactors":1}"#);
        assert!(!tally.has(&ann, "x") && tally.has(&bob, "z"));
        tally.set(&ann, "z", true);
        assert_eq!(said(&tally), r#"{"reactions":{"y":1,"z":2},"reactors":2}"#);
    }
}
