//! What a follower can rely on: the loop that gives it entries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bus::Bus;
use bus::in_process::{InProcessBus, InProcessConfig};
use chat_service::followers::{
    Follower, FollowerConfig, FollowerMetrics, FollowerParts, SharedTail, Walk, WorkError, place,
};
use chat_service::store::AppendBatch;
use chat_service::store::tail::{Need, Position, Rest, TailPage};
use parking_lot::Mutex;
use platform::metrics::Metrics;
use platform::shutdown::{Shutdown, Tasks};
use proto::id::ConversationId;
use tokio::sync::watch;

use super::{Store, entry, group, only, user};
use chat_service::domain::entry::{PinRow, StateRow};

const LONG: Duration = Duration::from_mins(1);
const LEASE: Duration = Duration::from_secs(30);

/// Records what it is given, and does as it is told.
#[derive(Default)]
pub struct Recorder {
    /// The seqs, as often as they were done.
    done: Mutex<Vec<u64>>,
    /// It cannot work.
    is_away: AtomicBool,
    /// It says that nothing is done yet.
    holds: AtomicBool,
    begun: Mutex<Position>,
}

const FAILS: u64 = 3;
const PANICS: u64 = 5;

#[async_trait]
impl Follower for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn kind(&self) -> &'static str {
        "counts"
    }

    fn begin(&self, from: Position) {
        *self.begun.lock() = from;
    }

    async fn work(&self, page: &TailPage) -> Result<Position, WorkError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(WorkError::Unavailable("away".to_owned()));
        }
        let seqs: Vec<_> = page.rows.iter().map(|row| row.entry.entry.seq).collect();
        if seqs.contains(&FAILS) {
            return Err(WorkError::Failed("a bad one".to_owned()));
        }
        assert!(!seqs.contains(&PANICS), "a worse one");
        self.done.lock().extend(seqs);
        Ok(if self.holds.load(Ordering::Relaxed) { *self.begun.lock() } else { page.next })
    }
}

pub struct Walking {
    tasks: Tasks,
    shutdown: Shutdown,
    recorder: Arc<Recorder>,
}

impl Walking {
    pub fn start(store: &Store, owner: &str, recorder: Recorder) -> Self {
        let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
        let config = FollowerConfig { lease_ms: 600, poll_ms: 10, ..FollowerConfig::default() };
        let parts = FollowerParts {
            owner: owner.to_owned(),
            store: Arc::clone(store),
            bus: Arc::new(InProcessBus::new(InProcessConfig::default())) as Arc<dyn Bus>,
            metrics: FollowerMetrics::new(&Metrics::new()),
            config: Arc::new(config),
        };
        let recorder = Arc::new(recorder);
        let tail = Arc::new(SharedTail::new(Arc::clone(store), 1_000));
        let (_sender, woken) = watch::channel(());
        let follower = Arc::clone(&recorder) as Arc<dyn Follower>;
        let walk = Walk::new(parts, follower, tail, woken);
        tasks.spawn("walk", walk.run(shutdown.clone()));
        Self { tasks, shutdown, recorder }
    }

    /// Waits until it has done so many.
    pub async fn has_done(&self, count: usize) -> Vec<u64> {
        let reached = async {
            while self.recorder.done.lock().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, reached).await.expect("it is done");
        self.recorder.done.lock().clone()
    }

    pub async fn stop(self) {
        self.shutdown.begin();
        self.tasks.join(LONG).await.unwrap();
    }
}

/// A conversation with the entries 1 to 7, of which 2 to 6 are one transaction, after the follower was there.
async fn seven(store: &Store) {
    place(&**store, "recorder").await.unwrap();
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    store.append(&only((2..=6).map(|seq| entry(id, seq, "ann")).collect())).await.unwrap();
    store.append(&only(vec![entry(id, 7, "ann")])).await.unwrap();
}

