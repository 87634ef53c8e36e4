//! Answers with states over REST: of pages, of single messages, and of what became of a range.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;
use uuid::Uuid;
use verdict::changes::account::Answer;
use verdict::changes::device::Page;
use wire_client::rest::{Rest, RestError};

/// A page is this long, so that it takes several to see a conversation.
const LIMIT: u32 = 15;
/// An answer is taken so late at most.
const LATEST_MS: u64 = 2_500;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) enum Question {
    /// Messages with their states; the rest of the query.
    Messages(String),
    /// One message.
    One(u64),
    /// What became of the messages of a range after an entry.
    Changes(RangeInclusive<u64>, u64),
}

impl Question {
    /// By chance, of a conversation with this head.
    pub(super) fn any(random: &mut StdRng, head: u64) -> Self {
        let place = random.random_range(1..=head.max(1));
        let which = ["", "&around_seq=", "&before_seq=", "&after_seq="][random.random_range(0..4)];
        match random.random_range(0..10) {
            0 => Self::Changes(place.saturating_sub(20).max(1)..=place, place.saturating_sub(10)),
            1..4 => Self::Messages(String::new()),
            _ if which.is_empty() => Self::Messages(String::new()),
            _ => Self::Messages(format!("{which}{place}")),
        }
    }

    fn path(&self, id: Uuid) -> String {
        let base = format!("/conversations/{id}/messages");
        match self {
            Self::Messages(query) => format!("{base}?view=messages&limit={LIMIT}{query}"),
            Self::One(seq) => format!("{base}/{seq}"),
            Self::Changes(seqs, after) => {
                let (from, to) = (seqs.start(), seqs.end());
                format!("{base}/changes?from_seq={from}&to_seq={to}&after_seq={after}")
            }
        }
    }

    /// Asks, and reads the answer; with it the place where the next one begins, if there is one.
    pub(super) async fn ask(
        &self,
        rest: &Rest,
        user: &str,
        conversation: usize,
        id: Uuid,
    ) -> Result<(Answer, Option<u64>), RestError> {
        let said: Value = rest.get(user, "messages with states", &self.path(id)).await?;
        let read = self.read(&said).ok_or_else(|| RestError::strange("messages with states"));
        let next = ["next_from_seq", "next_after_seq"].iter().find_map(|name| said[name].as_u64());
        read.map(|page| (Answer { conversation, user: user.to_owned(), page }, next))
    }

    fn read(&self, said: &Value) -> Option<Page> {
        let as_of = said["as_of"].as_u64()?;
        let entries = serde_json::from_value(said["entries"].clone()).unwrap_or_default();
        let states = serde_json::from_value(said["states"].clone()).unwrap_or_default();
        let page = Page { as_of, entries, states, range: None };
        Some(match self {
            Self::Messages(_) => page,
            Self::One(seq) => {
                let entry = serde_json::from_value(said["entry"].clone()).ok()?;
                let state = said.get("state").filter(|state| state.is_object());
                let states = state.map(|state| (*seq, state.clone())).into_iter().collect();
                Page { entries: vec![entry], states, ..page }
            }
            Self::Changes(seqs, after) => {
                let end = said["next_from_seq"].as_u64().unwrap_or(seqs.end() + 1);
                Page { range: Some((*seqs.start(), end, *after)), ..page }
            }
        })
    }
}

/// Asks once, and hands the answer over late: when other things have come.
pub(super) async fn late(
    question: Question,
    rest: Rest,
    user: String,
    conversation: usize,
    id: Uuid,
    delay_ms: u64,
) -> Option<Answer> {
    let answer = question.ask(&rest, &user, conversation, id).await;
    // The lateness is what is tried.
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    answer.ok().map(|(answer, _)| answer)
}

/// How late an answer is taken.
pub(super) fn lateness(random: &mut StdRng) -> u64 {
    if random.random_bool(0.5) { 0 } else { random.random_range(1..LATEST_MS) }
}
