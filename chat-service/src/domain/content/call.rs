//! `call`: that a call began or how it ended, of the system that runs the calls:
//! `{"call_id": "<uuid>", "media": "audio", "state": "started", "ring_until": ms}` and
//! `{"call_id": "<uuid>", "state": "ended", "outcome": "answered", "duration_ms"?: n, "answered_by"?: "bob", "participants"?: […]}`.

use proto::id::UserName;
use serde::Deserialize;
use uuid::Uuid;

use super::object::read;
use super::{Refusal, invalid, misshapen, too_large};

const SHAPE: &str = "{\"call_id\", \"state\": \"started\", \"media\": \"audio\" or \"video\", \"ring_until\"?} or \
    {\"call_id\", \"state\": \"ended\", \"outcome\", \"media\"?, \"duration_ms\"?, \"answered_by\"?, \"participants\"?}";

/// Most participants of a call that are named.
const PARTICIPANTS: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    #[expect(dead_code, reason = "its type is all that is checked of it")]
    call_id: Uuid,
    state: State,
    #[serde(default)]
    media: Option<Media>,
    /// Until when it rings, in Unix milliseconds.
    #[serde(default)]
    ring_until: Option<u64>,
    #[serde(default)]
    outcome: Option<Outcome>,
    #[serde(default)]
    duration_ms: Option<u64>,
    #[serde(default)]
    answered_by: Option<UserName>,
    #[serde(default)]
    participants: Option<Vec<UserName>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Started,
    Ended,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Media {
    Audio,
    Video,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Answered,
    Missed,
    Declined,
    Busy,
    Cancelled,
    Failed,
}

pub(super) fn check(content: &str) -> Result<(), Refusal> {
    let call: Call = read(content).map_err(|error| misshapen(SHAPE, &error))?;
    let Call { state, media, ring_until, outcome, duration_ms, answered_by, participants, .. } =
        call;
    let tells_end = outcome.is_some()
        || duration_ms.is_some()
        || answered_by.is_some()
        || participants.is_some();
    match state {
        State::Started if media.is_none() || tells_end => {
            return Err(invalid("a call that has `started` has its `media`, and no outcome yet"));
        }
        State::Ended if outcome.is_none() || ring_until.is_some() => {
            return Err(invalid("a call that has `ended` has its `outcome`, and rings no more"));
        }
        State::Started | State::Ended => {}
    }
    if participants.is_some_and(|participants| participants.len() > PARTICIPANTS) {
        return Err(too_large("a call names at most 64 `participants`"));
    }
    Ok(())
}
