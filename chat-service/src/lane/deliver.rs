//! The deliver step: who is where now, and one batch of pushes for each gateway.
//!
//! Presence may be slow or away: answers need no look-up and wait for none, and entries without an
//! address are owed (see `owed`).

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::{Duration, Instant};

use bus::PublishError;
use futures_util::FutureExt;
use proto::bus::{DeviceType, GatewayRef, Push, PushBatch};
use proto::id::UserId;
use tokio::sync::mpsc;

use super::append::Appended;
use super::message::{Outgoing, To};
use super::owed::LostAnswer;
use super::{Delivery, LaneParts, guarded, retry_backoff};
use crate::directory::Located;
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

/// A gateway's incarnation as a key.
type GatewayKey = (String, u64);

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
        self.publish_all(outgoing, &Located::default(), To::is_answer).await;
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
            self.publish_all(outgoing, &located.unwrap_or_default(), |_| true).await;
            return;
        }
        self.answer(outgoing).await;
        if let Some(located) = look_up.await {
            self.publish_all(outgoing, &located, |to| !to.is_answer()).await;
        }
    }

    /// One look-up for all members who are to hear something. After the commit, never before. Without
    /// an answer they are owed, and nobody waits for the next one.
    async fn locate(&self, appended: &Appended) -> Option<Located> {
        if planted::LOCATE_BEFORE_COMMIT {
            return appended.located_early.clone();
        }
        let mut users = BTreeSet::new();
        let mut traceparent = "";
        for outgoing in &appended.outgoing {
            users.extend(outgoing.to.members());
            if traceparent.is_empty() && !outgoing.to.is_answer() {
                traceparent = &outgoing.traceparent;
            }
        }
        if users.is_empty() {
            return Some(Located::default());
        }
        let users: Vec<UserId> = users.into_iter().cloned().collect();
        if !self.parts.owed.is_directory_up() {
            self.owe(users, []);
            return None;
        }
        let started = Instant::now();
        let located = self.parts.directory.locate(&users, traceparent).await;
        self.parts.metrics.locate_seconds.observe(started.elapsed().as_secs_f64());
        match located {
            Ok(located) => Some(located),
            Err(error) => {
                self.parts.metrics.locate_failures.inc();
                tracing::warn!(%error, users = users.len(), "entries wait until presence is back");
                self.parts.owed.directory_is_away();
                self.owe(users, []);
                None
            }
        }
    }

    async fn publish_all(
        &self,
        outgoing: &[Outgoing],
        located: &Located,
        is_wanted: impl Fn(&To) -> bool,
    ) {
        let mut pushes: HashMap<GatewayKey, Vec<Push>> = HashMap::new();
        for outgoing in outgoing.iter().filter(|outgoing| is_wanted(&outgoing.to)) {
            address(outgoing, located, &mut pushes);
        }
        let publishes = pushes.into_iter().map(|(gateway, pushes)| self.publish(gateway, pushes));
        let missed: HashSet<GatewayKey> =
            futures_util::future::join_all(publishes).await.into_iter().flatten().collect();
        if !missed.is_empty() {
            self.owe_missed(outgoing.iter().filter(|out| is_wanted(&out.to)), located, &missed);
        }
    }

    /// The gateway when not everything reached it.
    async fn publish(&self, (id, epoch): GatewayKey, pushes: Vec<Push>) -> Option<GatewayKey> {
        let gateway = GatewayRef { id, epoch };
        for batch in split(pushes, self.parts.config.push_batch_bytes) {
            if !self.publish_batch(&gateway, batch).await {
                // Gone or given up: the rest would only overtake what is missing.
                return Some((gateway.id, gateway.epoch));
            }
        }
        None
    }

    /// False when nothing more can reach this incarnation.
    async fn publish_batch(&self, gateway: &GatewayRef, batch: PushBatch) -> bool {
        let metrics = &self.parts.metrics;
        let mut backoff = retry_backoff();
        for _ in 0..self.parts.config.push_attempts.max(1) {
            match self.parts.bus.publish_pushes(gateway, batch.clone()).await {
                Ok(()) => {
                    metrics.push(PushKind::Confirmed);
                    return true;
                }
                Err(PublishError::Unroutable) => {
                    metrics.push(PushKind::GatewayGone);
                    return false;
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
        false
    }

    /// Everybody at these gateways may have missed something.
    fn owe_missed<'a>(
        &self,
        outgoing: impl Iterator<Item = &'a Outgoing>,
        located: &Located,
        missed: &HashSet<GatewayKey>,
    ) {
        let (mut users, mut answers) = (BTreeSet::new(), Vec::new());
        let is_missed =
            |gateway: &GatewayRef| missed.contains(&(gateway.id.clone(), gateway.epoch));
        for outgoing in outgoing {
            if let To::Connection { gateway, connection, user_id } = &outgoing.to {
                if let (true, Ok(user_id)) = (is_missed(gateway), UserId::parse(user_id)) {
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

fn push(outgoing: &Outgoing, connections: Vec<u64>) -> Push {
    Push {
        connections,
        frame: outgoing.frame.clone(),
        class: outgoing.class as i32,
        traceparent: outgoing.traceparent.clone(),
        answers: outgoing.answers.clone(),
        conversation_id: outgoing.entry.map(|(id, _)| id.to_bytes()).unwrap_or_default(),
        seq: outgoing.entry.map_or(0, |(_, seq)| seq),
    }
}

/// Puts a push into the batch of every gateway that has a socket for it.
fn address(outgoing: &Outgoing, located: &Located, pushes: &mut HashMap<GatewayKey, Vec<Push>>) {
    let (except, device_type) = match &outgoing.to {
        To::Connection { gateway, connection, .. } => {
            pushes.entry(key(gateway)).or_default().push(push(outgoing, vec![*connection]));
            return;
        }
        To::User(_) => (None, DeviceType::Unspecified),
        To::Members { except, device_type, .. } => (except.as_ref(), *device_type),
    };
    let mut by_gateway: Vec<Vec<u64>> = vec![Vec::new(); located.gateways.len()];
    for user in outgoing.to.members() {
        for device in located.devices.get(user).into_iter().flatten() {
            if device_type != DeviceType::Unspecified && device.device_type != device_type {
                continue;
            }
            let is_asker = except.is_some_and(|(gateway, connection)| {
                *connection == device.connection
                    && is_same(gateway, &located.gateways[device.gateway])
            });
            if !is_asker {
                by_gateway[device.gateway].push(device.connection);
            }
        }
    }
    for (gateway, connections) in located.gateways.iter().zip(by_gateway) {
        if !connections.is_empty() {
            pushes.entry(key(gateway)).or_default().push(push(outgoing, connections));
        }
    }
}

fn key(gateway: &GatewayRef) -> GatewayKey {
    (gateway.id.clone(), gateway.epoch)
}

fn is_same(one: &GatewayRef, other: &GatewayRef) -> bool {
    one.epoch == other.epoch && one.id == other.id
}

/// Batches of at most so many bytes, in order; one larger push goes alone.
fn split(pushes: Vec<Push>, max_bytes: usize) -> Vec<PushBatch> {
    let mut batches = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for push in pushes {
        let size = push.frame.len() + push.connections.len() * 8 + 64;
        if bytes + size > max_bytes && !batch.is_empty() {
            batches.push(PushBatch { pushes: std::mem::take(&mut batch) });
            bytes = 0;
        }
        bytes += size;
        batch.push(push);
    }
    if !batch.is_empty() {
        batches.push(PushBatch { pushes: batch });
    }
    batches
}
