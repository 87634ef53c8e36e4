//! What the monitor of the process watches of the gateway.

use platform::metrics::Metrics;
use platform::monitor::{Alert, Reading, Rule, Watch};
use prometheus_client::metrics::counter::Counter;
use proto::error_code::ErrorCode;

use super::{Door, ErrorLabel, GatewayMetrics};

/// Errors of the server: the client can do nothing about them.
const OURS: [ErrorCode; 2] = [ErrorCode::Unavailable, ErrorCode::Internal];

impl GatewayMetrics {
    /// Gives the monitor its figures.
    pub(super) fn watch(&self, metrics: &Metrics) {
        let (open, limit) = (self.connections.clone(), self.connections_limit.clone());
        let connections = move || Reading::Part { used: open.get() as f64, of: limit.get() as f64 };
        metrics.watch(Watch::new("connections", connections).alert(Alert {
            name: "TidingsConnectionsNearLimit",
            rule: Rule::Connections,
            says: "this gateway holds nearly as many connections as it can: add a gateway, or raise its limits",
        }));
        let this = self.clone();
        metrics.watch(Watch::new("requests", move || Reading::Total(this.asked() as f64)));
        let this = self.clone();
        let errors = move || Reading::Bad { bad: this.our_errors(), all: this.asked() };
        metrics.watch(Watch::new("errors", errors).alert(Alert {
            name: "TidingsErrorsFrequent",
            rule: Rule::Errors,
            says: "clients are told errors that are ours: /health/ready names what is away",
        }));
        let (micros, count) = (self.answered_micros.clone(), self.answered.clone());
        let took = move || Reading::Took { micros: micros.get(), count: count.get() };
        metrics.watch(Watch::new("latency", took).alert(Alert {
            name: "TidingsAnswersSlow",
            rule: Rule::Latency,
            says: "answers take long: look at the database, then at the CPU of all services",
        }));
        let frames: Counter = self.frames_out.clone();
        metrics.watch(Watch::new("frames_out", move || Reading::Total(frames.get() as f64)));
    }

    /// Frames of clients, and requests over REST.
    fn asked(&self) -> u64 {
        self.frames_in.get() + self.of_statuses.iter().map(Counter::get).sum::<u64>()
    }

    fn our_errors(&self) -> u64 {
        let of_door = |door: Door| {
            OURS.map(|code| ErrorLabel { code: code.as_str(), via: door.as_str() })
                .iter()
                .map(|label| self.errors.get_or_create(label).get())
                .sum::<u64>()
        };
        [Door::Ws, Door::Sse, Door::Rest].map(of_door).iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn errors_are_ours_over_every_door_and_asked_is_what_clients_asked() {
        let metrics = GatewayMetrics::new(&Metrics::new());
        metrics.frames_in.inc_by(7);
        metrics.answered_rest(503, Duration::ZERO);
        metrics.error(ErrorCode::Unavailable, Door::Rest);
        metrics.error(ErrorCode::Internal, Door::Ws);
        metrics.error(ErrorCode::NotMember, Door::Ws);
        metrics.error(ErrorCode::Unavailable, Door::Page);
        assert_eq!((metrics.our_errors(), metrics.asked()), (2, 8));
    }
}
