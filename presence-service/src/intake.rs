//! `status` frames from the bus: what users choose.
//!
//! A choice is stored by the chat service before anybody is told of it. One that cannot be kept now is
//! answered with an error and not kept for later: the user, who sees that it did not work, chooses again.
//! Must not take anything else from the bus: connections are reported over gRPC.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, FrameConsumer, Lane};
use platform::backoff::Backoff;
use platform::shutdown::{Shutdown, Tasks};
use platform::trace::Tracer;
use proto::bus::frame::Body;
use proto::bus::{
    Answer, Frame, FrameBatch, Origin, Push, PushBatch, Refused, answer::Outcome, push,
};
use proto::common::GatewayRef;
use proto::error_code::{ErrorCode, Stored};
use proto::id::{GatewayId, UserId};
use proto::partition::Partition;

use crate::announce::Announcements;
use crate::choices::Choices;
use crate::config::PresenceSettings;
use crate::domain::registration::{Change, GatewayEpoch, Place};
use crate::domain::status::Chosen;
use crate::metrics::PresenceMetrics;
use crate::store::{Choice, PresenceStore, StoreError};

/// What every partition's task works with.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn PresenceStore>,
    pub(crate) announcements: Announcements,
    pub(crate) choices: Choices,
    pub(crate) metrics: PresenceMetrics,
    pub(crate) settings: PresenceSettings,
    pub(crate) tracer: Tracer,
}

impl Intake {
    /// Joins the consumers of every partition; the bus makes one of them active.
    pub(crate) fn start(&self, tasks: &Tasks, shutdown: &Shutdown) {
        for partition in 0..self.bus.partitions() {
            tasks.spawn("presence intake", self.clone().run(partition, shutdown.clone()));
        }
    }

    async fn run(self, partition: Partition, shutdown: Shutdown) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        while !shutdown.is_begun() {
            match self.bus.consume_frames(Lane::Presence, partition, self.settings.prefetch).await {
                Ok(consumer) => {
                    backoff.reset();
                    self.consume(consumer, &shutdown).await;
                }
                Err(error) => tracing::debug!(partition, %error, "cannot consume yet"),
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = shutdown.begun() => {}
            }
        }
    }

    async fn consume(&self, mut consumer: Box<dyn FrameConsumer>, shutdown: &Shutdown) {
        let acker = consumer.acker();
        loop {
            let delivery = tokio::select! {
                delivery = consumer.next() => delivery,
                () = shutdown.begun() => return,
            };
            let Some(delivery) = delivery else { return };
            self.take(delivery.batch).await;
            acker.ack_through(delivery.tag).await;
        }
    }

    /// Takes a batch: of each user the last choice counts.
    async fn take(&self, batch: FrameBatch) {
        let mut choices: HashMap<UserId, (Origin, Choice)> = HashMap::new();
        let mut answers = Vec::new();
        let spans: Vec<_> = batch
            .frames
            .iter()
            .map(|frame| self.tracer.child("presence.choose", &frame.traceparent))
            .collect();
        for frame in batch.frames {
            match read(frame, batch.gateway.as_ref()) {
                Ok((origin, choice)) => {
                    choices.insert(choice.user_id.clone(), (origin, choice));
                }
                Err(Unread::Unknown) => {
                    self.metrics.unknown_frames.inc();
                }
                Err(Unread::NoSuchStatus(origin)) => answers.push(answer(
                    &origin,
                    ErrorCode::Invalid,
                    "status is one of online, away, busy, invisible",
                    Stored::No,
                    None,
                )),
            }
        }
        let (origins, choices): (Vec<Origin>, Vec<Choice>) = choices.into_values().unzip();
        match self.keep(&choices).await {
            Ok(changes) => self.announcements.note(changes),
            Err(error) => {
                tracing::debug!(%error, choices = choices.len(), "choices are not kept");
                answers.extend(origins.iter().map(|origin| {
                    let code = ErrorCode::Unavailable;
                    let retry = Some(self.settings.retry_after_ms);
                    answer(origin, code, "presence is away: set it again", Stored::Unknown, retry)
                }));
            }
        }
        drop(spans);
        if let (Some(gateway), false) = (batch.gateway, answers.is_empty())
            && let Err(error) =
                self.bus.publish_pushes(&gateway, PushBatch { pushes: answers }).await
        {
            // The sockets went with the gateway, or will hear nothing of a status that did not change.
            tracing::debug!(%error, "errors are not told");
            self.metrics.push_failures.inc();
        }
    }
}

impl Intake {
    /// Keeps choices for good, then takes them over.
    async fn keep(&self, choices: &[Choice]) -> Result<Vec<Change>, StoreError> {
        self.choices.keep(choices).await.map_err(StoreError::Unavailable)?;
        let mut changes = self.store.choose(choices).await?;
        for change in &mut changes {
            // Others may still believe what was true before the choice was forgotten.
            if change.before.chosen == Chosen::Unread && !change.after.is_visible() {
                change.before.chosen = Chosen::Online;
            }
        }
        Ok(changes)
    }
}

/// Why a frame gives no choice.
enum Unread {
    Unknown,
    NoSuchStatus(Box<Origin>),
}

fn read(frame: Frame, gateway: Option<&GatewayRef>) -> Result<(Origin, Choice), Unread> {
    let (Some(origin), Some(Body::SetStatus(set))) = (frame.origin, frame.body) else {
        return Err(Unread::Unknown);
    };
    let Ok(user_id) = UserId::parse_qualified(&origin.user_id) else { return Err(Unread::Unknown) };
    let Some(chosen) = Chosen::parse(&set.status) else {
        return Err(Unread::NoSuchStatus(Box::new(origin)));
    };
    let by = gateway.and_then(|gateway| {
        let id = GatewayId::parse(&gateway.id).ok()?;
        let gateway = GatewayEpoch { id, epoch: gateway.epoch };
        Some(Place { gateway, connection: origin.connection })
    });
    Ok((origin, Choice { user_id, chosen, by }))
}

fn answer(
    origin: &Origin,
    code: ErrorCode,
    message: &str,
    stored: Stored,
    retry_after_ms: Option<u64>,
) -> Push {
    let refused = Refused { retry_after_ms, ..Refused::new(code, message, stored) };
    push::Body::Answer(Answer {
        connection: origin.connection,
        outcome: Some(Outcome::Refused(refused)),
        ..Answer::default()
    })
    .into()
}
