//! Frames about a user's own state, from the bus.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, FrameConsumer, Lane};
use platform::backoff::Backoff;
use platform::shutdown::{Shutdown, Tasks};
use proto::bus::{Frame, frame::Body};
use proto::id::UserId;
use proto::partition::Partition;

use crate::announce::{Announcement, Announcements};
use crate::domain::status::Chosen;
use crate::store::PresenceStore;

/// Consumes every partition of the presence lane.
pub fn start(
    bus: &Arc<dyn Bus>,
    store: &Arc<dyn PresenceStore>,
    announcements: &Announcements,
    prefetch: u16,
    tasks: &Tasks,
    shutdown: &Shutdown,
) {
    for partition in 0..bus.partitions() {
        let intake = Intake {
            bus: Arc::clone(bus),
            store: Arc::clone(store),
            announcements: announcements.clone(),
            partition,
            prefetch,
            shutdown: shutdown.clone(),
        };
        tasks.spawn("presence intake", intake.run());
    }
}

struct Intake {
    bus: Arc<dyn Bus>,
    store: Arc<dyn PresenceStore>,
    announcements: Announcements,
    partition: Partition,
    prefetch: u16,
    shutdown: Shutdown,
}

impl Intake {
    async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        while !self.shutdown.is_begun() {
            match self.bus.consume_frames(Lane::Presence, self.partition, self.prefetch).await {
                Ok(consumer) => {
                    backoff.reset();
                    self.consume(consumer).await;
                }
                Err(error) => {
                    tracing::debug!(partition = self.partition, %error, "cannot consume yet");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = self.shutdown.begun() => {}
            }
        }
    }

    async fn consume(&self, mut consumer: Box<dyn FrameConsumer>) {
        let acker = consumer.acker();
        loop {
            let delivery = tokio::select! {
                delivery = consumer.next() => delivery,
                () = self.shutdown.begun() => return,
            };
            let Some(delivery) = delivery else { return };
            for frame in delivery.batch.frames {
                self.take(frame).await;
            }
            acker.ack_through(delivery.tag).await;
        }
    }

    async fn take(&self, frame: Frame) {
        let (Some(origin), Some(Body::SetStatus(set))) = (frame.origin, frame.body) else { return };
        // The gateway has checked both.
        let (Ok(user), Some(chosen)) = (UserId::parse(&origin.user_id), Chosen::parse(&set.status))
        else {
            return;
        };
        match self.store.choose(&user, chosen).await {
            Ok(()) => self.announcements.announce(Announcement::Chosen(user)),
            Err(error) => tracing::warn!(%error, "a state is not kept; the user sets it again"),
        }
    }
}
