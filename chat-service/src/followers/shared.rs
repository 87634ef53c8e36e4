//! One read of the tail for all followers of a process that stand at the same place.
//!
//! Holds the last pages only: a follower that lags behind them reads for itself.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::store::tail::{Position, TailPage};
use crate::store::{ChatStore, StoreError};

/// Pages that are kept for those who come to the same place soon.
const PAGES: usize = 3;

/// The tail as the followers of one process read it.
pub struct SharedTail {
    store: Arc<dyn ChatStore>,
    page_entries: u32,
    /// The pages that were read last, by the position that they follow. Held while one is read: a follower that wants the same
    /// page waits for it instead of reading it, too.
    pages: Mutex<VecDeque<(Position, Arc<TailPage>)>>,
}

impl SharedTail {
    /// A tail of which nothing was read.
    pub fn new(store: Arc<dyn ChatStore>, page_entries: u32) -> Self {
        Self { store, page_entries, pages: Mutex::default() }
    }

    /// What follows a position.
    pub async fn page(&self, after: Position) -> Result<Arc<TailPage>, StoreError> {
        let mut pages = self.pages.lock().await;
        if let Some((_, page)) = pages.iter().find(|(place, _)| *place == after) {
            return Ok(Arc::clone(page));
        }
        let page = Arc::new(self.store.tail(after, self.page_entries).await?);
        // One without entries is not the same a moment later.
        if !page.rows.is_empty() {
            pages.truncate(PAGES - 1);
            pages.push_front((after, Arc::clone(&page)));
        }
        Ok(page)
    }
}
