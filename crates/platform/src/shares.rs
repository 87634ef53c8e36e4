//! So many at once for each key, such as a user; further ones wait for their turn, in their order. A key
//! that nobody uses takes no memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The shares of all keys.
#[derive(Debug)]
pub struct Shares<K: Eq + Hash> {
    each: usize,
    used: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// A place of one key, given back when this is dropped.
#[derive(Debug)]
pub struct Share<K: Eq + Hash> {
    shares: Arc<Shares<K>>,
    key: K,
    /// None once it is given back.
    places: Option<Arc<Semaphore>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// So many places for each key; one at least.
    pub fn new(each: usize) -> Arc<Self> {
        Arc::new(Self { each: each.max(1), used: Mutex::default() })
    }

    /// Waits for a place of this key. Cancel safe.
    pub async fn take(self: &Arc<Self>, key: &K) -> Share<K> {
        let places = self.places(key);
        // Made before the wait: a caller that gives up leaves nothing behind.
        let mut share = Share {
            shares: Arc::clone(self),
            key: key.clone(),
            places: Some(Arc::clone(&places)),
            permit: None,
        };
        // Nobody closes it.
        share.permit = places.acquire_owned().await.ok();
        share
    }

    fn places(&self, key: &K) -> Arc<Semaphore> {
        let mut used = self.used.lock();
        let places = used.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.each)));
        Arc::clone(places)
    }

    /// How many keys are in use.
    pub fn keys(&self) -> usize {
        self.used.lock().len()
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut used = self.shares.used.lock();
        self.permit = None;
        self.places = None;
        // All others who hold or wait for one of its places have a reference of their own.
        if used.get(&self.key).is_some_and(|places| Arc::strong_count(places) == 1) {
            used.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn one_key_waits_for_itself_and_for_nobody_else() {
        let shares = Shares::new(2);
        let first = shares.take(&"ann").await;
        let _second = shares.take(&"ann").await;
        assert!(shares.take(&"ann").now_or_never().is_none(), "ann has two");
        assert!(shares.take(&"bob").now_or_never().is_some());
        drop(first);
        assert!(shares.take(&"ann").now_or_never().is_some());
    }

    #[tokio::test]
    async fn keys_that_nobody_uses_are_forgotten_also_by_those_who_gave_up() {
        let shares = Shares::new(1);
        let held = shares.take(&"ann").await;
        let mut waiting = Box::pin(shares.take(&"ann"));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(held);
        drop(waiting);
        assert_eq!(shares.keys(), 0);
    }
}
