//! How many syncs may be open: those that are read and those that wait for it. What is beyond comes again later, so
//! that a crowd of returning devices takes a bounded amount of memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::config::QueryConfig;

#[derive(Debug, Clone)]
pub(super) struct OpenSyncs {
    places: Arc<Semaphore>,
    most: usize,
    /// Said in the log, until there is room again.
    is_told: Arc<AtomicBool>,
}

/// One of them, until this is dropped.
#[derive(Debug)]
pub(super) struct SyncPermit(OwnedSemaphorePermit);

impl OpenSyncs {
    pub(super) fn new(config: &QueryConfig) -> Self {
        let most = config.concurrent_syncs.max(1).saturating_add(config.waiting_syncs);
        let most = most.min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(most)), most, is_told: Arc::default() }
    }

    pub(super) fn take(&self) -> Result<SyncPermit, Status> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            self.is_told.store(false, Ordering::Relaxed);
            return Ok(SyncPermit(permit));
        }
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                limit = "queries.waiting_syncs",
                open = self.most,
                "too many devices wait for their sync: further ones are told to come again"
            );
        }
        Err(Status::unavailable("too many devices wait for their sync; come again"))
    }
}

impl SyncPermit {
    /// The place is taken until the stream is dropped.
    pub(super) fn kept_by<S: Stream>(self, stream: S) -> impl Stream<Item = S::Item> {
        stream.map(move |item| {
            let _place = &self.0;
            item
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_comes_again_until_one_has_ended() {
        let config =
            QueryConfig { concurrent_syncs: 1, waiting_syncs: 1, ..QueryConfig::default() };
        let open = OpenSyncs::new(&config);
        let (one, other) = (open.take().unwrap(), open.take().unwrap());
        let one = one.kept_by(futures_util::stream::empty::<()>());
        assert_eq!(open.take().unwrap_err().code(), tonic::Code::Unavailable);
        drop(one);
        let again = open.take().unwrap();
        assert!(open.take().is_err());
        drop((other, again));
    }
}
