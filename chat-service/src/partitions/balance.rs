//! Balance of the partitions among the chat services that live: who is to yield what, and when.
//!
//! Every replica consumes from every partition; the broker makes one consumer active, and the next when that
//! one leaves. Here a replica learns who else lives, which partitions are its share, and asks its
//! consumers of others' partitions to yield. Must not touch the bus: consumers yield themselves.
//!
//! A partition is only yielded to a replica whose heartbeat is newer than our ownership. So a stopped or frozen replica
//! gets none, and the partition of a killed replica is not passed on before its owner is known to be gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use platform::shutdown::Shutdown;
use proto::chat::ChatReplica;
use proto::partition::Partition;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::WorkerConfig;
use crate::domain::share;
use crate::metrics::ChatMetrics;
use crate::store::ChatStore;
use crate::store::replicas::LiveReplica;

/// While it holds what is not its own, a replica looks this many times as often.
const LOOKS_PER_BEAT: u32 = 4;

/// What consumers and the balance know of each other.
#[derive(Debug, Clone)]
pub(crate) struct Balance {
    seats: Arc<[Mutex<SeatState>]>,
    /// This replica's share.
    own: watch::Sender<BTreeSet<Partition>>,
    /// Who lived when it was asked last, and which of them this is. To be shown only.
    shown: Arc<Mutex<Shown>>,
}

#[derive(Debug, Default)]
struct Shown {
    own_id: String,
    live: Vec<LiveReplica>,
    asked_at: Option<Instant>,
}

/// One partition, as this replica stands to it.
#[derive(Debug, Default)]
struct SeatState {
    /// It consumes without being active, or has just cancelled to let another go first.
    is_in_line: bool,
    held: Option<Held>,
}

/// It is the one who works on it.
#[derive(Debug, Clone)]
struct Held {
    since: Instant,
    yield_asked: CancellationToken,
    /// What waits in its queue, as the bus said last; to be shown only.
    depth: Option<u64>,
}

impl Balance {
    /// Nobody stands anywhere yet.
    pub(crate) fn new(partitions: Partition) -> Self {
        let seats = (0..partitions).map(|_| Mutex::default()).collect();
        Self { seats, own: watch::Sender::default(), shown: Arc::default() }
    }

    /// The seat of a partition's consumer.
    pub(crate) fn seat(&self, partition: Partition) -> Seat {
        Seat { balance: self.clone(), partition }
    }

    /// Beats until stopping has begun, then leaves.
    pub(crate) async fn run(
        self,
        store: Arc<dyn ChatStore>,
        config: Arc<WorkerConfig>,
        metrics: ChatMetrics,
        shutdown: Shutdown,
    ) {
        let replica = Replica {
            id: Uuid::new_v4().to_string(),
            balance: self,
            store,
            gone_after: Duration::from_millis(config.replica_gone_ms),
            metrics,
        };
        let beat_every = Duration::from_millis(config.replica_beat_ms.max(1));
        let mut last_beat: Option<Instant> = None;
        while !shutdown.is_begun() {
            let is_due = last_beat.is_none_or(|last| last.elapsed() >= beat_every);
            if replica.balance.is_everywhere_in_line() && (is_due || replica.balance.holds_others())
            {
                last_beat = Some(Instant::now());
                // Not inside the select: a database future is never cancelled half-way.
                replica.beat().await;
            }
            tokio::select! {
                () = tokio::time::sleep(beat_every / LOOKS_PER_BEAT) => {}
                () = shutdown.begun() => {}
            }
        }
        if let Err(error) = replica.store.leave(&replica.id).await {
            tracing::debug!(%error, "others will count this replica gone by its silence");
        }
    }

    /// The replicas that live, with their shares, as this one was last told.
    pub(crate) fn replicas(&self) -> Vec<ChatReplica> {
        let shown = self.shown.lock();
        let since = shown.asked_at.map(|at| at.elapsed()).unwrap_or_default();
        let ids: Vec<String> = shown.live.iter().map(|replica| replica.id.clone()).collect();
        let mut replicas: Vec<ChatReplica> = shown
            .live
            .iter()
            .map(|replica| ChatReplica {
                id: replica.id.clone(),
                heard_ms_ago: (replica.beat_ago + since).as_millis() as u64,
                partitions: Vec::new(),
                is_self: replica.id == shown.own_id,
            })
            .collect();
        drop(shown);
        let owners = share::owners(&ids, self.seats.len() as Partition);
        for (partition, owner) in (0..).zip(owners) {
            if let Some(owner) = owner {
                replicas[owner].partitions.push(partition);
            }
        }
        replicas
    }

