//! Who has a notice, by the account of the server.

use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::crowd::error::BenchError;
use crate::crowd::operator::{Notice, Operator};

use super::FanoutOptions;

/// How often the server is asked.
const LOOK: Duration = Duration::from_millis(200);
/// Every member has the notice, so its entry is stored; the row of the notice follows within this time.
const SOON: Duration = Duration::from_secs(5);
/// Gateways gather cursors for 10 s at most and then write them in batches.
const COUNTED: Duration = Duration::from_secs(30);
/// How long after that the server could still count too many.
const SETTLED: Duration = Duration::from_secs(2);

/// What the server says of the last notice.
#[derive(Debug, Clone, Copy)]
pub struct Receipts {
    /// The notice, after the last member has acknowledged it and the readers have read it.
    pub notice: Notice,
    /// From when all members had it to when the server had counted all.
    pub after: Duration,
}

/// Learns where the first notice stands: members name places when they say `delivered`.
pub async fn learn_place(crowd: &Crowd, operator: &Operator) -> Result<(), BenchError> {
    let (id, _) = crowd.approach.notice(0);
    let notice = until(operator, id, SOON, |notice| notice.seq.is_some()).await?;
    let Some(seq) = notice.seq else {
        return Err(BenchError::Failed("a notice that all have has no place".to_owned()));
    };
    crowd.tally.stored(0, seq);
    Ok(())
}

/// Waits until the server has counted all members, lets some read the notice, and asks once more. Members must go on to say
/// `delivered` meanwhile. Fewer than all after [`COUNTED`] are told as they are.
pub async fn gather(
    crowd: &Crowd,
    operator: &Operator,
    options: &FanoutOptions,
) -> Result<Receipts, BenchError> {
    let begun = Instant::now();
    let (id, _) = crowd.approach.notice(crowd.tally.completed().saturating_sub(1));
    let all = u64::from(options.members);
    until(operator, id, COUNTED, |notice| notice.counts.delivered >= all).await?;
    let after = begun.elapsed();
    // Each user counts once, however often they say it.
    for _ in 0..2 {
        for reader in 1..=options.readers {
            operator.read(crowd.approach.user(reader), id).await?;
        }
    }
    tokio::time::sleep(SETTLED).await;
    Ok(Receipts { notice: operator.show(id).await?, after })
}

/// Asks until something holds, at most for so long; what was said last.
async fn until(
    operator: &Operator,
    id: uuid::Uuid,
    patience: Duration,
    holds: impl Fn(&Notice) -> bool,
) -> Result<Notice, BenchError> {
    let deadline = Instant::now() + patience;
    loop {
        let notice = operator.show(id).await?;
        if holds(&notice) || Instant::now() >= deadline {
            return Ok(notice);
        }
        tokio::time::sleep(LOOK).await;
    }
}
