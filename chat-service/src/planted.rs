//! Bugs that are built in on purpose, to see whether the chaos suite finds them. All off: each is a
//! feature of this crate, for `make chaos-planted` only. The code that depends on them stands where the
//! rule stands that it breaks, and is always compiled.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use proto::id::UserId;
use tokio::task::JoinSet;

use crate::directory::{Directory, Located};
use crate::domain::plan::Conversations;
use crate::store::{AppendBatch, ChatStore};

/// A client id that was used before is not looked up, and the database takes it a second time.
pub const DUPLICATE_CHECK_OFF: bool = cfg!(feature = "planted-duplicate-check-off");
/// Recipients are looked up before their entries are committed.
pub const LOCATE_BEFORE_COMMIT: bool = cfg!(feature = "planted-locate-before-commit");
/// `sent` is told while the database is still at work.
pub const ACK_BEFORE_COMMIT: bool = cfg!(feature = "planted-ack-before-commit");
/// Where users are connected is remembered for a while.
pub const CACHED_ROUTE: bool = cfg!(feature = "planted-cached-route");
/// Those whom a push did not reach are not told how far their conversations have come.
pub const HEADS_NOT_TOLD_AGAIN: bool = cfg!(feature = "planted-heads-not-told-again");

const ALL: [(&str, bool); 5] = [
    ("duplicate-check-off", DUPLICATE_CHECK_OFF),
    ("locate-before-commit", LOCATE_BEFORE_COMMIT),
    ("ack-before-commit", ACK_BEFORE_COMMIT),
    ("cached-route", CACHED_ROUTE),
    ("heads-not-told-again", HEADS_NOT_TOLD_AGAIN),
];

/// Says at every start that this build breaks its promises.
pub(crate) fn warn() {
    for (bug, _) in ALL.iter().filter(|(_, is_planted)| *is_planted) {
        tracing::error!(
            bug,
            "THIS BUILD BREAKS ITS PROMISES ON PURPOSE: never use it for anything"
        );
    }
}

/// A commit that nobody waits for, but the next one.
#[derive(Debug, Default)]
pub(crate) struct LateCommit(JoinSet<()>);

impl LateCommit {
    /// Commits after it returned.
    pub(crate) async fn begin(&mut self, store: &Arc<dyn ChatStore>, batch: &AppendBatch) {
        while self.0.join_next().await.is_some() {}
        let (store, batch) = (Arc::clone(store), batch.clone());
        self.0.spawn(async move {
            if let Err(error) = store.append(&batch).await {
                tracing::error!(%error, "acknowledged, but not stored");
            }
        });
    }
}

/// Where all members of a batch are, before it is committed.
pub(crate) async fn locate_early(
    directory: &dyn Directory,
    conversations: &Conversations,
) -> Option<Located> {
    let snapshots = conversations.values().flatten();
    let users: BTreeSet<UserId> =
        snapshots.flat_map(|snapshot| snapshot.members.keys().cloned()).collect();
    let users: Vec<UserId> = users.into_iter().collect();
    directory.locate(&users, "").await.ok()
}

/// How long a route is believed.
const BELIEVED: Duration = Duration::from_secs(5);
/// Questions remembered.
const REMEMBERED: usize = 1_000;

/// When presence was asked, and what it said.
type Remembered = (Instant, Located);

/// Answers of presence, by question.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes(Arc<Mutex<HashMap<Vec<UserId>, Remembered>>>);

impl Routes {
    /// What was answered lately.
    pub(crate) fn get(&self, users: &[UserId]) -> Option<Located> {
        let routes = self.0.lock();
        let (asked, located) = routes.get(users)?;
        (asked.elapsed() < BELIEVED).then(|| located.clone())
    }

    /// Remembers an answer.
    pub(crate) fn put(&self, users: &[UserId], located: &Located) {
        let mut routes = self.0.lock();
        if routes.len() >= REMEMBERED {
            routes.clear();
        }
        routes.insert(users.to_vec(), (Instant::now(), located.clone()));
    }
}
