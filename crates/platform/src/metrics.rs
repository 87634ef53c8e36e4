//! The registry that the parts of one process put their metrics into.
//!
//! Names are `tidings_<part>_<noun>_<unit>`; `_total` is added to counters by the encoder.

mod plain;
mod process;
pub mod watch;

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use watch::{Watch, Watches};

/// The type that `/metrics` must say for [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The type that it must say for [`Metrics::encode_plain`].
pub const PLAIN_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A handle to the process's registry, and to what its monitor watches.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    watches: Watches,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("tidings_build", "The running build", build);
        registry.register_collector(Box::new(process::Process::new()));
        Self { registry: Arc::new(Mutex::new(registry)), watches: Watches::default() }
    }
}

impl Metrics {
    /// A registry with the figures of the process itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a part register its metrics.
    pub fn register(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.registry.lock());
    }

    /// Has the monitor of this process watch a figure; it does nothing where there is none.
    pub fn watch(&self, watch: Watch) {
        self.watches.add(watch);
    }

    pub(crate) fn watches(&self) -> Watches {
        self.watches.clone()
    }

    /// Everything as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry.lock()).is_err() {
            // Writing into a `String` cannot fail; a part's own collector can.
            tracing::error!("the metrics cannot be written");
        }
        text
    }

    /// Everything in the text format 0.0.4, for readers that do not ask for OpenMetrics.
    pub fn encode_plain(&self) -> String {
        plain::of_open_metrics(&self.encode())
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

    #[test]
    fn the_process_itself_is_measured() {
        let text = Metrics::new().encode();
        for name in [
            "tidings_build_info{version=",
            "tidings_task_panics_total ",
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_threads ",
            "process_open_fds ",
            "process_start_time_seconds ",
        ] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name}: {text}");
        }
    }
}
