//! Writes frames that cannot be worked on to the dead letters, so that their neighbours can be worked on.

use std::sync::Arc;

use ::bus::moments::Moments;

use super::undelivered;
use crate::domain::letter::DeadLetter;
use crate::metrics::ChatMetrics;
use crate::store::ChatStore;

/// Writes dead letters, at most so many.
pub(crate) struct DeadLetterWriter {
    store: Arc<dyn ChatStore>,
    metrics: ChatMetrics,
    limit: u64,
    moments: Moments,
}

impl DeadLetterWriter {
    /// Keeps at most `limit` letters.
    pub(crate) fn new(
        store: Arc<dyn ChatStore>,
        metrics: ChatMetrics,
        limit: u64,
        moments: Moments,
    ) -> Self {
        Self { store, metrics, limit, moments }
    }

    /// Keeps a letter for an operator. Where that is not possible, the log is all that is left of it.
    pub(super) async fn put(&self, letter: DeadLetter) {
        self.metrics.dead_letters.inc();
        undelivered::put_aside(&self.moments, &letter);
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
