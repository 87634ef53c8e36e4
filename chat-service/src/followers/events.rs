//! The follower `events`: publishes what is appended as CloudEvents on the topic exchange of the bus, and gives it to the
//! subscribers of this process. The position moves after the confirms: an event may come twice, by the same id.

use std::sync::Arc;

use async_trait::async_trait;
use bus::{Bus, Events as Message, PublishError};
use serde::{Deserialize, Serialize};

use super::follower::{Follower, WorkError};
use super::metrics::FollowerMetrics;
use super::sinks::Sinks;
use crate::clock::now_ms;
use crate::events::{Batch, Bounds, Event, Patterns, UnknownType, batches};
use crate::planted;
use crate::store::tail::{Position, TailPage};

/// Names its cursor.
pub(super) const NAME: &str = "events";

/// The section `[events]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventConfig {
    /// Types of the events that are published: in full, by their beginning (`"chat.message.*"`), or `"*"` for all that are
    /// from the log. Those that are told once and may be lost have to be named. Empty: the log is not read for events.
    pub types: Vec<String>,
    /// Maximum number of events in one message of the broker.
    pub batch_events: usize,
    /// Maximum size of several events in one message of the broker, in bytes.
    pub batch_bytes: usize,
    /// Whether each event is a line in the log of the process: its type, conversation and sequence, not what it says.
    pub log: bool,
    /// Maximum number of events that wait for one subscriber within the process; further ones are dropped for it and
    /// counted.
    pub queue_events: usize,
}

impl Default for EventConfig {
    fn default() -> Self {
        Self {
            types: Vec::new(),
            batch_events: 200,
            batch_bytes: 256 << 10,
            log: false,
            queue_events: 1_024,
        }
    }
}

impl EventConfig {
    /// Which types are wanted. The error is one line for an operator.
    pub fn patterns(&self) -> Result<Patterns, UnknownEventType> {
        Patterns::new(self.types.clone()).map_err(UnknownEventType)
    }
}

/// A mistake in the section.
#[derive(Debug, thiserror::Error)]
#[error("events.types: {0}")]
pub struct UnknownEventType(UnknownType);

/// Publishes events.
pub struct EventFollower {
    pub bus: Arc<dyn Bus>,
    pub types: Patterns,
    pub bounds: Bounds,
    pub sinks: Sinks,
    pub metrics: FollowerMetrics,
}

#[async_trait]
impl Follower for EventFollower {
    fn name(&self) -> &str {
        NAME
    }

    fn kind(&self) -> &'static str {
        NAME
    }

    async fn work(&self, page: &TailPage) -> Result<Position, WorkError> {
        let now = now_ms();
        let events = page.rows.iter().filter_map(|row| Event::of(row.clone(), now));
        let wanted = events.filter(|event| self.types.want(event.r#type));
        for batch in batches(wanted, self.bounds) {
            self.publish(&batch).await?;
            self.metrics.published(batch.events.len());
            self.sinks.give(batch.events);
        }
        Ok(page.next)
    }
}

impl EventFollower {
    /// In order: the next batch may hold what comes after it in the same conversation.
    async fn publish(&self, batch: &Batch) -> Result<(), WorkError> {
        let message = Message {
            key: batch.key.clone(),
            content_type: batch.content_type(),
            attributes: batch.attributes(),
            body: batch.body(),
        };
        match self.bus.publish_events(message).await {
            // Nobody has bound a queue to it.
            Ok(()) | Err(PublishError::Unroutable) => Ok(()),
            Err(error) if planted::POSITION_BEFORE_CONFIRM => {
                tracing::debug!(%error, "passed all the same");
                Ok(())
            }
            Err(error) => Err(WorkError::Unavailable(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use bus::in_process::{InProcessBus, InProcessConfig};
    use parking_lot::Mutex;
    use platform::metrics::Metrics;
    use platform::shutdown::{Shutdown, Tasks};
    use tokio::sync::Notify;

    use super::*;
    use crate::events::EventType;
    use crate::followers::sinks::EventSink;
    use crate::store::tail::TailRow;

    fn row(seq: u64) -> TailRow {
        crate::events::tests_row(seq)
    }

    fn follower(sinks: Sinks) -> EventFollower {
        EventFollower {
            bus: Arc::new(InProcessBus::new(InProcessConfig::default())),
            types: Patterns::new(vec!["*".to_owned()]).unwrap(),
            bounds: Bounds { events: 200, bytes: 1 << 18 },
            sinks,
            metrics: FollowerMetrics::new(&Metrics::new()),
        }
    }

    fn page(seqs: std::ops::RangeInclusive<u64>) -> TailPage {
        let next = Position(*seqs.end());
        TailPage { rows: seqs.map(row).collect(), next }
    }

    /// Takes what it is given, and panics at one.
    #[derive(Default)]
    struct Careless {
        taken: Mutex<Vec<u64>>,
        some: Notify,
    }

    #[async_trait]
    impl EventSink for Careless {
        fn name(&self) -> &'static str {
            "careless"
        }

        async fn take(&self, event: Arc<Event>) {
            assert_ne!(event.seq, 2, "on purpose");
            self.taken.lock().push(event.seq);
            self.some.notify_one();
        }
    }

    /// Never takes anything.
    struct Stuck;

    #[async_trait]
    impl EventSink for Stuck {
        fn name(&self) -> &'static str {
            "stuck"
        }

        async fn take(&self, _event: Arc<Event>) {
            std::future::pending::<()>().await;
        }
    }

    #[tokio::test]
    async fn a_subscriber_that_panics_or_stands_still_costs_its_own_events_alone() {
        let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
        let metrics = FollowerMetrics::new(&Metrics::new());
        let careless = Arc::new(Careless::default());
        let sinks: Vec<Arc<dyn EventSink>> = vec![Arc::new(Stuck), careless.clone()];
        let sinks = Sinks::start(sinks, 4, &metrics, &tasks, &shutdown);
        let follower = follower(sinks);
        assert_eq!(follower.work(&page(1..=3)).await, Ok(Position(3)));
        for last in 4..40 {
            assert_eq!(follower.work(&page(last..=last)).await, Ok(Position(last)));
            while careless.taken.lock().last() != Some(&last) {
                careless.some.notified().await;
            }
        }
        let expected: Vec<u64> = [1].into_iter().chain(3..40).collect();
        assert_eq!(*careless.taken.lock(), expected);
        shutdown.begin();
        tasks.join(std::time::Duration::from_secs(5)).await.unwrap();
    }

    #[tokio::test]
    async fn the_position_stays_while_the_bus_does_not_confirm() {
        let follower = follower(Sinks::default());
        follower.bus.close().await;
        let worked = follower.work(&page(1..=3)).await;
        assert!(matches!(worked, Err(WorkError::Unavailable(_))), "{worked:?}");
        assert!(EventType::OF_LOG.into_iter().all(|it| follower.types.want(it)));
    }
}
