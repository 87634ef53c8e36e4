//! The loop of a follower: take it, read what follows its position, do its work and move it, until another process has it
//! or this one stops.

mod alone;

use std::sync::Arc;
use std::time::Duration;

use platform::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::time::Instant;

use super::FollowerParts;
use super::follower::{Follower, WorkError};
use super::shared::SharedTail;
use crate::clock::now_ms;
use crate::panics::caught;
use crate::store::StoreError;
use crate::store::tail::{Move, Position, Rest, TailPage};

/// Least time between two moves of a follower that is at the end of the tail: they are writes, too.
const LEAST_BETWEEN_MOVES: Duration = Duration::from_millis(200);

/// How often it is asked whether the tail can be read.
const NOT_READY: Duration = Duration::from_secs(1);

/// How often a follower that rests is moved to the horizon.
const BETWEEN_RESTS: Duration = Duration::from_secs(5);

/// How long a follower waits that cannot work now, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

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

/// Where a follower is.
struct Place {
    /// Its cursor in the store.
    moved: Position,
    /// All up to here is done.
    done: Position,
    /// All up to here was given to the follower.
    read: Position,
    renewed: Instant,
    moved_at: Option<Instant>,
    /// When it was last asked what is due.
    asked: Instant,
    /// When it was last moved to the horizon because it has nothing to do.
    rested: Option<Instant>,
    /// How often in a row it could not work.
    failures: u32,
}

impl Place {
    fn at(position: Position) -> Self {
        let now = Instant::now();
        Self {
            moved: position,
            done: position,
            read: position,
            renewed: now,
            moved_at: None,
            asked: now,
            rested: None,
            failures: 0,
        }
    }

    /// What is done never goes back.
    fn done(&mut self, position: Position) {
        self.done = self.done.max(position).min(self.read);
    }

    fn pause(&self) -> Duration {
        let millis = 50_u64 << self.failures.min(6);
        Duration::from_millis(millis).min(LONGEST_PAUSE)
    }
}

/// What to do after a step.
enum Next {
    /// More is there to read.
    ReadOn,
    /// Wait for a nudge, at most so long.
    Wait(Duration),
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
                        // It still owns the follower, so no other process goes on in its place.
                        End::Unknown => self.poll().min(lease / 3),
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

    fn poll(&self) -> Duration {
        Duration::from_millis(self.parts.config.poll_ms)
    }

    /// Follows while this process has the follower.
    async fn stretch(&mut self, position: Position, shutdown: &Shutdown) -> End {
        self.follower.begin(position);
        let end = self.steps(Place::at(position), shutdown).await;
        self.follower.end().await;
        end
    }

    async fn steps(&mut self, mut place: Place, shutdown: &Shutdown) -> End {
        loop {
            let next = match self.step(&mut place).await {
                Ok(next) => next,
                Err(end) => return end,
            };
            if shutdown.is_begun() {
                // What is done need not be done again by the next process.
                return self.move_on(&mut place, true).await.err().unwrap_or(End::Stopping);
            }
            let Next::Wait(longest) = next else { continue };
            if let Err(end) = self.wait(&mut place, longest, shutdown).await {
                return end;
            }
        }
    }

    /// Waits for a nudge, at most so long. The lease is kept meanwhile, however long that is.
    async fn wait(
        &mut self,
        place: &mut Place,
        longest: Duration,
        shutdown: &Shutdown,
    ) -> Result<(), End> {
        let until = Instant::now() + longest;
        let lease = self.lease();
        while !shutdown.is_begun() {
            let renewal = (place.renewed + lease / 2).min(until);
            tokio::select! {
                _ = self.woken.changed() => return Ok(()),
                () = tokio::time::sleep_until(renewal) => {}
                () = shutdown.begun() => {}
            }
            if Instant::now() >= until {
                return Ok(());
            }
            self.renew(place).await?;
        }
        Ok(())
    }

