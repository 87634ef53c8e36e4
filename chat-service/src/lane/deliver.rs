//! The deliver step: who is where now, and one batch of pushes for each gateway.
//!
//! Presence may be slow or away: answers need no look-up and wait for none, and entries without an
//! address are owed (see `owed`).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::{Duration, Instant};

use bus::PublishError;
use futures_util::FutureExt;
use proto::bus::{GatewayRef, PushBatch};
use proto::id::UserId;
use tokio::sync::mpsc;

use super::address::{Addressed, Addresses, GatewayKey, address, push, split};
use super::append::Appended;
use super::message::{Outgoing, To};
use super::noted::{self, Noted};
use super::owed::LostAnswer;
use super::{Delivery, LaneParts, guarded, retry_backoff};
use crate::directory::{DirectoryError, Located};
use crate::metrics::PushKind;
use crate::planted;

/// How long answers wait for the look-up of the entries beside them, to share a push with them.
const ANSWERS_WAIT: Duration = Duration::from_millis(50);
/// A delivery that takes longer lets the answers behind it go ahead.
const SLOW: Duration = Duration::from_millis(100);
/// What an entry takes besides its frame, about.
const OVERHEAD_BYTES: usize = 256;

/// The deliver half of a lane.
pub struct Deliverer {
    parts: LaneParts,
}

/// Why not everything reached a gateway.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    /// It has no such queue any more.
    Gone,
    /// It did not take it, again and again.
    GivenUp,
}

impl Deliverer {
    /// Delivers with these parts.
    pub fn new(parts: LaneParts) -> Self {
        Self { parts }
    }

    /// Delivers batches in order until there are no more, and acknowledges each. While one waits for
    /// presence, the answers of those behind it go ahead.
    pub(super) async fn run(self, mut batches: mpsc::Receiver<Delivery>) {
        let mut answered: VecDeque<Delivery> = VecDeque::new();
        loop {
            let (is_answered, next) = match answered.pop_front() {
                Some(next) => (true, Some(next)),
                None => (false, batches.recv().await),
            };
            let Some(Delivery { appended, acks, marks, delivered }) = next else { return };
            let mut step = pin!(self.guarded(&appended, is_answered));
            if tokio::time::timeout(SLOW, &mut step).await.is_err() {
                loop {
                    let is_room =
                        answered.iter().map(|behind| bytes(&behind.appended)).sum::<usize>()
                            < self.parts.config.answered_bytes;
                    tokio::select! {
                        biased;
                        () = &mut step => break,
                        Some(behind) = batches.recv(), if is_room => {
                            self.answer(&behind.appended.outgoing).await;
                            answered.push_back(behind);
                        }
                    }
                }
            }
            acks.send().await;
            self.parts.suspects.clear(&marks).await;
            if let Some(delivered) = delivered {
                // Nobody waits any more when the process stops.
                let _ = delivered.send(());
            }
        }
    }

    /// One batch; after a panic, one frame after the other. What cannot be told is in the log all the
    /// same, and found by the next sync.
    async fn guarded(&self, appended: &Appended, is_answered: bool) {
        if AssertUnwindSafe(self.step(appended, is_answered)).catch_unwind().await.is_ok() {
            return;
        }
        for outgoing in &appended.outgoing {
            let one = Appended { outgoing: vec![outgoing.clone()], ..Appended::default() };
            let step = self.step(&one, is_answered);
            if let Err(panic) = AssertUnwindSafe(step).catch_unwind().await {
                let (panic, entry) = (guarded::said(panic.as_ref()), outgoing.entry);
                tracing::error!(panic, ?entry, "a push is given up: it panics");
            }
        }
    }

    async fn answer(&self, outgoing: &[Outgoing]) {
        self.publish_all(outgoing, &Addresses::default(), To::is_answer).await;
    }

