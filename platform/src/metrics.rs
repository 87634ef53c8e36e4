//! The registry that the parts of one process put their metrics into.
//!
//! Names are `tidings_<part>_<noun>_<unit>`; `_total` is added to counters by the encoder.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;

/// The type that `/metrics` must say for [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A handle to the process's registry.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a part register its metrics.
    pub fn register(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.0.lock());
    }

    /// Everything as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a `String` cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.0.lock());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new();
        let counter: Counter = Counter::default();
        metrics.register(|registry| {
            registry.register("tidings_test_frames", "Frames.", counter.clone());
        });
        counter.inc_by(3);
        assert!(metrics.encode().contains("tidings_test_frames_total 3"));
    }
}
