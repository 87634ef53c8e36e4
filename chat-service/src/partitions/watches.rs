//! What the monitor of the process watches of the chat service.

use platform::metrics::Metrics;
use platform::monitor::{Alert, Reading, Rule, Watch};

use super::balance::Balance;
use super::parts::WorkerParts;
use crate::metrics::OutcomeKind;

/// Gives the monitor its figures.
pub(crate) fn watch(registry: &Metrics, parts: &WorkerParts, balance: &Balance) {
    let metrics = parts.append.metrics.clone();
    registry.watch(Watch::new("stored", move || {
        Reading::Total(metrics.operations(OutcomeKind::Stored) as f64)
    }));
    let balance = balance.clone();
    let deepest = move || match balance.depths().into_iter().map(|(_, depth)| depth).max() {
        Some(deepest) => Reading::Level(deepest as f64),
        None if balance.held().is_empty() => Reading::Level(0.0),
        None => Reading::Unknown,
    };
    registry.watch(Watch::new("queue_batches", deepest).alert(Alert {
        name: "TidingsQueueDeep",
        rule: Rule::Depth,
        says: "more comes into a partition than is worked off: look at the database, then at the number of chat services",
    }));
    let (metrics, partitions) = (parts.append.metrics.clone(), parts.bus.partitions());
    let oldest = move || Reading::Level(metrics.oldest_seconds(partitions));
    registry.watch(Watch::new("oldest_seconds", oldest).alert(Alert {
        name: "TidingsFramesWait",
        rule: Rule::Age,
        says: "frames wait long until a chat service takes them: look for a partition that stands still",
    }));
}
