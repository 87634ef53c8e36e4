//! Compares: what devices hold and what the server answered, with the folds of the logs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::account::{Account, Answer, Held};
use super::device::Message;
use super::fold::{Entry, State};
use super::known::Known;
use super::operations;
use crate::scenario::{Found, Judgement};

/// Judges a run. The verdict is unknown with fewer acknowledged changes.
pub fn judge(account: &Account, least_changes: u64) -> Judgement {
    let mut found = Found::default();
    let conversations = 0..account.conversations.len();
    let known: Vec<Known> =
        conversations.map(|number| Known::of(account, number, &mut found)).collect();
    operations::judge(account, &known, &mut found);
    for each in &account.answers {
        found.count("answers compared", 1);
        answer(each, &known[each.conversation], &mut found);
    }
    for (number, conversation) in account.conversations.iter().enumerate() {
        let known = &known[number];
        let mut named = BTreeSet::new();
        for each in &conversation.rows {
            answer(each, known, &mut found);
            named.extend(each.page.states.keys().copied());
            named.extend(each.page.entries.iter().map(|entry| entry.seq));
        }
        rows_are_whole(number, known, &named, &mut found);
        is_blank(number, &conversation.log, known, &mut found);
    }
    for each in &account.devices {
        device(each, &known[each.conversation], &mut found);
    }
    for doubt in &account.doubts {
        found.doubt(doubt.clone());
    }
    let least = [
        ("changes acknowledged", least_changes),
        ("answers compared", 1),
        ("states of devices compared", 1),
        ("states of answers compared", 1),
    ];
    found.judgement(&least)
}

/// At the end every message that is not in a thread, and every one that was changed, is in an answer.
fn rows_are_whole(conversation: usize, known: &Known, named: &BTreeSet<u64>, found: &mut Found) {
    let main = known.entries.values().filter(|it| it.is_message() && it.thread.is_none());
    let wanted: BTreeSet<u64> = main.map(|entry| entry.seq).chain(known.changed()).collect();
    for seq in wanted.difference(named) {
        found.broken("lost-message", || {
            format!("conversation {conversation}: no answer at the end has message {seq}")
        });
    }
}

/// Nothing of what is deleted is in the log at the end.
fn is_blank(conversation: usize, log: &[Entry], known: &Known, found: &mut Found) {
    for entry in log {
        let of = if entry.kind == "edit" { entry.target } else { Some(entry.seq) };
        let state = of.and_then(|seq| known.state(seq, known.head())).unwrap_or_default();
        let may_be_shown = !state.is_gone() || entry.is_blank();
        found.holds(may_be_shown, "shown-after-delete", || {
            format!("conversation {conversation}: the log still has what entry {} said", entry.seq)
        });
    }
}

/// What a message says at a place: nothing where it is gone, and `None` where nobody knows.
fn wanted<'a>(seq: u64, state: &State, known: &'a Known) -> Option<&'a Value> {
    static NOTHING: Value = Value::Null;
    if state.is_gone() { Some(&NOTHING) } else { known.content(seq) }
}

fn is_shown(content: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Null => content.as_object().is_none_or(serde_json::Map::is_empty),
        wanted => content == wanted,
    }
}

/// An answer is what the log comes to at its place.
fn answer(answer: &Answer, known: &Known, found: &mut Found) {
    let Answer { conversation, user, page } = answer;
    let as_of = page.as_of;
    let at = || format!("conversation {conversation}, asked by {user}, as of {as_of}");
    found.holds(as_of <= known.head(), "answer-ahead", at);
    let mut about: BTreeSet<u64> = page.states.keys().copied().collect();
    about.extend(page.entries.iter().filter(|it| it.is_message()).map(|entry| entry.seq));
    if let Some((from, to, after)) = page.range {
        let changed = known.changed().into_iter().filter(|seq| (from..to).contains(seq));
        about.extend(
            changed
                .filter(|seq| known.state(*seq, as_of).is_some_and(|state| state.as_of() > after)),
        );
    }
    for seq in about {
        let Some(state) = known.state(seq, as_of) else { continue };
        found.count("states of answers compared", 1);
        let said = page.state(seq);
        found.holds(said == state, "state-differs", || {
            format!("{}: message {seq} is {said:?}, by the log {state:?}", at())
        });
        let mine = page.states.get(&seq).and_then(|said| said.get("mine"));
        let mut mine: Vec<&str> = mine
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        mine.sort_unstable();
        found.holds(mine == state.keys_of(user), "mine-differs", || {
            format!("{}: message {seq}: {mine:?} of {state:?}", at())
        });
    }
    for entry in &page.entries {
        let of = if entry.kind == "edit" { entry.target } else { Some(entry.seq) };
        let state = of.and_then(|seq| known.state(seq, as_of)).unwrap_or_default();
        let content = if entry.is_message() || state.is_gone() {
            wanted(entry.seq, &state, known)
        } else {
            None
        };
        let Some(content) = content else { continue };
        found.holds(is_shown(&entry.content, content), "content-differs", || {
            format!("{}: entry {} shows {}, not {content}", at(), entry.seq, entry.content)
        });
    }
}

/// A device holds what the log comes to.
fn device(held: &Held, known: &Known, found: &mut Found) {
    let Held { name, conversation, cursor, seen, messages, dropped } = held;
    let at = || format!("conversation {conversation}, device {name}");
    if *cursor != known.head() {
        found.doubt(format!("{} is at {cursor} of {}", at(), known.head()));
    }
    for entry in seen.iter().filter(|entry| entry.is_message()) {
        let is_held = messages.contains_key(&entry.seq) || dropped.contains(&entry.seq);
        found.holds(is_held, "forgotten", || {
            format!("{} does not hold message {}", at(), entry.seq)
        });
    }
    for (seq, Message { as_of, state, content }) in messages {
        let Some(folded) = known.state(*seq, (*cursor).max(*as_of)) else { continue };
        found.count("states of devices compared", 1);
        // The log says nothing later of it: the two go equally far.
        found.holds(*state == folded, "device-differs", || {
            format!("{}: message {seq} is {state:?}, by the log {folded:?}", at())
        });
        let Some(wanted) = wanted(*seq, &folded, known) else { continue };
        found.holds(is_shown(content, wanted), "device-shows", || {
            format!("{}: message {seq} shows {content}, not {wanted}", at())
        });
    }
}
