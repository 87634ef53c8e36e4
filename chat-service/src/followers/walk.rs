//! The loop of a follower: take it, read what follows its position, do its work and move it, until another process has it
//! or this one stops.

use std::sync::Arc;
use std::time::Duration;

use platform::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::time::Instant;

use super::FollowerParts;
use super::shared::SharedTail;
use crate::store::tail::{Counted, Move, Position, TailRow};

/// What is done with entries after their commit.
pub trait Follower: Send + Sync + 'static {
    /// Names its cursor. Never changes.
    fn name(&self) -> &'static str;

    /// What is written in the transaction that moves the cursor past these entries.
    fn counted(&self, rows: &[TailRow]) -> Vec<Counted>;
}

/// Least time between two moves of a follower that is at the end of the tail: they are writes, too.
const LEAST_BETWEEN_MOVES: Duration = Duration::from_millis(200);

/// How often it is asked whether the tail can be read.
const NOT_READY: Duration = Duration::from_secs(1);

/// One follower in this process.
pub struct Walk {
    parts: FollowerParts,
    follower: Arc<dyn Follower>,
    tail: Arc<SharedTail>,
    woken: watch::Receiver<()>,
}

/// Why a stretch of the walk ended.
enum End {
    /// Another process has the follower, or it was moved by somebody else.
    Lost,
    /// The store does not answer, or a move may have been written or not: where the follower stands is to be asked.
    Unknown,
    Stopping,
}

impl Walk {
    /// A follower that reads through `tail` and looks again whenever `woken` changes.
    pub fn new(
        parts: FollowerParts,
        follower: Arc<dyn Follower>,
        tail: Arc<SharedTail>,
        woken: watch::Receiver<()>,
    ) -> Self {
        Self { parts, follower, tail, woken }
    }

    /// Follows until stopping has begun; gives the follower up then.
    pub async fn run(mut self, shutdown: Shutdown) {
        let lease = self.lease();
        if !self.is_ready(&shutdown).await {
            return;
        }
        loop {
            // Not inside a select: a database future is never cancelled half-way.
            let owned =
                self.parts.store.follow(self.follower.name(), &self.parts.owner, lease).await;
            let pause = match owned {
                Ok(Some(followed)) => {
                    if followed.is_new_epoch {
                        let (name, position) = (self.follower.name(), followed.position.0);
                        tracing::warn!(
                            name,
                            position,
                            "the store has a new epoch; the follower goes on where its cursor is"
                        );
                    }
                    match self.stretch(followed.position, &shutdown).await {
                        End::Stopping => break,
                        End::Lost => lease / 3,
                        End::Unknown => Duration::from_millis(self.parts.config.poll_ms),
                    }
                }
                Ok(None) => lease / 3,
                Err(error) => {
                    tracing::debug!(%error, name = self.follower.name(), "the follower waits for the store");
                    lease / 3
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.begun() => break,
            }
        }
        let released = self.parts.store.release(self.follower.name(), &self.parts.owner).await;
        if let Err(error) = released {
            tracing::debug!(%error, name = self.follower.name(), "another process waits for the lease to end");
        }
    }

    /// Waits until the tail can be read; `false` when stopping began first.
    async fn is_ready(&self, shutdown: &Shutdown) -> bool {
        while !matches!(self.parts.store.is_ready().await, Ok(true)) {
            tokio::select! {
                () = tokio::time::sleep(NOT_READY) => {}
                () = shutdown.begun() => return false,
            }
        }
        true
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(self.parts.config.lease_ms.max(1))
    }

    /// Follows while this process has the follower.
    async fn stretch(&mut self, mut position: Position, shutdown: &Shutdown) -> End {
        let (name, lease) = (self.follower.name(), self.lease());
        let mut renewed = Instant::now();
        loop {
            if renewed.elapsed() > lease / 3 {
                match self.parts.store.follow(name, &self.parts.owner, lease).await {
                    Ok(Some(followed)) if followed.position == position => renewed = Instant::now(),
                    Ok(_) => return End::Lost,
                    Err(_) => return End::Unknown,
                }
            }
            self.woken.mark_unchanged();
            let Ok(page) = self.tail.page(position).await else { return End::Unknown };
            if !page.rows.is_empty() {
                let step = Move {
                    name,
                    owner: &self.parts.owner,
                    from: position,
                    to: page.next,
                    counted: &self.follower.counted(&page.rows),
                };
                match self.parts.store.move_follower(&step).await {
                    Ok(true) => position = page.next,
                    Ok(false) => return End::Lost,
                    Err(_) => return End::Unknown,
                }
                self.parts.metrics.moved(name, &page, now_ms());
                if page.rows.len() >= self.parts.config.page_entries as usize {
                    // More is there.
                    if shutdown.is_begun() {
                        return End::Stopping;
                    }
                    continue;
                }
                tokio::select! {
                    () = tokio::time::sleep(LEAST_BETWEEN_MOVES) => {}
                    () = shutdown.begun() => return End::Stopping,
                }
            }
            let poll = Duration::from_millis(self.parts.config.poll_ms);
            tokio::select! {
                _ = self.woken.changed() => {}
                () = tokio::time::sleep(poll) => {}
                () = shutdown.begun() => return End::Stopping,
            }
        }
    }
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