    /// Delivers one batch. Returns when every gateway has confirmed, is gone, or was given up: what a
    /// device missed it gets by sync.
    async fn step(&self, appended: &Appended, is_answered: bool) {
        let outgoing = &appended.outgoing;
        let stale_after = Duration::from_millis(self.parts.config.stale_ms);
        if appended.committed_at.is_some_and(|at| at.elapsed() > stale_after) {
            // This process stood still, and another one may have pushed later entries meanwhile. Heads
            // are told instead: a device never hears an earlier entry after a later one.
            self.answer(outgoing).await;
            noted::owed(&self.parts.journal, outgoing);
            let members = outgoing.iter().flat_map(|outgoing| outgoing.to.members());
            return self.owe(members.cloned().collect::<BTreeSet<_>>(), []);
        }
        if is_answered {
            if let Some(located) = self.locate(appended).await {
                self.publish_all(outgoing, &located, |to| !to.is_answer()).await;
            }
            return;
        }
        let mut look_up = Box::pin(self.locate(appended));
        if let Ok(located) = tokio::time::timeout(ANSWERS_WAIT, &mut look_up).await {
            match located {
                Some(located) => self.publish_all(outgoing, &located, |_| true).await,
                None => self.answer(outgoing).await,
            }
            return;
        }
        self.answer(outgoing).await;
        if let Some(located) = look_up.await {
            self.publish_all(outgoing, &located, |to| !to.is_answer()).await;
        }
    }

    /// One look-up for all members who are to hear something. After the commit, never before. Without
    /// an answer they are owed, and nobody waits for the next one.
    async fn locate(&self, appended: &Appended) -> Option<Addresses> {
        if planted::LOCATE_BEFORE_COMMIT {
            let located = appended.located_early.clone()?;
            return Some(Addresses { located, ..Addresses::default() });
        }
        let outgoing = &appended.outgoing;
        let (mut users, mut is_large) = (BTreeSet::new(), false);
        let mut traceparent = "";
        for outgoing in outgoing {
            users.extend(outgoing.to.members());
            is_large |= matches!(outgoing.to, To::Channel { .. });
            if traceparent.is_empty() && !outgoing.to.is_answer() {
                traceparent = &outgoing.traceparent;
            }
        }
        if users.is_empty() && !is_large {
            return Some(Addresses::default());
        }
        let users: Vec<UserId> = users.into_iter().cloned().collect();
        if !self.parts.owed.is_directory_up() {
            noted::owed(&self.parts.journal, outgoing);
            self.owe(users.into_iter().chain(self.large_members(outgoing)), []);
            return None;
        }
        let started = Instant::now();
        let found = self.ask(&users, is_large, traceparent).await;
        self.parts.metrics.locate_seconds.observe(started.elapsed().as_secs_f64());
        match found {
            Ok(addresses) => Some(addresses),
            Err(error) => {
                self.parts.metrics.locate_failures.inc();
                tracing::warn!(%error, users = users.len(), "entries wait until presence is back");
                self.parts.owed.directory_is_away();
                noted::owed(&self.parts.journal, outgoing);
                self.owe(users.into_iter().chain(self.large_members(outgoing)), []);
                None
            }
        }
    }

    async fn ask(
        &self,
        users: &[UserId],
        is_large: bool,
        traceparent: &str,
    ) -> Result<Addresses, DirectoryError> {
        let directory = &self.parts.directory;
        let located = async {
            if users.is_empty() {
                return Ok(Located::default());
            }
            directory.locate(users, traceparent).await
        };
        let gateways =
            async { if is_large { directory.gateways(traceparent).await } else { Ok(Vec::new()) } };
        let (located, gateways) = futures_util::future::try_join(located, gateways).await?;
        Ok(Addresses { located, gateways })
    }

