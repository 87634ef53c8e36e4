//! Who hears what is published.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Subscribers, in the order they came. Publishing takes no copy of the list while nobody comes or
/// goes.
#[derive(Debug)]
pub struct Members<T>(Mutex<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    next: u64,
    members: BTreeMap<u64, Arc<T>>,
    list: Option<Arc<[Arc<T>]>>,
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self(Mutex::new(Inner { next: 0, members: BTreeMap::new(), list: None }))
    }
}

impl<T> Members<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Nothing here panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more; its number.
    pub fn join(&self, member: T) -> u64 {
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        inner.members.insert(number, Arc::new(member));
        inner.list = None;
        number
    }

    /// One less.
    pub fn leave(&self, number: u64) {
        let mut inner = self.lock();
        inner.members.remove(&number);
        inner.list = None;
    }

    /// All of them.
    pub fn all(&self) -> Arc<[Arc<T>]> {
        let mut inner = self.lock();
        if let Some(list) = &inner.list {
            return Arc::clone(list);
        }
        let list: Arc<[Arc<T>]> = inner.members.values().cloned().collect();
        inner.list = Some(Arc::clone(&list));
        list
    }
}
