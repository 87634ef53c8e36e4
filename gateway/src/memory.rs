//! Budgets of bytes: what may be held for one purpose by everybody together, and by one user of it. Whoever
//! holds a part gives it back by dropping it. Knows nothing of what the bytes are.

pub(crate) mod config;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use proto::id::UserId;
use tokio::sync::Notify;

/// One purpose's bytes. Copies share them.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    user_most: usize,
    state: Mutex<State>,
    /// Shows how many bytes are held.
    shown: Gauge,
    /// Told when bytes were given back.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    held: usize,
    /// Of users who hold something; nobody else is here.
    by_user: HashMap<UserId, usize>,
}

/// There is no room for so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Bytes that are held, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    user_id: Option<UserId>,
    bytes: usize,
}

impl Budget {
    /// So many bytes together, and so many of one user.
    pub(crate) fn new(most: usize, user_most: usize, shown: Gauge) -> Self {
        let (state, freed) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner { most, user_most, state, shown, freed }))
    }

    /// A part of nothing, which can grow.
    pub(crate) fn empty(&self, user_id: Option<&UserId>) -> Share {
        Share { budget: self.clone(), user_id: user_id.cloned(), bytes: 0 }
    }

    fn add(&self, user_id: Option<&UserId>, bytes: usize) -> Result<(), Full> {
        let Inner { most, user_most, .. } = *self.0;
        let mut state = self.0.state.lock();
        // The first may be larger than the whole: a bound that is too small refuses nothing for ever.
        if state.held > 0 && state.held.saturating_add(bytes) > most {
            return Err(Full);
        }
        if let Some(user_id) = user_id {
            let of_user = state.by_user.get(user_id).copied().unwrap_or_default();
            if of_user > 0 && of_user.saturating_add(bytes) > user_most {
                return Err(Full);
            }
            state.by_user.insert(user_id.clone(), of_user + bytes);
        }
        state.held += bytes;
        self.0.shown.set(state.held as i64);
        Ok(())
    }

    fn give_back(&self, user_id: Option<&UserId>, bytes: usize) {
        let mut state = self.0.state.lock();
        state.held -= bytes;
        self.0.shown.set(state.held as i64);
        if let Some(user_id) = user_id
            && let Some(of_user) = state.by_user.get_mut(user_id)
        {
            *of_user -= bytes;
            if *of_user == 0 {
                state.by_user.remove(user_id);
            }
        }
        drop(state);
        self.0.freed.notify_waiters();
    }
}

impl Share {
    /// Takes so many bytes more, if there is room.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes > 0 {
            self.budget.add(self.user_id.as_ref(), bytes)?;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// The same, and waits for room. Cancel safe.
    pub(crate) async fn grow_within(
        &mut self,
        bytes: usize,
        patience: Duration,
    ) -> Result<(), Full> {
        let budget = self.budget.clone();
        let waiting = async {
            loop {
                let freed = budget.0.freed.notified();
                tokio::pin!(freed);
                // Registered before looking, so that nothing is given back in between.
                freed.as_mut().enable();
                if self.grow(bytes).is_ok() {
                    return;
                }
                freed.await;
            }
        };
        tokio::time::timeout(patience, waiting).await.map_err(|_| Full)
    }

    /// A part of it, to be given back on its own.
    pub(crate) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: self.budget.clone(), user_id: self.user_id.clone(), bytes }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.user_id.as_ref(), self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(most: usize, user_most: usize) -> Budget {
        Budget::new(most, user_most, Gauge::default())
    }

    fn held(budget: &Budget) -> usize {
        budget.0.state.lock().held
    }

    fn holders(budget: &Budget) -> usize {
        budget.0.state.lock().by_user.len()
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[test]
    fn no_more_is_held_than_allowed_together_and_by_one_user() {
        let budget = budget(100, 40);
        let (ann, bob) = (user("ann"), user("bob"));
        let mut anns = budget.empty(Some(&ann));
        assert_eq!(anns.grow(30), Ok(()));
        assert_eq!(anns.grow(11), Err(Full), "beyond her part");
        let mut second = budget.empty(Some(&ann));
        assert_eq!(second.grow(11), Err(Full), "however it is divided");
        assert_eq!(second.grow(10), Ok(()));
        let mut bobs = budget.empty(Some(&bob));
        assert_eq!((bobs.grow(40), held(&budget)), (Ok(()), 80));
        let mut nobodys = budget.empty(None);
        assert_eq!((nobodys.grow(21), nobodys.grow(20)), (Err(Full), Ok(())));
        drop((anns, second));
        assert_eq!((held(&budget), holders(&budget)), (60, 1));
        drop((bobs, nobodys));
        assert_eq!((held(&budget), holders(&budget)), (0, 0));
    }

    #[test]
    fn what_is_larger_than_the_whole_is_let_in_alone() {
        let budget = budget(10, 5);
        let ann = user("ann");
        let mut first = budget.empty(Some(&ann));
        assert_eq!(first.grow(1_000), Ok(()));
        assert_eq!(budget.empty(None).grow(1), Err(Full));
        drop(first);
        assert_eq!(held(&budget), 0);
    }

    #[test]
    fn parts_are_given_back_on_their_own() {
        let budget = budget(100, 100);
        let ann = user("ann");
        let mut whole = budget.empty(Some(&ann));
        whole.grow(50).unwrap();
        let part = whole.split(20);
        drop(whole);
        assert_eq!(held(&budget), 20);
        drop(part);
        assert_eq!(held(&budget), 0);
    }

    #[tokio::test]
    async fn who_waits_is_let_in_when_bytes_are_given_back_or_told_after_a_time() {
        let budget = budget(10, 10);
        let mut first = budget.empty(None);
        first.grow(8).unwrap();
        let mut second = budget.empty(None);
        assert_eq!(second.grow_within(5, Duration::from_millis(20)).await, Err(Full));
        let giving_back = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        let waiting = second.grow_within(5, Duration::from_secs(10));
        let (waited, ()) = tokio::join!(waiting, giving_back);
        assert_eq!((waited, held(&budget)), (Ok(()), 5));
    }
}