    /// The members of the large conversations, as many as could be owed something.
    fn large_members<'a>(
        &self,
        outgoing: &'a [Outgoing],
    ) -> impl Iterator<Item = UserId> + use<'a> {
        let members = outgoing.iter().filter_map(|outgoing| match &outgoing.to {
            To::Channel { audience, .. } => Some(audience.members.keys().cloned()),
            _ => None,
        });
        members.flatten().take(self.parts.config.owed_users)
    }

    async fn publish_all(
        &self,
        outgoing: &[Outgoing],
        addresses: &Addresses,
        is_wanted: impl Fn(&To) -> bool,
    ) {
        let mut pushes: HashMap<GatewayKey, Vec<Addressed>> = HashMap::new();
        let mut noted = Noted::begin(&self.parts.journal);
        for outgoing in outgoing.iter().filter(|outgoing| is_wanted(&outgoing.to)) {
            if !address(outgoing, addresses, &mut pushes) {
                noted.nowhere(outgoing);
            }
        }
        for (gateway, pushes) in &pushes {
            noted.pushes(gateway, pushes);
        }
        let publishes = pushes.into_iter().map(|(gateway, pushes)| self.publish(gateway, pushes));
        let missed: HashMap<GatewayKey, Missed> =
            futures_util::future::join_all(publishes).await.into_iter().flatten().collect();
        noted.end(&missed);
        if !missed.is_empty() {
            let wanted = outgoing.iter().filter(|out| is_wanted(&out.to));
            self.owe_missed(wanted, &addresses.located, &missed);
        }
    }

    /// The gateway when not everything reached it.
    async fn publish(
        &self,
        (id, epoch): GatewayKey,
        pushes: Vec<Addressed>,
    ) -> Option<(GatewayKey, Missed)> {
        let gateway = GatewayRef { id, epoch };
        let pushes = pushes.into_iter().map(|addressed| addressed.push);
        for batch in split(pushes, self.parts.config.push_batch_bytes) {
            if let Err(missed) = self.publish_batch(&gateway, batch).await {
                // The rest would only overtake what is missing.
                return Some(((gateway.id, gateway.epoch), missed));
            }
        }
        None
    }

    /// Fails when nothing more can reach this incarnation.
    async fn publish_batch(&self, gateway: &GatewayRef, batch: PushBatch) -> Result<(), Missed> {
        let metrics = &self.parts.metrics;
        let mut backoff = retry_backoff();
        for _ in 0..self.parts.config.push_attempts.max(1) {
            match self.parts.bus.publish_pushes(gateway, batch.clone()).await {
                Ok(()) => {
                    metrics.push(PushKind::Confirmed);
                    return Ok(());
                }
                Err(PublishError::Unroutable) => {
                    metrics.push(PushKind::GatewayGone);
                    return Err(Missed::Gone);
                }
                Err(error) => tracing::debug!(%error, gateway.id, "a push is tried again"),
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
        metrics.push(PushKind::GivenUp);
        tracing::warn!(
            gateway.id,
            pushes = batch.pushes.len(),
            "pushes given up; their devices get them by sync"
        );
        Err(Missed::GivenUp)
    }

    /// Everybody at these gateways may have missed something.
    fn owe_missed<'a>(
        &self,
        outgoing: impl Iterator<Item = &'a Outgoing>,
        located: &Located,
        missed: &HashMap<GatewayKey, Missed>,
    ) {
        let (mut users, mut answers) = (BTreeSet::new(), Vec::new());
        let is_missed =
            |gateway: &GatewayRef| missed.contains_key(&(gateway.id.clone(), gateway.epoch));
        // Of a large conversation nobody knows who is at a gateway but itself. One that is gone tells all
        // of its devices how far they are when it comes back, or they sync elsewhere.
        let is_given_up = missed.values().any(|missed| *missed == Missed::GivenUp);
        for outgoing in outgoing {
            if let To::Channel { audience, .. } = &outgoing.to {
                if is_given_up {
                    users.extend(audience.members.keys().take(self.parts.config.owed_users));
                }
                continue;
            }
            if let To::Connection { gateway, connection, user_id } = &outgoing.to {
                if let (true, Ok(user_id)) = (is_missed(gateway), UserId::parse_qualified(user_id))
                {
                    let push = push(outgoing, vec![*connection]);
                    answers.push(LostAnswer { user_id, connection: *connection, push });
                }
                continue;
            }
            users.extend(outgoing.to.members().filter(|user| {
                let devices = located.devices.get(*user).into_iter().flatten();
                devices.into_iter().any(|device| is_missed(&located.gateways[device.gateway]))
            }));
        }
        self.owe(users.into_iter().cloned(), answers);
    }

    fn owe(
        &self,
        users: impl IntoIterator<Item = UserId>,
        answers: impl IntoIterator<Item = LostAnswer>,
    ) {
        let dropped = self.parts.owed.add(users, answers);
        self.parts.metrics.owed_dropped.inc_by(dropped as u64);
    }
}

/// What a batch takes while it waits, about.
fn bytes(appended: &Appended) -> usize {
    appended.outgoing.iter().map(|outgoing| outgoing.frame.len() + OVERHEAD_BYTES).sum()
}
