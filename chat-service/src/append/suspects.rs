//! Frames that may have ended a process: found by marks in the store that outlive it.
//!
//! A batch that comes again is marked as a whole before anybody works on it, and cleared when it is
//! acknowledged. A mark that is there already means that a process ended with the frame in hand, twice at
//! least; then frames are worked on one at a time, in the whole process, so that the next end names the
//! one that caused it. Fresh batches cost nothing.
//!
//! A frame that this process has in hand already, because its sender repeated it, is not marked again: only
//! a mark that an ended process left behind speaks against a frame.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::MutexGuard;

use super::letter::frame_key;
use super::taken::Taken;
use crate::clock::now_ms;
use crate::domain::letter::LetterKey;
use crate::store::ChatStore;

/// Times that a frame came again after which it is worked on alone.
const DEATHS: u64 = 2;
/// How long after an unclean end all frames are taken for ones that come again: where the bus forgot
/// what it held, they do, with new connections.
const CAREFUL: Duration = Duration::from_mins(1);

/// How a batch is to be worked on.
#[derive(Debug)]
pub(crate) enum Care {
    /// As one batch.
    Together {
        /// To be cleared when it is acknowledged.
        marks: Vec<LetterKey>,
    },
    /// Frame by frame.
    Alone,
}

/// The marks, and the one place for a frame that is worked on alone.
pub(crate) struct Suspects {
    store: Arc<dyn ChatStore>,
    poison_deaths: u64,
    careful_until: Option<Instant>,
    /// Batches under way in this process that hold the frame, for frames that are marked. Bounded by what workers
    /// hold.
    in_hand: Mutex<HashMap<LetterKey, u32>>,
    alone: tokio::sync::Mutex<()>,
}

impl Suspects {
    /// `after_unclean_end`: the process before this one ended without saying so.
    pub(crate) fn new(
        store: Arc<dyn ChatStore>,
        poison_deaths: u64,
        after_unclean_end: bool,
    ) -> Self {
        let careful_until = after_unclean_end.then(|| Instant::now() + CAREFUL);
        Self {
            store,
            poison_deaths,
            careful_until,
            in_hand: Mutex::default(),
            alone: tokio::sync::Mutex::default(),
        }
    }

    /// Marks what comes again and says how to work on it. A store that is away marks nothing: it will
    /// not take the frames either.
    pub(crate) async fn examine(&self, batches: &[Taken]) -> Care {
        let is_careful = self.careful_until.is_some_and(|until| Instant::now() < until);
        let keys: BTreeSet<LetterKey> = batches
            .iter()
            .filter(|taken| is_careful || taken.delivery.redelivered)
            .flat_map(|taken| &taken.delivery.batch.frames)
            .map(frame_key)
            .collect();
        if keys.is_empty() {
            return Care::Together { marks: Vec::new() };
        }
        let keys: Vec<LetterKey> = keys.into_iter().collect();
        let new = self.take(&keys);
        if new.is_empty() {
            return Care::Together { marks: keys };
        }
        match self.store.mark(&new, now_ms()).await {
            Ok(marks) => {
                let is_suspect = marks
                    .iter()
                    .any(|mark| mark.deaths >= DEATHS || mark.alone >= self.poison_deaths);
                if is_suspect {
                    // Each frame is taken again when its turn comes.
                    self.put_down(&keys);
                    Care::Alone
                } else {
                    Care::Together { marks: keys }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "frames that come again are not marked");
                self.put_down(&keys);
                Care::Together { marks: Vec::new() }
            }
        }
    }

    /// Counts one more batch that holds these frames; those that none held before.
    fn take(&self, keys: &[LetterKey]) -> Vec<LetterKey> {
        let mut in_hand = self.in_hand.lock();
        let mut new = Vec::new();
        for key in keys {
            let batches = in_hand.entry(key.clone()).or_default();
            if *batches == 0 {
                new.push(key.clone());
            }
            *batches += 1;
        }
        new
    }

    /// Counts one batch less; those that no batch holds any more.
    fn put_down(&self, keys: &[LetterKey]) -> Vec<LetterKey> {
        let mut in_hand = self.in_hand.lock();
        let mut done = Vec::new();
        for key in keys {
            let Some(batches) = in_hand.get_mut(key) else { continue };
            *batches -= 1;
            if *batches == 0 {
                in_hand.remove(key);
                done.push(key.clone());
            }
        }
        done
    }

    /// Waits until no other frame of the process is worked on alone.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().await
    }

    /// Marks a frame before it is worked on alone. False when it ended the process often enough; then its mark
    /// stays.
    pub(super) async fn may_try(&self, key: &LetterKey) -> bool {
        let may_try = match self.store.mark_alone(key, now_ms()).await {
            Ok(times) => times <= self.poison_deaths,
            Err(error) => {
                tracing::warn!(%error, "a suspected frame is not marked");
                true
            }
        };
        if may_try {
            self.take(std::slice::from_ref(key));
        }
        may_try
    }

    /// Clears the marks of a batch that is done, except of frames that another batch under way holds as well. Those
    /// that stay behind only make the next redelivery slower.
    pub(crate) async fn clear(&self, keys: &[LetterKey]) {
        let done = self.put_down(keys);
        if done.is_empty() {
            return;
        }
        if let Err(error) = self.store.unmark(&done).await {
            tracing::warn!(%error, "marks stay behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use bus::{FrameDelivery, Original};
    use proto::bus::{Frame, FrameBatch};

    use super::*;
    use crate::store::sqlite::SqliteStore;

    fn come_again() -> Taken {
        let batch = FrameBatch { frames: vec![Frame::default()], ..FrameBatch::default() };
        let original = Original::Batch(Arc::new(batch.clone()));
        let delivery = FrameDelivery { batch, original, redelivered: true, tag: 1 };
        Taken { delivery, partition: 0 }
    }

    fn marks(care: Care) -> Vec<LetterKey> {
        match care {
            Care::Together { marks } => marks,
            Care::Alone => panic!("worked on alone"),
        }
    }

    #[tokio::test]
    async fn only_a_mark_of_a_process_that_ended_speaks_against_a_frame() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("chat.db")).await.unwrap();
        let store: Arc<dyn ChatStore> = Arc::new(store);
        let process = || Suspects::new(Arc::clone(&store), 2, false);

        // Its sender repeated it while the first batch was under way, more than once.
        let first = process();
        let one = marks(first.examine(&[come_again()]).await);
        let two = marks(first.examine(&[come_again()]).await);
        assert_eq!(one, two);
        first.clear(&one).await;
        let three = marks(first.examine(&[come_again()]).await);
        first.clear(&two).await;
        // Held by the third still: its mark is there when the process ends.
        drop(first);
        let second = process();
        assert!(matches!(second.examine(&[come_again()]).await, Care::Alone));

        // Done alone, it is cleared; nothing speaks against it any more.
        assert!(second.may_try(&three[0]).await);
        second.clear(&three).await;
        let third = process();
        marks(third.examine(&[come_again()]).await);
    }
}
