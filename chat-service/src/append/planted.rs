//! Planted bugs of the append step (see [`crate::planted`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::id::UserId;
use tokio::task::JoinSet;

use crate::delivery::locate::{Directory, Located};
use crate::operations::plan::Conversations;
use crate::store::{AppendBatch, ChatStore};

/// A commit that nobody waits for, but the next one.
#[derive(Debug, Default)]
pub(super) struct LateCommit(JoinSet<()>);

impl LateCommit {
    /// Commits after it returned.
    pub(super) async fn begin(&mut self, store: &Arc<dyn ChatStore>, batch: &AppendBatch) {
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
pub(super) async fn locate_early(
    directory: &dyn Directory,
    conversations: &Conversations,
) -> Option<Located> {
    let snapshots = conversations.values().flatten();
    let users: BTreeSet<UserId> =
        snapshots.flat_map(|snapshot| snapshot.members.keys().cloned()).collect();
    let users: Vec<UserId> = users.into_iter().collect();
    directory.locate(&users, "").await.ok()
}