    /// The partitions that this replica works on, and since when.
    pub(crate) fn held(&self) -> Vec<(Partition, Instant)> {
        let seats = (0..).zip(self.seats.iter());
        seats.filter_map(|(it, seat)| Some((it, seat.lock().held.as_ref()?.since))).collect()
    }

    /// What waits in a partition that it has worked on since then; none when nobody knows. Of one that it lost
    /// meanwhile, or that came anew, nothing is kept.
    pub(crate) fn note_depth(&self, partition: Partition, since: Instant, depth: Option<u64>) {
        let mut seat = self.seats[usize::from(partition)].lock();
        if let Some(held) = seat.held.as_mut().filter(|held| held.since == since) {
            held.depth = depth;
        }
    }

    /// What waits in the partitions that it works on, of those where that is known.
    pub(crate) fn depths(&self) -> Vec<(Partition, u64)> {
        let seats = (0..).zip(self.seats.iter());
        seats.filter_map(|(it, seat)| Some((it, seat.lock().held.as_ref()?.depth?))).collect()
    }

    /// A replica that cannot consume somewhere must not be yielded to: it sends no heartbeat instead.
    fn is_everywhere_in_line(&self) -> bool {
        self.seats.iter().all(|seat| seat.lock().is_in_line)
    }

    fn holds_others(&self) -> bool {
        let own = self.own.borrow();
        (0..)
            .zip(self.seats.iter())
            .any(|(p, seat)| !own.contains(&p) && seat.lock().held.is_some())
    }

    /// Takes a list that was asked for at `asked_at`: the share, and what is to be yielded.
    fn consider(&self, id: &str, live: &[LiveReplica], asked_at: Instant) {
        *self.shown.lock() =
            Shown { own_id: id.to_owned(), live: live.to_vec(), asked_at: Some(asked_at) };
        let ids: Vec<String> = live.iter().map(|replica| replica.id.clone()).collect();
        let own = share::share(id, &ids, self.seats.len() as Partition);
        let owners = share::owners(&ids, self.seats.len() as Partition);
        for ((partition, seat), owner) in (0..).zip(self.seats.iter()).zip(owners) {
            let Some(owner) = owner.map(|index| &live[index]) else { continue };
            let seat = seat.lock();
            let Some(held) = &seat.held else { continue };
            let held_for = asked_at.saturating_duration_since(held.since);
            if !own.contains(&partition) && owner.beat_ago < held_for {
                held.yield_asked.cancel();
            }
        }
        self.own.send_if_modified(|known| {
            let is_new = *known != own;
            *known = own;
            is_new
        });
    }
}

/// A partition's consumer in this replica; out of line when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    balance: Balance,
    partition: Partition,
}

impl Seat {
    fn state(&self) -> &Mutex<SeatState> {
        &self.balance.seats[usize::from(self.partition)]
    }

    /// It joined the line, or lost its partition without having yielded it.
    pub(crate) fn stands_in_line(&self, is_in_line: bool) {
        self.state().lock().is_in_line = is_in_line;
    }

    /// It got the first batch: it is the one who works on the partition, until the hold is dropped.
    pub(crate) fn hold(&self) -> Hold<'_> {
        let yield_asked = CancellationToken::new();
        let held = Held { since: Instant::now(), yield_asked: yield_asked.clone(), depth: None };
        self.state().lock().held = Some(held);
        Hold { seat: self, yield_asked }
    }

    /// Resolves when the partition is this replica's own.
    pub(crate) async fn is_own(&self) {
        let mut own = self.balance.own.subscribe();
        if own.wait_for(|own| own.contains(&self.partition)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.stands_in_line(false);
    }
}

/// Held as long as this replica is the one who works on the partition.
#[derive(Debug)]
pub(crate) struct Hold<'a> {
    seat: &'a Seat,
    yield_asked: CancellationToken,
}

