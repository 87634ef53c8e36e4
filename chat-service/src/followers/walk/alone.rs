//! What becomes of a page on which a follower failed: each entry is tried alone, and one that fails again and again is put
//! aside, so that it stops nothing behind it.

use std::time::Duration;

use super::{End, Place, Walk};
use crate::clock::now_ms;
use crate::followers::follower::WorkError;
use crate::store::tail::{AsideRow, Position, TailPage, TailRow};

/// How often an entry is tried before it is put aside.
const TRIES: u32 = 5;

/// Between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

impl Walk {
    /// Works on each entry alone, up to the end of the page or to where the follower cannot work now.
    pub(super) async fn one_by_one(&self, place: &mut Place, page: &TailPage) -> Result<(), End> {
        let mut after = place.read;
        for (index, row) in page.rows.iter().enumerate() {
            self.renew(place).await?;
            let next = page.rows.get(index + 1).map(|next| next.position);
            // The position stays before the transaction until its last entry is done.
            let passed = if next == Some(row.position) { after } else { row.position };
            let Some(done) = self.alone(row, passed).await? else {
                place.failures += 1;
                return Ok(());
            };
            after = passed;
            place.read = passed;
            place.done(done);
        }
        place.failures = 0;
        place.read = page.next;
        place.done(page.next);
        Ok(())
    }

    /// How far everything is done; `None` when the follower cannot work now.
    async fn alone(&self, row: &TailRow, next: Position) -> Result<Option<Position>, End> {
        let page = TailPage { rows: vec![row.clone()], next };
        let mut tries = 0;
        loop {
            let error = match self.worked(&page).await {
                Ok(done) => return Ok(Some(done)),
                Err(WorkError::Unavailable(_)) => return Ok(None),
                Err(WorkError::Failed(error)) => error,
            };
            tries += 1;
            if tries == TRIES {
                self.put_aside(row, error).await?;
                return Ok(Some(next));
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    async fn put_aside(&self, row: &TailRow, error: String) -> Result<(), End> {
        let entry = &row.entry.entry;
        let aside =
            AsideRow { conversation: entry.conversation(), seq: entry.seq, error, at_ms: now_ms() };
        let name = self.follower.name();
        tracing::error!(
            name,
            conversation_id = %entry.conversation_id,
            seq = entry.seq,
            error = aside.error,
            "the follower cannot work on this entry and goes on without it"
        );
        self.parts.metrics.put_aside(self.follower.kind());
        self.parts.store.put_aside(name, &aside).await.map_err(|_| End::Unknown)
    }
}
