//! Who works on which partition, told from the counters of the chat services while load runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::eventually::eventually;
use crate::metrics;
use crate::process::Process;

/// The default partition count of the services.
pub const PARTITIONS: usize = 16;
/// Long enough for the load to reach every partition.
const WINDOW: Duration = Duration::from_millis(1_500);

/// Batches taken so far, by partition.
pub async fn taken(chat: &Process) -> BTreeMap<String, f64> {
    metrics::by_label(chat, "tidings_chat_partition_batches_total").await
}

/// The partitions that each chat service took batches from during a short window.
pub async fn at_work(chats: &[Process]) -> Vec<BTreeSet<String>> {
    let mut before = Vec::new();
    for chat in chats {
        before.push(taken(chat).await);
    }
    tokio::time::sleep(WINDOW).await;
    let mut at_work = Vec::new();
    for (chat, before) in chats.iter().zip(before) {
        let after = taken(chat).await;
        let grown = after.into_iter().filter(|(p, count)| before.get(p).is_none_or(|b| b < count));
        at_work.push(grown.map(|(partition, _)| partition).collect());
    }
    at_work
}

/// Waits until each of the chat services works on its share and no partition has two; how long it
/// took and who has what.
pub async fn balanced(chats: &[Process], deadline: Duration) -> (Duration, Vec<BTreeSet<String>>) {
    let started = Instant::now();
    let shares = PARTITIONS / chats.len()..=PARTITIONS.div_ceil(chats.len());
    let at_work = eventually("every chat service works on its share", deadline, || async {
        let at_work = at_work(chats).await;
        let all: usize = at_work.iter().map(BTreeSet::len).sum();
        let even = at_work.iter().all(|one| shares.contains(&one.len()));
        if even && all == PARTITIONS { Ok(at_work) } else { Err(at_work) }
    })
    .await;
    (started.elapsed(), at_work)
}
