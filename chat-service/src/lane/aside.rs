//! Puts frames aside that cannot be worked on, so that their neighbours can be.

use std::sync::Arc;

use crate::domain::letter::DeadLetter;
use crate::metrics::ChatMetrics;
use crate::store::ChatStore;

/// The way to the dead letters.
pub struct Aside {
    store: Arc<dyn ChatStore>,
    metrics: ChatMetrics,
    limit: u64,
}

impl Aside {
    /// Keeps at most `limit` letters.
    pub fn new(store: Arc<dyn ChatStore>, metrics: ChatMetrics, limit: u64) -> Self {
        Self { store, metrics, limit }
    }

    /// Keeps a letter for an operator. Where that is not possible, the log is all that is left of it.
    pub async fn put(&self, letter: DeadLetter) {
        self.metrics.dead_letters.inc();
        let kept = self.store.keep_dead(&letter, self.limit).await;
        let (id, reason, user) = (&letter.key.id, &letter.reason, &letter.user_id);
        match kept {
            Ok(true) => {
                tracing::error!(id, reason, user.id = user, "put aside (`tidings dead show`)");
            }
            Ok(false) => {
                self.metrics.dead_letters_lost.inc();
                tracing::error!(
                    id,
                    reason,
                    user.id = user,
                    limit = self.limit,
                    "put aside and not kept: the table of dead letters is full"
                );
            }
            Err(error) => {
                self.metrics.dead_letters_lost.inc();
                tracing::error!(id, reason, user.id = user, %error, "put aside and not kept");
            }
        }
    }
}