    /// Renews the lease, reads a page, has it worked on, and moves.
    async fn step(&mut self, place: &mut Place) -> Result<Next, End> {
        self.renew(place).await?;
        self.woken.mark_unchanged();
        if self.rests(place).await? {
            return Ok(Next::Wait(self.poll()));
        }
        self.ask_what_is_due(place).await;
        if let Some(pause) = self.follower.pause() {
            self.move_on(place, false).await?;
            return Ok(Next::Wait(pause.min(self.until_next(place))));
        }
        let page = self.tail.page(place.read).await.map_err(|_| End::Unknown)?;
        if page.rows.is_empty() {
            self.move_on(place, false).await?;
            return Ok(Next::Wait(self.until_next(place)));
        }
        match self.worked(&page).await {
            Ok(done) => {
                place.failures = 0;
                place.read = page.next;
                place.done(done);
            }
            Err(WorkError::Unavailable(reason)) => {
                let name = self.follower.name();
                tracing::debug!(reason, name, "the follower cannot work now");
                place.failures += 1;
                self.move_on(place, false).await?;
                return Ok(Next::Wait(place.pause()));
            }
            Err(WorkError::Failed(reason)) => {
                let name = self.follower.name();
                tracing::warn!(reason, name, "the follower failed; entries are tried one by one");
                self.one_by_one(place, &page).await?;
            }
        }
        self.parts.metrics.moved(self.follower.kind(), &page, now_ms());
        let is_more = page.rows.len() >= self.parts.config.page_entries as usize;
        self.move_on(place, is_more).await?;
        Ok(if is_more { Next::ReadOn } else { Next::Wait(self.until_next(place)) })
    }

    async fn renew(&self, place: &mut Place) -> Result<(), End> {
        let lease = self.lease();
        if place.renewed.elapsed() <= lease / 3 {
            return Ok(());
        }
        match self.parts.store.follow(self.follower.name(), &self.parts.owner, lease).await {
            Ok(Some(followed)) if followed.position == place.moved => {
                place.renewed = Instant::now();
                Ok(())
            }
            Ok(_) => Err(End::Lost),
            Err(_) => Err(End::Unknown),
        }
    }

    /// Whether there is nothing to do for it; then its cursor is moved to the horizon without reading.
    async fn rests(&self, place: &mut Place) -> Result<bool, End> {
        let Some(need) = self.follower.need() else { return Ok(false) };
        if place.read != place.moved {
            return Ok(false);
        }
        if place.rested.is_some_and(|rested| rested.elapsed() < BETWEEN_RESTS) {
            let is_needed = self.parts.store.is_needed(&need).await;
            if !is_needed.map_err(|_| End::Unknown)? {
                return Ok(true);
            }
        }
        let (name, owner) = (self.follower.name(), &self.parts.owner);
        match self.parts.store.rest(name, owner, place.moved, &need).await {
            Ok(Rest::Needed) => {
                place.rested = None;
                Ok(false)
            }
            Ok(Rest::Resting(position)) => {
                (place.moved, place.done, place.read) = (position, position, position);
                place.rested = Some(Instant::now());
                Ok(true)
            }
            Ok(Rest::Lost) => Err(End::Lost),
            Err(_) => Err(End::Unknown),
        }
    }

    async fn ask_what_is_due(&self, place: &mut Place) {
        if place.asked.elapsed() < self.poll() {
            return;
        }
        place.asked = Instant::now();
        let name = self.follower.name();
        match caught(self.follower.due()).await {
            Ok(Ok(Some(done))) => place.done(done),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::debug!(%error, name, "what was due is tried again"),
            Err(panicked) => tracing::error!(panicked, name, "the follower panicked"),
        }
    }

    /// A panic is a failure like another.
    async fn worked(&self, page: &TailPage) -> Result<Position, WorkError> {
        caught(self.follower.work(page)).await.unwrap_or_else(|text| Err(WorkError::Failed(text)))
    }

    /// Writes how far everything is done: at once, or not before the last move is some time ago.
    async fn move_on(&self, place: &mut Place, now: bool) -> Result<(), End> {
        if place.done <= place.moved {
            return Ok(());
        }
        let is_recent = place.moved_at.is_some_and(|at| at.elapsed() < LEAST_BETWEEN_MOVES);
        if is_recent && !now {
            return Ok(());
        }
        let step = Move {
            name: self.follower.name(),
            owner: &self.parts.owner,
            from: place.moved,
            to: place.done,
            counted: &self.follower.counted(),
        };
        match self.parts.store.move_follower(&step).await {
            Ok(true) => {
                (place.moved, place.moved_at) = (place.done, Some(Instant::now()));
                Ok(())
            }
            Ok(false) => Err(End::Lost),
            Err(StoreError { .. }) => Err(End::Unknown),
        }
    }

    /// How long to wait where nothing wakes it: for the next look, or for the next move.
    fn until_next(&self, place: &Place) -> Duration {
        if place.done <= place.moved {
            return self.poll();
        }
        let since = place.moved_at.map_or(LEAST_BETWEEN_MOVES, |at| at.elapsed());
        self.poll().min(LEAST_BETWEEN_MOVES.saturating_sub(since))
    }
}
