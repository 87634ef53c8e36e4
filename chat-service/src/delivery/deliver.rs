//! The deliver step: who is where now, and one batch of pushes for each gateway.
//!
//! Presence may be slow or away: answers need no look-up and wait for none, and the receivers of entries without an
//! address are remembered as [`MissedPushes`](super::missed_pushes::MissedPushes).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proto::common::GatewayRef;
use proto::id::UserId;
use tokio::sync::mpsc;

use super::address::{Addressed, Addresses, GatewayKey, address, push};
use super::locate::{DirectoryError, Located};
use super::missed_pushes::LostAnswer;
use super::outgoing::{Outgoing, OutgoingBatch, To};
use super::parts::DeliveryParts;
use super::publish::{Undelivered, publish};
use super::push_records::{self, PushRecords};
use super::sent;
use crate::{panics, planted};

/// How long answers wait for the look-up of the entries beside them, to share a push with them.
const ANSWERS_WAIT: Duration = Duration::from_millis(50);
/// A delivery that takes longer lets the answers behind it go ahead.
const SLOW: Duration = Duration::from_millis(100);
/// What a push takes besides its frame, about.
const OVERHEAD_BYTES: usize = 256;

/// A batch that is appended, and what is to be done once it is delivered. Dropped before, it is not done: the frames
/// of the batch are not acknowledged then, and come again.
#[derive(Default)]
pub(crate) struct Delivery {
    pub(crate) batch: OutgoingBatch,
    pub(crate) done: Option<BoxFuture<'static, ()>>,
}

/// The deliver half of a partition worker.
pub(crate) struct Deliverer {
    parts: DeliveryParts,
}

impl Deliverer {
    pub(crate) fn new(parts: DeliveryParts) -> Self {
        Self { parts }
    }

    /// Delivers batches in order until there are no more, and finishes each. While one waits for
    /// presence, the answers of those behind it go ahead.
    pub(crate) async fn run(self, mut batches: mpsc::Receiver<Delivery>) {
        let mut answered: VecDeque<Delivery> = VecDeque::new();
        loop {
            let (is_answered, next) = match answered.pop_front() {
                Some(next) => (true, Some(next)),
                None => (false, batches.recv().await),
            };
            let Some(Delivery { batch, done }) = next else { return };
            let mut step = pin!(self.guarded(&batch, is_answered));
            if tokio::time::timeout(SLOW, &mut step).await.is_err() {
                loop {
                    let is_room = answered.iter().map(|behind| bytes(&behind.batch)).sum::<usize>()
                        < self.parts.config.answered_bytes;
                    tokio::select! {
                        biased;
                        () = &mut step => break,
                        Some(behind) = batches.recv(), if is_room => {
                            self.answer(&behind.batch.outgoing).await;
                            answered.push_back(behind);
                        }
                    }
                }
            }
            if let Some(done) = done {
                done.await;
            }
        }
    }

    /// One batch; after a panic, one frame after the other. What cannot be told is in the log all the
    /// same, and found by the next sync.
    async fn guarded(&self, batch: &OutgoingBatch, is_answered: bool) {
        if AssertUnwindSafe(self.step(batch, is_answered)).catch_unwind().await.is_ok() {
            return;
        }
        for outgoing in &batch.outgoing {
            let one =
                OutgoingBatch { outgoing: vec![outgoing.clone()], ..OutgoingBatch::default() };
            let step = self.step(&one, is_answered);
            if let Err(panic) = AssertUnwindSafe(step).catch_unwind().await {
                let (panic, entry) = (panics::message(panic.as_ref()), outgoing.entry);
                tracing::error!(panic, ?entry, "a push is given up: it panics");
            }
        }
    }

    async fn answer(&self, outgoing: &[Outgoing]) {
        self.publish_all(outgoing, &Addresses::default(), To::is_answer).await;
    }