pub async fn a_follower_that_has_nothing_to_do_moves_to_the_horizon_without_reading(store: Store) {
    let need = Need { table: "pins" };
    let from = store.follow("rests", "one", LEASE).await.unwrap().unwrap().position;
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    let horizon_passes = async {
        loop {
            match store.rest("rests", "one", from, &need).await.unwrap() {
                Rest::Resting(position) if position > from => return position,
                Rest::Resting(_) => tokio::task::yield_now().await,
                other => panic!("{other:?}"),
            }
        }
    };
    // On Postgres the horizon passes the entry when no older transaction runs; on SQLite a follower that rests needs no places.
    let rested = tokio::time::timeout(LONG, horizon_passes).await.expect("it moves");
    assert!(!store.is_needed(&need).await.unwrap());
    assert!(!store.is_followed().await.unwrap(), "a follower that rests is not nudged");
    assert_eq!(store.rest("rests", "other", rested, &need).await.unwrap(), Rest::Lost);
    let batch = AppendBatch {
        entries: vec![entry(id, 2, "ann")],
        states: vec![StateRow::Pinned(PinRow {
            conversation_id: id,
            seq: 1,
            pinned_seq: 2,
            by: user("ann"),
        })],
        ..AppendBatch::default()
    };
    store.append(&batch).await.unwrap();
    assert!(store.is_needed(&need).await.unwrap());
    assert_eq!(store.rest("rests", "one", rested, &need).await.unwrap(), Rest::Needed);
    assert!(store.is_followed().await.unwrap());
    let stands = store.follow("rests", "one", LEASE).await.unwrap().unwrap().position;
    assert_eq!(stands, rested, "with something to do it stays");
    let view = store.followers().await.unwrap();
    assert_eq!((view[0].name.as_str(), view[0].owner.as_deref()), ("rests", Some("one")));
}

pub async fn a_follower_that_fails_on_one_entry_goes_on_without_it(store: Store) {
    seven(&store).await;
    let walking = Walking::start(&store, "one", Recorder::default());
    assert_eq!(walking.has_done(5).await, [1, 2, 4, 6, 7]);
    walking.stop().await;
    let view = store.followers().await.unwrap();
    assert_eq!((view[0].aside, view[0].lag), (2, Duration::ZERO), "{view:?}");
}

pub async fn a_follower_that_cannot_work_gets_the_same_entries_again_and_loses_none(store: Store) {
    place(&*store, "recorder").await.unwrap();
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    let recorder = Recorder { is_away: AtomicBool::new(true), ..Recorder::default() };
    let walking = Walking::start(&store, "one", recorder);
    store.append(&only(vec![entry(id, 2, "ann")])).await.unwrap();
    let is_behind = async {
        while store.followers().await.unwrap()[0].lag.is_zero() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, is_behind).await.expect("its lag shows");
    assert!(walking.recorder.done.lock().is_empty());
    walking.recorder.is_away.store(false, Ordering::Relaxed);
    assert_eq!(walking.has_done(2).await, [1, 2]);
    walking.stop().await;
}

pub async fn what_a_follower_has_not_done_comes_again_to_the_next_process(store: Store) {
    place(&*store, "recorder").await.unwrap();
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    store.append(&only(vec![entry(id, 2, "ann")])).await.unwrap();
    let recorder = Recorder { holds: AtomicBool::new(true), ..Recorder::default() };
    let walking = Walking::start(&store, "one", recorder);
    assert_eq!(walking.has_done(2).await, [1, 2]);
    walking.stop().await;
    let walking = Walking::start(&store, "other", Recorder::default());
    assert_eq!(walking.has_done(2).await, [1, 2]);
    walking.stop().await;
    let walking = Walking::start(&store, "third", Recorder::default());
    store.append(&only(vec![entry(id, 4, "ann")])).await.unwrap();
    assert_eq!(walking.has_done(1).await, [4], "what was done does not come again");
    walking.stop().await;
}
