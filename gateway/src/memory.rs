//! Budgets of bytes: how much may be held for one purpose by all users together, and by one user of it. Dropping
//! a `Share` gives its bytes back; tasks that wait for bytes get them in the order in which they asked. Knows
//! nothing of what the bytes are.

pub(crate) mod config;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::metrics::GatewayMetrics;
use config::MemoryConfig;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use proto::id::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One purpose's bytes. Copies share them.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: u32,
    user_most: u32,
    all: Arc<Semaphore>,
    /// Of users who hold something or wait for it; nobody else is here.
    by_user: Mutex<HashMap<UserId, Arc<Semaphore>>>,
    /// Shows how many bytes are held.
    shown: Gauge,
}

/// The budgets of a gateway. Copies share them.
#[derive(Debug, Clone)]
pub(crate) struct Budgets {
    pub(crate) bodies: Budget,
    pub(crate) messages: Budget,
    pub(crate) requests: Budget,
    pub(crate) channels: Budget,
    pub(crate) answers: Budget,
}

impl Budgets {
    pub(crate) fn new(memory: &MemoryConfig, metrics: &GatewayMetrics) -> Self {
        let budget =
            |purpose, most, user_most| Budget::new(most, user_most, metrics.held(purpose, most));
        let m = memory;
        Self {
            bodies: budget("bodies", m.body_bytes, m.body_user_bytes),
            messages: budget("messages", m.message_bytes, m.message_user_bytes),
            requests: budget("requests", m.request_bytes, m.request_user_bytes),
            channels: budget("channels", m.channel_bytes, m.channel_bytes),
            answers: budget("answers", m.answer_bytes, m.answer_user_bytes),
        }
    }
}

/// There is no room for so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Bytes that are held, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    user: Option<UserPart>,
    bytes: usize,
}

/// The part of one user.
#[derive(Debug)]
struct UserPart {
    user_id: UserId,
    /// None before there is anything of it.
    part: Option<Arc<Semaphore>>,
}

impl Budget {
    /// So many bytes together, and so many of one user.
    pub(crate) fn new(most: usize, user_most: usize, shown: Gauge) -> Self {
        let bounded = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        let (most, user_most) = (bounded(most), bounded(user_most));
        let all = Arc::new(Semaphore::new(most as usize));
        Self(Arc::new(Inner { most, user_most, all, by_user: Mutex::default(), shown }))
    }

    /// A part of nothing, which can grow.
    pub(crate) fn empty(&self, user_id: Option<&UserId>) -> Share {
        let user = user_id.map(|user_id| UserPart { user_id: user_id.clone(), part: None });
        Share { budget: self.clone(), user, bytes: 0 }
    }
}

/// What a share of so many bytes takes of a whole: one that is larger takes all of it, so that a bound that is
/// too small refuses nothing for ever.
fn taken(bytes: usize, most: u32) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).min(most)
}

impl Share {
    /// How many bytes it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What has to be taken to hold so many bytes more: of the whole and of the user's part.
    fn needed(&self, bytes: usize) -> (u32, u32) {
        let of = |most| taken(self.bytes.saturating_add(bytes), most) - taken(self.bytes, most);
        (of(self.budget.0.most), of(self.budget.0.user_most))
    }

    /// The user's part, when there is a user.
    fn part(&mut self) -> Option<Arc<Semaphore>> {
        let Inner { by_user, user_most, .. } = &*self.budget.0;
        let user = self.user.as_mut()?;
        let part = user.part.get_or_insert_with(|| {
            let mut by_user = by_user.lock();
            let part = by_user
                .entry(user.user_id.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(*user_most as usize)));
            Arc::clone(part)
        });
        Some(Arc::clone(part))
    }

    fn took(&mut self, bytes: usize, permits: [Option<OwnedSemaphorePermit>; 2]) {
        permits.into_iter().flatten().for_each(OwnedSemaphorePermit::forget);
        self.bytes += bytes;
        self.budget.0.shown.inc_by(bytes as i64);
    }

    /// Takes so many bytes more, if there is room.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes == 0 {
            return Ok(());
        }
        let (of_all, of_user) = self.needed(bytes);
        let part = self.part().map(|part| part.try_acquire_many_owned(of_user));
        let part = part.transpose().map_err(|_| Full)?;
        let all = Arc::clone(&self.budget.0.all).try_acquire_many_owned(of_all);
        self.took(bytes, [Some(all.map_err(|_| Full)?), part]);
        Ok(())
    }

    /// The same, and waits for room. Cancel safe.
    pub(crate) async fn grow_within(
        &mut self,
        bytes: usize,
        patience: Duration,
    ) -> Result<(), Full> {
        if self.grow(bytes).is_ok() {
            return Ok(());
        }
        let (of_all, of_user) = self.needed(bytes);
        let (part, all) = (self.part(), Arc::clone(&self.budget.0.all));
        let waiting = async move {
            // The user's part first: a task that waits for it holds no bytes that other users need.
            let part = match part {
                Some(part) => Some(part.acquire_many_owned(of_user).await.ok()?),
                None => None,
            };
            Some([Some(all.acquire_many_owned(of_all).await.ok()?), part])
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(Some(permits)) => {
                self.took(bytes, permits);
                Ok(())
            }
            Ok(None) | Err(_) => Err(Full),
        }
    }

    /// Gives back what is beyond so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if bytes >= self.bytes {
            return;
        }
        let Inner { most, user_most, all, shown, .. } = &*self.budget.0;
        all.add_permits((taken(self.bytes, *most) - taken(bytes, *most)) as usize);
        let part = self.user.as_ref().and_then(|user| user.part.as_ref());
        if let Some(part) = part {
            part.add_permits((taken(self.bytes, *user_most) - taken(bytes, *user_most)) as usize);
        }
        shown.dec_by((self.bytes - bytes) as i64);
        self.bytes = bytes;
    }

    /// A part of it, to be given back on its own.
    pub(crate) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        let mut share = self.budget.empty(self.user.as_ref().map(|user| &user.user_id));
        let whole = self.budget.0.most.min(self.budget.0.user_most) as usize;
        if self.bytes > whole {
            // Its permits are fewer than its bytes and cannot be told apart: the larger one keeps them.
            return share;
        }
        share.part();
        share.bytes = bytes;
        self.bytes -= bytes;
        share
    }

    /// Takes over another one of the same user.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        let bytes = std::mem::take(&mut other.bytes);
        self.part();
        self.bytes += bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink_to(0);
        let Some(UserPart { user_id, part: part @ Some(_) }) = &mut self.user else { return };
        let mut by_user = self.budget.0.by_user.lock();
        *part = None;
        // All others who hold or wait for a part of it have a reference of their own.
        if by_user.get(user_id).is_some_and(|part| Arc::strong_count(part) == 1) {
            by_user.remove(user_id);
        }
    }
}
