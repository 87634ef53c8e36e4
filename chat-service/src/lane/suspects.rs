//! Frames that may have ended a process: found by marks in the store that outlive it.
//!
//! A batch that comes again is marked as a whole before anybody works on it, and cleared when it is
//! acknowledged. A mark that is there already means that a process ended with the frame in hand, twice at
//! least; then frames are worked on one at a time, in the whole process, so that the next end names the
//! one that caused it. Fresh batches cost nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex, MutexGuard};

use super::pile::Taken;
use crate::domain::letter::frame_id;
use crate::store::ChatStore;

/// Times that a frame came again after which it is worked on alone.
const DEATHS: u64 = 2;
/// How long after an unclean end all frames are taken for ones that come again: where the bus forgot
/// what it held, they do, with new connections.
const CAREFUL: Duration = Duration::from_mins(1);

/// How a pile is to be worked on.
#[derive(Debug)]
pub(super) enum Care {
    /// As one batch.
    Together {
        /// To be cleared when it is acknowledged.
        marks: Vec<String>,
    },
    /// Frame by frame.
    Alone,
}

/// The marks, and the one place for a frame that is worked on alone.
pub struct Suspects {
    store: Arc<dyn ChatStore>,
    poison_deaths: u64,
    careful_until: Option<Instant>,
    alone: Mutex<()>,
}

impl Suspects {
    /// `after_unclean_end`: the process before this one ended without saying so.
    pub fn new(store: Arc<dyn ChatStore>, poison_deaths: u64, after_unclean_end: bool) -> Self {
        let careful_until = after_unclean_end.then(|| Instant::now() + CAREFUL);
        Self { store, poison_deaths, careful_until, alone: Mutex::new(()) }
    }

    /// Marks what comes again and says how to work on it. A store that is away marks nothing: it will
    /// not take the frames either.
    pub(super) async fn examine(&self, batches: &[Taken]) -> Care {
        let is_careful = self.careful_until.is_some_and(|until| Instant::now() < until);
        let ids: BTreeSet<String> = batches
            .iter()
            .filter(|taken| is_careful || taken.delivery.redelivered)
            .flat_map(|taken| &taken.delivery.batch.frames)
            .map(frame_id)
            .collect();
        if ids.is_empty() {
            return Care::Together { marks: Vec::new() };
        }
        let ids: Vec<String> = ids.into_iter().collect();
        match self.store.mark(&ids, now_ms()).await {
            Ok(marks) => {
                let is_suspect = marks
                    .iter()
                    .any(|mark| mark.deaths >= DEATHS || mark.alone >= self.poison_deaths);
                if is_suspect { Care::Alone } else { Care::Together { marks: ids } }
            }
            Err(error) => {
                tracing::warn!(%error, "frames that come again are not marked");
                Care::Together { marks: Vec::new() }
            }
        }
    }

    /// Waits until no other frame of the process is worked on alone.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().await
    }

    /// Marks a frame before it is worked on alone. False when it ended the process often enough.
    pub(super) async fn may_try(&self, id: &str) -> bool {
        match self.store.mark_alone(id, now_ms()).await {
            Ok(times) => times <= self.poison_deaths,
            Err(error) => {
                tracing::warn!(%error, "a suspected frame is not marked");
                true
            }
        }
    }

    /// Clears marks; those that stay behind only make the next redelivery slower.
    pub(super) async fn clear(&self, ids: &[String]) {
        if ids.is_empty() {
            return;
        }
        if let Err(error) = self.store.unmark(ids).await {
            tracing::warn!(%error, "marks stay behind");
        }
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
