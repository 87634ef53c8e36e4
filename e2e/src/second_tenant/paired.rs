//! Which conversation of the second tenant stands for which of the test's. Shared by all tests of the process.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

#[derive(Default)]
struct Pairs {
    /// By the test's id.
    conversations: HashMap<String, String>,
    /// Answers of one side that wait for those of the other: by client id, whose and which conversation.
    waiting: HashMap<String, (Side, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Test,
    Second,
}

static PAIRS: LazyLock<Mutex<Pairs>> = LazyLock::new(Mutex::default);

fn pairs() -> MutexGuard<'static, Pairs> {
    PAIRS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A side was answered that an operation was done.
pub(super) fn heard(side: Side, frame: &Value) {
    let (Some(client_id), Some(id)) =
        (frame["client_id"].as_str(), frame["conversation_id"].as_str())
    else {
        return;
    };
    if frame["type"] != "sent" {
        return;
    }
    let mut pairs = pairs();
    match pairs.waiting.remove(client_id) {
        Some((other, known)) if other != side => {
            let (test, second) =
                if side == Side::Test { (id.to_owned(), known) } else { (known, id.to_owned()) };
            pairs.conversations.insert(test, second);
        }
        _ => _ = pairs.waiting.insert(client_id.to_owned(), (side, id.to_owned())),
    }
}

/// Both sides were answered the same request.
pub(super) fn answered(test: &Value, second: &Value) {
    for name in ["id", "conversation_id"] {
        let ids = (test[name].as_str(), second[name].as_str());
        if let (Some(one), Some(other)) = ids
            && one != other
            && is_id(one)
        {
            pairs().conversations.insert(one.to_owned(), other.to_owned());
        }
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4
}

/// A text with the ids of the second tenant in place of those of the test.
pub(super) fn there(text: &str) -> String {
    let pairs = pairs();
    let mut changed = String::with_capacity(text.len());
    let is_of_id = |it: char| it.is_ascii_hexdigit() || it == '-';
    for piece in text.split_inclusive(|it| !is_of_id(it)) {
        let end = piece.trim_end_matches(|it| !is_of_id(it)).len();
        let (word, rest) = piece.split_at(end);
        changed.push_str(pairs.conversations.get(word).map_or(word, String::as_str));
        changed.push_str(rest);
    }
    changed
}

/// Whether it is known which conversation stands for the one that a frame is about.
pub(super) fn is_known(frame: &Value) -> bool {
    frame["conversation_id"].as_str().is_none_or(|id| pairs().conversations.contains_key(id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn conversations_are_paired_by_the_answers_of_both_sides() {
        let [one, other, client_id] = [0; 3].map(|_| Uuid::now_v7().to_string());
        let sent =
            |id: &str| json!({ "type": "sent", "client_id": client_id, "conversation_id": id });
        let about = json!({ "conversation_id": one });
        assert!(!is_known(&about));
        heard(Side::Second, &sent(&other));
        heard(Side::Test, &sent(&one));
        assert!(is_known(&about) && is_known(&json!({})));
        let text = format!(r#"{{"cursors":{{"{one}":5}},"x":"{client_id}"}}"#);
        assert_eq!(there(&text), text.replace(&one, &other));
        assert_eq!(there(&format!("/c/{one}/messages")), format!("/c/{other}/messages"));
    }
}
