//! Turns the events of recorded histories back into what the checker judges: one [`Judged`] for
//! each fleet's file, with the faults and database rows of the other files added to each.

mod common_lines;
mod run_lines;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::event::{Event, Line, Seen};
use crate::facts::Facts;
use crate::history::{FOREIGN, History, Mark, Observation, SYSTEM, Via};
pub use common_lines::CommonLines;
pub use run_lines::RunLines;

/// One fleet's history, ready to be judged.
#[derive(Debug, Default)]
pub struct Judged {
    /// Sends, entries, logs.
    pub history: History,
    /// Everything else.
    pub facts: Facts,
    /// When each acknowledged send was written first, and acknowledged; microseconds.
    pub answered: Vec<(u64, u64)>,
    /// When sends were refused.
    pub refused: Vec<u64>,
    /// What keeps the verdict from being valid.
    pub doubts: Vec<String>,
}

/// What was sent under a client id.
#[derive(Debug, Clone, Copy)]
struct Invoked {
    client: u32,
    /// Whose client it is: its own number unless a user has several.
    user: u32,
    number: u32,
    conversation: u32,
    hash: u64,
}

/// An entry as somebody has it, with its author found by the client id.
fn observe(
    invoked: &BTreeMap<Uuid, Invoked>,
    entry: &Seen,
    connection: u16,
    via: Via,
) -> Observation {
    let author = entry.cid.and_then(|cid| invoked.get(&cid));
    let (sender, number, is_altered) = match author {
        Some(author) => {
            let is_by_sender = entry.from == i64::from(author.user);
            // Of another conversation: nobody sent it here.
            let is_whole = is_by_sender && author.hash == entry.hash;
            (author.client, author.number, !is_whole && author.conversation == entry.conv)
        }
        None if entry.from == -1 => (SYSTEM, 0, false),
        None => (FOREIGN, 0, false),
    };
    let (mark, seq) = (Mark::of(entry.id), entry.seq);
    Observation { mark, seq, sender, number, connection, via, is_altered }
}

/// Reads the lines of a file; what cannot be read is a doubt.
pub fn feed(
    text: impl std::io::BufRead,
    run: &mut RunLines,
    common: &mut CommonLines,
) -> std::io::Result<()> {
    for (number, line) in text.lines().enumerate() {
        match serde_json::from_str::<Line>(&line?) {
            Ok(Line { t, event }) => {
                common.see(t);
                if let Some(event) = common.take(t, event) {
                    run.take(t, event);
                }
            }
            Err(error) => common.doubts.push(format!("line {}: {error}", number + 1)),
        }
    }
    Ok(())
}

/// True for the last line of a fleet's file.
fn is_last(event: &Event) -> bool {
    matches!(event, Event::Done { .. })
}