    /// Delivers one batch. Returns when every gateway has confirmed, is gone, or was given up: what a
    /// device missed it gets by sync.
    async fn step(&self, batch: &OutgoingBatch, is_answered: bool) {
        let outgoing = &batch.outgoing;
        let stale_after = Duration::from_millis(self.parts.config.stale_ms);
        if batch.committed_at.is_some_and(|at| at.elapsed() > stale_after) {
            // This process stood still, and another one may have pushed later entries meanwhile. Heads
            // are told instead: a device never hears an earlier entry after a later one.
            self.answer(outgoing).await;
            push_records::not_pushed(&self.parts.push_log, outgoing);
            let members = outgoing.iter().flat_map(|outgoing| outgoing.to.members());
            return self.remember(members.cloned().collect::<BTreeSet<_>>(), []);
        }
        if is_answered {
            if let Some(located) = self.locate(batch).await {
                self.publish_all(outgoing, &located, |to| !to.is_answer()).await;
            }
            return;
        }
        let mut look_up = Box::pin(self.locate(batch));
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
    /// an answer they have missed a push, and nobody waits for the next one.
    async fn locate(&self, batch: &OutgoingBatch) -> Option<Addresses> {
        if planted::LOCATE_BEFORE_COMMIT {
            let located = batch.located_early.clone()?;
            return Some(Addresses { located, ..Addresses::default() });
        }
        let outgoing = &batch.outgoing;
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
        if !self.parts.missed.is_directory_up() {
            push_records::not_pushed(&self.parts.push_log, outgoing);
            self.remember(users.into_iter().chain(self.large_members(outgoing)), []);
            return None;
        }
        let started = Instant::now();
        let found = self.ask(&users, is_large, traceparent).await;
        self.parts.metrics.locate_seconds.observe(started.elapsed().as_secs_f64());
        match found {
            Ok(addresses) => Some(addresses),
            Err(error) => {
                self.parts.metrics.locate_failures.inc();
                tracing::warn!(%error, users = users.len(), "these entries are pushed to nobody; their users are told to sync when presence answers");
                self.parts.missed.directory_is_away();
                push_records::not_pushed(&self.parts.push_log, outgoing);
                self.remember(users.into_iter().chain(self.large_members(outgoing)), []);
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

    /// The members of the large conversations, as many as can be remembered.
    fn large_members<'a>(
        &self,
        outgoing: &'a [Outgoing],
    ) -> impl Iterator<Item = UserId> + use<'a> {
        let members = outgoing.iter().filter_map(|outgoing| match &outgoing.to {
            To::Channel { audience, .. } => Some(audience.members.keys().cloned()),
            _ => None,
        });
        members.flatten().take(self.parts.config.missed_push_users)
    }

    async fn publish_all(
        &self,
        outgoing: &[Outgoing],
        addresses: &Addresses,
        is_wanted: impl Fn(&To) -> bool,
    ) {
        let mut pushes: HashMap<GatewayKey, Vec<Addressed>> = HashMap::new();
        let mut records = PushRecords::begin(&self.parts.push_log);
        for outgoing in outgoing.iter().filter(|outgoing| is_wanted(&outgoing.to)) {
            if !address(outgoing, addresses, &mut pushes) {
                records.nowhere(outgoing);
            }
        }
        for (gateway, pushes) in &pushes {
            records.pushes(gateway, pushes);
        }
        let publishes =
            pushes.into_iter().map(|(gateway, pushes)| publish(&self.parts, gateway, pushes));
        let missed: HashMap<GatewayKey, Undelivered> =
            futures_util::future::join_all(publishes).await.into_iter().flatten().collect();
        records.end(&missed);
        let wanted = outgoing.iter().filter(|out| is_wanted(&out.to));
        sent::tell(&self.parts.moments, wanted, &addresses.located);
        if !missed.is_empty() {
            let wanted = outgoing.iter().filter(|out| is_wanted(&out.to));
            self.remember_missed(wanted, &addresses.located, &missed);
        }
    }

    /// Everybody at these gateways may have missed something.
    fn remember_missed<'a>(
        &self,
        outgoing: impl Iterator<Item = &'a Outgoing>,
        located: &Located,
        missed: &HashMap<GatewayKey, Undelivered>,
    ) {
        let (mut users, mut answers) = (BTreeSet::new(), Vec::new());
        let is_missed =
            |gateway: &GatewayRef| missed.contains_key(&(gateway.id.clone(), gateway.epoch));
        // Of a large conversation nobody knows who is at a gateway but itself. One that is gone tells all
        // of its devices how far they are when it comes back, or they sync elsewhere.
        let is_given_up = missed.values().any(|missed| *missed == Undelivered::GivenUp);
        for outgoing in outgoing {
            if let To::Channel { audience, .. } = &outgoing.to {
                if is_given_up {
                    users.extend(audience.members.keys().take(self.parts.config.missed_push_users));
                }
                continue;
            }
            if let To::Connection { gateway, connection, user_id } = &outgoing.to {
                if let (true, Ok(user_id)) = (is_missed(gateway), UserId::parse_qualified(user_id))
                {
                    let push = push(outgoing, vec![*connection], None);
                    answers.push(LostAnswer { user_id, connection: *connection, push });
                }
                continue;
            }
            users.extend(outgoing.to.members().filter(|user| {
                let devices = located.devices.get(*user).into_iter().flatten();
                devices.into_iter().any(|device| is_missed(&located.gateways[device.gateway]))
            }));
        }
        self.remember(users.into_iter().cloned(), answers);
    }

    /// Sends these users their head digests later.
    fn remember(
        &self,
        users: impl IntoIterator<Item = UserId>,
        answers: impl IntoIterator<Item = LostAnswer>,
    ) {
        let dropped = self.parts.missed.add(users, answers);
        self.parts.metrics.missed_dropped.inc_by(dropped as u64);
    }
}

/// What a batch takes while it waits, about.
fn bytes(batch: &OutgoingBatch) -> usize {
    batch.outgoing.iter().map(|outgoing| outgoing.what.len() + OVERHEAD_BYTES).sum()
}
