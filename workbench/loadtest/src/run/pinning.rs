//! Pins messages and unpins them beside the load, and compares at the end: what is pinned is what the log says, and the log
//! has each pin that was acknowledged, once. Each request keeps its client id until it is answered, whatever fails.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::phase::Phase;
use crate::rest::{LogEntry, PinAnswer, Rest, RestError};
use crate::shared::Common;

/// What fails for now is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages of a conversation that are pinned, from its first: few, so that many requests meet at one.
const PINNED: u64 = 8;
/// Conversations in which messages are pinned, so that each gets many pins.
const CONVERSATIONS: u32 = 16;

/// One request, and what was answered.
#[derive(Debug)]
pub(super) struct Pinned {
    conversation: u32,
    seq: u64,
    on: bool,
    client_id: Uuid,
    /// None when nobody can tell whether it is stored.
    answer: Option<PinAnswer>,
}

/// Pins while the phase says so.
pub(super) async fn run(
    common: Common,
    mut phases: watch::Receiver<Phase>,
) -> io::Result<Vec<Pinned>> {
    let Some(rate) = common.options.beside.pins else { return Ok(Vec::new()) };
    let rests = clients(&common).map_err(io::Error::other)?;
    let mut random = StdRng::seed_from_u64(common.options.seed);
    let mut interval = tokio::time::interval(Duration::from_secs_f64(1.0 / rate.per_second()));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = Vec::new();
    let count = (common.plan.conversations.len() as u32).min(CONVERSATIONS);
    loop {
        let is_begun = |phase: &Phase| !matches!(phase, Phase::Connect);
        // The coordinator holds the sender until the end.
        let phase = phases.wait_for(is_begun).await.map(|phase| *phase);
        if !matches!(phase, Ok(Phase::Send { .. })) || count == 0 {
            return Ok(asked);
        }
        interval.tick().await;
        let conversation = random.random_range(0..count);
        let seq = random.random_range(1..=PINNED);
        if u64::from(common.heads.get(conversation)) < seq {
            continue;
        }
        let (on, client_id) = (random.random_bool(0.6), Uuid::now_v7());
        let rest = rests[asked.len() % rests.len()].patient();
        let answer = rest.pin(&common.plan, conversation, seq, on, client_id).await;
        let answer = match answer {
            Ok(answer) => Some(answer),
            // The place is no message, such as the entry that made a group.
            Err(RestError::Refused { status, .. }) if status.is_client_error() => continue,
            Err(_) => None,
        };
        asked.push(Pinned { conversation, seq, on, client_id, answer });
    }
}

/// Compares; what is wrong, by conversation, and what could not be compared.
pub(super) async fn check(common: &Common, asked: &[Pinned]) -> (Vec<(u32, String)>, Vec<String>) {
    let (mut wrong, mut doubts) = (Vec::new(), Vec::new());
    let mut by_conversation: BTreeMap<u32, Vec<&Pinned>> = BTreeMap::new();
    for pinned in asked {
        by_conversation.entry(pinned.conversation).or_default().push(pinned);
    }
    let rests = match clients(common) {
        Ok(rests) => rests,
        Err(error) => return (wrong, vec![error.to_string()]),
    };
    for (conversation, asked) in by_conversation {
        let rest = rests[conversation as usize % rests.len()].patient();
        let read = async {
            let log = rest.whole_log(&common.plan, conversation).await?;
            Ok::<_, RestError>((log, rest.pins(&common.plan, conversation).await?))
        };
        match read.await {
            Ok((log, pins)) => {
                let found = compared(&log, &pins, &asked);
                wrong.extend(found.into_iter().map(|detail| (conversation, detail)));
            }
            Err(error) => doubts.push(error.to_string()),
        }
    }
    (wrong, doubts)
}

fn clients(common: &Common) -> Result<Vec<Rest>, reqwest::Error> {
    let new = |authority: &String| Rest::new(authority, Arc::clone(&common.signer), PATIENCE);
    common.options.urls.iter().map(|url| new(&url.authority)).collect()
}

fn compared(log: &[LogEntry], pins: &[(u64, u64)], asked: &[&Pinned]) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut folded, mut seen): (HashMap<u64, u64>, HashSet<Uuid>) =
        (HashMap::new(), HashSet::new());
    for entry in log.iter().filter(|entry| entry.kind == "pin") {
        let (seq, target) = (entry.seq, entry.target.unwrap_or_default());
        let before =
            if entry.content.on { folded.insert(target, seq) } else { folded.remove(&target) };
        if before.is_some() == entry.content.on {
            wrong.push(format!("the pin at {seq} changes nothing of {target}"));
        }
        if !entry.client_id.is_none_or(|id| seen.insert(id)) {
            wrong.push(format!("the pin at {seq} is stored twice"));
        }
    }
    let mut expected: Vec<_> = folded.into_iter().collect();
    expected.sort_unstable_by_key(|(_, pinned)| std::cmp::Reverse(*pinned));
    if pins != expected {
        wrong.push(format!("pinned are {pins:?}, and the log says {expected:?}"));
    }
    for pin in asked {
        let Some(answer) = pin.answer.as_ref().filter(|answer| !answer.unchanged) else { continue };
        let stored = log.iter().find(|entry| entry.seq == answer.seq);
        let is_it = stored.is_some_and(|entry| {
            entry.client_id == Some(pin.client_id)
                && entry.target == Some(pin.seq)
                && entry.content.on == pin.on
        });
        if !is_it {
            wrong.push(format!("acknowledged {pin:?} and stored {stored:?}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::PinContent;

    fn pin(seq: u64, target: u64, on: bool, client_id: u128) -> LogEntry {
        LogEntry {
            seq,
            kind: "pin".to_owned(),
            target: Some(target),
            client_id: Some(Uuid::from_u128(client_id)),
            content: PinContent { on },
        }
    }

    fn asked(seq: u64, target: u64, on: bool, client_id: u128) -> Pinned {
        let answer = Some(PinAnswer { seq, unchanged: false });
        let client_id = Uuid::from_u128(client_id);
        Pinned { conversation: 0, seq: target, on, client_id, answer }
    }

    #[test]
    fn each_kind_of_a_wrong_pin_is_found() {
        let log = [pin(5, 1, true, 1), pin(6, 2, true, 2), pin(7, 1, false, 3)];
        let [one, two] = [asked(5, 1, true, 1), asked(7, 1, false, 3)];
        assert_eq!(compared(&log, &[(2, 6)], &[&one, &two]), Vec::<String>::new());
        assert_eq!(compared(&log, &[(2, 6), (1, 5)], &[&one]).len(), 1, "one is pinned too much");
        assert_eq!(compared(&log, &[], &[&one]).len(), 1, "one is missing");
        assert_eq!(compared(&log[1..], &[(2, 6)], &[]).len(), 1, "unpinned and was not pinned");
        assert_eq!(compared(&log, &[(2, 6)], &[&asked(6, 1, true, 9)]).len(), 1, "is not there");
        let twice = [pin(5, 1, true, 1), pin(6, 1, false, 1)];
        assert_eq!(compared(&twice, &[], &[]).len(), 1, "one client id twice");
    }
}
