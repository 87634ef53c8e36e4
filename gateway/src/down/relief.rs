//! One bound for all that waits for sockets. Beyond it the sockets are closed for which most waits, until there
//! is room again; all others go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::connections::{Connection, Registry};
use crate::metrics::GatewayMetrics;
use crate::net::frame::bounds;

/// What was closed gives its memory back within this time; until then nobody else is closed.
const AGAIN: Duration = Duration::from_millis(20);
/// So much of the bound is free afterwards.
const FREE: usize = 8;

/// Keeps the bound.
#[derive(Debug)]
pub(crate) struct Relief {
    most: usize,
    registry: Arc<Registry>,
    metrics: GatewayMetrics,
    /// When sockets were closed last.
    closed_at: Mutex<Option<Instant>>,
}

impl Relief {
    /// No more than so many bytes wait for all sockets of this registry.
    pub(crate) fn new(most: usize, registry: Arc<Registry>, metrics: GatewayMetrics) -> Self {
        Self { most, registry, metrics, closed_at: Mutex::default() }
    }

    /// Closes sockets when too much waits. Tasks that make frames call this after each push or reply.
    pub(crate) fn look(&self) {
        let held = bounds::held();
        if held > self.most {
            self.relieve(held - (self.most - self.most / FREE));
        }
    }

    /// Closes sockets for which so many bytes wait.
    #[cold]
    fn relieve(&self, mut over: usize) {
        // One is enough, and has seen the same.
        let Some(mut closed_at) = self.closed_at.try_lock() else { return };
        if closed_at.is_some_and(|at| at.elapsed() < AGAIN) {
            return;
        }
        let mut sockets = self.waiting();
        sockets.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let mut closed: u64 = 0;
        for (bytes, socket) in sockets {
            if over == 0 {
                break;
            }
            // A frame that others hold, too, stays: then the next look finds more.
            over = over.saturating_sub(bytes);
            self.metrics.dropped(socket.outbox.cut().by_kind());
            closed += 1;
        }
        self.metrics.relieved.inc_by(closed);
        tracing::warn!(
            limit = "limits.memory.outbox_bytes",
            closed,
            "too much waits for all sockets: those for which most does are closed"
        );
        *closed_at = Some(Instant::now());
    }

    /// The sockets for which something waits.
    fn waiting(&self) -> Vec<(usize, Arc<Connection>)> {
        let sockets = self.registry.all().into_iter();
        let sockets = sockets.map(|socket| (socket.outbox.bytes(), socket));
        sockets.filter(|(bytes, _)| *bytes > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use platform::metrics::Metrics;

    use super::*;
    use crate::connections::outbox::OutboxLimits;
    use crate::net::close::Close;
    use crate::net::frame::{About, Class, Frame};

    #[test]
    fn those_for_which_most_waits_are_closed_first_and_nobody_else() {
        let registry = Arc::new(Registry::default());
        let limits = OutboxLimits { frames: 10, bytes: 10_000, bulk: 10 };
        for (number, bytes) in [(1, 100), (2, 3_000), (3, 0), (4, 2_000)] {
            let socket = Connection::for_test(number, "ann");
            let frame = Frame::new(&vec![b'x'; bytes], About::class(Class::Entry));
            if bytes > 0 {
                assert!(socket.outbox.push(frame, limits).is_none());
            }
            registry.insert(socket);
        }
        let metrics = GatewayMetrics::new(&Metrics::new());
        let relief = Relief::new(1 << 40, Arc::clone(&registry), metrics.clone());
        relief.relieve(3_001);
        let closed = |number| registry.get(number).unwrap().outbox.take().close;
        assert_eq!(
            [1, 2, 3, 4].map(closed),
            [None, Some(Close::Crowded), None, Some(Close::Crowded)]
        );
        assert_eq!(metrics.relieved.get(), 2);
    }
}
