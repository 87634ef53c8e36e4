//! Histories of runs on a server that does everything right.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;
use uuid::Uuid;

use crate::history::{ClientHistory, History, Mark, Observation, Outcome, SYSTEM, Send, Via, View};

/// Clients of every run.
pub const CLIENTS: u32 = 5;

/// One send of a generated run: a conversation, one of its members, and how long the answer took.
pub type Step = (Index, Index, u64);

/// A run on a server that does everything right.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The members of each conversation.
    pub conversations: Vec<BTreeSet<u32>>,
    pub steps: Vec<Step>,
    /// Drives repeats, reconnects and echoes.
    pub noise: Vec<u8>,
    pub with_history: bool,
}

pub fn plans() -> impl Strategy<Value = Plan> {
    (
        prop::collection::vec(prop::collection::btree_set(0..CLIENTS, 2..=4), 1..=3),
        prop::collection::vec((any::<Index>(), any::<Index>(), 1_u64..60), 12..40),
        prop::collection::vec(any::<u8>(), 64),
        any::<bool>(),
    )
        .prop_map(|(conversations, steps, noise, with_history)| Plan {
            conversations,
            steps,
            noise,
            with_history,
        })
}

pub fn mark(n: u128) -> Mark {
    Mark::of(Uuid::from_u128(n * 0x1234_5678_9ABC_DEF1))
}

/// Every entry of a log: sender and number.
pub type Log = Vec<(u32, u32)>;

/// Carries a plan out: the history and the logs.
pub fn run(plan: &Plan) -> (History, Vec<Log>) {
    let mut history = History {
        conversations: plan.conversations.len() as u32,
        clients: (0..CLIENTS)
            .map(|_| ClientHistory { is_reached: true, ..<_>::default() })
            .collect(),
        ..<_>::default()
    };
    let mut logs: Vec<Log> = plan.conversations.iter().map(|_| vec![(SYSTEM, 0)]).collect();
    for (time, (conversation, member, answer_us)) in (1_u64..).zip(&plan.steps) {
        let conversation = conversation.index(plan.conversations.len());
        let members: Vec<u32> = plan.conversations[conversation].iter().copied().collect();
        let client = *member.get(&members);
        let sends = &mut history.clients[client as usize].sends;
        logs[conversation].push((client, sends.len() as u32));
        let seq = logs[conversation].len() as u32;
        sends.push(Send {
            invoked_us: time * 10,
            acknowledged_us: time * 10 + answer_us,
            mark: entry_mark(conversation as u32, seq),
            conversation: conversation as u32,
            seq,
            outcome: Outcome::Acknowledged,
            is_late: false,
            is_doubtful: false,
        });
    }
    let mut noise = plan.noise.iter().copied().cycle();
    for (conversation, members) in plan.conversations.iter().enumerate() {
        for client in members {
            let log = &logs[conversation];
            let observations = observe(*client, conversation as u32, log, &mut noise);
            let view = View { conversation: conversation as u32, observations, synced: Vec::new() };
            history.clients[*client as usize].views.push(view);
        }
        if plan.with_history {
            let all = (1..).zip(&logs[conversation]);
            let stored =
                all.map(|(seq, entry)| seen(conversation as u32, seq, *entry, Via::History));
            history.stored.insert(conversation as u32, stored.collect());
        }
    }
    (history, logs)
}

fn entry_mark(conversation: u32, seq: u32) -> Mark {
    mark(u128::from(conversation) << 32 | u128::from(seq))
}

pub fn seen(conversation: u32, seq: u32, (sender, number): (u32, u32), via: Via) -> Observation {
    let mark = entry_mark(conversation, seq);
    Observation { mark, seq, sender, number, connection: 1, via, is_altered: false }
}

/// What a member sees of a log: everything by others, now and then its own, repeats, reconnects.
fn observe(
    client: u32,
    conversation: u32,
    log: &Log,
    noise: &mut impl Iterator<Item = u8>,
) -> Vec<Observation> {
    let mut observations: Vec<Observation> = Vec::new();
    let (mut connection, mut via) = (1, Via::Live);
    for (seq, entry) in (1..).zip(log) {
        let dice = noise.next().unwrap();
        if dice.is_multiple_of(16) {
            (connection, via) = (connection + 1, Via::Sync);
        } else if dice.is_multiple_of(4) {
            via = Via::Live;
        }
        if entry.0 == client && !dice.is_multiple_of(3) {
            continue;
        }
        let observation = Observation { connection, ..seen(conversation, seq, *entry, via) };
        observations.push(observation);
        if dice % 8 == 1 {
            observations.push(observation);
        }
    }
    observations
}