impl Hold<'_> {
    /// Resolves when another replica is to work on it.
    pub(crate) async fn yield_asked(&self) {
        self.yield_asked.cancelled().await;
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.seat.state().lock().held = None;
    }
}

/// This process among its like.
struct Replica {
    /// New with every start: a process that is restarted is another member.
    id: String,
    balance: Balance,
    store: Arc<dyn ChatStore>,
    gone_after: Duration,
    metrics: ChatMetrics,
}

impl Replica {
    async fn beat(&self) {
        let asked_at = Instant::now();
        match self.store.beat(&self.id, self.gone_after).await {
            Ok(live) => {
                self.balance.consider(&self.id, &live, asked_at);
                let before = self.metrics.replicas.set(live.len() as i64);
                if before != live.len() as i64 {
                    let own = self.balance.own.borrow().len();
                    tracing::info!(replicas = live.len(), own, "the partitions are shared anew");
                }
            }
            // Without the list nothing is yielded: everybody keeps what they have.
            Err(error) => tracing::debug!(%error, "cannot tell who else lives"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const ME: &str = "me";

    fn replica(id: &str, beat_ago_ms: u64) -> LiveReplica {
        LiveReplica { id: id.to_owned(), beat_ago: Duration::from_millis(beat_ago_ms) }
    }

    /// Partition 0 of two, held for a second.
    fn held(owner_beat_ago_ms: u64) -> (bool, bool) {
        let balance = Balance::new(2);
        let seats = [balance.seat(0), balance.seat(1)];
        let holds = [seats[0].hold(), seats[1].hold()];
        let in_a_second = Instant::now() + Duration::from_secs(1);
        balance.consider(ME, &[replica(ME, 0), replica("other", owner_beat_ago_ms)], in_a_second);
        let own = balance.own.borrow().clone();
        assert_eq!(own.len(), 1);
        let asked = |index: usize| holds[index].yield_asked().now_or_never().is_some();
        let mine = usize::from(own.contains(&1));
        (asked(mine), asked(1 - mine))
    }

    #[test]
    fn what_is_anothers_is_yielded_and_what_is_own_is_kept() {
        assert_eq!(held(900), (false, true));
    }

    #[test]
    fn nothing_is_yielded_to_an_owner_not_heard_from_since_the_partition_came() {
        assert_eq!(held(1_100), (false, false));
    }

    #[test]
    fn a_hold_that_ended_leaves_no_wish_for_the_next_one() {
        let balance = Balance::new(1);
        let seat = balance.seat(0);
        let first = seat.hold();
        let later = Instant::now() + Duration::from_mins(1);
        balance.consider(ME, &[replica("other", 0)], later);
        assert!(first.yield_asked().now_or_never().is_some());
        assert!(balance.holds_others());
        drop(first);
        assert!(!balance.holds_others());
        assert!(seat.hold().yield_asked().now_or_never().is_none());
    }

    #[test]
    fn only_who_works_on_a_partition_tells_what_waits_in_it() {
        let balance = Balance::new(2);
        let seats = [balance.seat(0), balance.seat(1)];
        let first = seats[1].hold();
        let held = balance.held();
        let [(1, since)] = held[..] else { panic!("{held:?}") };
        assert_eq!(balance.depths(), [], "nobody has asked");
        balance.note_depth(1, since, Some(7));
        balance.note_depth(0, since, Some(9));
        assert_eq!(balance.depths(), [(1, 7)]);
        balance.note_depth(1, since, None);
        assert_eq!(balance.depths(), []);
        balance.note_depth(1, since, Some(7));
        drop(first);
        assert_eq!(balance.depths(), [], "it is lost");
        let again = seats[1].hold();
        balance.note_depth(1, since, Some(7));
        assert_eq!(balance.depths(), [], "the answer is about another time");
        drop(again);
    }

    #[test]
    fn a_replica_is_counted_only_while_it_stands_in_every_line() {
        let balance = Balance::new(2);
        let seats = [balance.seat(0), balance.seat(1)];
        assert!(!balance.is_everywhere_in_line());
        for seat in &seats {
            seat.stands_in_line(true);
        }
        assert!(balance.is_everywhere_in_line());
        drop(seats);
        assert!(!balance.is_everywhere_in_line());
    }
}
