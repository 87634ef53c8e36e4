//! The tail of the store, and the followers that walk along it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use bus::in_process::{InProcessBus, InProcessConfig};
use chat_service::followers::{
    Commits, Counts, FollowerConfig, FollowerMetrics, FollowerParts, Following,
};
use chat_service::store::AppendError;
use chat_service::store::tail::{Move, Position, TailRow};
use platform::metrics::Metrics;
use platform::shutdown::{Shutdown, Tasks};
use proto::id::{ConversationId, TenantId};
use tokio::task::JoinSet;

use super::{Store, entry, group, only};

const LONG: Duration = Duration::from_mins(1);
const LEASE: Duration = Duration::from_secs(30);

/// Waits until the horizon is past all that was appended: transactions of other databases of the same server hold it, too.
pub async fn settled(store: &Store, from: Position, entries: usize) -> Vec<TailRow> {
    let walked = async {
        loop {
            let rows = walk(store, from, 1_000).await;
            if rows.len() >= entries {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, walked).await.expect("all entries come into the tail")
}

/// Everything after a position, in pages.
async fn walk(store: &Store, mut after: Position, page: u32) -> Vec<TailRow> {
    let mut walked = Vec::new();
    loop {
        let page = store.tail(after, page).await.unwrap();
        if page.rows.is_empty() {
            return walked;
        }
        walked.extend(page.rows);
        after = page.next;
    }
}

/// A follower that is there before anything is appended, so that a database which keeps places only for followers keeps
/// them; where it stands.
async fn begin(store: &Store) -> Position {
    store.follow("test", "one", LEASE).await.unwrap().unwrap().position
}

fn in_order_and_once(rows: &[TailRow], expected: usize) {
    assert_eq!(rows.len(), expected);
    let mut last = BTreeMap::new();
    for row in rows {
        let entry = &row.entry.entry;
        let before = last.insert(entry.conversation(), entry.seq).unwrap_or_default();
        assert_eq!(entry.seq, before + 1, "in the order of its log, without a gap");
    }
    assert!(rows.is_sorted_by_key(|row| row.position));
}

pub async fn the_tail_gives_each_entry_once_in_the_order_of_its_log(store: Store) {
    const WRITERS: usize = 12;
    const BATCHES: u64 = 25;
    let from = begin(&store).await;
    let mut appending = JoinSet::new();
    appending.spawn({
        let store = Arc::clone(&store);
        async move {
            let writers = (0..WRITERS).map(|writer| {
                let store = Arc::clone(&store);
                async move {
                    let id = ConversationId::generate();
                    store.append(&group(id, &["ann"])).await.unwrap();
                    let mut head = 1;
                    for batch in 0..BATCHES {
                        let size = 1 + (batch + writer as u64) % 7;
                        let rows: Vec<_> =
                            (head + 1..=head + size).map(|seq| entry(id, seq, "ann")).collect();
                        store.append(&only(rows)).await.unwrap();
                        head += size;
                        // What is rolled back leaves nothing in the tail.
                        let taken = only(vec![entry(id, head + 1, "ann"), entry(id, head, "ann")]);
                        let refused = store.append(&taken).await;
                        assert!(matches!(refused, Err(AppendError::Conflict)));
                    }
                    head as usize
                }
            });
            futures_util::future::join_all(writers).await.into_iter().sum::<usize>()
        }
    });
    // Walked while it grows, in small pages: what was not there when a page was read comes after it.
    let (mut after, mut walked) = (from, Vec::new());
    let mut total = None;
    let growing = async {
        while total != Some(walked.len()) {
            let page = store.tail(after, 5).await.unwrap();
            after = page.next;
            walked.extend(page.rows);
            if let Some(appended) = appending.try_join_next() {
                total = Some(appended.unwrap());
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, growing).await.expect("the walk comes to the end");
    in_order_and_once(&walked, total.unwrap());
    assert_eq!(walk(&store, from, 1_000).await, walked, "another walk is the same");
    assert!(store.horizon().await.unwrap().position >= after);
}

pub async fn a_page_of_the_tail_holds_whole_transactions(store: Store) {
    let from = begin(&store).await;
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    store.append(&only((2..=11).map(|seq| entry(id, seq, "ann")).collect())).await.unwrap();
    store.append(&only(vec![entry(id, 12, "ann")])).await.unwrap();
    settled(&store, from, 12).await;
    let page = store.tail(from, 3).await.unwrap();
    assert_eq!(page.rows.len(), 11, "the second transaction is whole");
    let page = store.tail(page.next, 2).await.unwrap();
    assert_eq!(page.rows.len(), 1);
    let end = store.tail(page.next, 2).await.unwrap();
    assert_eq!((end.rows.len(), end.next), (0, page.next));
}

pub async fn a_follower_has_one_owner_and_moves_for_nobody_else(store: Store) {
    let short = Duration::from_millis(300);
    let from = store.follow("shared", "one", short).await.unwrap().unwrap().position;
    assert_eq!(store.follow("shared", "other", LEASE).await.unwrap(), None);
    let to = Position(from.0 + 5);
    let counted = [(TenantId::DEFAULT, "text".to_owned(), 3)];
    let step = |owner, from, to| Move { name: "shared", owner, from, to, counted: &counted };
    assert!(!store.move_follower(&step("other", from, to)).await.unwrap(), "not its owner");
    assert!(!store.move_follower(&step("one", to, to)).await.unwrap(), "not where it stands");
    assert!(store.counts().await.unwrap().is_empty(), "nothing is written without the move");
    assert!(store.follow("shared", "one", short).await.unwrap().is_some(), "a lease is renewed");
    assert!(store.move_follower(&step("one", from, to)).await.unwrap());
    let taken = async {
        loop {
            match store.follow("shared", "other", LEASE).await.unwrap() {
                Some(followed) => return followed,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let followed = tokio::time::timeout(LONG, taken).await.expect("a lease ends by itself");
    assert_eq!((followed.position, followed.is_new_epoch), (to, false));
    let late = step("one", to, Position(to.0 + 1));
    assert!(!store.move_follower(&late).await.unwrap(), "an owner that lost it moves nothing");
    store.release("shared", "one").await.unwrap();
    assert_eq!(store.follow("shared", "one", LEASE).await.unwrap(), None, "nor gives it up");
    store.release("shared", "other").await.unwrap();
    assert!(store.follow("shared", "one", LEASE).await.unwrap().is_some(), "given up, taken");
    assert_eq!(store.counts().await.unwrap(), counted);
}

/// A process with the follower `counts`.
struct Process {
    tasks: Tasks,
    shutdown: Shutdown,
    commits: Commits,
}

impl Process {
    fn start(store: &Store, bus: &Arc<InProcessBus>, owner: &str, poll_ms: u64) -> Self {
        let (tasks, shutdown, commits) = (Tasks::new(), Shutdown::new(), Commits::default());
        let config =
            FollowerConfig { counts: true, lease_ms: 500, poll_ms, page_entries: 16, nudge_ms: 1 };
        let parts = FollowerParts {
            owner: owner.to_owned(),
            store: Arc::clone(store),
            bus: Arc::clone(bus) as Arc<dyn Bus>,
            metrics: FollowerMetrics::new(&Metrics::new()),
            config: Arc::new(config),
        };
        chat_service::followers::tell(&parts, &commits, &tasks, &shutdown);
        let following = Following::start(&parts, &tasks, &shutdown);
        let walk = following.walk(&parts, Arc::new(Counts::default()));
        tasks.spawn("counts", walk.run(shutdown.clone()));
        Self { tasks, shutdown, commits }
    }

    async fn stop(self) {
        self.shutdown.begin();
        self.tasks.join(LONG).await.unwrap();
    }
}

async fn counted(store: &Store, text: u64, system: u64) {
    let reached = async {
        loop {
            let counts: BTreeMap<_, _> =
                store.counts().await.unwrap().into_iter().map(|(_, kind, n)| (kind, n)).collect();
            let now = |kind: &str| counts.get(kind).copied().unwrap_or_default();
            assert!(
                now("text") <= text && now("system") <= system,
                "none is counted twice: {counts:?}"
            );
            if (now("text"), now("system")) == (text, system) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, reached).await.expect("all entries are counted");
}

pub async fn entries_are_counted_once_whichever_process_follows(store: Store) {
    let bus = Arc::new(InProcessBus::new(InProcessConfig::default()));
    // They look at the tail only when they are nudged.
    let (one, other) = (
        Process::start(&store, &bus, "one", 3_600_000),
        Process::start(&store, &bus, "other", 3_600_000),
    );
    let is_followed = async {
        // A third process cannot take it: one of both has it.
        while store.follow("counts", "third", Duration::from_millis(1)).await.unwrap().is_some() {
            store.release("counts", "third").await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, is_followed).await.expect("somebody follows");
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    let append = async |from: u64, to: u64, process: &Process| {
        for seq in from..=to {
            store.append(&only(vec![entry(id, seq, "ann")])).await.unwrap();
            process.commits.told();
        }
    };
    append(2, 40, &one).await;
    // The horizon may be held for a moment, and a nudge is not repeated.
    let nudged = async |text, process: &Process| {
        tokio::select! {
            () = counted(&store, text, 1) => {}
            () = async { loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                process.commits.told();
            } } => {}
        }
    };
    nudged(39, &one).await;
    one.stop().await;
    append(41, 80, &other).await;
    nudged(79, &other).await;
    other.stop().await;
    assert!(store.follow("counts", "third", LEASE).await.unwrap().is_some(), "given up at the end");
}
