//! Subscribers within the process: each has a queue of its own, with a bound, and a task of its own. One that panics, or is
//! too slow, loses its own events and harms nobody else.

use std::sync::Arc;

use async_trait::async_trait;
use platform::shutdown::{Shutdown, Tasks};
use tokio::sync::mpsc;

use super::metrics::FollowerMetrics;
use crate::events::Event;
use crate::panics::caught;

/// Takes events within the process.
#[async_trait]
pub trait EventSink: Send + Sync + 'static {
    /// In logs.
    fn name(&self) -> &'static str;

    /// Takes one; the next comes when this has returned.
    async fn take(&self, event: Arc<Event>);
}

/// Writes a line for each event: what happened where, not what it says.
#[derive(Debug, Clone, Copy)]
pub struct LogSink;

#[async_trait]
impl EventSink for LogSink {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn take(&self, event: Arc<Event>) {
        tracing::info!(
            target: "events",
            r#type = event.r#type.as_str(),
            tenant = event.tenant.as_str(),
            conversation_id = %event.conversation_id,
            sequence = event.seq,
            "event"
        );
    }
}

/// The queues of all subscribers.
#[derive(Default)]
pub struct Sinks {
    queues: Vec<mpsc::Sender<Arc<Event>>>,
    metrics: Option<FollowerMetrics>,
}

impl Sinks {
    /// Starts a task for each subscriber, in front of which at most `queue` events wait.
    pub fn start(
        sinks: Vec<Arc<dyn EventSink>>,
        queue: usize,
        metrics: &FollowerMetrics,
        tasks: &Tasks,
        shutdown: &Shutdown,
    ) -> Self {
        let queues = sinks
            .into_iter()
            .map(|sink| {
                let (sender, waiting) = mpsc::channel(queue.max(1));
                tasks.spawn("event sink", run(sink, waiting, shutdown.clone()));
                sender
            })
            .collect();
        Self { queues, metrics: Some(metrics.clone()) }
    }

    /// Gives events to all subscribers that have room for them.
    pub(super) fn give(&self, events: Vec<Event>) {
        if self.queues.is_empty() {
            return;
        }
        for event in events {
            let event = Arc::new(event);
            for queue in &self.queues {
                if queue.try_send(Arc::clone(&event)).is_err()
                    && let Some(metrics) = &self.metrics
                {
                    metrics.sink_dropped();
                }
            }
        }
    }
}

async fn run(
    sink: Arc<dyn EventSink>,
    mut waiting: mpsc::Receiver<Arc<Event>>,
    shutdown: Shutdown,
) {
    loop {
        let taking = async {
            let event = waiting.recv().await?;
            Some(caught(sink.take(event)).await)
        };
        let taken = tokio::select! {
            taken = taking => taken,
            () = shutdown.begun() => return,
        };
        match taken {
            Some(Ok(())) => {}
            Some(Err(panicked)) => {
                tracing::error!(sink = sink.name(), panicked, "a subscriber panicked");
            }
            None => return,
        }
    }
}
